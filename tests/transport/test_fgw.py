import numpy as np
import ot
import pytest
from hypothesis import given, settings, strategies as st
from scipy.spatial.distance import cdist

from celltransfer_core.neighbors import geodesic_distances, knn_graph
from celltransfer_core.transport import (
    auction as auction_module,
    fused_gromov_wasserstein,
    pot_alpha,
)
from celltransfer_core.transport.linear import Linear

few = settings(max_examples=15, deadline=None, derandomize=True)
seeds = st.integers(0, 2**32 - 1)
sizes = st.integers(2, 40)
alphas = st.sampled_from([0.1, 0.5, 0.9])


def cells(rng, n, kind="random"):
    """Embeddings: one cloud, types in clusters, or clusters so far apart that graphs break."""
    types = rng.integers(0, 3, n) if kind != "random" else np.zeros(n, dtype=int)
    distance = {"random": 0.0, "clustered": 3.0, "disconnected": 60.0}[kind]
    return (distance * np.eye(3, 5)[types] + rng.normal(size=(n, 5))).astype(np.float32)


def structure(X):
    C = geodesic_distances(knn_graph(X)).astype(np.float64)
    return C / C.max()


def problem(rng, n, m, kind="random", *, weighted=(False, False)):
    X, Y = cells(rng, n, kind), cells(rng, m, kind)
    M = cdist(X, Y)
    p, q = (
        rng.dirichlet(np.full(k, 2.0)) if uneven else np.full(k, 1 / k)
        for k, uneven in zip((n, m), weighted, strict=True)
    )
    return M / M.max(), structure(X), structure(Y), p, q


def paper_objective(M, Cs, Ct, T, alpha):
    """Eq. 2 as printed, with the four-dimensional L."""
    L = (Cs[:, None, :, None] - Ct[None, :, None, :]) ** 2 / 2
    return (1 - alpha) * (M * T).sum() + alpha * np.einsum("ijkl,kl,ij->", L, T, T)


def test_alpha_in_both_conventions():
    assert pot_alpha(0.5) == pytest.approx(1 / 3)
    assert pot_alpha(0) == 0
    assert pot_alpha(1) == 1


@pytest.mark.parametrize("solver", ["auction", "pot"])
@pytest.mark.parametrize("alpha", [0, 0.1, 0.5, 0.9, 1])
@pytest.mark.parametrize(("n", "m"), [(12, 12), (9, 14)])
def test_objective_is_eq_2(rng, alpha, n, m, solver):
    M, Cs, Ct, p, q = problem(rng, n, m, weighted=(True, False))
    T, log = fused_gromov_wasserstein(M, Cs, Ct, p, q, alpha=alpha, solver=solver)
    assert log.objective == pytest.approx(paper_objective(M, Cs, Ct, T, alpha))
    assert log.objective <= paper_objective(M, Cs, Ct, np.outer(p, q), alpha)
    np.testing.assert_allclose(T.sum(axis=1), p, atol=1e-9)
    np.testing.assert_allclose(T.sum(axis=0), q, atol=1e-9)
    assert log.remarks == ()
    assert log.marginal_error < 1e-7
    assert log.solver == solver
    assert log.seconds > 0


@few
@given(seeds, sizes, sizes, st.tuples(st.booleans(), st.booleans()))
def test_the_inner_plan_is_the_best(seed, n, m, weighted):
    rng = np.random.default_rng(seed)
    p, q = (
        rng.dirichlet(np.full(k, 2.0)) if uneven else np.full(k, 1 / k)
        for k, uneven in zip((n, m), weighted, strict=True)
    )
    linear = Linear(p, q)
    for _ in range(3):  # the later ones start from the prices of the one before
        cost = rng.normal(size=(n, m)).round(rng.integers(1, 4)).astype(np.float32)
        found = linear.solve(cost).toarray()
        assert (found * cost).sum() == pytest.approx(ot.emd2(p, q, cost.astype(float)), abs=1e-6)
        np.testing.assert_allclose(found.sum(axis=1), p, atol=1e-10)
        np.testing.assert_allclose(found.sum(axis=0), q, atol=1e-10)


