from dataclasses import replace

import numpy as np
import pytest

from celltransfer_core.errors import DataError
from celltransfer_core.pipeline import (
    Clusters,
    central_first,
    edit_clusters,
    extend_selection,
    shorten_hashes,
    split_in_two,
)

CELLS = [f"{number}{'0' * 63}"[:64] for number in range(10)]


def clusters(labels, names=None):
    labels = np.array(labels)
    count = labels.max() + 1
    return Clusters(
        method="louvain",
        labels=labels,
        centrality=np.ones(len(labels)),
        density=np.linspace(0.5, 1, count),
        names=np.arange(count) if names is None else np.array(names),
        sigma=0.1,
    )


def some(*numbers):
    return shorten_hashes([CELLS[number] for number in numbers])


def test_splitting_merging_and_moving():
    found = clusters([0, 0, 0, 0, 1, 1, 1, 2, 2, 2])
    assert edit_clusters(found, CELLS, []) is found
    split = edit_clusters(found, CELLS, [{"cells": some(2, 3), "to": None}])
    assert split.labels.tolist() == [0, 0, 3, 3, 1, 1, 1, 2, 2, 2]
    assert split.names.tolist() == [0, 1, 2, 3]
    assert np.isnan(split.density).tolist() == [True, False, False, True]
    merged = edit_clusters(found, CELLS, [{"cells": some(4, 5, 6), "to": 0}])
    assert merged.names.tolist() == [0, 2]  # the third keeps its number
    assert merged.labels.tolist() == [0] * 7 + [1] * 3
    assert merged.density[1] == found.density[2]
    edits = [{"cells": some(9), "to": None}, {"cells": some(0), "to": 3}]
    moved = edit_clusters(found, CELLS, edits)
    assert moved.names[moved.labels].tolist() == [3, 0, 0, 0, 1, 1, 1, 2, 2, 3]


def test_cells_that_are_gone_are_passed_over():
    found = clusters([0, 0, 1])
    edited = edit_clusters(found, CELLS[:3], [{"cells": ["f" * 16, *some(0)], "to": 1}])
    assert edited.labels.tolist() == [1, 0, 1]


def test_split_in_two_parts_what_lies_apart(rng):
    X = rng.normal(size=(12, 4)).astype(np.float32)
    X[[2, 5, 7]] += 20
    assert np.flatnonzero(split_in_two(X)).tolist() == [2, 5, 7]
    assert split_in_two(X[[2, 0]]).tolist() == [False, True]  # of two equal parts the second
    for alike in (X[:1], np.ones((4, 2), dtype=np.float32)):
        with pytest.raises(DataError, match="cannot be split"):
            split_in_two(alike)


def test_cells_beside_the_map_go_with_the_nearest_on_it():
    X = np.array([[0], [1], [10], [11], [12]], dtype=np.float32)
    shown = np.array([1, 2])
    assert extend_selection(X, shown, np.array([2])).tolist() == [2, 3, 4]
    assert extend_selection(X, shown, np.array([1, 2])).tolist() == [0, 1, 2, 3, 4]
    assert extend_selection(X, np.arange(5), np.array([3, 1])).tolist() == [1, 3]
    assert extend_selection(X, shown, np.array([], dtype=int)).tolist() == []


def test_central_cells_come_first():
    found = replace(clusters([0, 1, 0, 0]), centrality=np.array([0.2, 1.0, 1.0, 0.5]))
    assert central_first(found, 0).tolist() == [2, 3, 0]
