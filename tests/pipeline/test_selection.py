from types import SimpleNamespace

import numpy as np
import pytest

from celltransfer_core.people import Review
from celltransfer_core.pipeline import select_cells
from celltransfer_core.vocabulary import SKIPPED

CELLS = ("c0", "c1", "c2", "c3")


@pytest.fixture
def result():
    return SimpleNamespace(
        query=SimpleNamespace(cells=CELLS),
        predicted=("a", "b", "a", "b"),
        flagged=np.array([True, False, False, False]),
        clusters=SimpleNamespace(names=np.array([4, 7]), labels=np.array([0, 1, 1, 0])),
        updated=SimpleNamespace(unknown=np.array([False, False, False, True])),
    )


def review(cell, answer, reader):
    return Review(cell=cell, answer=answer, reader=reader, time="2025-01-01T00:00:00", blind=False)


def test_each_kind_of_choice(result):
    reviews = [review("c0", "a", "Ben"), review("c1", SKIPPED, "Ben"), review("c2", "b", "Ann")]

    def chosen(*choice):
        return select_cells(result, reviews, "Ann", *choice).tolist()

    assert select_cells(result, reviews, "Ann", "all") is None
    assert chosen("flagged") == [True, False, False, False]
    assert chosen("type", "b") == [False, True, False, True]
    assert chosen("cluster", 7) == [False, True, True, False]
    assert chosen("unknown") == [False, False, False, True]
    assert chosen("read") == [True, False, False, False]
    assert not any(chosen("disputed"))


def test_without_answers_no_cell_is_known_to_be_unlike_all(result):
    result.updated = None
    assert select_cells(result, [], "Ann", "unknown") is None


def test_cells_that_readers_dispute(result):
    reviews = [review("c1", "a", "Ben"), review("c1", "b", "Ann")]
    assert select_cells(result, reviews, "Ann", "disputed").tolist() == [False, True, False, False]
