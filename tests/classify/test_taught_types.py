import tracemalloc

import numpy as np
import pytest

from celltransfer_core.classify import fit_types, teach_types
from celltransfer_core.classify.taught_types import (
    ANSWER,
    TypeCentres,
    TypesElsewhere,
    add_answers,
    distance_to_types,
    probabilities_of,
)


def two_kinds(rng, count=60, width=40, apart=1.0):
    """Rows of two types that differ along one direction, in many dimensions."""
    kinds = rng.integers(2, size=count)
    X = rng.normal(size=(count, width))
    X[:, 0] += apart * np.where(kinds == 1, 1, -1)
    return X, kinds


def test_what_types_differ_in_is_found_in_many_dimensions(rng):
    X, kinds = two_kinds(rng, 300, 40, apart=3.0)
    found = fit_types(X, np.eye(2)[kinds])
    other, truth = two_kinds(rng, 300, 40, apart=3.0)
    assert np.mean((other @ found.weights + found.intercept).argmax(axis=1) == truth) > 0.97


def test_types_are_equally_likely_whatever_their_numbers(rng):
    X = np.concatenate([rng.normal(-2, 1, (190, 1)), rng.normal(2, 1, (10, 1))])
    found = fit_types(X, np.eye(2)[[0] * 190 + [1] * 10])
    border = -(found.intercept[1] - found.intercept[0]) / (
        found.weights[0, 1] - found.weights[0, 0]
    )
    assert abs(border) < 0.3


def test_a_type_without_a_cell_is_never_named(rng):
    X, kinds = two_kinds(rng)
    found = fit_types(X, np.eye(3)[kinds])
    assert np.isneginf(found.intercept[2])
    assert probabilities_of(X @ found.weights + found.intercept)[:, 2].max() == 0


def test_confidence_is_what_left_out_cells_deserve(rng):
    X, kinds = two_kinds(rng, 120, 100, apart=1.0)
    taught = teach_types(X, np.eye(2)[kinds])
    other, truth = two_kinds(rng, 2000, 100, apart=1.0)
    odds = other @ taught.found.weights + taught.found.intercept
    calibrated = probabilities_of(odds)
    right = np.mean(calibrated.argmax(axis=1) == truth)
    assert taught.agreement == pytest.approx(right, abs=0.12)
    assert calibrated.max(axis=1).mean() == pytest.approx(right, abs=0.1)
    bare = fit_types(X, np.eye(2)[kinds])
    too_sure = probabilities_of(other @ bare.weights + bare.intercept).max(axis=1).mean()
    assert too_sure > right + 0.1
    again = teach_types(X, np.eye(2)[kinds])
    assert (again.found.weights == taught.found.weights).all()


def test_what_is_unlike_all_types_is_told(rng):
    """Three types at the corners of a triangle; a fourth, which nobody taught, in its middle."""
    corners = 1.3 * np.array([[4.0, 0.0], [-2.0, 3.5], [-2.0, -3.5]])
    kinds = rng.integers(3, size=600)

    def rows(centres):
        X = rng.normal(size=(len(centres), 30))
        X[:, :2] += centres
        return X

    taught = teach_types(rows(corners[kinds]), np.eye(3)[kinds])
    assert 0.005 < np.mean(taught.unlike > 1) < 0.015

    def unlike(centres):
        odds = rows(centres) @ taught.found.weights + taught.found.intercept
        return np.mean(distance_to_types(odds, taught.centres) > 1)

    assert unlike(corners[kinds]) < 0.03
    assert unlike(np.zeros((300, 2))) > 0.6
    assert unlike(np.tile([-9.0, 0.0], (300, 1))) > 0.9


def test_how_types_vary_elsewhere_helps_where_few_cells_are_typed(rng):
    """Cells vary most along a direction in which the types hardly differ."""
    spread = np.ones(60)
    spread[1:20] = 6.0

    def drawn(count):
        X, kinds = two_kinds(rng, count, 60, apart=2.0)
        X[:, 1:] *= spread[1:]
        return X, kinds

    X, kinds = drawn(40)
    elsewhere, types = drawn(2000)
    elsewhere += 50.0  # of another laboratory: only differences from the means of types count
    apart = elsewhere - np.stack([elsewhere[types == n].mean(axis=0) for n in (0, 1)])[types]
    other, truth = drawn(2000)

    def right(elsewhere):
        found = fit_types(X, np.eye(2)[kinds], elsewhere)
        return np.mean((other @ found.weights + found.intercept).argmax(axis=1) == truth)

    unknown = np.full((2, 60), np.nan)
    assert right(TypesElsewhere(unknown, apart)) > right(None) + 0.03
    none = fit_types(X, np.eye(2)[kinds], TypesElsewhere(unknown, apart[:0]))
    assert (none.weights == fit_types(X, np.eye(2)[kinds]).weights).all()


def test_the_mean_of_a_type_elsewhere_counts_as_one_cell(rng):
    """Type 0 has one cell, type 1 has three; elsewhere everything is 10 further."""
    X = np.array([[1.0], [4.0], [5.0], [6.0]])
    shares = np.eye(3)[[0, 1, 1, 1]]
    elsewhere = TypesElsewhere(np.array([[10.0], [15.0], [20.0]]), np.array([[-1.0], [1.0]]))
    taught = teach_types(X, shares, elsewhere=elsewhere)
    offset = (0.5 * (1 - 10) + 0.75 * (5 - 15)) / 1.25
    expected = [(1 + 10 + offset) / 2, (15 + 15 + offset) / 4]
    assert np.allclose(taught.means.means[:2] / taught.root, np.array(expected)[:, None])
    assert not taught.means.there[2]  # a type without a cell here is not named here


def test_answers_move_the_means_of_their_types(rng):
    X, kinds = two_kinds(rng, 200, 10, apart=4.0)
    taught = teach_types(X, np.eye(2)[kinds])
    same = X @ taught.root @ taught.means.types.weights + taught.means.types.intercept
    assert np.allclose(same, X @ taught.found.weights + taught.found.intercept)
    rows = X[:3] @ taught.root
    moved = add_answers(taught.means, rows, np.eye(2)[[1, 1, 1]])
    assert np.allclose(moved.means[0], taught.means.means[0])
    assert moved.counts[1] == taught.means.counts[1] + 3 * ANSWER
    summed = taught.means.means[1] * taught.means.counts[1] + ANSWER * rows.sum(axis=0)
    assert np.allclose(moved.means[1], summed / moved.counts[1])
    new = add_answers(taught.means, rows[:1], np.eye(3)[[2]])
    assert new.means.shape == (3, 10)
    assert np.allclose(new.means[2], rows[0])
    odds = rows @ new.types.weights + new.types.intercept
    assert odds.argmax(axis=1)[0] == 2


def test_memory_does_not_grow_with_cells_times_types_squared(rng):
    types, cells = 30, 20_000
    metric = np.eye(types)
    centres = TypeCentres(rng.normal(size=(types, types)), metric)
    odds = rng.normal(size=(cells, types))
    tracemalloc.start()
    found = distance_to_types(odds, centres)
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert most < 60e6  # all at once: 144 MB
    off = odds[-1] - centres.odds
    assert found[-1] == pytest.approx(((off @ metric) * off).sum(axis=1).min())
