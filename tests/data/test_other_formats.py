import base64
import io

import pytest

pytest.importorskip("pydicom", reason="needs the extra formats")
pytest.importorskip("pi_heif", reason="needs the extra formats")

import imagecodecs
import numpy as np
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
)

from celltransfer_core.data import decode, read_dataset, read_pixels
from celltransfer_core.data.images import read_size
from celltransfer_core.errors import ImageError
from tests.data.encoded import gradient, saved

HEIC = base64.b64decode(
    "AAAAHGZ0eXBoZWl4AAAAAG1pZjFoZWl4bWlhZgAAAX5tZXRhAAAAAAAAACFoZGxyAAAAAAAAAABwaWN0AAAAAAAAAA"
    "AAAAAAAAAAACJpbG9jAAAAAERAAAEAAQAAAAABogABAAAAAAAAAFoAAAAjaWluZgAAAAAAAQAAABVpbmZlAgAAAAAB"
    "AABodmMxAAAAAA5waXRtAAAAAAABAAAA/mlwcnAAAADeaXBjbwAAAHdodmNDAQQIAAAAnjgAAAAAHvAA/P/4+AAADw"
    "NgAAEAF0ABDAH//wQIAAADAJ44AAADAAAeugJAYQABACpCAQEECAAAAwCeOAAAAwAAHpAEECCy3VXTXNwENBgQAAAD"
    "AZAAAAMAEIBiAAEACEQBwXMYMBiQAAAAE2NvbHJuY2x4AAEADQAGgAAAABRpc3BlAAAAAAAAAEAAAABAAAAAKGNsYX"
    "AAAAAQAAAAAQAAABgAAAAB////0AAAAAL////YAAAAAgAAABBwaXhpAAAAAAMICAgAAAAYaXBtYQAAAAAAAAABAAEF"
    "gQIDBYQAAABibWRhdAAAAFYoAa8GMhsDhoBdQXL26qv//h6//1WSS8+XDZ+qxBvMzuPk/31NNv4aeJR1/0wqjM7T5G"
    "3OzSJyxD/9QOWbBTuba5t/7DUglh0gaO8kSxyDEErcDRVRtg=="
)
"""16 × 24 px: green above, red below; no program here can write such a file."""


def dicom(values, syntax=ExplicitVRLittleEndian, **elements):
    made = Dataset()
    made.file_meta = FileMetaDataset()
    made.file_meta.TransferSyntaxUID = syntax
    made.file_meta.MediaStorageSOPClassUID = made.file_meta.MediaStorageSOPInstanceUID = "1.2.3"
    made.Rows, made.Columns = values.shape[:2]
    colour = values.ndim == 3
    made.SamplesPerPixel, made.PhotometricInterpretation = (
        (3, "RGB") if colour else (1, "MONOCHROME2")
    )
    if colour:
        made.PlanarConfiguration = 0
    bits = 8 * values.dtype.itemsize
    made.BitsAllocated, made.BitsStored, made.HighBit = bits, bits, bits - 1
    made.PixelRepresentation = int(values.dtype.kind == "i")
    order = ">" if syntax == ExplicitVRBigEndian else "<"
    made.PixelData = values.astype(values.dtype.newbyteorder(order)).tobytes()
    if bits > 8:
        made["PixelData"].VR = "OW"
    for name, value in elements.items():
        setattr(made, name, value)
    file = io.BytesIO()
    made.save_as(file, enforce_file_format=True)
    return file.getvalue()


@pytest.mark.parametrize(
    "syntax", [ExplicitVRLittleEndian, ImplicitVRLittleEndian, ExplicitVRBigEndian]
)
@pytest.mark.parametrize("kind", [np.uint8, np.uint16, np.int16])
def test_dicom_of_grey(kind, syntax):
    values = (gradient()[..., 0].astype(int) * (1 if kind == np.uint8 else 20)).astype(kind)
    pixels = read_pixels(dicom(values, syntax))
    np.testing.assert_array_equal(pixels.values[..., 0], values)
    assert pixels.deep == (kind != np.uint8)


