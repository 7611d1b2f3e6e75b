"""TODO celltransfer_core/evaluation/shared_types.py."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from celltransfer_core.evaluation.metrics import identification, majority_types
from celltransfer_core.evaluation.protocol import LARGE, Protocol
from celltransfer_core.evaluation.result import Identification
from celltransfer_core.matching.matches import match_clusters
from celltransfer_core.matching.plane import refine, tsne_plane
from celltransfer_core.pipeline.named import find_clusters, score_sets
from celltransfer_core.pipeline.prepared import representation
from celltransfer_core.pipeline.result import Prepared
from celltransfer_core.types import Labels, Progress
from celltransfer_core.vocabulary import QUERY


def identify(
    prepared: Prepared, truth: Labels, protocol: Protocol, progress: Progress
) -> tuple[Identification, ...]:
    if not protocol.identification_subsets:
        return ()
    config = prepared.config
    size = config.subset_size
    rng = np.random.default_rng([config.seed, LARGE + 3])
    subsets = (
        [
            np.sort(rng.permutation(len(truth))[:size])
            for _ in range(protocol.identification_subsets)
        ]
        if len(truth) > size
        else [np.arange(len(truth))]
    )
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
            embeddings = dict(prepared.comparable)
            embeddings[QUERY] = {member: rows[subset] for member, rows in embeddings[QUERY].items()}
            X = representation(embeddings, prepared.cluster_on, way)[1]
            clusters = find_clusters(X, way)
            scores = score_sets(
                embeddings,
                prepared.reference_types,
                prepared.types,
                clusters,
                prepared.cluster_on,
                way,
            )
            matches = match_clusters(scores[QUERY], clusters.sizes)
            matched[False] += [match.matched_type for match in matches]
            if prepared.extras:
                plane = tsne_plane(scores, seed=config.seed)
                matched[True] += [one.type_name for one in refine(plane, scores[QUERY])]
            majority += majority_types(clusters.labels, truth[subset])
        found += [
            Identification(
                way.clusters,
                way.graph,
                correction,
                identification(answers, majority, prepared.types, query_types),
                len(majority),
            )
            for correction, answers in matched.items()
            if answers
        ]
    progress("identify shared types", len(ways), len(ways))
    return tuple(found)
