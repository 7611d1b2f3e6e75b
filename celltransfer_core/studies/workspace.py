"""A workspace: everything that is kept of people's work, behind one door.

A workspace is one folder (``CELLTRANSFER_HOME``): a database, images by content hash, and results
by a key of all their inputs. Each table family has its own class; what concerns several of them at
once is here.
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

from sqlalchemy import delete, func, select
from sqlalchemy.orm import Session

from celltransfer_core.studies.database import (
    DecisionRow,
    FileRow,
    JobRow,
    SetRow,
    StudyRow,
    copy_row,
    to_record,
)
from celltransfer_core.studies.records import Study, clean_name, now
from celltransfer_core.studies.snapshots import SnapshotReader
from celltransfer_core.studies.study_list import StudyTable
from celltransfer_core.studies.work_list import JobTable

RECENT = 600
"""Seconds after which an image that no set has counts as unused."""


@dataclass(frozen=True)
class Sweep:
    """What was deleted for good, or would be."""

    studies: int
    """Number of studies."""
    size: int
    """Bytes that are freed."""


class Workspace(StudyTable, SnapshotReader, JobTable):
    """Everything that is kept of people's work.

    Parameters
    ----------
    folder : Path, optional
        ``CELLTRANSFER_HOME`` by default; made when it is not there.
    url : str, optional
        Of a SQLite or PostgreSQL database, as SQLAlchemy writes it; ``CELLTRANSFER_DATABASE``, or
        a SQLite file in the folder by default.

    Raises
    ------
    OutputError
        If the folder or the database cannot be made.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> workspace = Workspace(Path(tempfile.mkdtemp()))
    >>> study = workspace.create("Slides of May")
    >>> reference = workspace.add_set(study.id, "reference", "Known types")
    >>> [image_set.name for image_set in workspace.sets(study.id)]
    ['Known types']
    """

    def duplicate(self, study: str, name: str) -> Study:
        """Copy a study with its images, options, decisions and results; not its signature.

        Parameters
        ----------
        study : str
        name : str

        Returns
        -------
        Study
        """
        with self._session() as session:
            old = self._study_row(session, study)
            made = StudyRow(
                id=secrets.token_hex(6),
                name=clean_name(name),
                created=now(),
                changed=now(),
                drawn=old.drawn,
                deleted=None,
                signed=None,
                options=old.options,
            )
            session.add(made)
            session.flush()
            for image_set in session.scalars(select(SetRow).where(SetRow.study == study)).all():
                twin = secrets.token_hex(6)
                session.add(copy_row(image_set, id=twin, study=made.id))
                session.flush()
                for file in session.scalars(select(FileRow).where(FileRow.set == image_set.id)):
                    session.add(copy_row(file, id=None, set=twin))
            decisions = (
                select(DecisionRow).where(DecisionRow.study == study).order_by(DecisionRow.id)
            )
            for decision in session.scalars(decisions).all():
                session.add(copy_row(decision, id=None, study=made.id))
            session.flush()
            copied: Study = to_record(Study, made)
        source = self._results_folder(study)
        if source.is_dir():
            shutil.copytree(source, self._results_folder(copied.id), dirs_exist_ok=True)
        return copied

    def size(self, study: str) -> int:
        """Add up what a study takes on disk: its images and its results.

        Parameters
        ----------
        study : str

        Returns
        -------
        int
            Bytes. Images that another study has too count in both.
        """
        stored = (
            select(FileRow.sha256, func.max(FileRow.size).label("size"))
            .join(SetRow, SetRow.id == FileRow.set)
            .where(SetRow.study == study, FileRow.problem == "")
            .group_by(FileRow.sha256)
            .subquery()
        )
        with self._session() as session:
            images = session.scalar(select(func.coalesce(func.sum(stored.c.size), 0))) or 0
        return int(images) + sum(path.stat().st_size for path in self._results(study))

    def _results(self, study: str) -> list[Path]:
        return [path for path in self._results_folder(study).rglob("*") if path.is_file()]

    def _results_folder(self, study: str) -> Path:
        return self.folder / "results" / study

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
            used = set(
                session.scalars(
                    select(FileRow.sha256)
                    .join(SetRow, SetRow.id == FileRow.set)
                    .where(SetRow.study.not_in(swept))
                    .distinct()
                )
            )
        unused = self._unused_images(used)
        sizes = [path.stat().st_size for study in swept for path in self._results(study)]
        return Sweep(len(swept), sum(sizes) + sum(size for _, size in unused))

    def sweep(self, older_than: float = 0.0) -> Sweep:
        """Delete for good what nothing refers to: deleted studies, and images without a set.

        Parameters
        ----------
        older_than : float
            Days since a study was deleted; those that were deleted later can still be restored.

        Returns
        -------
        Sweep
            What was deleted. Studies with work under way stay until it has ended, images that any
            other study has stay, and so do those that came in within :data:`RECENT` seconds: the
            set that receives them may not be written yet.
        """
        with self._session() as session:
            swept = self._deleted(session, older_than)
            sets = select(SetRow.id).where(SetRow.study.in_(swept))
            session.execute(delete(FileRow).where(FileRow.set.in_(sets)))
            for table in (SetRow, DecisionRow, JobRow):
                session.execute(delete(table).where(table.study.in_(swept)))
            session.execute(delete(StudyRow).where(StudyRow.id.in_(swept)))
        freed = 0
        for study in swept:
            freed += sum(path.stat().st_size for path in self._results(study))
            shutil.rmtree(self._results_folder(study), ignore_errors=True)
        with self._session() as session:
            used = set(session.scalars(select(FileRow.sha256).distinct()))
        for path, size in self._unused_images(used):
            path.unlink(missing_ok=True)
            freed += size
        return Sweep(len(swept), freed)

    def _deleted(self, session: Session, older_than: float) -> list[str]:
        """List deleted studies without work under way."""
        before = dt.datetime.now(dt.UTC) - dt.timedelta(days=older_than)
        at_work = select(JobRow.id).where(
            JobRow.study == StudyRow.id, JobRow.state.in_(("queued", "running"))
        )
        deleted = StudyRow.deleted <= before.isoformat(timespec="milliseconds")
        return list(session.scalars(select(StudyRow.id).where(deleted, ~at_work.exists())))

    def _unused_images(self, used: set[str]) -> Iterator[tuple[Path, int]]:
        """Find images that are none of these, with their sizes."""
        for path in self.images.glob("??/*"):
            with suppress(FileNotFoundError):  # somebody else sweeps
                found = path.stat()
                if path.name not in used and found.st_mtime < time.time() - RECENT:
                    yield path, found.st_size
