"""Decode an opened 8-bit image to sRGB, applying its colour profile, and read its opacity.

Not in the paper.
"""

from __future__ import annotations

import io
from dataclasses import replace
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from celltransfer_core.data.bounds import row_bands
from celltransfer_core.data.pixels import Pixels
from celltransfer_core.data.upright import read_orientation, turn

if TYPE_CHECKING:
    from PIL import Image

MAX_PROFILE = 20_000_000
"""Maximum number of bytes of a colour profile."""

DAMAGED = "its colour profile cannot be used; its colours are interpreted as sRGB"
NOT_APPLIED = "its colour profile is not applied: its values use the scale of their set"

_TRANSPARENT = frozenset({"RGBA", "LA", "PA", "La", "RGBa"})  # Pillow's modes
_OF_MODE = {"L": "L", "1": "L", "LA": "L", "La": "L", "CMYK": "CMYK", "LAB": "LAB", "HSV": "HSV"}
_SPACES = {"RGB": "RGB ", "L": "GRAY", "CMYK": "CMYK"}  # of profiles, by Pillow's mode
_ALIKE = 2  # grey levels up to which a profile counts as sRGB
_STEPS = 9  # per colour, to test a profile with


def read_colours(
    image: Image.Image,
) -> tuple[NDArray[np.uint8], NDArray[np.float32] | None, str]:
    """Decode an 8-bit image.

    Parameters
    ----------
    image : Image
        Opened by Pillow but not loaded.

    Returns
    -------
    values : ndarray of uint8, shape (h, w, 3)
        sRGB values, upright.
    alpha : ndarray of float32, shape (h, w, 1), or None
        Opacity, 0 to 1; None where nothing is transparent.
    note : str
        Remark about its colours; empty if there is none.
    """
    image.load()
    width, height = image.size
    bands = [*row_bands(height, width)]
    values = np.empty((height if len(bands) > 1 else 0, width, 3), dtype=np.uint8)
    mode = _OF_MODE.get(image.mode, "RGB")
    alpha = None
    if image.mode in _TRANSPARENT or "transparency" in image.info:
        alpha = np.empty((height, width, 1), dtype=np.float32)
    transform, note = _transform(profile_of(image), mode)
    for rows in bands:
        one = len(bands) == 1  # the usual case: no copy is needed
        band = image if one else image.crop((0, rows.start, width, rows.stop))
        if alpha is not None:
            band = band.convert("RGBA")
            opacity = np.asarray(band.getchannel("A"))[..., None]
            np.divide(opacity, 255, out=alpha[rows], dtype=np.float32)
        if transform is not None:
            band = transform.apply(band if band.mode == mode else band.convert(mode))
        colours = np.asarray(band if band.mode == "RGB" else band.convert("RGB"))
        if one:
            values = colours
        else:
            values[rows] = colours
    if alpha is not None:
        alpha = None if alpha.min() == 1 else turn(alpha, read_orientation(image))
    return turn(values, read_orientation(image)), alpha, note


def profile_of(image: Image.Image) -> bytes:
    """Return the colour profile embedded in an image.

    Parameters
    ----------
    image : Image
        Opened by Pillow.

    Returns
    -------
    bytes
        ICC profile; empty if there is none.
    """
    profile = image.info.get("icc_profile")
    return profile if isinstance(profile, bytes) else b""


def with_profile(pixels: Pixels, profile: bytes) -> Pixels:
    """Convert 8-bit colours to sRGB; note for other values that their profile is not applied.

    Parameters
    ----------
    pixels : Pixels
    profile : bytes
        An ICC profile, or empty.

    Returns
    -------
    Pixels
        The same object if there is nothing to do, as for channels that are not colours.
    """
    mode = "L" if pixels.values.shape[2] == 1 else "RGB"
    transform, note = (None, "") if pixels.channels else _transform(profile, mode)
    if transform is not None and pixels.deep:
        transform, note = None, NOT_APPLIED
    if transform is not None:
        pixels = replace(pixels, values=_brought(pixels.values, mode, transform))
    return replace(pixels, notes=(*pixels.notes, note)) if note else pixels


def _brought(values: NDArray[np.uint8], mode: str, transform: Any) -> NDArray[np.uint8]:
    from PIL import Image

    brought = np.empty((*values.shape[:2], 3), dtype=np.uint8)
    for rows in row_bands(*values.shape[:2]):
        band = np.ascontiguousarray(values[rows, :, 0] if mode == "L" else values[rows])
        brought[rows] = np.asarray(transform.apply(Image.fromarray(band)))
    return brought


def _transform(profile: bytes, mode: str) -> tuple[Any, str]:
    """Build the transform to sRGB, or None where colours can stay; also return a note."""
    if not profile or mode not in _SPACES:
        return None, ""
    return (None, DAMAGED) if len(profile) > MAX_PROFILE else _made(profile, mode)


@lru_cache(maxsize=8)
def _made(profile: bytes, mode: str) -> tuple[Any, str]:
    from PIL import ImageCms

    try:
        found = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        if found.profile.xcolor_space != _SPACES[mode]:
            # Some programs convert a picture to grey but keep its colour profile.
            return None, "" if mode == "L" and found.profile.xcolor_space == "RGB " else DAMAGED
        made = ImageCms.buildTransform(
            found,
            ImageCms.createProfile("sRGB"),
            mode,
            "RGB",
            renderingIntent=ImageCms.Intent.RELATIVE_COLORIMETRIC,
            flags=ImageCms.Flags.BLACKPOINTCOMPENSATION,
        )
        return (None if mode != "CMYK" and _is_srgb(made, mode) else made), ""
    except (ImageCms.PyCMSError, OSError, ValueError, TypeError, AttributeError):
        return None, DAMAGED


def _is_srgb(transform: Any, mode: str) -> bool:
    """Return whether colours hardly change; profile names are too unreliable to decide this."""
    from PIL import Image

    steps = np.linspace(0, 255, _STEPS).astype(np.uint8)
    tried = np.stack(np.meshgrid(steps, steps, steps), axis=-1).reshape(_STEPS, -1, 3)
    if mode == "L":
        tried = np.broadcast_to(steps[:, None, None], (_STEPS, 1, 3))
    image = Image.fromarray(np.ascontiguousarray(tried[..., 0] if mode == "L" else tried))
    brought = np.asarray(transform.apply(image)).astype(int)
    return bool(np.abs(brought - tried).max() <= _ALIKE)
