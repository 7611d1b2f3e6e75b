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
    run = teach(run, words_of(run.matches, run.query.cells, reviews))
    run.predicted, run.vote, run.flagged       # as before, now taught; run.types may be more
    run.taught                                 # Taught: who decided, distances, unknown cells,
                                               # names of clusters that may be slips
    check_new_type(text)                       # of a type that somebody types in
    calibrate(run.taught)                      # Calibration, or NotYet: what is missing
    prediction_sets(run.taught, random_sample)  # types that cannot be ruled out, cell by cell
    drift(run)                                 # whether a new transport would pay

:func:`celltransfer_core.jobs.load_taught` does all of it for a study.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from scipy.special import gammaln, softmax
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_array, check_is_fitted

from celltransfer_core.clustering import principal_components
from celltransfer_core.errors import DataError
from celltransfer_core.matching import NONE_TYPE, Match, group_means
from celltransfer_core.neighbors import nearest, nearest_others, normalized_entropy
from celltransfer_core.review import ANSWERS, Review, settled_answers
from celltransfer_core.types import Bools, Float32, Float64, Ints
from celltransfer_core.voting import Vote, count_votes, share_of_say

if TYPE_CHECKING:
    from celltransfer_core.pipeline import RunResult

KINDS = ("ensemble", "cluster", "neighbours", "discriminant", "typed")
"""Kinds of voters, as columns of :attr:`Taught.say`."""

PAYS = 0.1
"""A new transport pays when proportions have moved by more than this (total variation)."""

CALIBRATED_FROM = 30
"""Typed cells that a calibration needs."""

COVERAGE = 0.9
"""Of the cells of each type, those whose set of types is to hold it."""

PRIOR_CURVE = (1.5, 0.0)
"""Slope and intercept that a calibration is drawn towards. A weighted mean of voters is too modest
even where each of them is right about itself (Ranjan & Gneiting, JRSS B 72:71, 2010)."""

PRIOR_VARIANCE = 1.0
"""Of slope and intercept about these."""

MOST_LETTERS = 60
"""Characters in the name of a new type."""

_LEAST = 1e-3  # confidence is cut at this distance from 0 and 1 before its odds are taken
_MOST_STEPS = 100  # of the fit of a calibration
_ROUNDS = 10
_SHRINKAGE = 0.1
_STRANGE = 0.5  # what the ensemble counts where a cluster is of a type that it does not know
_SLIP = 0.05  # how often a person names a cluster or a cell wrongly
_SEEN = 10.0  # cells that the votes on a cluster are worth, as they err together
_EXPECTED, _RIGHT = 5.0, 0.6  # cells that its expected votes are worth, and how many are right
_SETTLED = 2  # typed cells more for than against a cluster's name that end all doubt in it
_AT_ONCE = 64  # typed cells whose own word is left out at once


@dataclass(frozen=True)
class Words:
    """What people said that a vote can learn from; equal words teach the same."""

    clusters: tuple[tuple[int, str], ...] = ()
    """Position of each confirmed cluster and its type, ascending; without those of none."""
    cells: tuple[tuple[int, str], ...] = ()
    """Number of each typed query cell and its type, ascending."""

    def __bool__(self) -> bool:
        return bool(self.clusters or self.cells)


def words_of(matches: Sequence[Match], cells: Sequence[str], reviews: Sequence[Review]) -> Words:
    """Collect what the vote can learn from.

    Parameters
    ----------
    matches : sequence of Match
        Of every cluster; confirmed ones count.
    cells : sequence of str, length n
        Hashes of the query's cells, sorted.
    reviews : sequence of Review
        In the order they were made. Several readers of one cell settle it as in
        :func:`celltransfer_core.review.final_types`; cells that are unsure, disputed, an artefact
        or none of the types teach nothing.

    Returns
    -------
    Words
    """
    place = {cell: number for number, cell in enumerate(cells)}
    typed = {
        place[cell]: answer
        for cell, answer in settled_answers(reviews).items()
        if cell in place and answer not in ANSWERS
    }
    return Words(
        tuple(
            (match.cluster, match.matched_type)
            for match in matches
            if match.confirmed and match.matched_type != NONE_TYPE
        ),
        tuple(sorted(typed.items())),
    )


