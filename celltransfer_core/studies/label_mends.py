"""Reference labels that people corrected, and the reference with the corrected labels.

A decision (kind ``label``) names one cell of the reference and its label from now on: the original
one if it is right, or none to leave the cell out. The latest decision for each cell counts. The
images and labels that were uploaded do not change, and neither do the embeddings: labels affect
nothing before the clusters.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from celltransfer_core.data.dataset import Dataset
from celltransfer_core.data.relabelled import relabelled
from celltransfer_core.studies.records import Decision
from celltransfer_core.studies.renamed import decisions_now
from celltransfer_core.studies.snapshots import Snapshot
from celltransfer_core.studies.workspace import Workspace
from celltransfer_core.vocabulary import REFERENCE

LABEL = "label"
"""The kind of these decisions."""


def label_payload(cell: str, was: str, label: str) -> dict[str, Any]:
    """Build the payload of a decision on a label.

    Parameters
    ----------
    cell : str
        Hash.
    was : str
        The original label of the cell.
    label : str
        The label that counts from now on; empty to leave the cell out.

    Returns
    -------
    dict
    """
    return {"cell": cell, "was": was, "type": label}


def label_decisions(workspace: Workspace, study: str) -> dict[str, Decision]:
    """Find the decision that counts for each cell whose label a person checked.

    Parameters
    ----------
    workspace : Workspace
    study : str

    Returns
    -------
    dict from hash to Decision
        Ordered by time, with the current names of types.
    """
    return _standing(workspace, workspace.snapshot(study))


def _standing(workspace: Workspace, snapshot: Snapshot) -> dict[str, Decision]:
    if not workspace.decisions_of(snapshot, LABEL):
        return {}  # nothing is read if there are no decisions
    standing: dict[str, Decision] = {}
    for one in decisions_now(workspace, snapshot, LABEL):
        standing.pop(one.payload["cell"], None)
        standing[one.payload["cell"]] = one
    return standing


def mended_labels(workspace: Workspace, snapshot: Snapshot) -> Mapping[str, str]:
    """Collect the labels that differ from the original ones.

    Parameters
    ----------
    workspace : Workspace
    snapshot : Snapshot

    Returns
    -------
    mapping from hash to str
        By hash; empty for cells that are left out, including those whose type is left out.
    """

    def make() -> Mapping[str, str]:
        standing = _standing(workspace, snapshot)
        reference = workspace.pool_sets(snapshot.of_role(REFERENCE)) if standing else None
        if reference is None:
            return {}
        own = dict(zip(reference.cells, reference.cell_labels.tolist(), strict=True))
        types = {*own.values()}
        found = {}
        for cell in sorted(standing.keys() & own.keys()):
            label = standing[cell].payload["type"]
            label = label if label in types else ""
            if label != own[cell]:
                found[cell] = label
        return found

    return workspace.derive(snapshot, "mended labels", make)


def mended_reference(workspace: Workspace, study: str) -> Dataset | None:
    """Read the reference with its corrected labels.

    Parameters
    ----------
    workspace : Workspace
    study : str

    Returns
    -------
    Dataset or None
        All reference sets pooled; None if there are no images.
    """
    snapshot = workspace.snapshot(study)

    def make() -> Dataset | None:
        reference = workspace.pool_sets(snapshot.of_role(REFERENCE))
        if reference is None:
            return None
        return relabelled(reference, mended_labels(workspace, snapshot))

    return workspace.derive(snapshot, "reference", make)
