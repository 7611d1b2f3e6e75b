"""The pixels of an image as its file holds them in, 8-bit RGB out. Not in the paper.

Numbers of more than 8 bits, signed ones and floats keep their values until the scale of their whole
set is known; channels that are no colours are kept apart until it is known which are shown.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from celltransfer_core.data.bounds import row_bands
from celltransfer_core.data.channels import choose
from celltransfer_core.types import RGBImage

RGB = tuple[int, int, int]
"""Red, green and blue, 0 to 255."""

WHITE: RGB = (255, 255, 255)

_WIDE = 4  # bytes a number, from which 32-bit floats are too coarse to scale it in


@dataclass(frozen=True)
class Pixels:
    """An image as its file holds it."""

    values: NDArray[Any]
    """uint8 of shape (h, w, 3); numbers of any other kind, of shape (h, w, 1) or (h, w, 3); or of
    shape (h, w, channels) where there are channels."""
    pages: int = 1
    """Pages of the file; the first is used."""
    alpha: NDArray[np.float32] | None = None
    """Opacity, 0 to 1, shape (h, w, 1); None where nothing is transparent."""
    channels: int = 0
    """Number of channels that are no colours of one picture; 0 for ordinary grey and colour."""
    notes: tuple[str, ...] = ()
    """What is to be said of the file."""

    @property
    def numbers(self) -> str:
        """Kind of the numbers, such as ``float``; empty for 8 bit, which needs no scale."""
        return number_kind(self.values.dtype)

    @property
    def deep(self) -> bool:
        """Whether the numbers need the scale of their set."""
        return bool(self.numbers)

    def spread(self) -> Pixels:
        """Give grey of 8 bits three equal colours.

        Returns
        -------
        Pixels
        """
        if self.deep or self.channels or self.values.shape[2] == 3:
            return self
        return replace(self, values=np.broadcast_to(self.values, (*self.values.shape[:2], 3)))

    def shown(self, channels: Sequence[int] | None = None) -> Pixels:
        """Keep the channels that are shown.

        Parameters
        ----------
        channels : sequence of int, optional
            See :func:`~celltransfer_core.data.channels.choose`.

        Returns
        -------
        Pixels
            Of one channel or three.

        Raises
        ------
        ImageError
            If it has other channels than these.
        """
        if not self.channels:
            return self
        return replace(self, values=choose(self.values, channels), channels=0)


def number_kind(kind: np.dtype[Any]) -> str:
    """Name a kind of numbers.

    Parameters
    ----------
    kind : dtype

    Returns
    -------
    str
        ``16 bit``, ``signed 16 bit``, ``float`` and the like; empty for plain 8 bit.
    """
    if kind.kind == "f":
        return "float"
    bits = f"{8 * kind.itemsize} bit"
    if kind.kind == "i":
        return f"signed {bits}"
    return "" if kind.itemsize == 1 else bits


def to_rgb(
    pixels: Pixels,
    intensity: tuple[float, float] | None = None,
    channels: Sequence[int] | None = None,
    background: RGB = WHITE,
) -> RGBImage:
    """Bring numbers to 8 bits; those that have 8 bits stay as they are.

    Parameters
    ----------
    pixels : Pixels
    intensity : (float, float), optional
        What becomes black and white in numbers that are not 8-bit; their own extremes by default.
    channels : sequence of int, optional
        Which channels are shown, see :func:`~celltransfer_core.data.channels.choose`.
    background : (int, int, int)
        Colour that is seen where the image is transparent.

    Returns
    -------
    ndarray of uint8, shape (h, w, 3)

    Raises
    ------
    ImageError
        If it has other channels than these.
    """
    pixels = pixels.shown(channels)
    values = pixels.values
    if pixels.deep or pixels.alpha is not None:
        own = (float(values.min()), float(values.max()))
        low, high = (intensity or own) if pixels.deep else (0.0, 255.0)
        bands = values.shape[2] if pixels.alpha is None else 3
        scaled = np.empty((*values.shape[:2], bands), dtype=np.uint8)
        for rows in row_bands(*values.shape[:2]):
            alpha = None if pixels.alpha is None else pixels.alpha[rows]
            scaled[rows] = _scaled(values[rows], alpha, low, high, background)
        values = scaled
    return np.ascontiguousarray(np.broadcast_to(values, (*values.shape[:2], 3)))


def _scaled(
    values: NDArray[Any],
    alpha: NDArray[np.float32] | None,
    low: float,
    high: float,
    background: RGB,
) -> NDArray[np.uint8]:
    exact = np.dtype(np.float64 if values.dtype.itemsize >= _WIDE else np.float32)
    scaled: NDArray[Any] = (values.astype(exact) - low) * (255 / ((high - low) or 1.0))
    scaled = np.clip(scaled, 0, 255)
    if alpha is not None:
        scaled = scaled * alpha + np.array(background, dtype=np.float32) * (1 - alpha)
    return np.rint(scaled).astype(np.uint8)
