"""Whole image files of every format that is read, for others to change."""

from __future__ import annotations

import io
from functools import lru_cache

import numpy as np
from PIL import Image

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
    return found | _deep_tiffs(rng)


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
