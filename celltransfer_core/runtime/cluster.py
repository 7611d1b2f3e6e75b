"""Tasks on a Dask cluster: run on the scheduler's workers, with results as they complete.

Tasks that are lost when a worker dies are computed again. A cluster whose libraries differ from
those of this machine is refused. Not in the paper.
"""

from __future__ import annotations

import logging
import os
import pickle
import platform
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import CancelledError
from contextlib import contextmanager, suppress
from functools import partial
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Any

from celltransfer_core.errors import CellTransferError
from celltransfer_core.runtime.environment import ENVIRONMENT, SCHEDULER, TRIES, Result, Task
from celltransfer_core.runtime.extras import need
from celltransfer_core.runtime.quiet import quiet

if TYPE_CHECKING:
    from distributed import Client, Future


PATIENCE = 30.0
"""Seconds that a cluster may take to respond, or to get its first worker back."""


@contextmanager
def on_cluster(address: str | None) -> Iterator[None]:
    """Send the tasks run within a block to a Dask cluster.

    Parameters
    ----------
    address : str or None
        Address of its scheduler, such as ``tcp://10.0.0.5:8786``; None changes nothing.
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


_clients: dict[str, Client] = {}


def run_on_cluster(
    address: str, function: Callable[[Task], Result], tasks: Sequence[Task]
) -> Iterator[tuple[int, Result]]:
    """Run ``function`` on every task and yield the results as they complete.

    Parameters
    ----------
    address : str
        Address of the scheduler.
    function : callable
        See :func:`celltransfer_core.runtime.tasks.run_tasks`.
    tasks : sequence

    Yields
    ------
    index : int
    result : object

    Raises
    ------
    CellTransferError
        If the cluster cannot be reached, has no workers or other versions, or keeps losing its
        work.
    """
    need("cluster", "A Dask cluster")
    from distributed import KilledWorker

    pending = set(range(len(tasks)))
    for _ in range(TRIES):
        client = _connect(address)
        futures: dict[int, Future[Result]] = {}
        try:
            work: Any = function
            if isinstance(function, partial):
                work = client.scatter(function, broadcast=True, hash=False)
            done: SimpleQueue[int] = SimpleQueue()
            for index in sorted(pending):
                # As bytes, because Dask searches lists and tuples for its own objects.
                task = pickle.dumps(tasks[index])
                futures[index] = client.submit(_call_alone, work, task, pure=False)
                futures[index].add_done_callback(partial(_put_index, done, index))
            while futures:
                index = _next_index(client, address, done)
                result = _wait_for(client, address, futures[index])
                del futures[index]
                pending.discard(index)
                yield index, result
        except CancelledError:  # scattered data was lost with the workers or scheduler
            _clients.pop(address, None)
            continue
        except KilledWorker as error:
            raise CellTransferError(
                f"Workers of the cluster at {address} repeatedly died at the same task, most "
                "likely because they ran out of memory; give them more, or use smaller subsets "
                "(--subset-size)."
            ) from error
        finally:
            with suppress(Exception):  # the scheduler may not exist any more
                client.cancel(list(futures.values()))
        return
    raise CellTransferError(
        f"The cluster at {address} lost its data {TRIES} times; see the logs of its scheduler and "
        "workers."
    )


def _put_index(done: SimpleQueue[int], index: int, _: object) -> None:
    done.put(index)


def _call_alone(function: Callable[[Any], Any], task: bytes) -> Any:
    from threadpoolctl import threadpool_limits

    # Set permanently, also for libraries that are loaded later: the worker's other tasks need it.
    os.environ.update(ENVIRONMENT)
    threadpool_limits(1)
    return function(pickle.loads(task))  # noqa: S301 the cluster trusts its own client


def _next_index(client: Client, address: str, done: SimpleQueue[int]) -> int:
    while True:
        try:
            return done.get(timeout=1.0)
        except Empty:
            _check_workers(client, address)


def _wait_for(client: Client, address: str, future: Future[Result]) -> Result:
    while True:
        try:
            return future.result(timeout=None if future.status == "error" else 10.0)
        except TimeoutError:  # its worker died afterwards, and the task is run again
            if future.status == "error":
                raise
            _check_workers(client, address)


def _check_workers(client: Client, address: str) -> None:
    """Wait until there is a worker, but not forever."""
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
                "finished work is kept."
            )
        time.sleep(0.5)


def _connect(address: str) -> Client:
    if address in _clients and _clients[address].status == "running":
        return _clients[address]
    from distributed import Client

    # Lost connections are reported by our own error instead.
    logging.getLogger("distributed").setLevel(logging.CRITICAL)
    try:
        with quiet():  # version warnings: versions are compared below
            client = Client(address, timeout=PATIENCE, set_as_default=False)
    except (OSError, TimeoutError, ValueError) as error:
        raise CellTransferError(
            f"There is no Dask scheduler at {address}; start one (dask scheduler), or omit "
            f"--scheduler and {SCHEDULER} to work on this machine."
        ) from error
    try:
        client.wait_for_workers(1, timeout=PATIENCE)
        _check_versions(address, {"scheduler": _installed_on_scheduler(client)})
        _check_versions(address, client.run(_installed, on_error="return"))
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


def _installed() -> dict[str, str]:
    from celltransfer_core.about import __version__
    from celltransfer_core.runtime.versions import versions

    minor = ".".join(platform.python_version_tuple()[:2])
    return {**versions(), "python": minor, "celltransfer": __version__}


def _installed_on_scheduler(client: Client) -> dict[str, str] | BaseException:
    # The scheduler unpickles what it passes on, so it needs the package too.
    try:
        return client.run_on_scheduler(_installed)
    except Exception as error:
        return error


def _check_versions(address: str, found: Mapping[str, dict[str, str] | BaseException]) -> None:
    here = _installed()
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
                f"machine ({', '.join(differ)}), which may give other results; install the same "
                "versions."
            )
