"""Files that are written completely or not at all, so that a reader never sees a partial file.

The contents are written to a temporary file beside the target, flushed to disk and moved into place
in one step: after the function returns, the file survives a power cut. Errors are raised as
:class:`~celltransfer_core.errors.OutputError` that say what to do. Files and folders are as private
as the folder that they are created in.
"""

from __future__ import annotations

import errno
import os
import secrets
import stat
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TypeVar

from celltransfer_core.errors import OutputError
from celltransfer_core.runtime.system import take_place

Result = TypeVar("Result")

_AT_ONCE = 8  # threads that wait for the disk, which flushes their files together


def write_whole(
    path: Path, write: Callable[[Path], object], *, problem: Callable[[str], str] | None = None
) -> Path:
    """Write a file completely or not at all.

    Several processes may write the same file at the same time: the last one wins.

    Parameters
    ----------
    path : Path
        Path of the file; its folder is created if it does not exist.
    write : callable
        Takes the path of a temporary file in the same folder and writes it. If it raises an
        ``OSError``, the reason is taken from that.
    problem : callable, optional
        Takes the reason why the file cannot be written (``No space left on device``) and returns
        the error message: one sentence that says what to do. By default it names the file and
        asks for space, or for another folder with ``--out``.

    Returns
    -------
    Path
        ``path``.

    Raises
    ------
    OutputError
        If the folder cannot be written to or the disk is full. The previous file at ``path`` is
        kept, and no temporary file is left.

    Examples
    --------
    >>> from tempfile import mkdtemp
    >>> folder = Path(mkdtemp())
    >>> write_whole(folder / "a.txt", lambda beside: beside.write_bytes(b"whole")).read_bytes()
    b'whole'
    """
    beside = _beside(path)
    try:
        make_folder(path.parent)
        write(beside)
        _settle(beside)
        take_place(beside, path)
        sync_folder(path.parent)
    except OSError as error:
        raise OutputError(_message(path, error, problem)) from error
    finally:
        with suppress(OSError):
            beside.unlink()  # it still exists only after an error
    return path


@contextmanager
def write_together(
    *, problem: Callable[[str], str] | None = None
) -> Iterator[Callable[[Path, bytes], None]]:
    """Write many small files, each completely or not at all, and wait for the disk only once.

    Parameters
    ----------
    problem : callable, optional
        See :func:`write_whole`.

    Yields
    ------
    callable
        Takes a path and bytes. The files are moved into place when the block ends; if it raises
        an error, none is.

    Raises
    ------
    OutputError
        If a folder cannot be written to or the disk is full; no temporary file is left.

    Examples
    --------
    >>> from tempfile import mkdtemp
    >>> folder = Path(mkdtemp())
    >>> with write_together() as write:
    ...     write(folder / "a.txt", b"one")
    ...     write(folder / "b.txt", b"two")
    >>> sorted(path.name for path in folder.iterdir())
    ['a.txt', 'b.txt']
    """
    waiting: list[tuple[Path, Path]] = []

    def write(path: Path, data: bytes) -> None:
        beside = _beside(path)
        waiting.append((beside, path))
        try:
            make_folder(path.parent)
            beside.write_bytes(data)
        except OSError as error:
            raise OutputError(_message(path, error, problem)) from error

    try:
        yield write
        if waiting:
            try:
                _all_at_once(_settle, [beside for beside, _ in waiting])
                for beside, path in waiting:
                    take_place(beside, path)
                _all_at_once(sync_folder, {path.parent for _, path in waiting})
            except OSError as error:
                raise OutputError(_message(waiting[0][1], error, problem)) from error
    finally:
        for beside, _ in waiting:
            with suppress(OSError):
                beside.unlink()


def _beside(path: Path) -> Path:
    return path.with_name(f".{path.name}.{secrets.token_hex(4)}.part")


def _all_at_once(call: Callable[[Path], None], paths: Iterable[Path]) -> None:
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        list(pool.map(call, paths))


def _message(path: Path, error: OSError, problem: Callable[[str], str] | None) -> str:
    reason = error.strerror or str(error)
    if problem is not None:
        return problem(reason)
    full = error.errno in {errno.ENOSPC, errno.EDQUOT}
    return (
        f"Cannot write {path} ({reason}); "
        + ("free some space" if full else "give another folder with --out")
        + " and run again: finished work is kept."
    )


def make_folder(folder: Path) -> None:
    """Create a folder and its parents, as private as the folder that they are created in.

    Parameters
    ----------
    folder : Path

    Raises
    ------
    OSError
        If the folder cannot be created.
    """
    if folder.is_dir():
        return
    make_folder(folder.parent)
    with suppress(FileExistsError):  # another process created it
        folder.mkdir(mode=folder.parent.stat().st_mode & 0o777)
        sync_folder(folder.parent)
    if not folder.is_dir():
        raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), str(folder))


def make_file(path: Path) -> None:
    """Create an empty file if it does not exist, as private as its folder.

    Parameters
    ----------
    path : Path

    Raises
    ------
    OSError
        If the file cannot be created.
    """
    with suppress(FileExistsError):
        mode = path.parent.stat().st_mode & 0o666
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode))


def make_private(path: Path) -> None:
    """Restrict a file, or a folder and its contents, to the owner.

    Files of other users, or on a read-only disk, are left unchanged. Windows permissions work
    differently and are not changed.

    Parameters
    ----------
    path : Path
        A folder that is private already is skipped.
    """
    with suppress(OSError):
        mode = path.lstat().st_mode
        if os.name == "nt" or stat.S_ISLNK(mode) or not mode & 0o077:
            return
        if stat.S_ISDIR(mode):
            for inside in path.iterdir():
                make_private(inside)
        path.chmod(stat.S_IMODE(mode) & ~0o077)  # a folder last, once its contents are done


def _settle(beside: Path) -> None:
    """Flush a new file to disk, and make it as private as its folder."""
    mode, folders = (path.stat().st_mode & 0o777 for path in (beside, beside.parent))
    if mode & ~folders:
        beside.chmod(mode & folders)
    with beside.open("r+b") as file:
        os.fsync(file.fileno())


def sync_folder(folder: Path) -> None:
    """Flush a folder's directory entries to disk, if the system supports that.

    Parameters
    ----------
    folder : Path

    Raises
    ------
    OSError
        If the disk fails.
    """
    try:
        handle = os.open(folder, os.O_RDONLY)
    except PermissionError:  # Windows cannot open folders; it stores names with the files
        return
    try:
        os.fsync(handle)
    except OSError as error:
        if error.errno not in {errno.EINVAL, errno.ENOTSUP}:  # some network disks lack this call
            raise
    finally:
        os.close(handle)


def read_if_whole(path: Path, read: Callable[[Path], Result]) -> Result | None:
    """Read a file that is kept between runs, unless it is missing or unreadable.

    Parameters
    ----------
    path : Path
    read : callable
        Takes ``path`` and returns what the file holds.

    Returns
    -------
    object or None
        The return value of ``read``. None if the file is missing, cut short or damaged, or was
        written by an earlier version with classes that no longer exist: then its contents have to
        be computed again.
    """
    try:
        return read(path)
    except Exception:  # an unpickler may raise any error
        return None


def write_atomically(
    path: Path, data: bytes, *, problem: Callable[[str], str] | None = None
) -> Path:
    """Write bytes to a file, completely or not at all.

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
    """Check before the work starts whether its results can be written.

    Parameters
    ----------
    folder : Path
        Created if it does not exist.

    Raises
    ------
    OutputError
        If the folder cannot be written to or the disk is full.
    """
    write_atomically(folder / ".writable", b"").unlink()
