"""A job is taken by one process alone."""

import os
import sqlite3
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy.exc import OperationalError

from celltransfer_core.errors import OutputError
from celltransfer_core.studies import Workspace, cancel, current_job, run_job, start
from celltransfer_core.studies.owners import owner_of
from celltransfer_core.studies.work_list import Cancelled, Reporter
from tests.studies.samples import begun, dead_owner, elsewhere, started_worker

CLICKS = 8


def at_once(work):
    """Do work in several threads at the same moment; return what each gave."""
    ready = threading.Barrier(CLICKS)

    def one(number):
        space = Workspace()
        ready.wait()
        return work(space, number)

    with ThreadPoolExecutor(CLICKS) as pool:
        return list(pool.map(one, range(CLICKS)))


def test_many_clicks_start_one_process(space, ready_study, spawned):
    jobs = at_once(lambda space, _: start(space, ready_study))
    assert len({job.id for job in jobs}) == 1
    assert len(spawned) == 1
    assert len(space.jobs(ready_study)) == 1


def test_of_many_who_take_a_job_one_alone_gets_it(space, study):
    owners = at_once(lambda space, n: space.add_job(study.id, "embed", f"here:{n}:0").owner)
    assert len(set(owners)) == 1
    (job,) = (job.id for job in space.jobs(study.id))
    assert sum(at_once(lambda space, n: space.begin_job(job, f"there:{n}:0", n))) == 1
    assert space.job(job).owner == f"there:{space.job(job).pid}:0"


def test_two_workers_run_a_job_once(space, study, tmp_path):
    job = space.add_job(study.id, "embed")
    log = tmp_path / "log"
    workers = [started_worker(job.id, log, 0.2) for _ in range(2)]
    assert [worker.wait(60) for worker in workers] == [0, 0]
    assert log.read_text() == "began\n"
    assert current_job(space, study.id).state == "done"


def test_a_second_server_leaves_a_job_to_the_first(space, ready_study, spawned):
    job = space.add_job(ready_study, "embed", owner_of(os.getppid()))  # of a server that lives
    assert start(Workspace(), ready_study).id == job.id
    assert spawned == []


def test_a_job_of_a_dead_server_is_begun_anew(space, ready_study, spawned):
    job = space.add_job(ready_study, "embed", dead_owner())
    other = start(Workspace(), ready_study)
    assert other.id != job.id
    assert space.job(job.id).state == "stopped"
    assert len(spawned) == 1


def test_a_worker_that_lost_its_job_ends_and_changes_nothing(space, study):
    job = begun(space, study.id, elsewhere())
    report = Reporter(space, job.id, job.owner)
    report("embedding", 1, 10)
    cancel(space, job.id)  # it cannot be asked from here
    with pytest.raises(Cancelled):
        report("matching", 0, 1)
    assert space.update_job(job.id, job.owner) is None
    assert not space.end_job(job, "done", "")
    assert (space.job(job.id).state, space.job(job.id).phase) == ("cancelled", "embedding")


def test_a_job_that_was_ended_before_it_began_is_not_run(space, study, monkeypatch):
    job = space.add_job(study.id, "embed")
    cancel(space, job.id)
    monkeypatch.setattr("celltransfer_core.studies.work.bring_up_to", None)
    run_job(space, job.id)
    assert space.job(job.id).state == "cancelled"


def test_a_transaction_that_met_another_is_done_again(space, study, database):
    if database == "sqlite":
        pytest.skip("SQLite has one writer at a time: no deadlocks")
    first, second = (space.create(name).id for name in ("one", "two"))
    locked = threading.Barrier(2)
    met = []

    def change(names):
        def work(session):
            met.append(names)
            space._touch(session, names[0])
            if len(met) <= 2:
                locked.wait()
            space._touch(session, names[1])

        Workspace()._transact(work)

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(change, [(first, second), (second, first)]))
    assert len(met) == 3  # PostgreSQL ended one of the two, and it was done again


def test_other_failures_of_the_database_are_told(space):
    def work(session):
        raise OperationalError("", {}, sqlite3.OperationalError("database or disk is full"))

    with pytest.raises(OutputError, match="disk is full"):
        space._transact(work)
