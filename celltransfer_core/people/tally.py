"""What became of every answer: reviews in, how many count for all cells, and why others do not."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from celltransfer_core.people.active_inference import Draws
from celltransfer_core.people.queue import seen_cells
from celltransfer_core.people.reviews import Review, last_answers, settled_answers
from celltransfer_core.vocabulary import ARTEFACT, DISPUTED, UNSURE


@dataclass(frozen=True)
class Tally:
    """Numbers of cells; each reviewed cell is in one of them, and ``blind`` are part of ``drawn``.

    The order is that in which they are told.
    """

    drawn: int
    """Drawn by chance, and answered: they tell of all cells."""
    blind: int
    """Those of them that were shown without their prediction."""
    picked: int
    """Answered with the prediction in sight, and not drawn by chance: picked, or from before
    chances were kept."""
    out_of_sample: int
    """Answered blind, and not drawn by chance."""
    unsure: int
    artefact: int
    skipped: int
    disputed: int


def tally_answers(cells: Sequence[str], reviews: Sequence[Review], draws: Draws) -> Tally:
    """Count what became of every reviewed cell.

    Parameters
    ----------
    cells : sequence of str, length n
        Hashes of the query's cells.
    reviews : sequence of Review
        Of all readers.
    draws : Draws
        Of the same reviews.

    Returns
    -------
    Tally
        A cell is blind if a reader gave a type to it without having seen its prediction.
    """
    settled = settled_answers(reviews)
    blind = {
        cell
        for cell, given in last_answers([one for one in reviews if one.blind]).items()
        if {one.answer for one in given.values()} - {UNSURE, ARTEFACT}
    }
    drawn = {cells[cell] for cell in draws.cells.tolist()}
    other = {cells[cell] for cell in draws.answered.tolist()} - drawn
    found = Counter(settled[cell] for cell in cells if cell in settled)
    return Tally(
        drawn=len(drawn),
        blind=len(drawn & blind),
        picked=len(other - blind),
        out_of_sample=len(other & blind),
        unsure=found[UNSURE],
        artefact=found[ARTEFACT],
        skipped=len(seen_cells(cells, reviews)[1]),
        disputed=found[DISPUTED],
    )
