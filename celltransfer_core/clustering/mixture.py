"""A mixture of normal distributions, the default for 3.2."""

from __future__ import annotations

from typing import Literal

import numpy as np

from celltransfer_core.clustering.base import Graph, GraphClustering, Sigma, dissolve_small
from celltransfer_core.clustering.components import COMPONENTS, principal_components
from celltransfer_core.neighbors.graph import N_NEIGHBORS
from celltransfer_core.types import Float32, Ints

Auto = Literal["auto"]
_AUTO_CLUSTERS = 12, 20  # least and most with "auto": a person can confirm them in minutes


class MixtureClustering(GraphClustering):
    r"""A mixture of normal distributions that share one covariance.

    Maximises the likelihood

    .. math:: \prod_i \sum_k \pi_k \mathcal{N}(z_i; \mu_k, \Sigma)

    of the first principal components z; a cell's cluster is its likeliest component k. Clusters
    differ in their means, not in their shape. In units of the spread within a cluster, even a few
    cells of a small type lie far from a large one, whereas a large type is not split as long as
    there is another type to find. A person confirms the clusters, so their number is a parameter.

    Parameters
    ----------
    n_clusters : {"auto"} or int
        Maximum number of clusters; there is at most one per ``cells_each`` cells. ``"auto"``: 12,
        and √n / 2.5 up to 20 in sets of more than 900 cells.
    n_components : int
        Number of principal components of X to which the mixture is fitted.
    cells_each : int
        Minimum mean number of cells per cluster.
    n_init : int
        Number of starts (by k-means); the likeliest fit is kept.
    reg : float
        Ridge added to the diagonal of the covariance, as a share of the components' mean variance.
    n_neighbors, graph, sigma
        Graph on which centrality and density are measured, see
        :class:`~celltransfer_core.clustering.base.GraphClustering`.
    min_cluster : int
        Clusters with fewer cells are dissolved, and their cells labelled by k-NN.
    random_state : int
        Seed of the starts.

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
    >>> np.bincount(MixtureClustering(n_clusters=2).fit_predict(X)).tolist()
    [60, 40]
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
        super().__init__(n_neighbors, graph, sigma, random_state)
        self.n_clusters = n_clusters
        self.n_components = n_components
        self.cells_each = cells_each
        self.n_init = n_init
        self.reg = reg
        self.min_cluster = min_cluster

    def _detect(self, X: Float32, W: Float32, e: Float32) -> Ints:  # noqa: ARG002
        import warnings

        from sklearn.exceptions import ConvergenceWarning
        from sklearn.mixture import GaussianMixture
        from threadpoolctl import threadpool_limits

        if not isinstance(self.n_clusters, str) and self.n_clusters < 1:
            raise ValueError(f"n_clusters must be auto or at least 1, not {self.n_clusters}.")
        auto = np.clip(np.sqrt(len(X)) / 2.5, *_AUTO_CLUSTERS)
        most = int(auto) if isinstance(self.n_clusters, str) else self.n_clusters
        count = min(most, len(X) // self.cells_each)
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
        # The threads of k-means would sum in no fixed order.
        with threadpool_limits(1), warnings.catch_warnings():
            # There may be fewer distinct rows than clusters, or the fit could still improve
            # slightly.
            warnings.simplefilter("ignore", ConvergenceWarning)
            labels = np.asarray(mixture.fit_predict(Z), dtype=np.int64)
        return dissolve_small(X, labels, self.min_cluster)
