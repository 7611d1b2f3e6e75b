"""The jobs of a workspace, and the progress that a running job writes into its row.

A job is ``queued``, then ``running``, then ended. Each step is one conditional update of its row,
so that only one of several competing processes succeeds.
"""

from __future__ import annotations

import datetime as dt
import secrets
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from sqlalchemy import ColumnElement, exists, func, select, update
from sqlalchemy.orm import Session

from celltransfer_core.errors import OutputError, StudyError
from celltransfer_core.runtime.progress import Phase
from celltransfer_core.studies.database import Database, JobRow, StudyRow, to_record
from celltransfer_core.studies.records import BATCH, Job, now
from celltransfer_core.studies.timetable import Timetable

GRACE = 5.0
"""Seconds that a cancelled job has to end by itself."""

CANCELLED = "Cancelled. Finished work is kept: you can continue at any time."
"""The message of a cancelled job."""

ACTIVE = ("queued", "running")
"""States of a job under way."""

_PAUSE = 0.5  # seconds between two updates within a phase


class JobTable(Database):
    """The table of jobs."""

    def jobs(self, study: str) -> tuple[Job, ...]:
        """List a study's jobs, newest first.

        Parameters
        ----------
        study : str

        Returns
        -------
        tuple of Job
        """
        query = (
            select(JobRow).where(JobRow.study == study).order_by(JobRow.created.desc(), JobRow.id)
        )
        with self._session() as session:
            return tuple(to_record(Job, row) for row in session.scalars(query))

    def job(self, job: str) -> Job:
        """Find a job.

        Parameters
        ----------
        job : str

        Returns
        -------
        Job

        Raises
        ------
        StudyError
            If there is no such job.
        """
        with self._session() as session:
            row = session.get(JobRow, job)
            if row is None:
                raise StudyError("This job does not exist.")
            return to_record(Job, row)

    def add_job(self, study: str, target: str, owner: str | None = None) -> Job:
        """Queue a job, or return the one that the study has under way.

        Parameters
        ----------
        study : str
        target : str
            The stage to bring the study up to.
        owner : str, optional
            From :func:`~celltransfer_core.studies.owners.owner_of`: the process that takes the job
            in order to start a process for it. A queued job without an owner is taken too.

        Returns
        -------
        Job
            If several processes queue one at the same time, only one of them becomes its owner.
        """

        def add(session: Session) -> Job:
            # Takes the write lock, so that two clicks make one job.
            self._touch(session, study, beside=target == BATCH)
            row = session.scalar(
                select(JobRow).where(JobRow.study == study, JobRow.state.in_(ACTIVE))
            )
            if row is None:
                last = session.scalar(select(func.max(JobRow.created)).where(JobRow.study == study))
                row = JobRow(
                    id=secrets.token_hex(6),
                    study=study,
                    target=target,
                    state="queued",
                    created=_after(last),
                )
                session.add(row)
            if row.state == "queued" and row.owner is None:
                row.owner = owner
            session.flush()
            found: Job = to_record(Job, row)
            return found

        return self._transact(add)

    def hand_over(self, job: str, owner: str, to: str, pid: int) -> bool:
        """Make the process that was started for a queued job its owner.

        Parameters
        ----------
        job : str
        owner : str
            The process that took the job with :meth:`add_job`.
        to : str
            The new owner.
        pid : int
            Its process id.

        Returns
        -------
        bool
            False if the new process has already begun the job, or the job was ended.
        """
        return self._move(job, JobRow.state == "queued", JobRow.owner == owner, owner=to, pid=pid)

    def begin_job(self, job: str, owner: str, pid: int) -> bool:
        """Take a queued job to run it in this process.

        Parameters
        ----------
        job : str
        owner : str
        pid : int

        Returns
        -------
        bool
            Whether it may be run; False if another process has begun it, or it was ended.
        """
        return self._move(
            job,
            JobRow.state == "queued",
            JobRow.cancel.is_(False),
            state="running",
            owner=owner,
            pid=pid,
            beat=time.monotonic(),
        )

    def update_job(self, job: str, owner: str, **values: Any) -> Job | None:
        """Store the progress of a running job; every call counts as a heartbeat.

        Parameters
        ----------
        job : str
        owner : str
            The process that runs it.
        **values
            Columns of the job.

        Returns
        -------
        Job or None
            The job as it is now; None if it no longer belongs to that process, or its study was
            deleted: then its work must end.
        """
        wanted = exists().where(StudyRow.id == JobRow.study, StudyRow.deleted.is_(None))

        def change(session: Session) -> Job | None:
            row = session.scalar(
                update(JobRow)
                .where(JobRow.id == job, JobRow.state == "running", JobRow.owner == owner, wanted)
                .values(beat=time.monotonic(), **values)
                .returning(JobRow),
                execution_options={"synchronize_session": False},
            )
            return None if row is None else to_record(Job, row)

        return self._transact(change)

    def ask_to_cancel(self, job: str) -> bool:
        """Ask the process that runs a job to end.

        Parameters
        ----------
        job : str

        Returns
        -------
        bool
            False if the job is not running.
        """
        return self._move(job, JobRow.state == "running", cancel=True)

    def end_job(self, job: Job, state: str, message: str, *, silent: bool = False) -> bool:
        """End a job, unless its state or owner has changed meanwhile.

        Parameters
        ----------
        job : Job
            The job as it was read.
        state : {"done", "failed", "cancelled", "stopped"}
        message : str
        silent : bool
            Whether to require also that there was no heartbeat since.

        Returns
        -------
        bool
            Whether this call ended it.
        """
        same = JobRow.owner.is_(None) if job.owner is None else JobRow.owner == job.owner
        conditions = [JobRow.state == job.state, same]
        if silent:
            conditions.append(JobRow.beat == job.beat)
        return self._move(job.id, *conditions, state=state, message=message, ended=now())

    def job_log(self, job: Job) -> Path:
        """Return the path of a job's log, which is kept until the job ends normally.

        Parameters
        ----------
        job : Job

        Returns
        -------
        Path
        """
        return self.result_path(job.study, "job", job.id).with_suffix(".log")

    def _move(self, job: str, *conditions: ColumnElement[bool], **values: Any) -> bool:
        def change(session: Session) -> bool:
            statement = update(JobRow).where(JobRow.id == job, *conditions).values(**values)
            return bool(
                session.execute(
                    statement.returning(JobRow.id),
                    execution_options={"synchronize_session": False},
                ).all()
            )

        return self._transact(change)


