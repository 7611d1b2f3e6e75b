"""The jobs of a workspace, and the progress that a running job writes into its row."""

from __future__ import annotations

import secrets
import time
from typing import Any

from sqlalchemy import select, update

from celltransfer_core.errors import StudyError
from celltransfer_core.studies.database import Database, JobRow, to_record
from celltransfer_core.studies.records import Job, now

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
        query = select(JobRow).where(JobRow.study == study).order_by(JobRow.created.desc())
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
                raise StudyError("There is no such job.")
            return to_record(Job, row)

    def add_job(self, study: str, target: str) -> Job:
        """Queue a job, unless the study has one under way: then that is returned.

        Parameters
        ----------
        study : str
        target : str
            The stage to bring the study up to.

        Returns
        -------
        Job
        """
        with self._session() as session:
            self._touch(session, study)  # takes the write lock: two clicks make one job
            session.flush()
            active = session.scalar(
                select(JobRow).where(JobRow.study == study, JobRow.state.in_(("queued", "running")))
            )
            if active is not None:
                return to_record(Job, active)
            made = JobRow(
                id=secrets.token_hex(6), study=study, target=target, state="queued", created=now()
            )
            session.add(made)
            session.flush()
            return to_record(Job, made)

    def update_job(self, job: str, **values: Any) -> None:
        """Store how far a job is.

        Parameters
        ----------
        job : str
        **values
            Columns of the job.
        """
        with self._session() as session:
            session.execute(update(JobRow).where(JobRow.id == job).values(**values))


class Cancelled(BaseException):
    """Somebody cancelled the job; not an ``Exception``, so that no handler of errors catches it."""


class Reporter:
    """Writes the progress of a job into its row, at most twice a second within a phase.

    Parameters
    ----------
    jobs : JobTable
        Such as a :class:`~celltransfer_core.studies.workspace.Workspace`.
    job : str
        Id of the job.
    """

    def __init__(self, jobs: JobTable, job: str) -> None:
        self.jobs, self.job = jobs, job
        self.phase, self.last = "", 0.0

    def __call__(self, phase: str, done: int, total: int) -> None:
        """Take a step of progress.

        Parameters
        ----------
        phase : str
        done, total : int

        Raises
        ------
        Cancelled
            If somebody cancelled the job.
        """
        began = phase != self.phase
        if not began and done < total and time.time() - self.last < _PAUSE:
            return
        values: dict[str, Any] = {"phase": phase, "done": done, "total": total}
        if began:
            values["phase_began"] = time.time()
        self.phase, self.last = phase, time.time()
        self.jobs.update_job(self.job, **values)
        if self.jobs.job(self.job).cancel:
            raise Cancelled
