import pytest

from celltransfer_core.errors import StudyError
from celltransfer_core.studies import Workspace
from tests.studies.samples import png


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
    with pytest.raises(StudyError, match="no longer exists"):
        space.study(study.id)
    assert space.studies(deleted=True)[0].id == study.id
    space.restore(study.id)
    assert space.study(study.id).name == "Slides of May"


def test_a_signed_study_can_only_be_read_and_copied(space, study, query_set):
    space.receive(query_set.id, [("1.png", png(1))])
    space.decide(study.id, "match", {"type": "a"}, "Ann")
    space.change_options(study.id, seed=5)
    space.sign(study.id, "Dr. Ann")
    for change in (
        lambda: space.rename(study.id, "other"),
        lambda: space.decide(study.id, "match", {}, "Bob"),
        lambda: space.undo(study.id, "match", "Ann"),
        lambda: space.receive(query_set.id, [("2.png", png(2))]),
        lambda: space.add_set(study.id, "extra", "more"),
        lambda: space.remove_set(query_set.id),
        lambda: space.add_job(study.id, "classify"),
        lambda: space.change_options(study.id, seed=6),
    ):
        with pytest.raises(StudyError, match=r"signed off by Dr\. Ann"):
            change()
    copied = space.duplicate(study.id, "again")
    assert (copied.signed, copied.options) == (None, {"seed": 5})
    assert [d.payload for d in space.decisions(copied.id)] == [{"type": "a"}]
    assert space.pooled(copied.id, "query").n_cells == 1
    space.rename(copied.id, "can be changed")
    assert space.study(study.id).signed_by == "Dr. Ann"
