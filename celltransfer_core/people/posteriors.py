"""TODO celltransfer_core/people/posteriors.py."""

from __future__ import annotations

import numpy as np
from scipy.special import gammaln, softmax

from celltransfer_core.classify.voting import cell_weights
from celltransfer_core.types import Float64, Ints

_ROUNDS = 10
_SHRINKAGE = 0.1
SLIP = 0.05  # how often a person names a cluster or a cell wrongly
SEEN = 10.0  # cells that the votes on a cluster are worth, as they err together
_EXPECTED, _RIGHT = 5.0, 0.6  # cells that its expected votes are worth, and how many are right
_AT_ONCE = 64  # typed cells whose own word is left out at once


def discriminated(Z: Float64, begin: Float64) -> Float64:
    """Fit a normal distribution a type to shared-out rows, and share them out by these, by turns.

    ``begin`` are the shares to begin with, shape (n, T); see :class:`VoteUpdater`.
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
        shares = normalised(np.sqrt(begin * normalised(posterior)))
    return shares


def _trust(votes: Float64, named: Ints) -> Float64:
    """Weigh each cluster's name against the ensemble's votes; see :class:`VoteUpdater`.

    ``votes`` are the ensemble's on each cluster, shape (K, T), ``named`` the names' types, shape
    (K,): under 0 where there is none, from T on where the reference lacks it.
    """
    n_types = votes.shape[1]
    trust = np.ones(len(votes))
    known = (named >= 0) & (named < n_types)
    if n_types < 2 or not known.any():
        return trust
    name = np.eye(n_types)[named[known]]
    seen = SEEN * votes[known]
    other = 1 / (n_types - 1)
    expected = _EXPECTED * np.where(np.eye(n_types) > 0, _RIGHT, (1 - _RIGHT) * other)
    # By cluster, type it may be and type voted for; a cluster has no part in what is expected.
    drawn = expected + (name.T @ seen)[None] - name[:, :, None] * seen[:, None, :]
    odds = np.log(np.where(name > 0, 1 - SLIP, SLIP * other))
    total = drawn.sum(axis=2)
    odds += gammaln(total) - gammaln(total + SEEN)
    odds += (gammaln(drawn + seen[:, None, :]) - gammaln(drawn)).sum(axis=2)
    trust[known] = (softmax(odds, axis=1) * name).sum(axis=1)
    return trust


def normalised(shares: Float64) -> Float64:
    """Scale to sum to one; nothing at all is spread evenly."""
    total = shares.sum(axis=-1, keepdims=True)
    even = np.full_like(shares, 1 / shares.shape[-1])
    return np.divide(shares, total, out=even, where=total > 0)


def left_out(
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
        shares = cell_weights(
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


def shared(credit: Float64, prior: Float64) -> Float64:
    """Scale each word's credit to sum to one; where nobody deserves any, as before."""
    total = credit.sum(axis=0)
    return np.where(total > 0, credit / np.where(total > 0, total, 1), prior)
