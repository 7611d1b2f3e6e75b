"""Checks of watched folders: what is added and typed, and what goes wrong without being lost."""

import logging
import os
import shutil
import threading
from dataclasses import replace

import pytest

from celltransfer_core.errors import DataError, OutputError
from celltransfer_core.studies import Watcher, batches_of, bring_up_to, watching
from celltransfer_core.studies.owners import owner_of
from celltransfer_core.types import silent
from tests.studies.samples import png


@pytest.fixture
def folder(tmp_path, drawn):
    """A watched folder with four images of a slide and one beside it."""
    made = tmp_path / "microscope"
    (made / "slide 1").mkdir(parents=True)
    images = sorted((drawn / "reference").rglob("*.png"))
    for number, path in enumerate(images[:4]):
        shutil.copy(path, made / "slide 1" / f"{number}.png")
    shutil.copy(images[5], made / "loose.png")
    return made


def allowed(path):
    if not (found := watching.Path(path)).is_dir():
        raise DataError(f"{path} does not exist now.")
    return found


@pytest.fixture
def began(monkeypatch):
    """Run jobs at once in this process; keep what they were for."""
    asked = []

    def start(space, study, target):
        asked.append(target)
        job = space.add_job(study, target, "server")
        assert space.begin_job(job.id, "server", 1)
        bring_up_to(space, study, target, silent)
        space.end_job(space.job(job.id), "done", "")
        return space.job(job.id)

    monkeypatch.setattr(watching, "start", start)
    return asked


@pytest.fixture
def watcher(space):
    return Watcher(space, allowed)


def check(watcher, times=2):
    for _ in range(times):
        watcher.check()
    return watcher.workspace.watches()[0]


def cells(space, study):
    return {
        one.images.name: one.typed.query.n_cells if one.typed else None
        for one in batches_of(space, study)
    }


def test_files_are_added_and_typed_without_a_page(space, finished, folder, watcher, began):
    space.sign(finished, "Ann")
    space.watch(finished, str(folder), "Ann")
    first = check(watcher, 1)
    assert first.checked
    assert (first.added, began) == (None, [])  # they may still be changing
    found = check(watcher, 1)
    assert found.added["batches"] == {"microscope": 1, "slide 1": 4}
    assert (found.problem, began) == ("", ["batch"])
    assert cells(space, finished) == {"microscope": 1, "slide 1": 4}
    assert space.study(finished).signed_by == "Ann"
    after = check(watcher, 2)
    assert began == ["batch"]  # nothing new, nothing to type
    assert (after.added, after.problem) == (found.added, "")
    (folder / "slide 2").mkdir()
    shutil.copy(folder / "loose.png", folder / "slide 2" / "again.png")  # in the study already
    (folder / "slide 2" / "new.png").write_bytes(png(5, side=40))
    check(watcher)
    assert began == ["batch", "batch"]
    assert cells(space, finished)["slide 2"] == 1


def test_a_restart_adds_no_copies_and_brings_nothing_back(space, finished, folder, watcher, began):
    space.watch(finished, str(folder), "Ann")
    check(watcher)
    one = next(s for s in space.sets(finished, "batch") if s.name == "slide 1")
    space.remove_set(one.id)  # somebody did not want it
    began.clear()
    watch = space.watched(finished)
    assert {*space.taken_files(watch)} == {"loose.png", *(f"slide 1/{n}.png" for n in range(4))}
    check(Watcher(space, allowed), 3)
    assert cells(space, finished) == {"microscope": 1}
    assert began == []
    space.stop_watching(finished)  # begun anew, everything counts again
    space.watch(finished, str(folder), "Ann")
    check(Watcher(space, allowed), 2)
    assert cells(space, finished) == {"microscope": 1, "slide 1": 4}


@pytest.mark.parametrize("column", ["arrived", "taken"])
def test_what_a_killed_server_had_added_is_still_typed(
    space, finished, folder, watcher, began, column
):
    (folder / "loose.png").unlink()
    space.watch(finished, str(folder), "Ann")
    watcher.check()
    update = space.update_watch

    def killed(watch, owner, **values):
        if column in values or "taken" in values:
            raise KeyboardInterrupt
        return update(watch, owner, **values)

    space.update_watch = killed
    with pytest.raises(KeyboardInterrupt):
        watcher.check()
    del space.update_watch
    assert began == []
    found = check(Watcher(space, allowed), 2)
    assert began == ["batch"]
    assert found.problem == ""
    assert cells(space, finished) == {"slide 1": 4}


