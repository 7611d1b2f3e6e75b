"""Estimated purity of clusters before confirmation (3.2), and splits of mixed clusters.

In: the encoders' predictions for every query cell, from their vote (3.4) or, before the vote, from
entropy-weighted k-NN to the reference. Out: the number of cells of each predicted type in a
cluster, and a split based on it. The query's own labels are not used.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from celltransfer_core.neighbors.knn import EntropyWeightedKNN
from celltransfer_core.pipeline.edits import split_in_two
from celltransfer_core.pipeline.result import Prepared, RunResult
from celltransfer_core.pipeline.votes import ensemble_vote
from celltransfer_core.types import Float32, Float64, Ints

MIXED = 0.6
"""Largest share of cells predicted as one type at which a cluster still seems mixed."""

_LEAST_CELLS, _LEAST_SHARE = 3, 0.1  # for a separate part


@dataclass(frozen=True)
class Opinion:
    """Predictions of the encoders for m query cells and T types."""

    types: tuple[str, ...]
    probabilities: Float64
    """Uncalibrated probability of each type for each cell, shape (m, T)."""
    winner: Ints
    """Position of each cell's type, shape (m,)."""


@dataclass(frozen=True)
class Purity:
    """Number of cells of a cluster that the encoders predict as each type."""

    counts: tuple[tuple[str, int], ...]
    """The most frequent type first; types without cells are omitted."""

    @cached_property
    def cells(self) -> int:
        """Number of cells in the cluster."""
        return sum(count for _, count in self.counts)

    @property
    def share(self) -> float:
        """Share of the most frequent type, 0 to 1."""
        return self.counts[0][1] / self.cells

    @property
    def mixed(self) -> bool:
        """Whether the cluster seems mixed, see :data:`MIXED`."""
        return self.share <= MIXED


def opinion_of_run(result: RunResult) -> Opinion:
    """Return the ensemble's vote before any answers as the encoders' predictions.

    Parameters
    ----------
    result : RunResult

    Returns
    -------
    Opinion
    """
    alone = replace(result, updated=None)
    return Opinion(result.types, alone.probabilities, ensemble_vote(result.voters).winner)


def quick_opinion(prepared: Prepared) -> Opinion:
    """Predict query cells from the reference with the encoders used for clusters.

    Parameters
    ----------
    prepared : Prepared
        Only its embeddings for ``cluster_on`` are needed.

    Returns
    -------
    Opinion
        Over all types of the reference.
    """
    balanced = prepared.config.class_weight == "balanced"
    knn = EntropyWeightedKNN(class_weight="balanced" if balanced else None)
    reference, query = prepared.compared
    knn.fit(reference, prepared.reference_types)
    found = knn.predict_proba(query)
    return Opinion(prepared.types, found, found.argmax(axis=1))


def cluster_purity(opinion: Opinion, labels: Ints) -> tuple[Purity, ...]:
    """Count the predicted types of the cells of each cluster.

    Parameters
    ----------
    opinion : Opinion
    labels : ndarray of int64, shape (m,)
        Clusters 0 … C − 1, none of them empty.

    Returns
    -------
    tuple of Purity, length C

    Examples
    --------
    >>> import numpy as np
    >>> shares = np.array([[0.9, 0.1], [0.8, 0.2], [0.3, 0.7]])
    >>> opinion = Opinion(("a", "b"), shares, shares.argmax(axis=1))
    >>> (found,) = cluster_purity(opinion, np.zeros(3, dtype=int))
    >>> found.counts, round(found.share, 2), found.mixed
    ((('a', 2), ('b', 1)), 0.67, False)
    """
    counts = np.zeros((labels.max() + 1, len(opinion.types)), dtype=np.int64)
    np.add.at(counts, (labels, opinion.winner), 1)
    return tuple(
        Purity(
            tuple(
                (opinion.types[place], int(row[place]))
                for place in np.argsort(-row, kind="stable").tolist()
                if row[place]
            )
        )
        for row in counts
    )


def split_mixed(X: Float32, opinion: Opinion, inside: Ints, *, seed: int = 0) -> Ints:
    """Split the cells of a cluster by their predicted types and their similarity.

    Parameters
    ----------
    X : ndarray of float32, shape (m, d)
        Rows on which clusters were found.
    opinion : Opinion
    inside : ndarray of int64, shape (k,)
        The cluster's cells.
    seed : int

    Returns
    -------
    ndarray of int64, shape (k,)
        Part of each cell; 0 is the largest part.

    Raises
    ------
    DataError
        If there are no two cells that differ.

    Notes
    -----
    Runs k-means on the concatenated embeddings and probabilities, starting from the groups of cells
    with the same predicted type. Types predicted for very few cells form no separate group. If only
    one group is left, k-means starts from the two parts of
    :func:`~celltransfer_core.pipeline.edits.split_in_two`. Measured by
    tests/benchmarks/splitting.py.
    """
    from sklearn.cluster import KMeans

    two = split_in_two(X[inside], seed=seed).astype(np.int64)
    groups = _by_type(opinion.probabilities[inside], opinion.winner[inside])
    names = np.unique(groups)
    if len(names) == 1:
        groups, names = two, np.arange(2)
    centred = X[inside] - X[inside].mean(axis=0)
    spread = np.linalg.norm(centred, axis=1).mean()
    both = np.concatenate([centred / spread, opinion.probabilities[inside]], axis=1)
    starts = np.stack([both[groups == name].mean(axis=0) for name in names])
    parts = KMeans(len(names), init=starts, n_init=1, random_state=seed).fit_predict(both)
    _, parts, sizes = np.unique(parts, return_inverse=True, return_counts=True)
    rank = np.empty(len(sizes), dtype=np.int64)
    rank[np.argsort(-sizes, kind="stable")] = np.arange(len(sizes))
    return rank[parts]


def _by_type(probabilities: Float64, winner: Ints) -> Ints:
    """Reassign cells of the rarest types to their next likeliest type until no part is small."""
    winner = winner.copy()
    least = max(_LEAST_CELLS, _LEAST_SHARE * len(winner))
    while True:
        counts = np.bincount(winner, minlength=probabilities.shape[1])
        there = np.flatnonzero(counts)
        rarest = there[np.argmin(counts[there])]
        if len(there) == 1 or counts[rarest] >= least:
            return winner
        others = there[there != rarest]
        moved = np.flatnonzero(winner == rarest)
        winner[moved] = others[probabilities[np.ix_(moved, others)].argmax(axis=1)]


def by_disagreement(opinion: Opinion, cells: Sequence[int] | Ints, type_name: str) -> Ints:
    """Order cells by how confidently the encoders predict another type, highest first.

    Parameters
    ----------
    opinion : Opinion
    cells : sequence of int
    type_name : str
        The type of their cluster.

    Returns
    -------
    ndarray of int64
    """
    cells = np.asarray(cells, dtype=np.int64)
    found = opinion.probabilities[cells]
    place = opinion.types.index(type_name) if type_name in opinion.types else -1
    own = found[:, place] if place >= 0 else np.zeros(len(cells))
    return cells[np.lexsort((own - found.max(axis=1), opinion.winner[cells] == place))]
