"""The database of a workspace: its tables, and the folder and session that all of them share.

One class of :mod:`celltransfer_core.studies` holds the methods of each table family; they share
:class:`Database`, and :class:`~celltransfer_core.studies.workspace.Workspace` inherits them all.
"""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import fields
from functools import lru_cache
from pathlib import Path
from typing import Any, NoReturn, TypeVar

from sqlalchemy import (
    JSON,
    BigInteger,
    Engine,
    ForeignKey,
    UniqueConstraint,
    make_url,
    select,
    update,
)
from sqlalchemy.exc import DBAPIError, SQLAlchemyError
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

from celltransfer_core.errors import OutputError, StudyError, one_line
from celltransfer_core.runtime.cache import Cache
from celltransfer_core.runtime.extras import how_to_install
from celltransfer_core.runtime.files import make_file, make_folder, make_private
from celltransfer_core.runtime.home_folder import home
from celltransfer_core.studies.backups import DamagedError, advice, back_up, check_whole, renew
from celltransfer_core.studies.engine import DAMAGED, explain, open_engine, patiently, writing
from celltransfer_core.studies.migration import migrate
from celltransfer_core.studies.records import now
from celltransfer_core.studies.signing_key import signing_key

Result = TypeVar("Result")

_GARBLED = (UnicodeDecodeError, json.JSONDecodeError)  # raised by texts that were damaged

_DATABASE = "studies.sqlite"

_FOLDERS = ("images", "results", "cache", "encoders", "backups", "owners")

UNFINISHED = "unfinished"
"""Value of ``deleted`` for a study that is being created or removed, which nobody sees; see
:mod:`celltransfer_core.studies.unfinished`."""


class _Row(DeclarativeBase):
    type_annotation_map = {dict[str, Any]: JSON, list[str]: JSON}  # noqa: RUF012


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
    tags: Mapped[list[str] | None] = mapped_column(JSON)
    archived: Mapped[str | None]


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
    channels: Mapped[str | None]
    mapping: Mapped[dict[str, Any]]
    tables: Mapped[dict[str, Any]]
    table_facts: Mapped[dict[str, Any] | None] = mapped_column(JSON)
    types_at: Mapped[str | None]
    unusable: Mapped[str | None]


class FileRow(_Row):
    """One file that a set received, whether its image is usable or not."""

    __tablename__ = "files"
    id: Mapped[int] = mapped_column(primary_key=True)
    set: Mapped[str] = mapped_column(ForeignKey("sets.id"))
    path: Mapped[str]
    size: Mapped[int]
    sha256: Mapped[str] = mapped_column(index=True)
    problem: Mapped[str]
    pages: Mapped[int]
    deep: Mapped[bool]
    numbers: Mapped[str | None]
    """None for a file that an earlier version checked; the same holds for the next three."""
    reach: Mapped[float | None]
    channels: Mapped[int | None]
    note: Mapped[str | None]
    look: Mapped[bytes | None]
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
    timetable: Mapped[list[Any] | None] = mapped_column(JSON)
    created: Mapped[str]
    ended: Mapped[str | None]
    cancel: Mapped[bool] = mapped_column(default=False)


class DeskRow(_Row):
    """The cells reserved for a reader of a study; see :mod:`celltransfer_core.studies.desks`."""

    __tablename__ = "desks"
    study: Mapped[str] = mapped_column(ForeignKey("studies.id"), primary_key=True)
    reader: Mapped[str] = mapped_column(primary_key=True)
    cells: Mapped[list[str]]
    until: Mapped[float]


class WatchRow(_Row):
    """A watched folder; see :class:`~celltransfer_core.studies.records.Watch`."""

    __tablename__ = "watches"
    study: Mapped[str] = mapped_column(ForeignKey("studies.id"), primary_key=True)
    folder: Mapped[str]
    who: Mapped[str]
    since: Mapped[str]
    owner: Mapped[str | None]
    beat: Mapped[int] = mapped_column(default=0)
    checked: Mapped[str | None]
    added: Mapped[dict[str, Any] | None] = mapped_column(JSON)
    arrived: Mapped[str | None]
    problem: Mapped[str] = mapped_column(default="")
    taken: Mapped[dict[str, Any] | None] = mapped_column(JSON, deferred=True)


