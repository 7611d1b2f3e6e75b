"""The thread that checks watched folders, and which folders it may read."""

import asyncio
import logging
import os
import threading
import time

import pytest

from celltransfer_core.errors import DataError
from celltransfer_core.studies import Workspace
from celltransfer_core.web import (
    ROOTS,
    offered_folders,
    unsaved_problem,
    watch_folder,
    watch_folders,
    watchable,
    watched,
)


@pytest.fixture
def root(tmp_path, monkeypatch):
    made = tmp_path / "root"
    (made / "scope 1").mkdir(parents=True)
    (made / ".hidden").mkdir()
    monkeypatch.setenv(ROOTS, str(made))
    return made


@pytest.fixture(autouse=True)
def forgotten(monkeypatch):
    monkeypatch.setattr(watched, "_watchers", {})


def ours():
    return [one for one in threading.enumerate() if "_keep_checking" in one.name]


def test_roots_and_the_folders_in_them_are_offered(root, tmp_path, monkeypatch):
    (root / "file.png").write_bytes(b"")
    (root / "link").symlink_to(tmp_path)
    assert offered_folders() == (str(root), str(root / "scope 1"))
    monkeypatch.delenv(ROOTS)
    assert offered_folders() == ()


def test_only_a_folder_below_a_root_can_be_chosen(space, study, root, tmp_path):
    for path in (tmp_path, root / "none", root / ".." / "elsewhere"):
        with pytest.raises(DataError, match="may not be imported from"):
            watch_folder(space, study, str(path), "Ann")
    assert space.watched(study) is None
    made = watch_folder(space, study, f" {root / 'scope 1'}/ ", "Ann")
    assert made.folder == str(root / "scope 1")


def test_a_folder_says_why_it_cannot_be_read_now(root, tmp_path, monkeypatch):
    scope = root / "scope 1"
    assert watchable(str(scope)) == scope
    scope.rmdir()
    with pytest.raises(DataError, match="scope 1 does not exist now"):
        watchable(str(scope))
    scope.write_bytes(b"")
    with pytest.raises(DataError, match="scope 1 is no longer a folder"):
        watchable(str(scope))
    scope.unlink()
    scope.symlink_to(tmp_path)  # a link that leads out took its place
    with pytest.raises(DataError, match="no longer in a folder that may be imported from"):
        watchable(str(scope))
    scope.unlink()
    scope.mkdir()
    refused = PermissionError(13, "Permission denied")
    with monkeypatch.context() as patch:
        patch.setattr(os, "scandir", lambda _: (_ for _ in ()).throw(refused))
        with pytest.raises(DataError, match=r"scope 1 cannot be opened \(Permission denied\)"):
            watchable(str(scope))
    monkeypatch.setenv(ROOTS, str(tmp_path / "other"))
    with pytest.raises(DataError, match="so it is not read"):
        watchable(str(scope))


def test_a_root_whose_disk_is_not_connected_is_still_a_root(root):
    (root / "scope 1").rmdir()
    (root / ".hidden").rmdir()
    root.rmdir()
    with pytest.raises(DataError, match="its disk is not connected"):
        watchable(str(root / "scope 1"))


def until(true):
    end = time.monotonic() + 20
    while not true():
        assert time.monotonic() < end
        time.sleep(0.02)


def run_app(during):
    """Do something while the app runs, as its server does."""

    async def whole():
        async with watch_folders(None):
            await asyncio.to_thread(during)

    asyncio.run(whole())


def test_the_app_checks_while_it_runs_and_leaves_no_thread(space, study, root, monkeypatch):
    monkeypatch.setattr(watched, "EVERY", 0.02)
    watch_folder(space, study, str(root / "scope 1"), "Ann")

    def checked():
        (one,) = ours()
        assert one.daemon
        until(lambda: space.watched(study).checked)

    run_app(checked)
    assert ours() == []
    before = space.watched(study).beat
    time.sleep(0.1)
    assert space.watched(study).beat == before


def test_no_error_ends_the_checks(space, study, root, monkeypatch, caplog):
    monkeypatch.setattr(watched, "EVERY", 0.02)
    watch_folder(space, study, str(root / "scope 1"), "Ann")
    own = logging.Logger("own")  # libraries may have changed the level of all loggers
    own.addHandler(caplog.handler)
    monkeypatch.setattr(watched, "_log", own)
    failed = []
    watches = Workspace.watches

    def failing(self):
        if len(failed) < 5:
            failed.append(True)
            raise ValueError("not expected")
        return watches(self)

    monkeypatch.setattr(Workspace, "watches", failing)
    run_app(lambda: until(lambda: space.watched(study).checked))
    assert len(failed) == 5
    assert caplog.text.count("Watched folders cannot be checked: not expected") == 1


def test_a_disk_that_does_not_answer_does_not_hold_up_the_end(monkeypatch):
    monkeypatch.setattr(watched, "EVERY", 0.02)
    begun, answers = threading.Event(), threading.Event()

    def hangs(self):
        begun.set()
        answers.wait(30)

    monkeypatch.setattr(watched.Watcher, "check", hangs)
    moment = time.monotonic()
    run_app(begun.wait)
    assert time.monotonic() - moment < 10
    (left,) = ours()
    answers.set()
    left.join(10)
    assert ours() == []


def test_an_app_without_watched_folders_leaves_the_workspace_as_it_is(space, monkeypatch):
    monkeypatch.setattr(watched, "EVERY", 0.02)
    run_app(lambda: time.sleep(0.2))
    assert not (space.folder / "owners").exists()
    assert unsaved_problem(space, "none") == ""


def test_a_problem_that_cannot_be_stored_is_known_to_this_process(space, study, root, monkeypatch):
    monkeypatch.setattr(watched, "EVERY", 0.02)
    watch_folder(space, study, str(root / "scope 1"), "Ann")

    def fails(*given, **options):
        raise DataError("its disk is full")

    with monkeypatch.context() as patch:
        patch.setattr(Workspace, "update_watch", fails)
        run_app(lambda: until(lambda: unsaved_problem(space, study)))
    assert unsaved_problem(space, study) == "its disk is full"
    run_app(lambda: until(lambda: not unsaved_problem(space, study)))
