"""Resize and standardise images for models (3.1)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from celltransfer_core.data.images import resize
from celltransfer_core.encoders.registry import EncoderSpec
from celltransfer_core.types import Float32, RGBImage


def standardise(images: Sequence[RGBImage], spec: EncoderSpec) -> Float32:
    """Resize images and standardise their channels.

    Parameters
    ----------
    images : sequence of ndarray of uint8, each (h, w, 3)
    spec : EncoderSpec

    Returns
    -------
    ndarray of float32, shape (n, 3, side, side)
        Scaled to 0–1, then standardised by the mean and std of the encoder.
    """
    side = spec.input_size
    mean, std = np.array([spec.mean, spec.std], dtype=np.float32)[..., None]
    # Results for the 256 levels: looking them up is much faster.
    levels = (np.arange(256, dtype=np.float32) / np.float32(255) - mean) / std
    pixels = np.empty((len(images), 3, side, side), dtype=np.float32)
    for number, image in enumerate(images):
        resized = resize(image, side)
        for channel in range(3):
            np.take(
                levels[channel], resized[..., channel], out=pixels[number, channel], mode="clip"
            )
    return pixels


def filled_up(pixels: Float32, batch: int) -> Float32:
    """Pad a batch by repeating the last image, for models with a fixed batch size.

    Parameters
    ----------
    pixels : ndarray of float32, shape (n, ...)
    batch : int
        Size of the batch, at least n.

    Returns
    -------
    ndarray of float32, shape (batch, ...)
    """
    return np.concatenate([pixels, np.repeat(pixels[-1:], batch - len(pixels), axis=0)])
