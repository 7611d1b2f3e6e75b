"""Image files, checked and decoded to 8-bit RGB."""

from __future__ import annotations

import io
import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from celltransfer_core.errors import ImageError
from celltransfer_core.types import RGBImage

if TYPE_CHECKING:
    from PIL import Image

EXTENSIONS = frozenset({".png", ".jpg", ".jpeg", ".tif", ".tiff", ".bmp", ".webp"})
FORMATS = ("PNG", "JPEG", "TIFF", "BMP", "WEBP")

MIN_SIDE = 8
MAX_SIDE = 20_000
MAX_PIXELS = 100_000_000
MAX_BYTES = 500_000_000


@dataclass(frozen=True)
class Pixels:
    """An image as its file holds it: 8-bit RGB, or 16-bit grey or RGB that still needs a scale."""

    values: NDArray[Any]
    """uint8 of shape (h, w, 3), or uint16 of shape (h, w, 1) or (h, w, 3)."""
    pages: int
    """Pages of the file; the first is used."""

    @property
    def deep(self) -> bool:
        """Whether the values are 16-bit."""
        return self.values.dtype == np.uint16


def decode(data: bytes, intensity: tuple[float, float] | None = None) -> RGBImage:
    """Decode an image file to 8-bit RGB.

    Parameters
    ----------
    data : bytes
        The file's content: PNG, JPEG, TIFF, BMP or WebP; grey, palette, RGB, RGBA (laid over
        white) or CMYK; 8 or 16 bit. EXIF orientation is applied. Of several pages the first counts.
    intensity : (float, float), optional
        What becomes black and white in a 16-bit image; its own extremes by default.

    Returns
    -------
    ndarray of uint8, shape (h, w, 3)

    Raises
    ------
    ImageError
        With a short reason, if the file is empty, damaged, of another kind, too small or too large.
        Sizes are checked before anything is decoded.
    """
    return to_rgb(read_pixels(data), intensity)


def to_rgb(pixels: Pixels, intensity: tuple[float, float] | None = None) -> RGBImage:
    """Bring 16-bit values to 8 bits; 8-bit ones stay as they are.

    Parameters
    ----------
    pixels : Pixels
    intensity : (float, float), optional
        See :func:`decode`.

    Returns
    -------
    ndarray of uint8, shape (h, w, 3)
    """
    values = pixels.values
    if pixels.deep:
        low, high = intensity or (float(values.min()), float(values.max()))
        scaled = (values.astype(np.float32) - low) * (255 / max(high - low, 1.0))
        values = np.clip(np.rint(scaled), 0, 255).astype(np.uint8)
    return np.ascontiguousarray(np.broadcast_to(values, (*values.shape[:2], 3)))


def read_pixels(data: bytes) -> Pixels:
    """Decode an image file, leaving 16-bit values as they are.

    Parameters
    ----------
    data : bytes

    Returns
    -------
    Pixels

    Raises
    ------
    ImageError
        See :func:`decode`.
    """
    from PIL import Image, ImageOps, UnidentifiedImageError

    if not data:
        raise ImageError("the file is empty")
    if len(data) > MAX_BYTES:
        raise ImageError(f"the file is over {MAX_BYTES // 1_000_000} MB")
    try:
        with warnings.catch_warnings():
            # Sizes are checked below; what else is odd either decodes or fails.
            warnings.simplefilter("ignore")
            with Image.open(io.BytesIO(data), formats=FORMATS) as image:
                check_size(*image.size)
                pages = getattr(image, "n_frames", 1)
                if _is_deep(image):
                    return Pixels(_read_deep(image, data), pages)
                image.load()
                return Pixels(_eight_bit(ImageOps.exif_transpose(image)), pages)
    except ImageError:
        raise
    except UnidentifiedImageError as error:
        raise ImageError("not a PNG, JPEG, TIFF, BMP or WebP image") from error
    except Image.DecompressionBombError as error:
        raise ImageError(f"larger than {MAX_PIXELS // 1_000_000} megapixels") from error
    except MemoryError as error:
        raise ImageError("too large for this machine's memory") from error
    # A damaged file can fail in as many ways as there are decoders.
    except Exception as error:
        reason = " ".join(str(error).split())[:80]
        raise ImageError(f"damaged or cut short ({reason or type(error).__name__})") from error


def check_size(width: int, height: int) -> None:
    """Refuse images too small to show a cell, or too large to be one.

    Parameters
    ----------
    width, height : int
        In pixels.

    Raises
    ------
    ImageError
    """
    if min(width, height) < MIN_SIDE:
        raise ImageError(f"{width} × {height} px is under {MIN_SIDE} px")
    if max(width, height) > MAX_SIDE or width * height > MAX_PIXELS:
        raise ImageError(
            f"{width} × {height} px is too large for a single cell; cut cells out of the slide"
        )


def _is_deep(image: Image.Image) -> bool:
    if image.mode.startswith(("I", "F")):
        return True
    bits = getattr(image, "tag_v2", {}).get(258, (8,))  # BitsPerSample: Pillow cuts 16-bit RGB
    return max(np.atleast_1d(bits)) > 8


def _read_deep(image: Image.Image, data: bytes) -> NDArray[np.uint16]:
    if image.format == "TIFF":
        import tifffile

        values = tifffile.imread(io.BytesIO(data), key=0)
        if values.ndim == 3 and values.shape[0] in (3, 4) < values.shape[2:]:
            values = np.moveaxis(values, 0, -1)
    else:
        image.load()
        values = np.asarray(image)
    values = values[..., None] if values.ndim == 2 else values[..., :3]
    if values.ndim != 3 or values.shape[2] not in (1, 2, 3):
        raise ImageError(f"has {values.ndim} dimensions; save it as a grey or RGB image")
    if values.shape[2] == 2:  # grey with transparency
        values = values[..., :1]
    if not np.isfinite(values).all():
        raise ImageError("holds values that are no numbers")
    if values.dtype.kind == "f" and values.max() <= 1.0:
        values = values * 65535
    if values.min() < 0 or values.max() > 65535:
        raise ImageError("holds values outside 0 to 65535; save it with 8 or 16 bits")
    return np.asarray(values, dtype=np.uint16)


def _eight_bit(image: Image.Image) -> NDArray[np.uint8]:
    from PIL import Image

    if image.mode in {"RGBA", "LA", "PA", "La", "RGBa"} or "transparency" in image.info:
        rgba = image.convert("RGBA")
        white = Image.new("RGBA", rgba.size, "white")
        image = Image.alpha_composite(white, rgba)
    return np.asarray(image.convert("RGB"), dtype=np.uint8)
