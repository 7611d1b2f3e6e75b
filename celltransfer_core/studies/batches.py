"""Batches of a study: cells added later, typed with the types learned from the study.

In: the sets of the role ``batch``, the study, signed off or not, and answers on cells of batches.
Out: the types of each batch, its unknown cells, and its drift. Existing results do not change: a
batch is not part of the query, its clusters, matches and votes, or of the signature.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from functools import cached_property, lru_cache
from pathlib import Path

from celltransfer_core.about import __version__
from celltransfer_core.data.dataset import Dataset
from celltransfer_core.data.tables import METADATA_FILE
from celltransfer_core.errors import CellTransferError, DataError, OutputError, StudyError
from celltransfer_core.people.reviews import Review, read_reviews
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
from celltransfer_core.studies.payloads import brought_payloads
from celltransfer_core.studies.records import (
    BATCH,
    BATCH_REVIEW,
    MAX_NAME,
    ImageSet,
    Study,
)
from celltransfer_core.studies.renamed import decisions_now, types_now
from celltransfer_core.studies.stages import hash_of
from celltransfer_core.studies.workspace import Workspace
from celltransfer_core.types import Progress
from celltransfer_core.vocabulary import QUERY, REFERENCE


@dataclass(frozen=True)
class Batch:
    """A set that was added to a study later, and its types if it was typed."""

    images: ImageSet
    fresh: bool
    """Whether it was typed with the current answers of the study."""
    result: Path | None
    """Where its types are stored; None if it is not typed."""
    reviews: tuple[Review, ...] = ()
    """Reviews of cells of all batches of the study."""

    @property
    def is_typed(self) -> bool:
        """Whether it was typed, with the current answers of the study or with earlier ones."""
        return self.result is not None

    @cached_property
    def untaught(self) -> TypedBatch | None:
        """Without the answers on its own cells."""
        return load_result(self.result) if self.result else None

    @cached_property
    def typed(self) -> TypedBatch | None:
        """With the answers on its own cells."""
        if self.result is None or self.untaught is None:
            return None
        own = {*self.untaught.query.cells}
        reviews = tuple(one for one in self.reviews if one.cell in own)
        return _taught_batch(self.result, result_stamp(self.result), reviews)


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
        With the pixel size and the channels of the query.

    Raises
    ------
    StudyError
        If the cells of the study are not typed yet, or a batch has that name.
    """
    taught_run(workspace, study)
    return workspace.add_set(study, BATCH, name)


def batches_of(workspace: Workspace, study: str) -> tuple[Batch, ...]:
    """List the batches of a study in the order in which they were added.

    Parameters
    ----------
    workspace : Workspace
    study : str

    Returns
    -------
    tuple of Batch
    """
    sets = workspace.sets(study, BATCH)
    if not sets:
        return ()
    current = load_current(workspace, study)
    taught = _key_of(current) if current else ""
    reviews = _reviews(workspace, study)
    found = []
    for one in sets:
        path = _path(workspace, one, taught) if taught else None
        fresh = path is not None and has_result(path)
        found.append(Batch(one, fresh, path if fresh else _latest(workspace, one), reviews))
    return tuple(found)


def _reviews(workspace: Workspace, study: str) -> tuple[Review, ...]:
    """List the current reviews of cells of a study's batches."""
    given = decisions_now(workspace, workspace.snapshot(study), BATCH_REVIEW)
    return tuple(read_reviews([one.payload for one in given]))


@lru_cache(maxsize=24)
def _taught_batch(path: Path, stamp: int, reviews: tuple[Review, ...]) -> TypedBatch:  # noqa: ARG001
    found: TypedBatch = load_result(path)
    return found.teach(reviews)


def typed_batches(workspace: Workspace, study: str) -> dict[str, TypedBatch]:
    """List the typed batches of a study by name, in the order in which they were added.

    Parameters
    ----------
    workspace : Workspace
    study : str

    Returns
    -------
    dict from str to TypedBatch
    """
    return {one.images.name: one.typed for one in batches_of(workspace, study) if one.typed}


def type_batches(workspace: Workspace, study: str, progress: Progress) -> dict[str, str]:
    """Type all batches that are not yet typed with the current answers of the study.

    Parameters
    ----------
    workspace : Workspace
    study : str
    progress : callable

    Returns
    -------
    dict from batch to str
        Batches whose cells cannot be typed, with reasons; they do not hold up the others.

    Raises
    ------
    CellTransferError
        If the cells of the study are not typed yet or are too few to learn from, or a result cannot
        be written.
    """
    current = taught_run(workspace, study)
    taught = _key_of(current)
    model: CellClassifier | None = None
    problems: dict[str, str] = {}
    for one in workspace.sets(study, BATCH):
        path = _path(workspace, one, taught)
        try:
            cells = workspace.dataset(one)
        except DataError as error:
            problems[one.name] = str(error)
            continue
        if not cells.n_cells or has_result(path):
            continue
        model = model or CellClassifier().fit(current.run, current.reviews)
        try:
            typed = model.type_batch(cells, cache=workspace.cache, progress=progress)
        except OutputError:  # the others could not be written either
            raise
        except CellTransferError as error:
            problems[one.name] = str(error)
            continue
        save_result(path, typed)
    workspace.drop_old_batches(study)
    return problems


