"""Measures of a graph's nodes (A.1, eqs 9–11) and of a whole cluster, from its adjacency matrix.

The weighted node degree of eq. 8 is the sum of a row of edge weights.
"""

from __future__ import annotations

import numpy as np

from celltransfer_core.types import Bools, Float32, Float64


def hop_neighbours(adjacent: Bools, hops: int) -> Bools:
    """Find the h-hop neighbours of each node, including the node itself.

    Parameters
    ----------
    adjacent : ndarray of bool, shape (n, n)
    hops : int

    Returns
    -------
    ndarray of bool, shape (n, n)
    """
    step = (adjacent | np.eye(len(adjacent), dtype=bool)).astype(np.float32)
    reached = step
    for _ in range(hops - 1):
        reached = (reached @ step > 0).astype(np.float32)
    return reached > 0


def node_density(adjacent: Bools, hops: int = 2) -> Float64:
    r"""Compute the density of the subgraph within h hops of each node: D of eq. 9.

    .. math:: D_i^{(h)} = \frac{|e^{(h)}|}{|V^{(h)}| (|V^{(h)}| - 1) / 2}

    Parameters
    ----------
    adjacent : ndarray of bool, shape (n, n)
    hops : int
        h.

    Returns
    -------
    ndarray of float64, shape (n,)
        Scaled to [0, 1] over the graph. A node without neighbours has a density of 0 before
        scaling.
    """
    reached = hop_neighbours(adjacent, hops).astype(np.float32)
    nodes = reached.sum(axis=1, dtype=np.float64)
    edges = ((reached @ adjacent.astype(np.float32)) * reached).sum(axis=1, dtype=np.float64) / 2
    pairs = nodes * (nodes - 1) / 2
    density = np.divide(edges, pairs, out=np.zeros_like(edges), where=pairs > 0)
    spread = np.ptp(density)
    return (density - density.min()) / spread if spread > 0 else np.ones_like(density)


def jaccard_matrix(adjacent: Bools) -> Float32:
    r"""Compute the share of common neighbours of every two nodes: J of eq. 10.

    .. math:: J_{ij} = \frac{|N_i \cap N_j|}{|N_i \cup N_j|}

    Parameters
    ----------
    adjacent : ndarray of bool, shape (n, n)

    Returns
    -------
    ndarray of float32, shape (n, n)
        0 where neither node has a neighbour.
    """
    A = adjacent.astype(np.float32)
    common = A @ A
    degree = A.sum(axis=1)
    either = degree[:, None] + degree[None, :] - common
    return np.divide(common, either, out=np.zeros_like(common), where=either > 0)


def node_correlation(adjacent: Bools, hops: int = 2) -> Float32:
    r"""Compute the node correlation matrix :math:`(D D^T) \circ J` of eq. 11.

    The product with J is elementwise, because step 6 needs a zero wherever J is zero.

    Parameters
    ----------
    adjacent : ndarray of bool, shape (n, n)
    hops : int

    Returns
    -------
    ndarray of float32, shape (n, n)
    """
    density = node_density(adjacent, hops).astype(np.float32)
    return jaccard_matrix(adjacent) * density[:, None] * density[None, :]


def is_compact(adjacent: Bools, *, reach: float = 0.6, hops: int = 2) -> bool:
    """Check that a cluster is organised around its most central node (end of A.1).

    Parameters
    ----------
    adjacent : ndarray of bool, shape (n, n)
        The subgraph of the cluster, without weights.
    reach : float
        Share of the cluster's nodes that must lie within ``hops`` of the most central one.
    hops : int

    Returns
    -------
    bool

    Examples
    --------
    >>> import numpy as np
    >>> star = np.zeros((6, 6), dtype=bool)
    >>> star[0, 1:] = star[1:, 0] = True
    >>> is_compact(star)
    True
    """
    n = len(adjacent)
    step = (adjacent | np.eye(n, dtype=bool)).astype(np.float32)
    reached = np.eye(n, dtype=np.float32)
    total = np.zeros(n)
    within = np.ones(n)
    length = 0
    while True:
        further = (reached @ step > 0).astype(np.float32)
        added = (further - reached).sum(axis=1, dtype=np.float64)
        if not added.any():
            break
        length += 1
        total += length * added
        if length <= hops:
            within += added
        reached = further
    known = reached.sum(axis=1, dtype=np.float64) - 1
    # Closeness after Wasserman and Faust, by which nodes of small separate parts are not central.
    closeness = np.divide(known**2, total, out=np.zeros(n), where=total > 0)
    return bool(within[closeness.argmax()] >= reach * n)
