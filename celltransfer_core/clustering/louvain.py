"""TODO celltransfer_core/clustering/louvain.py."""

from __future__ import annotations

import numpy as np

from celltransfer_core.clustering.base import UNASSIGNED, Graph, GraphClustering, Sigma
from celltransfer_core.neighbors.graph import N_NEIGHBORS
from celltransfer_core.types import Float32, Ints


class LouvainClustering(GraphClustering):
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
