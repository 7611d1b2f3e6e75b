"""Work that may do harm, in a process apart: a callable and limits in, done or the reason out.

A model of somebody's is a program: it may loop for ever, fill the memory, or end the process that
runs it. Here it ends one that nobody needs. Not in the paper.
``python -m celltransfer_core.runtime.apart BYTES`` is that process.
"""

from __future__ import annotations

import os
import pickle
import signal
import subprocess
import sys
from collections.abc import Callable

from celltransfer_core.about import PROJECT
from celltransfer_core.errors import CellTransferError
from celltransfer_core.runtime.environment import ENVIRONMENT
from celltransfer_core.runtime.system import OWN_GROUP, kill_group, limit_memory

_REFUSED, _NO_MEMORY = 3, 4  # exit codes: the work's own reason was printed; there was no room
_NO_ROOM = ("bad_alloc", "bad allocation", "allocate memory")  # as libraries say it


class EndedError(CellTransferError):
    """Work did not come to its end; the message says why, as what follows its name."""


def run_apart(work: Callable[[], object], *, seconds: float, memory: int) -> None:
    """Do work in a process apart, which is killed with all that it started when it goes too far.

    Parameters
    ----------
    work : callable
        Picklable; what it returns is lost.
    seconds : float
        That it may take.
    memory : int
        Bytes that its process may take, where
        :data:`~celltransfer_core.runtime.system.LIMITS_MEMORY`.

    Raises
    ------
    EndedError
        If it took too long or too much, or its process died.
    CellTransferError
        With the reason that the work itself gave.
    """
    process = subprocess.Popen(  # noqa: S603
        [sys.executable, "-m", __name__, str(memory)],
        cwd=PROJECT,
        env={**os.environ, **ENVIRONMENT},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        **OWN_GROUP,
    )
    try:
        said, _ = process.communicate(pickle.dumps(work), timeout=seconds)
    except subprocess.TimeoutExpired:
        raise EndedError(f"took over {seconds:g} s") from None
    finally:
        _end(process)
    if process.returncode == _REFUSED:
        raise CellTransferError(said.decode("utf-8", "replace"))
    if process.returncode == _NO_MEMORY:
        raise EndedError(f"needed more than {memory / 1e9:.1f} GB of memory")
    if process.returncode:
        raise EndedError(f"ended its process ({_how(process.returncode)})")


def _end(process: subprocess.Popen[bytes]) -> None:
    kill_group(process)
    process.communicate()


def _how(code: int) -> str:
    return signal.strsignal(-code) or f"signal {-code}" if code < 0 else f"exit code {code}"


def _for_want_of_memory(error: BaseException | None) -> bool:
    while error is not None:
        if isinstance(error, MemoryError) or any(one in str(error) for one in _NO_ROOM):
            return True
        error = error.__cause__
    return False


def main() -> None:
    """Do the work that comes on the standard input."""
    limit_memory(int(sys.argv[1]))
    try:
        pickle.load(sys.stdin.buffer)()  # noqa: S301 - from the process that started this one
    except Exception as error:
        if _for_want_of_memory(error):
            sys.exit(_NO_MEMORY)
        if not isinstance(error, CellTransferError):
            raise
        sys.stdout.buffer.write(str(error).encode())
        sys.exit(_REFUSED)


if __name__ == "__main__":
    main()
