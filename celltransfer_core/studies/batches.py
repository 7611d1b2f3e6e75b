"""Batches of a study: cells that arrived after it, typed by what the study taught.

The inputs are the sets with the role ``batch`` and the study in its present state, signed off or
not. Each batch gets its types, the cells that are unlike every type, and its drift. A batch
changes nothing in the study: it is not part of the query, its clusters, matches and votes, or the
signature.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

from celltransfer_core.about import __version__
from celltransfer_core.data.dataset import Dataset
from celltransfer_core.data.tables import METADATA_FILE
from celltransfer_core.errors import StudyError
from celltransfer_core.pipeline.portable import CellClassifier
from celltransfer_core.pipeline.typed_batch import TypedBatch
from celltransfer_core.studies.current import CurrentRun, load_current
from celltransfer_core.studies.finished import add_finished
from celltransfer_core.studies.kept import (
    has_result,
    load_result,
    result_stamp,
    save_result,
    weighing_of,
)
from celltransfer_core.studies.records import BATCH, MAX_NAME, ImageSet, Study, clean_name
from celltransfer_core.studies.stages import hash_of
from celltransfer_core.studies.workspace import Workspace
from celltransfer_core.types import Progress
from celltransfer_core.vocabulary import QUERY


@dataclass(frozen=True)
class Batch:
    """A set that arrived after a study, with its types once it has been typed."""

    images: ImageSet
    typed: TypedBatch | None
    """Typed by what the study teaches now, or else by what it taught last time."""
    fresh: bool
    """Whether ``typed`` matches what the study teaches now."""


def add_batch(workspace: Workspace, study: str, name: str) -> ImageSet:
    """Add an empty batch to a study, signed off or not.

    Parameters
    ----------
    workspace : Workspace
    study : str
        Its id.
    name : str

    Returns
    -------
    ImageSet
        It has the microscope of the query: the same pixel size and the same channels.

    Raises
    ------
    StudyError
        If the study's cells are not typed yet, so that it teaches nothing, or the name is taken.
    """
    _taught(workspace, study)
    name = clean_name(name)
    if any(one.name == name for one in workspace.sets(study, BATCH)):
        raise StudyError(f"A batch of this study is called {name}; choose another name.")
    made = workspace.add_set(study, BATCH, name)
    (query,) = workspace.sets(study, QUERY)
    workspace.change_set(made.id, um_per_px=query.um_per_px or 0, channels=query.channels or "")
    return workspace.image_set(made.id)


def batches_of(workspace: Workspace, study: str) -> tuple[Batch, ...]:
    """List the batches of a study in the order in which they arrived.

    Parameters
    ----------
    workspace : Workspace
    study : str

    Returns
    -------
    tuple of Batch
    """
    sets = workspace.sets(study, BATCH)
    current = load_current(workspace, study) if sets else None
    found = []
    for one in sets:
        path = _path(workspace, one, current) if current else None
        fresh = path is not None and has_result(path)
        shown = path if fresh else _latest(workspace, one)
        found.append(Batch(one, load_result(shown) if shown else None, fresh))
    return tuple(found)


def typed_batches(workspace: Workspace, study: str) -> dict[str, TypedBatch]:
    """List the typed batches of a study by name, in the order in which they arrived.

    Parameters
    ----------
    workspace : Workspace
    study : str

    Returns
    -------
    dict from str to TypedBatch
    """
    return {one.images.name: one.typed for one in batches_of(workspace, study) if one.typed}


def type_batches(workspace: Workspace, study: str, progress: Progress) -> None:
    """Type the batches of a study by what it teaches now; skip those that are up to date.

    Parameters
    ----------
    workspace : Workspace
    study : str
    progress : callable

    Raises
    ------
    CellTransferError
        If the study teaches nothing, or images cannot be used.
    """
    current = _taught(workspace, study)
    model: CellClassifier | None = None
    for one in workspace.sets(study, BATCH):
        path, cells = _path(workspace, one, current), workspace.dataset(one)
        if not cells.n_cells or has_result(path):
            continue
        model = model or CellClassifier().fit(current.run, current.reviews)
        save_result(path, model.type_batch(cells, cache=workspace.cache, progress=progress))


def known_cells(workspace: Workspace, study: str, *, beside: str = "") -> Callable[[bytes], bool]:
    """Return a function that tells whether a study already has a cell, in its query or a batch.

    Parameters
    ----------
    workspace : Workspace
    study : str
    beside : str
        Id of a batch to ignore.

    Returns
    -------
    callable
        Takes the bytes of an image.
    """
    sets = (*workspace.sets(study, QUERY), *workspace.sets(study, BATCH))
    known = {sha for one in sets if one.id != beside for sha in workspace.dataset(one).cells}
    return lambda data: hashlib.sha256(data).hexdigest() in known


def as_new_study(workspace: Workspace, batch: ImageSet) -> Study:
    """Begin a study with a batch as its query and the batch's study as its reference.

    Parameters
    ----------
    workspace : Workspace
    batch : ImageSet

    Returns
    -------
    Study
        No image is copied.

    Raises
    ------
    StudyError, DataError
        If the batch's study is not finished, see
        :func:`~celltransfer_core.studies.finished.finished_run`.
    """
    of, cells = workspace.study(batch.study), workspace.dataset(batch)
    made = workspace.create(f"{batch.name} after {of.name}"[:MAX_NAME])
    try:
        add_finished(workspace, made.id, of.id)
        query = workspace.add_set(made.id, "query", batch.name)
        size, shown = batch.um_per_px or 0, batch.channels or ""
        workspace.change_set(query.id, um_per_px=size, channels=shown)
        names = dict(zip(cells.cells, cells.first_file, strict=True))
        workspace.take_over(query.id, batch.id, names)
        if cells.slide or cells.patient:
            workspace.receive(query.id, [(METADATA_FILE, _slides(cells))])
    except BaseException:
        workspace.delete(made.id)
        raise
    return workspace.study(made.id)


def _slides(cells: Dataset) -> bytes:
    """Write the slide and the patient of each cell as a table."""
    import pandas as pd

    columns = {"file": cells.files, "slide": cells.slide or "", "patient": cells.patient or ""}
    return pd.DataFrame(columns).to_csv(index=False).encode()


def _taught(workspace: Workspace, study: str) -> CurrentRun:
    found = load_current(workspace, study)
    if found is None:
        raise StudyError(
            f"The cells of {workspace.study(study).name} are not typed yet, so that nothing is "
            "taught; type them first."
        )
    return found


def _path(workspace: Workspace, batch: ImageSet, current: CurrentRun) -> Path:
    """Return the path of the result of typing a batch by what is taught now."""
    taught = {
        "result": current.source.split(" ")[0],
        "matches": [(m.cluster, m.matched_type, m.confirmed) for m in current.run.matches],
        "answers": [asdict(one) for one in current.reviews],
        "weighing": weighing_of(current.run.config),
        "version": __version__,
    }
    key = batch.revision + hash_of(taught, batch.um_per_px, batch.channels)
    return workspace.result_path(batch.study, BATCH, key)


def _latest(workspace: Workspace, batch: ImageSet) -> Path | None:
    folder = workspace.result_path(batch.study, BATCH, "").parent
    found = sorted(folder.glob(f"{BATCH}-{batch.revision}*.joblib"), key=result_stamp, reverse=True)
    return next((one for one in found if has_result(one)), None)
