"""Louvain communities (Blondel et al., 2008), the benchmark of 3.2."""

from __future__ import annotations

import numpy as np

from celltransfer_core.clustering.base import (
    UNASSIGNED,
    Graph,
    GraphClustering,
    Sigma,
    dissolve_small,
)
from celltransfer_core.neighbors.graph import N_NEIGHBORS
from celltransfer_core.types import Float32, Ints


class LouvainClustering(GraphClustering):
    r"""Louvain communities on the graph of eqs 6–7.

    Maximises the modularity with the resolution :math:`\gamma`,

    .. math:: \frac{1}{2 m} \sum_{ij} \left[ e_{ij} - \gamma \frac{d_i d_j}{2 m} \right]
        \delta(c_i, c_j)

    where e are edge weights (eq. 7), d weighted degrees (eq. 8), m the sum of all weights and
    c the clusters.

    Parameters
    ----------
    resolution : float
        γ. Values above 1 favour many small clusters: several of them may match one type, whereas
        types that are joined here cannot be separated later.
    n_neighbors, graph, sigma
        Graph, see :class:`~celltransfer_core.clustering.base.GraphClustering`.
    min_cluster : int
        Communities with fewer cells are dissolved, and their cells labelled by k-NN.
    random_state : int
        Seed of the order in which nodes are visited.

    Attributes
    ----------
    labels_, centrality_, density_, n_clusters_, sigma_, n_features_in_
        See :class:`~celltransfer_core.clustering.base.GraphClustering`.

    Examples
    --------
    >>> import numpy as np
    >>> rng = np.random.default_rng(0)
    >>> X = rng.normal(size=(100, 4))
    >>> X[60:] += 10
    >>> np.bincount(LouvainClustering(resolution=0.5).fit_predict(X)).tolist()
    [60, 40]
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
        super().__init__(n_neighbors, graph, sigma, random_state)
        self.resolution = resolution
        self.min_cluster = min_cluster

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
        return dissolve_small(X, labels, self.min_cluster)
