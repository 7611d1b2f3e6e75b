"""The cache: rows of numbers by cell (embeddings, nuclei) and results of stages, between runs.

Rows are found by the cell's content hash, so that a cell is computed only once, whichever set it
is in, and an interrupted run continues where it stopped. A table is one SQLite file: every batch is
a transaction, several processes may write at once, and kill -9 loses at most the current batch.
Results are found by a hash of everything that determines them, one file each, written whole. The
results read longest ago are deleted when all of them take too much space. Rows and results carry a
checksum: if their bytes changed on disk, they count as missing. A table that cannot be read at all
is recreated.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import sqlite3
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from celltransfer_core.errors import OutputError
from celltransfer_core.runtime.checked import load_checked, save_checked
from celltransfer_core.runtime.files import make_file, make_folder, read_if_whole
from celltransfer_core.runtime.home_folder import home
from celltransfer_core.types import Bools, Float32

Result = TypeVar("Result")

MAX_RESULT_BYTES = 4_000_000_000
"""Space for results; beyond it, those read longest ago are deleted."""

_CHECK = 4  # bytes of a row's checksum

_AT_ONCE = 500  # parameters per statement; SQLite's oldest limit is 999


def fingerprint(*parts: Any) -> str:
    """Hash everything that determines a result.

    Parameters
    ----------
    *parts
        Arrays, hashed by their bytes, type and shape; anything else must be JSON serializable.

    Returns
    -------
    str
        32 hexadecimal digits.
    """
    digest = hashlib.sha256()
    for part in parts:
        if isinstance(part, np.ndarray):
            digest.update(f"{part.dtype}{part.shape}".encode())
            digest.update(np.ascontiguousarray(part).data)
        else:
            digest.update(json.dumps(part, sort_keys=True).encode())
        digest.update(b"|")
    return digest.hexdigest()[:32]


class _DamagedError(OutputError):
    """A table cannot be read; its contents have to be computed again."""

    def __init__(self, path: Path, error: Exception) -> None:
        super().__init__(f"{path} is damaged ({error!r}); delete it and run again.")


def _checksum(key: str, row: bytes) -> bytes:
    return zlib.crc32(row, zlib.crc32(key.encode())).to_bytes(_CHECK, "little")


def _is_whole(key: str, blob: bytes) -> bool:
    """Tell whether a row, followed by its checksum, is the one that was stored under this key."""
    return blob[-_CHECK:] == _checksum(key, blob[:-_CHECK])


class Cache:
    """A folder of tables, each mapping a cell's key to a row of float32, and of results.

    Parameters
    ----------
    folder : Path, optional
        Created on the first write; ``home() / "cache"`` by default.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self.folder = folder if folder is not None else home() / "cache"

    def get(self, table: str, keys: Sequence[str], width: int) -> tuple[Bools, Float32]:
        """Read the rows that are stored.

        Parameters
        ----------
        table : str
            What the rows hold, for example ``"embedding/colour@1/nucleus-v1"``.
        keys : sequence of str, length n
            One key per row.
        width : int
            Numbers per row.

        Returns
        -------
        known : ndarray of bool, shape (n,)
            Which keys were found.
        rows : ndarray of float32, shape (n, width)
            The rows; zero for keys that were not found.
        """
        known = np.zeros(len(keys), dtype=bool)
        rows = np.zeros((len(keys), width), dtype=np.float32)
        path = self._path(table)
        if not path.exists():
            return known, rows
        places: dict[str, list[int]] = {}
        for index, key in enumerate(keys):
            places.setdefault(key, []).append(index)
        wanted = list(places)
        with suppress(_DamagedError), self._open(path) as connection:
            for start in range(0, len(wanted), _AT_ONCE):
                part = wanted[start : start + _AT_ONCE]
                marks = ",".join("?" * len(part))
                found = connection.execute(
                    f"SELECT key, row FROM rows WHERE key IN ({marks})",  # noqa: S608 only marks
                    part,
                )
                for key, blob in found:
                    if key in places and len(blob) == 4 * width + _CHECK and _is_whole(key, blob):
                        rows[places[key]] = np.frombuffer(blob[:-_CHECK], dtype="<f4")
                        known[places[key]] = True
        return known, rows

    def put(self, table: str, keys: Sequence[str], rows: Float32) -> None:
        """Store rows, in one transaction.

        Parameters
        ----------
        table : str
            See :meth:`get`.
        keys : sequence of str, length n
            One key per row; a key that is stored already keeps its row, unless that is damaged.
        rows : ndarray of float32, shape (n, width)
            The rows to store.

        Raises
        ------
        OutputError
            If the folder cannot be written to or the disk is full.
        """
        path = self._path(table)
        checked = [
            (key, blob + _checksum(key, blob))
            for key, blob in zip(keys, (row.astype("<f4").tobytes() for row in rows), strict=True)
        ]
        try:
            make_folder(path.parent)
            make_file(path)
        except OSError as error:
            raise OutputError(self._unwritable(str(error))) from error
        try:
            self._insert(path, checked)
        except _DamagedError:
            with suppress(OSError):  # then writing fails below and is reported
                for old in (path, path.with_name(f"{path.name}-journal")):
                    old.unlink(missing_ok=True)
                make_file(path)
            self._insert(path, checked)

    def _insert(self, path: Path, checked: Sequence[tuple[str, bytes]]) -> None:
        with self._open(path) as connection, connection:
            connection.create_function("whole", 2, _is_whole, deterministic=True)
            connection.execute(
                "CREATE TABLE IF NOT EXISTS rows (key TEXT PRIMARY KEY, row BLOB NOT NULL) "
                "WITHOUT ROWID"
            )
            connection.executemany(
                "INSERT INTO rows VALUES (?, ?) ON CONFLICT (key) DO UPDATE "
                "SET row = excluded.row WHERE NOT whole(key, row)",
                checked,
            )

    def forget(self, keys: Sequence[str]) -> None:
        """Permanently delete the rows of some cells, and all results, whose cells are not known.

        Parameters
        ----------
        keys : sequence of str

        Raises
        ------
        OutputError
            If the folder cannot be written to.
        """
        for path in self.folder.glob("*.sqlite"):
            try:
                with self._open(path) as connection:
                    connection.execute("PRAGMA secure_delete=ON")  # the bytes are overwritten
                    with connection:
                        connection.executemany(
                            "DELETE FROM rows WHERE key = ?", [(k,) for k in keys]
                        )
            except _DamagedError:  # it is unknown whose rows it holds
                path.unlink(missing_ok=True)
        for path in (self.folder / "results").glob("*"):
            with suppress(OSError):  # another process deleted it
                path.unlink()

    def once(self, key: str, make: Callable[[], Result], *, packed: bool = True) -> Result:
        """Return the result stored under a key, or make and store it.

        Parameters
        ----------
        key : str
            From :func:`fingerprint`: of everything that determines the result.
        make : callable
            Called without arguments.
        packed : bool
            Whether to compress the file.

        Returns
        -------
        object
            The return value of ``make``, from now or from an earlier time.

        Raises
        ------
        OutputError
            If the folder cannot be written to or the disk is full.
        """
        path = self.folder / "results" / f"{key}.joblib"
        if found := read_if_whole(path, lambda kept: (load_checked(kept),)):
            with suppress(OSError):  # the folder may be read-only
                os.utime(path)
            result: Result = found[0]
            return result
        result = make()
        save_checked(path, result, packed=packed, problem=self._unwritable)
        self._delete_oldest(path)
        return result

    def _delete_oldest(self, newest: Path) -> None:
        found = []
        for path in newest.parent.iterdir():
            with suppress(OSError):  # another process deleted it
                found.append((path.stat().st_mtime_ns, path.stat().st_size, path))
        taken = sum(size for _, size, _ in found)
        for _, size, path in sorted(found):
            if taken <= MAX_RESULT_BYTES:
                return
            if path != newest:
                with suppress(OSError):
                    path.unlink()
                taken -= size

    def _path(self, table: str) -> Path:
        # Tables whose names differ only in special characters must not share a file.
        readable = re.sub(r"[^A-Za-z0-9.@_-]+", "_", table)[:80]
        return self.folder / f"{readable}-{hashlib.sha256(table.encode()).hexdigest()[:12]}.sqlite"

    @contextmanager
    def _open(self, path: Path) -> Iterator[sqlite3.Connection]:
        try:
            with closing(sqlite3.connect(path, timeout=60)) as connection:
                connection.text_factory = lambda text: text.decode(errors="replace")
                yield connection
        except sqlite3.OperationalError as error:
            if getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_ERROR:
                # Not one of our tables: its writer was killed, or the file is damaged.
                raise _DamagedError(path, error) from error
            raise OutputError(self._unwritable(str(error))) from error
        except (sqlite3.DatabaseError, UnicodeDecodeError) as error:  # the message may be damaged
            raise _DamagedError(path, error) from error

    def _unwritable(self, reason: str) -> str:
        return (
            f"Cannot save results in {self.folder} ({reason}); free some space, or set "
            "CELLTRANSFER_HOME to a writable folder. Existing results are kept."
        )


def uncached(key: str, make: Callable[[], Result]) -> Result:  # noqa: ARG001
    """Make a result without storing it; replaces :meth:`Cache.once` if there is no cache.

    Parameters
    ----------
    key : str
        Not used.
    make : callable
        Called without arguments.

    Returns
    -------
    object
        The return value of ``make``.
    """
    return make()
