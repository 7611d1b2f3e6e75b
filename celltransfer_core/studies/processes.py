"""Long work outside the page: what is done, stale or next, and the process that does it.

A stage's result lies under a key of everything that decides it, so a stage is done when a result
with the present key is there. A job brings a study up to one stage, and computes only what is
missing on the way. It is a process of its own: closing the page, or killing the server, does not
end it.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time

from celltransfer_core.about import PROJECT
from celltransfer_core.errors import CellTransferError, StudyError
from celltransfer_core.studies.records import Job, now
from celltransfer_core.studies.stages import STAGES, Stage, State, Target, stage_keys, way_to
from celltransfer_core.studies.work import bring_up_to
from celltransfer_core.studies.work_list import Cancelled, Reporter
from celltransfer_core.studies.workspace import Workspace

BEAT = 2.0

SILENCE = 30.0
"""Seconds between a job's signs of life, and after which it counts as dead."""

_children: dict[int, subprocess.Popen[bytes]] = {}


def states(workspace: Workspace, study: str) -> dict[Stage, State]:
    """Tell how far a study is.

    Parameters
    ----------
    workspace : Workspace
    study : str

    Returns
    -------
    dict from stage to state
        ``waiting`` for images, ``next`` to be computed, ``running``, ``done``, ``stale`` (a result
        of other settings is there) or ``failed``.
    """
    keys = stage_keys(workspace, study)
    if not keys:
        return dict.fromkeys(STAGES, "waiting")
    latest = current_job(workspace, study)
    found: dict[Stage, State] = {}
    for stage in STAGES:
        path = workspace.result_path(study, stage, keys[stage])
        if path.is_file():
            found[stage] = "done"
        elif latest and latest.active and stage in way_to(latest.target):
            found[stage] = "running"
        elif any(path.parent.glob(f"{stage}-*.joblib")):
            found[stage] = "stale"
        else:
            found[stage] = "next"
    return found


# Processes


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
        The one under way, if there is one.

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
    """Return the newest job of a study, after a look if it is still alive.

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
    """Say of jobs whose process died that they stopped.

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
    """Ask a job to end; what it finished is kept.

    Parameters
    ----------
    workspace : Workspace
    job : str
    """
    workspace.update_job(job, cancel=True)


def run_job(workspace: Workspace, job_id: str) -> None:
    """Do a job in this process.

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
