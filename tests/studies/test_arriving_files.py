"""Files of a folder on their way into batches: when they are taken, and what is not read."""

import os

import pytest

from celltransfer_core.data.images import MAX_BYTES
from celltransfer_core.errors import OutputError, StudyError
from celltransfer_core.studies import Arrivals, add_files, arriving_files, batches_of
from tests.studies.samples import png


@pytest.fixture
def folder(tmp_path):
    made = tmp_path / "microscope"
    (made / "slide 1").mkdir(parents=True)
    (made / "slide 1" / "1.png").write_bytes(png(1))
    (made / "2.png").write_bytes(png(2))
    return made


def added(space, study, folder, name="June", only=None):
    return [*add_files(space, study, folder, name, only)]


def test_a_file_is_taken_once_it_no_longer_changes(folder):
    arrivals = Arrivals(folder)
    assert arrivals.look() == {}
    (folder / "2.png").write_bytes(png(2)[:20])  # still being written
    settled = arrivals.look()
    assert [*settled] == ["slide 1/1.png"]
    assert arrivals.batches(settled) == {"slide 1": {"1.png": settled["slide 1/1.png"]}}
    arrivals.settle("slide 1", {"1.png": settled["slide 1/1.png"]})
    assert [*arrivals.look()] == ["2.png"]
    (folder / "slide 1" / "1.png").write_bytes(png(7, side=20))  # replaced later
    assert [*arrivals.look()] == ["2.png"]
    assert [*arrivals.look()] == ["2.png", "slide 1/1.png"]


def test_files_that_are_gone_are_forgotten(folder):
    arrivals = Arrivals(folder)
    arrivals.look()
    for head, files in arrivals.batches(arrivals.look()).items():
        arrivals.settle(head, files)
    assert {*arrivals.done} == {"slide 1/1.png", "2.png"}
    (folder / "2.png").unlink()
    arrivals.look()
    arrivals.unread = ["slide 2 cannot be opened (Permission denied)"]
    arrivals.forget_gone()
    assert {*arrivals.done} == {"slide 1/1.png", "2.png"}  # it may only be out of reach
    arrivals.look()
    arrivals.forget_gone()
    assert {*arrivals.done} == {"slide 1/1.png"}


def test_hidden_files_and_links_that_lead_out_are_not_followed(folder, tmp_path):
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "secret.png").write_bytes(png(9))
    (folder / ".hidden.png").write_bytes(png(3))
    (folder / "slide 2").symlink_to(outside)
    (folder / "link.png").symlink_to(outside / "secret.png")
    arrivals = Arrivals(folder)
    arrivals.look()
    assert {*arrivals.seen} == {"slide 1/1.png", "2.png", "link.png"}
    own = (folder / "link.png").lstat()
    assert arrivals.seen["link.png"] == (own.st_size, own.st_mtime_ns)  # not those of the target


def test_a_link_that_leads_out_is_not_read(space, finished, folder, tmp_path):
    (tmp_path / "secret.png").write_bytes(png(9))
    (folder / "link.png").symlink_to(tmp_path / "secret.png")
    parts = added(space, finished, folder)
    assert sum(part.cells for part in parts) == 2
    assert sum(sum(part.left_out.values()) for part in parts) == 1
    (batch,) = batches_of(space, finished)
    assert space.known_files(batch.images.id)["link.png"] == ""


def test_a_file_that_a_link_replaced_meanwhile_is_not_read(space, finished, folder, monkeypatch):
    (folder.parent / "secret.png").write_bytes(png(9))
    found = arriving_files.find_files

    def then_replaced(root):
        names = found(root)
        (folder / "2.png").unlink()
        (folder / "2.png").symlink_to(folder.parent / "secret.png")
        return names

    monkeypatch.setattr(arriving_files, "find_files", then_replaced)
    added(space, finished, folder)
    (batch,) = batches_of(space, finished)
    assert {*space.known_files(batch.images.id)} == {"slide 1/1.png"}


def test_a_file_that_changed_since_the_look_is_left_for_the_next(space, finished, folder):
    arrivals = Arrivals(folder)
    arrivals.look()
    files = arrivals.batches(arrivals.look())[""]
    (folder / "2.png").write_bytes(png(2) + b"\0")
    (folder / "3.png").write_bytes(png(3))  # arrived meanwhile
    parts = added(space, finished, folder, only=files)
    assert [part.files for part in parts] == [{}]
    assert sum(part.cells for part in parts) == 0


def test_many_files_are_added_part_by_part(space, finished, folder, monkeypatch):
    monkeypatch.setattr(arriving_files, "_AT_ONCE", 4)
    for number in range(10, 19):
        (folder / f"{number}.png").write_bytes(png(number))
    arrivals = Arrivals(folder)
    arrivals.look()
    parts = added(space, finished, folder, only=arrivals.batches(arrivals.look())[""])
    assert [part.cells for part in parts] == [4, 4, 2]
    assert [len(part.files) for part in parts] == [4, 4, 2]
    again = added(space, finished, folder)
    assert sum(part.cells for part in again) == 1  # only the one in the sub-folder is new
    assert len(batches_of(space, finished)) == 1


