import sys

import pytest

torch = pytest.importorskip("torch", reason="needs the extra encoders")

import numpy as np
from sklearn.utils.estimator_checks import parametrize_with_checks

from celltransfer_core.classify import (
    NMTune,
    consistency_loss,
    covariance_loss,
    dominant_singular_loss,
)
from celltransfer_core.errors import CellTransferError


@parametrize_with_checks([NMTune()])
def test_sklearn_contract(estimator, check):
    check(estimator)


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
    with pytest.raises(CellTransferError, match=r'install "celltransfer\[encoders\]"'):
        NMTune().fit(*groups)
