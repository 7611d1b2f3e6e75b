"""The state of each stage of a study, and the processes that compute them.

A stage's result lies under a key of everything that decides it, so a stage is done when a result
with the present key can be read. A job brings a study up to one stage and computes only the results
that are missing. It runs in a process of its own: closing the page, or killing the server, does not
end it.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

from celltransfer_core.about import PROJECT
from celltransfer_core.errors import CellTransferError, StudyError
from celltransfer_core.studies.kept import has_result
from celltransfer_core.studies.records import Job, now
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
"""Seconds between two signs of life of a job."""

SILENCE = 30.0
"""Seconds without one after which a job counts as dead."""

_children: dict[int, subprocess.Popen[bytes]] = {}


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
        The new one; or the study's one under way, if there is one.

    Raises
    ------
    StudyError
        If the study was signed off, or has no images.
    """
    if not stage_keys(workspace, study):
        raise StudyError("Add a reference and a query set first.")
    refresh(workspace, study)
    job = workspace.add_job(study, target)
    if job.state == "queued" and job.pid is None:
        process = subprocess.Popen(  # noqa: S603
            [sys.executable, "-m", "celltransfer_core", "job", job.id],
            cwd=PROJECT,
            env={**os.environ, "CELLTRANSFER_HOME": str(workspace.folder)},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,  # it outlives the server
        )
        _children[process.pid] = process
        workspace.update_job(job.id, pid=process.pid, beat=time.time())
    return workspace.job(job.id)


def current_job(workspace: Workspace, study: str) -> Job | None:
    """Return the newest job of a study, marked as stopped if its process is dead.

    Parameters
    ----------
    workspace : Workspace
    study : str

    Returns
    -------
    Job or None
    """
    refresh(workspace, study)
    found = workspace.jobs(study)
    return found[0] if found else None


def refresh(workspace: Workspace, study: str) -> None:
    """Mark jobs whose process is dead as stopped.

    Parameters
    ----------
    workspace : Workspace
    study : str
    """
    for job in workspace.jobs(study):
        if job.active and not _alive(job):
            workspace.update_job(
                job.id,
                state="stopped",
                ended=now(),
                message="The work stopped unexpectedly. What was finished is kept: go on.",
            )


def _alive(job: Job) -> bool:
    if job.pid is None:
        return time.time() - job.beat < SILENCE or job.beat == 0.0
    child = _children.get(job.pid)
    if child is not None:
        return child.poll() is None
    try:
        os.kill(job.pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    # Another process may have got its number since.
    return time.time() - job.beat < SILENCE


def cancel(workspace: Workspace, job: str) -> None:
    """Cancel a job; results that it finished are kept.

    Parameters
    ----------
    workspace : Workspace
    job : str
    """
    workspace.update_job(job, cancel=True)


def run_job(workspace: Workspace, job_id: str) -> None:
    """Run a job in this process.

    Parameters
    ----------
    workspace : Workspace
    job_id : str
    """
    job = workspace.job(job_id)
    ended = threading.Event()

    def live() -> None:
        while not ended.wait(BEAT):
            workspace.update_job(job_id, beat=time.time())
            if workspace.job(job_id).cancel:
                os.kill(os.getpid(), signal.SIGINT)  # also out of a step that reports nothing
                return

    workspace.update_job(job_id, state="running", pid=os.getpid(), beat=time.time())
    signal.signal(signal.SIGINT, signal.default_int_handler)
    threading.Thread(target=live, daemon=True).start()
    state, message = "done", ""
    try:
        bring_up_to(workspace, job.study, job.target, Reporter(workspace, job_id))  # type: ignore[arg-type]
    except (KeyboardInterrupt, Cancelled):
        state, message = "cancelled", "Cancelled. What was finished is kept: go on any time."
    except CellTransferError as error:
        state, message = "failed", str(error)
    except Exception as error:
        state = "failed"
        message = f"A fault of ours ({type(error).__name__}: {error}). Please report it."
    finally:
        ended.set()
    workspace.update_job(job_id, state=state, message=message, ended=now())
