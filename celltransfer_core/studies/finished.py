"""Finished studies of a workspace, used as references of their own domain.

A study is given by its name or id. Its query cells with their final types become a data set to
pool, or a set of another study. No image is uploaded or stored again.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from celltransfer_core.data.dataset import Dataset, read_stored, stored_at
from celltransfer_core.data.tables import LABELS_FILE
from celltransfer_core.errors import ImageError, StudyError
from celltransfer_core.outputs.reference_cells import (
    LEAST_CONFIDENCE,
    ReferenceCell,
    ReferenceCells,
    find_reference_cells,
    reference_names,
    reference_table,
)
from celltransfer_core.outputs.study_tables import StudyTables
from celltransfer_core.pipeline.portable import CellClassifier
from celltransfer_core.studies.current import CurrentRun, load_current
from celltransfer_core.studies.records import ImageSet, Study
from celltransfer_core.studies.steps import steps_of
from celltransfer_core.studies.workspace import Workspace
from celltransfer_core.vocabulary import and_more


def find_study(workspace: Workspace, named: str) -> Study:
    """Find a study by its id or its name.

    Parameters
    ----------
    workspace : Workspace
    named : str

    Returns
    -------
    Study

    Raises
    ------
    StudyError
        If there is none, or several studies have this name.
    """
    studies = workspace.studies()
    found = [one for one in studies if one.id == named] or [
        one for one in studies if one.name == named
    ]
    if not found:
        there = and_more(sorted(one.name for one in studies)) or "no study"
        raise StudyError(
            f"There is no study named {named!r} in {workspace.folder}; it contains: {there}."
        )
    if len(found) > 1:
        ids = ", ".join(one.id for one in found)
        raise StudyError(f"{len(found)} studies are named {named!r}; give the id of one: {ids}.")
    return found[0]


def finished_run(workspace: Workspace, study: str) -> CurrentRun:
    """Read the typed cells of a finished study.

    Parameters
    ----------
    workspace : Workspace
    study : str
        Its id.

    Returns
    -------
    CurrentRun

    Raises
    ------
    StudyError
        If it is neither signed off nor ready for sign-off, or its cells are not typed.
    """
    found = workspace.study(study)
    if not found.signed:
        steps = steps_of(workspace, study, read=False)
        matches, review = steps.marks["matches"], steps.marks["review"]
        if steps.next != "export":
            raise StudyError(
                f"{found.name} is not finished: {matches.done} of {matches.of} clusters have an "
                f"answer and {review.done} of {review.of} cells reviewed. Finish it, or sign it "
                "off."
            )
    current = load_current(workspace, study)
    if current is None:
        raise StudyError(f"The cells of {found.name} have not been typed; type them first.")
    return current


def finished_studies(workspace: Workspace) -> tuple[Study, ...]:
    """List the studies that can be taken as a reference.

    Parameters
    ----------
    workspace : Workspace

    Returns
    -------
    tuple of Study
        The most recently changed first.
    """
    return tuple(one for one in workspace.studies() if _is_finished(workspace, one))


def _is_finished(workspace: Workspace, study: Study) -> bool:
    return bool(study.signed) or steps_of(workspace, study.id, read=False).next == "export"


@dataclass(frozen=True)
class FinishedStudy:
    """A finished study, as the source of a reference or a classifier."""

    workspace: Workspace
    tables: StudyTables

    @property
    def manifest(self) -> Mapping[str, Any]:
        """Manifest of its run."""
        return self.tables.manifest

    def reference_cells(self, least_confidence: float = LEAST_CONFIDENCE) -> ReferenceCells:
        """Choose the query cells that can serve as a reference.

        Parameters
        ----------
        least_confidence : float
            See :func:`~celltransfer_core.outputs.reference_cells.find_reference_cells`.

        Returns
        -------
        ReferenceCells

        Raises
        ------
        DataError
            If fewer than two types remain.
        """
        matches = self.tables.matches()
        confirmed = matches.loc[matches["confirmed"].astype(bool), "cluster"].tolist()
        rows: list[dict[str, Any]] = self.tables.identified().to_dict("records")  # type: ignore[assignment]
        return find_reference_cells(rows, {*map(int, confirmed)}, least_confidence=least_confidence)

    def read(self, cell: ReferenceCell) -> bytes:
        """Read the image of a cell.

        Parameters
        ----------
        cell : ReferenceCell

        Returns
        -------
        bytes

        Raises
        ------
        ImageError
            If the image is damaged or missing.
        """
        try:
            return read_stored(self.workspace.images, cell.sha256)
        except OSError as error:
            raise ImageError(f"{cell.file} is no longer stored; add it again.") from error

    def classifier(self) -> CellClassifier:
        """Make a portable classifier from the study.

        Returns
        -------
        CellClassifier

        Raises
        ------
        DataError
            If fewer than two types can be learned.
        """
        return CellClassifier().fit(self.tables.run, self.tables.reviews)


def open_finished(workspace: Workspace, study: str) -> FinishedStudy:
    """Open a finished study.

    Parameters
    ----------
    workspace : Workspace
    study : str
        Its id.

    Returns
    -------
    FinishedStudy

    Raises
    ------
    StudyError
        See :func:`finished_run`.
    """
    current = finished_run(workspace, study)
    return FinishedStudy(workspace, StudyTables(current.run, current.reviews))


def study_reference(
    workspace: Workspace, study: str, *, least_confidence: float = LEAST_CONFIDENCE
) -> Dataset:
    """Read the query cells of a study with their final types.

    Parameters
    ----------
    workspace : Workspace
    study : str
        Its id.
    least_confidence : float

    Returns
    -------
    Dataset
        Its files are named by their hashes, as the workspace stores them, so that no two sources
        that are pooled share a name and the names reveal nothing.

    Raises
    ------
    StudyError, DataError
        See :func:`finished_run` and :meth:`FinishedStudy.reference_cells`.
    """
    chosen = open_finished(workspace, study).reference_cells(least_confidence)
    query = workspace.pooled(study, "query")
    if query is None:
        raise StudyError("The study no longer has a query.")
    cells = np.searchsorted(query.cells, [one.sha256 for one in chosen.cells]).astype(np.int64)
    taken = query.take(cells)
    return replace(
        taken,
        files=tuple(
            stored_at(query.root, sha).relative_to(query.root).as_posix() for sha in taken.sha256
        ),
        labels=tuple(one.label for one in chosen.cells),
        slide=_column(chosen.cells, "slide"),
        patient=_column(chosen.cells, "patient"),
        by_hash=False,
        looks=query.looks,
    )


def _column(cells: Sequence[ReferenceCell], name: str) -> tuple[str, ...] | None:
    values = tuple(str(getattr(one, name)) for one in cells)
    return values if any(values) else None


def add_finished(
    workspace: Workspace,
    study: str,
    finished: str,
    *,
    least_confidence: float = LEAST_CONFIDENCE,
) -> ImageSet:
    """Add the typed cells of a finished study to another study, as a separate reference set.

    Parameters
    ----------
    workspace : Workspace
    study : str
        Id of the study that receives the set.
    finished : str
        Id of the study that the cells come from.
    least_confidence : float

    Returns
    -------
    ImageSet

    Raises
    ------
    StudyError, DataError
        See :func:`finished_run` and :meth:`FinishedStudy.reference_cells`; or if it is the
        same study.
    """
    if study == finished:
        raise StudyError("A study cannot be its own reference; choose another one.")
    chosen = open_finished(workspace, finished).reference_cells(least_confidence)
    (query,) = workspace.sets(finished, "query")
    made = workspace.add_set(study, "reference", workspace.study(finished).name)
    workspace.change_set(made.id, um_per_px=query.um_per_px or 0, channels=query.channels or "")
    workspace.take_over(made.id, query.id, reference_names(chosen))
    workspace.receive(made.id, [(LABELS_FILE, reference_table(chosen))])
    return workspace.image_set(made.id)
