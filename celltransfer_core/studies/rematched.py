"""Edited clusters, matched to types again while a person waits.

In go a study whose clusters were edited and the embeddings that the cache keeps; its matches (A.2)
are written as the job would write them, so that whoever split a cluster is asked of its parts at
once. Larger studies leave it to a job: see :data:`AT_ONCE`.
"""

from __future__ import annotations

from celltransfer_core.pipeline.named import identify
from celltransfer_core.studies.embeddings_read import with_embeddings
from celltransfer_core.studies.kept import has_result, load_clusters, prepared_of, save_result
from celltransfer_core.studies.stages import edits_of, keys_of
from celltransfer_core.studies.workspace import Workspace

AT_ONCE = 6_000
"""Cells of all sets together that are matched while a page waits: a few seconds."""


def match_edited(workspace: Workspace, study: str) -> bool:
    """Match the edited clusters of a study to types, if that is quick.

    Parameters
    ----------
    workspace : Workspace
    study : str

    Returns
    -------
    bool
        Whether the matches are there now. False where no cluster was edited, where there are no
        clusters yet, or more cells than :data:`AT_ONCE`: that is a job's work.

    Raises
    ------
    CellTransferError
        If embeddings are lost and cannot be made again.
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
