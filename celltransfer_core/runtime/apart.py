"""Work that may be harmful, run in a separate process with limits on time and memory.

A user's model is a program: it may loop forever, fill the memory, or end the process that runs it.
Here it can only end a process that nothing else needs. Not in the paper.
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

_REFUSED, _NO_MEMORY = 3, 4  # exit codes: the work printed its error; out of memory
_NO_ROOM = ("bad_alloc", "bad allocation", "allocate memory")  # libraries' messages


class EndedError(CellTransferError):
    """The work did not finish; the message gives the reason, to follow the name of the work."""


def run_apart(work: Callable[[], object], *, seconds: float, memory: int) -> None:
    """Do work in a separate process, which is killed with its children when it exceeds a limit.

    Parameters
    ----------
    work : callable
        Picklable; its return value is discarded.
    seconds : float
        Longest time that it may take.
    memory : int
        Bytes that its process may use, enforced if
        :data:`~celltransfer_core.runtime.system.LIMITS_MEMORY` is true.

    Raises
    ------
    EndedError
        If it took too long or used too much memory, or its process died.
    CellTransferError
        With the error message of the work itself.
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
    """Do the work that is read from standard input."""
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
