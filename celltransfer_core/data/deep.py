"""Read the values of an opened PNG with 16 bits per channel. Not in the paper."""

from __future__ import annotations

import re
import sys
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from celltransfer_core.data.bounds import BoundedFile, row_bands
from celltransfer_core.data.pixels import Pixels
from celltransfer_core.data.upright import read_upright

if TYPE_CHECKING:
    from PIL import Image

_OTHER_BYTE = {"B": "L", "L": "B", "N": "B" if sys.byteorder == "little" else "L"}


def is_deep(image: Image.Image) -> bool:
    """Return whether an image has more than 8 bits per channel.

    Parameters
    ----------
    image : Image
        Opened by Pillow; not a TIFF.

    Returns
    -------
    bool
    """
    return image.mode.startswith(("I", "F")) or _deep_colour(image) is not None


def _deep_colour(image: Image.Image) -> re.Match[str] | None:
    """Match the pixel layout of 16-bit colour."""
    tiles = getattr(image, "tile", None)
    if not tiles or image.format != "PNG":
        return None
    return re.fullmatch(r"(RGB|RGBA|LA);16([BLN])", _raw_mode(tiles[0]))


def _raw_mode(tile: Any) -> str:
    return tile[3] if isinstance(tile[3], str) else tile[3][0]


def read_deep(image: Image.Image, data: bytes) -> Pixels:
    """Decode an image with more than 8 bits per channel.

    Parameters
    ----------
    image : Image
        Opened by Pillow but not loaded.
    data : bytes
        Its file.

    Returns
    -------
    Pixels
        The values are uint16.
    """
    pages = getattr(image, "n_frames", 1)
    layout = _deep_colour(image)
    if layout is None:
        return Pixels(read_upright(image)[..., None].astype(np.uint16), pages)
    values = _both_bytes(image, data, *layout.groups())
    if layout[1] == "RGB":
        return Pixels(values, pages)
    alpha = np.empty((*values.shape[:2], 1), dtype=np.float32)
    for rows in row_bands(*values.shape[:2]):
        alpha[rows] = values[rows, :, -1:] / 65535
    return Pixels(values[..., :-1], pages, alpha)


def _both_bytes(image: Image.Image, data: bytes, bands: str, order: str) -> NDArray[np.uint16]:
    # Pillow keeps the upper byte of 16-bit colour; read in the other byte order, the lower.
    if bands == "LA":  # all four bytes per pixel can be read at once
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
