"""Identification of the types that both sets share, by every way of clustering (5.1, eqs 5, 24)."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from celltransfer_core.config.config import Config
from celltransfer_core.evaluation.metrics import identification, majority_types
from celltransfer_core.evaluation.protocol import LARGE, Protocol
from celltransfer_core.evaluation.result import Identification
from celltransfer_core.matching.matches import match_clusters
from celltransfer_core.matching.plane import refine, tsne_plane
from celltransfer_core.pipeline.clusters import Clusters
from celltransfer_core.pipeline.features import representation
from celltransfer_core.pipeline.named import find_clusters, score_sets
from celltransfer_core.pipeline.result import Prepared
from celltransfer_core.types import Ints, Labels, Progress
from celltransfer_core.vocabulary import QUERY


def measure_identification(
    prepared: Prepared, truth: Labels, protocol: Protocol, progress: Progress
) -> tuple[Identification, ...]:
    """Measure how well the shared types are found by A.2, before and after the t-SNE vote.

    As in the paper's table, clusters are named by its scores, regardless of ``config.naming``.

    Parameters
    ----------
    prepared : Prepared
    truth : ndarray of str, shape (m,)
        Types of the query's cells; empty where not known.
    protocol : Protocol
        Its ``identification_subsets`` is the number of random subsets of a query that is too large
        for one transport.
    progress : callable

    Returns
    -------
    tuple of Identification
        Empty if the protocol does not include them.
    """
    if not protocol.identification_subsets:
        return ()
    config = prepared.config
    subsets = _subsets(len(truth), config, protocol.identification_subsets)
    names, counts = np.unique(truth[truth != ""], return_counts=True)
    query_types = dict(zip(names.tolist(), counts.tolist(), strict=True))
    found = []
    ways = [
        replace(config, clusters=clusters, graph=graph)
        for clusters in ("mixture", "louvain", "node-degree")
        for graph in ("geodesic", "knn")
    ]
    for number, way in enumerate(ways):
        progress("identify shared types", number, len(ways))
        matched: dict[bool, list[str]] = {False: [], True: []}
        majority: list[str] = []
        for subset in subsets:
            clusters, plain, corrected = _match(prepared, subset, way)
            matched[False] += plain
            matched[True] += corrected
            majority += majority_types(clusters.labels, truth[subset])
        found += [
            Identification(
                way.clusters,
                way.graph,
                correction,
                identification(matched_types, majority, prepared.types, query_types),
                len(majority),
            )
            for correction, matched_types in matched.items()
            if matched_types
        ]
    progress("identify shared types", len(ways), len(ways))
    return tuple(found)


def _subsets(m: int, config: Config, count: int) -> list[Ints]:
    """Draw random subsets of a query that is too large for one transport; else use all of it."""
    if m <= config.subset_size:
        return [np.arange(m)]
    rng = np.random.default_rng([config.seed, LARGE + 3])
    return [np.sort(rng.permutation(m)[: config.subset_size]) for _ in range(count)]


def _match(
    prepared: Prepared, subset: Ints, config: Config
) -> tuple[Clusters, list[str], list[str]]:
    """Match the clusters of a subset: their types, and those that the t-SNE vote proposes."""
    embeddings = dict(prepared.comparable)
    embeddings[QUERY] = {member: rows[subset] for member, rows in embeddings[QUERY].items()}
    X = representation(embeddings, prepared.cluster_on, config)[1]
    clusters = find_clusters(X, config)
    scores = score_sets(
        embeddings,
        prepared.reference_types,
        prepared.types,
        clusters,
        prepared.cluster_on,
        config,
    )
    plain = [match.matched_type for match in match_clusters(scores[QUERY], clusters.sizes)]
    if not prepared.extras:
        return clusters, plain, []
    plane = tsne_plane(scores, seed=config.seed)
    return clusters, plain, [one.type_name for one in refine(plane, scores[QUERY])]
