"""Image files in, 8-bit RGB out: checked before they are decoded. Not in the paper.

16-bit images keep their values until the grey scale of their whole set is known.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from celltransfer_core.data.bounds import (
    MAX_DECODING,
    BoundedFile,
    check_head,
    check_scans,
    check_strips,
    decoding_bytes,
    row_bands,
)
from celltransfer_core.data.deep import is_deep, read_deep
from celltransfer_core.data.tags import count_pages
from celltransfer_core.data.upright import read_orientation, turn
from celltransfer_core.errors import ImageError, one_line
from celltransfer_core.runtime.quiet import quiet
from celltransfer_core.runtime.room import Room
from celltransfer_core.types import RGBImage

if TYPE_CHECKING:
    from PIL import Image


EXTENSIONS = frozenset({".png", ".jpg", ".jpeg", ".tif", ".tiff", ".bmp", ".webp"})
"""Endings of image files, in small letters."""

FORMATS = ("PNG", "JPEG", "TIFF", "BMP", "WEBP")
"""What Pillow calls their formats."""

MIN_SIDE = 8
MAX_SIDE = 20_000
MAX_PIXELS = 100_000_000
"""Limits of an image: px of a side, px in all."""

MAX_BYTES = 500_000_000
"""Limit of a file."""

_DECODING = Room(2 * MAX_DECODING)  # for all threads that decode
_STARTS = (b"\x89PNG", b"\xff\xd8\xff", b"II*\0", b"MM\0*", b"II+\0", b"MM\0+", b"BM", b"RIFF")


@dataclass(frozen=True)
class Pixels:
    """An image as its file holds it: 8-bit RGB, or 16-bit grey or RGB that still needs a scale."""

    values: NDArray[Any]
    """uint8 of shape (h, w, 3), or uint16 of shape (h, w, 1) or (h, w, 3)."""
    pages: int
    """Pages of the file; the first is used."""
    alpha: NDArray[np.float32] | None = None
    """Opacity of a 16-bit image, 0 to 1, shape (h, w, 1); None where nothing is transparent."""

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
        scaled = np.empty(values.shape, dtype=np.uint8)
        for rows in row_bands(*values.shape[:2]):
            alpha = None if pixels.alpha is None else pixels.alpha[rows]
            scaled[rows] = _scaled(values[rows], alpha, low, high)
        values = scaled
    return np.ascontiguousarray(np.broadcast_to(values, (*values.shape[:2], 3)))


def _scaled(
    values: NDArray[Any], alpha: NDArray[np.float32] | None, low: float, high: float
) -> NDArray[np.uint8]:
    scaled = (values.astype(np.float32) - low) * (255 / max(high - low, 1.0))
    scaled = np.clip(scaled, 0, 255)
    if alpha is not None:
        scaled = scaled * alpha + 255 * (1 - alpha)
    return np.rint(scaled).astype(np.uint8)


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
    with decoded(data) as pixels:
        return pixels


@contextmanager
def decoded(data: bytes) -> Iterator[Pixels]:
    """Decode an image as :func:`read_pixels` does; others wait while it takes much memory.

    Parameters
    ----------
    data : bytes

    Yields
    ------
    Pixels
        Until the end of the block what it takes counts, so that few large images are decoded at
        once in one process.

    Raises
    ------
    ImageError
        See :func:`decode`.
    """
    with ExitStack() as stack:
        yield _read(data, stack)


def _read(data: bytes, stack: ExitStack) -> Pixels:
    from PIL import Image, UnidentifiedImageError

    if not data:
        raise ImageError("the file is empty")
    check_bytes(len(data))
    try:
        check_head(data)
        file = BoundedFile(data)
        # Sizes are checked below; what else is odd either decodes or fails.
        with quiet(), Image.open(file, formats=FORMATS) as image:
            check_size(*image.size)
            check_strips(image)
            file.allow_strips(len(image.tile))
            deep = is_deep(image)
            scans = check_scans(data, *image.size) if image.format in ("JPEG", "MPO") else 1
            stack.enter_context(_DECODING.take(decoding_bytes(image, deep=deep, scans=scans)))
            pages = count_pages(data) if image.format == "TIFF" else getattr(image, "n_frames", 1)
            if deep:
                values, alpha = read_deep(image, data)
                return Pixels(values, pages, alpha)
            return Pixels(_eight_bit(image), pages)
    except ImageError:
        raise
    except UnidentifiedImageError as error:
        if data.startswith(_STARTS):
            raise ImageError("damaged, cut short, or of an unusual kind") from error
        raise ImageError("not a PNG, JPEG, TIFF, BMP or WebP image") from error
    except Image.DecompressionBombError as error:
        raise ImageError(f"larger than {MAX_PIXELS // 1_000_000} megapixels") from error
    except MemoryError as error:
        raise ImageError("too large for this machine's memory") from error
    # A damaged file can fail in as many ways as there are decoders.
    except Exception as error:
        reason = one_line(error, 80)
        if "MAX_TEXT" in reason:
            raise ImageError("its notes or colour profile are too long; save it without") from error
        raise ImageError(f"damaged or cut short ({reason or type(error).__name__})") from error


def read_size(path: Path) -> tuple[int, int]:
    """Read the size of an image, without decoding it.

    Parameters
    ----------
    path : Path

    Returns
    -------
    width, height : int
        In px.

    Raises
    ------
    ImageError
        If it is no image, or cannot be read.
    """
    from PIL import Image

    try:
        with quiet(), Image.open(path, formats=FORMATS) as image:
            return image.size
    except (OSError, Image.DecompressionBombError) as error:
        raise ImageError(f"cannot be read ({one_line(error, 80)})") from error


def check_bytes(size: int) -> None:
    """Refuse files too large to be a cell, so that they need not be read.

    Parameters
    ----------
    size : int
        Length of the file in bytes.

    Raises
    ------
    ImageError
        If it is over :data:`MAX_BYTES`.
    """
    if size > MAX_BYTES:
        raise ImageError(f"the file is over {MAX_BYTES // 1_000_000} MB")


def check_size(width: int, height: int) -> None:
    """Refuse images too small to show a cell, or too large to be one.

    Parameters
    ----------
    width, height : int
        In pixels.

    Raises
    ------
    ImageError
        If a side is too short or too long, or there are too many pixels.
    """
    if min(width, height) < MIN_SIDE:
        raise ImageError(f"{width} × {height} px is under {MIN_SIDE} px")
    if max(width, height) > MAX_SIDE or width * height > MAX_PIXELS:
        raise ImageError(
            f"{width} × {height} px is too large for a single cell; cut cells out of the slide"
        )


def _eight_bit(image: Image.Image) -> NDArray[np.uint8]:
    image.load()
    width, height = image.size
    values = np.empty((height, width, 3), dtype=np.uint8)
    for rows in row_bands(height, width):
        band = _on_white(image.crop((0, rows.start, width, rows.stop)))
        values[rows] = np.asarray(band if band.mode == "RGB" else band.convert("RGB"))
    return turn(values, read_orientation(image))


def _on_white(image: Image.Image) -> Image.Image:
    from PIL import Image

    if image.mode not in {"RGBA", "LA", "PA", "La", "RGBa"} and "transparency" not in image.info:
        return image
    rgba = image.convert("RGBA")
    white = Image.new("RGBA", rgba.size, "white")
    return Image.alpha_composite(white, rgba)


def resize(image: RGBImage, side: int) -> RGBImage:
    """Resize an image whole, never centre-cropped.

    Parameters
    ----------
    image : ndarray of uint8, shape (h, w, 3)
    side : int
        In px.

    Returns
    -------
    ndarray of uint8, shape (side, side, 3)
        By antialiased bicubic interpolation; the same image if it has that size.
    """
    from PIL import Image

    if image.shape[:2] == (side, side):
        return image
    return np.asarray(Image.fromarray(image).resize((side, side), Image.Resampling.BICUBIC))
