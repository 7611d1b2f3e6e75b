"""Held-out microscopes that show a stored crop in a fixed way.

Training never draws them, so they measure whether an encoder works for unseen microscopes. Not in
the paper.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from celltransfer_core.encoders.training.microscopes import FIELD
from celltransfer_core.types import Float32, Float64, RGBImage

if TYPE_CHECKING:
    from PIL import Image


def _view(crop: RGBImage, zoom: float, side: int) -> Image.Image:
    from PIL import Image

    edge = len(crop) * max(0.0, 1 - 1 / (FIELD * zoom)) / 2
    box = (edge, edge, len(crop) - edge, len(crop) - edge)
    return Image.fromarray(crop).resize((side, side), Image.Resampling.BICUBIC, box=box)


def _image(values: Float32 | Float64) -> Image.Image:
    from PIL import Image

    return Image.fromarray(np.rint(np.clip(values, 0, 1) * 255).astype(np.uint8))


def _values(image: Image.Image) -> Float32:
    return np.asarray(image, dtype=np.float32) / np.float32(255)


def _other_stain(crop: RGBImage, side: int) -> Image.Image:
    """Weaken haematoxylin and strengthen eosin, on a yellow background."""
    from skimage.color import hed2rgb, rgb2hed

    stains = rgb2hed(_values(_view(crop, 1.0, side))) * [0.6, 1.7, 1.0]
    light = np.array([1, 0.97, 0.65])
    return _image(hed2rgb(stains) * light)


def _coarse(crop: RGBImage, side: int) -> Image.Image:
    """Store a cell of 30 px in a JPEG file of poor quality."""
    from PIL import Image

    small = _view(crop, 1.0, side).resize((30, 30), Image.Resampling.BOX)
    file = io.BytesIO()
    small.resize((side, side), Image.Resampling.BICUBIC).save(file, "JPEG", quality=30)
    return Image.open(file).convert("RGB")


def _turned_hue(crop: RGBImage, side: int) -> Image.Image:
    """Rotate the hue by 20 degrees, saturate and darken."""
    from PIL import Image

    hue, saturation, value = _view(crop, 1.0, side).convert("HSV").split()
    turned = Image.merge(
        "HSV",
        (hue.point(lambda v: (v - 14) % 256), saturation.point(lambda v: min(255, v * 1.5)), value),
    )
    return _image(_values(turned.convert("RGB")) ** 1.3)


def _pale(crop: RGBImage, side: int) -> Image.Image:
    """Zoom in, with low contrast."""
    return _image(0.55 * _values(_view(crop, 1.35, side)) + 0.3)


def _far_off(crop: RGBImage, side: int) -> Image.Image:
    """Zoom out, out of focus, in bluish light."""
    from PIL import ImageFilter

    far = _view(crop, 0.66, side).filter(ImageFilter.BoxBlur(side / 48))
    return _image(_values(far) * np.array([0.8, 0.9, 1.05], dtype=np.float32))


def _moving(crop: RGBImage, side: int) -> Image.Image:
    """Add motion blur, dark corners and warm light, and reduce to 16 grey levels."""
    from PIL import ImageFilter

    y, x = np.mgrid[-1 : 1 : side * 1j, -1 : 1 : side * 1j]
    lit = _values(_view(crop, 1.0, side)) * (1 - 0.25 * (y**2 + x**2))[..., None]
    levels = np.round(lit * np.array([1, 0.85, 0.7]) * 15) / 15
    along = [0] * 10 + [1] * 5 + [0] * 10
    return _image(levels).filter(ImageFilter.Kernel((5, 5), along))


def _rapid_stain(crop: RGBImage, side: int) -> Image.Image:
    """Stain dense parts dark blue and the rest grey and pink, on a yellow background."""
    density = -np.log(_values(_view(crop, 1.0, side)).clip(0.02))
    dense = 1 / (1 + np.exp(-(density[..., 1:2] - 0.7) / 0.08))
    thin = density @ np.array([[0.9, 0.3, 0.2], [0.3, 0.6, 0.5], [0.0, 0.1, 0.8]])
    thick = density @ np.array([[1.2, 0.4, 0.0], [0.4, 0.7, 0.3], [0.0, 0.2, 0.4]])
    light = np.array([1, 0.96, 0.72])
    return _image(np.exp(-(dense * thick + (1 - dense) * thin)) * light)


HELD_BACK: dict[str, Callable[[RGBImage, int], Image.Image]] = {
    "other stain": _other_stain,
    "rapid stain": _rapid_stain,
    "coarse": _coarse,
    "turned hue": _turned_hue,
    "pale": _pale,
    "far off": _far_off,
    "moving": _moving,
}
"""Microscopes that training never draws; each maps a stored crop and a side to an image."""


def plain_view(crop: RGBImage, side: int) -> RGBImage:
    """Show a stored crop as an encoder usually sees it.

    Parameters
    ----------
    crop : ndarray of uint8, shape (h, h, 3)
        Crop that is :data:`FIELD` times as wide as the result.
    side : int
        Side of the result in px.

    Returns
    -------
    ndarray of uint8, shape (side, side, 3)
    """
    return np.asarray(_view(crop, 1.0, side))


def held_back_view(crop: RGBImage, name: str, side: int) -> RGBImage:
    """Show a stored crop through a held-out microscope.

    Parameters
    ----------
    crop : ndarray of uint8, shape (h, h, 3)
    name : str
        One of :data:`HELD_BACK`.
    side : int
        Side of the result in px.

    Returns
    -------
    ndarray of uint8, shape (side, side, 3)
    """
    return np.asarray(HELD_BACK[name](crop, side), dtype=np.uint8)
