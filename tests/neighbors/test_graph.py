import numpy as np
import pytest
from scipy.sparse.csgraph import connected_components, dijkstra

from celltransfer_core.neighbors import (
    edge_weights,
    geodesic_distances,
    knn_graph,
    similarity_matrix,
)


def test_graph_is_symmetric_by_union():
    # 3 counts 2 among its nearest, 2 does not count 3: the edge stands all the same.
    X = np.array([[0.0], [1.0], [2.0], [10.0]], dtype=np.float32)
    graph = knn_graph(X, n_neighbors=1).toarray()
    np.testing.assert_array_equal(graph, graph.T)
    assert graph[2, 3] == 8


def test_components_are_joined_by_their_shortest_edge(rng):
    blocks = [rng.normal(size=(20, 2)) + shift for shift in ([0, 0], [50, 0], [100, 0])]
    X = np.concatenate(blocks).astype(np.float32)
    graph = knn_graph(X, n_neighbors=3)
    assert connected_components(graph)[0] == 1
    full = np.linalg.norm(X[:, None] - X[None], axis=2)
    dense = graph.toarray()
    for a, b in ((slice(0, 20), slice(20, 40)), (slice(20, 40), slice(40, 60))):
        assert np.count_nonzero(dense[a, b]) == 1
        assert dense[a, b].max() == pytest.approx(full[a, b].min())
    assert not dense[:20, 40:].any()


def test_equal_embeddings_stay_connected():
    X = np.repeat(np.array([[0.0, 0.0], [1.0, 0.0]], dtype=np.float32), 20, axis=0)
    distances = geodesic_distances(knn_graph(X, n_neighbors=5))
    assert np.isfinite(distances).all()
    assert distances[0, 39] == pytest.approx(1.0, rel=1e-4)


def test_geodesic_goes_along_the_graph():
    angle = np.linspace(0, np.pi, 60)  # half a circle: its ends are 2 apart, π along it
    X = np.stack([np.cos(angle), np.sin(angle)], axis=1).astype(np.float32)
    distances = geodesic_distances(knn_graph(X, n_neighbors=2))
    assert distances[0, -1] == pytest.approx(np.pi, rel=0.01)
    np.testing.assert_array_equal(distances, distances.T)
    assert distances.dtype == np.float32


@pytest.mark.parametrize("n", [5, 64, 65, 300])
def test_geodesics_are_dijkstras_in_single_precision(n, rng):
    X = rng.normal(size=(n, 8)).astype(np.float32)
    graph = knn_graph(X, n_neighbors=4)
    found = geodesic_distances(graph)
    np.testing.assert_allclose(found, dijkstra(graph), rtol=1e-6)
    np.testing.assert_array_equal(found, found.T)


def test_a_long_chain_in_no_order(rng):
    place = rng.permutation(500)
    distances = geodesic_distances(knn_graph(place[:, None].astype(np.float32), n_neighbors=1))
    np.testing.assert_allclose(distances, np.abs(place[:, None] - place[None, :]), rtol=1e-6)


def test_edge_weights_follow_eq_7():
    W = np.array([[0.0, 0.1, 0.3], [0.1, 0.0, 1.0], [0.3, 1.0, 0.0]], dtype=np.float32)
    e = edge_weights(W, sigma=0.5)
    assert e[0, 1] == 1.0  # the smallest distance
    assert e[0, 2] == pytest.approx(1 - (0.3 - 0.1) / (0.5 - 0.1))
    assert e[1, 2] == 0.0  # beyond sigma
    np.testing.assert_array_equal(np.diag(e), 0)


@pytest.mark.parametrize("n", [1, 2, 3])
def test_tiny_sets(n):
    X = np.arange(n, dtype=np.float32)[:, None]
    W = similarity_matrix(geodesic_distances(knn_graph(X)))
    assert W.shape == (n, n)
    assert W.max(initial=0) == (1.0 if n > 1 else 0.0)
    assert edge_weights(W, 2.0).shape == (n, n)
