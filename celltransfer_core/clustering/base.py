"""Clusters of the query: a mixture of normal distributions, Louvain, or node degree (A.1)."""

from __future__ import annotations

from typing import Literal

import numpy as np
from sklearn.base import BaseEstimator, ClusterMixin
from sklearn.utils.validation import validate_data

from celltransfer_core.neighbors.graph import (
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
"""Neighbours that ``sigma="auto"`` gives a cell on average; chosen on ``pbc`` alone."""

AUTO_SHARE = 0.2
"""Most pairs that it connects: a few dozen cells would all be neighbours otherwise."""

UNASSIGNED = -1


def choose_sigma(W: Float32, rule: Sigma | float) -> float:
    """Find the threshold of eq. 7.

    Parameters
    ----------
    W : ndarray of float32, shape (n, n)
        See :func:`celltransfer_core.graph.similarity_matrix`.
    rule : {"paper", "auto"} or float
        ``paper``: 0.3 under 800 cells, else 0.15. ``auto``: the quantile of the distances that
        gives a cell :data:`AUTO_NEIGHBOURS` neighbours on average, but connects no more than
        :data:`AUTO_SHARE` of all pairs, so that it follows the distances' own distribution at any
        size. A number is taken as it is.

    Returns
    -------
    float
        In units of W.
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
    """What both methods share: the graph of eqs 6–7 and the centrality of a cell."""

    n_neighbors: int
    graph: Graph
    sigma: Sigma | float
    min_cluster: int

    def fit(self, X: Float32, y: Labels | None = None) -> GraphClustering:  # noqa: ARG002
        """Find the clusters.

        Parameters
        ----------
        X : array-like of float, shape (n, d)
            Embeddings of the query.
        y : None
            Not used: labels play no part.

        Returns
        -------
        self
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

    def _without_the_smallest(self, X: Float32, labels: Ints) -> Ints:
        sizes = np.bincount(labels)
        if sizes.max() < self.min_cluster:
            return np.zeros(len(X), dtype=np.int64)
        return label_the_rest(X, np.where(sizes[labels] < self.min_cluster, UNASSIGNED, labels))


def label_the_rest(X: Float32, labels: Ints) -> Ints:
    """Give every unassigned cell a cluster by k-NN on those assigned.

    Parameters
    ----------
    X : ndarray of float32, shape (n, d)
    labels : ndarray of int64, shape (n,)
        :data:`UNASSIGNED` where there is none; one assigned cell at least.

    Returns
    -------
    ndarray of int64, shape (n,)
    """
    rest = labels == UNASSIGNED
    if not rest.any():
        return labels
    completed = labels.copy()
    completed[rest] = EntropyWeightedKNN().fit(X[~rest], labels[~rest]).predict(X[rest])
    return completed


def by_size(labels: Ints) -> Ints:
    """Renumber clusters from the largest to the smallest; ties by their first cell.

    Parameters
    ----------
    labels : ndarray of int64, shape (n,)

    Returns
    -------
    ndarray of int64, shape (n,)
        0 … n_clusters − 1.
    """
    _, first, inverse, counts = np.unique(
        labels, return_index=True, return_inverse=True, return_counts=True
    )
    rank = np.empty(len(counts), dtype=np.int64)
    rank[np.lexsort((first, -counts))] = np.arange(len(counts))
    return rank[inverse]


def cluster_centrality(e: Float32, labels: Ints) -> Float64:
    """Compute how much each cell is at the heart of its cluster.

    Parameters
    ----------
    e : ndarray of float32, shape (n, n)
        Edge weights.
    labels : ndarray of int64, shape (n,)

    Returns
    -------
    ndarray of float64, shape (n,)
        Weighted degree within the cluster (eq. 8), 1 for its most central cell.
    """
    centrality = np.ones(len(labels))
    for cluster in np.unique(labels):
        inside = np.flatnonzero(labels == cluster)
        degree = e[np.ix_(inside, inside)].sum(axis=1, dtype=np.float64)
        centrality[inside] = degree / degree.max() if degree.max() > 0 else 1.0
    return centrality


def cluster_density(adjacent: Bools, labels: Ints) -> Float64:
    """Compute the share of each cluster's pairs of cells that are connected.

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
