import io
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from celltransfer_core.data import stored_at
from celltransfer_core.errors import DataError, OutputError, StudyError
from celltransfer_core.studies import Workspace


@pytest.fixture
def space(home):
    return Workspace()


@pytest.fixture
def study(space):
    return space.create("Slides of May")


def png(shade, size=16):
    buffer = io.BytesIO()
    Image.new("RGB", (size, size), (shade, 100, 200 - shade)).save(buffer, "PNG")
    return buffer.getvalue()


def test_studies_are_listed_renamed_and_found_again(space, study):
    other = space.create("  A second\nline ")
    assert other.name == "A second line"
    space.rename(study.id, "Slides of June")
    assert [s.name for s in space.studies()] == ["Slides of June", "A second line"]
    assert Workspace().study(study.id).name == "Slides of June"
    for wrong in ("", " \n\t", "x" * 121):
        with pytest.raises(StudyError, match="name"):
            space.rename(study.id, wrong)


def test_deleting_can_be_taken_back(space, study):
    space.delete(study.id)
    assert space.studies() == ()
    with pytest.raises(StudyError, match="no such study"):
        space.study(study.id)
    assert space.studies(deleted=True)[0].id == study.id
    space.restore(study.id)
    assert space.study(study.id).name == "Slides of May"


def test_files_are_taken_in_or_refused_with_a_reason(space, study):
    images = space.add_set(study.id, "reference", "May")
    received = space.receive(
        images.id,
        [
            ("a/1.png", png(1)),
            ("b/2.png", png(2)),
            ("b/../../../etc/passwd.png", png(3)),  # a name, never a path
            ("b/bad.png", b"no image"),
            ("labels.csv", b"\xff\xfe"),
            ("metadata.csv", b"file,slide\na/1.png,s1\n"),
        ],
    )
    assert received.taken == 4
    assert [name for name, _ in received.refused] == ["b/bad.png", "labels.csv"]
    dataset = space.dataset(space.image_set(images.id))
    assert sorted(dataset.files) == ["a/1.png", "b/../../../etc/passwd.png", "b/2.png"]
    assert sorted(dataset.labels) == ["a", "b", "b"]
    assert sorted(dataset.slide) == ["", "", "s1"]
    assert "b/bad.png" in {remark.file for remark in dataset.left_out}
    for cell in range(3):
        assert dataset.path(cell).is_relative_to(space.images)
        assert dataset.read(cell).shape == (16, 16, 3)
    assert space.known_files(images.id)["a/1.png"] == len(png(1))


def test_a_name_that_comes_again_is_replaced(space, study):
    images = space.add_set(study.id, "query", "query")
    space.receive(images.id, [("1.png", png(1)), ("1.png", png(2))])
    before = space.image_set(images.id).revision
    space.receive(images.id, [("1.png", png(3))])
    after = space.image_set(images.id)
    assert after.revision != before
    dataset = space.dataset(after)
    assert len(dataset.files) == 1
    np.testing.assert_array_equal(dataset.read(0)[0, 0], [3, 100, 197])


def test_a_query_never_comes_with_labels(space, study):
    images = space.add_set(study.id, "query", "query")
    space.receive(images.id, [("a/1.png", png(1)), ("labels.csv", b"file,label\na/1.png,x\n")])
    assert space.dataset(space.image_set(images.id)).labels is None
    with pytest.raises(StudyError, match="one query set"):
        space.add_set(study.id, "query", "another")


def test_references_are_pooled_and_their_types_mapped(space, study):
    assert space.pooled(study.id, "reference") is None
    for name, kinds in (("May", ("neut", "lymph")), ("June", ("neutrophil", "blast"))):
        images = space.add_set(study.id, "reference", name)
        shade = 0 if name == "May" else 50
        files = [
            (f"{k}/{i}.png", png(shade + 10 * n + i)) for n, k in enumerate(kinds) for i in (0, 1)
        ]
        space.receive(images.id, files)
    first, second = space.sets(study.id, "reference")
    space.change_set(first.id, mapping={"neut": "neutrophil", "lymph": "lymphocyte"})
    space.change_set(second.id, mapping={"blast": ""}, um_per_px=0.25, name="June again")
    pooled = space.pooled(study.id, "reference")
    assert sorted(pooled.labels) == ["lymphocyte"] * 2 + ["neutrophil"] * 4
    assert space.image_set(second.id).um_per_px == 0.25
    assert space.image_set(second.id).name == "June again"
    space.remove_set(first.id)
    assert set(space.pooled(study.id, "reference").labels) == {"neutrophil"}


def test_wrong_tables_say_so(space, study):
    images = space.add_set(study.id, "reference", "May")
    space.receive(images.id, [("1.png", png(1)), ("labels.csv", b"name,kind\n1.png,x\n")])
    with pytest.raises(DataError, match=r"May/labels\.csv needs the columns file, label"):
        space.dataset(space.image_set(images.id))


