"""Drift between the slides of a run's own query: each slide against the other slides.

The figures are those by which slides that are added later are measured
(:mod:`celltransfer_core.pipeline.slide_drift`), with the final types of the cells. Not in the
paper.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from celltransfer_core.errors import DataError
from celltransfer_core.people.reviews import Review, final_types
from celltransfer_core.pipeline.portable import CellClassifier
from celltransfer_core.pipeline.result import RunResult
from celltransfer_core.pipeline.slide_drift import (
    LEAST_SLIDES,
    SlideDrift,
    cell_figures,
    compare_slides,
    slides_apart,
)
from celltransfer_core.vocabulary import ARTEFACT, QUERY


def drift_between_slides(run: RunResult, reviews: Sequence[Review] = ()) -> tuple[SlideDrift, ...]:
    """Measure how far each slide of a run's query differs from its other slides.

    Parameters
    ----------
    run : RunResult
        Updated with the answers, if there are any.
    reviews : sequence of Review
        In the order they were made.

    Returns
    -------
    tuple of SlideDrift
        Empty if fewer than :data:`~celltransfer_core.pipeline.slide_drift.LEAST_SLIDES` slides are
        large enough. Artefacts are left out. Unknown cells are those that a classifier trained on
        the other cells of the run finds unlike all types, and those that a person gave no type;
        this figure is left out if no classifier can be trained.
    """
    slides = run.query.cell_slides
    if len(slides_apart(slides)) < LEAST_SLIDES:
        return ()
    final = final_types(run.query.cells, run.predicted, reviews).final
    cells = np.flatnonzero(final != ARTEFACT)
    names, types = np.unique(final[cells], return_inverse=True)
    nuclei = run.framing.nuclei.get(QUERY)
    try:  # takes a second for 10,000 cells
        unknown = CellClassifier().fit(run, reviews).unknown_[cells]
    except DataError:
        unknown = None
    figures = cell_figures(
        nuclei.take(cells) if nuclei else None, types.astype(np.int64), len(names), unknown
    )
    return compare_slides(figures, slides[cells])
