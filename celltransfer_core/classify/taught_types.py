"""Types as they look in one domain, summarised: embeddings and what cells are in, a linear map out.

Of all cells that taught it, one mean a type and one covariance are used, and a matrix of their
product is kept: no cell's embedding can be read from it. Not in the paper.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from celltransfer_core.types import Bools, Float64, Floats, Ints

SHRINKAGE = 0.3
"""Of the covariance towards a multiple of the identity: tests/benchmarks/memory_of_a_lab.py."""

FOLDS = 5
"""Parts that are left out one after the other, to measure and to calibrate."""

COMMON = 0.99
"""Share of the cells that were left out which count as like one of the types."""

_POWERS = np.geomspace(0.02, 2.0, 60)
_RANK = 1e-8  # of the largest: smaller eigenvalues are rounding
_LEAST = 1e-6  # of a probability, before its logarithm is taken


class LinearTypes(NamedTuple):
    """A linear map from d numbers a cell to the log odds of T types."""

    weights: Float64
    """Shape (d, T)."""
    intercept: Float64
    """Shape (T,)."""


class TypeCentres(NamedTuple):
    """Where cells of each of T types lie, in log odds: what is far from all is none of them."""

    odds: Float64
    """Log odds of the mean of each type, shape (T, T)."""
    metric: Float64
    """Of squared distances between log odds, shape (T, T); all but 1 % of the cells that were left
    out lie within 1 of a mean."""


class TaughtTypes(NamedTuple):
    """Types that were learned, and what they are worth on cells that were left out."""

    found: LinearTypes
    """Calibrated."""
    agreement: float
    """Share of the cells that get their likeliest type when they are left out."""
    centres: TypeCentres
    left_out: Ints
    """Number of the likeliest type of each cell when it is left out, shape (n,)."""
    unlike: Float64
    """How far each lies from the nearest type then, see :func:`distance_to_types`, shape (n,)."""


def fit_types(X: Floats, shares: Float64) -> LinearTypes:
    r"""Fit a normal distribution to each type, all of one covariance.

    .. math:: \log p(k \mid x) = x^T \Sigma^{-1} \mu_k - \tfrac12 \mu_k^T \Sigma^{-1} \mu_k + c

    where :math:`\Sigma` is the covariance within types, shrunk. Types are equally likely before a
    cell is seen: the next slides have other proportions.

    Parameters
    ----------
    X : ndarray of float, shape (n, d)
    shares : ndarray of float64, shape (n, T)
        Probability of each type in each cell; a one for what a person said.

    Returns
    -------
    LinearTypes
        The intercept of a type of less than one cell is −inf: nothing is known of it.

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
    """Fit the types; return weights, intercept, and products of the means by them, (T, T)."""
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
    """Fit the types, and calibrate them by cells that are left out.

    Parameters
    ----------
    X : ndarray of float, shape (n, d)
    shares : ndarray of float64, shape (n, T)
        See :func:`fit_types`.
    seed : int
        Of the parts that are left out.

    Returns
    -------
    TaughtTypes
        All log odds are scaled by one number, with which the cells that were left out are the
        likeliest: in many dimensions they are far too sure otherwise.
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
    """Return where the types lie that are there; the metric is that of the fitted covariance."""
    own = products[np.ix_(there, there)]
    metric = np.linalg.pinv(own, _RANK, hermitian=True).astype(np.float64)
    return TypeCentres(own + intercept[there], metric)


def distance_to_types(odds: Float64, centres: TypeCentres) -> Float64:
    """Measure how far cells lie from the nearest type.

    Parameters
    ----------
    odds : ndarray of float64, shape (n, T)
    centres : TypeCentres

    Returns
    -------
    ndarray of float64, shape (n,)
        Squared Mahalanobis distance within the space that the types span; above 1 a cell is
        unlike all of them.
    """
    off = odds[:, None] - centres.odds[None]
    found = np.einsum("nkt,tu,nku->nk", off, centres.metric, off).min(axis=1)
    return np.asarray(np.maximum(found, 0.0))


def probabilities_of(odds: Float64) -> Float64:
    """Turn log odds into probabilities.

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
    """Replace what is infinite, so that it can be scaled and added up."""
    return np.maximum(odds, -1e9)
