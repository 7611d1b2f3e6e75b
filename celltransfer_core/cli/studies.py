"""References that are studies of the workspace: ``study:NAME`` in place of a folder.

Resolves the value of an option to the name of a study, or to its typed cells as a data set.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from celltransfer_core.data.dataset import Dataset
    from celltransfer_core.studies.finished import FinishedStudy

PREFIX = "study:"


def add_least_confidence(group: argparse._ActionsContainer) -> None:
    """Add the option for the minimum confidence of a study's cells without an answer."""
    group.add_argument(
        "--least-confidence",
        type=float,
        metavar="P",
        help="minimum (calibrated) confidence of the unanswered cells to use from a study or a "
        "run; 0 for all (default: 0.6)",
    )


def study_named(folder: Path) -> str:
    """Return the study that an option names.

    Parameters
    ----------
    folder : Path

    Returns
    -------
    str
        Name or id of the study; empty for a folder.
    """
    text = str(folder)
    return text.removeprefix(PREFIX).strip() if text.startswith(PREFIX) else ""


def read_study(named: str, least_confidence: float | None) -> Dataset:
    """Read the typed cells of a finished study.

    Parameters
    ----------
    named : str
        Name or id of the study.
    least_confidence : float, optional

    Returns
    -------
    Dataset

    Raises
    ------
    StudyError, DataError
        If there is no such study, several have the name, it is not finished, or too few of its
        cells can serve.
    """
    from celltransfer_core.outputs.reference_cells import LEAST_CONFIDENCE
    from celltransfer_core.studies.finished import find_study, study_reference
    from celltransfer_core.studies.workspace import Workspace

    workspace = Workspace()
    least = LEAST_CONFIDENCE if least_confidence is None else least_confidence
    return study_reference(workspace, find_study(workspace, named).id, least_confidence=least)


def open_study(named: str) -> FinishedStudy:
    """Open a finished study.

    Parameters
    ----------
    named : str
        Name or id of the study.

    Returns
    -------
    FinishedStudy

    Raises
    ------
    StudyError
        If there is no such study, several have the name, or it is not finished.
    """
    from celltransfer_core.studies.finished import find_study, open_finished
    from celltransfer_core.studies.workspace import Workspace

    workspace = Workspace()
    return open_finished(workspace, find_study(workspace, named).id)