def test_files_that_cannot_be_used_are_told(space, finished, folder):
    (folder / "broken.png").write_bytes(b"no image")
    (folder / "notes.txt").write_text("x")
    with (folder / "large.png").open("wb") as file:
        file.truncate(MAX_BYTES + 1)  # not read: it would not fit into memory
    (part,) = added(space, finished, folder)
    assert part.cells == 2
    assert sum(part.left_out.values()) == 3
    assert any("over" in reason for reason in part.left_out)


def test_what_cannot_be_opened_is_said(folder, monkeypatch):
    scandir = os.scandir

    def refusing(path):
        if str(path).endswith("slide 1"):
            raise PermissionError(13, "Permission denied", str(path))
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refusing)
    arrivals = Arrivals(folder)
    arrivals.look()
    assert arrivals.unread == ["slide 1 cannot be opened (Permission denied)"]
    assert {*arrivals.seen} == {"2.png"}


def test_a_file_that_cannot_be_read_is_tried_again(space, finished, folder, monkeypatch):
    read = arriving_files.Path.read_bytes

    def failing(path):
        if path.name == "2.png":
            raise PermissionError(13, "Permission denied")
        return read(path)

    monkeypatch.setattr(arriving_files.Path, "read_bytes", failing)
    arrivals = Arrivals(folder)
    arrivals.look()
    (part,) = added(space, finished, folder, only=arrivals.batches(arrivals.look())[""])
    assert dict(part.unread) == {"Permission denied": 1}
    assert part.files == {}


@pytest.mark.parametrize("again", ["", " and run again"])
def test_a_full_disk_is_told_with_what_to_do_and_loses_nothing(
    space, finished, folder, monkeypatch, again
):
    def full(path, data):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(arriving_files.Path, "write_bytes", full)
        with pytest.raises(OutputError, match=r"\(No space left on device\)") as told:
            list(add_files(space, finished, folder, "June", again=again))
    assert str(told.value).endswith(f"that the folder is writable{again}.")
    assert sum(part.cells for part in added(space, finished, folder)) == 2


def test_a_batch_begins_with_its_first_image(space, finished, tmp_path):
    (tmp_path / "metadata.csv").write_text("file,slide\n1.png,S1\n")
    (tmp_path / "notes.txt").write_text("x")
    arrivals = Arrivals(tmp_path)
    arrivals.look()
    (part,) = added(space, finished, tmp_path, only=arrivals.batches(arrivals.look())[""])
    assert {*part.files} == {"notes.txt"}  # the table waits for its images
    assert batches_of(space, finished) == ()
    (tmp_path / "1.png").write_bytes(png(1))
    added(space, finished, tmp_path)
    (batch,) = batches_of(space, finished)
    assert space.dataset(batch.images).slide == ("S1",)


def test_cells_that_the_study_has_make_no_batch_and_lose_no_table(
    space, finished, tmp_path, drawn, monkeypatch
):
    monkeypatch.setattr(arriving_files, "_AT_ONCE", 1)
    here = tmp_path / "slides of the query"
    here.mkdir()
    (here / "metadata.csv").write_text("file,slide\nnew.png,S1\n")
    (here / "notes.txt").write_text("x")
    old = next((drawn / "query").rglob("*.png"))
    (here / "old.png").write_bytes(old.read_bytes())
    only = {one.name: arriving_files._stamp(one.stat()) for one in here.iterdir()}

    def add():
        seen = {one.name: arriving_files._stamp(one.stat()) for one in here.iterdir()}
        found = [*arriving_files.add_files(space, finished, here, "June", seen)]
        return sum(one.cells for one in found), {n for one in found for n in one.files}

    assert add() == (0, {"notes.txt", "old.png"})
    assert batches_of(space, finished) == ()
    (here / "new.png").write_bytes(png(3))
    assert add() == (1, {*only, "new.png"})
    (batch,) = batches_of(space, finished)
    assert space.dataset(batch.images).slide == ("S1",)
    assert {*space.known_files(batch.images.id)} == {"notes.txt", "new.png"}


def test_files_of_two_folders_never_replace_each_other(folder):
    (folder / "microscope").mkdir()
    (folder / "microscope" / "3.png").write_bytes(png(3))
    arrivals = Arrivals(folder)
    arrivals.look()
    assert arrivals.name_of("microscope") == arrivals.name_of("") == "microscope"
    (folder / "microscope" / "2.png").write_bytes(png(4))
    arrivals.look()
    for head in ("", "microscope"):
        with pytest.raises(
            StudyError, match="would replace each other in one batch called microscope"
        ):
            arrivals.name_of(head)
    assert arrivals.name_of("slide 1") == "slide 1"
    (folder / ("x" * 130)).mkdir()
    (folder / ("x" * 130) / "1.png").write_bytes(png(4))
    arrivals.look()
    assert arrivals.name_of("slide 1") == "slide 1"
    with pytest.raises(StudyError, match="longer than 120"):
        arrivals.name_of("x" * 130)
