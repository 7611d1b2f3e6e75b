"""A job that nobody works on is ended, by whoever looks, by Cancel and by a new start."""

import os
import signal
import subprocess
import sys
import time
from contextlib import contextmanager

import pytest
from sqlalchemy import update

from celltransfer_core.errors import OutputError
from celltransfer_core.studies import (
    Workspace,
    cancel,
    current_job,
    job_process,
    owners,
    processes,
    run_job,
    start,
)
from celltransfer_core.studies.database import JobRow
from celltransfer_core.studies.engine import writing
from celltransfer_core.studies.owners import interrupt, is_alive, owner_of
from tests.studies.samples import begun, dead_owner, elsewhere, started_worker


def full(*_, **__):
    raise OutputError("is the disk full?")


def wait_for(condition, seconds=30):
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    return found


@contextmanager
def locked(space):
    """Keep others from writing jobs, as a backup or another program may."""
    with writing(space._engine).connect() as connection, connection.begin():
        connection.execute(update(JobRow).values(message="locked"))
        yield
        connection.rollback()


@pytest.fixture
def unseen(monkeypatch):
    """Owners of this machine look like those of another one, from now on."""
    return lambda: monkeypatch.setattr(owners, "_machine", lambda: "another/machine")


@pytest.fixture
def worker(space, study, tmp_path):
    """A worker process in the middle of a job."""
    job = space.add_job(study.id, "embed")
    process = started_worker(job.id, tmp_path / "log", 120)
    wait_for((tmp_path / "log").is_file)
    yield process
    process.kill()
    process.wait()


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (None, "No such file or directory: '/nowhere/python'"),
        (BlockingIOError(11, "Resource temporarily unavailable"), "temporarily unavailable"),
        (MemoryError(), "MemoryError"),
    ],
)
def test_a_process_that_cannot_be_made_is_told(space, ready_study, monkeypatch, error, said):
    def fork(*_, **__):
        raise error

    monkeypatch.setattr(processes.sys, "executable", "/nowhere/python")
    if error:
        monkeypatch.setattr(processes.subprocess, "Popen", fork)
    job = start(space, ready_study)
    assert job.state == "failed"
    assert "could not be started" in job.message
    assert said in job.message
    assert not current_job(space, ready_study).active


def test_a_job_whose_server_was_killed_before_its_process_began_is_taken_over(
    space, ready_study, spawned
):
    left = space.add_job(ready_study, "embed")  # nobody's, as of an earlier version
    assert current_job(space, ready_study).state == "queued"
    assert start(Workspace(), ready_study).id == left.id
    assert [command[-1] for command in spawned] == [left.id]
    assert is_alive(space.job(left.id).owner, space.folder)


def test_a_job_that_nobody_takes_is_given_up(space, study, monkeypatch):
    left = space.add_job(study.id, "embed")
    assert current_job(space, study.id).active
    monkeypatch.setattr(processes, "STARTING", -1.0)
    stopped = current_job(space, study.id)
    assert (stopped.state, space.job(left.id).state) == ("stopped", "stopped")
    assert space.add_job(study.id, "embed").id != left.id


@pytest.mark.parametrize("state", ["queued", "running"])
def test_a_dead_owner_is_found_out_at_once(space, study, state):
    if state == "running":
        begun(space, study.id, dead_owner())
    else:
        space.add_job(study.id, "embed", dead_owner())
    ended = current_job(space, study.id)
    assert (ended.state, ended.active) == ("stopped", False)
    assert "continue at any time" in ended.message


def test_a_later_process_with_the_same_number_is_not_taken_for_the_owner(tmp_path):
    machine, pid, began = owner_of(os.getpid()).rsplit(":", 2)
    assert is_alive(f"{machine}:{pid}:{began}", tmp_path)
    assert not is_alive(f"{machine}:{pid}:1{began}", tmp_path)
    assert is_alive(elsewhere(), tmp_path) is None
    assert not interrupt(elsewhere())


def test_signs_of_life_count_whatever_the_clock_says(space, study, monkeypatch):
    job = begun(space, study.id, elsewhere())
    monkeypatch.setattr(processes, "SILENCE", 0.2)
    for moment in (1e9, 5e8, 2e9):  # the clock is turned back, and forth
        monkeypatch.setattr("time.time", lambda at=moment: at)
        time.sleep(0.1)
        assert space.update_job(job.id, job.owner).beat > job.beat
        assert current_job(space, study.id).active
    time.sleep(0.3)
    assert current_job(space, study.id).state == "stopped"


def test_a_killed_worker_is_found_out_by_another_server(space, study, worker):
    assert current_job(space, study.id).state == "running"
    worker.send_signal(signal.SIGKILL)  # and nobody waits for it: it stays a zombie
    assert wait_for(lambda: not current_job(space, study.id).active, 15)
    assert current_job(space, study.id).state == "stopped"


def test_a_worker_that_hangs_is_killed_after_cancel(space, study, worker, monkeypatch):
    monkeypatch.setattr(processes, "GRACE", 0.5)
    worker.send_signal(signal.SIGSTOP)
    job = current_job(space, study.id)
    cancel(space, job.id)
    wait_for(lambda: not current_job(space, study.id).active)
    assert space.job(job.id).state == "cancelled"
    assert worker.wait(10) == -signal.SIGKILL


def test_cancel_ends_the_work_also_on_a_full_disk(space, study, worker, monkeypatch):
    job = current_job(space, study.id)
    monkeypatch.setattr(space, "ask_to_cancel", full)
    cancel(space, job.id)
    worker.wait(10)
    assert current_job(space, study.id).state == "cancelled"