class ErasureRow(_Row):
    """One erasure; see :class:`~celltransfer_core.studies.records.Erasure`."""

    __tablename__ = "erasures"
    id: Mapped[str] = mapped_column(primary_key=True)
    at: Mapped[str]
    who: Mapped[str]
    studies: Mapped[int] = mapped_column(default=0)
    decisions: Mapped[int] = mapped_column(default=0)
    images: Mapped[int] = mapped_column(default=0)
    size: Mapped[int] = mapped_column(BigInteger, default=0)


def to_record(kind: type[Any], row: Any) -> Any:
    """Copy a row into the record that callers receive.

    Parameters
    ----------
    kind : type
        A dataclass of :mod:`celltransfer_core.studies.records`; its fields name columns of the row.
    row : row of a table

    Returns
    -------
    object of the given type
        It does not change when the row changes.
    """
    return kind(**{f.name: getattr(row, f.name) for f in fields(kind)})


def copy_row(row: Any, **changes: Any) -> Any:
    """Make a new row with the values of another row.

    Parameters
    ----------
    row : row of a table
    **changes
        Columns with other values; None gives a column its default.

    Returns
    -------
    row of the same table
        Not yet added to a session.
    """
    values = {column.name: getattr(row, column.name) for column in row.__table__.columns}
    values.update(changes)
    return type(row)(**{name: value for name, value in values.items() if value is not None})


@lru_cache(maxsize=8)
def _open_engine(url: str, backed_up: bool) -> Engine:
    if (file := _file_of(url)) is not None:
        check_whole(file)
    engine = open_engine(url)
    try:
        migrate(engine, file, backed_up=backed_up)
    except BaseException:
        engine.dispose()
        raise
    return engine


def _file_of(url: str) -> Path | None:
    """Return the file of a SQLite database."""
    found = make_url(url)
    kept = found.get_backend_name() == "sqlite" and found.database
    return Path(kept) if kept else None


def _cause(error: SQLAlchemyError) -> str:
    """Return the database's own message, on one line."""
    return one_line(error.orig if isinstance(error, DBAPIError) and error.orig else error, 200)


