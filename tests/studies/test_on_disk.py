"""What was acknowledged outlives a power cut: it is brought to the disk, in the right order."""

import os
import shutil
from pathlib import Path

import pytest
from sqlalchemy import text

from celltransfer_core.data import stored_at
from celltransfer_core.errors import OutputError
from celltransfer_core.runtime import files as files_module, write_atomically
from celltransfer_core.studies import Workspace, save_result
from celltransfer_core.studies.owners import answer_for
from tests.studies.samples import png


@pytest.fixture
def done(monkeypatch):
    """What is done to files, in this order: (what, path)."""
    seen, fsync, replace = [], os.fsync, Path.replace

    def synced(handle):
        path = Path(f"/proc/self/fd/{handle}").readlink()
        seen.append(("folder" if path.is_dir() else "file", path))
        fsync(handle)

    def replaced(self, target):
        seen.append(("place", Path(target)))
        return replace(self, target)

    monkeypatch.setattr(os, "fsync", synced)
    monkeypatch.setattr(Path, "replace", replaced)
    return seen


@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="needs /proc")
class TestOrder:
    def test_a_result(self, space, study, done):
        path = space.result_path(study.id, "embed", "1")
        save_result(path, "result")
        *folders, (first, beside), (then, place), (last, folder) = done
        assert (first, then, last) == ("file", "place", "folder")
        assert beside.parent == folder == path.parent
        assert place == path
        assert folders == [("folder", path.parent.parent)]  # where the new folder's name lies

    def test_images(self, space, query_set, done):
        space.receive(query_set.id, [(f"{n}.png", png(n)) for n in range(20)])
        steps = [what for what, path in done if path != space.images]
        placed = [path for what, path in done if what == "place"]
        assert steps[:40] == ["file"] * 20 + ["place"] * 20
        assert len({*placed}) == 20
        of = {path.parent for path in placed}
        assert {path for what, path in done[-len(of) :] if what == "folder"} == of
        assert len(steps) == 40 + len(of)  # each folder once

    def test_a_decision(self, space, study):
        with space._engine.connect() as connection:
            settings = {
                name: connection.execute(text(f"PRAGMA {name}")).scalar()
                for name in ("journal_mode", "synchronous")
            }
        assert settings == {"journal_mode": "wal", "synchronous": 2}  # FULL: each commit is synced


def test_a_disk_that_fails_to_sync_is_no_success(space, query_set, monkeypatch):
    def fail(handle):
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(files_module.os, "fsync", fail)
    with pytest.raises(OutputError, match="Input/output error"):
        write_atomically(space.folder / "a.txt", b"x")
    with pytest.raises(OutputError, match="Input/output error"):
        space.receive(query_set.id, [("1.png", png(1))])
    assert space.known_files(query_set.id) == {}
    assert not [path for path in space.images.rglob("*") if path.is_file()]


def test_an_image_that_comes_twice_at_once_is_stored_once(space, query_set):
    space.receive(query_set.id, [("1.png", png(1)), ("2.png", png(1))])
    names = [path for path in space.images.rglob("*") if path.is_file()]
    (sha,) = {*space.known_files(query_set.id).values()}
    assert names == [stored_at(space.images, sha)]


PRIVATE = 0o077


@pytest.mark.skipif(os.name == "nt", reason="Windows has other rights")
class TestPrivate:
    def open_to_others(self, folder):
        return {
            str(path.relative_to(folder.parent))
            for path in (folder, *folder.rglob("*"))
            if path.lstat().st_mode & PRIVATE
        }

    def test_all_that_is_kept(self, space, finished):
        space.decide(finished, "match", {}, "Ann")
        answer_for(space.folder)
        assert len(space.secret) == 64
        assert not self.open_to_others(space.folder)
        assert len([*space.folder.rglob("*")]) > 40

    def test_what_an_earlier_version_left_open(self, finished_folder, tmp_path):
        shutil.copytree(finished_folder, tmp_path / "home")
        for path in (tmp_path / "home", *(tmp_path / "home").rglob("*")):
            path.chmod(0o755 if path.is_dir() else 0o644)
        (tmp_path / "elsewhere").write_text("")
        (tmp_path / "elsewhere").chmod(0o644)
        (tmp_path / "home" / "cache" / "link").symlink_to(tmp_path / "elsewhere")
        Workspace(tmp_path / "home", f"sqlite:///{tmp_path / 'home' / 'studies.sqlite'}")
        (tmp_path / "home" / "cache" / "link").unlink()
        assert not self.open_to_others(tmp_path / "home")
        assert (tmp_path / "elsewhere").stat().st_mode & PRIVATE

    def test_files_elsewhere_are_as_open_as_their_folder(self, tmp_path):
        tmp_path.chmod(0o755)
        before = os.umask(0o022)
        try:
            path = write_atomically(tmp_path / "new" / "a.csv", b"x")
        finally:
            os.umask(before)
        assert path.stat().st_mode & 0o777 == 0o644
        assert path.parent.stat().st_mode & 0o777 == 0o755
