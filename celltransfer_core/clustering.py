"""Clusters of the query: a mixture of normal distributions, Louvain, or node degree (A.1)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from sklearn.base import BaseEstimator, ClusterMixin
from sklearn.utils.validation import validate_data

from celltransfer_core.graph import (
    N_NEIGHBORS,
    direct_distances,
    edge_weights,
    geodesic_distances,
    knn_graph,
    off_diagonal,
    similarity_matrix,
)
from celltransfer_core.neighbors import EntropyWeightedKNN
from celltransfer_core.types import Bools, Float32, Float64, Ints, Labels

Sigma = Literal["paper", "auto"]
Auto = Literal["auto"]
Graph = Literal["geodesic", "knn"]

AUTO_NEIGHBOURS = 24
"""Neighbours that ``sigma="auto"`` gives a cell on average; chosen on ``pbc`` alone."""

AUTO_SHARE = 0.2
"""Most pairs that it connects: a few dozen cells would all be neighbours otherwise."""

UNASSIGNED = -1

COMPONENTS = 20
"""Principal components of the query that its types are told apart by."""

_DOZEN_TO_SCORE = 12, 20  # clusters that a person confirms in minutes


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


class _GraphClustering(ClusterMixin, BaseEstimator):
    """What both methods share: the graph of eqs 6–7 and the centrality of a cell."""

    n_neighbors: int
    graph: Graph
    sigma: Sigma | float
    min_cluster: int

    def fit(self, X: Float32, y: Labels | None = None) -> _GraphClustering:  # noqa: ARG002
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


class NodeDegreeClustering(_GraphClustering):
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


class MixtureClustering(_GraphClustering):
    """A mixture of normal distributions that share one covariance.

    Clusters differ in where they are, not in shape: measured by the spread within a cluster, even a
    few cells of a small type lie far from a large one, while a large type is not cut up as long as
    there is another to find. A person confirms the clusters, so their number is what one chooses.

    Parameters
    ----------
    n_clusters : {"auto"} or int
        As many at most; with few cells one for every ``cells_each``. ``"auto"``: a dozen, and in
        sets of over 900 cells more, √n / 2.5 up to twenty.
    n_components : int
        Principal components of X that the mixture is fitted to.
    cells_each : int
    n_init : int
        Starts (k-means), of which the likeliest fit is kept.
    reg : float
        Added to the covariance's diagonal, as a share of the components' mean variance.
    n_neighbors, graph, sigma
        Of the graph of eqs 6–7 that tells how central a cell is, see :class:`NodeDegreeClustering`.
    min_cluster : int
        Clusters under this size are dissolved and their cells labelled by k-NN.
    random_state : int
        Decides the starts.

    Attributes
    ----------
    labels_, centrality_, density_, n_clusters_, sigma_
        See :class:`NodeDegreeClustering`.
    """

    def __init__(
        self,
        n_clusters: Auto | int = "auto",
        n_components: int = COMPONENTS,
        cells_each: int = 8,
        n_init: int = 3,
        reg: float = 0.1,
        n_neighbors: int = N_NEIGHBORS,
        graph: Graph = "geodesic",
        sigma: Sigma | float = "auto",
        min_cluster: int = 3,
        random_state: int = 0,
    ) -> None:
        self.n_clusters = n_clusters
        self.n_components = n_components
        self.cells_each = cells_each
        self.n_init = n_init
        self.reg = reg
        self.n_neighbors = n_neighbors
        self.graph = graph
        self.sigma = sigma
        self.min_cluster = min_cluster
        self.random_state = random_state

    def _detect(self, X: Float32, W: Float32, e: Float32) -> Ints:  # noqa: ARG002
        import warnings

        from sklearn.exceptions import ConvergenceWarning
        from sklearn.mixture import GaussianMixture
        from threadpoolctl import threadpool_limits

        if not isinstance(self.n_clusters, str) and self.n_clusters < 1:
            raise ValueError(f"n_clusters must be auto, or 1 or more, not {self.n_clusters}.")
        at_most = np.clip(np.sqrt(len(X)) / 2.5, *_DOZEN_TO_SCORE)
        asked = int(at_most) if isinstance(self.n_clusters, str) else self.n_clusters
        count = min(asked, len(X) // self.cells_each)
        Z = principal_components(X, self.n_components)
        if count < 2 or not Z.any():
            return np.zeros(len(X), dtype=np.int64)
        mixture = GaussianMixture(
            count,
            covariance_type="tied",
            reg_covar=self.reg * float(Z.var()),
            n_init=self.n_init,
            random_state=self.random_state,
        )
        # Threads of k-means would add up in any order.
        with threadpool_limits(1), warnings.catch_warnings():
            # Of fewer different rows than clusters, or a fit that could still gain a little.
            warnings.simplefilter("ignore", ConvergenceWarning)
            labels = np.asarray(mixture.fit_predict(Z), dtype=np.int64)
        return self._without_the_smallest(X, labels)


class LouvainClustering(_GraphClustering):
    """Louvain communities on the graph of eqs 6–7.

    Parameters
    ----------
    resolution : float
        Above 1 favours many small clusters: several may match one type, while what is joined here
        cannot be told apart later.
    n_neighbors : int
        Of the graph that geodesic distances are measured on.
    graph : {"geodesic", "knn"}
        Connect cells by geodesic distance (eq. 7), or nearest neighbours alone, by their own
        distance and without a threshold.
    sigma : {"auto", "paper"} or float
        Threshold of eq. 7, see :func:`choose_sigma`.
    min_cluster : int
        Communities under this size are dissolved and their cells labelled by k-NN.
    random_state : int
        Order in which nodes are visited.

    Attributes
    ----------
    labels_, centrality_, density_, n_clusters_, sigma_
        See :class:`NodeDegreeClustering`.
    """

    def __init__(
        self,
        resolution: float = 2.0,
        n_neighbors: int = N_NEIGHBORS,
        graph: Graph = "geodesic",
        sigma: Sigma | float = "auto",
        min_cluster: int = 3,
        random_state: int = 0,
    ) -> None:
        self.resolution = resolution
        self.n_neighbors = n_neighbors
        self.graph = graph
        self.sigma = sigma
        self.min_cluster = min_cluster
        self.random_state = random_state

    def _detect(self, X: Float32, W: Float32, e: Float32) -> Ints:  # noqa: ARG002
        import networkx as nx

        graph = nx.Graph()
        graph.add_nodes_from(range(len(X)))
        rows, columns = np.nonzero(np.triu(e, 1))
        graph.add_weighted_edges_from(
            zip(rows.tolist(), columns.tolist(), e[rows, columns].tolist(), strict=True)
        )
        communities = nx.community.louvain_communities(
            graph, resolution=self.resolution, seed=self.random_state
        )
        labels = np.full(len(X), UNASSIGNED, dtype=np.int64)
        for number, community in enumerate(communities):
            labels[list(community)] = number
        return self._without_the_smallest(X, labels)


def principal_components(X: Float32, count: int = COMPONENTS) -> Float64:
    """Compute the first principal components of some rows.

    Parameters
    ----------
    X : ndarray of float32, shape (n, d)
    count : int
        As many at most.

    Returns
    -------
    ndarray of float64, shape (n, c)
        A column of zeros if all rows are equal.
    """
    from sklearn.decomposition import PCA

    if not np.ptp(X, axis=0).any():
        return np.zeros((len(X), 1))
    return PCA(min(count, *X.shape), random_state=0).fit_transform(X.astype(np.float64))


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
