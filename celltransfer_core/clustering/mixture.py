"""TODO celltransfer_core/clustering/mixture.py."""

from __future__ import annotations

from typing import Literal

import numpy as np

from celltransfer_core.clustering.base import Graph, GraphClustering, Sigma
from celltransfer_core.clustering.components import COMPONENTS, principal_components
from celltransfer_core.neighbors.graph import N_NEIGHBORS
from celltransfer_core.types import Float32, Ints

Auto = Literal["auto"]
_DOZEN_TO_SCORE = 12, 20  # clusters that a person confirms in minutes


class MixtureClustering(GraphClustering):
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
