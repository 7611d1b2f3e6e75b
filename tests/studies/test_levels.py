"""At which level of folders the types of a study's set stand, and files that it cannot use."""

import pytest
from sqlalchemy import update
from sqlalchemy.orm import Session

from celltransfer_core.data import LevelError
from celltransfer_core.errors import StudyError
from celltransfer_core.studies import stage_keys
from celltransfer_core.studies.database import SetRow
from tests.studies.samples import png

SLIDES = [
    (f"s{slide}/{kind}/1.png", png(10 * slide + ord(kind))) for slide in (1, 2) for kind in "xy"
]


@pytest.fixture
def reference(space, study):
    made = space.add_set(study.id, "reference", "Reference")
    space.receive(made.id, SLIDES)
    return made


def labels(space, image_set):
    return sorted(set(space.dataset(space.image_set(image_set.id)).labels))


def test_a_reference_has_no_types_until_somebody_says_where_they_stand(space, study, reference):
    with pytest.raises(LevelError, match="choose one on the Data page"):
        space.dataset(space.image_set(reference.id))
    for level, types in (("2", ["x", "y"]), ("1", ["s1", "s2"]), ("innermost", ["x", "y"])):
        before = space.image_set(reference.id).revision
        space.change_set(reference.id, types_at=level)
        assert labels(space, reference) == types
        assert space.image_set(reference.id).revision != before  # results are of other types
    for wrong in ("0", "", "two"):
        with pytest.raises(StudyError, match="is not a folder level"):
            space.change_set(reference.id, types_at=wrong)


def test_nobody_is_asked_of_a_query(space, study, query_set):
    space.receive(query_set.id, SLIDES)
    query = space.image_set(query_set.id)
    assert space.dataset(query).labels is None
    assert set(space.labelled(query).labels) == {"s1", "s2"}
    space.change_set(query_set.id, types_at="2")
    assert set(space.labelled(space.image_set(query_set.id)).labels) == {"x", "y"}


def test_what_cannot_be_used_changes_no_result(space, study, reference, query_set):
    space.change_set(reference.id, types_at="2")
    space.receive(query_set.id, [("1.png", png(1))])
    keys = stage_keys(space, study.id)
    assert keys
    received = space.receive(
        query_set.id,
        [("notes.txt", b"")],
        passed_over=[("locked.png", "is encrypted; pack it without a password")],
    )
    assert received.taken == 0
    assert dict(received.refused) == {
        "notes.txt": "is no image by its name",
        "locked.png": "is encrypted; pack it without a password",
    }
    found = space.dataset(space.image_set(query_set.id))  # read anew
    assert {one.file: one.reason for one in found.left_out} == dict(received.refused)
    assert stage_keys(space, study.id) == keys
    assert space.receive(query_set.id, [("locked.png", png(2))]).taken == 1
    assert space.dataset(space.image_set(query_set.id)).n_cells == 2
    assert stage_keys(space, study.id) != keys


def test_a_set_of_an_earlier_version_keeps_the_types_that_it_had(space, study, reference):
    with Session(space._engine) as session, session.begin():
        session.execute(update(SetRow).values(types_at=None))  # as a new column finds it
    revision = space.image_set(reference.id).revision
    assert labels(space, reference) == ["s1", "s2"]
    space.change_set(reference.id, types_at="1")
    assert space.image_set(reference.id).revision == revision  # nothing is computed anew
