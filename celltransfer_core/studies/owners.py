"""The owner of a job: a process on one machine that can be shown to be alive or dead.

The name of an owner is unique: it consists of the machine, the process id and the time at which the
process began, because an id alone may belong to a later process, or to one on another machine or
container. If a process cannot be inspected, a file that it keeps locked while it lives shows
whether it is alive. All processes that work for a job carry the job's id in their environment, so
that exactly these are ended with the job.
"""

from __future__ import annotations

import hashlib
import os
import platform
import threading
from contextlib import suppress
from functools import lru_cache
from pathlib import Path

from celltransfer_core.runtime import system
from celltransfer_core.runtime.files import make_folder

MARK = "CELLTRANSFER_JOB"
"""Environment variable with the id of the job that a process works for."""

_held: dict[Path, int] = {}  # handles of the files locked by this process
_holding = threading.Lock()


@lru_cache(maxsize=1)
def _machine() -> str:
    """Return a name of this machine since its last start and of its process id namespace."""
    return f"{platform.node()}/{system.machine_id()}"


def owner_of(pid: int) -> str:
    """Return a unique name of a process.

    Parameters
    ----------
    pid : int
        Id of a process on this machine.

    Returns
    -------
    str
    """
    return f"{_machine()}:{pid}:{system.began(pid) or ''}"


def answer_for(folder: Path) -> str:
    """Register this process as an owner of jobs, so that other machines can tell that it is alive.

    Parameters
    ----------
    folder : Path
        Folder of the workspace. A file in it stays locked until this process ends; files of
        processes that have ended are deleted.

    Returns
    -------
    str
        The name of this process, from :func:`owner_of`.
    """
    owner = owner_of(os.getpid())
    path = _file_of(folder, owner)
    with _holding:
        if path not in _held:
            with suppress(OSError):  # read-only folder: rely on heartbeats
                make_folder(path.parent)
                for other in path.parent.iterdir():
                    _is_locked(other)
                _held[path] = _lock(path)
    return owner


def _file_of(folder: Path, owner: str) -> Path:
    return folder.resolve() / "owners" / hashlib.sha256(owner.encode()).hexdigest()[:16]


def _lock(path: Path) -> int:
    while True:
        handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            system.lock(handle, wait=True)
            if path.stat().st_ino == os.fstat(handle).st_ino:
                return handle
        except FileNotFoundError:  # deleted by a process that found it not locked yet
            pass
        except OSError:
            os.close(handle)
            raise
        os.close(handle)


def _is_locked(path: Path) -> bool | None:
    """Tell whether a process holds a lock on a file; delete it if not; None if that is unknown."""
    if path in _held:
        return True
    try:
        handle = os.open(path, os.O_RDWR)
    except OSError:
        return None
    try:
        if not system.lock(handle):
            return True
        if system.REMOVES_OPEN_FILES:
            path.unlink(missing_ok=True)
    except OSError:  # a file system without locks
        return None
    finally:
        os.close(handle)
    if not system.REMOVES_OPEN_FILES:
        with suppress(OSError):  # its owner has just opened it again
            path.unlink(missing_ok=True)
    return False


def is_alive(owner: str, folder: Path) -> bool | None:
    """Tell whether a process is alive.

    Parameters
    ----------
    owner : str
        From :func:`owner_of`.
    folder : Path
        Folder of the workspace.

    Returns
    -------
    bool or None
        None for a process on another machine or container that holds no lock here.
    """
    machine, pid, began = owner.rsplit(":", 2)
    if machine != _machine():
        return _is_locked(_file_of(folder, owner))
    found = system.began(int(pid))
    return found is not None and found == began


def interrupt(owner: str) -> bool:
    """Interrupt a process as Ctrl-C does, if it is alive on this machine and not this process.

    Parameters
    ----------
    owner : str

    Returns
    -------
    bool
        Whether it was interrupted. That is not possible on Windows, where the job itself checks
        every two seconds whether it was cancelled.
    """
    machine, pid, began = owner.rsplit(":", 2)
    if machine != _machine() or int(pid) == os.getpid():
        return False
    return system.interrupt(int(pid), began)


def end_all(job: str) -> int:
    """Kill every process on this machine that works for a job, except this one.

    Parameters
    ----------
    job : str
        Its id.

    Returns
    -------
    int
        Number of killed processes: the job's own process and those that it started.
    """
    killed: set[int] = set()
    while found := set(system.marked(MARK, job)) - killed:  # one may have started another
        for pid in found:
            system.kill(pid, MARK, job)
        killed |= found
    return len(killed)
