import numpy as np
import ot
import pytest
from sklearn.base import clone
from sklearn.exceptions import NotFittedError

from celltransfer_core.transport import (
    CentreAligner,
    CoralAligner,
    FGWAligner,
    LinearAligner,
    SinkhornAligner,
)


@pytest.fixture
def shifted(rng):
    types = np.repeat([0, 1, 2], 20)
    Xs = (6 * np.eye(3, 5)[types] + rng.normal(size=(60, 5))).astype(np.float32)
    Xt = (6 * np.eye(3, 5)[types] + rng.normal(size=(60, 5))).astype(np.float32)
    return Xs, Xt + np.float32(1.5), types


def test_transport_lands_on_the_right_type(shifted):
    Xs, Xt, types = shifted
    aligner = FGWAligner(alpha=0.5).fit(Xs, None, Xt)
    mapped = aligner.transform(Xs)
    landed = types[aligner.plan_.argmax(axis=1)]
    assert (landed == types).mean() > 0.9
    # Equal sizes and even weights: a permutation, so eq. 4 gives exactly query cells.
    distances = np.linalg.norm(mapped[:, None] - Xt[None], axis=2).min(axis=1)
    np.testing.assert_allclose(distances, 0, atol=1e-4)


def test_barycentric_map_with_weights_is_eq_4(shifted):
    Xs, Xt, _ = shifted
    weights = np.linspace(1, 2, 60)
    aligner = FGWAligner().fit(Xs, None, Xt, sample_weight=weights)
    p = weights / weights.sum()
    np.testing.assert_allclose(aligner.plan_.sum(axis=1), p, atol=1e-9)
    np.testing.assert_allclose(
        aligner.mapped_, aligner.plan_ @ Xt / p[:, None], rtol=1e-4, atol=1e-4
    )


def test_rows_that_were_not_fitted_keep_their_offset(shifted):
    Xs, Xt, _ = shifted
    aligner = FGWAligner().fit(Xs, None, Xt)
    near = Xs[:3] + np.float32(0.01)
    np.testing.assert_allclose(
        aligner.transform(near), aligner.mapped_[:3] + np.float32(0.01), atol=1e-4
    )


def test_an_affine_map_follows_the_plan_and_keeps_each_type_as_it_was(rng):
    types = np.repeat([0, 1, 2], 30)
    Xs = (6 * np.eye(3, 5)[types] + rng.normal(size=(90, 5))).astype(np.float32)
    Xt = (6 * np.eye(3, 5)[types] * 1.5 + rng.normal(size=(90, 5)) + 2).astype(np.float32)
    plain = FGWAligner().fit(Xs, None, Xt)
    aligner = FGWAligner(mapping="affine", reg=0.01).fit(Xs, None, Xt)
    np.testing.assert_array_equal(aligner.plan_, plain.plan_)
    np.testing.assert_allclose(aligner.mapped_.mean(axis=0), Xt.mean(axis=0), atol=1e-3)
    for number in range(3):
        mean = aligner.mapped_[types == number].mean(axis=0)
        np.testing.assert_allclose(mean, Xt[types == number].mean(axis=0), atol=0.6)
    # Affine: what is between two rows lands between where they land.
    between = aligner.transform((Xs[:1] + Xs[-1:]) / 2)
    ends = aligner.transform(np.concatenate([Xs[:1], Xs[-1:]]))
    np.testing.assert_allclose(between[0], ends.mean(axis=0), atol=1e-4)
    np.testing.assert_array_equal(aligner.transform(Xs), aligner.mapped_)
    # The stronger the ridge, the more it is a common shift.
    shift = FGWAligner(mapping="affine", reg=1e9).fit(Xs, None, Xt).mapped_ - Xs
    np.testing.assert_allclose(
        shift, np.tile(Xt.mean(axis=0) - Xs.mean(axis=0), (90, 1)), atol=1e-3
    )


def test_equal_rows_are_only_shifted():
    Xs = np.ones((4, 3), np.float32)
    mapped = FGWAligner(mapping="affine").fit(Xs, None, 3 * Xs).mapped_
    np.testing.assert_allclose(mapped, 3 * Xs)


@pytest.mark.parametrize("wrong", [{"mapping": "other"}, {"mapping": "affine", "reg": 0.0}])
def test_a_map_that_cannot_be_is_refused(shifted, wrong):
    with pytest.raises(ValueError, match="mapping must be"):
        FGWAligner(**wrong).fit(shifted[0], None, shifted[1])


def test_centring_moves_the_mean(shifted):
    Xs, Xt, _ = shifted
    moved = CentreAligner().fit(Xs, None, Xt).transform(Xs)
    np.testing.assert_allclose(moved.mean(axis=0), Xt.mean(axis=0), atol=1e-4)
    weights = np.r_[np.ones(20), np.full(40, 1e-9)]
    weighted = CentreAligner().fit(Xs, None, Xt, sample_weight=weights).transform(Xs)
    np.testing.assert_allclose(weighted[:20].mean(axis=0), Xt.mean(axis=0), atol=1e-3)


@pytest.mark.parametrize("aligner", [CoralAligner(reg=1e-6), LinearAligner(reg=1e-6)])
def test_affine_maps_give_the_targets_moments(aligner, rng):
    Xs = rng.normal(size=(400, 4)) @ rng.normal(size=(4, 4))
    Xt = rng.normal(size=(300, 4)) @ rng.normal(size=(4, 4)) + 3
    weights = rng.uniform(0.5, 2, 400)
    moved = aligner.fit(Xs, None, Xt, sample_weight=weights).transform(Xs)
    np.testing.assert_allclose(np.average(moved, axis=0, weights=weights), Xt.mean(0), atol=1e-4)
    found = np.cov(moved.T, aweights=weights, ddof=0)
    np.testing.assert_allclose(found, np.cov(Xt.T, ddof=0), rtol=1e-3, atol=1e-3)