def check_new_type(name: str) -> str:
    """Bring the name of a type that somebody typed in to its proper form.

    Parameters
    ----------
    name : str

    Returns
    -------
    str
        Without spaces around it.

    Raises
    ------
    DataError
        If it is empty, too long, has characters that cannot be read, or is an answer.
    """
    name = name.strip()
    if not name or not any(letter.isalnum() for letter in name):
        raise DataError("Type a name with at least one letter for the new type.")
    if len(name) > MOST_LETTERS:
        raise DataError(f"{name[:20]}… is longer than {MOST_LETTERS} characters; shorten it.")
    if not name.isprintable():
        raise DataError(f"{name!r} holds characters that cannot be shown; type it anew.")
    if name.lower() in ANSWERS:
        raise DataError(f"{name!r} is an answer and cannot name a type; choose another name.")
    return name


@dataclass(frozen=True)
class Taught:
    """The vote that people taught; n query cells, T types, V voters of the ensemble."""

    words: Words
    types: tuple[str, ...]
    """The reference's kept types, then others that somebody named, length T."""
    vote: Vote
    """Of all voters; ``choices`` has the ensemble's first, then one row a kind (V + 4, n)."""
    ensemble: Vote
    """Of the ensemble alone."""
    probabilities: Float64
    """Shape (n, T), not calibrated."""
    weights: Float64
    """What each voter but the typed cells counts now, shape (V + 3,), summing to one."""
    say: Float64
    """Who decided: share of the say of each of :data:`KINDS` in each cell, shape (n, 5)."""
    distance: Float64
    """To the nearest cell that somebody typed or that is at the heart of a confirmed cluster, in
    units of what is usual between neighbours of the query, shape (n,); infinite before any."""
    unknown_above: float
    """Distance from which a cell is proposed as unknown."""
    trust: Float64
    """Probability that the name of each cluster is no slip, shape (number of clusters,); 1 where
    nobody named it or the reference lacks the type."""
    slips: tuple[int, ...] = ()
    """Positions of the clusters whose name is more likely wrong than right, unless cells that were
    typed settle it."""

    @property
    def unknown(self) -> Bools:
        """Cells far from everything that people named, shape (n,)."""
        return np.isfinite(self.distance) & (self.distance > self.unknown_above)


