"""Checks of a study's reference, made once for given images and settings, whatever people decide.

The reference sets with their original labels give a
:class:`~celltransfer_core.pipeline.reference_check.ReferenceCheck`, stored like the results of the
stages. People's decisions on labels are stored separately
(:mod:`celltransfer_core.studies.label_mends`).
"""

from __future__ import annotations

from pathlib import Path

from celltransfer_core.about import __version__
from celltransfer_core.outputs.check_table import Mended
from celltransfer_core.pipeline.reference_check import ReferenceCheck
from celltransfer_core.studies.kept import load_result
from celltransfer_core.studies.label_mends import label_decisions
from celltransfer_core.studies.stages import config_of, deciding_images, hash_of
from celltransfer_core.studies.workspace import Workspace
from celltransfer_core.vocabulary import REFERENCE


def check_path(workspace: Workspace, study: str) -> Path | None:
    """Return the path of the check of a study's reference, whether it exists or not.

    Parameters
    ----------
    workspace : Workspace
    study : str

    Returns
    -------
    Path or None
        None if there is no reference.
    """
    snapshot = workspace.snapshot(study)
    sets, config = snapshot.of_role(REFERENCE), config_of(workspace, snapshot)
    if not snapshot.study.drawn and REFERENCE not in workspace.filled(study):
        return None
    images, settings = deciding_images(snapshot, sets), config.first_deciding("embed")
    return workspace.result_path(
        study, "check", hash_of(__version__, images, settings, config.seed)
    )


def load_check(workspace: Workspace, study: str) -> ReferenceCheck | None:
    """Read the check of the reference's original labels.

    Parameters
    ----------
    workspace : Workspace
    study : str

    Returns
    -------
    ReferenceCheck or None
        None if these images have not been checked.
    """
    path = check_path(workspace, study)
    return load_result(path) if path else None


def mended_cells(workspace: Workspace, study: str) -> dict[str, Mended]:
    """Collect people's decisions on labels, for the table of the check.

    Parameters
    ----------
    workspace : Workspace
    study : str

    Returns
    -------
    dict from hash to Mended
    """
    return {
        cell: Mended(one.payload["type"], one.who, one.at)
        for cell, one in label_decisions(workspace, study).items()
    }
