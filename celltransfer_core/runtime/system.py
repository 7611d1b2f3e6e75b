"""Differences between Linux, macOS and Windows, each behind one function that works on all three.

The functions deal with processes, memory and open files. No other file calls anything that exists
on only some of these systems; ``tests/test_platforms.py`` checks that.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from types import MappingProxyType
from typing import Any

if sys.platform == "win32":
    import msvcrt
else:
    import fcntl
    import resource

_PROC = Path("/proc")  # Linux only

LIMITS_MEMORY = sys.platform == "linux"
"""Whether :func:`limit_memory` can limit the memory of a process."""

REMOVES_OPEN_FILES = sys.platform != "win32"
"""Whether a file can be deleted while a process has it open."""

_PATIENCE, _PAUSE = 5.0, 0.02  # seconds for which a reader may block the replacement of a file


def _own_group() -> dict[str, Any]:
    if sys.platform == "win32":
        flags = subprocess.CREATE_NEW_PROCESS_GROUP | subprocess.CREATE_NO_WINDOW
        return {"creationflags": flags}
    return {"start_new_session": True}


OWN_GROUP = MappingProxyType(_own_group())
"""Arguments of ``subprocess.Popen`` for a process that outlives its parent and its terminal."""


def cpu_count() -> int:
    """Return the number of processors that this process may use.

    Returns
    -------
    int
    """
    import psutil

    if sys.platform == "darwin":  # macOS does not bind processes to processors
        return os.cpu_count() or 1
    return len(psutil.Process().cpu_affinity())


def machine_id() -> str:
    """Return an identifier of the machine's last start and of its process id namespace.

    Returns
    -------
    str
        ``BOOT/SPACE``; a part is empty if the system does not provide it.
    """
    boot = space = ""
    with suppress(OSError):
        boot = (_PROC / "sys/kernel/random/boot_id").read_text(encoding="utf-8").strip()[:8]
    with suppress(OSError):
        space = str((_PROC / "self/ns/pid").readlink())
    return f"{boot}/{''.join(letter for letter in space if letter.isdigit())}"


def began(pid: int) -> str | None:
    """Return when a process began, to distinguish it from later processes with the same id.

    Parameters
    ----------
    pid : int

    Returns
    -------
    str or None
        On Linux in ticks since the machine's start, because the clock may be set meanwhile; in
        seconds elsewhere. None if the process is dead; "" if it is alive but cannot be inspected.
    """
    import psutil

    if (_PROC / "self/stat").is_file():
        try:
            # After the name in brackets, which may hold anything: the state, and 19 on, the start.
            stat = (_PROC / str(pid) / "stat").read_text(encoding="utf-8", errors="replace")
        except OSError:
            return None
        fields = stat.rpartition(")")[2].split()
        return None if fields[0] in "ZX" else fields[19]
    try:
        process = psutil.Process(pid)
        dead = process.status() == psutil.STATUS_ZOMBIE
        return None if dead else f"{process.create_time():.3f}"
    except psutil.NoSuchProcess:
        return None
    except psutil.AccessDenied:
        return ""


def marked(variable: str, value: str) -> Iterator[int]:
    """List the other processes of this machine that have a variable in their environment.

    Parameters
    ----------
    variable, value : str
        The variable's name and value.

    Yields
    ------
    int
        Process id. Processes of other users that cannot be inspected are left out.
    """
    import psutil

    for process in psutil.process_iter():
        with suppress(psutil.Error, OSError):
            if process.pid != os.getpid() and process.environ().get(variable) == value:
                yield process.pid


def kill(pid: int, variable: str, value: str) -> None:
    """Kill a process that has a variable in its environment, but no later one with the same id.

    Parameters
    ----------
    pid : int
    variable, value : str
        The variable's name and value.
    """
    import psutil

    with suppress(psutil.Error, OSError):
        process = psutil.Process(pid)
        if process.environ().get(variable) == value:
            process.kill()  # checks again whether it is still the same process


def kill_group(process: subprocess.Popen[bytes]) -> None:
    """Kill a process that was started with :data:`OWN_GROUP`, and all processes that it started.

    Parameters
    ----------
    process : Popen
    """
    if sys.platform == "win32":
        import psutil

        with suppress(psutil.Error):
            for child in psutil.Process(process.pid).children(recursive=True):
                with suppress(psutil.Error):
                    child.kill()
        process.kill()
    else:
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)


def interrupt(pid: int, since: str) -> bool:
    """Interrupt another process as Ctrl-C does, if the system supports that.

    Parameters
    ----------
    pid : int
    since : str
        When it began, from :func:`began`.

    Returns
    -------
    bool
        Whether it was interrupted: Windows can interrupt only processes that share a terminal.
    """
    import psutil

    if sys.platform == "win32":
        return False
    try:
        process = psutil.Process(pid)
        if began(pid) != since:
            return False
        process.send_signal(signal.SIGINT)
    except (psutil.Error, OSError):
        return False
    return True


def interrupt_here() -> None:
    """Interrupt the main thread of this process, even during a call that waits."""
    if sys.platform == "win32":
        signal.raise_signal(signal.SIGINT)  # os.kill would end the process
    else:
        os.kill(os.getpid(), signal.SIGINT)


def was_killed(code: int) -> bool:
    """Tell whether an exit code shows that the system killed the process for lack of memory.

    Parameters
    ----------
    code : int
        In the form used by :class:`subprocess.Popen`.

    Returns
    -------
    bool
    """
    return sys.platform != "win32" and code == -signal.SIGKILL


def limit_memory(most: int) -> None:
    """Limit the memory of this process, if :data:`LIMITS_MEMORY` is true.

    Parameters
    ----------
    most : int
        Bytes.
    """
    if sys.platform == "linux":
        _, highest = resource.getrlimit(resource.RLIMIT_DATA)
        if highest == resource.RLIM_INFINITY or most < highest:
            resource.setrlimit(resource.RLIMIT_DATA, (most, most))


def peak_memory() -> int:
    """Return the peak memory of this process.

    Returns
    -------
    int
        Bytes.
    """
    if sys.platform == "win32":
        import psutil

        return int(psutil.Process().memory_info().peak_wset)
    else:  # noqa: RET505 - the checker of types follows the platform by the branches
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return peak if sys.platform == "darwin" else peak << 10


def lock(handle: int, start: int = 0, length: int = 1, *, wait: bool = False) -> bool:
    """Lock bytes of an open file for this process, until the file is closed.

    Parameters
    ----------
    handle : int
        Handle of a file that is open for reading and writing.
    start, length : int
        The range of bytes, which need not exist.
    wait : bool
        Whether to wait for another process that has locked them.

    Returns
    -------
    bool
        False if another process has locked any of the bytes.

    Raises
    ------
    OSError
        If the file system does not support locks.
    """
    if sys.platform == "win32":
        os.lseek(handle, start, os.SEEK_SET)
        while True:
            try:
                msvcrt.locking(handle, msvcrt.LK_NBLCK, length)
            except PermissionError:
                if not wait:
                    return False
                time.sleep(_PAUSE)
            else:
                return True
    else:
        try:
            fcntl.lockf(handle, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB), length, start)
        except (BlockingIOError, PermissionError):
            return False
        return True


def take_place(beside: Path, path: Path) -> None:
    """Move a file to the place of another one in one step.

    Parameters
    ----------
    beside : Path
        The new file, in the same folder.
    path : Path

    Raises
    ------
    OSError
        If it cannot be moved. On Windows a file that is being read cannot be replaced: there it is
        tried for some seconds.
    """
    until = time.monotonic() + _PATIENCE
    while True:
        try:
            beside.replace(path)
        except PermissionError:
            if sys.platform != "win32" or time.monotonic() > until:
                raise
            time.sleep(_PAUSE)
        else:
            return
