"""Valid image files of every supported format, as a basis for mutations."""

from __future__ import annotations

import io
from functools import lru_cache

import numpy as np
from PIL import Image, ImageCms

SIDE = 48
"""Pixels of a side."""


def saved(image, kind, **options) -> bytes:
    """Return an image as the bytes of a file."""
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


@lru_cache(maxsize=1)
def images() -> dict[str, bytes]:
    """Whole files of every format that is read."""
    rng = np.random.default_rng(1)
    noise = Image.fromarray(rng.integers(0, 256, (SIDE, SIDE, 3), dtype=np.uint8))
    deep = Image.fromarray(rng.integers(0, 65536, (SIDE, SIDE), dtype=np.uint16))
    found = {
        "png": saved(noise, "PNG"),
        "png palette": saved(noise.quantize(16), "PNG", transparency=3),
        "png 16 bit": saved(deep, "PNG"),
        "png alpha": saved(noise.convert("RGBA"), "PNG"),
        "jpeg": saved(noise, "JPEG"),
        "jpeg progressive": saved(noise, "JPEG", progressive=True),
        "jpeg cmyk": saved(noise.convert("CMYK"), "JPEG"),
        "bmp": saved(noise, "BMP"),
        "bmp palette": saved(noise.quantize(16), "BMP"),
        "webp": saved(noise, "WEBP"),
        "webp lossless": saved(noise, "WEBP", lossless=True),
        "webp pages": saved(noise, "WEBP", save_all=True, append_images=[noise] * 3),
        "tiff 16 bit": saved(deep, "TIFF"),
        "tiff pages": saved(noise, "TIFF", save_all=True, append_images=[noise] * 5),
        "tiff float": saved(Image.fromarray(np.asarray(deep, np.float32) / 65535), "TIFF"),
    }
    for packing in ("raw", "tiff_lzw", "tiff_deflate", "packbits", "jpeg"):
        found[f"tiff {packing}"] = saved(noise, "TIFF", compression=packing)
    found["jpeg 2000"] = saved(noise, "JPEG2000")
    found["jpeg 2000 16 bit"] = saved(deep, "JPEG2000")
    found["avif"] = saved(noise, "AVIF")
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB", 5000)).tobytes()
    found["png with a profile"] = saved(noise, "PNG", icc_profile=profile)
    return found | _deep_tiffs(rng) | _other_tiffs(rng) | {"dicom": _dicom(rng)}


def _other_tiffs(rng) -> dict[str, bytes]:
    """TIFFs of floats and signed numbers, of channels, and packed in ways that Pillow lacks."""
    import tifffile

    colours = rng.integers(0, 256, (SIDE, SIDE, 3), dtype=np.uint8)
    channels = rng.integers(-999, 999, (3, SIDE, SIDE), dtype=np.int16)
    options = {
        "float colour": (colours.astype(np.float32), {"photometric": "rgb"}),
        "signed, ImageJ": (channels, {"imagej": True, "metadata": {"axes": "CYX"}}),
        "channels": (channels, {"photometric": "minisblack", "metadata": {"axes": "CYX"}}),
        "plane by plane": (channels, {"planarconfig": "separate", "photometric": "minisblack"}),
    }
    for packing in ("lerc", "zstd", "jpeg2000", "png", "webp", "lzw", "lzma"):
        options[packing] = (colours, {"compression": packing, "photometric": "rgb"})
    found = {}
    for name, (values, more) in options.items():
        file = io.BytesIO()
        tifffile.imwrite(file, values, **more)
        found[f"tiff {name}"] = file.getvalue()
    return found


def _dicom(rng) -> bytes:
    from pydicom.dataset import Dataset, FileMetaDataset
    from pydicom.uid import ExplicitVRLittleEndian

    made = Dataset()
    made.file_meta = FileMetaDataset()
    made.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    made.file_meta.MediaStorageSOPClassUID = made.file_meta.MediaStorageSOPInstanceUID = "1.2.3"
    made.Rows = made.Columns = SIDE
    made.SamplesPerPixel, made.PhotometricInterpretation = 1, "MONOCHROME2"
    made.BitsAllocated, made.BitsStored, made.HighBit, made.PixelRepresentation = 16, 12, 11, 0
    made.PixelData = rng.integers(0, 4096, (SIDE, SIDE), dtype=np.uint16).tobytes()
    file = io.BytesIO()
    made.save_as(file, enforce_file_format=True)
    return file.getvalue()


def _deep_tiffs(rng) -> dict[str, bytes]:
    import tifffile

    found = {}
    for planar in ("contig", "separate"):
        shape = (SIDE, SIDE, 3) if planar == "contig" else (3, SIDE, SIDE)
        file = io.BytesIO()
        values = rng.integers(0, 65536, shape, dtype=np.uint16)
        tifffile.imwrite(file, values, photometric="rgb", planarconfig=planar)
        found[f"tiff colour 16 bit {planar}"] = file.getvalue()
    return found
