"""TODO celltransfer_core/clustering/node_degree.py."""

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
from celltransfer_core.neighbors.graph import N_NEIGHBORS
from celltransfer_core.types import Bools, Float32, Float64, Ints


def hop_neighbours(adjacent: Bools, hops: int) -> Bools:
    """Find which nodes are at most so many hops away, the node itself among them.

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
    """Compute the density of every node's surroundings: D of eq. 9, scaled to [0, 1].

    Parameters
    ----------
    adjacent : ndarray of bool, shape (n, n)
    hops : int
        Size of the surroundings, h.

    Returns
    -------
    ndarray of float64, shape (n,)
        0 for the lowest density of the graph, 1 for the highest. A node on its own counts as 0
        before scaling.
    """
    reached = hop_neighbours(adjacent, hops).astype(np.float32)
    nodes = reached.sum(axis=1, dtype=np.float64)
    edges = ((reached @ adjacent.astype(np.float32)) * reached).sum(axis=1, dtype=np.float64) / 2
    pairs = nodes * (nodes - 1) / 2
    density = np.divide(edges, pairs, out=np.zeros_like(edges), where=pairs > 0)
    spread = np.ptp(density)
    return (density - density.min()) / spread if spread > 0 else np.ones_like(density)


def jaccard_matrix(adjacent: Bools) -> Float32:
    """Compute the share of common neighbours of every two nodes: J of eq. 10.

    Parameters
    ----------
    adjacent : ndarray of bool, shape (n, n)

    Returns
    -------
    ndarray of float32, shape (n, n)
        0 where two nodes have no neighbour at all.
    """
    A = adjacent.astype(np.float32)
    common = A @ A
    degree = A.sum(axis=1)
    either = degree[:, None] + degree[None, :] - common
    return np.divide(common, either, out=np.zeros_like(common), where=either > 0)


def node_correlation(adjacent: Bools, hops: int = 2) -> Float32:
    """Fuse densities and common neighbours: (D Dᵀ) ∘ J of eq. 11.

    The product with J is element by element, for step 6 needs a zero wherever J is zero.

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


@dataclass
class GrownCluster:
    """One cluster as A.1 grows it."""

    central: list[int] = field(default_factory=list)
    """Central nodes in the order they were added (S_cen)."""
    weights: list[float] = field(default_factory=list)
    """Mean distance of each but the first to those before it (𝒲, eq. 14)."""
    neighbours: Bools = field(default_factory=lambda: np.zeros(0, dtype=bool))
    """Which nodes are stored as neighbours (step 6)."""


