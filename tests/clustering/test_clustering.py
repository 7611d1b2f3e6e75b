import numpy as np
import pytest
from sklearn.metrics import adjusted_rand_score
from sklearn.utils.estimator_checks import parametrize_with_checks

from celltransfer_core.clustering import (
    LouvainClustering,
    MixtureClustering,
    NodeDegreeClustering,
    by_size,
    central_candidates,
    choose_sigma,
    grow_clusters,
    hop_neighbours,
    is_compact,
    jaccard_matrix,
    label_the_rest,
    node_correlation,
    node_density,
)


@parametrize_with_checks([MixtureClustering(), NodeDegreeClustering(), LouvainClustering()])
def test_sklearn_contract(estimator, check):
    check(estimator)


class TestWorkedExample:
    """Fig. 8 of the paper, number by number.

    The printed degrees, means and choices hold on these edges among the nodes 0–8; node 8 has one
    more, to what the figure does not show (9–11 here).
    """

    edges = (
        *((5, other) for other in (1, 2, 3, 4, 6)),
        *((0, other) for other in (1, 2, 3, 6)),
        *((1, 2), (1, 8), (2, 6), (6, 7), (7, 8)),
        *((8, 9), (9, 10), (9, 11)),
    )
    priority = np.array([9, 10, 11, 0, 1, 12, 8, 2, 7, 3, 4, 5])  # where the text picks at random

    @pytest.fixture
    def e(self):
        e = np.zeros((12, 12), dtype=np.float32)
        for a, b in self.edges:
            e[a, b] = e[b, a] = 1
        return e

    @pytest.fixture
    def distances(self, e):
        distances = np.where(e > 0, 1, 2).astype(np.float32)
        np.fill_diagonal(distances, 0)
        return distances

    def test_degrees(self, e):
        degree = e.sum(axis=1)
        printed = [0.8, 0.8, 0.8, 0.4, 0.2, 1, 0.8, 0.4, 0.6]
        np.testing.assert_allclose(degree[:9] / degree.max(), printed)

    def test_two_hops_of_the_first_node_are_all_nine(self, e):
        hood = hop_neighbours(e > 0, 2)[5]
        np.testing.assert_array_equal(np.flatnonzero(hood), range(9))

    def test_the_first_choice(self, distances, e):
        hood = hop_neighbours(e > 0, 2)[5]
        np.testing.assert_array_equal(distances[5, :9], [2, 1, 1, 1, 1, 0, 1, 2, 2])
        threshold, kept = central_candidates(distances, 5, hood)
        assert threshold == pytest.approx(1.22, abs=0.005)
        np.testing.assert_array_equal(np.flatnonzero(hood & ~kept), [0, 7, 8])

    def test_the_second_choice(self, distances, e):
        threshold, kept = central_candidates(distances, 2, hop_neighbours(e > 0, 2)[2])
        assert threshold == pytest.approx(1.33, abs=0.005)
        np.testing.assert_array_equal(np.flatnonzero(kept), [0, 1, 2, 5, 6])

    def test_the_run(self, distances, e):
        clusters = grow_clusters(distances, e, priority=self.priority, min_cluster=4)
        first = clusters[0]
        assert first.central == [5, 2, 1, 0, 6]
        assert first.weights == pytest.approx([1, 1, 4 / 3, 5 / 4])
        assert np.mean(first.weights[:3]) == pytest.approx(10 / 9)
        assert np.std(first.weights[:3]) == pytest.approx(0.157, abs=5e-4)
        assert np.mean(first.weights) == pytest.approx(1.15, abs=0.005)
        assert np.std(first.weights) == pytest.approx(0.149, abs=5e-4)
        assert distances[7, first.central].mean() == pytest.approx(
            9 / 5
        )  # the jump that ends the cluster
        assert not first.neighbours[8]

    def test_the_next_cluster_starts_at_node_8(self, distances, e):
        clusters = grow_clusters(distances, e, priority=self.priority, min_cluster=4)
        assert clusters[1].central[0] == 8


def test_density_matches_its_definition(rng):
    adjacent = np.triu(rng.random((30, 30)) < 0.08, 1)
    adjacent |= adjacent.T
    expected = []
    for node in range(30):
        inside = {node}
        for _ in range(2):
            inside |= {b for a in inside for b in np.flatnonzero(adjacent[a])}
        inside = sorted(inside)
        pairs = len(inside) * (len(inside) - 1) / 2
        edges = adjacent[np.ix_(inside, inside)].sum() / 2
        expected.append(edges / pairs if pairs else 0.0)
    expected = np.array(expected)
    expected = (expected - expected.min()) / np.ptp(expected)
    np.testing.assert_allclose(node_density(adjacent, 2), expected)


def test_jaccard_and_correlation():
    adjacent = np.zeros((4, 4), dtype=bool)
    for a, b in ((0, 1), (0, 2), (1, 2)):
        adjacent[a, b] = adjacent[b, a] = True
    J = jaccard_matrix(adjacent)
    assert J[0, 1] == pytest.approx(1 / 3)  # neighbours {1,2} and {0,2}
    np.testing.assert_array_equal(J[3], 0)
    np.testing.assert_allclose(node_correlation(adjacent)[3], 0)
    D = node_density(adjacent)
    np.testing.assert_allclose(node_correlation(adjacent), np.outer(D, D) * J)


