"""Encoders as data: what each is, what it takes, where it comes from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

from celltransfer_core.types import Float32, RGBImage


@dataclass(frozen=True)
class EncoderSpec:
    """What there is to know of an encoder without loading it."""

    id: str
    name: str
    loader: Literal["builtin", "onnx"]
    version: str
    """Changes whenever the embeddings do: kept embeddings are found by it."""
    dim: int
    input_size: int
    """Side that images are resized to, in px."""
    licence: str
    source: str
    trained_on: str
    """What it has seen in training; empty if not stated."""
    mean: tuple[float, float, float] = (0.0, 0.0, 0.0)
    std: tuple[float, float, float] = (1.0, 1.0, 1.0)
    """Subtracted from, and dividing, RGB values scaled to 0–1."""


class Encoder(Protocol):
    """Turns images of single cells into rows of numbers."""

    spec: EncoderSpec
    in_workers: bool
    """Whether whole batches run in worker processes; if not, only decoding is done ahead."""

    def encode(self, images: Sequence[RGBImage], extents: Float32) -> Float32:
        """Embed a batch.

        Parameters
        ----------
        images : sequence of ndarray of uint8, each (h, w, 3)
            Of any size.
        extents : ndarray of float32, shape (n,)
            Extent of each nucleus in px (µm where the pixel size is known), NaN where unknown.

        Returns
        -------
        ndarray of float32, shape (n, dim)
        """
        ...


def _builtin(encoder_id: str, name: str, dim: int, version: str) -> EncoderSpec:
    return EncoderSpec(
        id=encoder_id,
        name=name,
        loader="builtin",
        version=version,
        dim=dim,
        input_size=96,
        licence="BSD-3-Clause",
        source="CellTransfer",
        trained_on="nothing (descriptors; scales from PBC)",
    )


BUILTIN: tuple[EncoderSpec, ...] = (
    _builtin("colour", "Stain of nucleus and cytoplasm", 36, "2"),
    _builtin("texture", "Local binary patterns, co-occurrence, contrast by scale", 140, "2"),
    _builtin("shape", "Shape and border of the nucleus", 37, "2"),
)

DEFAULT_ENCODERS: tuple[tuple[str, ...], ...] = (
    ("colour", "texture", "shape"),
    ("colour",),
    ("texture",),
    ("shape",),
)
"""Voters of a run that names none; clusters are found on the first."""