class TaughtVote(BaseEstimator):
    r"""The ensemble's voters, joined by four that learn from a person's words.

    Parameters
    ----------
    n_neighbors : int
        Query cells that the k-NN over confirmed types asks.
    own_weight : float
        Prior weight of the cluster's name, and the same of the neighbours and of the
        discriminant, that of the whole ensemble being one.
    prior_words : float
        Words that the prior weights are worth: few words move the weights little.
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
    ) -> TaughtVote:
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
        TaughtVote
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
        say = share_of_say(weights, self.certainty_)
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

    def teach(self, words: Words) -> Taught:
        """Let all voters vote, those that learn knowing the words.

        Parameters
        ----------
        words : Words

        Returns
        -------
        Taught
            Without words the vote is the ensemble's, bit by bit.
        """
        check_is_fitted(self)
        n, voters = len(self.X_), len(self.weights_)
        types = _all_types(self.types_, words)
        if not words:
            return Taught(
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
        say = share_of_say(prior[:-1], certainty[:-1])
        so_far = np.einsum("vn,vnt->nt", say, probabilities[:-1])
        listen(-1, *self._of_discriminant(carried, so_far))

        right = probabilities[:, typed, answers] * certainty[:, typed]
        credit = _shared(prior[:, None] * right, prior[:, None])
        weights = (self.prior_words * prior + credit.sum(axis=1)) / (self.prior_words + len(typed))
        say = share_of_say(weights, certainty)
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
            mean[typed], say[:, typed] = _left_out(
                without, certainty[:, typed], probabilities[:, typed], said, inverse
            )
            mean = _normalised(np.maximum(mean, 0))
            near = np.clip(near, 0, 1)
            winner = mean.argmax(axis=1)
        spoken = np.where(answers == carried[typed], 1, -1)
        settled = np.bincount(self.clusters_[typed], spoken, len(trust)) >= _SETTLED
        choices = np.vstack([counted.choices, mean.argmax(axis=1)])
        say = np.vstack([say * (1 - near), near])
        best = np.sort(mean, axis=1)
        distance, above = self._distance(carried >= 0, typed)
        return Taught(
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
        credit = _shared(weights[:, None] * self.heard_[:, known, named[known]], weights[:, None])
        worth = _SEEN * trust[known]
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
        return _normalised(shares.astype(np.float64)), known.mean(axis=1)

    def _of_discriminant(self, carried: Ints, so_far: Float64) -> tuple[Float64, Float64]:
        """Tell types apart as they look in the query, where neighbours were confirmed."""
        reach = (carried[self.neighbors_] >= 0).mean(axis=1)
        return (_discriminated(self.components_, so_far) if reach.any() else so_far), reach

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


def _discriminated(Z: Float64, begin: Float64) -> Float64:
    """Fit a normal distribution a type to shared-out rows, and share them out by these, by turns.

    ``begin`` are the shares to begin with, shape (n, T); see :class:`TaughtVote`.
    """
    n, width = Z.shape
    shares = begin
    square = Z.T @ Z
    for _ in range(_ROUNDS):
        counts = shares.sum(axis=0)
        there = counts >= min(1.0, counts.max())  # of less than a cell nothing can be learned
        means = (shares.T @ Z) / np.maximum(counts, 1)[:, None]
        within = (square - (means * counts[:, None]).T @ means) / n
        even = max(float(np.trace(within)) / width, np.finfo(np.float32).tiny)
        covariance = (1 - _SHRINKAGE) * within + _SHRINKAGE * even * np.eye(width)
        directions = np.linalg.solve(covariance, means.T)
        odds = Z @ directions - (means.T * directions).sum(axis=0) / 2
        odds = np.where(there, odds, -np.inf)
        posterior = np.exp(odds - odds.max(axis=1, keepdims=True))
        shares = _normalised(np.sqrt(begin * _normalised(posterior)))
    return shares


def _trust(votes: Float64, named: Ints) -> Float64:
    """Weigh each cluster's name against the ensemble's votes; see :class:`TaughtVote`.

    ``votes`` are the ensemble's on each cluster, shape (K, T), ``named`` the names' types, shape
    (K,): under 0 where there is none, from T on where the reference lacks it.
    """
    n_types = votes.shape[1]
    trust = np.ones(len(votes))
    known = (named >= 0) & (named < n_types)
    if n_types < 2 or not known.any():
        return trust
    name = np.eye(n_types)[named[known]]
    seen = _SEEN * votes[known]
    other = 1 / (n_types - 1)
    expected = _EXPECTED * np.where(np.eye(n_types) > 0, _RIGHT, (1 - _RIGHT) * other)
    # By cluster, type it may be and type voted for; a cluster has no part in what is expected.
    drawn = expected + (name.T @ seen)[None] - name[:, :, None] * seen[:, None, :]
    odds = np.log(np.where(name > 0, 1 - _SLIP, _SLIP * other))
    total = drawn.sum(axis=2)
    odds += gammaln(total) - gammaln(total + _SEEN)
    odds += (gammaln(drawn + seen[:, None, :]) - gammaln(drawn)).sum(axis=2)
    trust[known] = (softmax(odds, axis=1) * name).sum(axis=1)
    return trust


def _normalised(shares: Float64) -> Float64:
    """Scale to sum to one; nothing at all is spread evenly."""
    total = shares.sum(axis=-1, keepdims=True)
    even = np.full_like(shares, 1 / shares.shape[-1])
    return np.divide(shares, total, out=even, where=total > 0)


def _left_out(
    weights: Float64,
    certainty: Float64,
    probabilities: Float64,
    said: Float64,
    inverse: Float64,
) -> tuple[Float64, Float64]:
    """Vote on each of N typed cells as if its own word had not been said; nothing is approximated.

    ``weights``, shape (V, N), leave out one word in each column. Returns probabilities (N, T) and
    the voters' say (V, N).
    """
    count = len(said)
    mean, say = np.zeros_like(said), np.zeros_like(certainty)
    for start in range(0, count, _AT_ONCE):
        left = np.arange(start, min(start + _AT_ONCE, count))
        shares = share_of_say(
            np.repeat(weights[:, left], count, axis=1), np.tile(certainty, (1, len(left)))
        ).reshape(len(weights), len(left), count)
        others = np.einsum("vln,vnt->lnt", shares, probabilities, optimize=True)
        at = np.arange(len(left))
        own = np.diag(inverse)[left][:, None]
        rest = said - others
        rest[at, left] = 0
        mean[left] = others[at, left] - np.einsum("ln,lnt->lt", inverse[left], rest) / own
        say[:, left] = shares[:, at, left]
    return mean, say


def _shared(credit: Float64, prior: Float64) -> Float64:
    """Scale each word's credit to sum to one; where nobody deserves any, as before."""
    total = credit.sum(axis=0)
    return np.where(total > 0, credit / np.where(total > 0, total, 1), prior)


def _all_types(kept: Sequence[str], words: Words) -> tuple[str, ...]:
    said = {name for _, name in (*words.clusters, *words.cells)}
    return (*kept, *sorted(said - set(kept)))


