"""Evidence for each type in each cluster, before any cluster is named (not in the paper).

In: prepared sets, the clusters of the query and their scores (A.2). Out: the share of votes for
each type in each cluster, from the votes of its cells and the vote of its mean.
"""

from __future__ import annotations

import numpy as np

from celltransfer_core.matching.rows import group_means
from celltransfer_core.matching.scores import Similarity
from celltransfer_core.neighbors.knn import EntropyWeightedKNN
from celltransfer_core.pipeline.clusters import Clusters
from celltransfer_core.pipeline.discriminant import fitted_probabilities
from celltransfer_core.pipeline.features import between_laboratories
from celltransfer_core.pipeline.result import Prepared
from celltransfer_core.types import Float32, Float64

OF_MEAN = 2 / 3
"""Share of a cluster's votes that belongs to its mean: tests/benchmarks/naming.py."""


def cluster_votes(prepared: Prepared, clusters: Clusters, score: Similarity) -> Float64:
    """Let the cells of each cluster, and its mean, vote on its type.

    Parameters
    ----------
    prepared : Prepared
    clusters : Clusters
        C clusters of the query.
    score : Similarity
        Similarity of the clusters and the T types (A.2).

    Returns
    -------
    ndarray of float64, shape (C, T)
        Each row sums to one; zero for types that were ruled out.

    Notes
    -----
    Two views of the same evidence err in different places. Scores of means (A.2) rest on sets that
    are each centred as a whole: they fail if many types occur in only one set, because these types
    move the means. Votes of cells rest on sets that are shifted only as far as
    :func:`~celltransfer_core.pipeline.features.between_laboratories` attributes the offset to the
    laboratories: they fail if the sets share most types and the offset is large. Both are therefore
    combined: the scores, clipped to [0, 1] and scaled to sum to one, have the weight
    :data:`OF_MEAN`, and the votes of cells have the rest.

    Each query cell's nearest reference cells vote for it; all voters have equal weight. The types
    that name at least one cluster in this way are then fitted to the query, see
    :func:`~celltransfer_core.pipeline.discriminant.fitted_probabilities`, unless
    ``config.transduction`` is ``"none"``.
    """
    of_cells = _of_cells(prepared, clusters)
    of_mean = np.clip(score.p, 0, 1)
    total = of_mean.sum(axis=1, keepdims=True)
    of_mean = np.where(total > 0, of_mean / np.where(total > 0, total, 1), of_cells)
    return OF_MEAN * of_mean + (1 - OF_MEAN) * of_cells


def _of_cells(prepared: Prepared, clusters: Clusters) -> Float64:
    """Average the votes of each cluster's cells, shape (C, T)."""
    votes = _votes(prepared)
    shares = group_means(votes, clusters.labels, len(clusters.names))
    seen = np.unique(shares.argmax(axis=1))
    if prepared.config.transduction == "none" or len(seen) < 2:
        return shares
    fitted = np.zeros_like(votes)
    fitted[:, seen] = fitted_probabilities(prepared.components, votes[:, seen])
    return group_means(fitted, clusters.labels, len(clusters.names))


def _votes(prepared: Prepared) -> Float32:
    """Average the voters' predictions for each query cell, shape (m, T)."""
    config, types = prepared.config, prepared.types
    possible = np.array([name not in config.absent for name in types])
    usable = np.flatnonzero(possible[prepared.reference_types])
    own = prepared.reference_types[usable]
    knn = EntropyWeightedKNN(class_weight="balanced" if config.class_weight == "balanced" else None)
    votes = np.zeros((prepared.query.n_cells, len(types)), dtype=np.float32)
    for voter in prepared.voters:
        Xs, Xt = between_laboratories(prepared.comparable, voter, own, config, usable=usable)
        votes[:, knn.fit(Xs, own).classes_] += knn.predict_proba(Xt) / len(prepared.voters)
    return votes
