from celltransfer_core.people import Review, count_hits
from celltransfer_core.vocabulary import UNSURE


def review(cell, answer, *, blind=False):
    return Review(cell=cell, answer=answer, reader="Ann", time="2025-01-01T00:00:00", blind=blind)


def test_answers_with_the_prediction_in_sight_are_counted():
    reviews = [
        review("c0", "a"),
        review("c1", "b"),
        review("c2", UNSURE),
        review("c3", "a", blind=True),
    ]
    assert count_hits(["c0", "c1", "c2", "c3"], ["a", "a", "a", "a"], reviews) == (1, 2)
    assert count_hits(["c0"], ["a"], []) == (0, 0)
