"""Update of the vote with annotations, immediate and without a new transport (after 3.4).

In: embeddings, clusters, votes and annotations of the query. Out: the updated vote. It depends only
on the current annotations: withdrawing one removes its effect.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_array, check_is_fitted

from celltransfer_core.classify.voting import Vote, cell_weights, count_votes, margin
from celltransfer_core.clustering.components import principal_components
from celltransfer_core.matching.rows import group_means
from celltransfer_core.neighbors.knn import normalized_entropy
from celltransfer_core.neighbors.search import distance_to_marked, nearest_others
from celltransfer_core.people.posteriors import (
    CLUSTER_CELLS,
    TypedCells,
    Voters,
    combine,
    discriminant_posterior,
    name_posteriors,
    normalized,
    responsibilities,
)
from celltransfer_core.people.updated import KINDS, Annotations, UpdatedVote, all_types
from celltransfer_core.types import Float32, Float64, Ints

_NEW_TYPE = 0.5  # factor on the ensemble's weight if a cluster's type is not in the reference
_SETTLED = 2  # surplus of typed cells for a cluster's name that removes all doubt


class VoteUpdater(BaseEstimator):
    r"""Update the ensemble vote with annotations.

    Four voters join the ensemble. They are trained on the query's own domain, and each has weight
    only where there are annotations:

    - the type of a confirmed cluster, for its cells, weighted by their centrality;
    - a k-NN over query cells of confirmed clusters;
    - a discriminant between the types, fitted to the query;
    - the typed cells, whose weight is highest near them and which correct the other voters.

    Parameters
    ----------
    n_neighbors : int
        Neighbours of each cell in the k-NN over confirmed clusters.
    prior_weight : float
        Prior weight of each of the cluster's type, the neighbours and the discriminant; the whole
        ensemble has 1.
    prior_strength : float
        Number of annotations as which the prior weights count: fewer annotations change them
        little.
    width : float
        Squared width of the kernel around typed cells, in units of the squared median distance to
        the last of the neighbours.
    noise : float
        Variance of the noise of answers on cells if there are many answers: the larger it is, the
        more answers are needed to outvote the other voters.
    unknown_quantile : float
        Share of the cells of confirmed type that lie within the distance above which cells are
        proposed as unknown.

    Attributes
    ----------
    X_ : ndarray of float32, shape (n, d)
    distances_, neighbors_ : ndarray, shape (n, k)
        Nearest other cells of each cell.
    components_ : ndarray of float64, shape (n, c)
        The first principal components of X.
    ensemble_ : Vote
        Vote of the ensemble without annotations.
    width_ : float
        Squared width of the kernel.
    n_features_in_ : int

    Notes
    -----
    Let :math:`p_{vc}` be the probabilities of voter v in cell c, and :math:`s_{vc}` its certainty:
    one minus their normalised entropy, times a factor in [0, 1]. For a cluster's type, the factor
    is the square root of the centrality; for neighbours and the discriminant, it is the share of
    neighbours in confirmed clusters. For the ensemble, it is 1/2 where a cluster's type is not in
    the reference, because the ensemble cannot predict it. Clusters' types, in turn, cannot predict
    a kept type that no cluster has: their certainty and that of the neighbours are multiplied by
    one minus the ensemble's probability of such types.

    A confirmed cluster and its votes for neighbours count with the posterior probability that its
    type is correct. A priori, one in twenty is wrong, with all other types equally likely. The
    ensemble's votes on a cluster, which count as ten cells, follow a Dirichlet-multinomial
    distribution given its true type, with parameters from five expected cells, three of them
    correct, and the votes on the other clusters of that type.

    An answer :math:`y_i` on cell i gives voter v the responsibility :math:`r_{vi} \propto w_v
    s_{vi} p_{vi}(y_i)`, from prior weights w that sum to one. The posterior weights are
    :math:`(\kappa w_v + \sum_i r_{vi}) / (\kappa + N)`: the first step of
    expectation–maximisation for a mixture under a Dirichlet prior. By the same rule, confirmed
    clusters first update the weights within the ensemble, each as ten answers on its cells times
    the posterior probability that its type is correct. The voters' weighted mean is m.

    The typed cells vote by Gaussian-process regression of their answers on m. With the kernel K,
    :math:`f = m + K_{\cdot t} (K_{tt} + \sigma_N^2 I)^{-1} (Y - m_t)`, with the noise
    :math:`\sigma_N^2 = \sigma^2 (1 + \kappa / N)`: few answers, often on unusual cells, have little
    effect on other cells. Their weight in a cell is the share of the variance that they explain
    there: nearly one close to them and zero far away.

    The discriminant starts from the probabilities p of the ensemble, the clusters' types and the
    neighbours. In the first principal components, it fits normal distributions with equal shares
    and one covariance, shrunk towards a multiple of the identity, to the cells with
    responsibilities q (M step). Their posterior g gives :math:`q \propto \sqrt{p g}` (E step). The
    steps are repeated, so that the means are those of the types in this query. It does not use
    typed cells.

    The vote of a typed cell i does not use answer i, nor do its weights. The regression leaves it
    out in closed form, with the noise of N answers. Thus ``predicted_type`` of a typed cell is the
    vote without its answer, and accuracies over typed cells are unbiased.

    Examples
    --------
    The ensemble is uninformative; a person confirms the types of both clusters:

    >>> import numpy as np
    >>> X = np.random.default_rng(0).normal(size=(40, 3))
    >>> X[20:] += 10
    >>> clusters = np.repeat([0, 1], 20)
    >>> ensemble = np.full((1, 40, 2), 0.5)  # one voter, 40 cells, two types
    >>> updater = VoteUpdater().fit(X, clusters, np.ones(40), ensemble, np.ones(1), ("a", "b"))
    >>> updated = updater.update(Annotations(clusters=((0, "b"), (1, "a"))))
    >>> [updated.types[number] for number in updated.vote.winner[[0, 39]]]
    ['b', 'a']
    """

    def __init__(
        self,
        n_neighbors: int = 10,
        prior_weight: float = 0.5,
        prior_strength: float = 20.0,
        width: float = 4.0,
        noise: float = 0.1,
        unknown_quantile: float = 0.97,
    ) -> None:
        self.n_neighbors = n_neighbors
        self.prior_weight = prior_weight
        self.prior_strength = prior_strength
        self.width = width
        self.noise = noise
        self.unknown_quantile = unknown_quantile

    def fit(
        self,
        X: Float32,
        clusters: Ints,
        centrality: Float64,
        probabilities: Float64,
        weights: Float64,
        types: Sequence[str],
        kept: Sequence[str] = (),
    ) -> Self:
        """Compute everything that does not depend on annotations.

        Parameters
        ----------
        X : array-like of float, shape (n, d)
            The query, in the space in which its clusters were detected.
        clusters : ndarray of int64, shape (n,)
            Cluster of each cell.
        centrality : ndarray of float64, shape (n,)
            Centrality of each cell in its cluster, in [0, 1].
        probabilities : ndarray of float64, shape (V, n, T)
            Probabilities of the ensemble's voters.
        weights : ndarray of float64, shape (V,)
            Prior weights of the voters.
        types : sequence of str, length T
        kept : sequence of str
            Types that a person has seen in the query, even if no cluster has them.

        Returns
        -------
        self

        Raises
        ------
        ValueError
            If the arrays do not fit together, or X holds NaN.
        """
        self.X_ = np.ascontiguousarray(check_array(X, dtype=np.float32))
        n, self.n_features_in_ = self.X_.shape
        if len(clusters) != n or len(centrality) != n or probabilities.shape[1] != n:
            raise ValueError("Clusters, centrality and probabilities need one entry per row of X.")
        self.clusters_ = clusters
        # As in clusters.csv, so that a rerun with the file gives the same bytes.
        self.centrality_ = np.round(centrality, 6)
        self.probabilities_, self.weights_, self.types_ = probabilities, weights, tuple(types)
        self.kept_ = np.flatnonzero(np.isin(self.types_, kept))
        self.certainty_ = 1 - normalized_entropy(probabilities)
        self.shares_ = cell_weights(weights, self.certainty_)
        self.ensemble_ = count_votes(probabilities, self.shares_)
        self.mean_ = np.einsum("vn,vnt->nt", self.shares_, probabilities)
        n_clusters = int(clusters.max()) + 1
        self.cluster_votes_ = group_means(self.mean_, clusters, n_clusters)
        certain = probabilities * self.certainty_[:, :, None]
        self.voter_cluster_votes_ = np.stack(
            [group_means(voter, clusters, n_clusters) for voter in certain]
        )
        self.distances_, self.neighbors_ = nearest_others(self.X_, min(self.n_neighbors, n - 1))
        farthest = float(np.median(self.distances_[:, -1])) if n > 1 else 1.0
        self.width_ = self.width * max(farthest**2, 1e-30)
        self.usual_distance_ = float(np.median(self.distances_[:, 0])) if n > 1 else 1.0
        self.components_ = principal_components(self.X_)
        self.squared_norms_ = (self.X_.astype(np.float64) ** 2).sum(axis=1)
        return self

    def update(self, annotations: Annotations) -> UpdatedVote:
        """Update the vote.

        Parameters
        ----------
        annotations : Annotations

        Returns
        -------
        UpdatedVote
            Without annotations, the vote is identical to that of the ensemble.

        Raises
        ------
        NotFittedError
            If ``fit`` was not called before.
        """
        check_is_fitted(self)
        types = all_types(self.types_, annotations)
        if not annotations:
            return self._not_updated(types)
        given = self._given(annotations, types)
        found = combine(
            self._voters(given, len(types)), self._typed_cells(given), self.prior_strength
        )
        n = len(self.X_)
        agree = np.where(given.answers == given.cell_names[given.typed], 1, -1)
        settled = np.bincount(self.clusters_[given.typed], agree, len(given.names)) >= _SETTLED
        distance, above = self._distance(given)
        agreement = (found.cell_weights * (found.choices == found.winner)).sum(axis=0)
        return UpdatedVote(
            annotations=annotations,
            types=types,
            vote=Vote(
                winner=found.winner,
                agreement=np.minimum(agreement, 1.0),
                confidence=found.probabilities[np.arange(n), found.winner],
                choices=found.choices,
                margin=margin(found.probabilities),
            ),
            ensemble=self.ensemble_,
            probabilities=found.probabilities,
            weights=found.weights,
            voter_weights=found.cell_weights,
            distance=distance,
            unknown_above=above,
            name_posteriors=given.posteriors,
            doubted_clusters=tuple(np.flatnonzero((given.posteriors < 0.5) & ~settled).tolist()),
        )

    def _not_updated(self, types: tuple[str, ...]) -> UpdatedVote:
        n = len(self.X_)
        return UpdatedVote(
            annotations=Annotations(),
            types=types,
            vote=self.ensemble_,
            ensemble=self.ensemble_,
            probabilities=self.mean_,
            weights=self.weights_ / self.weights_.sum(),
            voter_weights=np.vstack([self.shares_, np.zeros((len(KINDS) - 1, n))]),
            distance=np.full(n, np.inf),
            unknown_above=np.inf,
            name_posteriors=np.ones(len(self.cluster_votes_)),
        )

    def _given(self, annotations: Annotations, types: tuple[str, ...]) -> _Given:
        """Convert the annotations to numbers, and compute the posteriors of the clusters' names."""
        number = {name: place for place, name in enumerate(types)}
        names = np.full(len(self.cluster_votes_), -1, dtype=np.int64)
        for cluster, name in annotations.clusters:
            names[cluster] = number[name]
        posteriors = name_posteriors(self.cluster_votes_, names)
        return _Given(
            typed=np.array([cell for cell, _ in annotations.cells], dtype=np.int64),
            answers=np.array([number[name] for _, name in annotations.cells], dtype=np.int64),
            names=names,
            posteriors=posteriors,
            cell_names=names[self.clusters_],
            cell_posteriors=posteriors[self.clusters_],
        )

    def _voters(self, given: _Given, n_types: int) -> Voters:
        """Join the ensemble with the cluster's type, the neighbours and the discriminant."""
        n, voters = len(self.X_), len(self.weights_)
        probabilities = np.zeros((voters + 3, n, n_types))
        probabilities[:voters, :, : len(self.types_)] = self.probabilities_
        certainty = np.ones((voters + 3, n))
        certainty[:voters] = self.certainty_
        # The ensemble cannot predict a type that the reference lacks, however certain it is.
        certainty[:voters, given.cell_names >= len(self.types_)] *= _NEW_TYPE
        prior = np.concatenate([self._ensemble_prior(given), np.full(3, self.prior_weight)])
        prior /= prior.sum()
        # Names cannot predict a kept type that no cluster has but that the ensemble predicts.
        unnamed = self.mean_[:, np.setdiff1d(self.kept_, given.names)].sum(axis=1)
        named = np.maximum(1 - unnamed, 0)  # the sum may exceed one by rounding
        for place, predict in ((-3, self._cluster_vote), (-2, self._neighbour_vote)):
            shares, factor = predict(given, n_types)
            probabilities[place] = shares
            certainty[place] = factor * named * (1 - normalized_entropy(shares))
        weights = cell_weights(prior[:-1], certainty[:-1])
        mean = np.einsum("vn,vnt->nt", weights, probabilities[:-1])
        shares, factor = self._discriminant_vote(given, mean)
        probabilities[-1] = shares
        certainty[-1] = factor * (1 - normalized_entropy(shares))
        return Voters(probabilities, certainty, prior)

    def _ensemble_prior(self, given: _Given) -> Float64:
        """Weight the ensemble's voters by their probabilities of the clusters' names."""
        weights = self.weights_ / self.weights_.sum()
        known = np.flatnonzero((given.names >= 0) & (given.names < len(self.types_)))
        likelihood = self.voter_cluster_votes_[:, known, given.names[known]]
        credit = responsibilities(weights[:, None] * likelihood, weights[:, None])
        count = CLUSTER_CELLS * given.posteriors[known]
        strength = self.prior_strength
        return (strength * weights + credit @ count) / (strength + count.sum())

    def _cluster_vote(self, given: _Given, n_types: int) -> tuple[Float64, Float64]:
        """Predict a cluster's name for its cells, with certainty increasing with centrality."""
        known = given.cell_names >= 0
        shares = np.full((len(known), n_types), 1 / n_types)
        shares[known] = np.eye(n_types)[given.cell_names[known]]
        return shares, np.where(known, given.cell_posteriors * np.sqrt(self.centrality_), 0.0)

    def _neighbour_vote(self, given: _Given, n_types: int) -> tuple[Float64, Float64]:
        """Predict from the names of the clusters of the nearest other cells."""
        names = given.cell_names[self.neighbors_]
        known = np.where(names >= 0, given.cell_posteriors[self.neighbors_], 0.0)
        farthest = np.maximum(self.distances_[:, -1:], np.finfo(np.float32).tiny)
        weights = np.exp(-((self.distances_ / farthest) ** 2)) * known
        shares = np.stack([(weights * (names == t)).sum(axis=1) for t in range(n_types)], axis=1)
        return normalized(shares.astype(np.float64)), known.mean(axis=1)

    def _discriminant_vote(self, given: _Given, mean: Float64) -> tuple[Float64, Float64]:
        """Predict from types fitted to the query, where neighbours are confirmed."""
        confirmed = (given.cell_names[self.neighbors_] >= 0).mean(axis=1)
        if not confirmed.any():
            return mean, confirmed
        return discriminant_posterior(self.components_, mean), confirmed

    def _typed_cells(self, given: _Given) -> TypedCells:
        """Compute the similarity of each cell to each typed one."""
        typed, count = given.typed, len(given.typed)
        cross = (self.X_ @ self.X_[typed].T).astype(np.float64)
        squared = self.squared_norms_[:, None] + self.squared_norms_[typed] - 2 * cross
        squared = np.maximum(squared, 0)
        squared[typed, np.arange(count)] = 0
        noise = self.noise * (1 + self.prior_strength / max(count, 1))
        return TypedCells(typed, given.answers, np.exp(-squared / self.width_), noise)

    def _distance(self, given: _Given) -> tuple[Float64, float]:
        """Measure each cell's distance to annotated cells, and the threshold for unknown cells."""
        confirmed = given.cell_names >= 0
        annotated = np.zeros(len(self.X_), dtype=bool)
        for cluster in np.unique(self.clusters_[confirmed]):
            inside = self.clusters_ == cluster
            annotated |= inside & (self.centrality_ >= np.median(self.centrality_[inside]))
        annotated[given.typed] = True
        distance = distance_to_marked(self.X_, annotated, self.distances_, self.neighbors_)
        distance /= self.usual_distance_ or 1.0
        known = distance[(confirmed | annotated) & np.isfinite(distance)]
        return distance, float(np.quantile(known, self.unknown_quantile)) if len(known) else np.inf


@dataclass(frozen=True)
class _Given:
    """Annotations as numbers: N typed cells, K clusters, n cells."""

    typed: Ints
    """Cell numbers, shape (N,)."""
    answers: Ints
    """Their type numbers, shape (N,)."""
    names: Ints
    """Number of the type confirmed for each cluster, shape (K,); −1 if unconfirmed."""
    posteriors: Float64
    """Probability that each name is correct, shape (K,)."""
    cell_names: Ints
    """Name of each cell's cluster, shape (n,)."""
    cell_posteriors: Float64
    """Probability that this name is correct, shape (n,)."""
