"""Counts of correct predictions among the reviewed cells of the queue."""

from __future__ import annotations

from collections.abc import Sequence

from celltransfer_core.people.reviews import Review, settled_answers
from celltransfer_core.vocabulary import ARTEFACT, DISPUTED, UNSURE


def count_hits(
    cells: Sequence[str], predicted: Sequence[str], reviews: Sequence[Review]
) -> tuple[int, int]:
    """Count answers given with the prediction shown, and those that agree with it.

    Parameters
    ----------
    cells : sequence of str, length m
        Hashes.
    predicted : sequence of str, length m
        Types from a vote in which a cell's own answer has no part.
    reviews : sequence of Review
        Blind ones are left out: they are the random sample, which is counted separately.

    Returns
    -------
    right, answered : int
        Numbers of cells whose answer is a type.
    """
    settled = settled_answers([one for one in reviews if not one.blind])
    pairs = [
        (name, settled[cell])
        for cell, name in zip(cells, predicted, strict=True)
        if settled.get(cell, UNSURE) not in (UNSURE, ARTEFACT, DISPUTED)
    ]
    return sum(name == answer for name, answer in pairs), len(pairs)
