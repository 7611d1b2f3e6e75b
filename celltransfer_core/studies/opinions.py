"""The encoders' opinion on each query cell before any confirmation, and cluster splits based on it.

It comes from the newest vote for the study's images (3.4) or, before there is one, from the
embeddings in the cache. The opinions help to judge clusters, and give edits that split a mixed one.
"""

from __future__ import annotations

from functools import lru_cache, partial
from pathlib import Path

import numpy as np

from celltransfer_core.errors import StudyError
from celltransfer_core.pipeline.purity import (
    Opinion,
    opinion_of_run,
    quick_opinion,
    split_mixed,
)
from celltransfer_core.pipeline.result import Prepared, RunResult
from celltransfer_core.studies.current import same_sets
from celltransfer_core.studies.embeddings_read import query_embeddings, with_embeddings
from celltransfer_core.studies.kept import (
    Weighing,
    load_clusters,
    load_result,
    newest_results,
    prepared_of,
    recounted_run,
    result_stamp,
    weighing_of,
)
from celltransfer_core.studies.payloads import Payload, split_payloads
from celltransfer_core.studies.stages import config_of, hash_of, keys_of
from celltransfer_core.studies.workspace import Workspace


def load_opinion(workspace: Workspace, study: str) -> Opinion:
    """Read the encoders' opinion on each query cell.

    Parameters
    ----------
    workspace : Workspace
    study : str

    Returns
    -------
    Opinion
        The ensemble's vote, from the newest result with these images and types, whatever its
        clusters; without one, entropy-weighted k-NN on the encoders that the clusters are found on.

    Raises
    ------
    StudyError
        If the sets are not embedded yet.
    CellTransferError
        If embeddings are lost and cannot be computed again.
    """
    snapshot = workspace.snapshot(study)
    prepared = prepared_of(workspace, snapshot)
    if prepared is None:
        raise StudyError("The embeddings have not been computed yet.")
    keys = keys_of(workspace, snapshot)
    folder = workspace.result_path(study, "classify", keys["classify"]).parent
    for path in newest_results(folder, "classify"):
        run: RunResult | None = load_result(path)
        if run is not None and same_sets(run, prepared):
            weighing = weighing_of(config_of(workspace, snapshot))
            return _voted(path, result_stamp(path), weighing)
    key = hash_of("opinion", keys["clusters"], prepared.config.class_weight)
    return workspace.cache.once(key, partial(_quick, prepared, workspace))


def split_edits(workspace: Workspace, study: str, cluster: int) -> list[Payload]:
    """Split a mixed cluster by the encoders' opinion on its cells.

    Parameters
    ----------
    workspace : Workspace
    study : str
    cluster : int
        The cluster's number.

    Returns
    -------
    list of dict
        Decisions of the kind ``cluster``, to be stored together.

    Raises
    ------
    StudyError
        If the cluster no longer exists.
    CellTransferError
        If its cells are all alike, or embeddings are lost and cannot be computed again.
    """
    snapshot = workspace.snapshot(study)
    prepared, clusters = prepared_of(workspace, snapshot), load_clusters(workspace, study)
    if prepared is None or clusters is None or cluster not in clusters.names:
        raise StudyError("This cluster no longer exists; find the clusters again.")
    inside = np.flatnonzero(clusters.names[clusters.labels] == cluster)
    features = query_embeddings(prepared, workspace.cache)
    parts = split_mixed(features, load_opinion(workspace, study), inside, seed=prepared.config.seed)
    key = keys_of(workspace, snapshot)["clusters"]
    return split_payloads(key, prepared.query.cells, inside, parts, cluster)


def _quick(prepared: Prepared, workspace: Workspace) -> Opinion:
    return quick_opinion(with_embeddings(prepared, workspace.cache, prepared.cluster_on))


@lru_cache(maxsize=4)
def _voted(path: Path, stamp: int, weighing: Weighing) -> Opinion:
    return opinion_of_run(recounted_run(path, stamp, weighing))
