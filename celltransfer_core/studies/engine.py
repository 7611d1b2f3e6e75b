"""Connections to a workspace's database, and explanations of its errors.

The engine made from a database address has two kinds of transactions. Reading ones see the state
of one moment. Writing ones see everything that was committed before and make other writers wait
until they end. Committed data is on disk. For an error, the module says what happened and what to
do.
"""

from __future__ import annotations

import random
import sqlite3
import time
from collections.abc import Callable
from contextlib import closing, suppress
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import quote

from sqlalchemy import Connection, Engine, MetaData, create_engine, event, make_url
from sqlalchemy.exc import (
    DatabaseError,
    DBAPIError,
    InternalError,
    OperationalError,
    SQLAlchemyError,
    TimeoutError as PoolTimeoutError,
)

from celltransfer_core.errors import OutputError

Result = TypeVar("Result")

PATIENCE = 30.0
"""Seconds for which a transaction that conflicts with another one is tried again."""

_BUSY = 20  # seconds for which a statement waits for a lock

_CONFLICTS = ("40001", "40P01", "55P03")  # PostgreSQL: serialization, deadlock, lock not available

_UNWRITABLE = ("SQLITE_READONLY", "SQLITE_CANTOPEN", "SQLITE_FULL", "SQLITE_IOERR_SHM")

_EMPTY_LOG = "PRAGMA wal_checkpoint(TRUNCATE)"

FULL = "its disk is full; free some space and try again"
DAMAGED = "its database is damaged; restore a backup"
_ONLY_READ = "it is read-only; check that its disk has space and that its folder is writable"
_LOCKED = "another process has kept it locked for too long; wait a moment and try again"
_NOT_OPENED = "its database cannot be opened; check that its folder exists and is writable"
_DISK = "its disk failed; check that the disk is connected and has space"
_LOST = "the connection to its database was lost; check that the server is running, and try again"
_MANY = "its database accepts no more connections; try again later"
_FAILED = "its database failed; try again, and report it if that does not help"
_NO_RIGHT = "its database refused this user; check the address in CELLTRANSFER_DATABASE"

_OF_SQLITE = {
    "SQLITE_FULL": FULL,
    "SQLITE_IOERR_SHMSIZE": FULL,
    "SQLITE_READONLY": _ONLY_READ,
    "SQLITE_BUSY": _LOCKED,
    "SQLITE_LOCKED": _LOCKED,
    "SQLITE_PROTOCOL": _LOCKED,
    "SQLITE_CANTOPEN": _NOT_OPENED,
    "SQLITE_PERM": _NOT_OPENED,
    "SQLITE_CORRUPT": DAMAGED,
    "SQLITE_NOTADB": DAMAGED,
    "SQLITE_IOERR": _DISK,
}
"""Keyed by the beginning of the error's name."""

_OF_POSTGRESQL = {
    "53100": FULL,
    "53300": _MANY,
    "25006": _ONLY_READ,
    "42501": _NO_RIGHT,
    "28": _NO_RIGHT,
    "3D": _NO_RIGHT,
    "40": _LOCKED,
    "55P03": _LOCKED,
    "08": _LOST,
    "57P": _LOST,
    "XX001": DAMAGED,
    "XX002": DAMAGED,
    "58": _DISK,
}
"""Keyed by the beginning of the SQLSTATE."""


def open_engine(url: str) -> Engine:
    """Make the engine of a database; it connects on first use.

    Parameters
    ----------
    url : str
        In SQLAlchemy's notation.

    Returns
    -------
    Engine
        Its transactions read; those of :func:`writing` write. A read-only SQLite file is read as it
        is.

    Raises
    ------
    OutputError
        If the database is neither SQLite nor PostgreSQL.
    SQLAlchemyError
        If the address is invalid, or there is no driver for it.
    """
    kind = make_url(url).get_backend_name()
    if kind == "sqlite":
        engine = create_engine(url)
        event.listen(engine, "do_connect", _connect)
        event.listen(engine, "begin", _begin)
        event.listen(engine, "checkin", _forget)
    elif kind == "postgresql":
        # Set regardless of the server's default. A broken connection, for example after a server
        # restart, is replaced.
        engine = create_engine(url, isolation_level="REPEATABLE READ", pool_pre_ping=True)
        event.listen(engine, "connect", _limit_waiting)
    else:
        raise OutputError(
            f"CELLTRANSFER_DATABASE names a database of the kind {kind}; use SQLite or PostgreSQL."
        )
    return engine


def writing(engine: Engine) -> Engine:
    """Return an engine that uses the same connections and whose transactions write.

    Parameters
    ----------
    engine : Engine
        From :func:`open_engine`.

    Returns
    -------
    Engine
        On SQLite, a transaction begins once no other one is writing. On PostgreSQL, each statement
        sees what was committed before it, and rows must be locked before they are read.
    """
    if engine.dialect.name == "sqlite":
        return engine.execution_options(writes=True)
    return engine.execution_options(isolation_level="READ COMMITTED")