class Database:
    """The folder of a workspace and its database; the base class of every table family.

    Parameters
    ----------
    folder, url, backed_up
        See :class:`~celltransfer_core.studies.workspace.Workspace`.
    """

    def __init__(
        self, folder: Path | None = None, url: str | None = None, *, backed_up: bool = False
    ) -> None:
        self.folder = (folder or home()).absolute()
        url = url or os.environ.get("CELLTRANSFER_DATABASE")
        self.url = url or f"sqlite:///{self.folder / _DATABASE}"
        self._backed_up = ""
        try:
            self._make_folders()
            self._engine = _open_engine(self.url, backed_up)
        except SQLAlchemyError as error:
            reason = f": {said} ({_cause(error)})" if (said := explain(error)) else f" ({error})"
            raise OutputError(f"The workspace {self.folder} cannot be opened{reason}.") from error
        except DamagedError as error:
            raise self._unusable(DAMAGED, str(error)) from error
        except ImportError as error:
            raise OutputError(
                f"The workspace {self.folder} cannot be opened: the driver of its database is not "
                f"installed ({error}): {how_to_install('postgres')}"
            ) from error
        except OSError as error:
            raise OutputError(f"The workspace {self.folder} cannot be opened ({error}).") from error

    def _make_folders(self) -> None:
        """Make the folders and files of the workspace, accessible to their owner only."""
        make_folder(self.folder)
        if not self.folder.stat().st_mode & stat.S_ISVTX:  # sticky: shared, such as /tmp
            with suppress(OSError):
                self.folder.chmod(0o700)
        make_folder(self.images)
        for name in ("results", "cache"):
            with suppress(OSError):  # a read-only workspace may lack them
                make_folder(self.folder / name)
        if self.url == f"sqlite:///{self.folder / _DATABASE}":
            make_file(self.folder / _DATABASE)
        for pattern in (*_FOLDERS, f"{_DATABASE}*"):
            for path in self.folder.glob(pattern):
                make_private(path)

    @property
    def images(self) -> Path:
        """Folder of the images, which are named by content hash."""
        return self.folder / "images"

    @property
    def cache(self) -> Cache:
        """Cache of nuclei and embeddings."""
        return Cache(self.folder / "cache")

    @property
    def secret(self) -> str:
        """The secret that links are signed with; created once."""
        return signing_key(self.folder)

    def result_path(self, study: str, stage: str, key: str) -> Path:
        """Return the path of a stage's result for these inputs, whether it exists or not."""
        return self.folder / "results" / study / f"{stage}-{key}.joblib"

    @contextmanager
    def _session(self) -> Iterator[Session]:
        """Open a session for reading, whose queries all see the same state."""
        try:
            with Session(self._engine) as session, session.begin():
                yield session
        except SQLAlchemyError as error:
            self._fail(error)
        except _GARBLED as error:
            raise self._unusable(DAMAGED, one_line(error, 200)) from error

    def _transact(self, work: Callable[[Session], Result]) -> Result:
        """Read a state, check it and change it in one transaction, isolated from other writers.

        ``work`` locks the study that it changes before it reads anything (:meth:`_touch`,
        :meth:`_lock`). It is run again if it conflicts with another transaction.
        """

        def once() -> Result:
            with Session(writing(self._engine)) as session, session.begin():
                return work(session)

        try:
            self._back_up()
            return patiently(once)
        except SQLAlchemyError as error:
            self._fail(error)
        except (*_GARBLED, DamagedError) as error:
            raise self._unusable(DAMAGED, one_line(error, 200)) from error

    def _back_up(self) -> None:
        """Copy the database before the first change of the day."""
        today, file = now()[:10], _file_of(self.url)
        if file is not None and self._backed_up != today:
            back_up(file)
            self._backed_up = today

    def _renew_backups(self) -> None:
        """Replace the copies, which still hold data that has been erased."""
        if (file := _file_of(self.url)) is not None:
            try:
                renew(file)
            except DamagedError as error:
                raise self._unusable(DAMAGED, str(error)) from error

    def _fail(self, error: SQLAlchemyError) -> NoReturn:
        """Raise an error that says what is wrong with the database; re-raise programming errors."""
        if not (said := explain(error)):
            raise error
        raise self._unusable(said, _cause(error)) from error

    def _unusable(self, said: str, cause: str) -> OutputError:
        file = _file_of(self.url)
        then = f" {advice(file)}" if said == DAMAGED and file is not None else ""
        return OutputError(f"The workspace {self.folder} cannot be used: {said} ({cause}).{then}")

    def _lock(self, session: Session, study: str) -> StudyRow:
        """Read a study, and lock it against changes by others until the transaction ends."""
        row = session.scalar(select(StudyRow).where(StudyRow.id == study).with_for_update())
        if row is None or row.deleted == UNFINISHED:
            raise StudyError("This study no longer exists; choose one from the list.")
        return row

    def _touch(self, session: Session, study: str, *, beside: bool = False) -> StudyRow:
        """Lock a study for a change, unless it was signed off; record the time of the change.

        Data ``beside`` its results, such as a batch, may change after it was signed off.
        """
        # Write before anything is read: other writers of the same study wait here, on every
        # database, so that what is read next holds until the transaction ends.
        row = session.scalar(
            update(StudyRow).where(StudyRow.id == study).values(changed=now()).returning(StudyRow),
            execution_options={"populate_existing": True, "synchronize_session": False},
        )
        if row is None or row.deleted == UNFINISHED:
            raise StudyError("This study no longer exists; choose one from the list.")
        if row.signed and not beside:
            raise StudyError(
                f"{row.name} was signed off by {row.signed_by}; duplicate it to continue working."
            )
        return row
