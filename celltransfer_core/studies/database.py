"""The database of a workspace: its tables, and the folder and session that all of them share.

One class of :mod:`celltransfer_core.studies` holds the methods of each table family; they share
:class:`Database`, and :class:`~celltransfer_core.studies.workspace.Workspace` inherits them all.
"""

from __future__ import annotations

import os
import random
import secrets
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import fields
from functools import lru_cache
from pathlib import Path
from typing import Any, TypeVar

from sqlalchemy import (
    JSON,
    Engine,
    ForeignKey,
    UniqueConstraint,
    create_engine,
    event,
    inspect,
    make_url,
    update,
)
from sqlalchemy.exc import OperationalError, SQLAlchemyError
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

from celltransfer_core.errors import OutputError, StudyError
from celltransfer_core.runtime.cache import Cache, home
from celltransfer_core.studies.records import now

Result = TypeVar("Result")

_TRIES = 5  # of a transaction that met another one

_CONFLICTS = ("40001", "40P01")  # PostgreSQL: serialization failure, deadlock


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
    owner: Mapped[str | None]
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
    kind = make_url(url).get_backend_name()
    if kind == "sqlite":
        engine = create_engine(url)

        @event.listens_for(engine, "connect")
        def settle(connection: Any, _: Any) -> None:
            # Readers do not wait for writers; a commit survives kill -9 of this process.
            connection.execute("PRAGMA journal_mode=WAL")
            connection.execute("PRAGMA synchronous=NORMAL")
            connection.execute("PRAGMA busy_timeout=20000")
            connection.execute("PRAGMA foreign_keys=ON")

    elif kind == "postgresql":
        # Whatever the server's default: each statement sees what was committed before it.
        # A connection that died, as with a restart of the server, is replaced.
        engine = create_engine(url, isolation_level="READ COMMITTED", pool_pre_ping=True)
    else:
        raise OutputError(
            f"CELLTRANSFER_DATABASE names a database of the kind {kind}; use SQLite or PostgreSQL."
        )
    for again in range(_TRIES):
        try:
            _make_tables(engine)
            break
        except SQLAlchemyError:
            if again == _TRIES - 1:
                raise
            _pause(again)  # another process may be making the same tables
    return engine


def _make_tables(engine: Engine) -> None:
    """Make the tables, and the columns that an earlier version's tables lack."""
    _Row.metadata.create_all(engine)
    quote = engine.dialect.identifier_preparer.quote
    for table in _Row.metadata.sorted_tables:
        there = {column["name"] for column in inspect(engine).get_columns(table.name)}
        for column in table.columns:
            if column.name not in there:
                kind = column.type.compile(engine.dialect)
                change = f"ALTER TABLE {quote(table.name)} ADD COLUMN {quote(column.name)} {kind}"
                with engine.begin() as connection:
                    connection.exec_driver_sql(change)


def _pause(tries: int) -> None:
    time.sleep(random.uniform(0.01, 0.05) * 2**tries)  # noqa: S311


def _conflicts(error: OperationalError) -> bool:
    """Tell whether a transaction failed only because of another one at the same time."""
    return getattr(error.orig, "sqlstate", None) in _CONFLICTS or "is locked" in str(error.orig)


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
        self.url = url or f"sqlite:///{self.folder / 'studies.sqlite'}"
        try:
            self.images.mkdir(parents=True, exist_ok=True)
            self._engine = _open_engine(self.url)
        except (ImportError, OSError, SQLAlchemyError) as error:  # ImportError: of its driver
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
            raise self._unusable(error) from error

    def _transact(self, work: Callable[[Session], Result]) -> Result:
        """Do work in a transaction; do it again where it met another transaction."""
        tries = 0
        while True:
            try:
                with Session(self._engine) as session, session.begin():
                    return work(session)
            except OperationalError as error:
                tries += 1
                if tries == _TRIES or not _conflicts(error):
                    raise self._unusable(error) from error
            _pause(tries)

    def _unusable(self, error: OperationalError) -> OutputError:
        return OutputError(
            f"The workspace {self.folder} cannot be written ({error.orig}); is the disk full?"
        )

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
        # Writes before anything is read: whoever changes a study waits here for others who do, on
        # every database, so that what is read next holds until the transaction ends.
        row = session.scalar(
            update(StudyRow).where(StudyRow.id == study).values(changed=now()).returning(StudyRow),
            execution_options={"populate_existing": True, "synchronize_session": False},
        )
        if row is None:
            raise StudyError("There is no such study any more; choose one from the list.")
        if row.signed:
            raise StudyError(
                f"{row.name} was signed off by {row.signed_by}; duplicate it to go on working."
            )
        return row
