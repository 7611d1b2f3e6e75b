import sys

import numpy as np
import pytest
import torch
from scipy.spatial.distance import cdist
from sklearn.utils.estimator_checks import parametrize_with_checks

from celltransfer_core.classify import (
    LinearProbe,
    NMTune,
    consistency_loss,
    covariance_loss,
    dominant_singular_loss,
    draw_cells,
)
from celltransfer_core.clustering import discriminant
from celltransfer_core.errors import CellTransferError


@parametrize_with_checks([LinearProbe(), NMTune()])
def test_sklearn_contract(estimator, check):
    check(estimator)


@pytest.fixture
def groups(rng):
    """Three groups of 900, 95 and 5 cells that lie apart."""
    y = np.r_[np.zeros(900), np.ones(95), np.full(5, 2)].astype(int)
    return (rng.normal(size=(1000, 4)) + 6 * np.eye(3, 4)[y]).astype(np.float32), y


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


def test_the_losses_of_nmtune_worked_by_hand():
    features = torch.tensor([[3.0, 4.0], [0.0, 2.0], [6.0, 0.0]])
    frozen = torch.tensor([[1.0, 0.0], [0.0, 5.0], [0.0, 1.0]])
    # At length one: (0.6, 0.8), (0, 1), (1, 0) against (1, 0), (0, 1), (0, 1);
    # squares: 0.16 + 0.64, none, 1 + 1; over three cells and two dimensions.
    assert consistency_loss(features, frozen).item() == pytest.approx(2.8 / 6)
    # Means 3 and 2; off the diagonal (0·2 + (−3)·0 + 3·(−2)) / 2 = −3, twice squared, over two.
    assert covariance_loss(features).item() == pytest.approx(9.0)
    # Six values on the diagonal: the five largest are 20 of 21.
    values = torch.diag(torch.tensor([6.0, 5.0, 4.0, 3.0, 2.0, 1.0]))
    assert dominant_singular_loss(values).item() == pytest.approx(-20 / 21)


def test_nmtune_learns_and_is_the_same_again(groups):
    X, y = groups
    torch.manual_seed(3)
    before = torch.get_rng_state()
    one = NMTune(max_cells=500).fit(X, y)
    assert torch.equal(torch.get_rng_state(), before)
    two = NMTune(max_cells=500).fit(X, y)
    np.testing.assert_array_equal(one.predict_proba(X), two.predict_proba(X))
    np.testing.assert_allclose(one.predict_proba(X).sum(axis=1), 1)
    assert (one.predict(X) == y).mean() > 0.95
    other = NMTune(max_cells=500, random_state=1).fit(X, y)
    assert (other.predict_proba(X) != one.predict_proba(X)).any()


def test_nmtune_without_torch_says_so(groups, monkeypatch):
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(CellTransferError, match="pip install torch"):
        NMTune().fit(*groups)


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
