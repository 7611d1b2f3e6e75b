"""A workspace: everything that is kept of people's work, behind one door.

A workspace is one folder (``CELLTRANSFER_HOME``): a database, images by content hash, and results
by a key of all their inputs. Each table family has its own class; what concerns several of them at
once is here.
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
from celltransfer_core.studies.work_list import JobTable


class Workspace(SnapshotReader, JobTable, DeskTable, MovedTable, ErasureTable):
    """Everything that is kept of people's work.

    Parameters
    ----------
    folder : Path, optional
        ``CELLTRANSFER_HOME`` by default; made when it is not there.
    url : str, optional
        Of a SQLite or PostgreSQL database, as SQLAlchemy writes it; ``CELLTRANSFER_DATABASE``, or
        a SQLite file in the folder by default.
    backed_up : bool, optional
        Whether a PostgreSQL database was backed up, so that its tables may be changed if an earlier
        version made them. Of a SQLite file a copy is made before.

    Raises
    ------
    OutputError
        If the folder or the database cannot be made, a newer version made it, or an earlier one
        did and it was not backed up.

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
        return int(images) + size_of(self._results_folder(study))
