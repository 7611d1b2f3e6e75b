"""Selection of query cells to review."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np

from celltransfer_core.people.reviews import Review, final_types
from celltransfer_core.pipeline.result import RunResult
from celltransfer_core.types import Bools
from celltransfer_core.vocabulary import SKIPPED

Selection = Literal["all", "flagged", "type", "cluster", "unknown", "must find", "read", "disputed"]


def select_cells(
    result: RunResult,
    reviews: Sequence[Review],
    reader: str,
    kind: Selection,
    value: str | int = "",
) -> Bools | None:
    """Select the cells that a reader asks to review.

    Parameters
    ----------
    result : RunResult
    reviews : sequence of Review
    reader : str
        Reader who makes the selection; ``read`` selects the cells that others answered.
    kind : str
        ``type`` and ``cluster`` take a value; ``unknown`` selects cells far from all annotated
        ones, ``must find`` those that are or may be of a type that must not be missed.
    value : str or int
        A predicted type or a displayed cluster number.

    Returns
    -------
    ndarray of bool, shape (m,), or None
        None if all cells are selected.
    """
    if kind == "flagged":
        return result.flagged
    if kind == "type":
        return np.array(result.predicted) == value
    if kind == "cluster":
        return result.clusters.names[result.clusters.labels] == value
    if kind == "unknown" and result.updated:
        return result.updated.unknown
    if kind == "must find":
        return np.any([result.seen_as(name) for name in result.to_show], axis=0)
    if kind == "read":
        others = {one.cell for one in reviews if one.reader != reader and one.answer != SKIPPED}
        return np.array([cell in others for cell in result.query.cells], dtype=bool)
    if kind == "disputed":
        return final_types(result.query.cells, result.predicted, reviews).disputed
    return None
