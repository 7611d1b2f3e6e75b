"""Encoders as data: what each is, what it takes, where it comes from."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, Literal, Protocol

from celltransfer_core.types import Float32, RGBImage


@dataclass(frozen=True)
class EncoderSpec:
    """What there is to know of an encoder without loading it."""

    id: str
    name: str
    loader: Literal["builtin", "onnx", "timm", "open_clip", "transformers"]
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
    architecture: str = ""
    """What the loader's library calls it."""
    options: Mapping[str, Any] = field(default_factory=dict)
    """How the architecture is made."""
    pooling: str = ""
    """How tokens or pixels become one row."""
    hub: str = ""
    """Repository on the Hugging Face hub; empty for what needs no download."""
    files: tuple[str, ...] = ()
    """What is needed of it, the weights first."""
    size_mb: int = 0
    """Of these files, about."""
    overlap: str = ""
    """Published sets of cells that it has seen: figures on them flatter it."""


class Encoder(Protocol):
    """Turns images of single cells into rows of numbers."""

    spec: EncoderSpec
    in_workers: bool
    """Whether whole batches run in worker processes; if not, only decoding is done ahead."""
    batch: int
    """Images that go through it at once."""

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
    _builtin("colour", "Stain of nucleus and cytoplasm", 36, "3"),
    _builtin("texture", "Local binary patterns, co-occurrence, contrast by scale", 140, "3"),
    _builtin("shape", "Shape and border of the nucleus", 37, "3"),
)
FOUNDATION_FILE = Path(__file__).with_name("foundation.toml")
_IMAGENET = {"mean": (0.485, 0.456, 0.406), "std": (0.229, 0.224, 0.225)}


@cache
def published_encoders() -> Mapping[str, EncoderSpec]:
    """Read what there is to know of the published encoders.

    Returns
    -------
    mapping from id to EncoderSpec
    """
    entries = tomllib.loads(FOUNDATION_FILE.read_text(encoding="utf-8"))
    return {encoder_id: _published(encoder_id, entry) for encoder_id, entry in entries.items()}


def _published(encoder_id: str, entry: Mapping[str, Any]) -> EncoderSpec:
    told = {"version": "1", "input_size": 224, **_IMAGENET, **entry}
    told |= {name: tuple(told[name]) for name in ("mean", "std", "files")}
    return EncoderSpec(id=encoder_id, source=f"https://huggingface.co/{told['hub']}", **told)


DEFAULT_ENCODERS: tuple[tuple[str, ...], ...] = (
    ("cell", "colour", "texture", "shape"),
    ("cell",),
    ("shape",),
)
"""Voters of a run that names none; clusters are found on the first."""
