"""The sets of a study: adding, renaming and removing them, and mapping their types."""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from celltransfer_core.data.channels import parse_channels
from celltransfer_core.data.levels import read_level
from celltransfer_core.data.type_names import doubtful_types
from celltransfer_core.errors import StudyError
from celltransfer_core.studies.database import (
    DecisionRow,
    FileRow,
    SetRow,
    to_record,
)
from celltransfer_core.studies.records import BATCH, ImageSet, Role, clean_name, now
from celltransfer_core.studies.unfinished import UnfinishedTable


class SetTable(UnfinishedTable):
    """The table of image sets, and what their files show about a study."""

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
            If there is no such set.
        """
        with self._session() as session:
            return to_record(ImageSet, self._set_row(session, set_id))

    def add_set(self, study: str, role: Role, name: str) -> ImageSet:
        """Add an empty set.

        Parameters
        ----------
        study : str
        role : {"reference", "query", "extra", "batch"}
            A study has one query; references are pooled. A signed study still accepts batches.
            A batch gets the pixel size and the channels of the query.
        name : str

        Returns
        -------
        ImageSet

        Raises
        ------
        StudyError
            If the study already has a query, or a batch of that name.
        """
        name = clean_name(name)

        def add(session: Session) -> ImageSet:
            self._touch(session, study, beside=role == BATCH)
            if role == BATCH:
                self._refuse_second(session, study, name)
            columns = (SetRow.role, SetRow.position, SetRow.um_per_px, SetRow.channels)
            rows = session.execute(select(*columns).where(SetRow.study == study)).all()
            if role == "query" and any(row.role == role for row in rows):
                raise StudyError(
                    "A study has one query set; create another study for another query."
                )
            # In one step: a batch without them would be typed wrongly, and nobody would notice.
            like = next((row for row in rows if row.role == "query" and role == BATCH), None)
            made = SetRow(
                id=secrets.token_hex(6),
                study=study,
                role=role,
                name=name,
                position=max((row.position for row in rows), default=0) + 1,
                revision=secrets.token_hex(6),
                um_per_px=like.um_per_px if like else None,
                channels=like.channels or None if like else None,
                mapping={},
                tables={},
                types_at="",
            )
            session.add(made)
            session.flush()
            found: ImageSet = to_record(ImageSet, made)
            return found

        return self._transact(add)

    def change_set(
        self,
        set_id: str,
        *,
        name: str | None = None,
        mapping: Mapping[str, str] | None = None,
        um_per_px: float | None = None,
        types_at: str | None = None,
        channels: str | None = None,
    ) -> None:
        """Change a set: its name, its types' mapping or level, its pixel size or its channels.

        Parameters
        ----------
        set_id : str
        name : str, optional
        mapping : mapping from type to type, optional
        um_per_px : float, optional
            Micrometres per pixel; 0 if unknown.
        types_at : str, optional
            Level of the folders that name the types, such as ``"2"``.
        channels : str, optional
            Channels to show, such as ``1,2,4``; empty if none are chosen.

        Raises
        ------
        StudyError
            If the set no longer exists, its study was signed off, a value is invalid, or another
            batch of the study has that name.
        """
        name = None if name is None else clean_name(name)
        for given, read in ((types_at, read_level), (channels or None, parse_channels)):
            if given is not None:
                try:
                    read(given)
                except ValueError as error:
                    raise StudyError(f"{error}.") from error

        def change(session: Session) -> None:
            row = self._touch_set(session, set_id)
            if name is not None:
                if row.role == BATCH and name != row.name:
                    self._refuse_second(session, row.study, name)
                row.name = name
            if mapping is not None:
                # A name that hardly looks like a type stays one if somebody confirms it.
                said = {*doubtful_types(mapping)}
                wanted = {k: value for k, value in mapping.items() if k != value or k in said}
                if row.mapping != wanted:
                    # Decisions may use the names that types have had until now.
                    earlier = {"mapping": row.mapping, "position": row.position}
                    session.add(
                        DecisionRow(
                            study=row.study, kind="types", payload=earlier, who="", at=now()
                        )
                    )
                row.mapping = wanted
            if um_per_px is not None:
                row.um_per_px = um_per_px or None
            if types_at is not None:
                if (row.types_at or "1") != types_at:  # its cells have other types now
                    row.revision = secrets.token_hex(6)
                row.types_at = types_at
            if channels is not None and (row.channels or "") != channels:
                row.channels = channels  # its images look different now
                row.revision = secrets.token_hex(6)

        self._transact(change)

    def remove_set(self, set_id: str) -> None:
        """Remove a set from its study.

        ``Workspace.sweep`` deletes images that no longer belong to any set.

        Parameters
        ----------
        set_id : str
        """

        def remove(session: Session) -> str:
            row = self._touch_set(session, set_id)
            row.study = self._unseen(session)
            return row.study

        self._remove(self._transact(remove))

    def _refuse_second(self, session: Session, study: str, name: str) -> None:
        """Refuse a name that a batch of a study has: tables tell batches apart by their names."""
        same = (SetRow.study == study, SetRow.role == BATCH, SetRow.name == name)
        if session.scalar(select(SetRow.id).where(*same).limit(1)) is not None:
            raise StudyError(f"This study already has a batch called {name}; choose another name.")

    def _set_row(self, session: Session, set_id: str) -> SetRow:
        row = session.get(SetRow, set_id)
        if row is None:
            raise StudyError("This set no longer exists; reload the page.")
        return row

    def _touch_set(self, session: Session, set_id: str) -> SetRow:
        """Lock the study of a set for a change; return the set as it is then."""
        found = session.execute(
            select(SetRow.study, SetRow.role).where(SetRow.id == set_id)
        ).first()
        if found is not None:
            self._touch(session, found.study, beside=found.role == BATCH)
        row = self._set_row(session, set_id)
        if found is None or row.study != found.study:  # it has just been removed
            raise StudyError("This set no longer exists; reload the page.")
        return row

    def filled(self, study: str) -> frozenset[str]:
        """Return the roles that have a usable image.

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

    def count_files(self, study: str) -> dict[str, int]:
        """Count the files that a study has received.

        Parameters
        ----------
        study : str

        Returns
        -------
        dict from role to int
            Roles without files are left out.
        """
        query = (
            select(SetRow.role, func.count(FileRow.id))
            .join(FileRow, FileRow.set == SetRow.id)
            .where(SetRow.study == study)
            .group_by(SetRow.role)
        )
        with self._session() as session:
            return {row[0]: row[1] for row in session.execute(query)}

    def image_hashes(self, sets: Sequence[str]) -> frozenset[str]:
        """List the usable images of sets.

        Parameters
        ----------
        sets : sequence of str
            Their ids.

        Returns
        -------
        frozenset of str
            Content hashes.
        """
        query = select(FileRow.sha256).where(FileRow.set.in_(sets), FileRow.problem == "")
        with self._session() as session:
            return frozenset(session.scalars(query.distinct()))

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
