"""Studies are found by words and tags; archived ones on demand."""

import pytest

from celltransfer_core.errors import StudyError
from celltransfer_core.studies import (
    StudyFilter,
    find_studies,
    suggested_tags,
    tags_in_use,
)
from tests.studies.samples import png


@pytest.fixture
def three(space):
    """Names to ids: one with types and a reader, one signed off, one archived."""
    made = {name: space.create(name).id for name in ("Blood of May", "Marrow", "Old")}
    reference = space.add_set(made["Blood of May"], "reference", "reference")
    space.receive(reference.id, [("Blast/1.png", png(1)), ("lymphocyte/2.png", png(2))])
    space.change_set(reference.id, types_at="1")
    space.decide(made["Blood of May"], "keep", {"type": "Blast", "kept": True}, "Ann")
    space.tag(made["Blood of May"], ["stain: Giemsa", "site: blood"])
    space.tag(made["Marrow"], ["stain: Giemsa"])
    space.sign(made["Marrow"], "Bob")
    space.archive(made["Old"])
    return made


@pytest.mark.parametrize(
    ("asked", "names"),
    [
        (StudyFilter(), ["Blood of May", "Marrow"]),
        (StudyFilter(archived=True), ["Blood of May", "Marrow", "Old"]),
        (StudyFilter("may"), ["Blood of May"]),
        (StudyFilter("GIEMSA"), ["Blood of May", "Marrow"]),
        (StudyFilter("ann"), ["Blood of May"]),
        (StudyFilter("bob"), ["Marrow"]),
        (StudyFilter("blast"), ["Blood of May"]),
        (StudyFilter("ann giemsa lympho"), ["Blood of May"]),
        (StudyFilter("ann marrow"), []),
        (StudyFilter("old"), []),
        (StudyFilter("old", archived=True), ["Old"]),
        (StudyFilter(tags=("stain: Giemsa",)), ["Blood of May", "Marrow"]),
        (StudyFilter(tags=("stain: Giemsa", "site: blood")), ["Blood of May"]),
        (StudyFilter(signed="yes"), ["Marrow"]),
        (StudyFilter(signed="no"), ["Blood of May"]),
    ],
    ids=str,
)
def test_what_fits_is_found(space, three, asked, names):
    assert sorted(study.name for study in find_studies(space, asked)) == names


def test_tags_in_use_come_before_usual_ones(space, three):
    assert tags_in_use(space) == ("stain: Giemsa", "site: blood")
    found = suggested_tags(space)
    assert found[:2] == tags_in_use(space)
    assert len({*found}) == len(found)


def test_a_signed_study_is_tagged_and_archived_but_stays_signed(space, three):
    space.tag(three["Marrow"], ["x"])
    space.archive(three["Marrow"])
    study = space.study(three["Marrow"])
    assert (study.tags, bool(study.archived), study.signed_by) == (["x"], True, "Bob")
    with pytest.raises(StudyError, match="longer than 60"):
        space.tag(three["Marrow"], ["y" * 61])


def test_a_copy_has_the_tags_and_is_listed(space, three):
    copied = space.duplicate(three["Old"], "New")
    assert copied.archived is None
    again = space.duplicate(three["Marrow"], "Again")
    assert again.tags == ["stain: Giemsa"]


def test_a_set_that_cannot_be_read_hides_no_study(space, three):
    asked = space.add_set(three["Blood of May"], "reference", "second")
    space.receive(asked.id, [("a/b/1.png", png(3)), ("c/d/2.png", png(4))])
    assert [s.name for s in find_studies(space, StudyFilter("may"))] == ["Blood of May"]