def test_dicom_of_colour_and_of_several_frames():
    np.testing.assert_array_equal(decode(dicom(gradient())), gradient())
    twice = np.concatenate([gradient()[..., 0]] * 2)
    pixels = read_pixels(dicom(twice, Rows=20, NumberOfFrames=2))
    assert pixels.pages == 2
    np.testing.assert_array_equal(pixels.values[..., 0], gradient()[..., 0])


def test_dicom_with_a_scale_of_its_own_and_with_white_lowest():
    values = gradient()[..., 0].astype(np.uint16)
    scaled = read_pixels(dicom(values, RescaleSlope="0.5", RescaleIntercept="-100"))
    np.testing.assert_allclose(scaled.values[..., 0], values * 0.5 - 100)
    assert scaled.numbers == "float"
    turned = read_pixels(
        dicom(values, PhotometricInterpretation="MONOCHROME1", BitsStored=12, HighBit=11)
    )
    np.testing.assert_array_equal(turned.values[..., 0], 4095 - values)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (bytes(128) + b"DICM" + bytes(500), "without an image"),
        (dicom(gradient(), DeflatedExplicitVRLittleEndian), "compressed with Deflate"),
        (
            dicom(gradient()).replace(
                ExplicitVRLittleEndian.encode() + b"\0", JPEG2000Lossless.encode()[:20]
            ),
            "compressed as",
        ),
        (dicom(gradient()[..., 0], PhotometricInterpretation="PALETTE COLOR"), "PALETTE COLOR"),
        (dicom(gradient()[..., 0])[:-300], "damaged|truncated"),
        (dicom(gradient()[..., 0], Rows=60_000), "too large"),
    ],
)
def test_dicom_that_is_not_read_says_why(data, reason):
    with pytest.raises(ImageError, match=reason):
        decode(data)


@pytest.mark.parametrize("kind", ["JPEG2000", "AVIF"])
def test_other_pictures_of_8_bits(kind):
    options = {"quality": 100, "subsampling": "4:4:4"} if kind == "AVIF" else {}
    np.testing.assert_allclose(
        decode(saved(gradient(64, 48), kind, **options)).astype(int), gradient(64, 48), atol=6
    )


def test_jpeg_2000_of_16_bits_keeps_its_numbers():
    colours = gradient(64, 48).astype(np.uint16) * 16
    for values in (colours, colours[..., 0]):
        for way in ("j2k", "jp2"):
            data = imagecodecs.jpeg2k_encode(values, level=0, codecformat=way)
            pixels = read_pixels(data)
            assert pixels.numbers == "16 bit"
            np.testing.assert_array_equal(np.squeeze(pixels.values), values)


def test_heic():
    image = decode(HEIC).astype(int)
    assert image.shape == (24, 16, 3)
    np.testing.assert_allclose(image[2, 2], (20, 160, 60), atol=3)
    np.testing.assert_allclose(image[-3, 2], (200, 40, 90), atol=3)
    with pytest.raises(ImageError, match="truncated"):
        decode(HEIC[:-60])


def test_all_are_found_in_folders_and_their_size_is_known(tmp_path):
    files = {
        "1.jp2": saved(gradient(), "JPEG2000"),
        "2.avif": saved(gradient(), "AVIF"),
        "3.HEIC": HEIC,
        "4.dcm": dicom(gradient()),
    }
    for name, data in files.items():
        (tmp_path / name).write_bytes(data)
    dataset = read_dataset(tmp_path, workers=1)
    assert set(dataset.files) == files.keys()
    assert dataset.left_out == ()
    sizes = {name: read_size(tmp_path / name) for name in files}
    assert sizes == {"1.jp2": (30, 20), "2.avif": (30, 20), "3.HEIC": (16, 24), "4.dcm": (30, 20)}
