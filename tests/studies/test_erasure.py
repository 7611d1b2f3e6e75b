"""What is deleted for good is gone from the disk, and a record of how much it was stays."""

import os
import sqlite3
from contextlib import closing

import numpy as np
import pytest

from celltransfer_core.data import stored_at
from celltransfer_core.studies import Sweep, Workspace, erasure as erasure_module, save_result
from tests.studies.samples import png

WORD = "a word that must not stay"


@pytest.fixture
def shas(space, query_set):
    """Images of a kept study and of a deleted one; both have the first."""
    space.receive(query_set.id, [("1.png", png(1))])
    gone = space.create(f"{WORD} in a name").id
    theirs = space.add_set(gone, "query", WORD).id
    space.receive(theirs, [(f"{WORD}.png", png(1)), ("2.png", png(2)), ("3.png", png(3))])
    space.decide_all(gone, "match", [{"type": WORD}, {"type": "b"}], "Ann")
    space.take(gone, "Ann", [WORD], 1)
    space.watch(gone, f"/data/{WORD}", f"{WORD} as a person")
    save_result(space.result_path(gone, "embed", "1"), WORD)
    space.delete(gone)
    known = [space.known_files(theirs)[f"{n}.png"] for n in (2, 3)]
    return [*space.known_files(query_set.id).values(), *known]


@pytest.fixture
def old(space, shas):
    for path in space.images.glob("??/*"):
        os.utime(path, (0, 0))


@pytest.mark.usefixtures("old")
def test_the_bytes_are_gone(space, shas):
    space.cache.put("embedding/colour@1", shas, np.ones((3, 2), np.float32))
    space.cache.once("plan", lambda: WORD)
    freed = space.sweepable().size
    assert space.sweep(who="Ann") == Sweep(1, freed)
    assert stored_at(space.images, shas[0]).is_file()
    assert not any(stored_at(space.images, sha).exists() for sha in shas[1:])
    known, _ = space.cache.get("embedding/colour@1", shas, 2)
    assert known.tolist() == [True, False, False]
    left = [path for path in space.folder.rglob("*") if path.is_file()]
    data = b"".join(path.read_bytes() for path in left)
    assert WORD.encode() not in data
    if space.url.startswith("sqlite"):
        assert not any(sha.encode() in data for sha in shas[1:])
        with closing(sqlite3.connect(space.folder / "studies.sqlite")) as own:
            assert own.execute("PRAGMA freelist_count").fetchone() == (0,)
    assert not (space.folder / "results").exists() or not [*(space.folder / "results").iterdir()]


@pytest.mark.usefixtures("old")
def test_the_record_says_who_when_and_how_much(space, monkeypatch):
    monkeypatch.setattr(erasure_module, "now", lambda: "2026-05-01T00:00:00.000+00:00")
    found = space.sweepable()
    space.sweep(who="  Zoe\u0308   Smith ")
    (one,) = Workspace().erasures()
    assert (one.who, one.at) == ("Zoë Smith", "2026-05-01T00:00:00.000+00:00")
    assert (one.studies, one.decisions, one.images, one.size) == (1, 2, 2, found.size)
    space.sweep(who="Ben")  # nothing is left: nothing is noted
    assert len(space.erasures()) == 1


def test_images_that_came_in_just_now_are_said_to_wait(space, shas):
    waiting = sum(stored_at(space.images, sha).stat().st_size for sha in shas[1:])
    assert space.sweepable().waiting == space.sweep().waiting == waiting
    for sha in shas:
        os.utime(stored_at(space.images, sha), (0, 0))
    assert space.sweep(who="Ben") == Sweep(0, waiting)
    assert [(one.studies, one.images) for one in space.erasures()] == [(0, 2), (1, 0)]


@pytest.mark.usefixtures("old")
def test_an_image_that_comes_in_again_meanwhile_stays(space, shas, monkeypatch):
    again, unused = stored_at(space.images, shas[1]), space._unused_images

    def found(used):
        seen = unused(used)
        os.utime(again)  # as whoever receives it does
        return seen

    monkeypatch.setattr(space, "_unused_images", found)
    space.sweep()
    assert again.is_file()
    assert not stored_at(space.images, shas[2]).exists()


@pytest.mark.usefixtures("shas")
def test_results_of_a_study_that_is_no_more_are_swept_too(space):
    save_result(space.result_path("nobody", "embed", "1"), WORD)
    space.sweep()
    assert not space.result_path("nobody", "embed", "1").parent.exists()