@pytest.mark.parametrize("kind", ["random", "clustered", "disconnected"])
@pytest.mark.parametrize(("n", "m"), [(90, 90), (120, 45), (45, 120)])
@pytest.mark.parametrize("weighted", [(False, False), (True, False), (True, True)])
def test_as_good_as_pot_from_the_same_start(kind, n, m, weighted):
    rng = np.random.default_rng([n, m, *weighted])
    given = problem(rng, n, m, kind, weighted=weighted)
    for alpha in (0.1, 0.5, 0.9):
        _, log = fused_gromov_wasserstein(*given, alpha=alpha)
        _, rival = fused_gromov_wasserstein(*given, alpha=alpha, solver="pot")
        assert (log.solver, rival.solver) == ("auction", "pot")
        assert log.objective <= rival.objective * (1 + 1e-3)
        assert log.marginal_error < 1e-7
        assert log.remarks == ()
        assert log.gap < 1e-6
        assert rival.gap < 1e-6


def test_the_pot_option_is_pot(rng):
    M, Cs, Ct, p, q = problem(rng, 30, 20, weighted=(True, False))
    T, log = fused_gromov_wasserstein(M, Cs, Ct, p, q, alpha=0.5, solver="pot")
    theirs = ot.gromov.fused_gromov_wasserstein(
        M, Cs, Ct, p, q, alpha=pot_alpha(0.5), symmetric=True, tol_rel=1e-9, max_iter=1000
    )
    np.testing.assert_array_equal(T, theirs)
    assert log.objective == pytest.approx(paper_objective(M, Cs, Ct, T, 0.5))


def test_without_features_pot_is_asked(rng):
    given = problem(rng, 20, 20)
    assert fused_gromov_wasserstein(*given, alpha=1)[1].solver == "pot"
    assert fused_gromov_wasserstein(*given, alpha=0.99)[1].solver == "auction"


@few
@given(seeds, sizes, sizes, alphas, st.booleans())
def test_permuted_inputs_permute_the_plan(seed, n, m, alpha, weighted):
    rng = np.random.default_rng(seed)
    M, Cs, Ct, p, q = problem(rng, n, m, weighted=(weighted, weighted))
    i, j = rng.permutation(n), rng.permutation(m)
    T, log = fused_gromov_wasserstein(M, Cs, Ct, p, q, alpha=alpha)
    moved, moved_log = fused_gromov_wasserstein(
        M[np.ix_(i, j)], Cs[np.ix_(i, i)], Ct[np.ix_(j, j)], p[i], q[j], alpha=alpha
    )
    assert moved_log.objective == pytest.approx(log.objective, rel=1e-3)
    # The plan itself where its weights leave one best plan: ties are broken by position.
    if weighted and moved_log.objective == pytest.approx(log.objective, rel=1e-9):
        np.testing.assert_allclose(moved, T[np.ix_(i, j)], atol=1e-6)


@few
@given(seeds, sizes, sizes, alphas)
def test_source_and_target_can_be_swapped(seed, n, m, alpha):
    rng = np.random.default_rng(seed)
    M, Cs, Ct, p, q = problem(rng, n, m)
    T, log = fused_gromov_wasserstein(M, Cs, Ct, p, q, alpha=alpha)
    back, back_log = fused_gromov_wasserstein(M.T, Ct, Cs, q, p, alpha=alpha)
    assert back_log.objective == pytest.approx(log.objective, rel=1e-3)
    assert back.shape == T.T.shape


@few
@given(seeds, sizes, sizes, alphas, st.floats(1e-3, 1e3))
def test_scaling(seed, n, m, alpha, scale):
    """Costs in another unit, M and C² alike: the objective is in that unit."""
    rng = np.random.default_rng(seed)
    M, Cs, Ct, p, q = problem(rng, n, m)
    _, log = fused_gromov_wasserstein(M, Cs, Ct, p, q, alpha=alpha)
    root = np.sqrt(scale)
    _, other_log = fused_gromov_wasserstein(scale * M, root * Cs, root * Ct, p, q, alpha=alpha)
    assert other_log.objective == pytest.approx(scale * log.objective, rel=1e-3)
    assert other_log.marginal_error < 1e-7


