"""Summary of the types in one domain: a linear map learned from embeddings and types of cells.

Only one mean per type and one covariance of the training cells are used, and only a matrix of their
product is kept, from which no cell's embedding can be recovered. Not in the paper.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from celltransfer_core.types import Bools, Float64, Floats, Ints

SHRINKAGE = 0.3
"""Shrinkage of the covariance towards a multiple of the identity:
tests/benchmarks/memory_of_a_lab.py."""

FOLDS = 5
"""Number of parts that are left out one after another for measurement and calibration."""

COMMON = 0.99
"""Share of the left-out cells that count as similar to one of the types."""

_POWERS = np.geomspace(0.02, 2.0, 60)
_RANK = 1e-8  # of the largest: smaller eigenvalues are rounding errors
_LEAST = 1e-6  # lower limit of a probability before its logarithm is taken


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


def fit_types(X: Floats, shares: Float64) -> LinearTypes:
    r"""Fit a normal distribution to each type, all with the same covariance.

    .. math:: \log p(k \mid x) = x^T \Sigma^{-1} \mu_k - \tfrac12 \mu_k^T \Sigma^{-1} \mu_k + c

    where :math:`\Sigma` is the shrunk covariance within types. Types are equally likely a priori,
    because later slides have other proportions.

    Parameters
    ----------
    X : ndarray of float, shape (n, d)
    shares : ndarray of float64, shape (n, T)
        Probability of each type in each cell; one for the answer of a person.

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
    weights, intercept, _ = _fit(X, shares)
    return LinearTypes(weights, intercept)


def _fit(X: Floats, shares: Float64) -> tuple[Float64, Float64, Float64]:
    """Fit the types; return weights, intercept, and their products with the means, (T, T)."""
    rows = X.astype(np.float64)
    counts = shares.sum(axis=0)
    means = (shares.T @ rows) / np.maximum(counts, np.finfo(np.float64).tiny)[:, None]
    within = (rows.T @ rows - (means * counts[:, None]).T @ means) / len(rows)
    width = rows.shape[1]
    variance = max(float(np.trace(within)) / width, np.finfo(np.float32).tiny)
    covariance = (1 - SHRINKAGE) * within + SHRINKAGE * variance * np.eye(width)
    weights = np.linalg.solve(covariance, means.T)
    products = means @ weights
    intercept = -(means.T * weights).sum(axis=0) / 2
    present = counts >= min(1.0, counts.max())
    return weights, np.where(present, intercept, -np.inf), products


def teach_types(X: Floats, shares: Float64, *, seed: int = 0) -> TaughtTypes:
    """Fit the types and calibrate them on left-out cells.

    Parameters
    ----------
    X : ndarray of float, shape (n, d)
    shares : ndarray of float64, shape (n, T)
        See :func:`fit_types`.
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
    for number in np.unique(fold):
        out = fold == number
        weights, intercept, products = _fit(X[~out], shares[~out])
        bare = X[out] @ weights + intercept
        odds[out] = _finite(bare)
        there = np.isfinite(intercept)
        unlike[out] = distance_to_types(bare[:, there], _centres(products, intercept, there))
    gained = [
        float((shares * np.log(np.maximum(probabilities_of(power * odds), _LEAST))).sum())
        for power in _POWERS
    ]
    power = float(_POWERS[int(np.argmax(gained))])
    weights, intercept, products = _fit(X, shares)
    limit = max(float(np.quantile(unlike, COMMON)), float(np.finfo(np.float32).tiny))
    centres = _centres(products, intercept, np.isfinite(intercept))
    agreed = odds.argmax(axis=1) == shares.argmax(axis=1)
    return TaughtTypes(
        LinearTypes(power * weights, power * intercept),
        float(agreed.mean()),
        TypeCentres(power * centres.odds, centres.metric / limit / power**2),
        odds.argmax(axis=1).astype(np.int64),
        unlike / limit,
    )


def _centres(products: Float64, intercept: Float64, there: Bools) -> TypeCentres:
    """Return the centres of the existing types; the metric is that of the fitted covariance."""
    own = products[np.ix_(there, there)]
    metric = np.linalg.pinv(own, _RANK, hermitian=True).astype(np.float64)
    return TypeCentres(own + intercept[there], metric)


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
    off = odds[:, None] - centres.odds[None]
    found = np.einsum("nkt,tu,nku->nk", off, centres.metric, off).min(axis=1)
    return np.asarray(np.maximum(found, 0.0))


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
