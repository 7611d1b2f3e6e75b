"""What answers tell of all cells of a run: a result and reviews in, an inference out."""

from __future__ import annotations

from collections.abc import Sequence

from celltransfer_core.people.composition import Inference, infer
from celltransfer_core.people.reviews import Review
from celltransfer_core.pipeline.result import RunResult


def infer_run(run: RunResult, reviews: Sequence[Review]) -> Inference:
    """Infer from the answers what all cells of a run are.

    Parameters
    ----------
    run : RunResult
        Updated with the answers or not.
    reviews : sequence of Review
        In the order they were made.

    Returns
    -------
    Inference
    """
    return infer(
        run.query.cells,
        run.types,
        run.probabilities,
        run.vote,
        reviews,
        seed=run.config.seed,
    )
