import os
import signal
from pathlib import Path

import pytest

from celltransfer_core.errors import CellTransferError
from celltransfer_core.execution import cpu_count, run_tasks


def square(number):
    return number * number


def die_once(marker):
    path = Path(marker)
    if path.exists():
        path.unlink()
        os.kill(os.getpid(), signal.SIGKILL)
    return "done"


def die(_):
    os.kill(os.getpid(), signal.SIGKILL)


def complain(number):
    raise ValueError(f"task {number}")


@pytest.mark.parametrize("workers", [1, 2])
def test_every_task_is_done_once(workers):
    assert sorted(run_tasks(square, list(range(20)), workers=workers)) == [
        (n, n * n) for n in range(20)
    ]
    assert list(run_tasks(square, [], workers=workers)) == []


@pytest.mark.parametrize("workers", [1, 2])
def test_errors_of_a_task_come_through(workers):
    with pytest.raises(ValueError, match="task"):
        list(run_tasks(complain, [1, 2], workers=workers))


def test_a_dead_workers_tasks_are_done_again(tmp_path):
    markers = [str(tmp_path / f"{n}") for n in range(6)]
    Path(markers[3]).touch()
    assert sorted(run_tasks(die_once, markers, workers=2)) == [(n, "done") for n in range(6)]


def test_workers_that_keep_dying_say_what_to_do():
    with pytest.raises(CellTransferError, match="--workers 1"):
        list(run_tasks(die, [1, 2], workers=2))


def test_processors_are_counted():
    assert cpu_count() >= 1
