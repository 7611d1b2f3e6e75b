import numpy as np
from sklearn.utils.estimator_checks import parametrize_with_checks

from celltransfer_core.probes import LinearProbe


@parametrize_with_checks([LinearProbe()])
def test_sklearn_contract(estimator, check):
    check(estimator)


def test_a_large_set_is_cut_down_and_no_class_is_lost(rng):
    y = np.r_[np.zeros(900), np.ones(95), np.full(5, 2)].astype(int)
    X = (rng.normal(size=(1000, 4)) + 6 * np.eye(3, 4)[y]).astype(np.float32)
    probe = LinearProbe(max_cells=100).fit(X, y)
    assert probe.pipeline_[0].n_samples_seen_ == 100
    np.testing.assert_array_equal(probe.classes_, [0, 1, 2])
    assert (probe.predict(X) == y).mean() > 0.95
