import numpy as np
import pytest

from celltransfer_core.classify import weighted_vote
from celltransfer_core.people import (
    QUEUE_ORDERS,
    Review,
    review_queue,
    sample_order,
    wait_for_blind,
)

CELLS = [f"{number:03d}" for number in range(40)]


def review(cell, answer="a", *, blind=True):
    return Review(CELLS[cell], answer, "Ann", "2026-01-01T00:00:00", blind)


@pytest.mark.parametrize("order", QUEUE_ORDERS)
def test_the_cells_that_wait_are_those_that_the_queue_shows_blind(order, rng):
    vote = weighted_vote(rng.dirichlet((1, 1, 1), size=(2, 40)), np.ones(2))
    sample = sample_order(CELLS, 5)[:8].tolist()
    reviews = [
        review(sample[0]),
        review(sample[1], "unsure"),
        review(sample[2], "skip"),  # it comes again
        review(sample[3], blind=False),  # seen with its prediction: it is asked blind in its turn
        review(sample[4], "skip"),
        review(sample[4]),
        review(int(sample_order(CELLS, 5)[20])),
    ]
    queue = review_queue(CELLS, vote, np.zeros(40, int), reviews, order=order, seed=5)
    waiting = wait_for_blind(CELLS, reviews, seed=5)
    assert set(np.flatnonzero(waiting).tolist()) == set(queue.cells[queue.blind].tolist())
    assert set(np.flatnonzero(waiting).tolist()) == {*sample[2:4], *sample[5:]}


def test_before_any_answer_the_whole_sample_waits():
    assert wait_for_blind(CELLS, [], share=0.25).sum() == 10
    assert not wait_for_blind(CELLS, [], share=0).any()
