"""The progress of each step of a study, and the next step.

Steps that depend on people are done when people have decided: clusters are matched once a person
has settled each of them, and a review is done after the recommended number of answers. While
nothing in the study changes, no result is read again.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from celltransfer_core.people.calibration import CALIBRATED_FROM
from celltransfer_core.studies.current import usable_result
from celltransfer_core.studies.kept import named_of, result_stamp
from celltransfer_core.studies.processes import current_job, states
from celltransfer_core.studies.records import Job
from celltransfer_core.studies.snapshots import Snapshot
from celltransfer_core.studies.stages import STAGES, Stage, State, keys_of, way_to
from celltransfer_core.studies.workspace import Workspace
from celltransfer_core.vocabulary import QUERY, REFERENCE, SKIPPED

Step = Literal["data", "embeddings", "clusters", "matches", "classify", "review", "export"]

RECOMMENDED = CALIBRATED_FROM
"""Recommended number of answered cells: from this number on, confidences can be calibrated."""

_STEP_OF: Mapping[Stage, Step] = {
    "embed": "embeddings",
    "clusters": "clusters",
    "matches": "matches",
    "classify": "classify",
}


@dataclass(frozen=True)
class Mark:
    """The progress of one step."""

    state: Literal["done", "partly", "open", "stale", "running", "failed"] = "open"
    done: int = 0
    of: int = 0
    """Number of decisions for people to make, such as clusters to settle; 0 if not counted."""


@dataclass(frozen=True)
class Steps:
    """The progress of a study."""

    marks: Mapping[Step, Mark]
    next: Step
    """The step that the study waits for."""


def steps_of(workspace: Workspace, study: str, *, read: bool = True) -> Steps:
    """Return the progress of each step of a study, and the next step.

    Parameters
    ----------
    workspace : Workspace
    study : str
    read : bool
        See :func:`~celltransfer_core.studies.processes.states`.

    Returns
    -------
    Steps
        ``matches`` is done when a person has settled every cluster, ``review`` after
        :data:`RECOMMENDED` cells or all there are, ``export`` when the study is signed off.
    """
    snapshot = workspace.snapshot(study)
    reached = states(workspace, study, read=read)
    job = current_job(workspace, study) if {*reached.values()} != {"done"} else None
    marks: dict[Step, Mark] = {"data": _data(workspace, snapshot, reached)}
    for stage, step in _STEP_OF.items():
        marks[step] = _computed(stage, reached, job)
    settled, clusters, cells = _settled(workspace, snapshot)
    if reached["matches"] == "done":
        marks["matches"] = _by_people(settled, clusters)
    typed = reached["classify"] == "done" or _is_typed(workspace, snapshot)
    marks["review"] = _by_people(_answered(workspace, snapshot), min(RECOMMENDED, cells))
    marks["export"] = Mark("done" if snapshot.study.signed else "open")
    return Steps(marks, _next(marks, reached, job, typed=typed))


def _data(workspace: Workspace, snapshot: Snapshot, reached: Mapping[Stage, State]) -> Mark:
    if reached["embed"] != "waiting":
        return Mark("done")
    some = {REFERENCE, QUERY} & workspace.filled(snapshot.study.id)
    return Mark("partly", len(some), 2) if some else Mark()


def _computed(stage: Stage, reached: Mapping[Stage, State], job: Job | None) -> Mark:
    """Mark a step that a job computes; the first stage that it did not reach is where it failed."""
    state = reached[stage]
    if state in ("done", "running"):
        return Mark("done" if state == "done" else "running")
    first = next(one for one in STAGES if reached[one] != "done")
    ended = job is not None and job.state in ("failed", "stopped")
    if ended and job and stage == first and stage in way_to(job.target):
        return Mark("failed")
    return Mark("stale" if state == "stale" else "open")


def _by_people(done: int, of: int) -> Mark:
    if of and done >= of:
        return Mark("done", done, of)
    return Mark("partly" if done else "open", done, of)


def _settled(workspace: Workspace, snapshot: Snapshot) -> tuple[int, int, int]:
    """Count the clusters settled by people, all clusters, and the query's cells."""
    keys = keys_of(workspace, snapshot)
    if not keys:
        return 0, 0, 0

    def count() -> tuple[int, int, int]:
        found = named_of(workspace, snapshot)
        if found is None:
            return 0, 0, 0
        matches = found[0].matches
        settled = sum(one.confirmed for one in matches)
        return settled, len(matches), len(found[0].clusters.labels)

    path = workspace.result_path(snapshot.study.id, "matches", keys["matches"])
    return workspace.derive(snapshot, "settled", count, key=f"{snapshot.key} {_stamp(path)}")


def _is_typed(workspace: Workspace, snapshot: Snapshot) -> bool:
    """Tell whether there is a result whose vote can count all answers, including later ones."""
    keys, study = keys_of(workspace, snapshot), snapshot.study.id
    if not keys:
        return False

    def look() -> bool:
        named = named_of(workspace, snapshot)
        return named is not None and usable_result(workspace, snapshot, named[0]) is not None

    folder = workspace.result_path(study, "classify", keys["classify"]).parent
    stamps = sorted((path.name, _stamp(path)) for path in folder.glob("classify-*.joblib"))
    return workspace.derive(snapshot, "typed", look, key=f"{snapshot.key} {stamps}")


def _stamp(path: Path) -> int:
    try:
        return result_stamp(path)
    except OSError:
        return 0


def _answered(workspace: Workspace, snapshot: Snapshot) -> int:
    """Count the answered cells."""
    answers = workspace.decisions_of(snapshot, "review")
    return len({one.payload["cell"] for one in answers if one.payload["answer"] != SKIPPED})


def _next(
    marks: Mapping[Step, Mark], reached: Mapping[Stage, State], job: Job | None, *, typed: bool
) -> Step:
    """Choose the next step: images, then missing computations, then people's decisions."""
    if marks["export"].state == "done":
        return "export"
    if reached["embed"] == "waiting":
        return "data"
    missing = next((one for one in STAGES if reached[one] != "done"), None)
    if missing and not (missing == "classify" and typed):
        if not (job and job.active):
            return "data" if missing == "embed" else _STEP_OF[missing]
        # Computations are waited for at the first step that needs them.
        if missing != "classify":
            return "matches" if "matches" in way_to(job.target) else _STEP_OF[missing]
        if marks["matches"].state == "done":
            return "classify"
    people: tuple[Step, ...] = ("matches", "review")
    return next((one for one in people if marks[one].state != "done"), "export")
