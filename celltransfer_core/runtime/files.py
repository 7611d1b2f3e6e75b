"""Files that are written whole or not at all: a reader never meets half of one.

What is to be written goes to a temporary file beside the place, which then takes the place in one
step; what goes wrong is an :class:`~celltransfer_core.errors.OutputError` that says what to do.
"""

from __future__ import annotations

import errno
import secrets
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

from celltransfer_core.errors import OutputError

Result = TypeVar("Result")


def write_whole(
    path: Path, write: Callable[[Path], object], *, problem: Callable[[str], str] | None = None
) -> Path:
    """Write a file whole or not at all.

    Several processes may write the same file at once: the last one wins.

    Parameters
    ----------
    path : Path
        Where the file is to lie; its folder is made if there is none.
    write : callable
        Takes the path of a temporary file in the same folder and writes it. Where it raises an
        ``OSError``, the reason is taken from that.
    problem : callable, optional
        Takes the reason why the file cannot be written (``No space left on device``) and returns
        the message of the error: one sentence that says what to do. By default it names the file
        and asks for space, or for another folder with ``--out``.

    Returns
    -------
    Path
        ``path``.

    Raises
    ------
    OutputError
        If the folder cannot be written to or the disk is full. What lay at ``path`` before is
        still there, and no temporary file is left.

    Examples
    --------
    >>> from tempfile import mkdtemp
    >>> folder = Path(mkdtemp())
    >>> write_whole(folder / "a.txt", lambda beside: beside.write_text("whole")).read_text()
    'whole'
    """
    beside = path.with_name(f".{path.name}.{secrets.token_hex(4)}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write(beside)
        beside.replace(path)
    except OSError as error:
        reason = error.strerror or str(error)
        if problem is not None:
            raise OutputError(problem(reason)) from error
        full = error.errno in {errno.ENOSPC, errno.EDQUOT}
        raise OutputError(
            f"Cannot write {path} ({reason}); "
            + ("free some space" if full else "give another folder with --out")
            + " and run again: what was computed is kept."
        ) from error
    finally:
        with suppress(OSError):
            beside.unlink()  # it is still there only if something went wrong
    return path


def read_if_whole(path: Path, read: Callable[[Path], Result]) -> Result | None:
    """Read a file that is kept between runs, unless it is not there or cannot be read.

    Parameters
    ----------
    path : Path
    read : callable
        Takes ``path`` and returns what the file holds.

    Returns
    -------
    object or None
        What ``read`` returned. None if there is no file, if it was cut short or damaged, or if an
        earlier version wrote it whose classes are gone: what it held is to be computed again.
    """
    try:
        return read(path)
    except Exception:  # an unpickler raises whatever the bytes and the classes in them lead to
        return None


def write_atomically(
    path: Path, data: bytes, *, problem: Callable[[str], str] | None = None
) -> Path:
    """Write bytes to a file, whole or not at all.

    Parameters
    ----------
    path : Path
    data : bytes
    problem : callable, optional
        See :func:`write_whole`.

    Returns
    -------
    Path
        ``path``.

    Raises
    ------
    OutputError
        If the folder cannot be written to or the disk is full.
    """
    return write_whole(path, lambda beside: beside.write_bytes(data), problem=problem)


def check_writable(folder: Path) -> None:
    """Find out before the work whether its results can be written.

    Parameters
    ----------
    folder : Path
        Made if there is none.

    Raises
    ------
    OutputError
        If the folder cannot be written to or the disk is full.
    """
    write_atomically(folder / ".writable", b"").unlink()
