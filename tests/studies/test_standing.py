from dataclasses import replace

import numpy as np
import pytest

from celltransfer_core.config import Config
from celltransfer_core.errors import DataError
from celltransfer_core.pipeline import (
    Clusters,
    central_first,
    cluster_features,
    edit_clusters,
    extend_selection,
    prepare,
    short,
    split_in_two,
)
from celltransfer_core.studies import Word, query_embeddings, standing_names, standing_words

# Hashes that differ in their first digits, as real ones do.
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
    return short([CELLS[number] for number in numbers])


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


def words(*said):
    return [
        Word({"cells": some(*cells), "type": name}, who, f"t{number}")
        for number, (cells, name, who) in enumerate(said)
    ]


def test_a_word_stands_for_its_cluster():
    found = clusters([0] * 5 + [1] * 5)
    said = words((range(5), "a", "Ann"), (range(5, 10), "b", "Bob"))
    standing = standing_words(found, CELLS, said, ["a", "b"])
    assert [s.confirmation.type_name for s in standing] == ["a", "b"]
    assert [s.confirmation.by for s in standing] == ["Ann", "Bob"]
    assert [s.share for s in standing] == [1.0, 1.0]


def test_the_last_word_counts_and_can_be_taken_back():
    found = clusters([0] * 5)
    cells = CELLS[:5]
    said = words((range(5), "a", "Ann"), (range(5), "b", "Bob"))
    (only,) = standing_words(found, cells, said, ["a", "b"])
    assert (only.confirmation.type_name, only.confirmation.by, only.at) == ("b", "Bob", "t1")
    back = words((range(5), "a", "Ann"), (range(5), None, "Ann"))
    assert standing_words(found, cells, back, ["a", "b"]) == ()


def test_words_are_carried_over_by_overlap():
    before = words((range(6), "a", "Ann"), (range(6, 10), "none", "Ann"))
    after = clusters([0, 0, 0, 0, 1, 1, 1, 1, 2, 2], names=[4, 5, 9])
    standing = standing_words(after, CELLS, before, ["a", "b"])
    # The middle cluster is half of one and half of the other: nothing is carried over.
    assert [(s.confirmation.cluster, s.confirmation.type_name) for s in standing] == [
        (4, "a"),
        (9, "none"),
    ]
    shared = clusters([0, 0, 0, 0, 0, 0, 0, 0, 1, 1])
    assert standing_words(shared, CELLS, before, ["a"])[0].share == 0.75


def test_words_for_types_that_are_gone_do_not_count():
    found = clusters([0] * 10)
    assert standing_words(found, CELLS, words((range(10), "a", "Ann")), ["b", "c"]) == ()


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


def test_a_new_type_stands_where_the_word_says_it_is_new():
    found, types = clusters([0, 0, 0]), ["a", "b"]
    for new in (True, False):
        said = [Word({"cells": some(0, 1, 2), "type": "z", "new": new}, "Ann", "2026-01-01")]
        standing = standing_words(found, CELLS[:3], said, types)
        assert [one.confirmation.type_name for one in standing] == ["z"] * new


def test_central_cells_come_first():
    found = replace(clusters([0, 1, 0, 0]), centrality=np.array([0.2, 1.0, 1.0, 0.5]))
    assert central_first(found, 0).tolist() == [2, 3, 0]


def test_names_follow_their_cells():
    def word(name, *numbers):
        return Word({"cells": some(*numbers), "name": name}, "Ann", "2026-01-01")

    found = clusters([0, 0, 0, 1, 1], names=[4, 7])
    assert standing_names(found, CELLS[:5], []) == {}
    named = [word("bands", 0, 1), word("small", 3, 4)]
    assert standing_names(found, CELLS[:5], named) == {4: "bands", 7: "small"}
    assert standing_names(found, CELLS[:5], [*named, word("", 3, 4)]) == {4: "bands"}


def test_embeddings_of_a_finished_study_are_read_back(reference, query, cache):
    config = Config(encoders=(("shape", "colour"),))
    prepared = prepare(reference, query, config, cache=cache, workers=1)
    expected = cluster_features(prepared)
    without = replace(prepared, embeddings={})
    np.testing.assert_array_equal(query_embeddings(without, cache), expected)