@dataclass(frozen=True)
class NotYet:
    """What is missing before a figure can be trusted; no figure stands in for it."""

    missing: int
    """Cells that have to be typed,"""
    of_type: str = ""
    """of this type, where one is meant,"""
    blind: bool = False
    """and in the random sample, where that counts."""

    def __str__(self) -> str:
        what = f"{self.missing} more cell{'s' if self.missing > 1 else ''}"
        what += f" of type {self.of_type}" if self.of_type else ""
        return f"Not yet: {what} {'of the blind sample ' if self.blind else ''}must be typed."


@dataclass(frozen=True)
class Calibration:
    """What the vote's confidence is worth, from the cells that people typed."""

    slope: float
    intercept: float
    """Of the log odds of being right on those of the confidence."""
    confidence: Float64
    """Of each cell that its predicted type is right, shape (n,)."""
    typed: Float64
    """The same of the typed cells, each by the others, shape (N,)."""
    right: Bools
    """Whether the vote agrees there with what people said, shape (N,)."""


def calibrate(taught: Taught) -> Calibration | NotYet:
    """Learn from typed cells what confidence is worth.

    A logistic curve of two parameters is fitted to whether the vote, which does not know a typed
    cell's own word, agrees with that word. One word in twenty is taken for a slip, another type by
    chance: otherwise a single slip on a cell that the vote is sure of would make all cells look
    doubtful. The curve is drawn towards one that is a little steeper than the identity, so that it
    needs few cells. Cells of the queue were picked for their doubt, and of cells of one confidence
    they are those that are right less often, which makes the curve rather too modest than too sure;
    the random sample holds it where the vote is sure.

    Parameters
    ----------
    taught : Taught

    Returns
    -------
    Calibration or NotYet
        At least :data:`CALIBRATED_FROM` typed cells are needed.
    """
    cells = np.array([cell for cell, _ in taught.words.cells], dtype=np.int64)
    if len(cells) < CALIBRATED_FROM:
        return NotYet(CALIBRATED_FROM - len(cells))
    said = np.array([name for _, name in taught.words.cells])
    agrees = np.array(taught.types)[taught.vote.winner[cells]] == said
    odds = _log_odds(taught.vote.confidence)
    by_chance = _SLIP / max(len(taught.types) - 1, 1)
    everything = np.ones((1, len(cells)))
    whole = _logistic(odds[cells], agrees, everything, by_chance, np.array(PRIOR_CURVE))[0]
    # Then with each left out, which moves the curve but little.
    curves = _logistic(odds[cells], agrees, 1 - np.eye(len(cells)), by_chance, whole)
    slope, intercept = whole.tolist()
    return Calibration(
        slope=slope,
        intercept=intercept,
        confidence=_probability(slope * odds + intercept),
        typed=_probability(curves[:, 0] * odds[cells] + curves[:, 1]),
        right=agrees,
    )


def _log_odds(share: Float64) -> Float64:
    share = np.clip(share, _LEAST, 1 - _LEAST)
    return np.log(share / (1 - share))


def _probability(log_odds: Float64) -> Float64:
    return 1 / (1 + np.exp(-log_odds))


def _logistic(
    x: Float64, agrees: Bools, heard: Float64, by_chance: float, start: Float64
) -> Float64:
    """Fit slope and intercept by Fisher's scoring, drawn towards a normal prior.

    Several curves at once: a row of ``heard``, shape (R, N), says which cells one is fitted to,
    ``start``, shape (2,), where all begin. A word agrees with a right vote unless it is a slip, and
    with a wrong one ``by_chance``.
    """
    design = np.column_stack([x, np.ones(len(x))])
    products = (design[:, :, None] * design[:, None, :]).reshape(len(x), 4)
    curves = np.tile(start, (len(heard), 1))
    reach = 1 - _SLIP - by_chance
    for _ in range(_MOST_STEPS):
        p = _probability(curves @ design.T)
        agreement = by_chance + reach * p
        per_odds = reach * p * (1 - p)
        told = heard * per_odds / (agreement * (1 - agreement))
        slope = (told * (agrees - agreement)) @ design - (curves - PRIOR_CURVE) / PRIOR_VARIANCE
        bend = ((told * per_odds) @ products).reshape(-1, 2, 2) + np.eye(2) / PRIOR_VARIANCE
        step = np.linalg.solve(bend, slope[:, :, None])[:, :, 0]
        curves = curves + step
        if np.abs(step).max() < 1e-6:
            break
    return curves