def test_between_gaussians_the_linear_map_is_the_optimal_one(rng):
    """CORAL turns what the optimal map leaves in place: its cost cannot be lower."""
    Xs = rng.normal(size=(500, 3)) * [1, 2, 3]
    Xt = rng.normal(size=(500, 3)) @ np.linalg.qr(rng.normal(size=(3, 3)))[0] * [2, 1, 1]

    def cost(aligner):
        return float(((aligner.fit(Xs, None, Xt).transform(Xs) - Xs) ** 2).sum())

    assert cost(LinearAligner(reg=1e-6)) <= cost(CoralAligner(reg=1e-6)) + 1e-3


def test_sinkhorn_nears_the_exact_plan_as_its_entropy_falls(shifted):
    Xs, Xt, types = shifted
    Xt = Xt - Xt.mean(axis=0)
    M = ot.dist(Xs, Xt, metric="euclidean")
    p = np.full(60, 1 / 60)
    exact = ot.emd2(p, p, M)
    sharp, soft = (
        (SinkhornAligner(reg=reg, max_iter=20_000).fit(Xs, None, Xt).plan_ * M).sum()
        for reg in (0.01, 0.5)
    )
    assert exact * 0.999 <= sharp <= exact * 1.05
    assert soft > sharp * 1.1
    mapped = SinkhornAligner().fit(Xs, None, Xt).mapped_
    centres = np.stack([Xt[types == number].mean(axis=0) for number in range(3)])
    nearest = ((mapped[:, None] - centres) ** 2).sum(axis=2).argmin(axis=1)
    assert (nearest == types).mean() > 0.9


@pytest.mark.parametrize("aligner", [CoralAligner(0), LinearAligner(-1), SinkhornAligner(0)])
def test_reg_must_be_above_zero(aligner, shifted):
    with pytest.raises(ValueError, match="reg must be above 0"):
        aligner.fit(shifted[0], None, shifted[1])


ALIGNERS = [
    CentreAligner(),
    CoralAligner(reg=0.2),
    LinearAligner(reg=0.2),
    SinkhornAligner(reg=0.1, max_iter=50),
    FGWAligner(alpha=0.3, n_neighbors=5),
    FGWAligner(mapping="affine", reg=2.0),
]


@pytest.mark.parametrize("aligner", ALIGNERS, ids=repr)
class TestContract:
    """scikit-learn's contract, with POT's ``fit(Xs, ys, Xt)``."""

    def test_parameters_are_stored_unchanged(self, aligner):
        params = aligner.get_params()
        copy = clone(aligner)
        assert copy is not aligner
        assert copy.get_params() == params
        plain = type(aligner)()
        assert plain.set_params(**params) is plain
        assert plain.get_params() == params

    def test_fit_returns_itself_and_changes_neither_parameters_nor_data(self, aligner, shifted):
        Xs, Xt, types = shifted
        given = Xs.copy(), Xt.copy()
        copy = clone(aligner)
        assert copy.fit(Xs, types, Xt) is copy
        assert copy.get_params() == aligner.get_params()
        assert copy.n_features_in_ == 5
        assert {name for name in vars(copy) if not name.endswith("_")} == {*copy.get_params()}
        mapped = copy.transform(Xs)
        assert mapped.shape == Xs.shape
        assert mapped.dtype == np.float32
        np.testing.assert_array_equal(Xs, given[0])
        np.testing.assert_array_equal(Xt, given[1])
        again = clone(aligner).fit(Xs.tolist(), None, Xt.tolist())
        np.testing.assert_allclose(again.transform(Xs.tolist()), mapped, rtol=1e-5, atol=1e-5)

    def test_what_is_not_fitted_says_so(self, aligner, shifted):
        with pytest.raises(NotFittedError):
            clone(aligner).transform(shifted[0])

    def test_bad_input(self, aligner, shifted):
        Xs, Xt, _ = shifted
        with pytest.raises(ValueError, match="needs the target"):
            clone(aligner).fit(Xs)
        with pytest.raises(ValueError, match="columns"):
            clone(aligner).fit(Xs, None, Xt[:, :2])
        for weights in (np.zeros(60), np.ones(59), np.full(60, np.inf)):
            with pytest.raises(ValueError, match="above zero"):
                clone(aligner).fit(Xs, None, Xt, sample_weight=weights)
        for one, other in ((np.full_like(Xs, np.nan), Xt), (Xs, np.full_like(Xt, np.nan))):
            with pytest.raises(ValueError, match="NaN"):
                clone(aligner).fit(one, None, other)
        with pytest.raises(ValueError, match="2D"):
            clone(aligner).fit(Xs[0], None, Xt)
        fitted = clone(aligner).fit(Xs, None, Xt)
        with pytest.raises(ValueError, match="features"):
            fitted.transform(Xs[:, :2])
        with pytest.raises(ValueError, match="NaN"):
            fitted.transform(np.full_like(Xs, np.nan))


@pytest.mark.parametrize(("n", "m"), [(1, 5), (5, 1), (2, 2), (3, 40)])
def test_a_handful_of_cells(rng, n, m):
    Xs, Xt = (rng.normal(size=(k, 4)).astype(np.float32) for k in (n, m))
    for aligner in (CoralAligner(), LinearAligner(), SinkhornAligner(), FGWAligner()):
        mapped = aligner.fit(Xs, None, Xt).transform(Xs)
        assert mapped.shape == (n, 4)
        assert np.isfinite(mapped).all()
