"""The graph of one set, with geodesic distances and edge weights (eqs 6–7).

Clusters are detected on it (A.1), and the structure matrices C of transport are its geodesic
distances (3.3).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from celltransfer_core.neighbors.search import euclidean_distances, nearest_others
from celltransfer_core.types import Bools, Float32

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix


N_NEIGHBORS = 12
"""Number of neighbours per node, both for clusters (A.1) and for the structure matrices C (3.3)."""

_ROWS_AT_ONCE = 256
_WHOLE = 4096  # rows up to which all distances are computed at once


def knn_graph(X: Float32, n_neighbors: int = N_NEIGHBORS) -> csr_matrix:
    """Build the nearest-neighbour graph, symmetric and connected.

    Two rows are joined by an edge if either is among the nearest of the other. Disconnected parts
    are joined by the shortest edges between them (a minimum spanning tree over the parts), because
    a single infinite geodesic distance would make eq. 6 useless.

    Parameters
    ----------
    X : ndarray of float32, shape (n, d)
        Embeddings.
    n_neighbors : int
        Number of neighbours of each node, fewer in smaller sets.

    Returns
    -------
    csr_matrix of float64, shape (n, n)
        Euclidean lengths of the edges, all above zero.

    Examples
    --------
    >>> import numpy as np
    >>> X = np.array([[0.0], [1.0], [3.0]], dtype=np.float32)
    >>> knn_graph(X, n_neighbors=1).toarray().tolist()
    [[0.0, 1.0, 0.0], [1.0, 0.0, 2.0], [0.0, 2.0, 0.0]]
    """
    from scipy.sparse import csr_matrix

    n = len(X)
    if n < 2:
        return csr_matrix((n, n))
    k = min(n_neighbors, n - 1)
    known = euclidean_distances(X, X) if n <= _WHOLE else None
    lengths, others = nearest_others(X, k, known)
    ends = np.arange(0, n * k + 1, k)
    graph = csr_matrix((lengths.ravel().astype(np.float64), others.ravel(), ends), shape=(n, n))
    # Equal embeddings are at distance zero, which means "no edge" in a sparse matrix.
    shortest = 1e-9 * graph.data.max(initial=0.0) or 1e-9
    graph.data = np.maximum(graph.data, shortest)
    graph = graph.maximum(graph.T).tocsr()
    return _join_components(graph, X, shortest, known)


def _join_components(
    graph: csr_matrix, X: Float32, shortest: float, known: Float32 | None
) -> csr_matrix:
    """Add the shortest edges that connect the parts of a graph.

    ``shortest`` is the minimum length of an edge, ``known`` the distances between all rows of X if
    already computed, shape (n, n).
    """
    from scipy.sparse import coo_matrix
    from scipy.sparse.csgraph import connected_components, minimum_spanning_tree

    count, component = connected_components(graph, directed=False)
    if count == 1:
        return graph
    order = np.argsort(np.bincount(component), kind="stable")
    gap = np.full((count, count), np.inf)
    ends: dict[tuple[int, int], tuple[int, int]] = {}
    # From the smaller part to the larger, so that the largest part is never expanded.
    for rank, part in enumerate(order[:-1]):
        inside = np.flatnonzero(component == part)
        outside = np.flatnonzero(np.isin(component, order[rank + 1 :]))
        between = (
            known[np.ix_(inside, outside)]
            if known is not None
            else euclidean_distances(X[inside], X[outside])
        )
        nearest = between.argmin(axis=0)
        length = between[nearest, np.arange(len(outside))]
        for other in order[rank + 1 :]:
            columns = np.flatnonzero(component[outside] == other)
            best = columns[length[columns].argmin()]
            one, another = inside[nearest[best]], outside[best]
            # Computed from the pair itself, like the graph's other edges.
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

    Examples
    --------
    >>> import numpy as np
    >>> X = np.array([[0.0], [1.0], [3.0]], dtype=np.float32)
    >>> geodesic_distances(knn_graph(X, n_neighbors=1)).tolist()
    [[0.0, 1.0, 3.0], [1.0, 0.0, 2.0], [3.0, 2.0, 0.0]]
    """
    from scipy.sparse.csgraph import reverse_cuthill_mckee

    from celltransfer_core.neighbors.shortest import shortest_paths

    n = graph.shape[0]
    found = np.empty((n, n), dtype=np.float32)
    order = reverse_cuthill_mckee(graph, symmetric_mode=True).astype(np.int64)
    lengths = graph.data.astype(np.float32)
    shortest_paths(graph.indptr, graph.indices, lengths, order, found)
    # Both directions of a path may differ in the last digit: the smaller sum is used for both.
    for start in range(0, n, _ROWS_AT_ONCE):
        rows = slice(start, start + _ROWS_AT_ONCE)
        least = np.minimum(found[rows, start:], found[start:, rows].T)
        found[rows, start:] = least
        found[start:, rows] = least.T
    return found


