"""Posteriors of the updated vote: types and weights of each cell from voters and annotations.

The formulas are in the notes of :class:`~celltransfer_core.people.updater.VoteUpdater`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import gammaln, softmax

from celltransfer_core.classify.voting import cell_weights, count_votes
from celltransfer_core.types import Float64, Ints

SLIP = 0.05
"""Prior probability that a person gives a cluster or a cell a wrong type."""

CLUSTER_CELLS = 10.0
"""Number of cells as which the votes on a cluster count, because their errors are correlated."""

_ROUNDS = 10  # of expectation-maximisation
_SHRINKAGE = 0.1
_EXPECTED, _RIGHT = 5.0, 0.6  # cells as which the expected votes count, and correct share
_AT_ONCE = 64  # typed cells that are left out in one step


@dataclass(frozen=True)
class Voters:
    """V voters on n cells and T types."""

    probabilities: Float64
    """Shape (V, n, T)."""
    certainty: Float64
    """Factor on a voter's weight in each cell, in [0, 1], shape (V, n)."""
    prior: Float64
    """Prior weights, shape (V,), summing to one."""


@dataclass(frozen=True)
class TypedCells:
    """N cells that people typed, among n cells."""

    cells: Ints
    """Cell numbers, shape (N,)."""
    answers: Ints
    """Type numbers, shape (N,)."""
    kernel: Float64
    """Similarity of each cell to each typed one, in (0, 1], shape (n, N)."""
    noise: float
    """Variance of the noise of an answer, above zero."""


@dataclass(frozen=True)
class Posterior:
    """The combined vote of V voters and the typed cells, on n cells and T types."""

    probabilities: Float64
    """Shape (n, T)."""
    winner: Ints
    """Type number, shape (n,)."""
    weights: Float64
    """Posterior weights of the voters, shape (V,)."""
    cell_weights: Float64
    """Weights in each cell, of the voters and at last of the typed cells, shape (V + 1, n)."""
    choices: Ints
    """First choices, in the same order, shape (V + 1, n)."""


def combine(voters: Voters, typed: TypedCells, strength: float) -> Posterior:
    """Update the voters' weights with the typed cells, and combine both.

    Parameters
    ----------
    voters : Voters
    typed : TypedCells
    strength : float
        Number of typed cells that the prior weights count as.

    Returns
    -------
    Posterior
        A typed cell's own answer does not enter its probabilities and weights.
    """
    right = voters.probabilities[:, typed.cells, typed.answers] * voters.certainty[:, typed.cells]
    prior = voters.prior[:, None]
    credit = responsibilities(prior * right, prior)
    weights = (strength * voters.prior + credit.sum(axis=1)) / (strength + len(typed.cells))
    shares = cell_weights(weights, voters.certainty)
    counted = count_votes(voters.probabilities, shares)
    mean = np.einsum("vn,vnt->nt", shares, voters.probabilities)
    winner, explained = counted.winner, np.zeros(len(mean))
    if len(typed.cells):
        without = strength * prior + credit.sum(axis=1)[:, None] - credit
        mean, shares, explained = _regress(voters, typed, without, mean, shares)
        winner = mean.argmax(axis=1)
    return Posterior(
        probabilities=mean,
        winner=winner,
        weights=weights,
        cell_weights=np.vstack([shares * (1 - explained), explained]),
        choices=np.vstack([counted.choices, mean.argmax(axis=1)]),
    )


def responsibilities(likelihood: Float64, prior: Float64) -> Float64:
    """Divide each annotation among the voters by their likelihood (E step).

    Parameters
    ----------
    likelihood : ndarray of float64, shape (V, N)
        Prior weight of each voter times its probability of each annotation.
    prior : ndarray of float64, shape (V, 1)
        Shares of an annotation to which no voter gave a probability above zero.

    Returns
    -------
    ndarray of float64, shape (V, N)

    Examples
    --------
    >>> import numpy as np
    >>> responsibilities(np.array([[0.3, 0.0], [0.1, 0.0]]), np.array([[0.5], [0.5]])).round(2)
    array([[0.75, 0.5 ],
           [0.25, 0.5 ]])
    """
    total = likelihood.sum(axis=0)
    return np.where(total > 0, likelihood / np.where(total > 0, total, 1), prior)


def normalized(shares: Float64) -> Float64:
    """Scale shares to sum to one.

    Parameters
    ----------
    shares : ndarray of float64, shape (..., T)

    Returns
    -------
    ndarray of float64, shape (..., T)
        Uniform where all shares are zero.

    Examples
    --------
    >>> import numpy as np
    >>> normalized(np.array([[3.0, 1.0], [0.0, 0.0]])).tolist()
    [[0.75, 0.25], [0.5, 0.5]]
    """
    total = shares.sum(axis=-1, keepdims=True)
    uniform = np.full_like(shares, 1 / shares.shape[-1])
    return np.divide(shares, total, out=uniform, where=total > 0)


