import pytest

from celltransfer_core.errors import StudyError
from celltransfer_core.studies import FILTER, Workspace, filter_payloads, saved_filters

DOUBT = {"type": ["a", "b"], "agreement": ["0-0.5"]}


@pytest.fixture
def save(space):
    study = space.create("Slides").id

    def saved(name, address, who="Ann", **how):
        kept = saved_filters(space, study)
        space.decide_all(study, FILTER, filter_payloads(kept, name, address, **how), who)
        return saved_filters(space, study)

    saved.study = study
    return saved


def test_filters_are_kept_by_name_and_shared(save, space):
    assert save("  Doubtful   ones ", DOUBT) == {"Doubtful ones": DOUBT}
    assert list(save("all of Ben", {}, "Ben")) == ["all of Ben", "Doubtful ones"]
    # Anybody may change them; the last one of a name counts.
    assert save("Doubtful ones", {"flagged": ["1"]}, "Ben")["Doubtful ones"] == {"flagged": ["1"]}
    assert saved_filters(Workspace(space.folder, space.url), save.study) == saved_filters(
        space, save.study
    )


def test_a_filter_is_renamed_and_taken_away(save):
    save("Old", DOUBT)
    assert save("New", DOUBT, instead="Old") == {"New": DOUBT}
    assert save("New", DOUBT, instead="New") == {"New": DOUBT}
    assert save("New", None) == {}


def test_a_renaming_is_undone_at_one_stroke(save, space):
    save("Old", DOUBT)
    save("New", DOUBT, instead="Old")
    space.undo(save.study, FILTER, "Ann")
    assert saved_filters(space, save.study) == {"Old": DOUBT}


def test_names_that_cannot_be(save):
    save("One", DOUBT)
    save("Two", DOUBT)
    with pytest.raises(StudyError, match="Another filter has the name Two"):
        save("Two", DOUBT, instead="One")
    with pytest.raises(StudyError, match="The filter Three no longer exists"):
        save("Four", DOUBT, instead="Three")
    with pytest.raises(StudyError, match="at least one letter"):
        save(" \n", DOUBT)


def test_a_copy_of_a_study_has_them_too(save, space):
    save("One", DOUBT)
    assert saved_filters(space, space.duplicate(save.study, "Copy").id) == {"One": DOUBT}
