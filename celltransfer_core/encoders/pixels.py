"""What every model's input has in common."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from celltransfer_core.encoders.registry import EncoderSpec
from celltransfer_core.types import Float32, RGBImage


def standardise(images: Sequence[RGBImage], spec: EncoderSpec) -> Float32:
    """Resize images whole, never centre-cropped, and standardise their channels.

    Parameters
    ----------
    images : sequence of ndarray of uint8, each (h, w, 3)
    spec : EncoderSpec

    Returns
    -------
    ndarray of float32, shape (n, 3, side, side)
        Antialiased bicubic interpolation; scaled to 0–1, then by the mean and std of the encoder.
    """
    from PIL import Image

    side = spec.input_size
    mean, std = np.array([spec.mean, spec.std], dtype=np.float32)[..., None, None]
    pixels = np.empty((len(images), 3, side, side), dtype=np.float32)
    for number, image in enumerate(images):
        resized = Image.fromarray(image).resize((side, side), Image.Resampling.BICUBIC)
        pixels[number] = np.moveaxis(np.asarray(resized, dtype=np.float32), 2, 0) / np.float32(255)
    return (pixels - mean) / std
