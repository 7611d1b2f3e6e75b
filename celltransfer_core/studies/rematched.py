"""Matching of edited clusters to types while the user waits.

The matches (A.2) of a study's edited clusters are computed from the cached embeddings and written
exactly as the job would write them, so that a reader who splits a cluster can match its parts at
once. For larger studies this is left to a job: see :data:`AT_ONCE`.
"""

from __future__ import annotations

from celltransfer_core.pipeline.named import identify
from celltransfer_core.studies.embeddings_read import with_embeddings
from celltransfer_core.studies.kept import has_result, load_clusters, prepared_of, save_result
from celltransfer_core.studies.stages import edits_of, keys_of
from celltransfer_core.studies.workspace import Workspace

AT_ONCE = 6_000
"""Largest total number of cells that is matched while a page waits, which takes a few seconds."""


def match_edited(workspace: Workspace, study: str) -> bool:
    """Match the edited clusters of a study to types, if that is quick.

    Parameters
    ----------
    workspace : Workspace
    study : str

    Returns
    -------
    bool
        Whether the matches exist now. False if no cluster was edited, if there are no clusters yet,
        or if there are more cells than :data:`AT_ONCE`: then a job has to do it.

    Raises
    ------
    CellTransferError
        If embeddings are lost and cannot be computed again.
    """
    snapshot = workspace.snapshot(study)
    keys = keys_of(workspace, snapshot)
    if not keys or not edits_of(workspace, snapshot, keys["clusters"]):
        return False
    path = workspace.result_path(study, "matches", keys["matches"])
    if has_result(path):
        return True
    prepared, clusters = prepared_of(workspace, snapshot), load_clusters(workspace, study)
    if prepared is None or clusters is None:
        return False
    sets = (prepared.reference, prepared.query, *prepared.extras.values())
    if sum(one.n_cells for one in sets) > AT_ONCE:
        return False
    save_result(path, identify(with_embeddings(prepared, workspace.cache), clusters))
    return True