def _connect(_: Any, record: Any, arguments: list[Any], options: dict[str, Any]) -> Any:
    name, path = arguments[0], Path(arguments[0])
    try:
        return patiently(lambda: _connect_to_write(name, options))
    except sqlite3.OperationalError as error:
        if not path.is_file() or not _code(error).startswith(_UNWRITABLE):
            raise
        record.info["only read"] = True
        return _connect_to_read(path, options)


def _connect_to_write(name: str, options: dict[str, Any]) -> sqlite3.Connection:
    connection = sqlite3.connect(name, isolation_level=None, **options)
    try:
        connection.execute(f"PRAGMA busy_timeout={1000 * _BUSY}")
        # Readers do not wait for writers; committed data is on disk.
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=FULL")
        connection.execute("PRAGMA foreign_keys=ON")
        connection.execute("PRAGMA secure_delete=ON")  # deleted data is overwritten
        connection.execute("SELECT 1 FROM sqlite_master").fetchone()
    except BaseException:
        connection.close()
        raise
    return connection


def _connect_to_read(path: Path, options: dict[str, Any]) -> sqlite3.Connection:
    """Open a file in a read-only folder, where SQLite cannot keep its list of readers."""
    where = f"file:{quote(str(path))}?mode=ro"
    log = path.with_name(f"{path.name}-wal")
    if not (log.is_file() and log.stat().st_size):
        where += "&immutable=1"  # no other process writes it either
    return sqlite3.connect(where, isolation_level=None, uri=True, **options)


def _forget(_: Any, record: Any) -> None:
    """Drop a read-only connection, because the next one may be able to write."""
    if record.info.pop("only read", False):
        record.invalidate()


def _begin(connection: Connection) -> None:
    writes = connection.get_execution_options().get("writes")
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


def _limit_waiting(connection: Any, _: Any) -> None:
    with closing(connection.cursor()) as cursor:
        cursor.execute(f"SET lock_timeout = '{_BUSY}s'")
    connection.commit()


def scrub(engine: Engine, tables: MetaData) -> None:
    """Rewrite a database without its deleted data, as far as no other process prevents it.

    Parameters
    ----------
    engine : Engine
    tables : MetaData
    """
    if engine.dialect.name == "sqlite":
        with closing(engine.raw_connection()) as pooled:
            connection: Any = pooled.driver_connection
            for statement in (_EMPTY_LOG, "VACUUM", _EMPTY_LOG):
                with suppress(sqlite3.OperationalError):  # locked, or no space for a second copy
                    connection.execute(statement).fetchall()
        return
    own = engine.execution_options(isolation_level="AUTOCOMMIT")
    with suppress(OperationalError), own.connect() as connection:
        names = map(engine.dialect.identifier_preparer.quote, tables.tables)
        connection.exec_driver_sql(f"VACUUM {', '.join(names)}")


def patiently(work: Callable[[], Result]) -> Result:
    """Run a transaction, and run it again for :data:`PATIENCE` seconds if it meets another one.

    Parameters
    ----------
    work : callable
        The whole transaction.

    Returns
    -------
    object
        What ``work`` returned.
    """
    begun, tries = time.monotonic(), 0
    while True:
        try:
            return work()
        except (DBAPIError, sqlite3.OperationalError) as error:
            if not _conflicts(error) or time.monotonic() - begun > PATIENCE:
                raise
        tries = min(tries + 1, 5)
        time.sleep(random.uniform(0.01, 0.03) * 2**tries)  # noqa: S311


def _conflicts(error: Exception) -> bool:
    """Tell whether a transaction failed only because of another one at the same time."""
    return _code(error).startswith((*_CONFLICTS, "SQLITE_BUSY", "SQLITE_LOCKED"))


def _code(error: Exception) -> str:
    """Return the name of a SQLite error, or the SQLSTATE of a PostgreSQL error."""
    cause = error.orig if isinstance(error, DBAPIError) else error
    names = ("sqlite_errorname", "sqlstate", "pgcode")
    return next((code for name in names if (code := getattr(cause, name, None))), "")


def explain(error: SQLAlchemyError) -> str:
    """Return what a database error means and what to do.

    Parameters
    ----------
    error : SQLAlchemyError

    Returns
    -------
    str
        Such as :data:`FULL`. Empty for a programming error, such as a wrong statement.
    """
    if isinstance(error, PoolTimeoutError):
        return _MANY
    code = _code(error)
    if not code and "Could not decode to UTF-8" in str(error):  # SQLite: damaged text
        return DAMAGED
    known = _OF_SQLITE if code.startswith("SQLITE") else _OF_POSTGRESQL
    if said := next((text for begins, text in known.items() if code.startswith(begins)), ""):
        return said
    if type(error) not in (OperationalError, InternalError, DatabaseError):
        return ""
    return _FAILED if code else _LOST