def test_is_compact():
    star = np.zeros((12, 12), dtype=bool)
    star[0, 1:] = star[1:, 0] = True
    assert is_compact(star)
    chain = np.eye(12, k=1, dtype=bool) | np.eye(12, k=-1, dtype=bool)
    assert not is_compact(chain)  # five of twelve within two hops of the middle
    assert is_compact(chain, reach=5 / 12)


def blobs(rng, sizes, d=8, gap=12.0):
    centres = rng.normal(size=(len(sizes), d))
    centres *= gap / np.linalg.norm(centres, axis=1, keepdims=True)
    X = [rng.normal(size=(n, d)) + c for n, c in zip(sizes, centres, strict=True)]
    return np.concatenate(X).astype(np.float32), np.repeat(np.arange(len(sizes)), sizes)


@pytest.mark.parametrize(
    "method",
    [MixtureClustering(4), NodeDegreeClustering(), LouvainClustering(resolution=1.0)],
)
def test_separate_groups_are_found(rng, method):
    X, truth = blobs(rng, [120, 80, 50, 30])
    labels = method.fit_predict(X)
    for cluster in np.unique(labels):  # none mixes two groups
        assert len(np.unique(truth[labels == cluster])) == 1
    assert adjusted_rand_score(truth, labels) > 0.7


METHODS = [MixtureClustering, NodeDegreeClustering, LouvainClustering]


@pytest.mark.parametrize("method", METHODS)
def test_same_seed_same_clusters(rng, method):
    X, _ = blobs(rng, [60, 60, 40], gap=4)
    first = method(random_state=3).fit(X)
    second = method(random_state=3).fit(X)
    np.testing.assert_array_equal(first.labels_, second.labels_)
    np.testing.assert_array_equal(first.centrality_, second.centrality_)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("n", [1, 2, 3, 8])
def test_a_handful_of_cells_is_one_cluster_or_more(rng, method, n):
    labels = method().fit_predict(rng.normal(size=(n, 4)).astype(np.float32))
    assert len(labels) == n
    assert labels.min() == 0


def test_a_small_type_beside_a_large_one_gets_a_cluster_of_its_own(rng):
    X, truth = blobs(rng, [300, 90, 6], d=12, gap=7.0)
    labels = MixtureClustering().fit_predict(X)
    (own,) = np.unique(labels[truth == 2])
    assert (truth[labels == own] == 2).all()


def test_as_many_clusters_as_asked_for_and_few_of_few_cells(rng):
    X, _ = blobs(rng, [100, 100], gap=4)
    assert MixtureClustering(n_clusters=7).fit(X).n_clusters_ == 7
    assert MixtureClustering(n_clusters=1).fit(X).n_clusters_ == 1
    assert MixtureClustering().fit(X[91:109]).n_clusters_ == 2


@pytest.mark.parametrize(("cells", "most"), [(80, 10), (400, 12), (1600, 16), (3000, 20)])
def test_a_dozen_clusters_and_more_in_large_sets(rng, cells, most):
    X, _ = blobs(rng, [cells // 20] * 20)
    assert MixtureClustering(graph="knn").fit(X).n_clusters_ == most


def test_no_cluster_at_all_is_refused(rng):
    with pytest.raises(ValueError, match="n_clusters must be"):
        MixtureClustering(n_clusters=0).fit(rng.normal(size=(40, 3)))


def test_equal_cells_are_one_cluster():
    assert MixtureClustering().fit(np.ones((40, 5), np.float32)).n_clusters_ == 1
    twice = np.repeat(np.eye(2, 5, dtype=np.float32), 40, axis=0)
    assert MixtureClustering().fit(twice).n_clusters_ == 2


def test_sigma_rules():
    W = np.linspace(0, 1, 200 * 200).reshape(200, 200).astype(np.float32)
    assert choose_sigma(W, "paper") == 0.3
    assert choose_sigma(np.zeros((800, 800), np.float32), "paper") == 0.15
    assert choose_sigma(W, 0.42) == 0.42
    off = W[~np.eye(200, dtype=bool)]
    assert (off < choose_sigma(W, "auto")).mean() * 199 == pytest.approx(24, abs=0.1)
    few = W[:50, :50]  # 24 of 49 neighbours would be half of all pairs
    off = few[~np.eye(50, dtype=bool)]
    assert (off < choose_sigma(few, "auto")).mean() == pytest.approx(0.2, abs=0.01)


def test_clusters_are_numbered_by_size():
    np.testing.assert_array_equal(by_size(np.array([7, 7, 3, 9, 9, 9, 1])), [1, 1, 2, 0, 0, 0, 3])


def test_the_rest_follow_their_neighbours(rng):
    X, truth = blobs(rng, [40, 40])
    labels = np.where(rng.random(80) < 0.5, truth, -1)
    np.testing.assert_array_equal(label_the_rest(X, labels), truth)
