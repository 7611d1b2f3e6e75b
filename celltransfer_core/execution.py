"""Where work runs: processes of this machine, or a Dask cluster; one BLAS thread a task.

Tasks are plain functions of one picklable argument. What many tasks share is bound to the function
with :func:`functools.partial`: that is sent once a worker, the argument once a task.
"""

from __future__ import annotations

import logging
import os
import pickle
import platform
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import CancelledError, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager, suppress
from functools import lru_cache, partial
from pathlib import Path
from queue import Empty, SimpleQueue
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, TypeVar

from celltransfer_core.errors import CellTransferError, OutputError
from celltransfer_core.quiet import quiet

if TYPE_CHECKING:
    from distributed import Client, Future

Task = TypeVar("Task")
Result = TypeVar("Result")

SCHEDULER = "CELLTRANSFER_SCHEDULER"
"""Environment variable with the address of a Dask scheduler; without it work stays here."""

PATIENCE = 30.0
"""Seconds that a cluster may take to answer, or to get its first worker back."""

_ENVIRONMENT = {
    **dict.fromkeys(
        ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS"), "1"
    ),
    # Matrices of one task make room for those of the next: the kernel need not clear it again.
    "MALLOC_MMAP_THRESHOLD_": str(32 << 20),
    "MALLOC_TRIM_THRESHOLD_": str(1 << 30),
    "LOKY_MAX_MEMORY_LEAK_SIZE": "1e15",  # large libraries are no leak: the worker stays
    "POT_BACKEND_DISABLE_PYTORCH": "1",  # it would load 300 MB that no task of POT's needs
}
_IDLE = 300  # seconds a process waits for more work: starting another takes some
_TRIES = 3