@few
@given(seeds, sizes, st.sampled_from([0.1, 0.5]), st.booleans())
def test_identical_sets_cost_nothing(seed, n, alpha, weighted):
    rng = np.random.default_rng(seed)
    X = cells(rng, n, "clustered")
    M, C = cdist(X, X), structure(X)
    p = rng.dirichlet(np.full(n, 2.0)) if weighted else np.full(n, 1 / n)
    T, log = fused_gromov_wasserstein(M / M.max(), C, C, p, p, alpha=alpha)
    assert log.objective == pytest.approx(0, abs=1e-9)
    np.testing.assert_allclose(T, np.diag(p), atol=1e-9)


@few
@given(seeds, sizes, sizes, st.sampled_from(["random", "clustered", "disconnected"]))
def test_the_same_bytes_twice(seed, n, m, kind):
    rng = np.random.default_rng(seed)
    given = problem(rng, n, m, kind, weighted=(True, False))
    T, log = fused_gromov_wasserstein(*given, alpha=0.5)
    again, again_log = fused_gromov_wasserstein(*given, alpha=0.5)
    assert T.tobytes() == again.tobytes()
    assert log == again_log


def test_even_weights_and_equal_sizes_give_a_permutation(rng):
    T, _ = fused_gromov_wasserstein(*problem(rng, 50, 50), alpha=0.5)
    assert set(np.unique(T)) == {0, 1 / 50}
    assert (T > 0).sum() == 50


def test_cells_without_weight_take_no_part(rng):
    M, Cs, Ct, p, q = problem(rng, 30, 20, weighted=(True, True))
    p[:3] = q[5] = 0
    p, q = p / p.sum(), q / q.sum()
    T, log = fused_gromov_wasserstein(M, Cs, Ct, p, q, alpha=0.5)
    assert not T[:3].any()
    assert not T[:, 5].any()
    kept, within = slice(3, None), np.arange(20) != 5
    _, alone = fused_gromov_wasserstein(
        M[kept][:, within],
        Cs[kept, kept],
        Ct[np.ix_(within, within)],
        p[kept],
        q[within],
        alpha=0.5,
    )
    assert log.objective == pytest.approx(alone.objective, rel=1e-6)


@pytest.mark.parametrize(("n", "m"), [(1, 1), (1, 6), (6, 1), (2, 2), (2, 30)])
@pytest.mark.parametrize("weighted", [False, True])
def test_a_handful_of_cells(rng, n, m, weighted):
    X, Y = rng.normal(size=(n, 3)), rng.normal(size=(m, 3))
    p, q = (rng.dirichlet(np.full(k, 3.0)) if weighted else np.full(k, 1 / k) for k in (n, m))
    given = (cdist(X, Y), cdist(X, X), cdist(Y, Y), p, q)
    T, log = fused_gromov_wasserstein(*given, alpha=0.5)
    np.testing.assert_allclose(T.sum(axis=1), p, atol=1e-9)
    np.testing.assert_allclose(T.sum(axis=0), q, atol=1e-9)
    _, rival = fused_gromov_wasserstein(*given, alpha=0.5, solver="pot")
    assert log.objective <= rival.objective * (1 + 1e-3) + 1e-12


@pytest.mark.parametrize("weighted", [False, True])
def test_cells_that_are_all_alike(rng, weighted):
    p = rng.dirichlet(np.full(12, 2.0)) if weighted else np.full(12, 1 / 12)
    q, nothing = np.full(8, 1 / 8), np.zeros
    T, log = fused_gromov_wasserstein(
        nothing((12, 8)), nothing((12, 12)), nothing((8, 8)), p, q, alpha=0.5
    )
    assert log.objective == 0
    np.testing.assert_allclose(T.sum(axis=1), p, atol=1e-9)
    np.testing.assert_allclose(T.sum(axis=0), q, atol=1e-9)


