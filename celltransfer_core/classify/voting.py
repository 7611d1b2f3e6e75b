"""The ensemble vote (3.4, step iii): the type of each cell from the voters' probabilities.

A voter is one classifier on one embedding, with or without transport. Its weight is estimated
without labels of the query.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from celltransfer_core.neighbors.knn import EntropyWeightedKNN, normalized_entropy
from celltransfer_core.neighbors.search import nearest
from celltransfer_core.types import Bools, Float32, Float64, Ints

_AT_MOST = 3000  # cells of each set on which weights are estimated
_MIXING_NEIGHBOURS, _MIXING_CELLS = 15, 1000  # neighbours, and cells of both sets together


@dataclass(frozen=True)
class Vote:
    """The vote of V voters on the type of n cells, among T types."""

    winner: Ints
    """Type number with the largest weight of first choices, shape (n,)."""
    agreement: Float64
    """Share of the weight with the winner as first choice, shape (n,)."""
    confidence: Float64
    """Uncalibrated weighted mean probability of the winner, shape (n,)."""
    choices: Ints
    """First choice of each voter, shape (V, n)."""
    margin: Float64
    """Weighted mean probability of the likeliest type minus that of the second, shape (n,)."""


def cell_weights(weights: Float64, certainty: Float64) -> Float64:
    r"""Compute the weight of each voter in each cell (3.4, step iii).

    .. math:: s_{vc} = \frac{w_v (1 - H_{vc})}{\sum_u w_u (1 - H_{uc})}

    where :math:`H_{vc}` is the normalised entropy of voter v's probabilities in cell c.

    Parameters
    ----------
    weights : ndarray of float64, shape (V,) or (V, n)
        w of every voter, either the same in all cells or separate for each cell.
    certainty : ndarray of float64, shape (V, n)
        1 − H.

    Returns
    -------
    ndarray of float64, shape (V, n)
        The weights of each cell sum to one. If no voter has any certainty, they are the voters' own
        weights.

    Examples
    --------
    >>> import numpy as np
    >>> cell_weights(np.array([0.5, 0.5]), np.array([[1.0, 0.0], [0.25, 0.0]])).tolist()
    [[0.8, 0.5], [0.2, 0.5]]
    """
    weights = weights if weights.ndim == 2 else weights[:, None]
    weighted = weights * certainty
    weighted = np.where(weighted.sum(axis=0) > 0, weighted, weights)
    return weighted / weighted.sum(axis=0)


def mean_probabilities(probabilities: Float64, weights: Float64 | None = None) -> Float64:
    """Average the voters' probabilities by their weight in each cell (3.4, step iii).

    Parameters
    ----------
    probabilities : ndarray of float64, shape (V, n, T)
    weights : ndarray of float64, shape (V,), optional
        Weight of every voter; equal by default.

    Returns
    -------
    ndarray of float64, shape (n, T)

    Examples
    --------
    >>> import numpy as np
    >>> sure, unsure = [[1.0, 0.0]], [[0.5, 0.5]]
    >>> mean_probabilities(np.array([sure, unsure])).tolist()
    [[1.0, 0.0]]
    """
    if weights is None:
        weights = np.full(len(probabilities), 1 / len(probabilities))
    counted = cell_weights(weights, 1 - normalized_entropy(probabilities))
    return np.asarray(np.einsum("vn,vnt->nt", counted, probabilities), dtype=np.float64)


def weighted_vote(probabilities: Float64, weights: Float64) -> Vote:
    """Count the voters' first choices by their weight and certainty (3.4, step iii).

    A voter's weight in one cell is its own weight times one minus the normalised entropy of its
    probabilities there, see :func:`cell_weights`.

    Parameters
    ----------
    probabilities : ndarray of float64, shape (V, n, T)
        Probabilities for every voter, cell and type.
    weights : ndarray of float64, shape (V,)
        Weight of every voter.

    Returns
    -------
    Vote
        A tie goes to the type with the larger mean probability.

    Examples
    --------
    >>> import numpy as np
    >>> sure, unsure = [[1.0, 0.0]], [[0.4, 0.6]]
    >>> vote = weighted_vote(np.array([sure, unsure]), np.array([0.5, 0.5]))
    >>> vote.winner.tolist(), vote.agreement.round(3).tolist()
    ([0], [0.972])
    """
    return count_votes(probabilities, cell_weights(weights, 1 - normalized_entropy(probabilities)))


def count_votes(probabilities: Float64, weights: Float64) -> Vote:
    """Count the voters' first choices by their weight in each cell.

    Parameters
    ----------
    probabilities : ndarray of float64, shape (V, n, T)
        Probabilities for every voter, cell and type.
    weights : ndarray of float64, shape (V, n)
        See :func:`cell_weights`.

    Returns
    -------
    Vote
        A tie goes to the type with the larger mean probability.

    Examples
    --------
    >>> import numpy as np
    >>> probabilities = np.array([[[0.9, 0.1]], [[0.2, 0.8]]])
    >>> count_votes(probabilities, np.array([[0.25], [0.75]])).winner.tolist()
    [1]
    """
    voters, n, types = probabilities.shape
    choices = probabilities.argmax(axis=2)
    shares = np.zeros((n, types))
    cells = np.arange(n)
    for voter in range(voters):
        shares[cells, choices[voter]] += weights[voter]
    mean = np.einsum("vn,vnt->nt", weights, probabilities)
    winner = (np.round(shares, 9) + 1e-10 * mean).argmax(axis=1)
    return Vote(
        winner=winner,
        agreement=np.minimum(shares[cells, winner], 1.0),
        confidence=mean[cells, winner],
        choices=choices,
        margin=margin(mean),
    )


def margin(probabilities: Float64) -> Float64:
    """Compute the margin between the likeliest type and the second.

    Parameters
    ----------
    probabilities : ndarray of float64, shape (n, T)

    Returns
    -------
    ndarray of float64, shape (n,)
        The probability itself if there is only one type.

    Examples
    --------
    >>> import numpy as np
    >>> margin(np.array([[0.25, 0.75], [0.5, 0.5]])).tolist()
    [0.5, 0.0]
    """
    best = np.sort(probabilities, axis=1)
    return best[:, -1] - best[:, -2] if best.shape[1] > 1 else best[:, -1]


def leave_one_out_accuracy(X: Float32, types: Ints, rng: np.random.Generator) -> float:
    """Measure how well the entropy-weighted k-NN classifies each reference cell from the others.

    Parameters
    ----------
    X : ndarray of float32, shape (n, d)
    types : ndarray of int64, shape (n,)
    rng : numpy.random.Generator
        Draws 3,000 cells if there are more.

    Returns
    -------
    float
        Balanced accuracy in [0, 1].

    Examples
    --------
    >>> import numpy as np
    >>> X = np.array([[0.0], [0.1], [5.0], [5.1]], dtype=np.float32)
    >>> leave_one_out_accuracy(X, np.array([0, 0, 1, 1]), np.random.default_rng(0))
    1.0
    """
    chosen = np.sort(rng.permutation(len(X))[:_AT_MOST])
    knn = EntropyWeightedKNN().fit(X[chosen], types[chosen])
    if len(chosen) < 2:
        return 0.0
    right = knn.leave_one_out_proba().argmax(axis=1) == knn.y_
    return float(np.mean([right[knn.y_ == number].mean() for number in range(len(knn.classes_))]))


def mixing(Xs: Float32, Xt: Float32, rng: np.random.Generator) -> float:
    """Measure how well two sets mix by the share of a cell's neighbours from the other set.

    Parameters
    ----------
    Xs, Xt : ndarray of float32, shape (n, d) and (m, d)
    rng : numpy.random.Generator
        Draws the same number of cells from both sets, so that perfect mixing gives a share of one
        half.

    Returns
    -------
    float
        Twice that share, at most 1: 0 if the sets are separate, 1 if they mix perfectly.

    Examples
    --------
    >>> import numpy as np
    >>> X = np.random.default_rng(0).normal(size=(40, 2)).astype(np.float32)
    >>> mixing(X, X + 100, np.random.default_rng(0))
    0.0
    """
    size = min(len(Xs), len(Xt), _AT_MOST)
    pooled = np.concatenate(
        [X[np.sort(rng.permutation(len(X))[:size])] for X in (Xs, Xt)], dtype=np.float32
    )
    k = min(_MIXING_NEIGHBOURS, 2 * size - 1)
    cells = np.sort(rng.permutation(2 * size)[:_MIXING_CELLS])
    indices = nearest(pooled[cells], pooled, k + 1)[1]
    side = np.arange(2 * size) < size
    own = indices == cells[:, None]
    other: Bools = side[indices] != side[cells][:, None]
    share = (other & ~own).sum() / (~own).sum()
    return float(min(1.0, 2 * share))


def voter_weights(accuracy: Sequence[float], mixed: Sequence[float]) -> Float64:
    """Weight the voters without labels of the query, by accuracy on the reference times mixing.

    Parameters
    ----------
    accuracy : sequence of float, length V
        Leave-one-out balanced accuracy on the reference.
    mixed : sequence of float, length V
        See :func:`mixing`.

    Returns
    -------
    ndarray of float64, shape (V,)
        The products, scaled to sum to one; uniform if all are zero.

    Examples
    --------
    >>> voter_weights([0.8, 0.8], [0.75, 0.25]).round(2).tolist()
    [0.75, 0.25]
    """
    weights = np.asarray(accuracy, dtype=np.float64) * np.asarray(mixed, dtype=np.float64)
    total = weights.sum()
    return weights / total if total > 0 else np.full(len(weights), 1 / len(weights))


def voters_split(choices: Ints) -> Float64:
    """Measure how much the voters disagree on each cell.

    Parameters
    ----------
    choices : ndarray of int64, shape (V, n)
        First choice of every voter.

    Returns
    -------
    ndarray of float64, shape (n,)
        Share of the pairs of voters whose choices differ, in [0, 1]; 0 with a single voter.

    Examples
    --------
    >>> import numpy as np
    >>> voters_split(np.array([[0, 0], [0, 1], [0, 1]])).round(2).tolist()
    [0.0, 0.67]
    """
    voters, n = choices.shape
    if voters < 2:
        return np.zeros(n)
    alike = np.zeros(n)
    for chosen in np.unique(choices):
        count = (choices == chosen).sum(axis=0)
        alike += count * (count - 1)
    return 1 - alike / (voters * (voters - 1))
