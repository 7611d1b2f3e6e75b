"""What a person says teaches the vote: at once, and without a new transport.

Beside the ensemble's voters four speak that know the query's own domain, each only where a person
has spoken: the type of a confirmed cluster, for its cells by how central they are; a k-NN over
query cells that carry confirmed types; a discriminant between the types as they look in the query;
and the cells that a person typed, whose say grows near them and who correct the others where they
were wrong. The voters' weights follow one rule, from what people said and nothing else.

The outcome is a function of the words that stand, so to take a word back takes back what it
taught. A cell's own word has no part in its own vote: ``predicted_type`` of a typed cell is what
the vote would have said without it, and figures on typed cells are fair.

How the parts are used::

    run = transfer(prepared, named)            # or jobs.load_run: the vote of the ensemble
    run = teach(run, annotations_of(run.matches, run.query.cells, reviews))
    run.predicted, run.vote, run.flagged       # as before, now taught; run.types may be more
    run.taught                                 # UpdatedVote: who decided, distances, unknown cells,
                                               # names of clusters that may be slips
    check_new_type(text)                       # of a type that somebody types in
    calibrate(run.taught)                      # Calibration, or NotYet: what is missing
    prediction_sets(run.taught, random_sample)  # types that cannot be ruled out, cell by cell
    drift(run)                                 # whether a new transport would pay

:func:`celltransfer_core.jobs.load_taught` does all of it for a study.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_array, check_is_fitted

from celltransfer_core.classify.voting import Vote, cell_weights, count_votes
from celltransfer_core.clustering.components import principal_components
from celltransfer_core.matching.rows import group_means
from celltransfer_core.neighbors.knn import normalized_entropy
from celltransfer_core.neighbors.search import nearest, nearest_others
from celltransfer_core.people.posteriors import (
    SEEN,
    _trust,
    discriminated,
    left_out,
    normalised,
    shared,
)
from celltransfer_core.people.updated import KINDS, Annotations, UpdatedVote, all_types
from celltransfer_core.types import Bools, Float32, Float64, Ints

_STRANGE = 0.5  # what the ensemble counts where a cluster is of a type that it does not know
_SETTLED = 2  # typed cells more for than against a cluster's name that end all doubt in it


class VoteUpdater(BaseEstimator):
    r"""The ensemble's voters, joined by four that learn from a person's words.

    Parameters
    ----------
    n_neighbors : int
        Query cells that the k-NN over confirmed types asks.
    own_weight : float
        Prior weight of the cluster's name, and the same of the neighbours and of the
        discriminant, that of the whole ensemble being one.
    prior_words : float
        Annotations that the prior weights are worth: few words move the weights little.
    width : float
        Of the kernel about typed cells: its squared width in units of the squared distance that
        is usual to the last of these neighbours.
    noise : float
        Of the typed cells' words, when there are many: the larger, the more of them it takes to
        outvote the others.
    unknown_quantile : float
        Share of the cells with a confirmed type that lie nearer than the distance from which
        cells are proposed as unknown.

    Attributes
    ----------
    X_ : ndarray of float32, shape (n, d)
    distances_, neighbors_ : ndarray, shape (n, k)
        Of each cell's nearest others.
    components_ : ndarray of float64, shape (n, c)
        The first principal components of X.
    width_ : float
        Squared kernel width.
    n_features_in_ : int

    Notes
    -----
    Let :math:`p_{vc}` be what voter v says of cell c and :math:`s_{vc}` its reach times one minus
    its normalised entropy; where a cluster is of a type that the reference lacks, the ensemble's
    are halved, for it cannot say so. Nor can names of clusters say a type that a person keeps
    though no cluster is called so: theirs, and their neighbours', are as much less as the ensemble
    sees of such types in c.

    The name of a cluster, and what its cells tell their neighbours, is believed as far as it is no
    slip: one name in twenty is another type by chance, and the ensemble's votes on a cluster, worth
    ten cells, are drawn from a Dirichlet-multinomial distribution of its true type, whose
    parameters are five expected cells, three of them right, and the votes on the other clusters of
    that name.

    A word on cell i gives every voter the credit :math:`r_{vi} \propto w_v s_{vi} p_{vi}(y_i)`,
    from prior weights w that sum to one. Weights are
    :math:`(\kappa w_v + \sum_i r_{vi}) / (\kappa + N)`: the first step of
    expectation–maximisation for a mixture under a Dirichlet prior. By the same rule, names of
    clusters have weighed the voters of the ensemble against each other before, each as ten words on
    its cells as far as it is believed. The voters' weighted mean is m.

    The typed cells speak by Gaussian-process regression of what they are on m: with the kernel K
    among them, :math:`f = m + K_{\cdot t} (K_{tt} + \sigma_N^2 I)^{-1} (Y - m_t)`, with the noise
    :math:`\sigma_N^2 = \sigma^2 (1 + \kappa / N)`: of few words, on the oddest cells at that, none
    carries far. Their say in a cell is the share of the variance there that they explain: near one
    close to them, none far away.

    The discriminant starts from q, the vote of the ensemble, of the clusters' names and of the
    neighbours. In the query's first principal components it fits normal distributions with equal
    shares and one covariance, shrunk towards a multiple of the identity, to the cells as they are
    shared out by q (the M step), whose posterior g gives :math:`q \propto \sqrt{p g}`, p being
    where it started (the E step), and so on: the types' means are then those of this stain and
    this microscope. It knows no word on a cell, only those on clusters.

    Everything that bears on cell i's own vote leaves word i out, weights included; the regression
    does so in closed form, with the noise of N words.
    """

    def __init__(
        self,
        n_neighbors: int = 10,
        own_weight: float = 0.5,
        prior_words: float = 20.0,
        width: float = 4.0,
        noise: float = 0.1,
        unknown_quantile: float = 0.97,
    ) -> None:
        self.n_neighbors = n_neighbors
        self.own_weight = own_weight
        self.prior_words = prior_words
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
    ) -> VoteUpdater:
        """Prepare what no word changes.

        Parameters
        ----------
        X : ndarray of float32, shape (n, d)
            The query, as its clusters were found.
        clusters : ndarray of int64, shape (n,)
        centrality : ndarray of float64, shape (n,)
        probabilities : ndarray of float64, shape (V, n, T)
            What the ensemble's voters say.
        weights : ndarray of float64, shape (V,)
            Their prior weights.
        types : sequence of str, length T
        kept : sequence of str
            Those that a person has seen, whatever the clusters are called.

        Returns
        -------
        VoteUpdater
            Itself.
        """
        self.X_ = np.ascontiguousarray(check_array(X, dtype=np.float32))
        n, self.n_features_in_ = self.X_.shape
        if len(clusters) != n or len(centrality) != n or probabilities.shape[1] != n:
            raise ValueError("Clusters, centrality and probabilities must speak of the rows of X.")
        self.clusters_ = clusters
        self.centrality_ = np.round(centrality, 6)  # as in clusters.csv: same words, same bytes
        self.probabilities_, self.weights_, self.types_ = probabilities, weights, tuple(types)
        self.kept_ = np.flatnonzero(np.isin(self.types_, kept))
        self.certainty_ = 1 - normalized_entropy(probabilities)
        say = cell_weights(weights, self.certainty_)
        self.ensemble_ = count_votes(probabilities, say)
        self.mean_ = np.einsum("vn,vnt->nt", say, probabilities)
        n_clusters = int(clusters.max()) + 1
        self.cluster_votes_ = group_means(self.mean_, clusters, n_clusters)
        heard = probabilities * self.certainty_[:, :, None]
        self.heard_ = np.stack([group_means(voter, clusters, n_clusters) for voter in heard])
        self.distances_, self.neighbors_ = nearest_others(self.X_, min(self.n_neighbors, n - 1))
        farthest = float(np.median(self.distances_[:, -1])) if n > 1 else 1.0
        self.width_ = self.width * max(farthest**2, 1e-30)
        self.usual_ = float(np.median(self.distances_[:, 0])) if n > 1 else 1.0
        self.components_ = principal_components(self.X_)
        self.squares_ = (self.X_.astype(np.float64) ** 2).sum(axis=1)
        return self

    def update(self, words: Annotations) -> UpdatedVote:
        """Let all voters vote, those that learn knowing the words.

        Parameters
        ----------
        words : Annotations

        Returns
        -------
        UpdatedVote
            Without words the vote is the ensemble's, bit by bit.
        """
        check_is_fitted(self)
        n, voters = len(self.X_), len(self.weights_)
        types = all_types(self.types_, words)
        if not words:
            return UpdatedVote(
                words=words,
                types=types,
                vote=self.ensemble_,
                ensemble=self.ensemble_,
                probabilities=self.mean_,
                weights=self.weights_ / self.weights_.sum(),
                say=np.tile(np.eye(len(KINDS))[0], (n, 1)),
                distance=np.full(n, np.inf),
                unknown_above=np.inf,
                trust=np.ones(len(self.cluster_votes_)),
            )
        number = {name: place for place, name in enumerate(types)}
        typed = np.array([cell for cell, _ in words.cells], dtype=np.int64)
        answers = np.array([number[name] for _, name in words.cells], dtype=np.int64)
        named = np.full(len(self.cluster_votes_), -1, dtype=np.int64)
        for cluster, name in words.clusters:
            named[cluster] = number[name]
        said = np.eye(len(types))[answers]
        carried = named[self.clusters_]
        trust = _trust(self.cluster_votes_, named)
        trusted = trust[self.clusters_]
        probabilities = np.zeros((voters + 3, n, len(types)))
        probabilities[:voters, :, : len(self.types_)] = self.probabilities_
        certainty = np.ones((voters + 3, n))
        certainty[:voters] = self.certainty_
        # The ensemble cannot say what the reference lacks, however certain it is of something else.
        certainty[:voters, carried >= len(self.types_)] *= _STRANGE
        prior = np.concatenate([self._prior(named, trust), np.full(3, self.own_weight)])
        prior /= prior.sum()

        def listen(place: int, shares: Float64, reach: Float64) -> None:
            probabilities[place] = shares
            certainty[place] = reach * (1 - normalized_entropy(shares))

        # Nor can names say what no cluster is called, where the ensemble sees it.
        seen = self.mean_[:, np.setdiff1d(self.kept_, named)].sum(axis=1)
        called = np.maximum(1 - seen, 0)  # it is one and a rounding where nothing else is seen
        for place, speak in ((-3, self._of_cluster), (-2, self._of_neighbours)):
            shares, reach = speak(carried, trusted, len(types))
            listen(place, shares, reach * called)
        say = cell_weights(prior[:-1], certainty[:-1])
        so_far = np.einsum("vn,vnt->nt", say, probabilities[:-1])
        listen(-1, *self._of_discriminant(carried, so_far))

        right = probabilities[:, typed, answers] * certainty[:, typed]
        credit = shared(prior[:, None] * right, prior[:, None])
        weights = (self.prior_words * prior + credit.sum(axis=1)) / (self.prior_words + len(typed))
        say = cell_weights(weights, certainty)
        counted = count_votes(probabilities, say)
        mean = np.einsum("vn,vnt->nt", say, probabilities)
        winner, near = counted.winner, np.zeros(n)
        if len(typed):
            kernel = self._kernel(typed)
            noise = self.noise * (1 + self.prior_words / len(typed))
            inverse = np.asarray(
                np.linalg.inv(kernel[typed] + noise * np.eye(len(typed))), dtype=np.float64
            )
            near = np.einsum("cn,nm,cm->c", kernel, inverse, kernel, optimize=True)
            mean = mean + kernel @ (inverse @ (said - mean[typed]))
            # A cell's own word has no part in its own vote.
            near[typed] = 1 + noise - 1 / np.diag(inverse)
            without = self.prior_words * prior[:, None] + credit.sum(axis=1)[:, None] - credit
            mean[typed], say[:, typed] = left_out(
                without, certainty[:, typed], probabilities[:, typed], said, inverse
            )
            mean = normalised(np.maximum(mean, 0))
            near = np.clip(near, 0, 1)
            winner = mean.argmax(axis=1)
        spoken = np.where(answers == carried[typed], 1, -1)
        settled = np.bincount(self.clusters_[typed], spoken, len(trust)) >= _SETTLED
        choices = np.vstack([counted.choices, mean.argmax(axis=1)])
        say = np.vstack([say * (1 - near), near])
        best = np.sort(mean, axis=1)
        distance, above = self._distance(carried >= 0, typed)
        return UpdatedVote(
            words=words,
            types=types,
            vote=Vote(
                winner=winner,
                agreement=np.minimum((say * (choices == winner)).sum(axis=0), 1.0),
                confidence=mean[np.arange(n), winner],
                choices=choices,
                margin=best[:, -1] - best[:, -2] if len(types) > 1 else best[:, -1],
            ),
            ensemble=self.ensemble_,
            probabilities=mean,
            weights=weights,
            say=np.column_stack([say[:voters].sum(axis=0), *say[voters:]]),
            distance=distance,
            unknown_above=above,
            trust=trust,
            slips=tuple(np.flatnonzero((trust < 0.5) & ~settled).tolist()),
        )

    def _prior(self, named: Ints, trust: Float64) -> Float64:
        """Weigh the ensemble's voters by how well they knew the clusters that were named."""
        weights = self.weights_ / self.weights_.sum()
        known = np.flatnonzero((named >= 0) & (named < len(self.types_)))
        credit = shared(weights[:, None] * self.heard_[:, known, named[known]], weights[:, None])
        worth = SEEN * trust[known]
        return (self.prior_words * weights + credit @ worth) / (self.prior_words + worth.sum())

    def _kernel(self, typed: Ints) -> Float64:
        """Compute how near each cell is to each typed one, in (0, 1], shape (n, N)."""
        cross = (self.X_ @ self.X_[typed].T).astype(np.float64)
        squared = np.maximum(self.squares_[:, None] + self.squares_[typed] - 2 * cross, 0)
        squared[typed, np.arange(len(typed))] = 0
        return np.exp(-squared / self.width_)

    def _of_cluster(self, carried: Ints, trusted: Float64, n_types: int) -> tuple[Float64, Float64]:
        """Let the confirmed names speak, the more central a cell the louder."""
        known = carried >= 0
        shares = np.full((len(carried), n_types), 1 / n_types)
        shares[known] = np.eye(n_types)[carried[known]]
        return shares, np.where(known, trusted * np.sqrt(self.centrality_), 0.0)

    def _of_neighbours(
        self, carried: Ints, trusted: Float64, n_types: int
    ) -> tuple[Float64, Float64]:
        """Let the nearest others speak that lie in confirmed clusters."""
        said = carried[self.neighbors_]
        known = np.where(said >= 0, trusted[self.neighbors_], 0.0)
        farthest = np.maximum(self.distances_[:, -1:], np.finfo(np.float32).tiny)
        weights = np.exp(-((self.distances_ / farthest) ** 2)) * known
        shares = np.stack([(weights * (said == t)).sum(axis=1) for t in range(n_types)], axis=1)
        return normalised(shares.astype(np.float64)), known.mean(axis=1)

    def _of_discriminant(self, carried: Ints, so_far: Float64) -> tuple[Float64, Float64]:
        """Tell types apart as they look in the query, where neighbours were confirmed."""
        reach = (carried[self.neighbors_] >= 0).mean(axis=1)
        return (discriminated(self.components_, so_far) if reach.any() else so_far), reach

    def _distance(self, confirmed: Bools, typed: Ints) -> tuple[Float64, float]:
        """Measure how far each cell is from what people named, and what is far."""
        n = len(self.X_)
        heart = np.zeros(n, dtype=bool)
        for cluster in np.unique(self.clusters_[confirmed]):
            inside = self.clusters_ == cluster
            heart |= inside & (self.centrality_ >= np.median(self.centrality_[inside]))
        heart[typed] = True
        places = np.flatnonzero(heart)
        found = heart[self.neighbors_]
        distance = np.full(n, np.inf)
        rows = np.flatnonzero(found.any(axis=1))
        distance[rows] = self.distances_[rows, found[rows].argmax(axis=1)]
        rest = np.flatnonzero(~found.any(axis=1))
        if len(rest):
            lists = nearest(self.X_[rest], self.X_[places], min(2, len(places)))
            itself = places[lists[1]] == rest[:, None]
            distance[rest] = np.where(itself, np.inf, lists[0]).min(axis=1)
        distance /= self.usual_ or 1.0
        sure = distance[(confirmed | heart) & np.isfinite(distance)]
        return distance, float(np.quantile(sure, self.unknown_quantile)) if len(sure) else np.inf
