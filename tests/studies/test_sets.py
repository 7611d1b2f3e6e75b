import hashlib
from pathlib import Path

import pytest

from celltransfer_core.errors import DataError, OutputError
from tests.studies.samples import png


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
    with pytest.raises(DataError, match=r"May/labels\.csv is not UTF-8 text"):
        space.dataset(space.image_set(images.id))
    space.take_out_table(images.id, "labels.csv")
    dataset = space.dataset(space.image_set(images.id))
    assert sorted(dataset.files) == ["a/1.png", "b/../../../etc/passwd.png", "b/2.png"]
    assert sorted(dataset.labels) == ["a", "b", "b"]
    assert sorted(dataset.slide) == ["", "", "s1"]
    assert "b/bad.png" in {remark.file for remark in dataset.left_out}
    for cell in range(3):
        assert dataset.path(cell).is_relative_to(space.images)
        assert dataset.read(cell).shape == (16, 16, 3)
    assert space.known_files(images.id)["a/1.png"] == hashlib.sha256(png(1)).hexdigest()


def test_a_full_disk_is_said_and_nothing_half_is_left(space, query_set, monkeypatch):

    def full(self, data):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(OutputError, match="No space left on device"):
        space.receive(query_set.id, [("1.png", png(1))])
    monkeypatch.undo()
    assert space.known_files(query_set.id) == {}
    assert not [path for path in space.images.rglob("*") if path.is_file()]
