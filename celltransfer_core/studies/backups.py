"""Backups of a workspace's SQLite database: one per day, and one before its tables change.

The copies are stored in a folder beside the database file; :func:`restore` puts one back.
"""

from __future__ import annotations

import datetime as dt
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from urllib.parse import quote

from celltransfer_core.errors import OutputError
from celltransfer_core.runtime.files import make_folder, write_whole
from celltransfer_core.runtime.system import lock

FOLDER = "backups"
"""Name of the folder beside the database."""

KEPT = 5
"""Number of daily copies that are kept."""

_DAY = "????-??-??"

_ROTS = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)
_READERS = 0x4000_0002, 510  # bytes that a process locks while it has a SQLite file open


class DamagedError(Exception):
    """The database is damaged; the message is SQLite's."""


def check_whole(database: Path) -> None:
    """Check that a database is not damaged; 50 MB take a fifth of a second.

    Parameters
    ----------
    database : Path
        A SQLite file. A file that does not exist or cannot be opened passes.

    Raises
    ------
    DamagedError
        If it is damaged.
    """
    if database.is_file():
        with _reading(database) as connection:
            _check(connection)


def back_up(database: Path) -> Path | None:
    """Copy a database, unless a copy was made today or all its studies are new today.

    Parameters
    ----------
    database : Path
        A database with the tables of a workspace.

    Returns
    -------
    Path or None
        The copy. None if none was made or it cannot be written; that does not stop the work.

    Raises
    ------
    DamagedError
        If the database is damaged. Earlier copies are kept.
    """
    today = dt.datetime.now(dt.UTC).date().isoformat()
    place = database.parent / FOLDER / f"{database.stem}-{today}{database.suffix}"
    if place.exists() or not database.is_file():
        return None
    with _reading(database) as connection:
        earlier = "SELECT 1 FROM studies WHERE created < ? LIMIT 1"
        room = shutil.disk_usage(database.parent).free
        if connection.execute(earlier, [today]).fetchone() and room > 4 * database.stat().st_size:
            write_whole(place, lambda beside: _copy(connection, beside))
            for old in _copies(database, _DAY)[KEPT:]:
                old.unlink(missing_ok=True)
            return place
    return None


def back_up_before(database: Path, version: str) -> Path:
    """Copy a database before its tables are upgraded to another version.

    Parameters
    ----------
    database : Path
        The database; nothing may change it meanwhile.
    version : str
        The version that the tables are upgraded to.

    Returns
    -------
    Path
        The copy, with the time and the version in its name. It does not count
        towards the :data:`KEPT` daily copies.

    Raises
    ------
    DamagedError
        If the copy is damaged.
    OutputError
        If it cannot be written.
    """
    moment = dt.datetime.now(dt.UTC).strftime("%Y-%m-%dT%H%M%S")
    name = f"{database.stem}-{moment}-before-{version}{database.suffix}"
    place = database.parent / FOLDER / name

    def problem(reason: object) -> str:
        return (
            f"{database} must be changed for version {version}, but a backup cannot be written to "
            f"{place.parent} ({reason}); free some space and try again. Nothing was changed."
        )

    try:
        with closing(_connect(database)) as connection:
            return write_whole(place, lambda beside: _copy(connection, beside), problem=problem)
    except sqlite3.Error as error:
        raise OutputError(problem(error)) from error


def renew(database: Path) -> None:
    """Replace all copies by a new one, because they still hold data that has been erased.

    Parameters
    ----------
    database : Path
    """
    shutil.rmtree(database.parent / FOLDER, ignore_errors=True)
    back_up(database)


def backups(database: Path) -> list[Path]:
    """List the copies of a database.

    Parameters
    ----------
    database : Path

    Returns
    -------
    list of Path
        The latest first.
    """
    return _copies(database, "*")


def _copies(database: Path, when: str) -> list[Path]:
    found = (database.parent / FOLDER).glob(f"{database.stem}-{when}{database.suffix}")
    return sorted(found, reverse=True)


def advice(database: Path) -> str:
    """Return a sentence that names the latest copy and says how to restore it.

    Parameters
    ----------
    database : Path

    Returns
    -------
    str
        A sentence.
    """
    if not (found := backups(database)):
        return f"There is no backup in {database.parent / FOLDER} yet."
    return (
        f"The last backup is {found[0]}: stop the app, then restore it with python -m "
        "celltransfer_core restore."
    )


def restore(database: Path, backup: Path | None = None) -> tuple[Path, Path]:
    """Replace a database by one of its copies; the old database is kept beside the copies.

    Parameters
    ----------
    database : Path
        Damaged or not; no process may have it open.
    backup : Path, optional
        The latest undamaged one by default.

    Returns
    -------
    backup : Path
        The copy that was put back.
    aside : Path
        The folder that now holds the replaced files.

    Raises
    ------
    OutputError
        If there is no undamaged copy, a process has the database open, or it cannot be written.
    """
    chosen = next(filter(_is_whole, [backup] if backup else backups(database)), None)
    if chosen is None:
        where = backup or database.parent / FOLDER
        raise OutputError(f"{where} contains no readable backup; nothing was changed.")
    if _is_open(database):
        raise OutputError(f"{database} is open in a running app or job; stop it first.")
    moment = dt.datetime.now(dt.UTC).strftime("%Y-%m-%dT%H%M%S")
    aside = database.parent / FOLDER / f"replaced-{moment}"
    try:
        make_folder(aside)
        if database.exists():
            shutil.copyfile(database, aside / database.name)
        for log in database.parent.glob(f"{database.name}-*"):  # SQLite would replay it
            log.replace(aside / log.name)
    except OSError as error:
        raise OutputError(f"{database} cannot be moved to {aside} ({error}).") from error
    write_whole(database, lambda beside: shutil.copyfile(chosen, beside))
    return chosen, aside


@contextmanager
def _reading(database: Path) -> Iterator[sqlite3.Connection]:
    """Read a database; ignore all errors except damage."""
    try:
        with closing(_connect(database)) as connection:
            yield connection
    except UnicodeDecodeError as error:  # raised for a SQLite message that quotes damaged text
        raise DamagedError(str(error)) from error
    except sqlite3.Error as error:
        if getattr(error, "sqlite_errorcode", 0) & 0xFF in _ROTS:
            raise DamagedError(str(error)) from error
    except OutputError:
        pass  # no space for a copy


def _connect(database: Path) -> sqlite3.Connection:
    return sqlite3.connect(f"file:{quote(str(database))}?mode=ro", uri=True)


def _check(connection: sqlite3.Connection) -> None:
    (said,) = connection.execute("PRAGMA quick_check(1)").fetchone()
    if said != "ok":
        raise DamagedError(" ".join(said.removeprefix("*** in database main ***").split()))


def _is_whole(backup: Path) -> bool:
    try:
        with _reading(backup) as connection:
            _check(connection)
            return connection.execute("SELECT 1 FROM studies LIMIT 1").fetchone() is not None
    except DamagedError:
        pass
    return False


def _is_open(database: Path) -> bool:
    """Tell whether another process has a database open, where the system can tell."""
    try:
        with database.open("r+b") as file:
            return not lock(file.fileno(), *_READERS)
    except OSError:
        return False


def _copy(source: sqlite3.Connection, place: Path) -> None:
    with closing(sqlite3.connect(place)) as copy:
        source.backup(copy)
        copy.execute("PRAGMA journal_mode=DELETE")  # one file
        _check(copy)
