"""Base of cluster detection (3.2, A.1): the graph of eqs 6–8 and the measures on it.

In: embeddings of the query. Out: a cluster for each cell and its centrality.
"""

from __future__ import annotations

from typing import Literal, Self

import numpy as np
from sklearn.base import BaseEstimator, ClusterMixin
from sklearn.utils.validation import validate_data

from celltransfer_core.neighbors.graph import (
    N_NEIGHBORS,
    direct_distances,
    edge_weights,
    geodesic_distances,
    knn_graph,
    off_diagonal,
    similarity_matrix,
)
from celltransfer_core.neighbors.knn import EntropyWeightedKNN
from celltransfer_core.types import Bools, Float32, Float64, Ints, Labels

Sigma = Literal["paper", "auto"]
Graph = Literal["geodesic", "knn"]

AUTO_NEIGHBOURS = 24
"""Mean number of neighbours of a cell with ``sigma="auto"``; chosen only on ``pbc``."""

AUTO_SHARE = 0.2
"""Largest share of all pairs that it connects; otherwise, a few dozen cells would all be
neighbours."""

UNASSIGNED = -1
"""Label of a cell without a cluster."""


def choose_sigma(W: Float32, rule: Sigma | float) -> float:
    """Choose the threshold σ of eq. 7.

    Parameters
    ----------
    W : ndarray of float32, shape (n, n)
        See :func:`celltransfer_core.neighbors.graph.similarity_matrix`.
    rule : {"paper", "auto"} or float
        ``paper``: 0.3 for fewer than 800 cells, otherwise 0.15. ``auto``: the quantile of the
        distances that gives a cell :data:`AUTO_NEIGHBOURS` neighbours on average, but connects no
        more than :data:`AUTO_SHARE` of all pairs; it follows the distribution of the distances. A
        number is σ itself.

    Returns
    -------
    float
        In units of W.

    Examples
    --------
    >>> import numpy as np
    >>> choose_sigma(np.zeros((100, 100), dtype=np.float32), "paper")
    0.3
    """
    if rule == "paper":
        return 0.3 if len(W) < 800 else 0.15
    if rule == "auto":
        if len(W) < 2:
            return 1.0
        share = min(AUTO_SHARE, AUTO_NEIGHBOURS / (len(W) - 1))
        return float(np.quantile(W[off_diagonal(len(W))], share))
    return float(rule)


class GraphClustering(ClusterMixin, BaseEstimator):
    """Base of clustering estimators on the weighted graph of eqs 6–7.

    A subclass defines ``_detect(X, W, e)``.

    Parameters
    ----------
    n_neighbors : int
        Neighbours of each cell in the graph on which geodesic distances are measured.
    graph : {"geodesic", "knn"}
        Edges between all cells within the geodesic distance σ (eq. 7), or between nearest
        neighbours only, weighted by their own distance.
    sigma : {"auto", "paper"} or float
        Threshold σ of eq. 7, see :func:`choose_sigma`; not used with ``graph="knn"``.
    random_state : int
        Seed of all random choices.

    Attributes
    ----------
    labels_ : ndarray of int64, shape (n,)
        Cluster of each cell; 0 is the largest.
    centrality_ : ndarray of float64, shape (n,)
        Weighted degree of each cell within its own cluster (eq. 8), 1 for the most central one.
    density_ : ndarray of float64, shape (n_clusters,)
        Share of a cluster's pairs of cells that are joined by an edge.
    n_clusters_ : int
    sigma_ : float
        The threshold used.
    n_features_in_ : int
    """

    def __init__(
        self,
        n_neighbors: int = N_NEIGHBORS,
        graph: Graph = "geodesic",
        sigma: Sigma | float = "auto",
        random_state: int = 0,
    ) -> None:
        self.n_neighbors = n_neighbors
        self.graph = graph
        self.sigma = sigma
        self.random_state = random_state

    def fit(self, X: Float32, y: Labels | None = None) -> Self:  # noqa: ARG002
        """Detect the clusters.

        Parameters
        ----------
        X : array-like of float, shape (n, d)
            Embeddings of the query.
        y : None
            Not used.

        Returns
        -------
        self

        Raises
        ------
        ValueError
            If the array holds NaN, or a parameter is out of range.
        """
        X = validate_data(self, X, dtype=np.float32)
        neighbours = knn_graph(X, self.n_neighbors)
        if self.graph == "geodesic":
            W = similarity_matrix(geodesic_distances(neighbours))
            self.sigma_ = choose_sigma(W, self.sigma)
        else:
            W = direct_distances(neighbours)
            self.sigma_ = 1.0
        e = edge_weights(W, self.sigma_)
        labels = self._detect(X, W, e)
        self.labels_ = by_size(labels)
        self.n_clusters_ = int(self.labels_.max(initial=-1)) + 1
        self.centrality_ = cluster_centrality(e, self.labels_)
        self.density_ = cluster_density(e > 0, self.labels_)
        return self

    def _detect(self, X: Float32, W: Float32, e: Float32) -> Ints:
        raise NotImplementedError


