"""Erasure: permanent deletion of studies and of everything that only they use.

Studies that were deleted long enough ago are removed from disk: their rows, results and images,
and the cached data of these images. A record of how much was deleted is kept. The workspace's own
backups are made again without the erased data; other backups are not changed.
"""

from __future__ import annotations

import datetime as dt
import secrets
import shutil
import time
from collections.abc import Iterator, Mapping
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
from celltransfer_core.studies.records import BATCH, Erasure, clean_name, now
from celltransfer_core.studies.unfinished import UnfinishedTable

RECENT = 600
"""Seconds for which an image without a set is kept: the set that receives it may not be written
yet."""


@dataclass(frozen=True)
class Sweep:
    """What was permanently deleted, or would be."""

    studies: int
    """Number of studies."""
    size: int
    """Bytes that are freed."""
    waiting: int = 0
    """Bytes of images that arrived within the last :data:`RECENT` seconds; deleted next time."""


class ErasureTable(UnfinishedTable):
    """Deletes data permanently, and keeps the records of these deletions."""

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
        sizes += [size for path, size in self._old_batches().items() if path.parent.name in kept]
        return Sweep(len(swept), sum(sizes) + sum(unused.values()), waiting)

    def sweep(self, older_than: float = 0.0, *, who: str = "unnamed") -> Sweep:
        """Permanently delete what nothing refers to: deleted studies, and images without a set.

        So are cached data of such images, and results of batches as they were before their images
        changed. The database is rewritten without the deleted
        data, and the workspace's own backups are made again. After that, only backups elsewhere
        contain the data.

        Parameters
        ----------
        older_than : float
            Days since a study was deleted; studies deleted more recently can still be restored.
        who : str
            Name for the record, see :meth:`erasures`.

        Returns
        -------
        Sweep
            What was deleted. Studies with work under way are kept until the work has ended, and
            images that another study uses are kept.
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
        results += self._drop(self._old_batches())
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

    def drop_old_batches(self, study: str) -> None:
        """Delete the results of a study's batches as they were before their images changed.

        Nothing shows them again, and files that keep arriving would fill the disk with them.

        Parameters
        ----------
        study : str
        """
        self._drop(self._old_batches(study))

    def _old_batches(self, study: str = "*") -> dict[Path, int]:
        """Find results of batches that have other images now or were removed, with their sizes."""
        with self._session() as session:
            revisions = session.scalars(select(SetRow.revision).where(SetRow.role == BATCH))
            shown = tuple(f"{BATCH}-{revision}" for revision in revisions)
        found: dict[Path, int] = {}
        for path in (self.folder / "results").glob(f"{study}/{BATCH}-*"):
            with suppress(FileNotFoundError):  # another process deletes them too
                # A page that is being drawn may still read a recent one.
                if not path.name.startswith(shown) and not _is_recent(path):
                    found[path] = path.stat().st_size
        return found

    def _drop(self, results: Mapping[Path, int]) -> int:
        """Delete results; return the size of those that are gone."""
        freed = 0
        for path, size in results.items():
            with suppress(OSError):
                path.unlink()
                freed += size
        return freed

    def erasures(self) -> tuple[Erasure, ...]:
        """List who permanently deleted how much and when, latest first.

        Returns
        -------
        tuple of Erasure
        """
        with self._session() as session:
            rows = session.scalars(select(ErasureRow).order_by(ErasureRow.at.desc()))
            return tuple(to_record(Erasure, row) for row in rows)

    def _deleted(self, session: Session, older_than: float, *, lock: bool = False) -> list[str]:
        """List deleted studies without work under way; lock them if asked to."""
        before = dt.datetime.now(dt.UTC) - dt.timedelta(days=older_than)
        deleted = select(StudyRow.id).where(
            StudyRow.deleted <= before.isoformat(timespec="milliseconds")
        )
        found = session.scalars(deleted.with_for_update() if lock else deleted).all()
        return sorted({*found} - self._at_work(session))

    def _unused_results(self, kept: set[str]) -> list[Path]:
        """List the results of all studies except these."""
        return [one for one in (self.folder / "results").glob("*") if one.name not in kept]

    def _unused_images(self, used: set[str]) -> tuple[dict[Path, int], int]:
        """Find images that are not in use, with their sizes, and the total size of recent ones."""
        found: dict[Path, int] = {}
        waiting = 0
        for path in self.images.glob("??/*"):
            with suppress(FileNotFoundError):  # another process is sweeping too
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
    """Remove an image, unless it has just been received again."""
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
    """Return the total size of the files in a folder and its subfolders.

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
    """List the files in a folder and its subfolders.

    Parameters
    ----------
    folder : Path
        The folder; it may be missing.

    Yields
    ------
    Path
    """
    yield from (path for path in folder.rglob("*") if path.is_file())
