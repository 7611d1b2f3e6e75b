"""Use of every answer: how many count for all cells, and why the others do not."""

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
    """Numbers of cells; each reviewed cell is in one of them, and ``blind`` is part of ``drawn``.

    The order is that in which they are reported.
    """

    drawn: int
    """Drawn at random and answered: these cells allow inference on all cells."""
    blind: int
    """Those of ``drawn`` that were shown without their prediction."""
    picked: int
    """Answered with the prediction shown and not drawn at random: selected, or answered before
    probabilities were recorded."""
    out_of_sample: int
    """Answered blind and not drawn at random."""
    unsure: int
    artefact: int
    skipped: int
    disputed: int


def tally_answers(cells: Sequence[str], reviews: Sequence[Review], draws: Draws) -> Tally:
    """Count the reviewed cells by the use of their answers.

    Parameters
    ----------
    cells : sequence of str, length n
        Hashes of the query's cells.
    reviews : sequence of Review
        Reviews of all readers.
    draws : Draws
        Draws from the same reviews.

    Returns
    -------
    Tally
        A cell is blind if a reader gave it a type without having seen its prediction.
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
