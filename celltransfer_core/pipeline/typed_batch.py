"""A batch that came after a run, typed by what it taught: a record."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from celltransfer_core.data.dataset import Dataset
from celltransfer_core.pipeline.slide_drift import SlideDrift
from celltransfer_core.types import Bools, Float64

FLAGGED_BELOW = 0.8
"""Confidence below which a cell wants a look: on the next days of raabin 98 to 99 % of those above
are right, and two in three cells are (tests/benchmarks/memory_of_a_lab.py)."""


@dataclass(frozen=True)
class TypedBatch:
    """Cells that came after a run, typed by what it taught."""

    query: Dataset
    """n cells."""
    types: tuple[str, ...]
    probabilities: Float64
    """Shape (n, T); rows sum to one."""
    unlike: Float64
    """How far each cell lies from the nearest type, shape (n,): above 1 it is unlike all of them,
    as 1 % of the cells are that taught them."""
    drift: tuple[SlideDrift, ...]
    taught: Mapping[str, Any]
    """See :attr:`CellClassifier.taught_`."""

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
        """Which cells want a look: of low confidence, or unlike all types, shape (n,)."""
        return np.asarray((self.confidence < FLAGGED_BELOW) | self.unknown)