def cpu_count() -> int:
    """Return the number of processors this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


@contextmanager
def on_cluster(address: str | None) -> Iterator[None]:
    """Send the tasks of a block of code to a Dask cluster.

    Parameters
    ----------
    address : str or None
        Of its scheduler, such as ``tcp://10.0.0.5:8786``; None leaves things as they are.
    """
    if not address:
        yield
        return
    before = os.environ.get(SCHEDULER)
    os.environ[SCHEDULER] = address
    try:
        yield
    finally:
        os.environ.pop(SCHEDULER)
        if before is not None:
            os.environ[SCHEDULER] = before
        client = _clients.pop(address, None)
        if client is not None:
            client.close()


def run_tasks(
    function: Callable[[Task], Result], tasks: Sequence[Task], *, workers: int | None = None
) -> Iterator[tuple[int, Result]]:
    """Run ``function`` on every task and yield the results as they come.

    Work is done in processes of this machine, or on the cluster that ``CELLTRANSFER_SCHEDULER``
    names. A worker that dies (out of memory, killed) is replaced and its tasks are done again, up
    to three times in all.

    Parameters
    ----------
    function : callable
        A picklable function of one argument that does not depend on state of this process. What a
        :func:`functools.partial` holds is sent once a worker; arrays in it are read-only there.
    tasks : sequence
        The arguments, each picklable.
    workers : int, optional
        Number of processes; all processors by default, and all workers of a cluster. With one
        worker, or one task, everything runs in this process.

    Yields
    ------
    index : int
        Position of the task in ``tasks``.
    result : object
        What ``function`` returned for it.

    Raises
    ------
    CellTransferError
        If workers keep dying, or the cluster cannot be reached or used.
    """
    address = os.environ.get(SCHEDULER)
    if len(tasks) <= 1 or workers == 1:
        yield from _here(function, tasks)
    elif address:
        yield from _on_cluster(address, function, tasks)
    elif (processes := min(workers or cpu_count(), len(tasks))) == 1:
        yield from _here(function, tasks)
    else:
        yield from _in_processes(function, tasks, processes)


def _here(
    function: Callable[[Task], Result], tasks: Sequence[Task]
) -> Iterator[tuple[int, Result]]:
    from threadpoolctl import threadpool_limits

    for index, task in enumerate(tasks):
        with threadpool_limits(1):  # as in a worker: threads could change the last digit
            result = function(task)
        yield index, result


def _in_processes(
    function: Callable[[Task], Result], tasks: Sequence[Task], processes: int
) -> Iterator[tuple[int, Result]]:
    from loky import get_reusable_executor

    pending = set(range(len(tasks)))
    with _handed_over(function) as work:
        for _ in range(_TRIES):
            executor = get_reusable_executor(processes, env=_ENVIRONMENT, timeout=_IDLE)
            futures = {executor.submit(work, tasks[index]): index for index in sorted(pending)}
            try:
                for future in as_completed(futures):
                    result = future.result()
                    # What is waited for no more need not be held.
                    index = futures.pop(future)
                    pending.discard(index)
                    yield index, result
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


@contextmanager
def _handed_over(function: Callable[[Task], Result]) -> Iterator[Callable[[Task], Result]]:
    """Lay what a function holds down in a file that all processes map, and so share."""
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
                f"No room for the workers' data in {folder} ({error.strerror}); free some, or set "
                "TMPDIR to a folder that has it."
            ) from error
        yield partial(_call_from, path)


def _call_from(path: Path, task: Any) -> Any:
    return _held(path)(task)


@lru_cache(maxsize=1)
def _held(path: Path) -> Callable[[Any], Any]:
    import joblib

    return joblib.load(path, mmap_mode="r")


# On a cluster

_clients: dict[str, Client] = {}


def _on_cluster(
    address: str, function: Callable[[Task], Result], tasks: Sequence[Task]
) -> Iterator[tuple[int, Result]]:
    from distributed import KilledWorker

    pending = set(range(len(tasks)))
    for _ in range(_TRIES):
        client = _connect(address)
        futures: dict[int, Future[Result]] = {}
        try:
            work: Any = function
            if isinstance(function, partial):
                work = client.scatter(function, broadcast=True, hash=False)
            done: SimpleQueue[int] = SimpleQueue()
            for index in sorted(pending):
                # As bytes: Dask looks for its own kind in lists and tuples.
                task = pickle.dumps(tasks[index])
                futures[index] = client.submit(_call_alone, work, task, pure=False)
                futures[index].add_done_callback(partial(_note, done, index))
            while futures:
                index = _next(client, address, done)
                result = _result(client, address, futures[index])
                del futures[index]
                pending.discard(index)
                yield index, result
        except CancelledError:  # what was scattered is lost, with all workers or the scheduler
            _clients.pop(address, None)
            continue
        except KilledWorker as error:
            raise CellTransferError(
                f"Workers of the cluster at {address} keep dying at the same task, most likely for "
                "want of memory; give them more, or use smaller subsets (--subset-size)."
            ) from error
        finally:
            with suppress(Exception):  # the scheduler may be gone
                client.cancel(list(futures.values()))
        return
    raise CellTransferError(
        f"The cluster at {address} lost what it was given {_TRIES} times; see the logs of its "
        "scheduler and workers."
    )


def _note(done: SimpleQueue[int], index: int, _: object) -> None:
    done.put(index)


def _call_alone(function: Callable[[Any], Any], task: bytes) -> Any:
    from threadpoolctl import threadpool_limits

    # For good, and for libraries that are loaded later: the worker's other tasks want it too.
    os.environ.update(_ENVIRONMENT)
    threadpool_limits(1)
    return function(pickle.loads(task))  # noqa: S301 the cluster trusts its own client


def _next(client: Client, address: str, done: SimpleQueue[int]) -> int:
    while True:
        try:
            return done.get(timeout=1.0)
        except Empty:
            _check_workers(client, address)


def _result(client: Client, address: str, future: Future[Result]) -> Result:
    while True:
        try:
            return future.result(timeout=None if future.status == "error" else 10.0)
        except TimeoutError:  # its worker died after it was done, and it is done again
            if future.status == "error":
                raise
            _check_workers(client, address)


def _check_workers(client: Client, address: str) -> None:
    """Wait until there is a worker, but not for ever."""
    began = time.monotonic()
    while True:
        problem = "has no worker left"
        try:
            if client.nthreads():
                return
        except (OSError, TimeoutError):
            problem = "does not answer any more"
        if client.status == "closed" or time.monotonic() - began > PATIENCE:
            _clients.pop(address, None)
            raise CellTransferError(
                f"The cluster at {address} {problem}; start it again and run the same command: "
                "what was computed is kept."
            )
        time.sleep(0.5)


def _connect(address: str) -> Client:
    if address in _clients and _clients[address].status == "running":
        return _clients[address]
    from distributed import Client

    # What it would say of lost connections is said here, in one line.
    logging.getLogger("distributed").setLevel(logging.CRITICAL)
    try:
        with quiet():  # of versions: they are compared below
            client = Client(address, timeout=PATIENCE, set_as_default=False)
    except (OSError, TimeoutError, ValueError) as error:
        raise CellTransferError(
            f"There is no Dask scheduler at {address}; start one (dask scheduler), or leave "
            f"--scheduler and {SCHEDULER} out to work on this machine."
        ) from error
    try:
        client.wait_for_workers(1, timeout=PATIENCE)
        _compare(address, {"scheduler": _of_scheduler(client)})
        _compare(address, client.run(_about, on_error="return"))
    except TimeoutError as error:
        client.close()
        raise CellTransferError(
            f"The cluster at {address} has no workers; start some (dask worker {address})."
        ) from error
    except BaseException:
        client.close()
        raise
    _clients[address] = client
    return client


def _about() -> dict[str, str]:
    from celltransfer_core import __version__
    from celltransfer_core.export import versions

    minor = ".".join(platform.python_version_tuple()[:2])
    return {**versions(), "python": minor, "celltransfer": __version__}


def _of_scheduler(client: Client) -> dict[str, str] | BaseException:
    # It unpacks what it passes on, so it needs the package too.
    try:
        return client.run_on_scheduler(_about)
    except Exception as error:
        return error


def _compare(address: str, found: Mapping[str, dict[str, str] | BaseException]) -> None:
    here = _about()
    for process, there in found.items():
        if isinstance(there, BaseException):
            raise CellTransferError(
                f"A process of the cluster at {address} ({process}) cannot use CellTransfer "
                f"({there}); start schedulers and workers with python -m dask in the project's "
                "folder, with its requirements."
            ) from there
        differ = [
            f"{name} {there.get(name)} / {of}" for name, of in here.items() if there.get(name) != of
        ]
        if differ:
            raise CellTransferError(
                f"A process of the cluster at {address} ({process}) has other versions than this "
                f"machine ({', '.join(differ)}), which may give other results; install the same."
            )
