"""Who answers for a job: one process of one machine, which can be proved alive or dead.

A process id alone proves nothing: another machine, container or later process may have the same
one. So an owner is the machine, the id and the moment at which the process began.
"""

from __future__ import annotations

import os
import platform
import signal
from contextlib import suppress
from functools import lru_cache
from pathlib import Path

_PROC = Path("/proc")


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


def is_alive(owner: str) -> bool | None:
    """Tell whether a process lives.

    Parameters
    ----------
    owner : str
        From :func:`owner_of`.

    Returns
    -------
    bool or None
        None for a process of another machine or container, which cannot be seen from here.
    """
    machine, pid, began = owner.rsplit(":", 2)
    if machine != _machine():
        return None
    found = _began(int(pid))
    return found is not None and found == began


def send(owner: str, number: signal.Signals) -> bool:
    """Send a signal to a process, if it is one of this machine that lives; never to this one.

    Parameters
    ----------
    owner : str
    number : Signals

    Returns
    -------
    bool
        Whether it was sent.
    """
    pid = int(owner.rsplit(":", 2)[1])
    if pid == os.getpid() or not is_alive(owner):
        return False
    try:
        os.kill(pid, number)
    except OSError:
        return False
    return True
