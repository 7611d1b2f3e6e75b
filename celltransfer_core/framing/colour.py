"""Match the illumination and colours of an image to those of another set.

Backgrounds are balanced for each cell, Lab moments are matched for each set. Not in the paper.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Literal

import numpy as np

from celltransfer_core.runtime.quiet import quiet
from celltransfer_core.types import Float64, RGBImage

if TYPE_CHECKING:
    from PIL.ImageFilter import Color3DLUT


Colour = Literal["balanced", "lab", "none"]
"""How colours are matched between sets, see :func:`celltransfer_core.framing.sets.frame_sets`."""

White = tuple[int, int, int]
"""Red, green and blue of a background."""

GRID = 65
"""Number of levels of red, green and blue in a colour map; the maximum of Pillow."""

_MOST_GAIN = 2.0  # maximum per channel; if more were needed, the background was not visible


def balance(image: RGBImage, background: Sequence[float], white: White) -> RGBImage:
    """Scale the channels of an image so that its background gets a given colour (von Kries).

    Slides of one set may differ in lamp and background, which no map for the whole set corrects.

    Parameters
    ----------
    image : ndarray of uint8, shape (h, w, 3)
    background : sequence of three floats
        Colour around the cell.
    white : tuple of three ints
        New colour of the background; each channel changes by a factor of two at most.

    Returns
    -------
    ndarray of uint8, shape (h, w, 3)
    """
    from PIL import Image

    gain = np.asarray(white) / np.maximum(background, 1)
    levels = np.outer(gain.clip(1 / _MOST_GAIN, _MOST_GAIN), np.arange(256))
    table = np.rint(levels.clip(0, 255)).astype(int).ravel().tolist()
    return np.asarray(Image.fromarray(image).point(table))


@dataclass(frozen=True)
class ColourMap:
    """Map the colours of one set to those of another by mean and standard deviation in Lab."""

    source_mean: Float64
    source_std: Float64
    target_mean: Float64
    target_std: Float64
    """Means and standard deviations, each of shape (3,), in Lab units."""

    def __call__(self, image: RGBImage) -> RGBImage:
        """Recolour an image of shape (h, w, 3), uint8.

        Colours between the :data:`GRID`³ converted ones are interpolated, which differs by about
        one level of 255 and is thirty times as fast.
        """
        from PIL import Image

        return np.asarray(Image.fromarray(image).filter(_lookup(*self._numbers.tolist())))

    @property
    def _numbers(self) -> Float64:
        return np.round(
            np.concatenate([self.source_mean, self.source_std, self.target_mean, self.target_std]),
            4,
        )

    @property
    def key(self) -> str:
        """Short hash of the parameters."""
        return hashlib.sha256(self._numbers.tobytes() + bytes([GRID])).hexdigest()[:12]


@lru_cache(maxsize=8)
def _lookup(*numbers: float) -> Color3DLUT:
    """Convert a grid of colours; one map per set of a run is cached."""
    from PIL.ImageFilter import Color3DLUT
    from skimage.color import lab2rgb, rgb2lab

    source_mean, source_std, target_mean, target_std = np.reshape(numbers, (4, 3))
    levels = np.linspace(0, 1, GRID)
    blue, green, red = np.meshgrid(levels, levels, levels, indexing="ij")  # red varies fastest
    # Without any colour to stretch, rounding errors would be stretched into one.
    flat = source_std < 0.1
    gain = np.where(flat, 1.0, target_std / np.where(flat, 1.0, source_std))
    lab = (rgb2lab(np.stack([red, green, blue], axis=-1)) - source_mean) * gain + target_mean
    lab[..., 0] = np.clip(lab[..., 0], 0, 100)
    with quiet():  # colours out of gamut are clipped, as intended
        table = np.clip(lab2rgb(lab), 0, 1)
    return Color3DLUT(GRID, table.astype(np.float32).ravel())
