import pytest

from celltransfer_core.data import stored_at
from celltransfer_core.errors import OutputError
from celltransfer_core.studies import Workspace
from tests.studies.samples import png


def test_studies_do_not_mix(space, study, query_set):
    other = space.create("Other")
    space.receive(query_set.id, [("1.png", png(1))])
    sha = space.dataset(space.image_set(query_set.id)).cells[0]
    assert space.has_image(study.id, sha)
    assert not space.has_image(other.id, sha)
    assert space.size(study.id) == len(png(1))
    assert space.size(other.id) == 0


def test_sweeping_keeps_what_is_used(space, query_set):
    space.receive(query_set.id, [("1.png", png(1))])
    gone = space.create("Gone")
    theirs = space.add_set(gone.id, "query", "query")
    space.receive(theirs.id, [("1.png", png(1)), ("2.png", png(2))])
    space.decide(gone.id, "match", {}, "Ann")
    space.delete(gone.id)
    assert space.sweep() == len(png(2))
    assert space.studies(deleted=True) == ()
    kept = space.dataset(space.image_set(query_set.id)).cells[0]
    assert stored_at(space.images, kept).is_file()


def test_the_secret_is_made_once_and_private(space):
    assert space.secret == Workspace().secret
    assert len(space.secret) == 64
    assert (space.folder / "secret.key").stat().st_mode & 0o077 == 0


def test_a_workspace_that_cannot_be_made(tmp_path):
    file = tmp_path / "file"
    file.write_text("")
    with pytest.raises(OutputError, match="cannot be opened"):
        Workspace(file / "inside")
