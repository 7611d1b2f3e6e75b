"""Convert pixels as stored in a file to 8-bit RGB. Not in the paper.

Values of more than 8 bits, signed values and floats are kept until the scale of the whole set is
known. Channels that are not colours are kept separate until the displayed ones are chosen.
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

_WIDE = 4  # minimum bytes per value for which 32-bit floats are too coarse


@dataclass(frozen=True)
class Pixels:
    """An image as stored in its file."""

    values: NDArray[Any]
    """uint8 of shape (h, w, 3); any other kind of values, of shape (h, w, 1) or (h, w, 3); or shape
    (h, w, channels) if there are channels."""
    pages: int = 1
    """Number of pages of the file; the first is used."""
    alpha: NDArray[np.float32] | None = None
    """Opacity, 0 to 1, shape (h, w, 1); None where nothing is transparent."""
    channels: int = 0
    """Number of channels that are not colours of one picture; 0 for ordinary grey and colour."""
    notes: tuple[str, ...] = ()
    """Remarks about the file."""

    @property
    def numbers(self) -> str:
        """Kind of the values, such as ``float``; empty for 8 bit, which needs no scale."""
        return number_kind(self.values.dtype)

    @property
    def deep(self) -> bool:
        """Whether the values need the scale of their set."""
        return bool(self.numbers)

    def spread(self) -> Pixels:
        """Convert 8-bit grey to three equal colours.

        Returns
        -------
        Pixels
        """
        if self.deep or self.channels or self.values.shape[2] == 3:
            return self
        return replace(self, values=np.broadcast_to(self.values, (*self.values.shape[:2], 3)))

    def shown(self, channels: Sequence[int] | None = None) -> Pixels:
        """Select the channels that are shown.

        Parameters
        ----------
        channels : sequence of int, optional
            See :func:`~celltransfer_core.data.channels.choose`.

        Returns
        -------
        Pixels
            With one or three channels.

        Raises
        ------
        ImageError
            If it does not have these channels.
        """
        if not self.channels:
            return self
        return replace(self, values=choose(self.values, channels), channels=0)


def number_kind(kind: np.dtype[Any]) -> str:
    """Name a kind of values.

    Parameters
    ----------
    kind : dtype

    Returns
    -------
    str
        Such as ``16 bit``, ``signed 16 bit`` or ``float``; empty for plain 8 bit.
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
    """Convert values to 8 bits; 8-bit values are unchanged.

    Parameters
    ----------
    pixels : Pixels
    intensity : (float, float), optional
        Values mapped to black and white if not 8-bit; the extremes of the image by default.
    channels : sequence of int, optional
        Channels to show, see :func:`~celltransfer_core.data.channels.choose`.
    background : (int, int, int)
        Colour shown where the image is transparent.

    Returns
    -------
    ndarray of uint8, shape (h, w, 3)

    Raises
    ------
    ImageError
        If it does not have these channels.
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
