"""The state of each stage of a study, and the jobs that compute the stages.

A stage's result is stored under a key of everything that determines it, so a stage is done when a
result with the present key can be read. A job brings a study up to one stage and computes only the
missing results. It runs in a separate process (:mod:`celltransfer_core.studies.job_process`):
closing the page, or killing the server, does not end it. The row of a job names its owner. If the
owner is dead or silent, the next process that checks the job ends it, so that it never blocks its
study.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from celltransfer_core.about import PROJECT
from celltransfer_core.errors import OutputError, StudyError
from celltransfer_core.runtime.files import make_file, make_folder
from celltransfer_core.runtime.system import OWN_GROUP, was_killed
from celltransfer_core.studies.kept import has_result
from celltransfer_core.studies.owners import (
    MARK,
    answer_for,
    end_all,
    interrupt,
    is_alive,
    owner_of,
)
from celltransfer_core.studies.records import Job
from celltransfer_core.studies.reference_checks import check_path
from celltransfer_core.studies.stages import (
    MAPS,
    STAGES,
    Stage,
    State,
    Target,
    layout_of,
    stage_keys,
    way_to,
)
from celltransfer_core.studies.work_list import CANCELLED, GRACE
from celltransfer_core.studies.workspace import Workspace

SILENCE = 60.0
"""Seconds without a heartbeat after which a job counts as dead, if its process can neither be
inspected nor keeps a file locked."""

STARTING = 120.0
"""Seconds after which a job that has not begun is given up."""

_STOPPED = (
    "The work stopped unexpectedly{why}. Finished work is kept: you can continue at any time."
)
_NOT_BEGUN = "The work did not start within two minutes. Nothing is lost: try again later."


@dataclass
class _Watch:
    """What this process knows about a job, by a clock that is never set."""

    sign: tuple[object, ...] = ()
    since: float = 0.0
    """Time of the last heartbeat."""
    cancelled: float | None = None
    """Time at which the cancellation was first seen."""


_ERROR = re.compile(r"(celltransfer: |[\w.]*(Error|Exception)\b)")  # the line that gives the reason
_MOST_WORDS = 300
_TOLD = 2  # exit code of a process that wrote the reason to its log
_FULL = 1_000_000  # bytes of free space below which a disk counts as full

_children: dict[str, subprocess.Popen[bytes]] = {}  # by job; this process started them
_starting = threading.Lock()
_watches: dict[str, _Watch] = {}  # by job


def states(workspace: Workspace, study: str, *, read: bool = True) -> dict[Stage, State]:
    """Return the state of each stage of a study.

    Parameters
    ----------
    workspace : Workspace
    study : str
    read : bool
        Whether to check that results are readable by reading each once per process. If not, a
        stage is done if its file exists; meant for lists of many studies.

    Returns
    -------
    dict from stage to state
        ``waiting`` for images, ``next`` to be computed, ``running``, ``done``, ``stale`` (there is
        a result of other settings or of an earlier version) or ``failed``.
    """
    keys = stage_keys(workspace, study)
    if not keys:
        return dict.fromkeys(STAGES, "waiting")
    latest = current_job(workspace, study)
    is_there = has_result if read else Path.is_file
    drawn = workspace.result_path(study, MAPS[layout_of(workspace.study(study))], keys["embed"])
    # A missing map is drawn beside the stages; a damaged one needs a job.
    so_far = is_there(drawn) or not drawn.is_file()
    found: dict[Stage, State] = {}
    for stage in STAGES:
        path = workspace.result_path(study, stage, keys[stage])
        so_far = so_far and is_there(path)  # a job computes from the first missing stage on
        if so_far:
            found[stage] = "done"
        elif latest and latest.active and stage in way_to(latest.target):
            found[stage] = "running"
        elif any(other != path for other in path.parent.glob(f"{stage}-*.joblib")):
            found[stage] = "stale"
        else:
            found[stage] = "next"
    return found


def arrived(workspace: Workspace, study: str) -> frozenset[str]:
    """Tell which results exist for a study's present state.

    Parameters
    ----------
    workspace : Workspace
    study : str

    Returns
    -------
    frozenset of str
        Stages, ``unaligned`` for the vote without transport, and ``map``. A waiting page is
        redrawn when another result arrives.
    """
    keys = stage_keys(workspace, study)
    if not keys:
        return frozenset()
    drawn = MAPS[layout_of(workspace.study(study))]
    paths = {name: workspace.result_path(study, name, key) for name, key in keys.items()}
    paths["unaligned"] = workspace.result_path(study, "classify", keys["unaligned"])
    found = {name for name, path in paths.items() if has_result(path)}
    shown = has_result(workspace.result_path(study, drawn, keys["embed"]))
    return frozenset(found | ({"map"} if shown else set()))


def start(workspace: Workspace, study: str, target: Target = "classify") -> Job:
    """Bring a study up to a stage, in a separate process.

    Parameters
    ----------
    workspace : Workspace
    study : str
    target : {"embed", "clusters", "matches", "classify", "evaluate", "check", "batch"}

    Returns
    -------
    Job
        The new job, or the one that the study has under way. A queued job that no process has taken
        is started. If no process can be started, the job is ``failed`` with the reason.

    Raises
    ------
    StudyError
        If the study was signed off, unless batches are to be typed, or if it has no images.
    """
    if target == "check" and not check_path(workspace, study):
        raise StudyError("Add images to the reference first.")
    if target != "check" and not stage_keys(workspace, study):
        raise StudyError("Add a reference and a query set first.")
    _settle_all(workspace, study)
    here = answer_for(workspace.folder)
    with _starting:  # two clicks in this process also make one job
        job = workspace.add_job(study, target, here)
        if job.owner != here or job.state != "queued" or job.id in _children:
            return job
        try:
            _children[job.id] = process = _spawn(workspace, job)
        except Exception as error:  # whatever the error, the job must not wait forever
            why = str(error) or type(error).__name__
            reason = f"The work could not be started ({why}). Try again later."
            workspace.end_job(job, "failed", reason)
            return workspace.job(job.id)
    with suppress(OutputError):  # the process also takes over the job by itself
        workspace.hand_over(job.id, here, owner_of(process.pid), process.pid)
    return workspace.job(job.id)


def _spawn(workspace: Workspace, job: Job) -> subprocess.Popen[bytes]:
    log = workspace.job_log(job)
    make_folder(log.parent)
    make_file(log)
    with log.open("wb") as file:
        return subprocess.Popen(  # noqa: S603
            [sys.executable, "-m", "celltransfer_core", "job", job.id],
            cwd=PROJECT,
            env={
                **os.environ,
                "CELLTRANSFER_HOME": str(workspace.folder),
                "CELLTRANSFER_DATABASE": workspace.url,
                "PYTHONUTF8": "1",  # its log is read as UTF-8
                MARK: job.id,
            },
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=file,
            **OWN_GROUP,  # the job outlives the server
        )


def current_job(workspace: Workspace, study: str) -> Job | None:
    """Return the newest job of a study, after ending it if nothing works on it any more.

    Parameters
    ----------
    workspace : Workspace
    study : str

    Returns
    -------
    Job or None
    """
    found = _settle_all(workspace, study)
    return found[0] if found else None


def _settle_all(workspace: Workspace, study: str) -> list[Job]:
    """List the jobs of a study, newest first, after ending those that nothing works on."""
    for child in list(_children.values()):
        child.poll()  # removes ended processes from the system's list
    return [_settle(workspace, job) for job in workspace.jobs(study)]


def _settle(workspace: Workspace, job: Job) -> Job:
    if not job.active:
        _watches.pop(job.id, None)
        if (child := _children.get(job.id)) and child.poll() is not None:
            _children.pop(job.id, None)
        return job
    ending = _ending(workspace, job)
    if ending is None:
        return job
    state, message, silent = ending
    # The state is valid even if it cannot be written, for example on a full disk.
    with suppress(OutputError):
        if not workspace.end_job(job, state, message, silent=silent):
            return workspace.job(job.id)
    end_all(job.id)
    with suppress(OSError):
        workspace.job_log(job).unlink(missing_ok=True)
    return replace(job, state=state, message=message)


def _ending(workspace: Workspace, job: Job) -> tuple[str, str, bool] | None:
    """Tell how and why to end a job, and whether because it is silent; None if it goes on."""
    watch = _watched(job)
    alive = is_alive(job.owner, workspace.folder) if job.owner else None
    child = _children.get(job.id)
    if child is not None and child.poll() is not None:
        alive = False
    waited = time.monotonic() - watch.since
    if job.cancel and (alive is False or _is_overdue(watch)):
        return "cancelled", CANCELLED, False
    if alive is False:
        return "stopped", _STOPPED.format(why=_reason(workspace, job)), False
    if job.state == "queued" and waited > STARTING:
        return "stopped", _NOT_BEGUN, True
    if job.state == "running" and alive is None and waited > SILENCE:
        return "stopped", _STOPPED.format(why=": its machine no longer responds"), True
    return None


def _watched(job: Job) -> _Watch:
    """Update the watch of a job, without the time of day, which may be set or differ elsewhere."""
    watch = _watches.setdefault(job.id, _Watch())
    sign = (job.state, job.owner, job.beat)
    if watch.sign != sign:
        watch.sign, watch.since = sign, time.monotonic()
    if job.cancel and watch.cancelled is None:
        watch.cancelled = time.monotonic()
    return watch


def _is_overdue(watch: _Watch) -> bool:
    return watch.cancelled is not None and time.monotonic() - watch.cancelled > GRACE


def silence(job: Job) -> float:
    """Return the seconds since this process last saw a heartbeat of a job.

    Parameters
    ----------
    job : Job
        The job in its present state.

    Returns
    -------
    float
    """
    return time.monotonic() - _watched(job).since


def _reason(workspace: Workspace, job: Job) -> str:
    """Say why the process of a job ended, as far as that is known."""
    with suppress(OSError):
        words = workspace.job_log(job).read_text(encoding="utf-8", errors="replace").split("\n")
        if said := [line.strip() for line in words if _ERROR.match(line)]:
            return f": {said[-1][:_MOST_WORDS]}"
    code = child.poll() if (child := _children.get(job.id)) else None
    if code is not None and was_killed(code):
        return ": its process was killed, most likely because memory ran out"
    if code is not None and code < 0:
        return f": its process was ended by the signal {signal.Signals(-code).name}"
    with suppress(OSError):
        if shutil.disk_usage(workspace.folder).free < _FULL:  # it could not even write its log
            return f": the disk of {workspace.folder} is full"
    if code == _TOLD:
        return ": its process could not write down why, most likely because the disk was full"
    return (
        ": its process has disappeared, as after running out of memory or a restart of the machine"
    )


def cancel(workspace: Workspace, job: str) -> None:
    """Cancel a job; the results that it has computed are kept.

    A job that waits, or whose process is dead or on another machine, is ended at once. A process
    that is alive on this machine is asked to end. If it does not within :data:`GRACE` seconds,
    :func:`current_job`, called by any server on this machine, kills it with all processes that it
    started.

    Parameters
    ----------
    workspace : Workspace
    job : str

    Raises
    ------
    OutputError
        If the workspace cannot be written and the process cannot be reached.
    """
    while (found := workspace.job(job)).active:  # repeated if the state changed meanwhile
        owner = found.owner if found.state == "running" else None
        lives = bool(owner and is_alive(owner, workspace.folder))
        try:
            if not lives and workspace.end_job(found, "cancelled", CANCELLED):
                end_all(job)
                return
            asked = lives and workspace.ask_to_cancel(job)
        except OutputError:
            if not (owner and interrupt(owner)):
                raise
            return
        if owner and asked:
            interrupt(owner)
            return
