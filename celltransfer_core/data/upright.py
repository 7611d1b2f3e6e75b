"""Decode an opened image and apply its EXIF orientation. Not in the paper."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from celltransfer_core.data.tags import check_tags

if TYPE_CHECKING:
    from PIL import Image

_ORIENTATION = 0x0112  # EXIF tag


def read_upright(image: Image.Image) -> NDArray[Any]:
    """Decode an image and turn it upright.

    Parameters
    ----------
    image : Image
        Opened by Pillow.

    Returns
    -------
    ndarray, shape (h, w) or (h, w, bands)

    Raises
    ------
    ImageError
        If its EXIF data exceed the limits.
    """
    image.load()
    return turn(np.asarray(image), read_orientation(image))


def read_orientation(image: Image.Image) -> int:
    """Read the orientation of a loaded image.

    Parameters
    ----------
    image : Image
        Loaded: Pillow turns a TIFF on loading, so that it needs no further turning.

    Returns
    -------
    int
        EXIF orientation, 1 for upright.

    Raises
    ------
    ImageError
        If its EXIF data exceed the limits.
    """
    exif = image.info.get("exif") or b""
    if not exif and "Raw profile type exif" in image.info:
        exif = bytes.fromhex("".join(image.info["Raw profile type exif"].split("\n")[3:]))
    while exif.startswith(b"Exif\0\0"):
        exif = exif[6:]
    check_tags(exif)
    return int(image.getexif().get(_ORIENTATION, 1))


def turn(values: NDArray[Any], orientation: int) -> NDArray[Any]:
    """Turn and mirror an image.

    Parameters
    ----------
    values : ndarray, shape (h, w) or (h, w, bands)
    orientation : int
        EXIF orientation; values other than 2 to 8 leave the image unchanged.

    Returns
    -------
    ndarray
        Contiguous.
    """
    if orientation in (3, 4, 6, 7):
        values = values[::-1]
    if orientation in (2, 3, 7, 8):
        values = values[:, ::-1]
    if orientation in (5, 6, 7, 8):
        values = values.swapaxes(0, 1)
    return np.ascontiguousarray(values)
