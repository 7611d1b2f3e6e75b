"""The watched folders of a workspace, at most one per study.

Several servers may use one workspace. A process checks a folder only while it owns its row. It
becomes the owner by a conditional update, and each later update is a sign of life and fails if
another process has become the owner meanwhile, or nobody wants the folder watched any more.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import ColumnElement, delete, exists, select, update
from sqlalchemy.orm import Session

from celltransfer_core.errors import StudyError
from celltransfer_core.studies.database import Database, StudyRow, WatchRow, to_record
from celltransfer_core.studies.records import Watch, clean_name, now

_WANTED = exists().where(StudyRow.id == WatchRow.study, StudyRow.deleted.is_(None))


class WatchTable(Database):
    """The table of watched folders."""

    def watch(self, study: str, folder: str, who: str) -> Watch:
        """Begin to watch a folder for a study, signed off or not.

        Parameters
        ----------
        study : str
        folder : str
        who : str

        Returns
        -------
        Watch

        Raises
        ------
        StudyError
            If the study already has a watched folder.
        """
        who = clean_name(who)

        def add(session: Session) -> Watch:
            self._touch(session, study, beside=True)
            if (there := session.get(WatchRow, study)) is not None:
                raise StudyError(
                    f"{there.folder} is already watched for this study; stop watching it first."
                )
            row = WatchRow(study=study, folder=folder, who=who, since=now())
            session.add(row)
            session.flush()
            found: Watch = to_record(Watch, row)
            return found

        return self._transact(add)

    def stop_watching(self, study: str) -> None:
        """End the watching of a study's folder; what was added stays.

        Parameters
        ----------
        study : str
        """

        def remove(session: Session) -> None:
            self._touch(session, study, beside=True)
            session.execute(delete(WatchRow).where(WatchRow.study == study))

        self._transact(remove)

    def watched(self, study: str) -> Watch | None:
        """Find the watched folder of a study.

        Parameters
        ----------
        study : str

        Returns
        -------
        Watch or None
        """
        with self._session() as session:
            row = session.get(WatchRow, study)
            return None if row is None else to_record(Watch, row)

    def watches(self) -> tuple[Watch, ...]:
        """List the watched folders of all studies that were not deleted.

        Returns
        -------
        tuple of Watch
        """
        with self._session() as session:
            rows = session.scalars(select(WatchRow).where(_WANTED).order_by(WatchRow.since))
            return tuple(to_record(Watch, row) for row in rows)

    def own_watch(self, watch: Watch, owner: str) -> bool:
        """Become the owner of a watched folder.

        Parameters
        ----------
        watch : Watch
            As it was read; its owner is this process, or no longer alive.
        owner : str
            From :func:`~celltransfer_core.studies.owners.owner_of`.

        Returns
        -------
        bool
            False if another process was faster, its owner is alive after all, or it is no longer
            watched.
        """
        same = WatchRow.owner.is_(None) if watch.owner is None else WatchRow.owner == watch.owner
        return self._change(watch, same, WatchRow.beat == watch.beat, owner=owner)

    def update_watch(self, watch: Watch, owner: str, **values: Any) -> bool:
        """Store what the owner of a watched folder found; every call counts as a sign of life.

        Parameters
        ----------
        watch : Watch
        owner : str
        **values
            Columns of the row.

        Returns
        -------
        bool
            False if it is no longer watched, or by another process: then nothing more of it may
            be read.
        """
        return self._change(watch, WatchRow.owner == owner, **values)

    def taken_files(self, watch: Watch) -> dict[str, Any]:
        """Return the files of a watched folder that were dealt with, as the last owner stored them.

        Parameters
        ----------
        watch : Watch

        Returns
        -------
        dict from name to stamp
        """
        query = select(WatchRow.taken).where(WatchRow.study == watch.study)
        with self._session() as session:
            return dict(session.scalar(query) or {})

    def _change(self, watch: Watch, *conditions: ColumnElement[bool], **values: Any) -> bool:
        def change(session: Session) -> bool:
            same = (WatchRow.study == watch.study, WatchRow.since == watch.since, _WANTED)
            changed = update(WatchRow).where(*same, *conditions)
            return bool(
                session.execute(
                    changed.values(beat=WatchRow.beat + 1, **values).returning(WatchRow.study),
                    execution_options={"synchronize_session": False},
                ).all()
            )

        return self._transact(change)
