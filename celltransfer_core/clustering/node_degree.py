"""Cluster detection by weighted node degree (A.1, eqs 12–16)."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from celltransfer_core.clustering.base import (
    UNASSIGNED,
    Graph,
    GraphClustering,
    Sigma,
    label_the_rest,
)
from celltransfer_core.clustering.measures import hop_neighbours, is_compact, node_correlation
from celltransfer_core.neighbors.graph import N_NEIGHBORS
from celltransfer_core.types import Bools, Float32, Float64, Ints


@dataclass
class GrownCluster:
    """A cluster as built by the steps of A.1, on a graph of n nodes."""

    central: list[int] = field(default_factory=list)
    """Central nodes in the order in which they were added (S_cen)."""
    weights: list[float] = field(default_factory=list)
    """Mean distance of each central node except the first to those before it (𝒲, eq. 14)."""
    neighbours: Bools = field(default_factory=lambda: np.zeros(0, dtype=bool))
    """Whether each node is stored as a neighbour (N, step 6), shape (n,)."""

    def jumps(self, mean: float, jump: float) -> bool:
        """Check whether a node starts a new cluster because the test of eq. 16 fails (step 8).

        Parameters
        ----------
        mean : float
            Mean distance of the node to the central nodes (eq. 13).
        jump : float
            Number of standard deviations by which it may exceed the mean of ``weights``.

        Returns
        -------
        bool
        """
        return bool(mean - np.mean(self.weights) > jump * np.std(self.weights))


@dataclass(frozen=True)
class _Graph:
    """Constant properties of the graph with n nodes that A.1 needs."""

    W: Float32
    """Distances (eq. 6), shape (n, n)."""
    adjacent: Bools
    """Shape (n, n)."""
    correlation: Float32
    """Node correlation matrix (eq. 11), shape (n, n)."""
    near: Bools
    """Neighbourhood of each node within ``hops`` hops, shape (n, n)."""
    hops: int
    max_hops: int
    priority: Ints
    """Ties between equal degrees go to the larger number, shape (n,)."""

    def highest(self, degree: Float64, nodes: Bools) -> int:
        """Find the node with the highest degree."""
        inside = np.flatnonzero(nodes)
        return int(inside[np.lexsort((self.priority[inside], degree[inside]))[-1]])

    def next_central(self, last: int, degree: Float64) -> int | None:
        """Choose the next central node after the one added last (steps 3–4)."""
        hood = self.near[last]
        for reach in range(self.hops, self.max_hops + 1):
            if reach > self.hops:
                hood = hood | self.adjacent[hood].any(axis=0)
            kept = central_candidates(self.W, last, hood)[1] & (degree > 0)
            if kept.any():
                return self.highest(degree, kept)
        return None


def central_candidates(W: Float32, last: int, hood: Bools) -> tuple[float, Bools]:
    """Keep the nodes of a neighbourhood that are nearer than the mean (step 3, eq. 15).

    W is averaged only over the node added last, because the mean of eq. 13 does not reproduce the
    paper's worked example.

    Parameters
    ----------
    W : ndarray of float32, shape (n, n)
    last : int
        The node added last. It and the previously selected nodes are included in the mean.
    hood : ndarray of bool, shape (n,)
        Its neighbourhood.

    Returns
    -------
    threshold : float
        Mean of W over the neighbourhood.
    kept : ndarray of bool, shape (n,)
        Nodes strictly below it.
    """
    threshold = float(W[last, hood].mean(dtype=np.float64))
    return threshold, hood & (W[last] < threshold)


def grow_clusters(
    W: Float32,
    e: Float32,
    *,
    priority: Ints,
    min_cluster: int = 10,
    hops: int = 2,
    max_hops: int = 7,
    jump: float = 2.5,
    unclassified: float = 0.01,
    min_initial_degree: float = 0.01,
    min_degree: float = 1e-5,
) -> list[GrownCluster]:
    """Detect clusters by weighted node degree (A.1, steps 1–12).

    Parameters
    ----------
    W : ndarray of float32, shape (n, n)
        Distances of eq. 6.
    e : ndarray of float32, shape (n, n)
        Edge weights of eq. 7; edges are where they are above zero.
    priority : ndarray of int64, shape (n,)
        Ties between equal degrees go to the node with the higher number.
    min_cluster : int
        Number of central nodes from which a node is tested before it is added (step 8). A cluster
        that ends with fewer nodes is also returned; the caller must discard it.
    hops, max_hops : int
        Neighbourhood of the node added last in which the next central node is chosen, and the
        largest size to which it is enlarged if it contains none (steps 3–4).
    jump : float
        Number of standard deviations by which a mean distance may rise before a new cluster starts
        (eq. 16).
    unclassified, min_initial_degree, min_degree : float
        Stopping rules of step 12: share of nodes not yet stored, largest initial degree among them,
        largest current degree.

    Returns
    -------
    list of GrownCluster
        In the order of detection.

    Examples
    --------
    Two rows of five nodes each, far apart:

    >>> import numpy as np
    >>> from celltransfer_core.neighbors import edge_weights
    >>> place = np.array([0, 1, 2, 3, 4, 20, 21, 22, 23, 24])
    >>> W = (abs(place[:, None] - place) / 24).astype(np.float32)
    >>> e = edge_weights(W, 0.15)
    >>> clusters = grow_clusters(W, e, priority=np.arange(10)[::-1], min_cluster=3)
    >>> [cluster.central for cluster in clusters]
    [[2, 1, 0], [7, 6, 5]]
    >>> np.flatnonzero(clusters[0].neighbours).tolist()
    [0, 1, 2, 3, 4]
    """
    n = len(W)
    adjacent = e > 0
    graph = _Graph(
        W=W,
        adjacent=adjacent,
        correlation=node_correlation(adjacent, hops),
        near=hop_neighbours(adjacent, hops),
        hops=hops,
        max_hops=max_hops,
        priority=priority,
    )
    initial = e.sum(axis=1, dtype=np.float64)  # eq. 8
    degree = initial.copy()
    stored = np.zeros(n, dtype=bool)
    clusters: list[GrownCluster] = []
    while degree.max(initial=0.0) >= min_degree:
        if (n - stored.sum()) / n < unclassified or initial[~stored].max() < min_initial_degree:
            break
        degree /= degree.max()  # step 10
        cluster = _grow(graph, degree, min_cluster, jump)
        degree[cluster.neighbours] = 0  # step 9
        stored[cluster.central] = True
        stored |= cluster.neighbours
        clusters.append(cluster)
    return clusters


def _grow(graph: _Graph, degree: Float64, min_cluster: int, jump: float) -> GrownCluster:
    """Grow one cluster from the node with the highest degree (steps 1–8).

    The degrees of its central nodes are set to zero in ``degree``.
    """
    n = len(degree)
    cluster = GrownCluster()
    distance = np.zeros(n)  # of each node to the central nodes, summed (eq. 13)
    correlated = np.zeros(n)  # likewise the correlation (eq. 12)
    touched = np.zeros(n, dtype=bool)
    node: int | None = graph.highest(degree, np.ones(n, dtype=bool))
    while node is not None:
        if cluster.central:
            mean = float(distance[node] / len(cluster.central))
            if len(cluster.central) >= max(min_cluster, 2) and cluster.jumps(mean, jump):
                break
            cluster.weights.append(mean)
        cluster.central.append(node)  # steps 1, 5
        degree[node] = 0  # step 2
        distance += graph.W[node]
        correlated += graph.correlation[node]
        touched |= graph.adjacent[node]
        node = graph.next_central(node, degree)
    cluster.neighbours = touched & (correlated > 0)  # step 6
    return cluster


class NodeDegreeClustering(GraphClustering):
    """Cluster detection by weighted node degree (A.1).

    Clusters grow from the nodes with the highest weighted degree (:func:`grow_clusters`, steps
    1–12). The other cells are labelled by k-NN on the central nodes. Clusters that are not
    organised around a central node (:func:`is_compact`) are dissolved in the same way; if this
    would dissolve all clusters, all are kept.

    Parameters
    ----------
    n_neighbors, graph, sigma
        Graph, see :class:`~celltransfer_core.clustering.base.GraphClustering`.
    min_cluster, hops, max_hops, jump, unclassified, min_initial_degree, min_degree
        See :func:`grow_clusters`; the defaults are the paper's.
    reach, reach_hops
        See :func:`is_compact`; the defaults are the paper's.
    random_state : int
        Seed of the order of nodes with equal degree.

    Attributes
    ----------
    central_ : ndarray of bool, shape (n,)
        Whether each cell was a central node.
    labels_, centrality_, density_, n_clusters_, sigma_, n_features_in_
        See :class:`~celltransfer_core.clustering.base.GraphClustering`.

    Examples
    --------
    >>> import numpy as np
    >>> rng = np.random.default_rng(0)
    >>> X = rng.normal(size=(100, 4))
    >>> X[60:] += 10
    >>> np.bincount(NodeDegreeClustering().fit_predict(X)).tolist()
    [60, 40]
    """

    def __init__(
        self,
        n_neighbors: int = N_NEIGHBORS,
        graph: Graph = "geodesic",
        sigma: Sigma | float = "auto",
        min_cluster: int = 10,
        hops: int = 2,
        max_hops: int = 7,
        jump: float = 2.5,
        unclassified: float = 0.01,
        min_initial_degree: float = 0.01,
        min_degree: float = 1e-5,
        reach: float = 0.6,
        reach_hops: int = 2,
        random_state: int = 0,
    ) -> None:
        super().__init__(n_neighbors, graph, sigma, random_state)
        self.min_cluster = min_cluster
        self.hops = hops
        self.max_hops = max_hops
        self.jump = jump
        self.unclassified = unclassified
        self.min_initial_degree = min_initial_degree
        self.min_degree = min_degree
        self.reach = reach
        self.reach_hops = reach_hops

    def _detect(self, X: Float32, W: Float32, e: Float32) -> Ints:
        n = len(X)
        labels = np.full(n, UNASSIGNED, dtype=np.int64)
        grown = grow_clusters(
            W,
            e,
            priority=np.random.default_rng(self.random_state).permutation(n),
            min_cluster=self.min_cluster,
            hops=self.hops,
            max_hops=self.max_hops,
            jump=self.jump,
            unclassified=self.unclassified,
            min_initial_degree=self.min_initial_degree,
            min_degree=self.min_degree,
        )
        for number, cluster in enumerate(grown):
            if len(cluster.central) >= self.min_cluster:
                labels[cluster.central] = number
        self.central_ = labels != UNASSIGNED
        if not self.central_.any():  # too few cells, or too similar, to form groups
            return np.zeros(n, dtype=np.int64)
        labels = label_the_rest(X, labels)
        return self._dissolve_sparse(X, labels, e > 0)

    def _dissolve_sparse(self, X: Float32, labels: Ints, adjacent: Bools) -> Ints:
        sparse = [
            cluster
            for cluster in np.unique(labels)
            if not is_compact(
                adjacent[np.ix_(labels == cluster, labels == cluster)],
                reach=self.reach,
                hops=self.reach_hops,
            )
        ]
        if len(sparse) == len(np.unique(labels)):
            return labels
        return label_the_rest(X, np.where(np.isin(labels, sparse), UNASSIGNED, labels))
