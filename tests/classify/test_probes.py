import numpy as np
import pytest
from scipy.spatial.distance import cdist
from sklearn.utils.estimator_checks import parametrize_with_checks

from celltransfer_core.classify import (
    LinearProbe,
    draw_cells,
)
from celltransfer_core.clustering import discriminant


@parametrize_with_checks([LinearProbe()])
def test_sklearn_contract(estimator, check):
    check(estimator)


def test_a_large_set_is_cut_down_and_no_class_is_lost(groups):
    X, y = groups
    kept = draw_cells(y, 100, 0)
    assert np.all(np.diff(kept) > 0)
    np.testing.assert_array_equal(np.bincount(y[kept]), [89, 10, 1])
    np.testing.assert_array_equal(draw_cells(y, 1000, 0), np.arange(1000))
    probe = LinearProbe(max_cells=100).fit(X, y)
    np.testing.assert_allclose(probe.mean_, X[kept].mean(axis=0))
    np.testing.assert_array_equal(probe.classes_, [0, 1, 2])
    assert (probe.predict(X) == y).mean() > 0.95


def test_a_dimension_that_is_dead_in_training_decides_nothing(rng):
    X = rng.normal(size=(60, 4)).astype(np.float32)
    y = (X[:, 0] > 0).astype(int)
    X[:, 3] = 1e-7 * rng.normal(size=60)  # dead but for rounding
    new = rng.normal(size=(200, 4)).astype(np.float32)
    probe = LinearProbe().fit(X, y)
    assert np.mean(probe.predict(new) == (new[:, 0] > 0)) > 0.9


@pytest.mark.parametrize(
    ("X", "types"),
    [
        (np.zeros((8, 3), np.float32), np.repeat([0, 1], 4)),
        (np.repeat(np.eye(2, 3, dtype=np.float32), 4, axis=0), np.repeat([0, 1], 4)),
        (np.arange(24, dtype=np.float32).reshape(8, 3), np.zeros(8, np.int64)),
        (np.eye(2, 3, dtype=np.float32), np.array([0, 1])),
    ],
    ids=["constant", "alike within types", "one type", "no more cells than types"],
)
def test_where_types_cannot_be_told_apart_there_is_no_direction(X, types):
    for found, rows in zip(discriminant(X, X[:1], types), (len(X), 1), strict=True):
        assert found.shape == (rows, 0)


def test_directions_tell_types_apart(rng):
    types = np.repeat([0, 1, 2], 30)
    X = rng.normal(size=(90, 6)).astype(np.float32)
    X[:, 0] += 6 * (types == 1)
    X[:, 1] += 6 * (types == 2)
    source, target = discriminant(X, X, types)
    assert source.shape == (90, 2)
    np.testing.assert_array_equal(source, target)
    means = np.stack([source[types == kind].mean(axis=0) for kind in range(3)])
    assert (cdist(source, means).argmin(axis=1) == types).mean() > 0.95
