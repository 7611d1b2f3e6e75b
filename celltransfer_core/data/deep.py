"""An opened image of more than 8 bits a channel in, its 16-bit values out. Not in the paper."""

from __future__ import annotations

import io
import lzma
import re
import sys
import zlib
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from celltransfer_core.data.bounds import BoundedFile, row_bands, strip_bytes, strip_size
from celltransfer_core.data.upright import read_upright
from celltransfer_core.errors import ImageError

if TYPE_CHECKING:
    from PIL import Image

_OTHER_BYTE = {"B": "L", "L": "B", "N": "B" if sys.byteorder == "little" else "L"}
# TIFF tags
_BITS, _PACKING, _PHOTOMETRIC, _SAMPLES, _PLANAR, _EXTRA_SAMPLES = 258, 259, 262, 277, 284, 338
_STRIPS, _TILES = (273, 279), (324, 325)  # where they begin, and their lengths
_UNPACKERS: dict[int, Any] = {
    8: zlib.decompressobj,
    32946: zlib.decompressobj,
    34925: lzma.LZMADecompressor,
}


def is_deep(image: Image.Image) -> bool:
    """Tell whether an image has more than 8 bits a channel.

    Parameters
    ----------
    image : Image
        Opened by Pillow.

    Returns
    -------
    bool
    """
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


def read_deep(
    image: Image.Image, data: bytes
) -> tuple[NDArray[np.uint16], NDArray[np.float32] | None]:
    """Decode an image of more than 8 bits a channel.

    Parameters
    ----------
    image : Image
        Opened by Pillow, not loaded.
    data : bytes
        Its file.

    Returns
    -------
    values : ndarray of uint16, shape (h, w, 1) or (h, w, 3)
    alpha : ndarray of float32, shape (h, w, 1), or None
        Opacity, 0 to 1; None where nothing is transparent.

    Raises
    ------
    ImageError
        If its values are laid out unusually, are no numbers, or are out of range.
    """
    tags = getattr(image, "tag_v2", {})
    layout = _deep_colour(image)
    if layout:
        values = _both_bytes(image, data, *layout.groups())
        opaque = layout[1] in {"RGB", "RGBX"}
    elif image.mode.startswith(("I", "F")) and tags.get(_SAMPLES, 1) == 1:
        values, opaque = read_upright(image)[..., None], True
    else:
        values, opaque = _read_unusual(image, data), tags.get(_EXTRA_SAMPLES, (0,))[0] == 0
    if values.dtype.kind == "f" and not np.isfinite(values).all():
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
        return values[..., :colours], None
    alpha = np.empty((*values.shape[:2], 1), dtype=np.float32)
    for rows in row_bands(*values.shape[:2]):
        alpha[rows] = values[rows, :, colours : colours + 1] / 65535
        if tags.get(_EXTRA_SAMPLES, (0,))[0] == 1:  # colours are stored times their opacity
            shares = np.maximum(alpha[rows], 1 / 65535)
            values[rows, :, :colours] = np.minimum(values[rows, :, :colours] / shares, 65535)
    return values[..., :colours], alpha


def _both_bytes(image: Image.Image, data: bytes, bands: str, order: str) -> NDArray[np.uint16]:
    # Pillow keeps the upper byte of 16-bit colour; read in the other byte order, the lower.
    if bands == "LA":  # and here its four bytes a pixel can be had at once
        four = _unpacked(image, data, "RGBA")
        upper, lower = four[..., ::2], four[..., 1::2]
    else:
        upper = _unpacked(image, data, f"{bands};16{order}")
        lower = _unpacked(image, data, f"{bands};16{_OTHER_BYTE[order]}")
    values = upper.astype(np.uint16)
    values *= 256
    values += lower
    return values


def _unpacked(opened: Image.Image, data: bytes, raw_mode: str) -> NDArray[np.uint8]:
    from PIL import Image

    def changed(tile: Any) -> Any:
        args = raw_mode if isinstance(tile[3], str) else (raw_mode, *tile[3][1:])
        # A plain tuple before Pillow 11.
        return tile._replace(args=args) if hasattr(tile, "_replace") else (*tile[:3], args)

    file = BoundedFile(data)
    with Image.open(file, formats=[opened.format or ""]) as image:
        file.allow_strips(len(image.tile))
        image.tile = [changed(tile) for tile in image.tile]
        return read_upright(image)


def _read_unusual(image: Image.Image, data: bytes) -> NDArray[Any]:
    """Read a TIFF whose colours lie plane by plane or are stored times their opacity."""
    import tifffile

    _check_packed(image, data)
    try:
        values = tifffile.imread(io.BytesIO(data), key=0)
    except ValueError as error:
        raise ImageError("its 16-bit colours are packed unusually; save it as plain RGB") from error
    if values.ndim == 3 and values.shape[0] in (3, 4) < values.shape[2:]:
        values = np.moveaxis(values, 0, -1)
    if values.ndim != 3 or values.shape[2] not in (3, 4):
        raise ImageError("its 16-bit colours are laid out unusually; save it as plain RGB")
    return values


def _check_packed(image: Image.Image, data: bytes) -> None:
    """Refuse strips that unpack to more than their pixels: tifffile unpacks them whole."""
    tags: Any = getattr(image, "tag_v2", {})
    places, lengths = _TILES if _TILES[0] in tags else _STRIPS
    most = strip_bytes(image)
    strips = list(zip(tags[places], tags[lengths], strict=False))
    needed = [-(-side // strip) for side, strip in zip(image.size, strip_size(image), strict=True)]
    unpacker = _UNPACKERS.get(tags.get(_PACKING, 1))
    fits = len(strips) <= needed[0] * needed[1] * tags.get(_SAMPLES, 1)
    if fits and unpacker is not None:
        fits = all(
            len(unpacker().decompress(data[place : place + length], most + 1)) <= most
            for place, length in strips
        )
    if not fits:
        raise ImageError("its strips hold more than its pixels; save it again, as plain RGB")
