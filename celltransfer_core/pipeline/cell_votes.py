"""What the cells of each cluster are taken for, before anybody has named one (not in the paper).

In: prepared sets and the clusters of the query. Out: the share of its cells' votes that each
cluster gives to each type.
"""

from __future__ import annotations

import numpy as np

from celltransfer_core.matching.rows import group_means
from celltransfer_core.neighbors.knn import EntropyWeightedKNN
from celltransfer_core.pipeline.clusters import Clusters
from celltransfer_core.pipeline.discriminant import fitted_probabilities
from celltransfer_core.pipeline.features import between_laboratories
from celltransfer_core.pipeline.result import Prepared
from celltransfer_core.types import Float32, Float64


def cluster_votes(prepared: Prepared, clusters: Clusters) -> Float64:
    """Let the cells of each cluster vote on its type.

    Parameters
    ----------
    prepared : Prepared
    clusters : Clusters
        C clusters of the query.

    Returns
    -------
    ndarray of float64, shape (C, T)
        Each row sums to one; zero for types that were ruled out and for those that no cluster is
        named by.

    Notes
    -----
    Scores of cluster means (A.2) rest on sets that are centred as wholes, and types that are in one
    set alone move these means. Here each query cell's nearest reference cells vote, in sets that
    are moved only as far as
    :func:`~celltransfer_core.pipeline.features.between_laboratories` believes in it; every voter
    counts the same. Then the types that some cluster is named by so are fitted to the query, see
    :func:`~celltransfer_core.pipeline.discriminant.fitted_probabilities`, unless
    ``config.transduction`` is ``"none"``.
    """
    votes = _votes(prepared)
    shares = group_means(votes, clusters.labels, len(clusters.names))
    seen = np.unique(shares.argmax(axis=1))
    if prepared.config.transduction == "none" or len(seen) < 2:
        return shares
    fitted = np.zeros_like(votes)
    fitted[:, seen] = fitted_probabilities(prepared.components, votes[:, seen])
    return group_means(fitted, clusters.labels, len(clusters.names))


def _votes(prepared: Prepared) -> Float32:
    """Average what the voters make of each query cell, shape (m, T)."""
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
