"""Who answers for a job: one process of one machine, which can be proved alive or dead.

In goes a process id, out comes a name that no other process ever has: the machine, the id and the
moment at which the process began, for an id alone may belong to a later process, or to one of
another machine or container. Where a process cannot be seen, a file that it keeps locked for as
long as it lives tells. All processes that work for a job carry its id in their environment, so that
none is forgotten, and none of others is hit, when they are to end.
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

_held: dict[Path, int] = {}  # handles of the files that this process keeps locked
_holding = threading.Lock()


@lru_cache(maxsize=1)
def _machine() -> str:
    """Name this machine since its last start, and its space of process ids."""
    return f"{platform.node()}/{system.machine_id()}"


def owner_of(pid: int) -> str:
    """Name a process so that no other one is taken for it.

    Parameters
    ----------
    pid : int
        Of a process of this machine.

    Returns
    -------
    str
    """
    return f"{_machine()}:{pid}:{system.began(pid) or ''}"


def answer_for(folder: Path) -> str:
    """Make this process one that can answer for jobs: other machines can tell that it lives.

    Parameters
    ----------
    folder : Path
        Of the workspace. A file in it is kept locked until this process ends; files of processes
        that ended are deleted.

    Returns
    -------
    str
        The name of this process, from :func:`owner_of`.
    """
    owner = owner_of(os.getpid())
    path = _file_of(folder, owner)
    with _holding:
        if path not in _held:
            with suppress(OSError):  # a folder that cannot be written to: signs of life must do
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
        except FileNotFoundError:  # deleted by somebody who found it not locked yet
            pass
        except OSError:
            os.close(handle)
            raise
        os.close(handle)


def _is_locked(path: Path) -> bool | None:
    """Tell whether a process keeps a file locked; delete it if not; None where nothing tells."""
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
        with suppress(OSError):  # its owner has just opened it
            path.unlink(missing_ok=True)
    return False


def is_alive(owner: str, folder: Path) -> bool | None:
    """Tell whether a process lives.

    Parameters
    ----------
    owner : str
        From :func:`owner_of`.
    folder : Path
        Of the workspace.

    Returns
    -------
    bool or None
        None for a process of another machine or container that keeps no file locked here.
    """
    machine, pid, began = owner.rsplit(":", 2)
    if machine != _machine():
        return _is_locked(_file_of(folder, owner))
    found = system.began(int(pid))
    return found is not None and found == began


def interrupt(owner: str) -> bool:
    """Interrupt a process as Ctrl-C does, if it is one of this machine that lives; never this one.

    Parameters
    ----------
    owner : str

    Returns
    -------
    bool
        Whether it was done. It cannot be on Windows, where the job itself looks every two seconds
        whether it was cancelled.
    """
    machine, pid, began = owner.rsplit(":", 2)
    if machine != _machine() or int(pid) == os.getpid():
        return False
    return system.interrupt(int(pid), began)


def end_all(job: str) -> int:
    """Kill every process of this machine that works for a job, but not this one.

    Parameters
    ----------
    job : str
        Its id.

    Returns
    -------
    int
        How many were killed: the job's own process, and those that it started.
    """
    killed: set[int] = set()
    while found := set(system.marked(MARK, job)) - killed:  # again: one may have started another
        for pid in found:
            system.kill(pid, MARK, job)
        killed |= found
    return len(killed)
