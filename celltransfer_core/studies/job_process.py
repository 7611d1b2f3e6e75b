"""The process that runs a job: its work, its signs of life, and its end.

The process takes a job by its id, unless another process has taken it. It computes the results of
the study's stages (:mod:`celltransfer_core.studies.work`) and records the state in which the job
ended. Meanwhile a thread writes heartbeats and checks whether the job was cancelled or lost.
"""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from celltransfer_core.errors import CellTransferError, OutputError
from celltransfer_core.runtime.system import interrupt_here
from celltransfer_core.studies.owners import answer_for, end_all
from celltransfer_core.studies.records import Job
from celltransfer_core.studies.work_list import CANCELLED, GRACE, Cancelled, Reporter
from celltransfer_core.studies.workspace import Workspace

BEAT = 2.0
"""Seconds between two heartbeats of a running job."""

_PAUSES = (0.5, 1.0, 2.0, 4.0, 8.0)  # seconds before a failed step is tried again


def run_job(workspace: Workspace, job_id: str) -> None:
    """Run a job in this process, unless another process took it or it was ended.

    Parameters
    ----------
    workspace : Workspace
    job_id : str
    """
    owner = answer_for(workspace.folder)
    if not _persist(lambda: workspace.begin_job(job_id, owner, os.getpid())):
        return
    job = workspace.job(job_id)
    interrupted, ended = threading.Event(), threading.Event()

    def interrupt(*_: object) -> None:
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # one is enough, and it may arrive twice
        interrupted.set()
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGINT, interrupt)
    threading.Thread(target=_live, args=(workspace, job, interrupted, ended), daemon=True).start()
    try:
        state, message = _work(workspace, job)
    except (KeyboardInterrupt, Cancelled):
        state, message = "cancelled", CANCELLED
    finally:
        ended.set()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _persist(lambda: workspace.end_job(job, state, message))
    with suppress(OSError):
        workspace.job_log(job).unlink(missing_ok=True)
    if state != "done":
        end_all(job_id)  # the processes that it started and would wait for
    signal.signal(signal.SIGINT, before)


def _work(workspace: Workspace, job: Job) -> tuple[str, str]:
    """Do the work of a job; return the state in which it ended, and the message."""
    target: Any = job.target
    try:
        progress = Reporter(workspace, job.id, job.owner or "")
        progress("reading", 0, 1)
        # Imported only once the job has begun, because the import takes some seconds.
        from celltransfer_core.studies.job_plan import plan_job
        from celltransfer_core.studies.speeds import learn_speeds
        from celltransfer_core.studies.work import bring_up_to

        progress.expect(plan_job(workspace, job.study, target))
        bring_up_to(workspace, job.study, target, progress)
        learn_speeds(workspace, progress.ended())
    except CellTransferError as error:
        return "failed", str(error)
    except MemoryError:
        return "failed", "The machine ran out of memory. Use smaller subsets, or a larger machine."
    except Exception as error:
        return "failed", f"Internal error ({type(error).__name__}: {error}). Please report it."
    return "done", ""


def _live(
    workspace: Workspace, job: Job, interrupted: threading.Event, ended: threading.Event
) -> None:
    """Write heartbeats until the work has ended; end it if the job was cancelled or lost."""
    while not ended.wait(BEAT):
        row: Job | None = job
        with suppress(Exception):  # the next beat tries again
            row = workspace.update_job(job.id, job.owner or "")
        if row is None or row.cancel or interrupted.is_set():
            break
    if ended.is_set():
        return
    if not interrupted.is_set():
        interrupt_here()  # even during a step that reports no progress
    if not ended.wait(GRACE):
        _die(workspace, job)


def _die(workspace: Workspace, job: Job) -> None:
    """End this process and all processes that it started, although the work has not ended."""

    def end() -> None:
        with suppress(Exception):
            workspace.end_job(job, "cancelled", CANCELLED)

    ending = threading.Thread(target=end, daemon=True)
    ending.start()
    ending.join(GRACE)  # if nothing can be written, the next check finds it dead
    end_all(job.id)
    os._exit(1)


def _persist(step: Callable[[], bool]) -> bool:
    """Do a step that writes to the workspace; retry for some time if it fails."""
    for pause in _PAUSES:
        with suppress(OutputError):
            return step()
        time.sleep(pause)
    return step()
