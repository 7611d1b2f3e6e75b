"""The runs of a study that can be compared: its present state and earlier stored results.

Every result of the stage ``classify`` is stored with its settings, so nothing has to be computed.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

from celltransfer_core.errors import StudyError
from celltransfer_core.outputs.compared import ReviewedRun
from celltransfer_core.people.reviews import read_reviews
from celltransfer_core.people.updated import annotations_of
from celltransfer_core.pipeline.result import RunResult
from celltransfer_core.pipeline.updates import update_vote
from celltransfer_core.studies.current import load_current
from celltransfer_core.studies.kept import has_result, load_result, newest_results, result_stamp
from celltransfer_core.studies.renamed import decisions_now
from celltransfer_core.studies.workspace import Workspace

NOW = "now"
"""Key of the run that the study shows, with all current answers."""


@dataclass(frozen=True)
class StudyRun:
    """One run of a study."""

    key: str
    """:data:`NOW`, or the key of a stored result."""
    written: str
    """When it was computed; UTC, ISO 8601."""


def study_runs(workspace: Workspace, study: str) -> tuple[StudyRun, ...]:
    """List the runs of a study that can be compared.

    Parameters
    ----------
    workspace : Workspace
    study : str

    Returns
    -------
    tuple of StudyRun
        The present state, if its cells are typed; then every readable stored result, newest first.
    """
    folder = workspace.result_path(study, "classify", "").parent
    kept = [path for path in newest_results(folder, "classify") if has_result(path)]
    runs = [StudyRun(path.stem.rpartition("-")[2], _moment(result_stamp(path))) for path in kept]
    current = load_current(workspace, study)
    if current is None:
        return tuple(runs)
    stamp = int(current.source.rpartition(" ")[2])
    return (StudyRun(NOW, _moment(stamp)), *runs)


def _moment(stamp: int) -> str:
    moment = dt.datetime.fromtimestamp(stamp // 10**6 / 1000, dt.UTC)
    return moment.isoformat(timespec="milliseconds")


def reviewed_run(
    workspace: Workspace, study: str, run: str = NOW, *, name: str = ""
) -> ReviewedRun:
    """Read one run of a study, with its answers.

    Parameters
    ----------
    workspace : Workspace
    study : str
    run : str
        Key of a run from :func:`study_runs`.
    name : str
        Display name; the study's name by default.

    Returns
    -------
    ReviewedRun
        With all current answers; for a stored result, only those of them that had been given when
        it was computed.

    Raises
    ------
    StudyError
        If there is no such run.
    """
    name = name or workspace.study(study).name
    if run == NOW:
        current = load_current(workspace, study)
        if current is None:
            raise StudyError(f"The cells of {name} have not been typed yet; type them first.")
        return ReviewedRun(name, current.run, current.reviews)
    path = workspace.result_path(study, "classify", run)
    found: RunResult | None = load_result(path)
    if found is None:
        raise StudyError(f"{name} no longer has this run; choose one from the list.")
    written = _moment(result_stamp(path))
    decided = decisions_now(workspace, workspace.snapshot(study), "review")
    reviews = tuple(read_reviews([one.payload for one in decided if one.at <= written]))
    annotations = annotations_of(found.matches, found.query.cells, reviews)
    return ReviewedRun(name, update_vote(found, annotations) if annotations else found, reviews)
