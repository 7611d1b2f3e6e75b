"""A job ends with all that it started, however deep it is in its work, and says why."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from celltransfer_core.studies import Workspace, cancel, current_job, processes, silence, start
from celltransfer_core.studies.owners import MARK, answer_for, end_all, is_alive, owner_of
from tests.studies.samples import begun, elsewhere, started_worker

LOOPS = ("holding", "native", "holding pool")


def wait_for(condition, seconds=30):
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    return found


class Worker:
    """A worker in the middle of a loop, and the processes that it started."""

    def __init__(self, space, study, log, loop):
        self.job = space.add_job(study, "embed").id
        self.process = started_worker(self.job, log, loop)
        lines = 3 if "pool" in loop else 1
        self.owner = owner_of(self.process.pid)
        words = wait_for(lambda: log.is_file() and (w := log.read_text().split())[:lines] and w)
        if lines > 1:
            words = wait_for(lambda: len(w := log.read_text().split()) == lines and w)
        self.all = [self.owner, *(owner_of(int(pid)) for pid in words[1:])]

    def living(self, folder):
        """List those that still live."""
        return [one for one in self.all if is_alive(one, folder)]


@pytest.fixture
def begin(space, study, tmp_path):
    """Begin a job with a loop."""
    made = []

    def make(loop):
        made.append(Worker(space, study.id, tmp_path / "log", loop))
        return made[-1]

    yield make
    for worker in made:
        end_all(worker.job)
        worker.process.wait()


@pytest.mark.parametrize("loop", LOOPS)
def test_cancel_ends_any_loop(space, study, begin, monkeypatch, loop):
    monkeypatch.setattr(processes, "GRACE", 0.5)
    worker = begin(loop)
    cancel(Workspace(), worker.job)  # of another server: it is not this one's child
    wait_for(lambda: not current_job(space, study.id).active, 10)
    assert space.job(worker.job).state == "cancelled"
    worker.process.wait(10)
    wait_for(lambda: not worker.living(space.folder), 10)


def test_a_cancelled_loop_ends_though_nobody_looks(space, begin):
    worker = begin("deaf")
    space.ask_to_cancel(worker.job)
    assert worker.process.wait(10) == 1
    assert space.job(worker.job).state == "cancelled"


def test_what_a_killed_job_started_ends_though_nobody_looks(space, begin):
    worker = begin("pool")
    worker.process.kill()
    worker.process.wait()
    wait_for(lambda: not worker.living(space.folder), 10)


def test_what_a_killed_job_started_is_ended_by_whoever_looks(space, study, begin):
    worker = begin("holding pool")
    worker.process.kill()
    worker.process.wait()
    assert current_job(space, study.id).state == "stopped"
    wait_for(lambda: not worker.living(space.folder), 5)


def test_nobody_elses_process_is_ended(begin):
    worker = begin("60")
    waits, theirs = [sys.executable, "-c", "input()"], {**os.environ, MARK: "another"}
    with subprocess.Popen(waits, stdin=subprocess.PIPE, env=theirs) as other:
        assert end_all("a job that is not") == 0
        assert end_all(worker.job) == 1
        assert other.poll() is None
        other.kill()


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        ("echo 'ModuleNotFoundError: No module named numpy' >&2; exit 1", "No module named numpy"),
        ("echo 'celltransfer: The workspace cannot be opened.' >&2; exit 2", "cannot be opened"),
        ("kill -9 $$", "memory"),
        ("kill -11 $$", "SIGSEGV"),
    ],
    ids=["library", "workspace", "memory", "crash"],
)
def test_a_process_that_dies_says_why(space, ready_study, tmp_path, monkeypatch, words, reason):
    program = tmp_path / "python"
    program.write_text(f"#!/bin/sh\n{words}\n")
    program.chmod(0o755)
    monkeypatch.setattr(processes.sys, "executable", str(program))
    start(space, ready_study)
    wait_for(lambda: not current_job(space, ready_study).active)
    ended = current_job(space, ready_study)
    assert ended.state == "stopped"
    assert reason in ended.message
    assert not list(space.folder.glob("results/*/job-*"))


def test_a_process_keeps_a_file_locked_while_it_lives(tmp_path, monkeypatch):
    monkeypatch.setattr("celltransfer_core.studies.owners._machine", lambda: "another")
    script = "import sys; from pathlib import Path; from celltransfer_core.studies import owners\n"
    script += "owners._machine = lambda: 'one'\n"
    script += "print(owners.answer_for(Path(sys.argv[1])), flush=True); input()"
    with subprocess.Popen(
        [sys.executable, "-c", script, tmp_path],
        cwd=Path(__file__).parents[2],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        owner = process.stdout.readline().strip()
        assert is_alive(owner, tmp_path)
        answer_for(tmp_path)  # clears what dead processes left; this one is not
        assert is_alive(owner, tmp_path)
        process.send_signal(signal.SIGKILL)
    assert is_alive(owner, tmp_path) is False
    assert is_alive(owner, tmp_path) is None  # its file is gone too
    assert len(list((tmp_path / "owners").iterdir())) == 1


def test_silence_is_counted_from_the_last_sign(space, study):
    job = begun(space, study.id, elsewhere())
    assert silence(job) < 1
    time.sleep(0.2)
    assert silence(space.job(job.id)) >= 0.2
    space.update_job(job.id, job.owner)
    assert silence(space.job(job.id)) < 0.2
