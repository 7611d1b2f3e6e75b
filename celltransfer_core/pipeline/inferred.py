"""Inference on all cells of a run from the answers on some of them."""

from __future__ import annotations

from collections.abc import Sequence

from celltransfer_core.people.composition import Inference, infer
from celltransfer_core.people.reviews import Review
from celltransfer_core.pipeline.result import RunResult


def infer_run(run: RunResult, reviews: Sequence[Review]) -> Inference:
    """Infer the types of all cells of a run from the answers.

    Parameters
    ----------
    run : RunResult
        With or without an update from the answers.
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
