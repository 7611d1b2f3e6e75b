"""A later batch, typed by the classifier that a run trained, and taught by answers on its cells.

In: the classifier's types, and reviews of cells of the batch. Out: the types of all its cells. The
answers move the means of the types for this batch alone; the classifier and other batches do not
change. Not in the paper.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from celltransfer_core.classify.taught_types import (
    TypeMeans,
    add_answers,
    distance_to_types,
    probabilities_of,
)
from celltransfer_core.data.dataset import Dataset
from celltransfer_core.people.queue import seen_cells
from celltransfer_core.people.reviews import FinalTypes, Review, final_types, settled_answers
from celltransfer_core.pipeline.slide_drift import SlideDrift
from celltransfer_core.types import Bools, Float32, Float64, Ints
from celltransfer_core.vocabulary import ANSWERS

FLAGGED_BELOW = 0.8
"""Confidence below which a cell needs review. On later days of raabin, half to two thirds of the
cells are above it, and 98 to 99 % of these are typed correctly
(tests/benchmarks/memory_of_a_lab.py)."""

SIMILAR = 5
"""Number of cells of the run that are shown beside a cell of a batch."""


@dataclass(frozen=True)
class TeachableRows:
    """Cells of a batch, and the types that answers on them move."""

    rows: Float32
    """Cells in the space of the means, shape (n, d)."""
    means: TypeMeans
    """Of T types."""
    similar: Ints
    """Numbers of the most similar query cells of the run, shape (n, :data:`SIMILAR` or fewer)."""


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
    teachable: TeachableRows | None = None
    """None if it was typed by a classifier from a file, or by an earlier version."""
    reviews: tuple[Review, ...] = ()
    """Reviews of its cells, in the order in which they were made."""

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

    @cached_property
    def final_types(self) -> FinalTypes:
        """Reviewed and final types of the cells."""
        return final_types(self.query.cells, self.predicted, self.reviews)

    @property
    def final(self) -> tuple[str, ...]:
        """Final type of each cell: that of the readers, or the likeliest one, length n."""
        return tuple(self.final_types.final.tolist())

    @property
    def answered(self) -> Bools:
        """Which cells readers have answered, shape (n,)."""
        return np.asarray(self.final_types.reviewed != "")

    @property
    def flagged(self) -> Bools:
        """Which cells need review, shape (n,).

        A cell is flagged if its confidence is low or it is unlike all types, and no reader has
        answered it; and also if readers disagree on it or all of them are unsure.
        """
        doubtful = (self.confidence < FLAGGED_BELOW) | self.unknown
        open_still = self.final_types.disputed | self.final_types.unsure
        return np.asarray((doubtful & ~self.answered) | open_still)

    def teach(self, reviews: Sequence[Review]) -> TypedBatch:
        """Type the cells anew with answers on some of them.

        Parameters
        ----------
        reviews : sequence of Review
            All reviews of its cells so far, in the order in which they were made; reviews of other
            cells are ignored.

        Returns
        -------
        TypedBatch
            Each cell with a settled type counts as
            :data:`~celltransfer_core.classify.taught_types.ANSWER` training cells of that type,
            which may be new. Without ``teachable`` only the answered cells change their types.
        """
        place = {cell: number for number, cell in enumerate(self.query.cells)}
        own = tuple(one for one in reviews if one.cell in place)
        typed = {
            place[cell]: name
            for cell, name in settled_answers(own).items()
            if name and name not in ANSWERS
        }
        if self.teachable is None or not (typed or self.reviews):
            return replace(self, reviews=own)
        known = self.teachable
        types = (*self.types, *sorted({*typed.values()} - {*self.types}))
        cells = np.array(sorted(typed), dtype=np.int64)
        place_of = {name: number for number, name in enumerate(types)}
        said = np.array([place_of[typed[cell]] for cell in cells.tolist()], dtype=np.int64)
        shares = np.eye(len(types))[said]
        means = add_answers(known.means, known.rows[cells], shares)
        odds = known.rows.astype(np.float64) @ means.types.weights + means.types.intercept
        return replace(
            self,
            types=types,
            probabilities=probabilities_of(odds),
            unlike=distance_to_types(odds[:, means.there], means.centres),
            reviews=own,
        )

    @property
    def queue(self) -> Ints:
        """Cells to review next, the least certain first; shape (k,).

        Cells without an answer, by the margin between their two likeliest types. Skipped cells come
        last, in the order in which they were skipped.
        """
        seen, skipped = seen_cells(self.query.cells, self.reviews)
        likeliest = np.sort(self.probabilities, axis=1)
        order = np.argsort(likeliest[:, -1] - likeliest[:, -2], kind="stable")
        late = sorted(skipped, key=skipped.__getitem__)
        return np.array([*order[~seen[order]].tolist(), *late], dtype=np.int64)
