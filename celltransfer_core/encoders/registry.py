"""Encoders as data (3.1): what each is, the input it takes, where it comes from."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol

if TYPE_CHECKING:  # the command line reads this file for --help, and must not wait for NumPy
    from celltransfer_core.types import Float32, RGBImage


@dataclass(frozen=True)
class EncoderSpec:
    """The description of an encoder, to be had without loading it."""

    id: str
    name: str
    loader: Literal["builtin", "onnx", "timm", "open_clip", "transformers"]
    version: str
    """Changes whenever the embeddings do: part of the keys of the cache."""
    dim: int
    input_size: int
    """Side that images are resized to, in px."""
    licence: str
    source: str
    trained_on: str
    """Images that it was trained on; empty if not stated."""
    mean: tuple[float, float, float] = (0.0, 0.0, 0.0)
    std: tuple[float, float, float] = (1.0, 1.0, 1.0)
    """Mean and standard deviation that standardise RGB values scaled to 0–1."""
    architecture: str = ""
    """Its name in the loader's library."""
    options: Mapping[str, Any] = field(default_factory=dict)
    """Arguments that the architecture is made with."""
    pooling: str = ""
    """How tokens or pixels are averaged to one row."""
    hub: str = ""
    """Repository on the Hugging Face hub; empty for what needs no download."""
    files: tuple[str, ...] = ()
    """Files of the repository that are needed, the weights first."""
    size_mb: int = 0
    """Size of these files, about."""
    overlap: str = ""
    """Published sets of cells that it was trained on: figures on them are too good."""


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
"""Voters of a run that names none; clusters are found on the embeddings of the first."""
