"""Specifications of encoders (3.1): what each is, its input, and its origin."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol

if TYPE_CHECKING:  # --help imports this file and must not wait for NumPy
    from celltransfer_core.types import Float32, RGBImage


@dataclass(frozen=True)
class EncoderSpec:
    """Description of an encoder, available without loading it."""

    id: str
    name: str
    loader: Literal["builtin", "onnx", "timm", "open_clip", "transformers"]
    version: str
    """Changes whenever the embeddings change; part of cache keys."""
    dim: int
    input_size: int
    """Side of the resized images in px."""
    licence: str
    source: str
    trained_on: str
    """Training images; empty if not stated."""
    mean: tuple[float, float, float] = (0.0, 0.0, 0.0)
    std: tuple[float, float, float] = (1.0, 1.0, 1.0)
    """Mean and standard deviation used to standardise RGB values in 0–1."""
    architecture: str = ""
    """Name of the architecture in the loader's library."""
    options: Mapping[str, Any] = field(default_factory=dict)
    """Arguments of the architecture."""
    pooling: str = ""
    """How tokens or pixels are averaged into one row."""
    hub: str = ""
    """Repository on the Hugging Face hub; empty if no download is needed."""
    files: tuple[str, ...] = ()
    """Required files of the repository, weights first."""
    size_mb: int = 0
    """Approximate size of these files in MB."""
    overlap: str = ""
    """Published cell sets in its training data; results on these are too optimistic."""


class Encoder(Protocol):
    """Interface of encoders, which turn images of single cells into rows of numbers."""

    spec: EncoderSpec
    in_workers: bool
    """Whether whole batches run in worker processes; if not, only decoding runs ahead."""
    batch: int
    """Number of images per call."""

    def encode(self, images: Sequence[RGBImage], extents: Float32) -> Float32:
        """Embed a batch.

        Parameters
        ----------
        images : sequence of ndarray of uint8, each (h, w, 3)
            Images of any size.
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
        trained_on="none (descriptors; scales from PBC)",
    )


BUILTIN: tuple[EncoderSpec, ...] = (
    _builtin("colour", "Stain of nucleus and cytoplasm", 36, "3"),
    _builtin("texture", "Local binary patterns, co-occurrence, contrast by scale", 140, "3"),
    _builtin("shape", "Shape and border of the nucleus", 37, "3"),
)
"""Encoders that need no download."""

FOUNDATION_FILE = Path(__file__).with_name("foundation.toml")
"""Descriptions of the published encoders."""

_IMAGENET = {"mean": (0.485, 0.456, 0.406), "std": (0.229, 0.224, 0.225)}


@cache
def published_encoders() -> Mapping[str, EncoderSpec]:
    """Read the descriptions of the published encoders.

    Returns
    -------
    mapping from id to EncoderSpec
    """
    entries = tomllib.loads(FOUNDATION_FILE.read_text(encoding="utf-8"))
    return {encoder_id: _published(encoder_id, entry) for encoder_id, entry in entries.items()}


def _published(encoder_id: str, entry: Mapping[str, Any]) -> EncoderSpec:
    fields = {"version": "1", "input_size": 224, **_IMAGENET, **entry}
    fields |= {name: tuple(fields[name]) for name in ("mean", "std", "files")}
    return EncoderSpec(id=encoder_id, source=f"https://huggingface.co/{fields['hub']}", **fields)


DEFAULT_ENCODERS: tuple[tuple[str, ...], ...] = (
    ("cell", "colour", "texture", "shape"),
    ("cell",),
    ("shape",),
)
"""Default voters of a run; clusters are found on the embeddings of the first."""