@dataclass(frozen=True)
class PredictionSets:
    """Sets of types that hold the right one with a chosen probability, type by type."""

    coverage: float
    holds: Bools
    """Whether each cell's set holds each type, shape (n, T); a type without enough typed cells is
    in every set, for nothing is known against it."""
    missing: Mapping[str, NotYet]
    """Types that need more cells of the blind sample before they can be left out."""

    def of(self, cell: int, types: Sequence[str]) -> list[str]:
        """List the types in a cell's set, those aside of which too little is known."""
        return [
            name
            for name, held in zip(types, self.holds[cell].tolist(), strict=True)
            if held and name not in self.missing
        ]


def prediction_sets(
    taught: Taught, sample: Sequence[int], *, coverage: float = COVERAGE
) -> PredictionSets:
    """Give each cell the types that cannot be ruled out (Mondrian conformal prediction).

    Parameters
    ----------
    taught : Taught
    sample : sequence of int
        From :func:`celltransfer_core.review.random_sample`; other typed cells do not count, for
        they were picked because they are doubtful.
    coverage : float
        Probability, for the cells of every type, that the set holds it.

    Returns
    -------
    PredictionSets
        A type is left out where its probability is among the lowest that cells of this type have
        in the random sample, each voted on without its own word.
    """
    words, chosen = dict(taught.words.cells), set(sample)
    holds = np.ones((len(taught.probabilities), len(taught.types)), dtype=bool)
    missing = {}
    needed = int(np.ceil(coverage / (1 - coverage) - 1e-9))
    for number, name in enumerate(taught.types):
        cells = [cell for cell, said in words.items() if said == name and cell in chosen]
        if len(cells) < needed:
            missing[name] = NotYet(needed - len(cells), name, blind=True)
            continue
        scores = np.sort(1 - taught.probabilities[cells, number])
        place = int(np.ceil((len(cells) + 1) * coverage - 1e-9)) - 1
        holds[:, number] = 1 - taught.probabilities[:, number] <= scores[place]
    return PredictionSets(coverage, holds, missing)


@dataclass(frozen=True)
class Drift:
    """How far the proportions have moved from those that transport was made to."""

    before: Mapping[str, float]
    now: Mapping[str, float]
    total_variation: float
    """Half the sum of the differences, 0 to 1."""

    @property
    def pays(self) -> bool:
        """Whether a new transport would pay."""
        return self.total_variation > PAYS


def teach(run: RunResult, words: Words, teacher: TaughtVote | None = None) -> RunResult:
    """Let people's words teach the vote of a run.

    Parameters
    ----------
    run : RunResult
        Not taught yet.
    words : Words
        From :func:`words_of`.
    teacher : TaughtVote, optional
        From :func:`teacher_of`, to use again for other words.

    Returns
    -------
    RunResult
        Its types are followed by those that people named beside them, its vote is the taught one,
        and ``taught`` says the rest. Where nobody said anything it is the same run.
    """
    if not words:
        return run
    teacher = teacher or teacher_of(run)
    taught = teacher.teach(words)
    more = len(taught.types) - len(run.types)
    return replace(
        run,
        types=taught.types,
        proportions=np.pad(run.proportions, (0, more)),
        filtered={name: n for name, n in run.filtered.items() if name not in taught.types},
        voters=tuple(
            replace(voter, probabilities=np.pad(voter.probabilities, ((0, 0), (0, more))))
            for voter in run.voters
        ),
        vote=taught.vote,
        taught=taught,
    )


def teacher_of(run: RunResult) -> TaughtVote:
    """Prepare the teaching of a run; takes a second or two for 10,000 cells.

    Parameters
    ----------
    run : RunResult
        Not taught yet.

    Returns
    -------
    TaughtVote
    """
    return TaughtVote().fit(
        run.features,
        run.clusters.labels,
        run.clusters.centrality,
        np.stack([voter.probabilities for voter in run.voters]),
        np.array([voter.weight for voter in run.voters]),
        run.types,
        run.config.keep,
    )


def drift(run: RunResult) -> Drift:
    """Compare the proportions that the vote gives with those that transport was made to.

    Parameters
    ----------
    run : RunResult
        Taught.

    Returns
    -------
    Drift
    """
    shares = np.bincount(run.vote.winner, minlength=len(run.types)) / len(run.vote.winner)
    return Drift(
        dict(zip(run.types, run.proportions.tolist(), strict=True)),
        dict(zip(run.types, shares.tolist(), strict=True)),
        float(np.abs(shares - run.proportions).sum() / 2),
    )
