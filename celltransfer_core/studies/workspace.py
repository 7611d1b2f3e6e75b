"""A workspace: the stored state of people's work, behind one interface.

A workspace is one folder (``CELLTRANSFER_HOME``): a database, images by content hash, and results
by a key of all their inputs. Each table family has its own class; this module holds what concerns
several of them.
"""

from __future__ import annotations

from sqlalchemy import func, select

from celltransfer_core.studies.database import (
    FileRow,
    SetRow,
)
from celltransfer_core.studies.desks import DeskTable
from celltransfer_core.studies.erasure import ErasureTable, size_of
from celltransfer_core.studies.moved import MovedTable
from celltransfer_core.studies.snapshots import SnapshotReader
from celltransfer_core.studies.watch_list import WatchTable
from celltransfer_core.studies.work_list import JobTable


class Workspace(SnapshotReader, JobTable, WatchTable, DeskTable, MovedTable, ErasureTable):
    """The stored state of people's work.

    Parameters
    ----------
    folder : Path, optional
        ``CELLTRANSFER_HOME`` by default; created if it does not exist.
    url : str, optional
        Address of a SQLite or PostgreSQL database, in SQLAlchemy's notation; by default
        ``CELLTRANSFER_DATABASE``, or a SQLite file in the folder.
    backed_up : bool, optional
        Whether a PostgreSQL database was backed up, so that its tables may be changed if an earlier
        version made them. A SQLite file is copied before it is changed.

    Raises
    ------
    OutputError
        If the folder or the database cannot be created, a newer version made the database, or an
        earlier one made it and it was not backed up.

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

    def size(self, study: str) -> int:
        """Return the disk space that a study takes: its images and its results.

        Parameters
        ----------
        study : str

        Returns
        -------
        int
            Bytes. Images that also belong to another study count in both.
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
        return int(images) + size_of(self._results_folder(study))
