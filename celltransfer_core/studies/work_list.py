"""The jobs of a workspace, and the progress that a running job writes into its row.

A job is ``queued``, then ``running``, then ended. Each step is one conditional update of its row,
so that of several processes that try it one alone succeeds.
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
        """List a study's jobs, the newest first.

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
            If there is none.
        """
        with self._session() as session:
            row = session.get(JobRow, job)
            if row is None:
                raise StudyError("This job does not exist.")
            return to_record(Job, row)

    def add_job(self, study: str, target: str, owner: str | None = None) -> Job:
        """Queue a job, unless the study has one under way: then that is returned.

        Parameters
        ----------
        study : str
        target : str
            The stage to bring the study up to.
        owner : str, optional
            From :func:`~celltransfer_core.studies.owners.owner_of`: the process that takes the job,
            so as to start a process for it. One that was queued by nobody is taken too.

        Returns
        -------
        Job
            Of several processes that queue one, one alone finds itself its owner.
        """

        def add(session: Session) -> Job:
            # Takes the write lock: two clicks make one job.
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
            Who took the job with :meth:`add_job`.
        to : str
            The new owner.
        pid : int
            Its process id.

        Returns
        -------
        bool
            False if the new process has begun already, or the job was ended.
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
            Whether it may be run: False if another process has begun it, or it was ended.
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
        """Store how far a running job is; at the least it is a sign of life.

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
            As it is now; None if it is no longer that process's, or its study was deleted: then
            its work must end.
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
            False if the job does not run.
        """
        return self._move(job, JobRow.state == "running", cancel=True)

    def end_job(self, job: Job, state: str, message: str, *, silent: bool = False) -> bool:
        """End a job for good, unless its state or owner are other ones by now.

        Parameters
        ----------
        job : Job
            As it was seen.
        state : {"done", "failed", "cancelled", "stopped"}
        message : str
        silent : bool
            Only if it gave no sign of life since either.

        Returns
        -------
        bool
            Whether it was ended by this call.
        """
        same = JobRow.owner.is_(None) if job.owner is None else JobRow.owner == job.owner
        conditions = [JobRow.state == job.state, same]
        if silent:
            conditions.append(JobRow.beat == job.beat)
        return self._move(job.id, *conditions, state=state, message=message, ended=now())

    def job_log(self, job: Job) -> Path:
        """Return where the last words of a job's process lie, until it ends as it should.

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
    """Return the time, or the next moment after another one if the clock was set back since."""
    if last is None or last < now():
        return now()
    after = dt.datetime.fromisoformat(last) + dt.timedelta(milliseconds=1)
    return after.isoformat(timespec="milliseconds")


class Cancelled(BaseException):
    """The job was cancelled or lost; not an ``Exception``, so that no handler catches it."""


class Reporter:
    """Writes the progress of a job into its row, at most twice a second within a phase.

    Progress that cannot be written, as on a full disk, does not end the work.

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
        """Take the phases that are expected, when the first one has begun.

        Parameters
        ----------
        phases : sequence of Phase
            See :func:`celltransfer_core.studies.job_plan.plan_job`.
        """
        self.timetable = Timetable.of(phases).begin(self.phase, 0.0)
        self._write(timetable=self.timetable.written)

    def ended(self) -> Timetable:
        """Return how long each phase took, when the last one has ended."""
        return self.timetable.end(time.monotonic() - self.began)

    def __call__(self, phase: str, done: int, total: int) -> None:
        """Take a step of progress.

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