@pytest.mark.parametrize(
    ("alive", "silent_for", "taken"),
    [(True, 10, False), (None, 10, False), (False, 0, True), (None, 90, True), (True, 90, True)],
)
def test_two_servers_do_not_check_the_same(
    space, finished, folder, began, monkeypatch, alive, silent_for, taken
):
    space.watch(finished, str(folder), "Ann")
    assert space.own_watch(space.watched(finished), "another")
    monkeypatch.setattr(watching, "is_alive", lambda *_: alive)
    clock = [100.0]
    monkeypatch.setattr(watching.time, "monotonic", lambda: clock[0])
    watcher = Watcher(space, allowed)
    watcher.check()
    clock[0] += silent_for
    watcher.check()
    assert (space.watched(finished).owner != "another") == taken
    if not taken:
        assert space.update_watch(space.watched(finished), "another")  # a sign of life
        clock[0] += 59
        watcher.check()
        assert space.watched(finished).owner == "another"
        assert space.sets(finished, "batch") == ()


def test_who_lost_the_folder_meanwhile_stops_at_once(
    space, finished, folder, watcher, began, monkeypatch
):
    space.watch(finished, str(folder), "Ann")
    watcher.check()
    add_files = watching.add_files

    def slow(*given):
        assert space.own_watch(space.watched(finished), "another")
        yield from add_files(*given)

    monkeypatch.setattr(watching, "add_files", slow)
    watcher.check()
    found = space.watched(finished)
    assert (found.owner, found.added, began) == ("another", None, [])
    assert len(space.sets(finished, "batch")) == 1  # the part under way, and nothing after it


def test_a_folder_that_is_gone_says_so_and_comes_back(space, finished, folder, watcher, began):
    space.watch(finished, str(folder), "Ann")
    aside = folder.rename(folder.with_name("aside"))
    found = check(watcher)
    assert found.problem == f"{folder} does not exist now."
    assert found.checked
    aside.rename(folder)
    assert check(watcher).problem == ""
    assert cells(space, finished) == {"microscope": 1, "slide 1": 4}


def test_a_broken_image_is_left_out_with_the_reason(space, finished, folder, watcher, began):
    (folder / "slide 1" / "broken.png").write_bytes(b"\x89PNG and nothing more")
    space.watch(finished, str(folder), "Ann")
    found = check(watcher)
    assert found.problem == ""
    assert [*found.added["left_out"].values()] == [1]
    assert found.added["batches"]["slide 1"] == 4
    (folder / "slide 1" / "broken.png").write_bytes(png(9, side=30))  # sent again
    found = check(watcher)
    assert found.added["batches"] == {"slide 1": 1}
    assert cells(space, finished)["slide 1"] == 5


def test_cells_are_typed_again_once_a_table_names_their_slides(
    space, finished, folder, watcher, began
):
    space.watch(finished, str(folder), "Ann")
    check(watcher)
    table = folder / "slide 1" / "metadata.csv"
    table.write_text("file,slide\n0.png,S1\n")
    check(watcher)
    assert began == ["batch", "batch"]
    assert cells(space, finished) == {"microscope": 1, "slide 1": 4}
    (batch,) = (one for one in batches_of(space, finished) if one.images.name == "slide 1")
    assert "S1" in batch.typed.query.slide
    os.utime(table, ns=(0, 0))  # the same table again
    (folder / "slide 1" / "notes.txt").write_text("no image")
    check(watcher)
    assert began == ["batch", "batch"]


def test_one_bad_sub_folder_does_not_hold_up_the_others(space, finished, folder, watcher, began):
    (folder / ("x" * 130)).mkdir()
    (folder / ("x" * 130) / "1.png").write_bytes(png(3))
    space.watch(finished, str(folder), "Ann")
    found = check(watcher)
    assert "longer than 120 characters" in found.problem
    assert "The folder xxxx" in found.problem
    assert cells(space, finished) == {"microscope": 1, "slide 1": 4}
    (folder / ("x" * 130)).rename(folder / "x")
    assert check(watcher).problem == ""
    assert cells(space, finished)["x"] == 1


def test_cells_wait_until_the_study_is_typed_again(space, finished, folder, watcher, began):
    space.watch(finished, str(folder), "Ann")
    space.change_options(finished, encoders=[["shape"]])
    found = check(watcher, 3)
    assert "are not typed yet" in found.problem
    assert (space.sets(finished, "batch"), began) == ((), [])
    bring_up_to(space, finished, "classify", silent)
    assert check(watcher, 1).problem == ""
    assert cells(space, finished) == {"microscope": 1, "slide 1": 4}


def test_an_archived_study_waits_and_a_deleted_one_is_left(space, finished, folder, watcher, began):
    space.watch(finished, str(folder), "Ann")
    space.archive(finished)
    assert "is archived" in check(watcher, 3).problem
    assert space.sets(finished, "batch") == ()
    space.take_out(finished)
    space.delete(finished)
    watcher.check()
    space.restore(finished)
    assert check(watcher).problem == ""
    assert cells(space, finished) == {"microscope": 1, "slide 1": 4}


