"""The ensemble: how much each voter counts, and the weighted vote (3.4)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from celltransfer_core.neighbors.knn import EntropyWeightedKNN, normalized_entropy
from celltransfer_core.neighbors.search import nearest
from celltransfer_core.types import Bools, Float32, Float64, Ints

FLAG_THRESHOLD = 0.6
_AT_MOST = 3000  # cells a set that weights are estimated on
_MIXING_NEIGHBOURS, _ASKED = 15, 1000  # and cells of both sets together that are asked for theirs


@dataclass(frozen=True)
class Vote:
    """The outcome for n cells and T types."""

    winner: Ints
    """Type number with the largest weight of first choices, shape (n,)."""
    agreement: Float64
    """Share of the weight whose first choice it is, shape (n,)."""
    confidence: Float64
    """Its weighted mean probability, not calibrated, shape (n,)."""
    choices: Ints
    """First choice of each of V voters, shape (V, n)."""
    margin: Float64
    """Weighted mean probability of the likeliest type less that of the next, shape (n,)."""


def cell_weights(weights: Float64, certainty: Float64) -> Float64:
    """Share the say in each cell out to the voters (3.4, step iii).

    Parameters
    ----------
    weights : ndarray of float64, shape (V,) or (V, n)
        Of every voter, everywhere or in each cell.
    certainty : ndarray of float64, shape (V, n)
        One minus the normalised entropy of its probabilities.

    Returns
    -------
    ndarray of float64, shape (V, n)
        Each cell's shares sum to one.
    """
    weights = weights if weights.ndim == 2 else weights[:, None]
    say = weights * certainty
    # Where nobody is sure of anything the voters' own weights are what is left.
    say = np.where(say.sum(axis=0) > 0, say, weights)
    return say / say.sum(axis=0)


def weighted_vote(probabilities: Float64, weights: Float64) -> Vote:
    """Let the voters' first choices be counted by weight (3.4, step iii).

    A voter's weight in one cell is its own weight times one minus the normalised entropy of its
    probabilities there.

    Parameters
    ----------
    probabilities : ndarray of float64, shape (V, n, T)
        Of every voter, cell and type.
    weights : ndarray of float64, shape (V,)
        Of every voter.

    Returns
    -------
    Vote
        A tie goes to the type with the larger mean probability.
    """
    return count_votes(probabilities, cell_weights(weights, 1 - normalized_entropy(probabilities)))


def count_votes(probabilities: Float64, say: Float64) -> Vote:
    """Count the voters' first choices.

    Parameters
    ----------
    probabilities : ndarray of float64, shape (V, n, T)
    say : ndarray of float64, shape (V, n)
        See :func:`cell_weights`.

    Returns
    -------
    Vote
        A tie goes to the type with the larger mean probability.
    """
    voters, n, types = probabilities.shape
    choices = probabilities.argmax(axis=2)
    shares = np.zeros((n, types))
    cells = np.arange(n)
    for voter in range(voters):
        shares[cells, choices[voter]] += say[voter]
    mean = np.einsum("vn,vnt->nt", say, probabilities)
    winner = (np.round(shares, 9) + 1e-10 * mean).argmax(axis=1)
    best = np.sort(mean, axis=1)
    return Vote(
        winner=winner,
        agreement=np.minimum(shares[cells, winner], 1.0),
        confidence=mean[cells, winner],
        choices=choices,
        margin=best[:, -1] - best[:, -2] if types > 1 else best[:, -1],
    )


def leave_one_out_accuracy(X: Float32, types: Ints, rng: np.random.Generator) -> float:
    """Measure how well neighbours tell the reference's own types apart.

    Parameters
    ----------
    X : ndarray of float32, shape (n, d)
    types : ndarray of int64, shape (n,)
    rng : numpy.random.Generator
        Draws 3,000 cells where there are more.

    Returns
    -------
    float
        Balanced accuracy in [0, 1].
    """
    chosen = np.sort(rng.permutation(len(X))[:_AT_MOST])
    knn = EntropyWeightedKNN().fit(X[chosen], types[chosen])
    if len(chosen) < 2:
        return 0.0
    right = knn.leave_one_out_proba().argmax(axis=1) == knn.y_
    return float(np.mean([right[knn.y_ == number].mean() for number in range(len(knn.classes_))]))


def mixing(Xs: Float32, Xt: Float32, rng: np.random.Generator) -> float:
    """Measure how well two sets mix: the share of a cell's neighbours that are of the other set.

    Parameters
    ----------
    Xs, Xt : ndarray of float32, shape (n, d) and (m, d)
    rng : numpy.random.Generator
        Draws equally many of both, so that half of the neighbours is what perfect mixing gives.

    Returns
    -------
    float
        0 where the sets lie apart, 1 where they mix perfectly (or better, after transport).
    """
    size = min(len(Xs), len(Xt), _AT_MOST)
    pooled = np.concatenate(
        [X[np.sort(rng.permutation(len(X))[:size])] for X in (Xs, Xt)], dtype=np.float32
    )
    k = min(_MIXING_NEIGHBOURS, 2 * size - 1)
    asked = np.sort(rng.permutation(2 * size)[:_ASKED])
    indices = nearest(pooled[asked], pooled, k + 1)[1]
    side = np.arange(2 * size) < size
    own = indices == asked[:, None]
    other: Bools = side[indices] != side[asked][:, None]
    share = (other & ~own).sum() / (~own).sum()
    return float(min(1.0, 2 * share))


def voter_weights(accuracy: Sequence[float], mixed: Sequence[float]) -> Float64:
    """Weigh the voters without any label of the query.

    Parameters
    ----------
    accuracy : sequence of float, length V
        Leave-one-out balanced accuracy on the reference.
    mixed : sequence of float, length V
        See :func:`mixing`.

    Returns
    -------
    ndarray of float64, shape (V,)
        Their product, scaled to sum to one; even where all are zero.
    """
    weights = np.asarray(accuracy, dtype=np.float64) * np.asarray(mixed, dtype=np.float64)
    total = weights.sum()
    return weights / total if total > 0 else np.full(len(weights), 1 / len(weights))


def voters_split(choices: Ints) -> Float64:
    """Measure how the voters are split over each cell.

    Parameters
    ----------
    choices : ndarray of int64, shape (V, n)
        First choice of every voter.

    Returns
    -------
    ndarray of float64, shape (n,)
        Share of the pairs of voters that differ, in [0, 1]; 0 with a single voter.
    """
    voters, n = choices.shape
    if voters < 2:
        return np.zeros(n)
    alike = np.zeros(n)
    for chosen in np.unique(choices):
        count = (choices == chosen).sum(axis=0)
        alike += count * (count - 1)
    return 1 - alike / (voters * (voters - 1))
