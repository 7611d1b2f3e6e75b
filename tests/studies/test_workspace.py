import datetime as dt
import hashlib
import os

import pytest

from celltransfer_core.data import stored_at
from celltransfer_core.errors import OutputError
from celltransfer_core.runtime import write_together
from celltransfer_core.studies import Sweep, Workspace, save_result
from celltransfer_core.studies.database import StudyRow
from celltransfer_core.studies.erasure import RECENT
from tests.studies.samples import png


def test_studies_do_not_mix(space, study, query_set):
    other = space.create("Other")
    space.receive(query_set.id, [("1.png", png(1))])
    sha = space.dataset(space.image_set(query_set.id)).cells[0]
    assert space.has_image(study.id, sha)
    assert not space.has_image(other.id, sha)
    assert space.size(study.id) == len(png(1))
    assert space.size(other.id) == 0


def age(path, seconds=2 * RECENT):
    at = path.stat().st_mtime - seconds
    os.utime(path, (at, at))


def stored(space, data):
    return stored_at(space.images, hashlib.sha256(data).hexdigest())


@pytest.fixture
def gone(space, query_set):
    """A deleted study that has an image of its own, and one that another study has too."""
    space.receive(query_set.id, [("1.png", png(1))])
    gone = space.create("Gone")
    theirs = space.add_set(gone.id, "query", "query")
    space.receive(theirs.id, [("1.png", png(1)), ("2.png", png(2))])
    space.decide(gone.id, "match", {}, "Ann")
    save_result(space.result_path(gone.id, "embed", "1"), "result")
    (space.result_path(gone.id, "evaluate", "1").with_suffix("")).mkdir()
    for path in space.images.glob("??/*"):
        age(path)
    space.delete(gone.id)
    return gone


def test_sweeping_keeps_what_is_used(space, gone):
    size = space.result_path(gone.id, "embed", "1").stat().st_size + len(png(2))
    assert space.sweepable() == Sweep(1, size)
    assert space.sweep() == Sweep(1, size)
    assert space.studies(deleted=True) == ()
    assert stored(space, png(1)).is_file()
    assert not stored(space, png(2)).exists()
    assert not space.result_path(gone.id, "embed", "1").parent.exists()
    assert space.sweepable() == space.sweep() == Sweep(0, 0)


def test_sweeping_by_age_keeps_what_was_deleted_since(space, gone):
    assert space.sweepable(older_than=1) == space.sweep(older_than=1) == Sweep(0, 0)
    space.restore(gone.id)
    assert space.pooled(gone.id, "query").n_cells == 2
    space.delete(gone.id)
    with space._session() as session:
        row = session.get(StudyRow, gone.id)
        row.deleted = (dt.datetime.now(dt.UTC) - dt.timedelta(days=8)).isoformat()
    assert space.sweep(older_than=30).studies == 0
    assert space.sweep(older_than=7).studies == 1


def test_sweeping_keeps_an_image_that_is_just_coming_in(space, gone):
    first = stored(space, png(2))
    with write_together() as write:
        space._store(first.name, png(2), write)  # the set that receives it is not written yet
    space.sweep()
    assert first.is_file()
    age(first)
    assert space.sweep() == Sweep(0, len(png(2)))


def test_sweeping_waits_for_work_that_is_under_way(space, gone):
    space.restore(gone.id)
    job = space.add_job(gone.id, "embed")
    space.delete(gone.id)
    assert space.sweep().studies == 0
    space.end_job(space.job(job.id), "cancelled", "")
    assert space.sweep().studies == 1


def test_the_secret_is_made_once_and_private(space):
    assert space.secret == Workspace().secret
    assert len(space.secret) == 64
    assert (space.folder / "secret.key").stat().st_mode & 0o077 == 0


def test_a_workspace_that_cannot_be_made(tmp_path):
    file = tmp_path / "file"
    file.write_text("")
    with pytest.raises(OutputError, match="cannot be opened"):
        Workspace(file / "inside")
