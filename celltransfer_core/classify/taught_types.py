"""Summary of the types in one domain: a linear map learned from embeddings and types of cells.

Only one mean per type and one covariance within types are used. Answers given later move the means
(:func:`add_answers`). Not in the paper.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from scipy.linalg import solve_triangular

from celltransfer_core.types import Bools, Float64, Floats, Ints

SHRINKAGE = 0.3
"""Shrinkage of the covariance towards a multiple of the identity:
tests/benchmarks/memory_of_a_lab.py."""

FOLDS = 5
"""Number of parts that are left out one after another for measurement and calibration."""

COMMON = 0.99
"""Share of the left-out cells that count as similar to one of the types."""

ANSWER = 2.0
"""Number of training cells that an answer on a cell of a later batch counts as:
tests/benchmarks/memory_of_a_lab.py."""

MEAN_ELSEWHERE = 1.0
"""Number of training cells that the mean of a type in another laboratory counts as:
tests/benchmarks/memory_of_a_lab.py."""

_POWERS = np.geomspace(0.02, 2.0, 60)
_RANK = 1e-8  # of the largest: smaller eigenvalues are rounding errors
_AT_ONCE = 2_000_000  # numbers: memory must not grow with cells times types squared
_LEAST = 1e-6  # lower limit of a probability before its logarithm is taken


class TypesElsewhere(NamedTuple):
    """The same T types in another laboratory, such as the reference of the study."""

    means: Floats
    """Mean of each type there, shape (T, d); NaN for a type that is unknown there."""
    apart: Floats
    """Differences between m cells there and the means of their types, shape (m, d)."""


class LinearTypes(NamedTuple):
    """A linear map from d numbers per cell to the log odds of T types."""

    weights: Float64
    """Shape (d, T)."""
    intercept: Float64
    """Shape (T,)."""


class TypeCentres(NamedTuple):
    """Centres of T types in log odds; cells far from all of them are of no known type."""

    odds: Float64
    """Log odds of the mean of each type, shape (T, T)."""
    metric: Float64
    """Metric of squared distances between log odds, shape (T, T); all but 1 % of the left-out cells
    lie within 1 of a mean."""


@dataclass(frozen=True)
class TypeMeans:
    """Means of T types, in a space in which the covariance within types is the identity."""

    means: Float64
    """Shape (T, d)."""
    counts: Float64
    """Number of training cells of each type, shape (T,)."""
    power: float
    """Factor of the log odds, see :func:`teach_types`."""
    limit: float
    """Squared distance from the nearest type within which all but 1 % of the left-out cells
    lie."""

    @property
    def there(self) -> Bools:
        """Which types have at least one cell, shape (T,)."""
        return np.asarray(self.counts >= min(1.0, self.counts.max()))

    @property
    def types(self) -> LinearTypes:
        """Log odds of rows of the space; the intercept of a type that is not there is −inf."""
        intercept = np.where(self.there, -(self.means**2).sum(axis=1) / 2, -np.inf)
        return LinearTypes(self.power * self.means.T, self.power * intercept)

    @property
    def centres(self) -> TypeCentres:
        """Centres of the types that are there; the metric is that of the covariance."""
        own = self.means[self.there] @ self.means[self.there].T
        metric = np.linalg.pinv(own, _RANK, hermitian=True).astype(np.float64)
        odds = self.power * (own - np.diag(own) / 2)
        return TypeCentres(odds, metric / self.limit / self.power**2)


class TaughtTypes(NamedTuple):
    """Learned types, and their performance on left-out cells."""

    found: LinearTypes
    """Calibrated linear map."""
    agreement: float
    """Share of cells that are predicted as their likeliest type when left out."""
    centres: TypeCentres
    left_out: Ints
    """Number of the likeliest type of each cell when left out, shape (n,)."""
    unlike: Float64
    """Distance of each cell from the nearest type when left out, see :func:`distance_to_types`,
    shape (n,)."""
    root: Float64
    """Embeddings times this matrix are rows of the space of ``means``, shape (d, d)."""
    means: TypeMeans
    """The same types, to which answers can be added."""


def fit_types(X: Floats, shares: Float64, elsewhere: TypesElsewhere | None = None) -> LinearTypes:
    r"""Fit a normal distribution to each type, all with the same covariance.

    .. math:: \log p(k \mid x) = x^T \Sigma^{-1} \mu_k - \tfrac12 \mu_k^T \Sigma^{-1} \mu_k + c

    where :math:`\Sigma` is the shrunk covariance within types. Types are equally likely a priori,
    because later slides have other proportions.

    Parameters
    ----------
    X : ndarray of float, shape (n, d)
    shares : ndarray of float64, shape (n, T)
        Probability of each type in each cell; one for the answer of a person.
    elsewhere : TypesElsewhere, optional
        Types vary alike in all laboratories, and X may hold few cells of a type. The differences
        there count as much for the covariance as those within X. The mean of a type there, shifted
        by the offset between the laboratories, counts as :data:`MEAN_ELSEWHERE` cells of it.

    Returns
    -------
    LinearTypes
        The intercept of a type with less than one cell is −inf, because nothing is known of it.

    Examples
    --------
    >>> X = np.array([[0.0], [0.2], [4.0], [4.2]])
    >>> found = fit_types(X, np.eye(2)[[0, 0, 1, 1]])
    >>> (np.array([[0.5], [3.0]]) @ found.weights + found.intercept).argmax(axis=1).tolist()
    [0, 1]
    """
    apart = 0.0 if elsewhere is None else _gram(elsewhere.apart)
    lower, means = _fit(X, shares, _gram(X), elsewhere, apart)
    return LinearTypes(_weights(lower, means), means.types.intercept)


def _gram(X: Floats) -> Float64:
    rows = X.astype(np.float64)
    return np.asarray(rows.T @ rows)


def _fit(
    X: Floats,
    shares: Float64,
    gram: Float64,
    elsewhere: TypesElsewhere | None,
    gram_elsewhere: Float64 | float,
) -> tuple[Float64, TypeMeans]:
    """Fit the types, given sums of products that are computed once for all parts.

    Returns the lower Cholesky factor of the covariance, and the means in its space.
    """
    rows = X.astype(np.float64)
    counts = shares.sum(axis=0)
    means = (shares.T @ rows) / np.maximum(counts, np.finfo(np.float64).tiny)[:, None]
    scatter, cells = gram - (means * counts[:, None]).T @ means, len(rows)
    if elsewhere is not None:
        scatter, cells = scatter + gram_elsewhere, cells + len(elsewhere.apart)
        means = _with_means_elsewhere(means, counts, elsewhere.means.astype(np.float64))
    within, width = scatter / cells, rows.shape[1]
    variance = max(float(np.trace(within)) / width, np.finfo(np.float32).tiny)
    covariance = (1 - SHRINKAGE) * within + SHRINKAGE * variance * np.eye(width)
    lower = np.linalg.cholesky(covariance)
    white = solve_triangular(lower, means.T, lower=True).T
    return lower, TypeMeans(white, counts, 1.0, 1.0)


def _weights(lower: Float64, means: TypeMeans) -> Float64:
    """Return the weights of the log odds of embeddings, shape (d, T)."""
    return np.asarray(solve_triangular(lower, means.types.weights, lower=True, trans=1))


def _with_means_elsewhere(means: Float64, counts: Float64, elsewhere: Float64) -> Float64:
    """Average the mean of each type with that of another laboratory, shifted by their offset."""
    known = np.isfinite(elsewhere).all(axis=1) & (counts > 0)
    if not known.any():
        return means
    own = (counts / (counts + MEAN_ELSEWHERE))[known]
    offset = own @ (means[known] - elsewhere[known]) / own.sum()
    mixed = means.copy()
    mixed[known] *= own[:, None]
    mixed[known] += (1 - own)[:, None] * (elsewhere[known] + offset)
    return mixed


def teach_types(
    X: Floats, shares: Float64, *, elsewhere: TypesElsewhere | None = None, seed: int = 0
) -> TaughtTypes:
    """Fit the types and calibrate them on left-out cells.

    Parameters
    ----------
    X : ndarray of float, shape (n, d)
    shares : ndarray of float64, shape (n, T)
    elsewhere : TypesElsewhere, optional
        All as for :func:`fit_types`.
    seed : int
        Seed of the division into parts.

    Returns
    -------
    TaughtTypes
        All log odds are scaled by one factor that maximises the likelihood of the left-out cells,
        because they are overconfident in many dimensions.
    """
    fold = np.random.default_rng([seed, 32]).permutation(len(X)) % min(FOLDS, len(X))
    odds, unlike = np.zeros_like(shares), np.zeros(len(X))
    gram, apart = _gram(X), 0.0 if elsewhere is None else _gram(elsewhere.apart)
    for number in np.unique(fold):
        out = fold == number
        rest = gram - _gram(X[out])
        lower, means = _fit(X[~out], shares[~out], rest, elsewhere, apart)
        bare = X[out] @ _weights(lower, means) + means.types.intercept
        odds[out] = _finite(bare)
        unlike[out] = distance_to_types(bare[:, means.there], means.centres)
    gained = [
        float((shares * np.log(np.maximum(probabilities_of(power * odds), _LEAST))).sum())
        for power in _POWERS
    ]
    power = float(_POWERS[int(np.argmax(gained))])
    limit = max(float(np.quantile(unlike, COMMON)), float(np.finfo(np.float32).tiny))
    agreed = odds.argmax(axis=1) == shares.argmax(axis=1)
    lower, means = _fit(X, shares, gram, elsewhere, apart)
    means = replace(means, power=power, limit=limit)
    return TaughtTypes(
        LinearTypes(_weights(lower, means), means.types.intercept),
        float(agreed.mean()),
        means.centres,
        odds.argmax(axis=1).astype(np.int64),
        unlike / limit,
        solve_triangular(lower, np.eye(len(lower)), lower=True).T,
        means,
    )


def add_answers(known: TypeMeans, rows: Floats, shares: Float64) -> TypeMeans:
    """Move the means of types towards the answered cells of a later batch.

    Parameters
    ----------
    known : TypeMeans
        T types.
    rows : ndarray of float, shape (n, d)
        Answered cells, as rows of the space of these means.
    shares : ndarray of float64, shape (n, T')
        One for the type of each cell. The first T columns are the known types; others are new.

    Returns
    -------
    TypeMeans
        T' types. Each answered cell counts as :data:`ANSWER` training cells of its type.

    Examples
    --------
    >>> known = TypeMeans(np.array([[0.0]]), np.array([2.0]), power=1.0, limit=1.0)
    >>> add_answers(known, np.array([[6.0], [9.0]]), np.eye(2)).means.ravel().tolist()
    [3.0, 9.0]
    """
    further = shares.shape[1] - len(known.counts)
    before = np.pad(known.counts, (0, further))
    counts = before + ANSWER * shares.sum(axis=0)
    summed = np.pad(known.means, ((0, further), (0, 0))) * before[:, None]
    summed += ANSWER * (shares.T @ rows.astype(np.float64))
    means = summed / np.maximum(counts, np.finfo(np.float64).tiny)[:, None]
    return replace(known, means=means, counts=counts)


def distance_to_types(odds: Float64, centres: TypeCentres) -> Float64:
    """Measure the distance of cells from the nearest type.

    Parameters
    ----------
    odds : ndarray of float64, shape (n, T)
    centres : TypeCentres

    Returns
    -------
    ndarray of float64, shape (n,)
        Squared Mahalanobis distance within the space that the types span; cells above 1 are unlike
        all types.
    """
    found = np.empty(len(odds))
    at_once = max(1, _AT_ONCE // max(1, centres.odds.size))
    for start in range(0, len(odds), at_once):
        off = odds[start : start + at_once, None] - centres.odds[None]
        squared = np.einsum("nkt,tu,nku->nk", off, centres.metric, off)
        found[start : start + at_once] = squared.min(axis=1)
    return np.maximum(found, 0.0)


def probabilities_of(odds: Float64) -> Float64:
    """Convert log odds to probabilities.

    Parameters
    ----------
    odds : ndarray of float64, shape (n, T)

    Returns
    -------
    ndarray of float64, shape (n, T)
        Rows sum to one.

    Examples
    --------
    >>> probabilities_of(np.array([[0.0, 0.0, -np.inf]])).tolist()
    [[0.5, 0.5, 0.0]]
    """
    raised = np.exp(odds - odds.max(axis=1, keepdims=True))
    return np.asarray(raised / raised.sum(axis=1, keepdims=True), dtype=np.float64)


def _finite(odds: Float64) -> Float64:
    """Replace infinite values, so that they can be scaled and summed."""
    return np.maximum(odds, -1e9)
