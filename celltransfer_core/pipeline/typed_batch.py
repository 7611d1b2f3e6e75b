"""Record of a later batch, typed by the classifier that a run trained."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from celltransfer_core.data.dataset import Dataset
from celltransfer_core.pipeline.slide_drift import SlideDrift
from celltransfer_core.types import Bools, Float64

FLAGGED_BELOW = 0.8
"""Confidence below which a cell needs review. On the later days of raabin, two thirds of the cells
are above it, and 98 to 99 % of these are typed correctly (tests/benchmarks/memory_of_a_lab.py)."""


@dataclass(frozen=True)
class TypedBatch:
    """Cells of a later batch, typed by the classifier that a run trained."""

    query: Dataset
    """n cells."""
    types: tuple[str, ...]
    probabilities: Float64
    """Shape (n, T); rows sum to one."""
    unlike: Float64
    """Distance of each cell from the nearest type, shape (n,); a cell above 1 is unlike all types,
    as are 1 % of the training cells."""
    drift: tuple[SlideDrift, ...]
    taught: Mapping[str, Any]
    """Source, training cells and accuracy of the classifier: its ``taught_``."""

    @property
    def predicted(self) -> tuple[str, ...]:
        """The likeliest type of each cell, length n."""
        return tuple(self.types[winner] for winner in self.probabilities.argmax(axis=1))

    @property
    def unknown(self) -> Bools:
        """Which cells are unlike all types, shape (n,)."""
        return np.asarray(self.unlike > 1)

    @property
    def confidence(self) -> Float64:
        """Probability of that type, shape (n,)."""
        return np.asarray(self.probabilities.max(axis=1))

    @property
    def flagged(self) -> Bools:
        """Which cells need review (low confidence or unlike all types), shape (n,)."""
        return np.asarray((self.confidence < FLAGGED_BELOW) | self.unknown)
