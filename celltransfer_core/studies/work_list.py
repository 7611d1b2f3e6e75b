"""TODO celltransfer_core/studies/work_list.py."""

from __future__ import annotations

import time
from typing import Any

from celltransfer_core.studies.workspace import Workspace


class Cancelled(BaseException):
    """Somebody asked the job to end; no error, so nothing on the way may catch it."""


class Reporter:
    """Writes progress to the job, not more often than anyone can read."""

    def __init__(self, workspace: Workspace, job: str) -> None:
        self.workspace, self.job = workspace, job
        self.phase, self.last = "", 0.0

    def __call__(self, phase: str, done: int, total: int) -> None:
        began = phase != self.phase
        if not began and done < total and time.time() - self.last < 0.5:
            return
        values: dict[str, Any] = {"phase": phase, "done": done, "total": total}
        if began:
            values["phase_began"] = time.time()
        self.phase, self.last = phase, time.time()
        self.workspace.update_job(self.job, **values)
        if self.workspace.job(self.job).cancel:
            raise Cancelled
