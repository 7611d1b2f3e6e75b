from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from celltransfer_core.errors import DataError
from celltransfer_core.people import annotations_of
from celltransfer_core.pipeline import (
    Opinion,
    Purity,
    by_disagreement,
    cluster_purity,
    opinion_of_run,
    quick_opinion,
    split_mixed,
    update_vote,
)

TYPES = ("a", "b", "c")


def an_opinion(*rows):
    probabilities = np.array(rows, dtype=float)
    return Opinion(TYPES, probabilities, probabilities.argmax(axis=1))


def taken_for(*names, sure=0.8):
    """Make an opinion that takes each cell for a type."""
    rest = (1 - sure) / 2
    return an_opinion(*[[sure if one == name else rest for one in TYPES] for name in names])


def test_cells_are_counted_by_cluster_the_most_frequent_type_first():
    opinion = taken_for(*"aabacb")
    first, second = cluster_purity(opinion, np.array([0, 0, 0, 1, 1, 1]))
    assert first.counts == (("a", 2), ("b", 1))
    assert second.counts == (("a", 1), ("b", 1), ("c", 1))
    assert (first.cells, round(first.share, 2), first.mixed) == (3, 0.67, False)
    assert second.mixed
    assert Purity((("a", 6), ("b", 4))).mixed  # three fifths are no clear majority yet
    assert not Purity((("a", 7), ("b", 4))).mixed


def test_those_come_first_that_are_most_surely_taken_for_another_type():
    opinion = an_opinion(
        [0.9, 0.1, 0.0], [0.4, 0.6, 0.0], [0.0, 0.1, 0.9], [0.5, 0.3, 0.2], [0.1, 0.7, 0.2]
    )
    assert by_disagreement(opinion, [3, 0, 1, 2, 4], "a").tolist() == [2, 4, 1, 3, 0]
    assert by_disagreement(opinion, [4, 2, 0], "a").tolist() == [2, 4, 0]
    new = by_disagreement(opinion, [0, 1, 2, 3, 4], "plasma cell")  # nobody was asked about that
    assert sorted(new.tolist()) == [0, 1, 2, 3, 4]


def test_a_split_follows_what_the_cells_are_taken_for_and_how_alike_they_are(rng):
    X = rng.normal(size=(40, 6)).astype(np.float32)
    X[25:] += 6
    # Two cells are taken for what their neighbours are not: they go with their neighbours.
    opinion = taken_for(*"a" * 23, *"bb", *"b" * 13, *"aa")
    inside = np.arange(40)
    parts = split_mixed(X, opinion, inside)
    assert parts.tolist() == [0] * 25 + [1] * 15  # the largest part is the first
    some = inside[::2]
    assert split_mixed(X, opinion, some).tolist() == parts[::2].tolist()


def test_there_are_as_many_parts_as_types_that_more_than_a_few_cells_are_taken_for(rng):
    X = rng.normal(size=(40, 6)).astype(np.float32)
    X[20:32, 0] += 9
    X[32:, 1] += 9
    opinion = taken_for(*"a" * 20, *"b" * 12, *"c" * 8)
    assert np.bincount(split_mixed(X, opinion, np.arange(40))).tolist() == [20, 12, 8]
    few = taken_for(*"a" * 20, *"b" * 18, *"cc")
    assert len(np.unique(split_mixed(X[:40], few, np.arange(40)))) == 2


def test_where_all_are_taken_for_one_type_the_embeddings_tell_them_apart(rng):
    X = rng.normal(size=(12, 4)).astype(np.float32)
    X[[2, 5, 7]] += 20
    opinion = taken_for(*"a" * 12)
    assert np.flatnonzero(split_mixed(X, opinion, np.arange(12))).tolist() == [2, 5, 7]
    with pytest.raises(DataError, match="cannot be split"):
        split_mixed(np.ones((12, 4), dtype=np.float32), opinion, np.arange(12))


def test_the_vote_before_answers_is_what_the_encoders_say(result):
    annotations = annotations_of([], result.query.cells, [])
    named = replace(annotations, cells=((0, "plasma cell"), (1, result.types[0])))
    updated = update_vote(result, named)
    opinion = opinion_of_run(updated)
    assert opinion.types == (*result.types, "plasma cell")
    np.testing.assert_array_equal(opinion.winner, result.vote.winner)
    np.testing.assert_allclose(opinion.probabilities[:, :-1], result.probabilities)
    assert not opinion.probabilities[:, -1].any()


def test_without_a_vote_the_nearest_reference_cells_are_asked(rng):
    Xs = rng.normal(size=(30, 4)).astype(np.float32)
    Xs[20:] += 8
    Xt = np.concatenate([rng.normal(size=(5, 4)), 8 + rng.normal(size=(3, 4))]).astype(np.float32)
    prepared = SimpleNamespace(
        config=SimpleNamespace(class_weight="balanced"),
        compared=(Xs, Xt),
        reference_types=np.repeat([0, 1], [20, 10]),
        types=("a", "b"),
    )
    opinion = quick_opinion(prepared)
    assert opinion.types == ("a", "b")
    assert opinion.winner.tolist() == [0] * 5 + [1] * 3
    np.testing.assert_allclose(opinion.probabilities.sum(axis=1), 1)