def test_a_saddle_is_left():
    """On two rings the even plan is stationary and far from best: POT leaves it, and so do we."""
    steps = np.arange(24)
    ring = np.minimum((steps[:, None] - steps) % 24, (steps - steps[:, None]) % 24) / 12
    p = np.full(24, 1 / 24)
    given = (np.zeros((24, 24)), ring, ring, p, p)
    _, log = fused_gromov_wasserstein(*given, alpha=0.5, solver="auction")
    assert log.objective < paper_objective(*given[:3], np.outer(p, p), 0.5) / 2


def test_a_solve_that_stops_early_says_so(rng):
    given = problem(rng, 30, 40, "clustered")
    for solver in ("auction", "pot"):
        T, log = fused_gromov_wasserstein(*given, alpha=0.5, max_iter=1, solver=solver)
        assert any("before convergence" in remark for remark in log.remarks)
        assert log.iterations == 1
        np.testing.assert_allclose(T.sum(axis=1), given[3], atol=1e-9)


def test_an_auction_that_does_not_end_is_left_to_the_simplex(rng, monkeypatch):
    given = problem(rng, 40, 40, "clustered", weighted=(True, False))
    _, log = fused_gromov_wasserstein(*given, alpha=0.5)
    transport, bids = auction_module.solve_transportation, []

    def first_alone(*problem):
        bids.append(problem)
        found = transport(*problem)
        return found if len(bids) == 1 else (False, *found[1:])

    monkeypatch.setattr(auction_module, "solve_transportation", first_alone)
    T, other = fused_gromov_wasserstein(*given, alpha=0.5)
    assert (log.solver, other.solver) == ("auction", "simplex")
    assert len(bids) > 1
    assert other.objective == pytest.approx(log.objective, rel=1e-3)
    np.testing.assert_allclose(T.sum(axis=1), given[3], atol=1e-9)


def test_weights_of_types_on_cells_in_even_numbers():
    """What is left over after rounding would be passed on in next to endless bids."""
    rng = np.random.default_rng(3)
    types = np.repeat([0, 1, 2], 20)
    share = np.array([0.5, 0.3, 0.2])
    X, Y = (3 * np.eye(3, 5)[types] + rng.normal(size=(60, 5)) for _ in range(2))
    M, C = cdist(X, Y), [structure(Z.astype(np.float32)) for Z in (X, Y)]
    p, q = share[types] / 20, np.full(60, 1 / 60)
    _, log = fused_gromov_wasserstein(M / M.max(), *C, p, q, alpha=0.5)
    _, rival = fused_gromov_wasserstein(M / M.max(), *C, p, q, alpha=0.5, solver="pot")
    assert log.objective <= rival.objective * (1 + 1e-3)
    assert log.marginal_error < 1e-7


@pytest.mark.parametrize(
    ("place", "change", "message"),
    [
        (0, lambda M: np.full_like(M, np.nan), "M holds NaN"),
        (0, lambda M: M[0], "one row and one column"),
        (0, lambda M: M[:, :0], "one row and one column"),
        (0, lambda M: M[:0], "one row and one column"),
        (1, lambda C: C[:3], "Cs must be of shape"),
        (1, lambda C: C + np.arange(len(C)), "Cs must be symmetric"),
        (2, lambda C: np.where(C > 0.5, np.inf, C), "Ct holds NaN or infinity"),
        (3, lambda p: p[1:], "p must be of shape"),
        (3, lambda p: p - 2 * p * (np.arange(len(p)) == 0), "p needs non-negative weights"),
        (4, lambda q: 2 * q, "q needs non-negative weights"),
        (4, lambda q: q * np.nan, "q holds NaN"),
    ],
)
def test_degenerate_inputs(rng, place, change, message):
    given = list(problem(rng, 10, 8))
    given[place] = change(given[place])
    for solver in ("auto", "pot"):
        with pytest.raises(ValueError, match=message):
            fused_gromov_wasserstein(*given, alpha=0.5, solver=solver)


@pytest.mark.parametrize(
    "options", [{"alpha": 1.1}, {"alpha": -0.1}, {"max_iter": 0}, {"solver": "simplex"}]
)
def test_options_out_of_range(rng, options):
    with pytest.raises(ValueError, match=next(iter(options))):
        fused_gromov_wasserstein(*problem(rng, 5, 5), **{"alpha": 0.5, **options})
