"""The table of watched folders, on both databases."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from celltransfer_core.errors import StudyError
from celltransfer_core.studies import Workspace


def test_a_study_has_one_watched_folder(space, study):
    assert space.watched(study.id) is None
    made = space.watch(study.id, "/data/scope", "  Ann   Smith ")
    assert (made.folder, made.who, made.owner, made.checked) == (
        "/data/scope",
        "Ann Smith",
        None,
        None,
    )
    assert (made.added, made.arrived, made.problem) == (None, None, "")
    assert Workspace().watched(study.id) == made  # after a restart
    with pytest.raises(StudyError, match="/data/scope is already watched"):
        space.watch(study.id, "/data/other", "Bob")
    space.stop_watching(study.id)
    assert space.watched(study.id) is None
    space.stop_watching(study.id)  # as two people who press it at once
    assert space.watch(study.id, "/data/other", "Bob").folder == "/data/other"


def test_a_signed_study_can_be_watched(space, study):
    space.sign(study.id, "Ann")
    space.watch(study.id, "/data", "Ann")
    space.stop_watching(study.id)
    assert space.study(study.id).signed_by == "Ann"


def test_one_process_alone_becomes_the_owner(space, study):
    seen = space.watch(study.id, "/data", "Ann")
    with ThreadPoolExecutor(8) as pool:
        got = list(pool.map(lambda n: Workspace().own_watch(seen, f"server {n}"), range(8)))
    assert sum(got) == 1
    now = space.watched(study.id)
    assert now.owner == f"server {got.index(True)}"
    assert not space.own_watch(seen, "late")
    assert space.own_watch(now, "next")  # once the first is known to be dead
    assert not space.update_watch(now, now.owner, problem="late")
    assert space.update_watch(now, "next", problem="none", taken={"1.png": [3, 4]})
    after = space.watched(study.id)
    assert (after.problem, after.beat) == ("none", now.beat + 2)
    assert space.taken_files(after) == {"1.png": [3, 4]}
    assert not space.own_watch(now, "from an old row")


def test_the_owner_of_what_was_stopped_and_begun_again_stores_nothing(space, study, monkeypatch):
    first = space.watch(study.id, "/data", "Ann")
    assert space.own_watch(first, "server")
    space.stop_watching(study.id)
    assert not space.update_watch(first, "server")
    times = iter(["2026-05-01T00:00:00.000+00:00"] * 9)
    monkeypatch.setattr("celltransfer_core.studies.watch_list.now", lambda: next(times))
    second = space.watch(study.id, "/data", "Ann")
    assert space.own_watch(second, "server")
    assert not space.update_watch(first, "server")
    assert space.taken_files(second) == {}


def test_a_deleted_study_is_not_watched_until_it_is_back(space, study):
    watch = space.watch(study.id, "/data", "Ann")
    assert space.own_watch(watch, "server")
    space.delete(study.id)
    assert space.watches() == ()
    assert not space.update_watch(watch, "server")
    space.restore(study.id)
    assert [one.study for one in space.watches()] == [study.id]
    assert space.update_watch(watch, "server")


def test_it_goes_with_its_study_and_is_not_copied(space, study):
    space.watch(study.id, "/data", "Ann")
    copied = space.duplicate(study.id, "Copy")
    assert space.watched(copied.id) is None
    assert "/data" not in str(space.contents(study.id))
    space.delete(study.id)
    space.sweep(who="Ann")
    assert space.watched(study.id) is None
    with pytest.raises(StudyError, match="no longer exists"):
        space.watch(study.id, "/data", "Ann")
