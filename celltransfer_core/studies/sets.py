"""The sets of a study and the files that they receive.

Uploaded files go in; every image that can be used is stored once by its content hash, and each
refused file is listed with its reason.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterable, Mapping

from sqlalchemy import delete, func, insert, select
from sqlalchemy.orm import Session

from celltransfer_core.data.checks import check_image
from celltransfer_core.data.dataset import stored_at
from celltransfer_core.errors import StudyError
from celltransfer_core.runtime.files import write_atomically
from celltransfer_core.studies.database import (
    Database,
    DecisionRow,
    FileRow,
    SetRow,
    to_record,
)
from celltransfer_core.studies.records import ImageSet, Received, Role, clean_name, now


class SetTable(Database):
    """The tables of image sets and of their files."""

    def sets(self, study: str, role: str | None = None) -> tuple[ImageSet, ...]:
        """List a study's sets, in the order they were added.

        Parameters
        ----------
        study : str
        role : {"reference", "query", "extra"}, optional

        Returns
        -------
        tuple of ImageSet
        """
        query = select(SetRow).where(SetRow.study == study).order_by(SetRow.position)
        if role:
            query = query.where(SetRow.role == role)
        with self._session() as session:
            return tuple(to_record(ImageSet, row) for row in session.scalars(query))

    def image_set(self, set_id: str) -> ImageSet:
        """Find a set.

        Parameters
        ----------
        set_id : str

        Returns
        -------
        ImageSet

        Raises
        ------
        StudyError
            If there is none.
        """
        with self._session() as session:
            return to_record(ImageSet, self._set_row(session, set_id))

    def add_set(self, study: str, role: Role, name: str) -> ImageSet:
        """Add an empty set.

        Parameters
        ----------
        study : str
        role : {"reference", "query", "extra"}
            A study has one query; references are pooled.
        name : str

        Returns
        -------
        ImageSet
        """
        if role == "query" and self.sets(study, "query"):
            raise StudyError("A study has one query set; make another study for another one.")
        with self._session() as session:
            self._touch(session, study)
            last = session.scalar(select(func.max(SetRow.position)).where(SetRow.study == study))
            made = SetRow(
                id=secrets.token_hex(6),
                study=study,
                role=role,
                name=clean_name(name),
                position=(last or 0) + 1,
                revision=secrets.token_hex(6),
                um_per_px=None,
                mapping={},
                tables={},
            )
            session.add(made)
            session.flush()
            return to_record(ImageSet, made)

    def change_set(
        self,
        set_id: str,
        *,
        name: str | None = None,
        mapping: Mapping[str, str] | None = None,
        um_per_px: float | None = None,
    ) -> None:
        """Rename a set, map its types, or set the size of its pixels.

        Parameters
        ----------
        set_id : str
        name : str, optional
        mapping : mapping from type to type, optional
        um_per_px : float, optional
            Micrometres; 0 where it is not known.
        """
        with self._session() as session:
            row = self._set_row(session, set_id)
            self._touch(session, row.study)
            if name is not None:
                row.name = clean_name(name)
            if mapping is not None:
                wanted = {key: value for key, value in mapping.items() if key != value}
                if row.mapping and row.mapping != wanted:
                    # Decisions may name types as they were called until now.
                    earlier = {"mapping": row.mapping}
                    session.add(
                        DecisionRow(
                            study=row.study, kind="types", payload=earlier, who="", at=now()
                        )
                    )
                row.mapping = wanted
            if um_per_px is not None:
                row.um_per_px = um_per_px or None

    def remove_set(self, set_id: str) -> None:
        """Take a set out of its study.

        ``Workspace.sweep`` deletes images that no set has any more.

        Parameters
        ----------
        set_id : str
        """
        with self._session() as session:
            row = self._set_row(session, set_id)
            self._touch(session, row.study)
            session.execute(delete(FileRow).where(FileRow.set == set_id))
            session.delete(row)

    def _set_row(self, session: Session, set_id: str) -> SetRow:
        row = session.get(SetRow, set_id)
        if row is None:
            raise StudyError("There is no such set any more; reload the page.")
        return row

    def receive(self, set_id: str, files: Iterable[tuple[str, bytes]]) -> Received:
        """Take in files: check each, store what can be used, keep the reason of each refusal.

        Parameters
        ----------
        set_id : str
        files : iterable of (name, bytes)
            Names are kept as text and never used as paths. ``labels.csv`` and ``metadata.csv``
            are the set's tables. A name that is there already is replaced.

        Returns
        -------
        Received

        Raises
        ------
        StudyError
            If the set is gone or its study signed off.
        OutputError
            If an image cannot be written.
        """
        rows, tables, refused = [], {}, []
        for name, data in files:
            if name.rsplit("/", 1)[-1].lower() in ("labels.csv", "metadata.csv"):
                try:
                    tables[name.rsplit("/", 1)[-1].lower()] = data.decode("utf-8-sig")
                except UnicodeDecodeError:
                    refused.append((name, "is not UTF-8 text; save it as CSV (UTF-8)"))
                continue
            found = check_image(data)
            if found.problem:
                refused.append((name, found.problem))
            else:
                self._store(found.sha256, data)
            rows.append(
                {
                    "set": set_id,
                    "path": name,
                    "size": len(data),
                    "sha256": found.sha256,
                    "problem": found.problem,
                    "pages": found.pages,
                    "deep": found.deep,
                }
            )
        with self._session() as session:
            row = self._set_row(session, set_id)
            self._touch(session, row.study)
            row.revision = secrets.token_hex(6)
            if tables:
                row.tables = {**row.tables, **tables}
            names = [entry["path"] for entry in rows]
            for start in range(0, len(names), 500):
                some = names[start : start + 500]
                session.execute(
                    delete(FileRow).where(FileRow.set == set_id, FileRow.path.in_(some))
                )
            if rows:
                latest = {entry["path"]: entry for entry in rows}
                session.execute(insert(FileRow), list(latest.values()))
        taken = sum(not entry["problem"] for entry in rows) + len(tables)
        return Received(taken, tuple(refused))

    def _store(self, sha256: str, data: bytes) -> None:
        path = stored_at(self.images, sha256)
        try:
            os.utime(path)  # an image that is wanted again is not swept away meanwhile
        except FileNotFoundError:
            write_atomically(path, data, problem=self._not_stored)
        except OSError:  # a folder of somebody else: what is there can be read
            return

    def _not_stored(self, reason: str) -> str:
        return (
            f"An image cannot be stored in {self.images} ({reason}); make room, then drop the "
            "folder again: what is there is not sent twice."
        )

    def known_files(self, set_id: str) -> dict[str, int]:
        """List what a set has received, so that an interrupted upload goes on.

        Parameters
        ----------
        set_id : str

        Returns
        -------
        dict from name to bytes
        """
        with self._session() as session:
            rows = session.execute(select(FileRow.path, FileRow.size).where(FileRow.set == set_id))
            return {row.path: row.size for row in rows}

    def filled(self, study: str) -> frozenset[str]:
        """Tell which roles have a usable image.

        Parameters
        ----------
        study : str

        Returns
        -------
        frozenset of str
        """
        query = select(SetRow.role).where(
            SetRow.study == study,
            select(FileRow.id).where(FileRow.set == SetRow.id, FileRow.problem == "").exists(),
        )
        with self._session() as session:
            return frozenset(session.scalars(query))

    def has_image(self, study: str, sha256: str) -> bool:
        """Tell whether an image belongs to a study.

        Parameters
        ----------
        study : str
        sha256 : str

        Returns
        -------
        bool
        """
        query = (
            select(FileRow.id)
            .join(SetRow, SetRow.id == FileRow.set)
            .where(SetRow.study == study, FileRow.sha256 == sha256, FileRow.problem == "")
            .limit(1)
        )
        with self._session() as session:
            return session.scalar(query) is not None
