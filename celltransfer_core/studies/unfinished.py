"""Creation and removal of very large studies in steps that do not block other users.

A transaction of 200,000 rows would delay everybody's decisions by seconds. So rows are copied and
deleted in groups of some thousands, in a hidden study: one that is being created appears when it is
complete, one that is being removed never appears again. If a process dies meanwhile, what
is left of the study is removed later.
"""

from __future__ import annotations

import secrets
import shutil
import time
from collections.abc import Callable
from functools import partial

from sqlalchemy import ColumnElement, Executable, Insert, delete, insert, literal, select
from sqlalchemy.orm import Session

from celltransfer_core.runtime.batches import in_batches
from celltransfer_core.studies.database import (
    UNFINISHED,
    Database,
    DecisionRow,
    DeskRow,
    FileRow,
    JobRow,
    SetRow,
    StudyRow,
    WatchRow,
)
from celltransfer_core.studies.owners import is_alive
from celltransfer_core.studies.records import now
from celltransfer_core.studies.work_list import ACTIVE

ROWS = 2_000
"""Rows per transaction."""

_PAUSE = 0.05  # seconds between two transactions, in which others can write


class UnfinishedTable(Database):
    """Copies and deletes many rows, in hidden studies."""

    def _unseen(self, session: Session) -> str:
        """Make a hidden study for data to be removed; return its id."""
        row = StudyRow(
            id=secrets.token_hex(6),
            name=UNFINISHED,
            created=now(),
            changed=now(),
            deleted=UNFINISHED,
            signed=None,
            options={},
        )
        session.add(row)
        session.flush()
        return row.id

    def _remove_rest(self) -> None:
        """Remove the rest of studies that were being created or removed when a process died."""

        def left(session: Session) -> list[str]:
            found = session.scalars(select(StudyRow.id).where(StudyRow.deleted == UNFINISHED)).all()
            return sorted({*found} - self._at_work(session))

        with self._session() as session:
            rest = left(session)
        for study in rest:
            self._discard(study)

    def _discard(self, study: str) -> None:
        """Remove a hidden study, with its results."""
        self._remove(study)
        shutil.rmtree(self.folder / "results" / study, ignore_errors=True)

    def _remove(self, study: str) -> None:
        """Remove a hidden study, with its rows."""
        sets = select(SetRow.id).where(SetRow.study == study)
        files, decisions = FileRow.set.in_(sets), DecisionRow.study == study
        self._delete(FileRow, files)
        self._delete(DecisionRow, decisions)

        def end(session: Session) -> None:
            session.execute(delete(FileRow).where(files))  # some may have been added meanwhile
            for table in (SetRow, DecisionRow, JobRow, DeskRow, WatchRow):
                session.execute(delete(table).where(table.study == study))
            session.execute(delete(StudyRow).where(StudyRow.id == study))

        self._transact(end)

    def _delete(self, table: type[FileRow | DecisionRow], where: ColumnElement[bool]) -> None:
        with self._session() as session:
            ids = list(session.scalars(select(table.id).where(where)))
        self._in_steps(ids, lambda some: delete(table).where(table.id.in_(some)))

    def _copy_files(self, source: str, target: str) -> None:
        """Copy the files of a set to another one, in order."""
        with self._session() as session:
            query = select(FileRow.id).where(FileRow.set == source).order_by(FileRow.id)
            ids = list(session.scalars(query))
        self._in_steps(ids, lambda some: copy_rows(FileRow, FileRow.id.in_(some), set=target))

    def _in_steps(self, ids: list[int], change: Callable[[list[int]], Executable]) -> None:
        for some in in_batches(ids, ROWS):
            statement = change(some)
            self._transact(partial(Session.execute, statement=statement))
            time.sleep(_PAUSE)

    def _at_work(self, session: Session) -> set[str]:
        """List the studies with work under way, unless the work's owner is known to be dead."""
        jobs = select(JobRow.study, JobRow.owner).where(JobRow.state.in_(ACTIVE))
        return {
            job.study
            for job in session.execute(jobs)
            if not job.owner or is_alive(job.owner, self.folder) is not False
        }


def copy_rows(
    table: type[FileRow | DecisionRow], where: ColumnElement[bool], **changes: str
) -> Insert:
    """Copy rows within the database, in order; the copies get new ids.

    Parameters
    ----------
    table : type of row
    where : condition
    **changes
        New values for columns.

    Returns
    -------
    Insert
        The statement that copies the rows.
    """
    columns = [column for column in table.__table__.columns if column.name != "id"]
    values = [literal(changes[c.name]) if c.name in changes else c for c in columns]
    found = select(*values).where(where).order_by(table.id)
    return insert(table).from_select([c.name for c in columns], found)
