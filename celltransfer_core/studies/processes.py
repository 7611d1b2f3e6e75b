"""The state of each stage of a study, and the processes that compute them.

A stage's result lies under a key of everything that decides it, so a stage is done when a result
with the present key can be read. A job brings a study up to one stage and computes only the results
that are missing. It runs in a process of its own: closing the page, or killing the server, does not
end it. Who answers for a job is written in its row; a job whose owner is dead or silent is ended by
whoever looks at it next, so that it never blocks its study.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from celltransfer_core.about import PROJECT
from celltransfer_core.errors import CellTransferError, OutputError, StudyError
from celltransfer_core.studies.kept import has_result
from celltransfer_core.studies.owners import is_alive, owner_of, send
from celltransfer_core.studies.records import Job
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
from celltransfer_core.studies.work import bring_up_to
from celltransfer_core.studies.work_list import Cancelled, Reporter
from celltransfer_core.studies.workspace import Workspace

BEAT = 2.0
"""Seconds between two signs of life of a job that runs."""

SILENCE = 12.0
"""Seconds without one after which a job counts as dead, where its process cannot be seen."""

UNCLAIMED = 10.0
"""Seconds after which a job that nobody took counts as abandoned."""

HUNG = 120.0
"""Seconds after which a process that lives but starts nothing, or reports nothing, is given up."""

GRACE = 10.0
"""Seconds that a cancelled job has to end by itself."""

_STOPPED = "The work stopped unexpectedly. What was finished is kept: go on."
_CANCELLED = "Cancelled. What was finished is kept: go on any time."

_children: dict[int, subprocess.Popen[bytes]] = {}
_signs: dict[str, tuple[tuple[object, ...], float]] = {}  # the last one of a job, and when it came


def states(workspace: Workspace, study: str, *, read: bool = True) -> dict[Stage, State]:
    """Tell how far a study is.

    Parameters
    ----------
    workspace : Workspace
    study : str
    read : bool
        Whether to find out that results can be read, by reading each once a process; if not, a
        stage is done where its file lies: for lists of many studies.

    Returns
    -------
    dict from stage to state
        ``waiting`` for images, ``next`` to be computed, ``running``, ``done``, ``stale`` (a result
        of other settings, or of an earlier version, is there) or ``failed``.
    """
    keys = stage_keys(workspace, study)
    if not keys:
        return dict.fromkeys(STAGES, "waiting")
    latest = current_job(workspace, study)
    is_there = has_result if read else Path.is_file
    drawn = workspace.result_path(study, MAPS[layout_of(workspace.study(study))], keys["embed"])
    # A map that is not drawn is drawn beside the stages; one that is damaged wants a job.
    so_far = is_there(drawn) or not drawn.is_file()
    found: dict[Stage, State] = {}
    for stage in STAGES:
        path = workspace.result_path(study, stage, keys[stage])
        so_far = so_far and is_there(path)  # a job makes what is missing from the first stage on
        if so_far:
            found[stage] = "done"
        elif latest and latest.active and stage in way_to(latest.target):
            found[stage] = "running"
        elif any(other != path for other in path.parent.glob(f"{stage}-*.joblib")):
            found[stage] = "stale"
        else:
            found[stage] = "next"
    return found


def start(workspace: Workspace, study: str, target: Target = "classify") -> Job:
    """Bring a study up to a stage, in a process of its own.

    Parameters
    ----------
    workspace : Workspace
    study : str
    target : {"embed", "clusters", "matches", "classify", "evaluate"}

    Returns
    -------
    Job
        The new one; or the study's one under way, if there is one. One that was queued but that no
        process took is started. If no process can be made, the job is ``failed`` with the reason.

    Raises
    ------
    StudyError
        If the study was signed off, or has no images.
    """
    if not stage_keys(workspace, study):
        raise StudyError("Add a reference and a query set first.")
    _settle_all(workspace, study)
    job = workspace.add_job(study, target)
    here = owner_of(os.getpid())
    if workspace.claim_job(job.id, here):
        try:
            process = subprocess.Popen(  # noqa: S603
                [sys.executable, "-m", "celltransfer_core", "job", job.id],
                cwd=PROJECT,
                env={
                    **os.environ,
                    "CELLTRANSFER_HOME": str(workspace.folder),
                    "CELLTRANSFER_DATABASE": workspace.url,
                },
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                start_new_session=True,  # it outlives the server
            )
        except OSError as error:
            reason = f"The work could not be started ({error}). Try again in a while."
            workspace.end_job(workspace.job(job.id), "failed", reason)
        else:
            _children[process.pid] = process
            workspace.hand_over(job.id, here, owner_of(process.pid), process.pid)
    return workspace.job(job.id)


def current_job(workspace: Workspace, study: str) -> Job | None:
    """Return the newest job of a study; one that nobody works on any more is ended.

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
    """List the jobs of a study, the newest first; end those that nobody works on."""
    for pid, child in list(_children.items()):
        if child.poll() is not None:  # also takes it off the system's list of processes
            _children.pop(pid, None)
    return [_settle(workspace, job) for job in workspace.jobs(study)]


