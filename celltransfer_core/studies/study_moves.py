"""Export of a study to one file, and import of a study from such a file."""

from __future__ import annotations

import datetime as dt
import os
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import IO, Any

from celltransfer_core.data.dataset import read_stored
from celltransfer_core.errors import CellTransferError, DataError, ImageError, StudyError, one_line
from celltransfer_core.evaluation.report.write import write_evaluation
from celltransfer_core.evaluation.result import Evaluation
from celltransfer_core.runtime.files import write_whole
from celltransfer_core.studies.answers import list_answers
from celltransfer_core.studies.batches import typed_batches
from celltransfer_core.studies.current import load_current
from celltransfer_core.studies.kept import load_result, result_stamp, save_result
from celltransfer_core.studies.plain_results import from_plain, to_plain
from celltransfer_core.studies.records import BATCH, Study
from celltransfer_core.studies.stages import config_of_options, named_types, stage_keys
from celltransfer_core.studies.study_contents import StudyContents
from celltransfer_core.studies.study_file import (
    KeptResult,
    StudyFile,
    open_study_file,
    write_study_file,
)
from celltransfer_core.studies.workspace import Workspace
from celltransfer_core.types import Progress, silent


@dataclass(frozen=True)
class Imported:
    """A study that was imported."""

    study: Study
    contents: StudyContents
    was_here: bool
    """Whether this workspace had a study with its id, so that it got a new one."""
    results: int
    """Number of results that were imported."""
    left_out: int
    """Number of results by another version or unreadable ones, which must be computed again."""

    @property
    def told(self) -> str:
        """A summary of the import, in a sentence or two."""
        said = (
            f"{len(self.contents.images):,} images, {len(self.contents.decisions):,} decisions and "
            f"{self.results:,} results were imported."
        )
        if self.left_out:
            said += f" {self.left_out:,} more are of another version and will be computed again."
        if self.was_here:
            said += " A study with its id already exists here, so this one got a new id."
        return said


def export_study(
    workspace: Workspace, study: str, path: Path, *, progress: Progress = silent
) -> Path:
    """Write a study to one file: images, options, decisions with author and time, and results.

    Parameters
    ----------
    workspace : Workspace
    study : str
    path : Path
        Path of the file, which is written completely or not at all.
    progress : callable

    Returns
    -------
    Path
        ``path``. The same study always gives the same bytes.

    Raises
    ------
    StudyError
        If there is no such study, or one of its images is damaged or missing.
    OutputError
        If the file cannot be written.
    """
    contents = workspace.contents(study)
    done, total = 0, len(contents.images)

    def image(sha256: str) -> bytes:
        nonlocal done
        progress("images", done, total)
        done += 1
        try:
            return read_stored(workspace.images, sha256)
        except (OSError, ImageError) as error:
            files = (one for some in contents.files for one in some)
            name = next(one["path"] for one in files if one["sha256"] == sha256)
            raise StudyError(f"{name} is damaged on disk or missing; add it again.") from error

    def write(beside: Path) -> None:
        write_study_file(beside, study, contents, _kept(workspace, study, contents), image)

    def problem(reason: str) -> str:
        return (
            f"Cannot write {path} ({reason}); check that its disk has space and that its folder is "
            "writable, then export again."
        )

    write_whole(path, write, problem=problem)
    progress("images", total, total)
    return path


def _kept(workspace: Workspace, study: str, contents: StudyContents) -> Iterator[KeptResult]:
    """Read the results of a study, sorted by name; skip those of earlier versions.

    Skip also those of batches that were removed or had other images: they name their files.
    """
    folder = workspace.result_path(study, "embed", "").parent
    batches = (one["revision"] for one in contents.sets if one["role"] == BATCH)
    shown = tuple(f"{BATCH}-{revision}" for revision in batches)
    for path in sorted(folder.glob("*.joblib")):
        if path.name.startswith(f"{BATCH}-") and not path.name.startswith(shown):
            continue
        found = load_result(path)
        if found is not None:
            moment = dt.datetime.fromtimestamp(result_stamp(path) // 10**6 / 1000, dt.UTC)
            written = moment.isoformat(timespec="milliseconds")
            yield KeptResult(path.stem, written, to_plain(found))


def import_study(workspace: Workspace, file: IO[bytes], *, progress: Progress = silent) -> Imported:
    """Import a study that :func:`export_study` wrote, completely or not at all.

    Parameters
    ----------
    workspace : Workspace
    file : binary file
        File from any source; it must be seekable.
    progress : callable

    Returns
    -------
    Imported

    Raises
    ------
    DataError
        If the file does not hold a study, is damaged, or comes from a newer version.
    OutputError
        If the disk is full or cannot be written to.
    """
    with open_study_file(file) as found:
        told = found.contents
        counts = {"taken": 0, "left out": 0}

        def fill(made: str) -> None:
            for name in found.result_names:
                taken = _take_result(workspace, made, found, name)
                counts["taken" if taken else "left out"] += 1

        study = workspace.take_in(
            told,
            found.study,
            found.image,
            fill,
            check=partial(_check_opens, workspace),
            progress=progress,
        )
    return Imported(study, told, study.id != found.study, counts["taken"], counts["left out"])


def _take_result(workspace: Workspace, study: str, found: StudyFile, name: str) -> bool:
    """Write a result to a study's folder; tell whether it is readable by this version."""
    kept = found.result(name)
    try:
        result: Any = from_plain(kept.plain, workspace.images, found.contents.images)
    except DataError:
        return False
    stage, _, key = name.rpartition("-")
    path = workspace.result_path(study, stage, key)
    save_result(path, result)
    stamp = int(dt.datetime.fromisoformat(kept.written).timestamp() * 1000) * 10**6
    os.utime(path, ns=(stamp, stamp))
    if isinstance(result, Evaluation):
        write_evaluation(result, path.with_suffix(""))
    return True


def _check_opens(workspace: Workspace, study: str) -> None:
    """Check that a study can be opened; accept problems that the user can fix on its pages."""
    try:
        config_of_options(workspace.study(study).options)
        with suppress(CellTransferError):
            list_answers(workspace, study)
            named_types(workspace, study)
            stage_keys(workspace, study)
            load_current(workspace, study)
            typed_batches(workspace, study)
    except Exception as error:  # values from any source may fail in any way
        raise DataError(
            f"The settings or decisions of the study cannot be read here ({one_line(error, 200)})."
        ) from error
