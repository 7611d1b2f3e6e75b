import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections import namedtuple

import pytest

from celltransfer_core.studies import (
    cancel,
    current_job,
    load_run,
    processes,
    run_job,
    start,
    states,
)


def wait(space, study, until):
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        job = current_job(space, study)
        if until(job):
            return job
        time.sleep(0.05)
    raise AssertionError(job)


def test_a_job_runs_in_a_process_of_its_own(space, drawn_study):
    job = start(space, drawn_study, "embed")
    assert job.pid not in (None, os.getpid())
    assert start(space, drawn_study).id == job.id  # one at a time
    assert states(space, drawn_study)["embed"] == "running"
    ended = wait(space, drawn_study, lambda job: not job.active)
    assert (ended.state, ended.message) == ("done", "")
    assert states(space, drawn_study)["embed"] == "done"


def test_a_killed_job_is_marked_and_can_go_on(space, drawn_study):
    start(space, drawn_study)
    running = wait(space, drawn_study, lambda job: job.phase.startswith("embedding"))
    os.kill(running.pid, signal.SIGKILL)
    stopped = wait(space, drawn_study, lambda job: not job.active)
    assert stopped.state == "stopped"
    assert "continue at any time" in stopped.message
    start(space, drawn_study)
    assert wait(space, drawn_study, lambda job: not job.active).state == "done"
    assert set(states(space, drawn_study).values()) == {"done"}


def test_a_job_can_be_cancelled(space, drawn_study):
    job = start(space, drawn_study)
    wait(space, drawn_study, lambda job: job.state == "running")
    cancel(space, job.id)
    ended = wait(space, drawn_study, lambda job: not job.active)
    assert ended.state == "cancelled"
    assert load_run(space, drawn_study) is None


def test_the_reason_of_a_failure_is_kept(space, drawn_study):
    space.change_options(drawn_study, encoders=[["dinosaur"]])
    run_job(space, space.add_job(drawn_study, "embed").id)
    ended = current_job(space, drawn_study)
    assert ended.state == "failed"
    assert "There is no encoder 'dinosaur'" in ended.message


@pytest.mark.parametrize(
    ("free", "reason"),
    [(0, "the disk of .* is full"), (10**9, "could not write down why, .* the disk was full")],
)
def test_a_job_that_met_a_full_disk_says_so(space, ready_study, monkeypatch, free, reason):
    ended = [sys.executable, "-c", "raise SystemExit(2)"]
    monkeypatch.setattr(processes, "_spawn", lambda *_: subprocess.Popen(ended))
    start(space, ready_study)
    usage = namedtuple("usage", "total used free")(10**9, 0, free)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage)
    stopped = wait(space, ready_study, lambda job: not job.active)
    assert stopped.state == "stopped"
    assert re.search(reason, stopped.message)
