"""Erasure: deleted studies go for good, with all that only they have.

In goes the age of what was deleted; rows, results, images, and what is cached of those images are
removed from the disk, and a record of how much that was stays. The workspace's own backups are made
anew without it; others are not reached.
"""

from __future__ import annotations

import datetime as dt
import secrets
import shutil
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import ColumnElement, func, select, update
from sqlalchemy.orm import Session

from celltransfer_core.studies.database import (
    UNFINISHED,
    DecisionRow,
    ErasureRow,
    FileRow,
    SetRow,
    StudyRow,
    to_record,
)
from celltransfer_core.studies.engine import scrub
from celltransfer_core.studies.records import Erasure, clean_name, now
from celltransfer_core.studies.unfinished import UnfinishedTable

RECENT = 600
"""Seconds for which an image that no set has stays: the set that receives it may not be written
yet."""


@dataclass(frozen=True)
class Sweep:
    """What was deleted for good, or would be."""

    studies: int
    """Number of studies."""
    size: int
    """Bytes that are freed."""
    waiting: int = 0
    """Bytes of images that came in within :data:`RECENT` seconds, and go the next time."""


class ErasureTable(UnfinishedTable):
    """Deletes for good, and keeps the records of it."""

    def sweepable(self, older_than: float = 0.0) -> Sweep:
        """Tell what :meth:`sweep` would delete now.

        Parameters
        ----------
        older_than : float
            Days since a study was deleted.

        Returns
        -------
        Sweep
        """
        with self._session() as session:
            swept = self._deleted(session, older_than)
            used = _hashes(session, SetRow.study.not_in(swept))
            kept = set(session.scalars(select(StudyRow.id).where(StudyRow.id.not_in(swept))))
        unused, waiting = self._unused_images(used)
        sizes = [size_of(folder) for folder in self._unused_results(kept)]
        return Sweep(len(swept), sum(sizes) + sum(unused.values()), waiting)

    def sweep(self, older_than: float = 0.0, *, who: str = "unnamed") -> Sweep:
        """Delete for good what nothing refers to: deleted studies, and images without a set.

        What is cached of such images goes too, and the database is written anew without what was
        deleted, as are the workspace's own backups. It is found in backups elsewhere alone.

        Parameters
        ----------
        older_than : float
            Days since a study was deleted; those that were deleted later can still be restored.
        who : str
            For the record, see :meth:`erasures`.

        Returns
        -------
        Sweep
            What was deleted. Studies with work under way stay until it has ended, and images that
            any other study has stay.
        """
        record, who = secrets.token_hex(6), clean_name(who)

        def hide(session: Session) -> list[str]:
            swept = self._deleted(session, older_than, lock=True)
            decided = select(func.count()).where(DecisionRow.study.in_(swept))
            if swept:
                session.add(
                    ErasureRow(
                        id=record,
                        at=now(),
                        who=who,
                        studies=len(swept),
                        decisions=session.scalar(decided) or 0,
                    )
                )
            rows = update(StudyRow).where(StudyRow.id.in_(swept))
            session.execute(rows.values(deleted=UNFINISHED))
            return swept

        self._remove_rest()
        swept = self._transact(hide)
        for study in swept:
            self._remove(study)
        with self._session() as session:
            used = _hashes(session)
            kept = set(session.scalars(select(StudyRow.id)))
        results = images = 0
        for folder in self._unused_results(kept):
            results += size_of(folder)
            shutil.rmtree(folder, ignore_errors=True)
        unused, waiting = self._unused_images(used)
        gone = {path: size for path, size in unused.items() if _remove(path)}
        images = sum(gone.values())
        if not (swept or results or gone):
            return Sweep(0, 0, waiting)
        self.cache.forget([path.name for path in gone])

        def note(session: Session) -> None:
            row = session.get(ErasureRow, record)
            if row is None:
                row = ErasureRow(id=record, at=now(), who=who)
                session.add(row)
            row.images, row.size = len(gone), images + results

        self._transact(note)
        scrub(self._engine, StudyRow.metadata)
        self._renew_backups()
        return Sweep(len(swept), images + results, waiting)

    def erasures(self) -> tuple[Erasure, ...]:
        """List who deleted how much for good, and when, the latest first.

        Returns
        -------
        tuple of Erasure
        """
        with self._session() as session:
            rows = session.scalars(select(ErasureRow).order_by(ErasureRow.at.desc()))
            return tuple(to_record(Erasure, row) for row in rows)

    def _deleted(self, session: Session, older_than: float, *, lock: bool = False) -> list[str]:
        """List deleted studies without work under way; keep them from changing if asked to."""
        before = dt.datetime.now(dt.UTC) - dt.timedelta(days=older_than)
        deleted = select(StudyRow.id).where(
            StudyRow.deleted <= before.isoformat(timespec="milliseconds")
        )
        found = session.scalars(deleted.with_for_update() if lock else deleted).all()
        return sorted({*found} - self._at_work(session))

    def _unused_results(self, kept: set[str]) -> list[Path]:
        """List the results of studies that are none of these."""
        return [one for one in (self.folder / "results").glob("*") if one.name not in kept]

    def _unused_images(self, used: set[str]) -> tuple[dict[Path, int], int]:
        """Find images that are none of these, with their sizes, and the bytes of recent ones."""
        found: dict[Path, int] = {}
        waiting = 0
        for path in self.images.glob("??/*"):
            with suppress(FileNotFoundError):  # somebody else sweeps
                if path.name not in used:
                    if _is_recent(path):
                        waiting += path.stat().st_size
                    else:
                        found[path] = path.stat().st_size
        return found, waiting


def _hashes(session: Session, *where: ColumnElement[bool]) -> set[str]:
    query = select(FileRow.sha256).join(SetRow, SetRow.id == FileRow.set)
    return set(session.scalars(query.where(*where).distinct()))


def _is_recent(path: Path) -> bool:
    return path.stat().st_mtime >= time.time() - RECENT


def _remove(path: Path) -> bool:
    """Remove an image, unless it came in again in the same moment."""
    aside = path.with_name(f".{path.name}.{secrets.token_hex(4)}.part")
    try:
        path.replace(aside)
        if _is_recent(aside):
            aside.replace(path)
            return False
        aside.unlink()
    except OSError:
        return False
    return True


def size_of(folder: Path) -> int:
    """Add up the files of a folder and those below.

    Parameters
    ----------
    folder : Path

    Returns
    -------
    int
        Bytes.
    """
    return sum(path.stat().st_size for path in files_of(folder))


def files_of(folder: Path) -> Iterator[Path]:
    """List the files of a folder and those below.

    Parameters
    ----------
    folder : Path
        It may be gone.

    Yields
    ------
    Path
    """
    yield from (path for path in folder.rglob("*") if path.is_file())