@pytest.mark.parametrize("owner", [None, "here", "dead", "elsewhere"])
@pytest.mark.parametrize("state", ["queued", "running"])
def test_cancel_ends_a_job_of_any_state(space, study, state, owner):
    name = {"here": owner_of(os.getpid()), "dead": dead_owner(), "elsewhere": elsewhere()}.get(
        owner
    )
    if state == "running":
        begun(space, study.id, name) if name else pytest.skip("a job that runs has an owner")
    else:
        space.add_job(study.id, "embed", name)
    (job,) = space.jobs(study.id)
    cancel(space, job.id)
    found = space.job(job.id)
    if (state, owner) == ("running", "here"):  # it ends by itself
        assert (found.state, found.cancel) == ("running", True)
        return
    assert found.state == "cancelled"
    cancel(space, job.id)  # nothing more to do
    assert space.job(job.id) == found
    assert space.add_job(study.id, "embed").id != job.id


def test_a_dead_job_is_told_also_where_nothing_can_be_written(space, study, monkeypatch):
    job = begun(space, study.id, dead_owner())
    monkeypatch.setattr(space, "end_job", full)
    assert current_job(space, study.id).state == "stopped"
    assert space.job(job.id).state == "running"
    space.ask_to_cancel(job.id)
    assert current_job(space, study.id).state == "cancelled"


def test_failed_beats_and_reports_do_not_end_the_work(space, study, monkeypatch):
    monkeypatch.setattr(job_process, "BEAT", 0.02)
    beats, update = [], space.update_job

    def fails_at_first(*arguments, **values):
        beats.append(values)
        return full() if len(beats) < 11 else update(*arguments, **values)

    def work(workspace, study, target, progress):
        progress("embedding", 0, 1)
        wait_for(lambda: len(beats) > 13)

    monkeypatch.setattr(space, "update_job", fails_at_first)
    monkeypatch.setattr("celltransfer_core.studies.work.bring_up_to", work)
    run_job(space, space.add_job(study.id, "embed").id)
    assert current_job(space, study.id).state == "done"


def test_the_end_of_a_job_is_written_once_there_is_room(space, study, monkeypatch):
    ends, end = [], space.end_job

    def fails_at_first(*arguments):
        ends.append(arguments)
        return full() if len(ends) == 1 else end(*arguments)

    monkeypatch.setattr(space, "end_job", fails_at_first)
    monkeypatch.setattr("celltransfer_core.studies.work.bring_up_to", full)
    run_job(space, space.add_job(study.id, "embed").id)
    ended = current_job(space, study.id)
    assert (ended.state, ended.message) == ("failed", "is the disk full?")


def test_a_job_begins_once_the_workspace_can_be_written(space, study, monkeypatch):
    monkeypatch.setattr(job_process, "_PAUSES", (0.01,) * 10)
    begins, begin = [], space.begin_job

    def fails_at_first(*arguments):
        begins.append(arguments)
        return full() if len(begins) < 10 else begin(*arguments)

    monkeypatch.setattr(space, "begin_job", fails_at_first)
    monkeypatch.setattr("celltransfer_core.studies.work.bring_up_to", lambda *_: None)
    run_job(space, space.add_job(study.id, "embed").id)
    assert current_job(space, study.id).state == "done"


def test_a_job_begins_also_where_it_cannot_be_handed_over(space, ready_study, spawned, monkeypatch):
    monkeypatch.setattr(space, "hand_over", full)
    job = start(space, ready_study)
    assert (job.state, job.owner) == ("queued", owner_of(os.getpid()))
    assert start(space, ready_study).id == job.id
    assert len(spawned) == 1
    assert space.begin_job(job.id, dead_owner(), 1)  # as its process does


def test_a_job_of_another_machine_is_alive_while_it_keeps_its_file_locked(
    space, study, worker, unseen, monkeypatch
):
    unseen()
    monkeypatch.setattr(processes, "SILENCE", -1.0)
    with locked(space):
        for _ in range(10):  # no sign of life can be written meanwhile
            assert current_job(space, study.id).state == "running"
            time.sleep(0.1)
    assert space.add_job(study.id, "embed").id == space.jobs(study.id)[0].id  # no second one
    worker.kill()
    worker.wait()
    assert current_job(space, study.id).state == "stopped"


def test_a_sign_of_life_at_the_last_moment_counts(space, study):
    job = begun(space, study.id, elsewhere())
    space.update_job(job.id, job.owner)
    assert not space.end_job(job, "stopped", "", silent=True)
    assert space.end_job(space.job(job.id), "stopped", "", silent=True)


def test_a_server_that_starts_a_job_is_never_killed(space, study, monkeypatch):
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as server:
        space.add_job(study.id, "embed", owner_of(server.pid))
        assert current_job(space, study.id).active
        monkeypatch.setattr(processes, "STARTING", -1.0)
        ended = current_job(space, study.id)
        assert (ended.state, server.poll()) == ("stopped", None)
        assert "did not start" in ended.message
        server.kill()


def test_a_job_of_a_clock_that_was_set_back_is_the_newest(space, study, monkeypatch):
    first = space.add_job(study.id, "embed")
    space.end_job(first, "failed", "")
    monkeypatch.setattr("celltransfer_core.studies.work_list.now", lambda: "2001-01-01T00:00:00Z")
    second = space.add_job(study.id, "embed")
    assert [job.id for job in space.jobs(study.id)] == [second.id, first.id]


def test_a_job_ends_when_its_study_is_deleted(space, study, worker):
    space.delete(study.id)
    assert worker.wait(30) == 0
    assert space.jobs(study.id)[0].state == "cancelled"
    assert space.sweep().studies == 1


def test_a_dead_job_does_not_keep_a_deleted_study(space, study):
    begun(space, study.id, dead_owner())
    space.delete(study.id)
    assert space.sweep().studies == 1