def test_decisions_grow_and_are_undone_by_who_made_them(space, study):
    first = space.decide(study.id, "match", {"type": "a"}, "Ann")
    space.decide_all(study.id, "match", [{"type": "b"}, {"type": "c"}], "Bob")
    space.decide(study.id, "review", {"answer": "x"}, "Ann")
    assert [d.payload["type"] for d in space.decisions(study.id, "match")] == ["a", "b", "c"]
    pulse = space.pulse(study.id)
    assert space.count_decisions(study.id, "match") == 3
    assert space.undo(study.id, "match", "Ann").id == first.id
    assert space.count_decisions(study.id, "match") == 2
    assert space.pulse(study.id) != pulse
    assert space.undo(study.id, "match", "Ann") is None
    assert [d.who for d in space.decisions(study.id)] == ["Bob", "Bob", "Ann"]


def test_two_readers_at_once_lose_nothing(space, study):
    def say(number):
        Workspace().decide(study.id, "review", {"cell": number}, f"reader {number % 2}")

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(say, range(60)))
    assert sorted(d.payload["cell"] for d in space.decisions(study.id)) == list(range(60))


def test_a_signed_study_can_only_be_read_and_copied(space, study):
    images = space.add_set(study.id, "query", "query")
    space.receive(images.id, [("1.png", png(1))])
    space.decide(study.id, "match", {"type": "a"}, "Ann")
    space.set_options(study.id, {"seed": 5})
    space.sign(study.id, "Dr. Ann")
    for change in (
        lambda: space.rename(study.id, "other"),
        lambda: space.decide(study.id, "match", {}, "Bob"),
        lambda: space.undo(study.id, "match", "Ann"),
        lambda: space.receive(images.id, [("2.png", png(2))]),
        lambda: space.add_set(study.id, "extra", "more"),
        lambda: space.remove_set(images.id),
        lambda: space.add_job(study.id, "classify"),
        lambda: space.set_options(study.id, {}),
    ):
        with pytest.raises(StudyError, match=r"signed off by Dr\. Ann"):
            change()
    copied = space.duplicate(study.id, "again")
    assert (copied.signed, copied.options) == (None, {"seed": 5})
    assert [d.payload for d in space.decisions(copied.id)] == [{"type": "a"}]
    assert space.pooled(copied.id, "query").n_cells == 1
    space.rename(copied.id, "can be changed")
    assert space.study(study.id).signed_by == "Dr. Ann"


def test_studies_do_not_mix(space, study):
    other = space.create("Other")
    images = space.add_set(study.id, "query", "query")
    space.receive(images.id, [("1.png", png(1))])
    sha = space.dataset(images := space.image_set(images.id)).cells[0]
    assert space.has_image(study.id, sha)
    assert not space.has_image(other.id, sha)
    assert space.size(study.id) == len(png(1))
    assert space.size(other.id) == 0


def test_sweeping_keeps_what_is_used(space, study):
    images = space.add_set(study.id, "query", "query")
    space.receive(images.id, [("1.png", png(1))])
    gone = space.create("Gone")
    theirs = space.add_set(gone.id, "query", "query")
    space.receive(theirs.id, [("1.png", png(1)), ("2.png", png(2))])
    space.decide(gone.id, "match", {}, "Ann")
    space.delete(gone.id)
    assert space.sweep() == len(png(2))
    assert space.studies(deleted=True) == ()
    kept = space.dataset(space.image_set(images.id)).cells[0]
    assert stored_at(space.images, kept).is_file()


def test_jobs_are_one_at_a_time(space, study):
    first = space.add_job(study.id, "classify")
    assert space.add_job(study.id, "embed") == first
    space.update_job(first.id, state="done", done=3, total=3)
    second = space.add_job(study.id, "embed")
    assert second.id != first.id
    assert [job.id for job in space.jobs(study.id)] == [second.id, first.id]
    with pytest.raises(StudyError, match="no such job"):
        space.job("none")


def test_the_secret_is_made_once_and_private(space):
    assert space.secret == Workspace().secret
    assert len(space.secret) == 64
    assert (space.folder / "secret.key").stat().st_mode & 0o077 == 0


def test_a_workspace_that_cannot_be_made(tmp_path):
    file = tmp_path / "file"
    file.write_text("")
    with pytest.raises(OutputError, match="cannot be opened"):
        Workspace(file / "inside")


def test_a_full_disk_is_said_and_nothing_half_is_left(space, study, monkeypatch):
    images = space.add_set(study.id, "query", "query")

    def full(self, data):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(OutputError, match="No space left on device"):
        space.receive(images.id, [("1.png", png(1))])
    monkeypatch.undo()
    assert space.known_files(images.id) == {}
    assert not [path for path in space.images.rglob("*") if path.is_file()]