def central_candidates(W: Float32, last: int, hood: Bools) -> tuple[float, Bools]:
    """Keep the nodes of a neighbourhood that are nearer than the mean (step 3, eq. 15).

    Parameters
    ----------
    W : ndarray of float32, shape (n, n)
    last : int
        The node added last. The mean runs over it and the nodes already selected too.
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
        Edge weights of eq. 7; an edge is where they are above zero.
    priority : ndarray of int64, shape (n,)
        Ties between equal degrees go to the node with the higher number.
    min_cluster : int
        Central nodes before the jump test starts. What ends with fewer is no cluster: it is
        returned all the same, for the caller to leave out.
    hops, max_hops : int
        Neighbourhood in which the next central node is looked for, and how far it may be widened.
    jump : float
        Standard deviations a mean distance may rise before a new cluster starts (eq. 16).
    unclassified, min_initial_degree, min_degree : float
        Stop rules of step 12: share of nodes not yet stored, largest initial degree among them,
        largest current degree.

    Returns
    -------
    list of GrownCluster
        In the order of detection.
    """
    n = len(W)
    adjacent = e > 0
    correlation = node_correlation(adjacent, hops)
    near = hop_neighbours(adjacent, hops)
    initial = e.sum(axis=1, dtype=np.float64)
    degree = initial.copy()
    stored = np.zeros(n, dtype=bool)
    clusters: list[GrownCluster] = []

    def highest(nodes: Bools) -> int:
        inside = np.flatnonzero(nodes)
        return int(inside[np.lexsort((priority[inside], degree[inside]))[-1]])

    while degree.max(initial=0.0) >= min_degree:
        if (n - stored.sum()) / n < unclassified or initial[~stored].max() < min_initial_degree:
            break
        degree /= degree.max()  # step 10
        cluster = GrownCluster()
        distance = np.zeros(n)  # sums over S_cen of W (eq. 13) and of the correlation (eq. 12)
        correlated = np.zeros(n)
        touched = np.zeros(n, dtype=bool)
        node: int | None = highest(np.ones(n, dtype=bool))
        while node is not None:
            if cluster.central:
                mean = distance[node] / len(cluster.central)
                if len(cluster.central) >= max(min_cluster, 2):  # step 8
                    rise = mean - np.mean(cluster.weights)
                    if rise > jump * np.std(cluster.weights):
                        break
                cluster.weights.append(float(mean))
            cluster.central.append(node)  # steps 1, 5
            degree[node] = 0  # step 2
            distance += W[node]
            correlated += correlation[node]
            touched |= adjacent[node]
            hood = near[node]
            for reach in range(hops, max_hops + 1):  # steps 3–4
                if reach > hops:
                    hood = hood | adjacent[hood].any(axis=0)
                kept = central_candidates(W, node, hood)[1] & (degree > 0)
                if kept.any():
                    break
            node = highest(kept) if kept.any() else None
        cluster.neighbours = touched & (correlated > 0)  # step 6
        degree[cluster.neighbours] = 0  # step 9
        stored[cluster.central] = True
        stored |= cluster.neighbours
        clusters.append(cluster)
    return clusters


def is_compact(adjacent: Bools, *, reach: float = 0.6, hops: int = 2) -> bool:
    """Check that a cluster is organised around its most central node (end of A.1).

    Parameters
    ----------
    adjacent : ndarray of bool, shape (n, n)
        The cluster's own, unweighted part of the graph.
    reach : float
        Share of the cluster that must be within ``hops`` of the node with the highest closeness.
    hops : int

    Returns
    -------
    bool
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
    # Closeness after Wasserman and Faust: nodes in small unconnected parts do not look central.
    closeness = np.divide(known**2, total, out=np.zeros(n), where=total > 0)
    return bool(within[closeness.argmax()] >= reach * n)


class NodeDegreeClustering(GraphClustering):
    """Cluster detection by weighted node degree (A.1).

    Parameters
    ----------
    n_neighbors : int
        Of the graph that geodesic distances are measured on.
    graph : {"geodesic", "knn"}
        Connect cells by geodesic distance (eq. 7), or nearest neighbours alone, by their own
        distance and without a threshold.
    sigma : {"auto", "paper"} or float
        Threshold of eq. 7, see :func:`choose_sigma`.
    min_cluster, hops, max_hops, jump, unclassified, min_initial_degree, min_degree
        See :func:`grow_clusters`; the defaults are the paper's.
    reach, reach_hops
        See :func:`is_compact`; the defaults are the paper's.
    random_state : int
        Decides between equal node degrees.

    Attributes
    ----------
    labels_ : ndarray of int64, shape (n,)
        Cluster of each cell, 0 being the largest.
    central_ : ndarray of bool, shape (n,)
        Which cells were central nodes; the others were labelled by k-NN.
    centrality_ : ndarray of float64, shape (n,)
        Weight of a cell's edges into its own cluster, 1 for the cluster's most central cell.
    density_ : ndarray of float64, shape (n_clusters,)
        Share of a cluster's pairs of cells that are connected.
    n_clusters_ : int
    sigma_ : float
        The threshold used.
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
        self.n_neighbors = n_neighbors
        self.graph = graph
        self.sigma = sigma
        self.min_cluster = min_cluster
        self.hops = hops
        self.max_hops = max_hops
        self.jump = jump
        self.unclassified = unclassified
        self.min_initial_degree = min_initial_degree
        self.min_degree = min_degree
        self.reach = reach
        self.reach_hops = reach_hops
        self.random_state = random_state

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
        if not self.central_.any():  # too few cells, or too alike, to tell groups apart
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
