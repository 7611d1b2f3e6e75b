"""Snapshots of everything that determines a study's results, and values derived from them.

A snapshot is read in one statement. Values that are needed again and again (keys, settings,
decisions) are kept in memory with the snapshot that they were derived from, and derived again as
soon as anything in the study changes.
"""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, fields
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

from sqlalchemy import select
from sqlalchemy.orm import Session

from celltransfer_core.errors import StudyError
from celltransfer_core.studies.database import SetRow, StudyRow, to_record
from celltransfer_core.studies.decisions import DecisionTable, decision_counts
from celltransfer_core.studies.records import Decision, ImageSet, Study
from celltransfer_core.studies.sets_read import SetReader
from celltransfer_core.studies.study_list import StudyTable

Derived = TypeVar("Derived")

_MOST_KEPT = 128
"""Number of derived values that are kept in memory."""


@dataclass(frozen=True)
class Snapshot:
    """A study, its sets and the number of its decisions, all as of one moment."""

    study: Study
    sets: tuple[ImageSet, ...]
    """In the order they were added."""
    decided: tuple[int, int, int]
    """Number of decisions, id of the last one, and number of undone ones."""

    def of_role(self, role: str) -> tuple[ImageSet, ...]:
        """List the sets of a role."""
        return tuple(one for one in self.sets if one.role == role)

    @cached_property
    def key(self) -> str:
        """Hash of everything that determines what is derived from the study."""
        study = [self.study.id, self.study.drawn, self.study.options]
        return _hash(study, self.sets_key, self.decided)

    @cached_property
    def sets_key(self) -> str:
        """Hash of the sets only; it changes with every image."""
        return _hash(*([getattr(one, f.name) for f in fields(one)] for one in self.sets))


def _hash(*parts: Any) -> str:
    text = json.dumps(parts, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()


class _Look(threading.local):
    """What one thread has read within :meth:`SnapshotReader.one_look`; None outside."""

    seen: dict[tuple[str, str], Any] | None = None


class SnapshotReader(StudyTable, SetReader, DecisionTable):
    """Reads snapshots of studies; values derived from the latest of each are kept in memory."""

    def __init__(
        self, folder: Path | None = None, url: str | None = None, *, backed_up: bool = False
    ) -> None:
        super().__init__(folder, url, backed_up=backed_up)
        self._derived: dict[tuple[str, str], tuple[str, Any]] = {}
        self._look = _Look()

    @contextmanager
    def one_look(self) -> Iterator[None]:
        """Read each study only once within the block, so that all values are of one moment.

        For output that is produced in one go, such as a page. Changes by this thread within the
        block are seen; changes by others are not.
        """
        if self._look.seen is not None:
            yield
            return
        self._look.seen = {}
        try:
            yield
        finally:
            self._look.seen = None

    def _once(self, what: str, study: str, read: Callable[[], Derived]) -> Derived:
        seen = self._look.seen
        if seen is None:
            return read()
        if (what, study) not in seen:
            seen[what, study] = read()
        found: Derived = seen[what, study]
        return found

    def _transact(self, work: Callable[[Session], Derived]) -> Derived:
        try:
            return super()._transact(work)
        finally:
            if self._look.seen is not None:
                self._look.seen.clear()

    def study(self, study: str) -> Study:
        """Find a study: see :meth:`StudyTable.study`."""
        return super().study(study) if self._look.seen is None else self.snapshot(study).study

    def sets(self, study: str, role: str | None = None) -> tuple[ImageSet, ...]:
        """List a study's sets: see :meth:`SetTable.sets`."""
        if self._look.seen is None:
            return super().sets(study, role)
        return tuple(one for one in self.snapshot(study).sets if role in (None, one.role))

    def decisions(self, study: str, kind: str | None = None) -> tuple[Decision, ...]:
        """List the decisions that were not undone: see :meth:`DecisionTable.decisions`."""
        if self._look.seen is None or kind is None:
            return super().decisions(study, kind)
        return self.decisions_of(self.snapshot(study), kind)

    def count_decisions(self, study: str, kind: str) -> int:
        """Count the decisions that were not undone: see :meth:`DecisionTable.count_decisions`."""
        if self._look.seen is None:
            return super().count_decisions(study, kind)
        return len(self.decisions(study, kind))

    def snapshot(self, study: str) -> Snapshot:
        """Read what determines a study's results, in one statement; in :meth:`one_look`, once.

        Parameters
        ----------
        study : str
            Its id.

        Returns
        -------
        Snapshot

        Raises
        ------
        StudyError
            If there is no such study, or it was deleted.
        """
        return self._once("snapshot", study, lambda: self._read_snapshot(study))

    def _read_snapshot(self, study: str) -> Snapshot:
        columns = [getattr(SetRow, field.name).label(field.name) for field in fields(ImageSet)]
        query = (
            select(StudyRow, *decision_counts(study), *columns)
            .outerjoin(SetRow, SetRow.study == StudyRow.id)
            .where(StudyRow.id == study)
            .order_by(SetRow.position)
        )
        with self._session() as session:
            rows = session.execute(query).all()
            if not rows or rows[0].StudyRow.deleted:
                raise StudyError("This study no longer exists; choose one from the list.")
            found = to_record(Study, rows[0].StudyRow)
        decided = (rows[0].decided, rows[0].last or 0, rows[0].undone)
        return Snapshot(
            found, tuple(to_record(ImageSet, row) for row in rows if row.id is not None), decided
        )

    def derive(
        self, snapshot: Snapshot, what: str, make: Callable[[], Derived], key: str = ""
    ) -> Derived:
        """Return a value that depends only on a snapshot, computing it once.

        Parameters
        ----------
        snapshot : Snapshot
        what : str
            Name of the value.
        make : callable
            Computes it from the snapshot and the images and decisions that belong to it only, not
            from files in the folder of results.
        key : str
            Key of the part of the snapshot that determines it; the whole snapshot by default.

        Returns
        -------
        object
        """
        place, key = (snapshot.study.id, what), key or snapshot.key
        kept = self._derived.get(place)
        if kept is not None and kept[0] == key:
            made: Derived = kept[1]
            return made
        made = make()
        self._derived.pop(place, None)
        self._derived[place] = (key, made)  # moved to the end: the oldest goes first
        while len(self._derived) > _MOST_KEPT:
            self._derived.pop(next(iter(self._derived)), None)
        return made

    def decisions_of(self, snapshot: Snapshot, kind: str) -> tuple[Decision, ...]:
        """List the decisions of a kind that were not undone, as they are stored.

        Parameters
        ----------
        snapshot : Snapshot
        kind : str

        Returns
        -------
        tuple of Decision
            Oldest first; read again if there are other decisions than last time.
        """
        found = self.derive(
            snapshot, "decisions", lambda: _by_kind(self.decisions(snapshot.study.id))
        )
        return found.get(kind, ())


def _by_kind(decisions: tuple[Decision, ...]) -> dict[str, tuple[Decision, ...]]:
    kinds = dict.fromkeys(one.kind for one in decisions)
    return {kind: tuple(one for one in decisions if one.kind == kind) for kind in kinds}
