"""Execution of tasks in local processes or on a Dask cluster, with one BLAS thread per task.

Tasks are plain functions of one picklable argument. Data shared by many tasks is bound to the
function with :func:`functools.partial` and sent once per worker; arguments are sent once per task.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from functools import lru_cache, partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from celltransfer_core.errors import CellTransferError, OutputError
from celltransfer_core.runtime.cluster import run_on_cluster
from celltransfer_core.runtime.environment import (
    ENVIRONMENT,
    SCHEDULER,
    TRIES,
    Result,
    Task,
)
from celltransfer_core.runtime.system import began, cpu_count

_LOOK = 1.0  # seconds between two checks that the parent process still exists

_IDLE = 300  # seconds a process waits for more work, since starting one takes time


def run_tasks(
    function: Callable[[Task], Result], tasks: Sequence[Task], *, workers: int | None = None
) -> Iterator[tuple[int, Result]]:
    """Run ``function`` on every task and yield the results as they complete.

    Tasks run in processes of this machine, or on the cluster that ``CELLTRANSFER_SCHEDULER`` names.
    If a worker dies (out of memory, killed), it is replaced and its tasks are run again, up to
    three times in all.

    Parameters
    ----------
    function : callable
        A picklable function of one argument that does not depend on the state of this process. Data
        in a :func:`functools.partial` is sent once per worker; arrays in it are read-only there.
    tasks : sequence
        The arguments, which must be picklable.
    workers : int, optional
        Number of processes; by default one per processor, and all workers of a cluster. With one
        worker, or one task, everything runs in this process.

    Yields
    ------
    index : int
        Position of the task in ``tasks``.
    result : object
        Return value of ``function`` for that task.

    Raises
    ------
    CellTransferError
        If workers keep dying, or the cluster cannot be reached or used.
    """
    address = os.environ.get(SCHEDULER)
    if len(tasks) <= 1 or workers == 1:
        yield from _in_this_process(function, tasks)
    elif address:
        yield from run_on_cluster(address, function, tasks)
    elif (processes := min(workers or cpu_count(), len(tasks))) == 1:
        yield from _in_this_process(function, tasks)
    else:
        yield from _in_processes(function, tasks, processes)


def _in_this_process(
    function: Callable[[Task], Result], tasks: Sequence[Task]
) -> Iterator[tuple[int, Result]]:
    from threadpoolctl import threadpool_limits

    for index, task in enumerate(tasks):
        with threadpool_limits(1):  # as in a worker, since threads could change the last digit
            result = function(task)
        yield index, result


def _in_processes(
    function: Callable[[Task], Result], tasks: Sequence[Task], processes: int
) -> Iterator[tuple[int, Result]]:
    from loky import get_reusable_executor

    pending = set(range(len(tasks)))
    with _shared(function) as work:
        for _ in range(TRIES):
            executor = get_reusable_executor(
                processes,
                env=ENVIRONMENT,
                timeout=_IDLE,
                initializer=_end_with,
                initargs=(os.getpid(), began(os.getpid())),
            )
            futures = {executor.submit(work, tasks[index]): index for index in sorted(pending)}
            try:
                for future in as_completed(futures):
                    result = future.result()
                    # The future need not hold a result that was yielded.
                    index = futures.pop(future)
                    pending.discard(index)
                    yield index, result
            except BrokenProcessPool:
                continue
            except BaseException:  # also if the consumer stops early: cancel the rest
                for future in futures:
                    future.cancel()
                raise
            return
    raise CellTransferError(
        f"Worker processes died {TRIES} times, most likely because they ran out of memory; use "
        "fewer of them (--workers 1) or smaller subsets (--subset-size)."
    )


def _end_with(parent: int, since: str | None) -> None:
    """End this process when its parent process no longer exists, whatever it is doing."""

    def watch() -> None:
        while began(parent) == since:
            time.sleep(_LOOK)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


@contextmanager
def _shared(function: Callable[[Task], Result]) -> Iterator[Callable[[Task], Result]]:
    """Write the data of a partial to a file that all processes map into memory and thus share."""
    if not isinstance(function, partial):
        yield function
        return
    import joblib

    with TemporaryDirectory(prefix="celltransfer-", ignore_cleanup_errors=True) as folder:
        path = Path(folder) / "function.joblib"
        try:
            joblib.dump(function, path)
        except OSError as error:
            raise OutputError(
                f"Not enough space for the workers' data in {folder} ({error.strerror}); free "
                "some, or set TMPDIR to a folder with enough space."
            ) from error
        yield partial(_call_shared, path)


def _call_shared(path: Path, task: Any) -> Any:
    return _load_shared(path)(task)


@lru_cache(maxsize=1)
def _load_shared(path: Path) -> Callable[[Any], Any]:
    import joblib

    return joblib.load(path, mmap_mode="r")
