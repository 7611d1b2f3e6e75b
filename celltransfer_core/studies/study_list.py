"""The studies of a workspace: their names, options, deletion and signature."""

from __future__ import annotations

import secrets
from collections.abc import Iterable
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from celltransfer_core.errors import StudyError
from celltransfer_core.studies.database import UNFINISHED, Database, StudyRow, to_record
from celltransfer_core.studies.records import Study, clean_name, clean_tags, now


class StudyTable(Database):
    """The table of studies."""

    def studies(self, *, deleted: bool = False) -> tuple[Study, ...]:
        """List studies, the most recently changed first.

        Parameters
        ----------
        deleted : bool
            Whether to list deleted studies instead of the others.

        Returns
        -------
        tuple of Study
        """
        gone = StudyRow.deleted != UNFINISHED  # never true if it is not deleted
        wanted = gone if deleted else StudyRow.deleted.is_(None)
        with self._session() as session:
            rows = session.scalars(select(StudyRow).where(wanted).order_by(StudyRow.changed.desc()))
            return tuple(to_record(Study, row) for row in rows)

    def study(self, study: str) -> Study:
        """Find a study.

        Parameters
        ----------
        study : str
            Its id.

        Returns
        -------
        Study

        Raises
        ------
        StudyError
            If there is no such study, or it was deleted.
        """
        with self._session() as session:
            row = session.get(StudyRow, study)
            if row is None or row.deleted:
                raise StudyError("This study no longer exists; choose one from the list.")
            return to_record(Study, row)

    def create(self, name: str, *, drawn: bool = False) -> Study:
        """Begin a study.

        Parameters
        ----------
        name : str
        drawn : bool
            Whether it is the demo.

        Returns
        -------
        Study
        """
        name = clean_name(name)

        def add(session: Session) -> Study:
            made = StudyRow(
                id=secrets.token_hex(6),
                name=name,
                created=now(),
                changed=now(),
                drawn=drawn,
                deleted=None,
                signed=None,
                options={},
            )
            session.add(made)
            session.flush()
            found: Study = to_record(Study, made)
            return found

        return self._transact(add)

    def rename(self, study: str, name: str) -> None:
        """Give a study another name."""
        name = clean_name(name)

        def change(session: Session) -> None:
            self._touch(session, study).name = name

        self._transact(change)

    def change_options(self, study: str, **fields: Any) -> None:
        """Change some of a study's options; the others keep their values, whoever set them.

        Parameters
        ----------
        study : str
        **fields
            Fields of :class:`~celltransfer_core.config.Config` with JSON values. None resets a
            field to the preset's value.
        """

        def change(session: Session) -> None:
            row = self._touch(session, study)  # locked, so that it has the last writer's values
            changed = {**row.options, **fields}
            row.options = {name: value for name, value in changed.items() if value is not None}

        self._transact(change)

    def delete(self, study: str) -> None:
        """Hide a study; :meth:`restore` brings it back."""
        self._transact(lambda session: self._set_deleted(session, study, now()))

    def restore(self, study: str) -> None:
        """Restore a deleted study."""
        self._transact(lambda session: self._set_deleted(session, study, None))

    def _set_deleted(self, session: Session, study: str, at: str | None) -> None:
        self._lock(session, study).deleted = at

    def tag(self, study: str, tags: Iterable[str]) -> None:
        """Replace the tags of a study, which may be signed off.

        Parameters
        ----------
        study : str
        tags : iterable of str
            The complete list of tags.
        """
        tags = clean_tags(tags)

        def change(session: Session) -> None:
            self._lock(session, study).tags = tags

        self._transact(change)

    def archive(self, study: str) -> None:
        """Archive a study, signed off or not; :meth:`take_out` undoes it."""
        self._transact(lambda session: self._set_archived(session, study, now()))

    def take_out(self, study: str) -> None:
        """Take a study out of the archive."""
        self._transact(lambda session: self._set_archived(session, study, None))

    def _set_archived(self, session: Session, study: str, at: str | None) -> None:
        self._lock(session, study).archived = at

    def sign(self, study: str, who: str) -> None:
        """Sign a study off; after that it can be read but not changed.

        Parameters
        ----------
        study : str
        who : str
        """
        who = clean_name(who)

        def change(session: Session) -> None:
            row = self._touch(session, study)
            row.signed, row.signed_by = now(), who

        self._transact(change)