def _after(last: str | None) -> str:
    """Return the current time, or the moment after ``last`` if the clock was set back since."""
    if last is None or last < now():
        return now()
    after = dt.datetime.fromisoformat(last) + dt.timedelta(milliseconds=1)
    return after.isoformat(timespec="milliseconds")


class Cancelled(BaseException):
    """The job was cancelled or lost; not an ``Exception``, so that no handler catches it."""


class Reporter:
    """Writes the progress of a job to its row, at most twice a second within a phase.

    If progress cannot be written, for example on a full disk, the work continues.

    Parameters
    ----------
    jobs : JobTable
        Such as a :class:`~celltransfer_core.studies.workspace.Workspace`.
    job : str
        Id of the job.
    owner : str
        The process that runs it.
    """

    def __init__(self, jobs: JobTable, job: str, owner: str) -> None:
        self.jobs, self.job, self.owner = jobs, job, owner
        self.phase, self.began, self.last = "", 0.0, 0.0
        self.timetable = Timetable()

    def expect(self, phases: Sequence[Phase]) -> None:
        """Set the expected phases, once the first one has begun.

        Parameters
        ----------
        phases : sequence of Phase
            See :func:`celltransfer_core.studies.job_plan.plan_job`.
        """
        self.timetable = Timetable.of(phases).begin(self.phase, 0.0)
        self._write(timetable=self.timetable.written)

    def ended(self) -> Timetable:
        """Return the duration of each phase, once the last one has ended."""
        return self.timetable.end(time.monotonic() - self.began)

    def __call__(self, phase: str, done: int, total: int) -> None:
        """Record a step of progress.

        Parameters
        ----------
        phase : str
        done, total : int

        Raises
        ------
        Cancelled
            If somebody cancelled the job, or another process ended it.
        """
        began, moment = phase != self.phase, time.monotonic()
        if not began and done < total and moment - self.last < _PAUSE:
            return
        values: dict[str, Any] = {"phase": phase, "done": done, "total": total}
        if began:
            self.timetable = self.timetable.begin(phase, moment - self.began, done, total)
            values |= {"phase_began": moment, "timetable": self.timetable.written}
            self.began = moment
        self.phase, self.last = phase, moment
        self._write(**values)

    def _write(self, **values: Any) -> None:
        with suppress(OutputError):
            job = self.jobs.update_job(self.job, self.owner, **values)
            if job is None or job.cancel:
                raise Cancelled
