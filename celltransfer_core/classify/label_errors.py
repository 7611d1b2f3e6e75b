"""Suspected label errors of a labelled set, found from its other cells (confident learning).

In: embeddings and labels. Out: the probability of every type for each cell, from classifiers not
trained on it, and the resulting doubt about its label (Northcutt et al. 2021, arXiv:1911.00068).
Not in the paper.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from celltransfer_core.classify.linear import LinearProbe
from celltransfer_core.runtime.quiet import quiet
from celltransfer_core.types import Bools, Float32, Float64, Ints

FOLDS = 5
"""Number of parts of the set; the cells of each part are judged by the other parts."""

_STRENGTH = 0.01  # inverse ridge penalty: a weak fit does not learn single wrong labels


def out_of_sample(
    views: Sequence[Float32], types: Ints, groups: Ints | None = None, *, seed: int = 0
) -> Float64:
    """Estimate each cell's type with classifiers trained without it.

    Parameters
    ----------
    views : sequence of ndarray of float32, each of shape (n, d)
        Embeddings; one classifier is trained on each, and their probabilities are averaged.
    types : ndarray of int64, shape (n,)
        Number of each cell's label, from 0 on; every number occurs.
    groups : ndarray of int64, shape (n,), optional
        Slide or patient of each cell: cells of one group never judge each other, provided that
        every type occurs in several groups.
    seed : int
        Seed of the division into folds.

    Returns
    -------
    ndarray of float64, shape (n, T)
        Rows sum to one. The only cell of a type keeps its own label, because it cannot be judged.
    """
    folds = [*_folds(types, groups, seed)]
    return np.mean([_judge(X, types, folds) for X in views], axis=0)


def _judge(X: Float32, types: Ints, folds: Sequence[Ints]) -> Float64:
    found = np.eye(int(types.max()) + 1)[types]
    for judged in folds:
        training = np.setdiff1d(np.arange(len(types)), judged)
        known = np.unique(types[training])
        told = judged[np.isin(types[judged], known)]
        if len(known) > 1 and len(told):
            probe = LinearProbe(C=_STRENGTH).fit(X[training], types[training])
            found[told] = 0
            found[np.ix_(told, known)] = probe.predict_proba(X[told])
    return found


def _folds(types: Ints, groups: Ints | None, seed: int) -> Iterator[Ints]:
    """Divide the cells so that each fold has its share of every type and no group is split."""
    if groups is not None and (apart := _grouped_folds(types, groups, seed)):
        yield from apart
        return
    order = np.random.default_rng([seed, 7]).permutation(len(types))
    order = order[np.argsort(types[order], kind="stable")]
    yield from (np.sort(order[start::FOLDS]) for start in range(min(FOLDS, len(types))))


def _grouped_folds(types: Ints, groups: Ints, seed: int) -> list[Ints]:
    """Divide the cells by group; empty if a type would be left without training cells."""
    from sklearn.model_selection import StratifiedGroupKFold

    number = min(FOLDS, len(np.unique(groups)))
    if number < 2:
        return []
    method = StratifiedGroupKFold(number, shuffle=True, random_state=seed)
    with quiet():  # warnings about types with fewer cells than folds
        folds = [judged.astype(np.int64) for _, judged in method.split(types, types, groups)]
    every = np.bincount(types)
    lost = any(
        (np.bincount(types[judged], minlength=len(every)) == every).any() for judged in folds
    )
    return [] if lost else folds


def doubt(probabilities: Float64, types: Ints) -> Float64:
    r"""Measure how much likelier another type is than the label.

    .. math:: \tfrac{1}{2} \left(1 + \max_{t \ne y} p_t - p_y \right)

    Parameters
    ----------
    probabilities : ndarray of float64, shape (n, T)
    types : ndarray of int64, shape (n,)
        Number of each cell's label.

    Returns
    -------
    ndarray of float64, shape (n,)
        0 if the label is certain, 1 if another type is certain, ½ if both are equally likely.

    Examples
    --------
    >>> import numpy as np
    >>> doubt(np.array([[0.75, 0.25], [0.75, 0.25]]), np.array([0, 1])).tolist()
    [0.25, 0.75]
    """
    cells = np.arange(len(types))
    others = probabilities.copy()
    others[cells, types] = 0
    return (1 + others.max(axis=1) - probabilities[cells, types]) / 2


def far_out(distances: Float64, types: Ints) -> Bools:
    """Find cells that lie far from all others, by the outer fence of Tukey's box plot.

    Parameters
    ----------
    distances : ndarray of float64, shape (n,)
        Mean distance of each cell to its nearest other cells.
    types : ndarray of int64, shape (n,)
        Groups within which cells are compared.

    Returns
    -------
    ndarray of bool, shape (n,)
        Cells more than three times the interquartile range above the upper quartile, on a
        logarithmic scale.

    Examples
    --------
    >>> import numpy as np
    >>> far_out(np.array([1.0, 1.1, 0.9, 1.0, 1.2, 9.0]), np.zeros(6, dtype=int)).tolist()
    [False, False, False, False, False, True]
    """
    logs = np.log(np.maximum(distances, np.finfo(np.float32).tiny))
    found = np.zeros(len(types), dtype=bool)
    for one in np.unique(types):
        low, high = np.quantile(logs[types == one], (0.25, 0.75))
        found |= (types == one) & (logs > high + 3 * (high - low) + 1e-6)
    return found