def test_a_study_deleted_while_files_are_added_takes_no_more(
    space, finished, folder, watcher, began, monkeypatch
):
    space.watch(finished, str(folder), "Ann")
    watcher.check()
    add_files = watching.add_files

    def deleting(*given):
        yield from add_files(*given)
        space.delete(finished)

    monkeypatch.setattr(watching, "add_files", deleting)
    watcher.check()
    assert watcher.unsaved == {}
    assert len(space.sets(finished, "batch")) == 1
    assert began == []


def test_cells_are_typed_after_the_job_that_runs(space, finished, folder, watcher, began):
    owner = owner_of(os.getpid())
    job = space.add_job(finished, "batch", owner)
    assert space.begin_job(job.id, owner, 1)
    space.watch(finished, str(folder), "Ann")
    found = check(watcher, 3)
    assert found.added["batches"] == {"microscope": 1, "slide 1": 4}
    assert (found.problem, began) == ("", [])
    space.end_job(space.job(job.id), "done", "")  # it began before they came
    check(watcher, 1)
    assert began == ["batch"]
    assert cells(space, finished) == {"microscope": 1, "slide 1": 4}


@pytest.mark.parametrize(
    ("state", "age", "again"),
    [("failed", 10, False), ("stopped", 900, True), ("cancelled", 900, False)],
)
def test_typing_that_failed_is_told_and_tried_again_later(
    space, finished, folder, watcher, monkeypatch, state, age, again
):
    asked = []

    def start(space, study, target):
        asked.append(target)
        job = space.add_job(study, target, "server")
        assert space.begin_job(job.id, "server", 1)
        space.end_job(space.job(job.id), state, "The machine ran out of memory.")
        return replace(space.job(job.id), state="queued")

    monkeypatch.setattr(watching, "start", start)
    space.watch(finished, str(folder), "Ann")
    check(watcher)
    assert asked == ["batch"]
    monkeypatch.setattr(watching, "_age", lambda _: age)
    found = check(watcher, 1)
    assert asked == ["batch"] * (2 if again else 1)
    assert found.problem == ("The machine ran out of memory." if state == "failed" else "")


def test_a_full_disk_loses_nothing(space, finished, folder, watcher, began, monkeypatch):
    space.watch(finished, str(folder), "Ann")
    watcher.check()
    full = OutputError("An image cannot be stored (No space left on device).")

    def fails(*given, **options):
        raise full

    with monkeypatch.context() as patch:
        patch.setattr(space, "receive", fails)
        assert check(watcher, 1).problem == str(full)
        patch.setattr(space, "update_watch", fails)  # not even the problem can be stored
        watcher.check()
        assert watcher.unsaved == {finished: str(full)}
    assert check(watcher, 1).problem == ""
    assert watcher.unsaved == {}
    assert cells(space, finished) == {"microscope": 1, "slide 1": 4}


def test_what_was_added_while_nothing_could_be_noted_is_noted_later(
    space, finished, folder, watcher, began, monkeypatch
):
    (folder / "loose.png").unlink()
    space.watch(finished, str(folder), "Ann")
    watcher.check()
    update = space.update_watch

    def fails(watch, owner, **values):
        if values:
            raise OutputError("The disk is full.")
        return update(watch, owner)

    with monkeypatch.context() as patch:
        patch.setattr(space, "update_watch", fails)
        watcher.check()
        assert watcher.unsaved == {finished: "The disk is full."}
        watcher.check()
    found = check(watcher, 2)
    assert (found.problem, began) == ("", ["batch"])
    assert cells(space, finished) == found.added["batches"] == {"slide 1": 4}
    assert {*space.taken_files(found)} == {f"slide 1/{n}.png" for n in range(4)}


def test_an_error_of_ours_is_told_and_ends_nothing(
    space, finished, folder, watcher, began, monkeypatch, caplog
):
    space.watch(finished, str(folder), "Ann")
    own = logging.Logger("own")  # libraries may have changed the level of all loggers
    own.addHandler(caplog.handler)
    monkeypatch.setattr(watching, "_log", own)
    with monkeypatch.context() as patch:
        patch.setattr(watching, "add_files", lambda *_: 1 / 0)
        found = check(watcher, 3)
    assert found.problem.startswith("Internal error (ZeroDivisionError")
    assert caplog.text.count("could not be checked") == 1  # not with every check
    assert check(watcher, 1).problem == ""
    assert cells(space, finished) == {"microscope": 1, "slide 1": 4}


def test_an_app_that_ends_stops_between_two_parts(space, finished, folder, began, monkeypatch):
    ended = threading.Event()
    watcher = Watcher(space, allowed, ended)
    space.watch(finished, str(folder), "Ann")
    watcher.check()
    add_files = watching.add_files

    def then_ended(*given):
        ended.set()
        yield from add_files(*given)

    monkeypatch.setattr(watching, "add_files", then_ended)
    watcher.check()
    assert len(space.sets(finished, "batch")) == 1
    assert began == []
