"""The graph of one set: nearest neighbours, geodesic distances, edge weights (eqs 6–7)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from celltransfer_core.neighbors.search import distances, nearest_others
from celltransfer_core.types import Bools, Float32

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix


N_NEIGHBORS = 12
"""Neighbours a node; used for clusters (A.1) and for the structure matrices C (3.3) alike."""

_ROWS_AT_ONCE = 256
_WHOLE = 4096  # rows, of which all distances are computed once


def knn_graph(X: Float32, n_neighbors: int = N_NEIGHBORS) -> csr_matrix:
    """Build the nearest-neighbour graph, symmetric and in one piece.

    An edge stands where either end counts the other among its nearest. Parts that are not
    connected are joined by the shortest edges between them (a minimum spanning tree over the
    parts), for one infinite geodesic distance would spoil eq. 6.

    Parameters
    ----------
    X : ndarray of float32, shape (n, d)
        Embeddings.
    n_neighbors : int
        Neighbours a node, fewer where the set is smaller.

    Returns
    -------
    csr_matrix of float64, shape (n, n)
        Euclidean lengths of the edges, all above zero.
    """
    from scipy.sparse import csr_matrix

    n = len(X)
    if n < 2:
        return csr_matrix((n, n))
    k = min(n_neighbors, n - 1)
    apart = distances(X, X) if n <= _WHOLE else None
    lengths, others = nearest_others(X, k, apart)
    ends = np.arange(0, n * k + 1, k)
    graph = csr_matrix((lengths.ravel().astype(np.float64), others.ravel(), ends), shape=(n, n))
    # Equal embeddings are at distance zero, which a sparse matrix takes for "no edge".
    shortest = 1e-9 * graph.data.max(initial=0.0) or 1e-9
    graph.data = np.maximum(graph.data, shortest)
    graph = graph.maximum(graph.T).tocsr()
    return _join_components(graph, X, shortest, apart)


def _join_components(
    graph: csr_matrix, X: Float32, shortest: float, apart: Float32 | None
) -> csr_matrix:
    from scipy.sparse import coo_matrix
    from scipy.sparse.csgraph import connected_components, minimum_spanning_tree

    count, component = connected_components(graph, directed=False)
    if count == 1:
        return graph
    order = np.argsort(np.bincount(component), kind="stable")
    gap = np.full((count, count), np.inf)
    ends: dict[tuple[int, int], tuple[int, int]] = {}
    # From the smaller part to the larger: the largest part is never the one that is expanded.
    for rank, part in enumerate(order[:-1]):
        inside = np.flatnonzero(component == part)
        outside = np.flatnonzero(np.isin(component, order[rank + 1 :]))
        between = (
            apart[np.ix_(inside, outside)]
            if apart is not None
            else distances(X[inside], X[outside])
        )
        nearest = between.argmin(axis=0)
        length = between[nearest, np.arange(len(outside))]
        for other in order[rank + 1 :]:
            columns = np.flatnonzero(component[outside] == other)
            best = columns[length[columns].argmin()]
            one, another = inside[nearest[best]], outside[best]
            # Of this pair itself, as the graph's other edges are.
            gap[part, other] = max(float(np.linalg.norm(X[one] - X[another])), shortest)
            ends[part, other] = (one, another)
    tree = minimum_spanning_tree(np.where(np.isinf(gap), 0.0, gap)).tocoo()
    heads, tails = np.array([ends[edge] for edge in zip(tree.row, tree.col, strict=True)]).T
    bridges = coo_matrix((tree.data, (heads, tails)), shape=graph.shape).tocsr()
    return graph.maximum(bridges).maximum(bridges.T).tocsr()


def geodesic_distances(graph: csr_matrix) -> Float32:
    """Compute the length of the shortest path between every two nodes.

    Parameters
    ----------
    graph : csr_matrix, shape (n, n)
        Symmetric and connected, see :func:`knn_graph`.

    Returns
    -------
    ndarray of float32, shape (n, n)
        The structure matrix C of 3.3 and d_geo of eq. 6. Takes 4 n² bytes: 16 MB for a subset of
        2,000 cells, 1.2 GB for 17,000.
    """
    from scipy.sparse.csgraph import reverse_cuthill_mckee

    from celltransfer_core.neighbors.shortest import shortest_paths

    n = graph.shape[0]
    found = np.empty((n, n), dtype=np.float32)
    order = reverse_cuthill_mckee(graph, symmetric_mode=True).astype(np.int64)
    lengths = graph.data.astype(np.float32)
    shortest_paths(graph.indptr, graph.indices, lengths, order, found)
    # Path lengths are summed from either end: make the last digit agree.
    for start in range(0, n, _ROWS_AT_ONCE):
        rows = slice(start, start + _ROWS_AT_ONCE)
        least = np.minimum(found[rows, start:], found[start:, rows].T)
        found[rows, start:] = least
        found[start:, rows] = least.T
    return found


def similarity_matrix(geodesic: Float32) -> Float32:
    """Scale geodesic distances to at most one: W of eq. 6.

    Parameters
    ----------
    geodesic : ndarray of float32, shape (n, n)

    Returns
    -------
    ndarray of float32, shape (n, n)
        Zero on the diagonal; like a distance, small where cells are similar.
    """
    largest = geodesic.max(initial=0.0)
    return geodesic / largest if largest > 0 else np.zeros_like(geodesic)


def direct_distances(graph: csr_matrix) -> Float32:
    """Scale the lengths of a graph's own edges to below one, in place of geodesic distances.

    Parameters
    ----------
    graph : csr_matrix, shape (n, n)
        See :func:`knn_graph`.

    Returns
    -------
    ndarray of float32, shape (n, n)
        Zero on the diagonal, one where there is no edge. For :func:`edge_weights` with a threshold
        of one: A.1's comparison with the plain nearest-neighbour graph.
    """
    W = np.ones(graph.shape, dtype=np.float32)
    rows, columns = graph.nonzero()
    lengths = np.asarray(graph[rows, columns]).ravel()
    # The longest edge stays an edge: lengths end a little below the threshold.
    W[rows, columns] = 0.999 * lengths / lengths.max(initial=1e-30)
    np.fill_diagonal(W, 0)
    return W


def off_diagonal(n: int) -> Bools:
    """Return a mask of shape ``(n, n)`` that leaves the diagonal out."""
    return ~np.eye(n, dtype=bool)


def edge_weights(W: Float32, sigma: float) -> Float32:
    """Turn distances into edge weights: e of eq. 7.

    Parameters
    ----------
    W : ndarray of float32, shape (n, n)
        See :func:`similarity_matrix`.
    sigma : float
        Distance from which on two cells are not connected, in units of W.

    Returns
    -------
    ndarray of float32, shape (n, n)
        In [0, 1], zero on the diagonal and from ``sigma`` on.
    """
    if len(W) < 2:
        return np.zeros_like(W)
    smallest = W[off_diagonal(len(W))].min()
    weights = 1 - (W - smallest) / max(float(sigma - smallest), np.finfo(np.float32).tiny)
    np.fill_diagonal(weights, 0)
    return np.clip(weights, 0, 1).astype(np.float32)