def dissolve_small(X: Float32, labels: Ints, min_cluster: int) -> Ints:
    """Dissolve small clusters and label their cells by k-NN on the others.

    Parameters
    ----------
    X : ndarray of float32, shape (n, d)
    labels : ndarray of int64, shape (n,)
    min_cluster : int
        Clusters with fewer cells are dissolved. If all are dissolved, the result is one cluster.

    Returns
    -------
    ndarray of int64, shape (n,)

    Examples
    --------
    >>> import numpy as np
    >>> X = np.array([[0.0], [0.1], [0.2], [9.0], [9.1], [8.0]], dtype=np.float32)
    >>> dissolve_small(X, np.array([0, 0, 0, 1, 1, 2]), 2).tolist()
    [0, 0, 0, 1, 1, 1]
    """
    sizes = np.bincount(labels)
    if sizes.max() < min_cluster:
        return np.zeros(len(X), dtype=np.int64)
    return label_the_rest(X, np.where(sizes[labels] < min_cluster, UNASSIGNED, labels))


def label_the_rest(X: Float32, labels: Ints) -> Ints:
    """Label every cell without a cluster by k-NN on the others (end of A.1).

    Parameters
    ----------
    X : ndarray of float32, shape (n, d)
    labels : ndarray of int64, shape (n,)
        :data:`UNASSIGNED` for cells without a cluster; at least one cell must have one.

    Returns
    -------
    ndarray of int64, shape (n,)

    Examples
    --------
    >>> import numpy as np
    >>> X = np.array([[0.0], [1.0], [2.0], [9.0]], dtype=np.float32)
    >>> label_the_rest(X, np.array([0, 0, -1, 1])).tolist()
    [0, 0, 0, 1]
    """
    rest = labels == UNASSIGNED
    if not rest.any():
        return labels
    completed = labels.copy()
    completed[rest] = EntropyWeightedKNN().fit(X[~rest], labels[~rest]).predict(X[rest])
    return completed


def by_size(labels: Ints) -> Ints:
    """Renumber clusters from the largest to the smallest, breaking ties by their first cell.

    Parameters
    ----------
    labels : ndarray of int64, shape (n,)

    Returns
    -------
    ndarray of int64, shape (n,)
        0 … n_clusters − 1.

    Examples
    --------
    >>> import numpy as np
    >>> by_size(np.array([7, 3, 3, 9])).tolist()
    [1, 0, 0, 2]
    """
    _, first, inverse, counts = np.unique(
        labels, return_index=True, return_inverse=True, return_counts=True
    )
    rank = np.empty(len(counts), dtype=np.int64)
    rank[np.lexsort((first, -counts))] = np.arange(len(counts))
    return rank[inverse]


def cluster_centrality(e: Float32, labels: Ints) -> Float64:
    """Compute the weighted degree of each cell within its cluster (eq. 8).

    Parameters
    ----------
    e : ndarray of float32, shape (n, n)
        Edge weights.
    labels : ndarray of int64, shape (n,)

    Returns
    -------
    ndarray of float64, shape (n,)
        Divided by the largest of the cluster: 1 for its most central cell.
    """
    centrality = np.ones(len(labels))
    for cluster in np.unique(labels):
        inside = np.flatnonzero(labels == cluster)
        degree = e[np.ix_(inside, inside)].sum(axis=1, dtype=np.float64)
        centrality[inside] = degree / degree.max() if degree.max() > 0 else 1.0
    return centrality


def cluster_density(adjacent: Bools, labels: Ints) -> Float64:
    """Compute the share of each cluster's pairs of cells that are joined by an edge.

    Parameters
    ----------
    adjacent : ndarray of bool, shape (n, n)
    labels : ndarray of int64, shape (n,)

    Returns
    -------
    ndarray of float64, shape (n_clusters,)
        1 for a cluster of one cell.
    """
    density = []
    for cluster in np.unique(labels):
        inside = labels == cluster
        n = int(inside.sum())
        edges = adjacent[np.ix_(inside, inside)].sum()
        density.append(edges / (n * (n - 1)) if n > 1 else 1.0)
    return np.array(density)