def discriminant_posterior(Z: Float64, prior: Float64) -> Float64:
    """Fit a normal distribution to each type by expectation–maximisation.

    Parameters
    ----------
    Z : ndarray of float64, shape (n, c)
        Principal components.
    prior : ndarray of float64, shape (n, T)
        Starting probabilities of the types.

    Returns
    -------
    ndarray of float64, shape (n, T)
        Probabilities of the types; zero for a type with less than one cell.
    """
    n, width = Z.shape
    shares = prior
    square = Z.T @ Z
    for _ in range(_ROUNDS):
        counts = shares.sum(axis=0)
        present = counts >= min(1.0, counts.max())  # less than one cell allows no estimate
        means = (shares.T @ Z) / np.maximum(counts, 1)[:, None]
        within = (square - (means * counts[:, None]).T @ means) / n
        variance = max(float(np.trace(within)) / width, np.finfo(np.float32).tiny)
        covariance = (1 - _SHRINKAGE) * within + _SHRINKAGE * variance * np.eye(width)
        directions = np.linalg.solve(covariance, means.T)
        odds = Z @ directions - (means.T * directions).sum(axis=0) / 2
        odds = np.where(present, odds, -np.inf)
        posterior = np.exp(odds - odds.max(axis=1, keepdims=True))
        shares = normalized(np.sqrt(prior * normalized(posterior)))
    return shares


def name_posteriors(votes: Float64, names: Ints) -> Float64:
    """Compute the probability that each cluster's name is correct, given the ensemble's votes.

    Parameters
    ----------
    votes : ndarray of float64, shape (K, T)
        Mean probabilities of the ensemble in each cluster.
    names : ndarray of int64, shape (K,)
        Number of the type confirmed for each cluster; below 0 if unconfirmed, T or more if the
        reference lacks the type.

    Returns
    -------
    ndarray of float64, shape (K,)
        1 where a cluster is not confirmed or the reference lacks the type.
    """
    n_types = votes.shape[1]
    posteriors = np.ones(len(votes))
    known = (names >= 0) & (names < n_types)
    if n_types < 2 or not known.any():
        return posteriors
    name = np.eye(n_types)[names[known]]
    seen = CLUSTER_CELLS * votes[known]
    other = 1 / (n_types - 1)
    expected = _EXPECTED * np.where(np.eye(n_types) > 0, _RIGHT, (1 - _RIGHT) * other)
    # Axes: cluster, its possible true type, type voted for. A cluster's own votes do not add to its
    # expected votes.
    drawn = expected + (name.T @ seen)[None] - name[:, :, None] * seen[:, None, :]
    odds = np.log(np.where(name > 0, 1 - SLIP, SLIP * other))
    total = drawn.sum(axis=2)
    odds += gammaln(total) - gammaln(total + CLUSTER_CELLS)
    odds += (gammaln(drawn + seen[:, None, :]) - gammaln(drawn)).sum(axis=2)
    posteriors[known] = (softmax(odds, axis=1) * name).sum(axis=1)
    return posteriors


def _regress(
    voters: Voters, typed: TypedCells, without: Float64, mean: Float64, shares: Float64
) -> tuple[Float64, Float64, Float64]:
    """Correct the voters' mean by Gaussian-process regression of the typed cells.

    ``without``, shape (V, N), contains the voters' weights, each column without one answer;
    ``mean``, shape (n, T), their weighted mean; ``shares``, shape (V, n), their weights in each
    cell. Returns the corrected mean, the weights (which differ in typed cells) and the share of the
    variance that typed cells explain in each cell, shape (n,).
    """
    kernel, cells, count = typed.kernel, typed.cells, len(typed.cells)
    answers = np.eye(mean.shape[1])[typed.answers]
    inverse = np.asarray(
        np.linalg.inv(kernel[cells] + typed.noise * np.eye(count)), dtype=np.float64
    )
    explained = np.einsum("cn,nm,cm->c", kernel, inverse, kernel, optimize=True)
    mean = mean + kernel @ (inverse @ (answers - mean[cells]))
    # A cell's own answer does not enter its own vote.
    explained[cells] = 1 + typed.noise - 1 / np.diag(inverse)
    shares = shares.copy()
    mean[cells], shares[:, cells] = _leave_one_out(
        without, voters.certainty[:, cells], voters.probabilities[:, cells], answers, inverse
    )
    return normalized(np.maximum(mean, 0)), shares, np.clip(explained, 0, 1)


def _leave_one_out(
    weights: Float64,
    certainty: Float64,
    probabilities: Float64,
    answers: Float64,
    inverse: Float64,
) -> tuple[Float64, Float64]:
    """Vote on each of N typed cells without its own answer, in closed form.

    Each column of ``weights``, shape (V, N), leaves out one answer. Returns probabilities (N, T)
    and the voters' weights (V, N).
    """
    count = len(answers)
    mean, own_shares = np.zeros_like(answers), np.zeros_like(certainty)
    for start in range(0, count, _AT_ONCE):
        left = np.arange(start, min(start + _AT_ONCE, count))
        shares = cell_weights(
            np.repeat(weights[:, left], count, axis=1), np.tile(certainty, (1, len(left)))
        ).reshape(len(weights), len(left), count)
        means = np.einsum("vln,vnt->lnt", shares, probabilities, optimize=True)
        at = np.arange(len(left))
        own = np.diag(inverse)[left][:, None]
        rest = answers - means
        rest[at, left] = 0
        mean[left] = means[at, left] - np.einsum("ln,lnt->lt", inverse[left], rest) / own
        own_shares[:, left] = shares[:, at, left]
    return mean, own_shares
