import json
import os
import signal
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from celltransfer_core.cli import MENDABLE
from celltransfer_core.cli.main import main
from celltransfer_core.config import Config
from celltransfer_core.errors import CellTransferError, OutputError
from celltransfer_core.outputs import write_run
from celltransfer_core.pipeline import run
from celltransfer_core.runtime import (
    SCHEDULER,
    Cache,
    cluster as cluster_module,
    cpu_count,
    run_tasks,
)
from celltransfer_core.runtime.cluster import (
    _check_versions,
    _clients,
    _connect,
    _installed,
    on_cluster,
)

ROOT = Path(__file__).parents[2]


def square(number):
    return number * number


def row(table, number):
    return table[number].tolist(), table.flags.writeable


def where(table, number):
    return os.getpid(), id(table)


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


@pytest.mark.parametrize("workers", [1, 2])
def test_what_a_partial_holds_reaches_every_task(workers, rng):
    table = rng.normal(size=(6, 2000))
    done = dict(run_tasks(partial(row, table), range(6), workers=workers))
    assert [done[n][0] for n in range(6)] == table.tolist()
    assert {done[n][1] for n in range(6)} == {workers == 1}  # workers share one file


def test_what_a_partial_holds_is_loaded_once_a_worker(rng):
    work = partial(where, rng.normal(size=100))
    done = [found for _, found in run_tasks(work, range(40), workers=2)]
    assert len(set(done)) == len({process for process, _ in done})


def test_no_room_for_what_workers_share(monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("joblib.dump", full)
    with pytest.raises(OutputError, match="TMPDIR"):
        list(run_tasks(partial(row, np.ones((2, 2))), range(2), workers=2))


@pytest.fixture
def cluster(tmp_path):
    """Start a scheduler and two workers as processes; give its address and the workers."""
    file, processes = tmp_path / "scheduler.json", []

    def start(*words):
        with (tmp_path / f"{len(processes)}.log").open("wb") as log:
            line = [sys.executable, "-m", "dask", *words, "--scheduler-file", str(file)]
            line += ["--host", "127.0.0.1", "--no-dashboard"]
            processes.append(subprocess.Popen(line, cwd=ROOT, stdout=log, stderr=log))

    try:
        start("scheduler", "--port", "0")
        for _ in range(2):
            start("worker", "--nthreads", "1", "--no-nanny", "--local-directory", str(tmp_path))
        deadline = time.monotonic() + 60
        while not file.is_file() or not file.read_text():
            assert time.monotonic() < deadline, (tmp_path / "0.log").read_text()
            time.sleep(0.05)
        yield json.loads(file.read_text())["address"], processes[1:]
    finally:
        for process in processes:
            process.kill()
        for process in processes:
            process.wait()


def test_a_cluster_gives_the_same_bytes_though_a_worker_dies(cluster, reference, query, tmp_path):
    address, workers = cluster
    config = Config(encoders=(("colour",),), draws=8, transport="always")
    killed = []

    def kill(phase, done, total):
        if phase.startswith("aligning") and 0 < done < total and not killed:
            client = _clients[address]
            busy = max(client.processing().items(), key=lambda item: len(item[1]))
            assert busy[1], "it must have work to lose"
            killed.append(client.run(os.getpid)[busy[0]])
            os.kill(killed[0], signal.SIGKILL)

    with on_cluster(address):
        _connect(address).wait_for_workers(2, timeout=60)
        there = run(reference, query, config, cache=Cache(tmp_path / "a"), progress=kill)
        assert os.environ[SCHEDULER] == address
    assert SCHEDULER not in os.environ
    (dead,) = [worker for worker in workers if worker.pid in killed]
    assert dead.wait() == -signal.SIGKILL
    here = run(reference, query, config, cache=Cache(tmp_path / "b"), workers=1)
    for name, result in (("there", there), ("here", here)):
        write_run(result, tmp_path / name)
    written = sorted(path.name for path in (tmp_path / "here").iterdir())
    assert "predictions.csv" in written
    for name in written:
        assert (tmp_path / "there" / name).read_bytes() == (tmp_path / "here" / name).read_bytes()


def test_errors_and_the_end_of_a_cluster(cluster, monkeypatch):
    address, workers = cluster
    with on_cluster(address):
        with pytest.raises(ValueError, match="task"):
            list(run_tasks(complain, [1, 2]))
        found = dict(run_tasks(partial(row, np.eye(3)), [2, 0, 1]))
        assert [found[n][0].index(1) for n in range(3)] == [2, 0, 1]
        monkeypatch.setattr(cluster_module, "PATIENCE", 1.0)
        for worker in workers:
            worker.kill()
        with pytest.raises(CellTransferError, match=r"has no workers?"):
            list(run_tasks(square, [1, 2]))


@pytest.mark.parametrize("address", ["tcp://127.0.0.1:1", "nonsense://", "nowhere.invalid:8786"])
def test_no_scheduler_at_an_address(address, drawn, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(cluster_module, "PATIENCE", 0.3)
    folders = ["--reference", drawn / "reference", "--query", drawn / "query"]
    words = ["run", *folders, "--out", tmp_path / "out", "--quiet", "--scheduler", address]
    assert main([*map(str, words)]) == MENDABLE
    assert f"no Dask scheduler at {address}" in capsys.readouterr().err
    assert SCHEDULER not in os.environ


def test_a_cluster_of_other_versions_is_refused():
    here = _installed()
    _check_versions("tcp://x:1", {"w": here})
    with pytest.raises(CellTransferError, match=r"numpy 0\.1 / .*install the same"):
        _check_versions("tcp://x:1", {"w": {**here, "numpy": "0.1"}})
    with pytest.raises(CellTransferError, match="in the project's folder"):
        _check_versions("tcp://x:1", {"w": ModuleNotFoundError("celltransfer_core")})
