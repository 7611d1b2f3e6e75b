"""Image files in, 8-bit RGB out: checked before they are decoded. Not in the paper.

16-bit images keep their values until the grey scale of their whole set is known.
"""

from __future__ import annotations

import io
import re
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from celltransfer_core.errors import ImageError, one_line
from celltransfer_core.runtime.quiet import quiet
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

_STARTS = (b"\x89PNG", b"\xff\xd8\xff", b"II*\0", b"MM\0*", b"II+\0", b"MM\0+", b"BM", b"RIFF")
_OTHER_BYTE = {"B": "L", "L": "B", "N": "B" if sys.byteorder == "little" else "L"}
_BITS, _PHOTOMETRIC, _SAMPLES, _PLANAR, _EXTRA_SAMPLES = 258, 262, 277, 284, 338  # TIFF tags


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
        scaled = (values.astype(np.float32) - low) * (255 / max(high - low, 1.0))
        scaled = np.clip(scaled, 0, 255)
        if pixels.alpha is not None:
            scaled = scaled * pixels.alpha + 255 * (1 - pixels.alpha)
        values = np.rint(scaled).astype(np.uint8)
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
    check_bytes(len(data))
    try:
        # Sizes are checked below; what else is odd either decodes or fails.
        with quiet(), Image.open(io.BytesIO(data), formats=FORMATS) as image:
            check_size(*image.size)
            pages = getattr(image, "n_frames", 1)
            if _is_deep(image):
                return _read_deep(image, data, pages)
            image.load()
            return Pixels(_eight_bit(ImageOps.exif_transpose(image)), pages)
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
        raise ImageError(f"damaged or cut short ({reason or type(error).__name__})") from error


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


def _is_deep(image: Image.Image) -> bool:
    if image.mode.startswith(("I", "F")) or _deep_colour(image):
        return True
    bits = getattr(image, "tag_v2", {}).get(_BITS, (8,))
    return max(np.atleast_1d(bits)) > 8 and image.mode != "CMYK"  # ink has no scale to share


def _deep_colour(image: Image.Image) -> re.Match[str] | None:
    """Match how the pixels of 16-bit colour are laid out, where both bytes can be had."""
    tiles = getattr(image, "tile", None)
    if not tiles or getattr(image, "tag_v2", {}).get(_PLANAR, 1) != 1:
        return None
    return re.fullmatch(r"(RGB|RGBX|RGBA|LA);16([BLN])", _raw_mode(tiles[0]))


def _raw_mode(tile: Any) -> str:
    return tile[3] if isinstance(tile[3], str) else tile[3][0]


def _read_deep(image: Image.Image, data: bytes, pages: int) -> Pixels:
    tags = getattr(image, "tag_v2", {})
    layout = _deep_colour(image)
    if layout:
        values = _both_bytes(data, *layout.groups())
        opaque = layout[1] in {"RGB", "RGBX"}
    elif image.mode.startswith(("I", "F")) and tags.get(_SAMPLES, 1) == 1:
        from PIL import ImageOps

        image.load()
        values, opaque = np.asarray(ImageOps.exif_transpose(image))[..., None], True
    else:
        values, opaque = _read_unusual(data), tags.get(_EXTRA_SAMPLES, (0,))[0] == 0
    if not np.isfinite(values).all():
        raise ImageError("holds values that are no numbers")
    if values.dtype.kind == "f" and values.max() <= 1.0:
        values = values * 65535
    if values.min() < 0 or values.max() > 65535:
        raise ImageError("holds values outside 0 to 65535; save it with 8 or 16 bits")
    if tags.get(_PHOTOMETRIC) == 0:  # white is zero
        values = 65535 - values
    values = np.asarray(values, dtype=np.uint16)
    colours = 1 if values.shape[2] < 3 else 3
    if opaque or values.shape[2] == colours:
        return Pixels(values[..., :colours], pages)
    alpha = np.asarray(values[..., colours : colours + 1] / 65535, dtype=np.float32)
    values = values[..., :colours]
    if tags.get(_EXTRA_SAMPLES, (0,))[0] == 1:  # colours are stored times their opacity
        values = np.minimum(values / np.maximum(alpha, 1 / 65535), 65535).astype(np.uint16)
    return Pixels(values, pages, alpha)


def _both_bytes(data: bytes, bands: str, order: str) -> NDArray[np.uint16]:
    # Pillow keeps the upper byte of 16-bit colour; read in the other byte order, the lower.
    if bands == "LA":  # and here its four bytes a pixel can be had at once
        four = _unpacked(data, "RGBA")
        upper, lower = four[..., ::2], four[..., 1::2]
    else:
        upper = _unpacked(data, f"{bands};16{order}")
        lower = _unpacked(data, f"{bands};16{_OTHER_BYTE[order]}")
    return upper * np.uint16(256) + lower


def _unpacked(data: bytes, raw_mode: str) -> NDArray[np.uint8]:
    from PIL import Image, ImageOps

    def changed(tile: Any) -> Any:
        args = raw_mode if isinstance(tile[3], str) else (raw_mode, *tile[3][1:])
        # A plain tuple before Pillow 11.
        return tile._replace(args=args) if hasattr(tile, "_replace") else (*tile[:3], args)

    with Image.open(io.BytesIO(data), formats=FORMATS) as image:
        image.tile = [changed(tile) for tile in image.tile]
        image.load()
        return np.asarray(ImageOps.exif_transpose(image))


def _read_unusual(data: bytes) -> NDArray[Any]:
    """Read a TIFF whose colours lie plane by plane or are stored times their opacity."""
    import tifffile

    try:
        values = tifffile.imread(io.BytesIO(data), key=0)
    except ValueError as error:
        raise ImageError("its 16-bit colours are packed unusually; save it as plain RGB") from error
    if values.ndim == 3 and values.shape[0] in (3, 4) < values.shape[2:]:
        values = np.moveaxis(values, 0, -1)
    if values.ndim != 3 or values.shape[2] not in (3, 4):
        raise ImageError("its 16-bit colours are laid out unusually; save it as plain RGB")
    return values


def _eight_bit(image: Image.Image) -> NDArray[np.uint8]:
    from PIL import Image

    if image.mode in {"RGBA", "LA", "PA", "La", "RGBa"} or "transparency" in image.info:
        rgba = image.convert("RGBA")
        white = Image.new("RGBA", rgba.size, "white")
        image = Image.alpha_composite(white, rgba)
    return np.asarray(image.convert("RGB"), dtype=np.uint8)


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