def _settle(workspace: Workspace, job: Job) -> Job:
    if not job.active:
        _signs.pop(job.id, None)
        return job
    if not _is_abandoned(job):
        return job
    state, message = ("cancelled", _CANCELLED) if job.cancel else ("stopped", _STOPPED)
    # Where it cannot be written, as on a full disk, it is true all the same.
    with suppress(OutputError):
        if not workspace.end_job(job, state, message):
            return workspace.job(job.id)
    if job.owner:
        send(job.owner, signal.SIGKILL)
    return replace(job, state=state, message=message)


def _is_abandoned(job: Job) -> bool:
    silent = _silence(job)
    if job.owner is None:
        return silent > (UNCLAIMED if job.state == "queued" else SILENCE)
    alive = is_alive(job.owner)
    if alive is None:
        return silent > (SILENCE if job.state == "running" else HUNG)
    return not alive or silent > (SILENCE if job.cancel else HUNG)


def _silence(job: Job) -> float:
    """Count the seconds since this process first saw a job as it is now.

    The clock of the day is not asked: it may be changed, and be another one on another machine.
    """
    sign = (job.state, job.owner, job.beat, job.cancel)
    last, since = _signs.get(job.id, (None, 0.0))
    if last != sign:
        since = time.monotonic()
        _signs[job.id] = (sign, since)
    return time.monotonic() - since


def cancel(workspace: Workspace, job: str) -> None:
    """Cancel a job; results that it finished are kept.

    A job that waits, or whose process is not of this machine or dead, is ended at once; a process
    that lives here is asked to end, and killed by :func:`current_job` if it does not.

    Parameters
    ----------
    workspace : Workspace
    job : str

    Raises
    ------
    OutputError
        If the workspace cannot be written and the process cannot be reached.
    """
    while (found := workspace.job(job)).active:  # again if it went on meanwhile
        lives = found.state == "running" and bool(found.owner and is_alive(found.owner))
        try:
            if not lives and workspace.end_job(found, "cancelled", _CANCELLED):
                return
            asked = lives and workspace.ask_to_cancel(job)
        except OutputError:
            if not (found.owner and send(found.owner, signal.SIGINT)):
                raise
            return
        if asked:
            send(found.owner or "", signal.SIGINT)
            return


def run_job(workspace: Workspace, job_id: str) -> None:
    """Run a job in this process, unless another one took it or it was ended.

    Parameters
    ----------
    workspace : Workspace
    job_id : str
    """
    owner = owner_of(os.getpid())
    if not workspace.begin_job(job_id, owner, os.getpid()):
        return
    job = workspace.job(job_id)
    interrupted, ended = threading.Event(), threading.Event()

    def interrupt(*_: object) -> None:
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # one is enough, and may come twice
        interrupted.set()
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGINT, interrupt)
    threading.Thread(target=_live, args=(workspace, job, interrupted, ended), daemon=True).start()
    try:
        state, message = _work(workspace, job)
    except (KeyboardInterrupt, Cancelled):
        state, message = "cancelled", _CANCELLED
    finally:
        ended.set()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _end(workspace, job, state, message)
    signal.signal(signal.SIGINT, before)


def _work(workspace: Workspace, job: Job) -> tuple[str, str]:
    """Do the work of a job; return its state after it, and the message."""
    try:
        progress = Reporter(workspace, job.id, job.owner or "")
        bring_up_to(workspace, job.study, job.target, progress)  # type: ignore[arg-type]
    except CellTransferError as error:
        return "failed", str(error)
    except Exception as error:
        return "failed", f"A fault of ours ({type(error).__name__}: {error}). Please report it."
    return "done", ""


def _live(
    workspace: Workspace, job: Job, interrupted: threading.Event, ended: threading.Event
) -> None:
    """Give signs of life until the work has ended; end it if it was cancelled or lost."""
    while not ended.wait(BEAT):
        row: Job | None = job
        with suppress(Exception):  # the next beat tries again
            row = workspace.update_job(job.id, job.owner or "")
        if row is None or row.cancel or interrupted.is_set():
            break
    if ended.is_set():
        return
    if not interrupted.is_set():
        os.kill(os.getpid(), signal.SIGINT)  # also out of a step that reports nothing
    if not ended.wait(GRACE):
        with suppress(Exception):
            workspace.end_job(job, "cancelled", _CANCELLED)
        os._exit(1)


def _end(workspace: Workspace, job: Job, state: str, message: str) -> None:
    """Write how a job ended; try for some seconds where that fails."""
    for pause in (0.5, 1.0, 2.0):
        with suppress(OutputError):
            workspace.end_job(job, state, message)
            return
        time.sleep(pause)
    workspace.end_job(job, state, message)
