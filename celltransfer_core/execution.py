"""Where work runs: processes of this machine, one BLAS thread each.

Tasks are plain functions of one picklable argument. The executor is a
:class:`concurrent.futures.Executor`, so that another one can stand in its place.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import as_completed
from concurrent.futures.process import BrokenProcessPool
from typing import TypeVar

from celltransfer_core.errors import CellTransferError

Task = TypeVar("Task")
Result = TypeVar("Result")

_ONE_THREAD = dict.fromkeys(
    ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS"), "1"
)
_TRIES = 3


def cpu_count() -> int:
    """Return the number of processors this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def run_tasks(
    function: Callable[[Task], Result], tasks: Sequence[Task], *, workers: int | None = None
) -> Iterator[tuple[int, Result]]:
    """Run ``function`` on every task and yield the results as they come.

    A worker that dies (out of memory, killed) is replaced and its tasks are done again, up to
    three times in all.

    Parameters
    ----------
    function : callable
        A picklable function of one argument that does not depend on state of this process.
    tasks : sequence
        The arguments, each picklable.
    workers : int, optional
        Number of processes; all processors by default. With one worker, or one task, everything
        runs in this process.

    Yields
    ------
    index : int
        Position of the task in ``tasks``.
    result : object
        What ``function`` returned for it.

    Raises
    ------
    CellTransferError
        If workers keep dying.
    """
    workers = min(workers or cpu_count(), len(tasks))
    if workers <= 1:
        for index, task in enumerate(tasks):
            yield index, function(task)
        return

    from loky import get_reusable_executor

    # A worker that has loaded torch looks like a leak to loky, which then replaces it.
    warnings.filterwarnings("ignore", message="A worker was restarted", module="loky")
    pending = set(range(len(tasks)))
    for _ in range(_TRIES):
        executor = get_reusable_executor(max_workers=workers, env=_ONE_THREAD)
        futures = {executor.submit(function, tasks[index]): index for index in sorted(pending)}
        try:
            for future in as_completed(futures):
                result = future.result()
                pending.discard(futures[future])
                yield futures[future], result
        except BrokenProcessPool:
            continue
        except BaseException:  # also when the consumer stops early: leave no work behind
            for future in futures:
                future.cancel()
            raise
        return
    raise CellTransferError(
        f"Worker processes died {_TRIES} times, most likely for want of memory; "
        "use fewer of them (--workers 1) or smaller subsets (--subset-size)."
    )
