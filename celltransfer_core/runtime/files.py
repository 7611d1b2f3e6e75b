"""TODO celltransfer_core/runtime/files.py."""

from __future__ import annotations

import contextlib
import errno
from collections.abc import Callable
from pathlib import Path

from celltransfer_core.errors import OutputError


def write_atomically(path: Path, data: bytes) -> Path:
    """Write a file whole or not at all.

    Parameters
    ----------
    path : Path
    data : bytes

    Returns
    -------
    Path
        The same.

    Raises
    ------
    OutputError
        If the folder cannot be written to or the disk is full.
    """

    def write(beside: Path) -> None:
        beside.write_bytes(data)

    return replace(path, path.with_name(f".{path.name}.part"), write)


def replace(path: Path, beside: Path, write: Callable[[Path], None]) -> Path:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write(beside)
        beside.replace(path)
    except OSError as error:
        with contextlib.suppress(OSError):
            beside.unlink(missing_ok=True)
        full = error.errno in {errno.ENOSPC, errno.EDQUOT}
        raise OutputError(
            f"Cannot write {path} ({error.strerror}); "
            + ("free some space" if full else "give another folder with --out")
            + " and run again: what was computed is kept."
        ) from error
    return path


def check_writable(folder: Path) -> None:
    """Find out before the work whether its results can be written.

    Parameters
    ----------
    folder : Path

    Raises
    ------
    OutputError
    """
    write_atomically(folder / ".writable", b"").unlink()
