"""Why an answer does not count for all cells is told of each."""

from celltransfer_core.people import Review, draws_of, tally_answers
from celltransfer_core.vocabulary import ARTEFACT, SKIPPED, UNSURE


def answer(cell, name, reader="Ann", *, blind=False, chance=0.1):
    return Review(f"{cell:064x}", name, reader, "2026-01-01T00:00:00+00:00", blind, chance)


def test_every_reviewed_cell_is_counted_once_with_the_reason():
    cells = [f"{number:064x}" for number in range(20)]
    reviews = [
        answer(0, "a"),
        answer(1, "a", blind=True),
        answer(2, "a", chance=None),
        answer(3, "a", chance=None, blind=True),
        answer(4, UNSURE, blind=True),
        answer(5, ARTEFACT, blind=True),
        answer(6, SKIPPED),
        answer(7, "a"),
        answer(7, "b", "Ben"),
    ]
    found = tally_answers(cells, reviews, draws_of(cells, reviews))
    assert (found.drawn, found.blind, found.picked, found.out_of_sample) == (2, 1, 1, 1)
    assert (found.unsure, found.artefact, found.skipped, found.disputed) == (1, 1, 1, 1)
