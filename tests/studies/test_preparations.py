from celltransfer_core.errors import OutputError
from celltransfer_core.studies import export_path, preparation, start_preparation
from tests.studies.samples import prepared


def test_the_key_holds_everything_that_decides(space):
    paths = {export_path(space, "s", "images", ".zip", *parts) for parts in ((1,), (2,), (1, 2))}
    assert len(paths) == 3


def test_a_file_is_made_once_and_replaces_older_ones(space):
    study = space.create("x").id
    old, other = (
        prepared(space, study, text="old"),
        prepared(space, study, name="images-pseudonyms"),
    )
    new = prepared(space, study, text="new")
    assert preparation(new) is None
    assert new.read_text() == "new"
    assert not old.exists()
    assert other.exists()


def test_problems_are_told_and_can_be_tried_again(space):
    path = export_path(space, space.create("x").id, "images", ".zip")

    def full(target, progress):
        raise OutputError("The disk is full.")

    start_preparation(path, full).result()
    assert preparation(path).problem == "The disk is full."

    def fault(target, progress):
        raise ZeroDivisionError

    start_preparation(path, fault).result()
    assert "Internal error" in preparation(path).problem
