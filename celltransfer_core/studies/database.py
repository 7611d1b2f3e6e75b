"""The database of a workspace: its tables, and the folder and session that all of them share.

One class of :mod:`celltransfer_core.studies` holds the methods of each table family; they share
:class:`Database`, and :class:`~celltransfer_core.studies.workspace.Workspace` inherits them all.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import fields
from functools import lru_cache
from pathlib import Path
from typing import Any

from sqlalchemy import JSON, Engine, ForeignKey, UniqueConstraint, create_engine, event
from sqlalchemy.exc import OperationalError, SQLAlchemyError
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

from celltransfer_core.errors import OutputError, StudyError
from celltransfer_core.runtime.cache import Cache, home
from celltransfer_core.studies.records import now


class _Row(DeclarativeBase):
    type_annotation_map = {dict[str, Any]: JSON}  # noqa: RUF012


class StudyRow(_Row):
    """One study; see :class:`~celltransfer_core.studies.records.Study`."""

    __tablename__ = "studies"
    id: Mapped[str] = mapped_column(primary_key=True)
    name: Mapped[str]
    created: Mapped[str]
    changed: Mapped[str]
    drawn: Mapped[bool] = mapped_column(default=False)
    deleted: Mapped[str | None]
    signed: Mapped[str | None]
    signed_by: Mapped[str] = mapped_column(default="")
    options: Mapped[dict[str, Any]]


class SetRow(_Row):
    """One set of images; see :class:`~celltransfer_core.studies.records.ImageSet`."""

    __tablename__ = "sets"
    id: Mapped[str] = mapped_column(primary_key=True)
    study: Mapped[str] = mapped_column(ForeignKey("studies.id"), index=True)
    role: Mapped[str]
    name: Mapped[str]
    position: Mapped[int]
    revision: Mapped[str]
    um_per_px: Mapped[float | None]
    mapping: Mapped[dict[str, Any]]
    tables: Mapped[dict[str, Any]]


class FileRow(_Row):
    """One file that a set received, whether its image can be used or not."""

    __tablename__ = "files"
    id: Mapped[int] = mapped_column(primary_key=True)
    set: Mapped[str] = mapped_column(ForeignKey("sets.id"))
    path: Mapped[str]
    size: Mapped[int]
    sha256: Mapped[str] = mapped_column(index=True)
    problem: Mapped[str]
    pages: Mapped[int]
    deep: Mapped[bool]
    __table_args__ = (UniqueConstraint("set", "path"),)


class DecisionRow(_Row):
    """One decision; see :class:`~celltransfer_core.studies.records.Decision`."""

    __tablename__ = "decisions"
    id: Mapped[int] = mapped_column(primary_key=True)
    study: Mapped[str] = mapped_column(ForeignKey("studies.id"), index=True)
    kind: Mapped[str]
    payload: Mapped[dict[str, Any]]
    who: Mapped[str]
    at: Mapped[str]
    undone: Mapped[bool] = mapped_column(default=False)


class JobRow(_Row):
    """One job; see :class:`~celltransfer_core.studies.records.Job`."""

    __tablename__ = "jobs"
    id: Mapped[str] = mapped_column(primary_key=True)
    study: Mapped[str] = mapped_column(ForeignKey("studies.id"), index=True)
    target: Mapped[str]
    state: Mapped[str]
    phase: Mapped[str] = mapped_column(default="")
    done: Mapped[int] = mapped_column(default=0)
    total: Mapped[int] = mapped_column(default=0)
    message: Mapped[str] = mapped_column(default="")
    pid: Mapped[int | None]
    beat: Mapped[float] = mapped_column(default=0.0)
    phase_began: Mapped[float] = mapped_column(default=0.0)
    created: Mapped[str]
    ended: Mapped[str | None]
    cancel: Mapped[bool] = mapped_column(default=False)


def to_record(kind: type[Any], row: Any) -> Any:
    """Copy a row into the record that callers get.

    Parameters
    ----------
    kind : type
        A dataclass of :mod:`celltransfer_core.studies.records`; its fields are columns of the row.
    row : row of a table

    Returns
    -------
    object of the given type
        It stays as it is when the row changes.
    """
    return kind(**{f.name: getattr(row, f.name) for f in fields(kind)})


def copy_row(row: Any, **changes: Any) -> Any:
    """Make a new row with the values of another one.

    Parameters
    ----------
    row : row of a table
    **changes
        Columns with other values; None leaves a column to its default.

    Returns
    -------
    row of the same table
        Not yet part of a session.
    """
    values = {column.name: getattr(row, column.name) for column in row.__table__.columns}
    values.update(changes)
    return type(row)(**{name: value for name, value in values.items() if value is not None})


@lru_cache(maxsize=8)
def _open_engine(url: str) -> Engine:
    engine = create_engine(url)
    if engine.dialect.name == "sqlite":

        @event.listens_for(engine, "connect")
        def settle(connection: Any, _: Any) -> None:
            # Readers do not wait for writers; a commit survives kill -9 of this process.
            connection.execute("PRAGMA journal_mode=WAL")
            connection.execute("PRAGMA synchronous=NORMAL")
            connection.execute("PRAGMA busy_timeout=20000")
            connection.execute("PRAGMA foreign_keys=ON")

    _Row.metadata.create_all(engine)
    return engine


class Database:
    """The folder of a workspace and its database: what every table family builds on.

    Parameters
    ----------
    folder, url
        See :class:`~celltransfer_core.studies.workspace.Workspace`.
    """

    def __init__(self, folder: Path | None = None, url: str | None = None) -> None:
        self.folder = (folder or home()).absolute()
        url = url or os.environ.get("CELLTRANSFER_DATABASE")
        try:
            self.images.mkdir(parents=True, exist_ok=True)
            self._engine = _open_engine(url or f"sqlite:///{self.folder / 'studies.sqlite'}")
        except (OSError, SQLAlchemyError) as error:
            raise OutputError(f"The workspace {self.folder} cannot be opened ({error}).") from error

    @property
    def images(self) -> Path:
        """Where images lie, by content hash."""
        return self.folder / "images"

    @property
    def cache(self) -> Cache:
        """Nuclei and embeddings."""
        return Cache(self.folder / "cache")

    @property
    def secret(self) -> str:
        """The secret that links are signed with; made once."""
        path = self.folder / "secret.key"
        with suppress(FileExistsError):
            handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(handle, "w") as file:
                file.write(secrets.token_hex(32))
        return path.read_text()

    def result_path(self, study: str, stage: str, key: str) -> Path:
        """Return where a stage's result for these inputs lies, or will lie."""
        return self.folder / "results" / study / f"{stage}-{key}.joblib"

    @contextmanager
    def _session(self) -> Iterator[Session]:
        try:
            with Session(self._engine) as session, session.begin():
                yield session
        except OperationalError as error:
            raise OutputError(
                f"The workspace {self.folder} cannot be written ({error.orig}); is the disk full?"
            ) from error

    def _study_row(self, session: Session, study: str) -> StudyRow:
        row = session.get(StudyRow, study)
        if row is None:
            raise StudyError("There is no such study any more; choose one from the list.")
        return row

    @contextmanager
    def _changing(self, study: str) -> Iterator[StudyRow]:
        with self._session() as session:
            yield self._touch(session, study)

    def _touch(self, session: Session, study: str) -> StudyRow:
        row = self._study_row(session, study)
        if row.signed:
            raise StudyError(
                f"{row.name} was signed off by {row.signed_by}; duplicate it to go on working."
            )
        row.changed = now()
        return row
