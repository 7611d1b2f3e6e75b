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
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import lru_cache, partial
from pathlib import Path

from celltransfer_core.runtime.files import make_folder

try:
    import fcntl
except ImportError:  # not a POSIX system
    fcntl = None  # type: ignore[assignment]

MARK = "CELLTRANSFER_JOB"
"""Environment variable with the id of the job that a process works for."""

_PROC = Path("/proc")

_held: dict[Path, int] = {}  # handles of the files that this process keeps locked
_holding = threading.Lock()


@lru_cache(maxsize=1)
def _machine() -> str:
    """Name this machine since its last start, and its space of process ids."""
    boot = space = ""
    with suppress(OSError):
        boot = (_PROC / "sys/kernel/random/boot_id").read_text().strip()[:8]
    with suppress(OSError):
        space = str((_PROC / "self/ns/pid").readlink())
    return f"{platform.node()}/{boot}/{''.join(c for c in space if c.isdigit())}"


def _began(pid: int) -> str | None:
    """Return when a process began, in ticks; None if it is dead, "" where nothing tells."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return None
    except PermissionError:
        pass
    if not (_PROC / "self/stat").is_file():
        return ""
    try:
        # Behind the name in brackets, which may hold anything: the state, and 19 on, the start.
        fields = (_PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return None if fields[0] in "ZX" else fields[19]


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
    return f"{_machine()}:{pid}:{_began(pid) or ''}"


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
        if path not in _held and fcntl:
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
            fcntl.lockf(handle, fcntl.LOCK_EX)
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
    if not fcntl or path in _held:
        return path in _held or None
    try:
        handle = os.open(path, os.O_RDWR)
    except OSError:
        return None
    try:
        fcntl.lockf(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        path.unlink(missing_ok=True)
    except (BlockingIOError, PermissionError):
        return True
    except OSError:  # a file system without locks
        return None
    finally:
        os.close(handle)
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
    found = _began(int(pid))
    return found is not None and found == began


def interrupt(owner: str) -> bool:
    """Send SIGINT to a process, if it is one of this machine that lives; never to this one.

    Parameters
    ----------
    owner : str

    Returns
    -------
    bool
        Whether it was sent.
    """
    machine, pid, began = owner.rsplit(":", 2)
    if machine != _machine() or int(pid) == os.getpid():
        return False
    return _send(int(pid), signal.SIGINT, lambda: _began(int(pid)) == began)


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
    while found := set(_working_for(job)) - killed:  # again: one may have started another
        for pid in found:
            _send(pid, signal.SIGKILL, partial(_works_for, pid, job))
        killed |= found
    return len(killed)


def _working_for(job: str) -> Iterator[int]:
    with suppress(OSError):
        for folder in _PROC.iterdir():
            if folder.name.isdigit() and _works_for(int(folder.name), job):
                yield int(folder.name)


def _works_for(pid: int, job: str) -> bool:
    try:
        variables = (_PROC / str(pid) / "environ").read_bytes().split(b"\0")
    except OSError:  # gone, or somebody else's
        return False
    return pid != os.getpid() and f"{MARK}={job}".encode() in variables


def _send(pid: int, number: signal.Signals, is_it: Callable[[], bool]) -> bool:
    """Send a signal to a process if it is the one that is meant, and no later one."""
    handle = None
    try:
        if hasattr(os, "pidfd_open"):
            handle = os.pidfd_open(pid)
        if not is_it():
            return False
        if handle is None:
            os.kill(pid, number)
        else:  # it reaches the process that was looked at, whoever has its number by now
            signal.pidfd_send_signal(handle, number)
    except OSError:
        return False
    finally:
        if handle is not None:
            os.close(handle)
    return True
