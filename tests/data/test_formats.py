import bz2
import gzip
import io
import lzma
import tarfile
import zipfile

import imagecodecs
import numpy as np
import pytest
from PIL import Image

from celltransfer_core.data import decode, read_pixels
from celltransfer_core.data.formats import recognise
from celltransfer_core.errors import ImageError
from tests.data.encoded import gradient, saved, tiff


def zipped():
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("a.png", saved(gradient()))
    return file.getvalue()


def tarred():
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as archive:
        archive.addfile(tarfile.TarInfo("a.png"))
    return file.getvalue()


def array():
    file = io.BytesIO()
    np.save(file, gradient())
    return file.getvalue()


OTHERS = {
    "a GIF": saved(gradient()[..., 0], "GIF"),
    "a PDF": saved(gradient(), "PDF"),
    "a PNM (Netpbm)": saved(gradient(), "PPM"),
    "an icon (ICO)": saved(gradient(32, 32), "ICO"),
    "a NumPy array": array(),
    "a zip archive": zipped(),
    "a gzip archive": gzip.compress(b"text"),
    "a bzip2 archive": bz2.compress(b"text"),
    "an xz archive": lzma.compress(b"text"),
    "a tar archive": tarred(),
    "a RAR archive": b"Rar!\x1a\x07\x01\0" + bytes(100),
    "a 7z archive": b"7z\xbc\xaf\x27\x1c" + bytes(100),
    "a CZI file (Zeiss)": b"ZISRAWFILE" + bytes(500),
    "an ND2 file (Nikon)": b"\xda\xce\xbe\x0a" + bytes(500),
    "a LIF file (Leica)": b"\x70\0\0\0\x99\0\0\0\x2a" + bytes(500),
    "an HDF5 file": b"\x89HDF\r\n\x1a\n" + bytes(500),
    "a JPEG XL": b"\xff\x0a" + bytes(range(200)),
    "a Photoshop file": b"8BPS\0\1" + bytes(500),
    "a video (MP4 or MOV)": b"\0\0\0\x18ftypmp42" + bytes(500),
    "a Git LFS pointer": b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 1\n",
    "an HTML page": b"\n<!DOCTYPE html><html><body>log in</body></html>",
    "an SVG drawing": b'<?xml version="1.0"?><svg xmlns="http://www.w3.org/2000/svg"/>',
    "text": "file,label\na.png,ü\n".encode(),
    "text (UTF-16)": "file,label\n".encode("utf-16"),
    "filled with zeros": bytes(5000),
}


@pytest.mark.parametrize("name", OTHERS)
def test_another_kind_is_named_by_its_bytes(name):
    with pytest.raises(ImageError, match="not a PNG, JPEG, TIFF") as caught:
        decode(OTHERS[name])
    assert str(caught.value).startswith(f"is {name}")


def test_what_tells_nothing_is_not_guessed_at():
    assert recognise(b"\x13\x37" * 50) is None
    with pytest.raises(ImageError, match="match no known format"):
        decode(b"\x13\x37" * 50)


@pytest.mark.parametrize(
    ("encode", "name"),
    [
        (lambda values: imagecodecs.jpeg8_encode(values, bitspersample=12), "a JPEG with 12 bits"),
        (lambda values: imagecodecs.ljpeg_encode(values, bitspersample=12), "a lossless JPEG"),
        (imagecodecs.jpegls_encode, "a JPEG-LS"),
    ],
)
def test_a_jpeg_of_another_kind_is_named(encode, name):
    values = np.ascontiguousarray(gradient()[..., 0].astype(np.uint16) * 16)
    with pytest.raises(ImageError, match=f"is {name}, which is not supported"):
        decode(encode(values))


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "TIFF", "BMP", "WEBP", "JPEG2000", "AVIF"])
def test_an_image_without_its_end_is_called_cut_short(kind):
    rng = np.random.default_rng(0)
    data = saved(rng.integers(0, 256, (64, 64, 3), dtype=np.uint8), kind)
    with pytest.raises(ImageError, match="truncated"):
        decode(data[: len(data) * 2 // 3])


def test_a_whole_file_with_damage_is_not_called_cut_short():
    data = bytearray(saved(gradient(200, 200)))
    at = data.find(b"IDAT") + 20
    data[at : at + 30] = bytes(30)
    with pytest.raises(ImageError, match=r"^damaged"):
        decode(bytes(data))


@pytest.mark.parametrize(
    ("packing", "name"), [("jpegxl", "JPEGXL"), ("jpegxr", "JPEGXR"), ("jetraw", "JETRAW")]
)
def test_a_packing_that_is_not_read_is_named(packing, name):
    code = {"jpegxl": 50002, "jpegxr": 34934, "jetraw": 48124}[packing]
    data = bytearray(tiff(gradient(), photometric="rgb"))
    at = data.find(b"\x03\x01\x03\x00\x01\x00\x00\x00")  # Compression, one short number
    data[at + 8 : at + 10] = code.to_bytes(2, "little")
    with pytest.raises(ImageError, match=f"compressed as {name}"):
        decode(bytes(data))


@pytest.mark.parametrize(
    "packing", ["lzw", "zlib", "lzma", "packbits", "zstd", "lerc", "png", "webp", "jpeg2000"]
)
def test_packings_of_a_tiff(packing):
    lossless = {"compressionargs": {"lossless": True}} if packing == "webp" else {}
    data = tiff(gradient(48, 48), photometric="rgb", compression=packing, **lossless)
    np.testing.assert_array_equal(decode(data), gradient(48, 48))


@pytest.mark.parametrize("packing", ["lzw", "zstd", "lerc", "png", "jpeg2000"])
def test_packings_of_16_bit_colours(packing):
    values = gradient(48, 48).astype(np.uint16) * 17
    data = tiff(values, photometric="rgb", compression=packing)
    np.testing.assert_array_equal(read_pixels(data).values, values)


def test_colours_as_brightness_and_tint():
    tinted = np.asarray(Image.fromarray(gradient()).convert("YCbCr"))
    data = tiff(tinted, photometric="ycbcr", compression=None, subsampling=(1, 1))
    np.testing.assert_allclose(decode(data).astype(int), gradient(), atol=3)


def test_colours_that_are_not_read_are_named():
    data = bytearray(tiff(gradient()[..., 0].astype(np.uint16)))
    at = data.find(b"\x06\x01\x03\x00\x01\x00\x00\x00")  # PhotometricInterpretation
    data[at + 8] = 8
    with pytest.raises(ImageError, match="its colours are CIELAB"):
        decode(bytes(data))