def similarity_matrix(geodesic: Float32) -> Float32:
    r"""Scale geodesic distances to at most one: W of eq. 6.

    .. math:: W_{ij} = \frac{d_{geo}(x_i, x_j)}{\max_{i,j} d_{geo}(x_i, x_j)}

    Parameters
    ----------
    geodesic : ndarray of float32, shape (n, n)

    Returns
    -------
    ndarray of float32, shape (n, n)
        Zero on the diagonal. W is a distance, which is small for similar cells.
    """
    largest = geodesic.max(initial=0.0)
    return geodesic / largest if largest > 0 else np.zeros_like(geodesic)


def direct_distances(graph: csr_matrix) -> Float32:
    """Scale the lengths of a graph's edges to below one, to use instead of geodesic distances.

    Parameters
    ----------
    graph : csr_matrix, shape (n, n)
        See :func:`knn_graph`.

    Returns
    -------
    ndarray of float32, shape (n, n)
        Zero on the diagonal, one where there is no edge. With σ = 1 in :func:`edge_weights`, this
        is the plain nearest-neighbour graph with which A.1 compares.
    """
    W = np.ones(graph.shape, dtype=np.float32)
    rows, columns = graph.nonzero()
    lengths = np.asarray(graph[rows, columns]).ravel()
    # Just below one, so that the longest edge keeps a weight above zero.
    W[rows, columns] = 0.999 * lengths / lengths.max(initial=1e-30)
    np.fill_diagonal(W, 0)
    return W


def off_diagonal(n: int) -> Bools:
    """Return a mask of all entries of a square matrix except its diagonal.

    Parameters
    ----------
    n : int

    Returns
    -------
    ndarray of bool, shape (n, n)
    """
    return ~np.eye(n, dtype=bool)


def edge_weights(W: Float32, sigma: float) -> Float32:
    r"""Convert distances to edge weights: e of eq. 7.

    .. math:: e_{ij} = \max\left(0, 1 - \frac{W_{ij} - \min W}{\sigma - \min W}\right)
        \text{ if } i \neq j, \qquad e_{ii} = 0

    Parameters
    ----------
    W : ndarray of float32, shape (n, n)
        See :func:`similarity_matrix`. Its minimum is taken over the off-diagonal entries.
    sigma : float
        Distance from which two cells are not connected, in units of W.

    Returns
    -------
    ndarray of float32, shape (n, n)
        In [0, 1], zero on the diagonal and where W is ``sigma`` or more.

    Examples
    --------
    >>> import numpy as np
    >>> W = np.array([[0.0, 0.25, 1.0], [0.25, 0.0, 0.5], [1.0, 0.5, 0.0]], dtype=np.float32)
    >>> edge_weights(W, 0.75).tolist()
    [[0.0, 1.0, 0.0], [1.0, 0.0, 0.5], [0.0, 0.5, 0.0]]
    """
    if len(W) < 2:
        return np.zeros_like(W)
    smallest = W[off_diagonal(len(W))].min()
    weights = 1 - (W - smallest) / max(float(sigma - smallest), np.finfo(np.float32).tiny)
    np.fill_diagonal(weights, 0)
    return np.clip(weights, 0, 1).astype(np.float32)
