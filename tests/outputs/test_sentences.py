import math

import numpy as np
import pytest

from celltransfer_core.classify import Vote
from celltransfer_core.outputs import (
    describe_accuracy,
    describe_composition,
    describe_concordance,
    describe_left_out,
    describe_reclassification,
    describe_share,
    interval,
)
from celltransfer_core.people import (
    ESTIMATED_FROM,
    Review,
    Share,
    cohen_kappa,
    infer,
    reclassification,
)
from celltransfer_core.vocabulary import UNSURE


def inferred(blind, seen=0, unsure=0, cells=200):
    """Infer from so many blind and other answers, one in ten of which the vote has wrong."""
    n = cells
    cells = [f"{number:064x}" for number in range(n)]
    answers = ["b" if number % 10 == 9 else "a" for number in range(blind + seen)]
    answers += [UNSURE] * unsure
    reviews = [
        Review(cell, answer, "Ann", "2026-01-01T00:00:00", at < blind, 1 / (n - at))
        for at, (cell, answer) in enumerate(zip(cells, answers, strict=False))
    ]
    half = np.full(n, 0.8)
    vote = Vote(np.zeros(n, dtype=np.int64), half, half, np.zeros((1, n), np.int64), half)
    return infer(cells, ("a", "b"), np.tile([0.9, 0.1], (n, 1)), vote, reviews)


def test_no_accuracy_is_told_from_little():
    assert "20 more blind cells must be answered" in describe_accuracy(inferred(0))
    little = describe_accuracy(inferred(19, 100))
    assert "1 more blind cell must be answered" in little
    assert "(19 of 20 are)" in little
    assert "%" not in little


def test_small_queries_are_not_promised_an_accuracy():
    told = describe_accuracy(inferred(0, cells=99))
    assert told.startswith("How often predictions are right is not known yet")
    told = describe_accuracy(inferred(0, cells=95))
    assert "cannot be estimated for so few cells" in told
    assert "20 blind cells are needed, at most 19 are possible" in told
    assert describe_accuracy(inferred(20, cells=95)).startswith("Accuracy over all cells")


def test_the_interval_comes_first():
    told = describe_accuracy(inferred(ESTIMATED_FROM, 40))
    found = inferred(ESTIMATED_FROM, 40).right()
    assert told.startswith(
        f"Accuracy over all cells: {interval(found.low, found.high)}, best estimate 9"
    )
    assert "60 answers on randomly drawn cells, 20 of them blind" in told
    assert describe_share(Share(0.92, 0.826, 0.961, 60)) == "82 to 97 %, best estimate 92 %"
    assert describe_share(Share(math.nan, 0, 1, 1)) == "not known yet"


@pytest.mark.parametrize(("blind", "seen"), [(0, 0), (3, 16)])
def test_counting_alone_is_said_to_be_counting_alone(blind, seen):
    told = describe_composition(inferred(blind, seen))
    assert f"answer {20 - blind - seen} more randomly drawn cell" in told
    assert "not wrong types" in told
    assert "both counting and typing" in describe_composition(inferred(0, 20))


def test_why_answers_do_not_count_is_told():
    assert describe_left_out(inferred(5).tally) == ""
    assert describe_left_out(inferred(5, 5, unsure=2).tally) == "Not counted: 2 unsure."


def test_reclassification_is_not_taken_for_the_error_of_all_cells():
    reviews = [Review("c0", "b", "Ann", "", False), Review("c1", "a", "Ann", "", False)]
    told = describe_reclassification(reclassification(["c0", "c1"], ["a", "a"], reviews))
    assert "1 of 2 reviewed cells (50 %)" in told
    assert "not the share of wrong types" in told
    assert "nothing" in describe_reclassification(reclassification([], [], []))


def test_concordance_in_words():
    reviews = [
        Review(cell, answer, reader, "2025-01-01T00:00:00", False)
        for reader, answers in (("a", "xxy"), ("b", "xyy"))
        for cell, answer in zip("123", answers, strict=True)
    ]
    assert (
        "3 cells read by both, 2 with the same answer (67 %); Cohen's κ is 0.40"
        in describe_concordance(cohen_kappa(reviews, "a", "b"))
    )
    assert describe_concordance(cohen_kappa(reviews, "a", "c")).startswith("no cell")