def describe_problems(problems: Mapping[str, str]) -> str:
    """Say which batches cannot be typed.

    Parameters
    ----------
    problems : mapping from batch to str
        From :func:`type_batches`.

    Returns
    -------
    str
        The reasons, each with the name of its batch.
    """
    return " ".join(
        why if why.startswith(name) else f"{name} cannot be typed: {why}"
        for name, why in problems.items()
    )


def count_cells(workspace: Workspace, batch: ImageSet) -> int:
    """Count the cells of a batch that can be typed.

    Parameters
    ----------
    workspace : Workspace
    batch : ImageSet

    Returns
    -------
    int
        Zero while one of its tables cannot be read.
    """
    try:
        return workspace.dataset(batch).n_cells
    except DataError:
        return 0


def is_typed(workspace: Workspace, batch: ImageSet) -> bool:
    """Tell whether the present cells of a batch are typed, with the current or earlier answers.

    Parameters
    ----------
    workspace : Workspace
    batch : ImageSet

    Returns
    -------
    bool
    """
    return _latest(workspace, batch) is not None


def known_cells(workspace: Workspace, study: str, *, beside: str = "") -> Callable[[bytes], bool]:
    """Return a test for cells that the study already has, in its query or in a batch.

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
    # By their files: a table that cannot be read in one batch must not hold up the others.
    known = workspace.image_hashes([one.id for one in sets if one.id != beside])
    return lambda data: hashlib.sha256(data).hexdigest() in known


def as_new_study(workspace: Workspace, batch: ImageSet) -> Study:
    """Create a study with a batch as its query, and the study of the batch as its reference.

    Parameters
    ----------
    workspace : Workspace
    batch : ImageSet

    Returns
    -------
    Study
        No image is copied. Answers on cells of the batch are brought in.

    Raises
    ------
    StudyError, DataError
        If the study of the batch is not finished, see
        :func:`~celltransfer_core.studies.finished.finished_run`.
    """
    batch = workspace.image_set(batch.id)  # files may have arrived since it was read
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
        _bring_answers(workspace, batch, made.id)
    except BaseException:
        workspace.delete(made.id)
        raise
    return workspace.study(made.id)


def _bring_answers(workspace: Workspace, batch: ImageSet, to: str) -> None:
    """Give the answers on a batch to a study that has its cells as the query."""
    cells = {*workspace.dataset(batch).cells}
    given: dict[str, list[Review]] = {}
    for one in _reviews(workspace, batch.study):
        if one.cell in cells:
            given.setdefault(one.reader, []).append(one)
    for reader, reviews in given.items():
        payloads = brought_payloads(reviews, batch.name, counts=False)
        workspace.decide_all(to, "review", payloads, reader)


def _slides(cells: Dataset) -> bytes:
    """Write the slide and the patient of each cell as a table."""
    import pandas as pd

    columns = {"file": cells.files, "slide": cells.slide or "", "patient": cells.patient or ""}
    return pd.DataFrame(columns).to_csv(index=False).encode()


def taught_run(workspace: Workspace, study: str) -> CurrentRun:
    """Read the typed cells of a study, from which the types of new cells are learned.

    Parameters
    ----------
    workspace : Workspace
    study : str

    Returns
    -------
    CurrentRun

    Raises
    ------
    StudyError
        If the cells of the study are not typed yet.
    """
    found = load_current(workspace, study)
    if found is None:
        raise StudyError(
            f"The cells of {workspace.study(study).name} are not typed yet. Type them first: new "
            "cells are typed with the types learned from them."
        )
    return found


def _key_of(current: CurrentRun) -> str:
    """Return the key of everything that determines what a study teaches its batches."""
    taught = {
        "result": current.source.split(" ")[0],
        "matches": [(m.cluster, m.matched_type, m.confirmed) for m in current.run.matches],
        "answers": [asdict(one) for one in current.reviews],
        "weighing": weighing_of(current.run.config),
        "version": __version__,
    }
    return hash_of(taught)


def _path(workspace: Workspace, batch: ImageSet, taught: str) -> Path:
    """Return the path of the result of a batch that was typed with what has this key."""
    key = _stem(workspace, batch) + hash_of(taught, batch.um_per_px, batch.channels)
    return workspace.result_path(batch.study, BATCH, key)


def _stem(workspace: Workspace, batch: ImageSet) -> str:
    """Return how the keys of a batch's results begin: its images, and the names of the types.

    A result with earlier names is not shown: types may have been merged, swapped or left out since.
    """
    snapshot = workspace.snapshot(batch.study)
    named = [sorted(one.mapping.items()) for one in snapshot.of_role(REFERENCE)]
    return batch.revision + hash_of(types_now(workspace, snapshot).types, named)


def _latest(workspace: Workspace, batch: ImageSet) -> Path | None:
    folder = workspace.result_path(batch.study, BATCH, "").parent
    stem = f"{BATCH}-{_stem(workspace, batch)}"
    found = sorted(folder.glob(f"{stem}*.joblib"), key=result_stamp, reverse=True)
    return next((one for one in found if has_result(one)), None)
