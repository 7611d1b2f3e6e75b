import pytest

from celltransfer_core.errors import StudyError
from celltransfer_core.studies import (
    add_finished,
    bring_up_to,
    find_study,
    finished_run,
    finished_studies,
    load_named,
    review_payloads,
)
from celltransfer_core.types import silent
from tests.studies.conftest import OPTIONS
from tests.studies.samples import files_below, png


@pytest.fixture
def typed(space, study, drawn):
    """A study of drawn cells that are typed; nobody has said a word."""
    for role in ("reference", "query"):
        space.receive(space.add_set(study.id, role, role).id, files_below(drawn / role))
    space.change_options(study.id, **OPTIONS, alignment="none")
    bring_up_to(space, study.id, "classify", silent)
    return study.id


def test_a_study_is_finished_when_it_is_signed_or_waits_for_that_alone(space, typed):
    with pytest.raises(
        StudyError, match=r"is not finished: 0 of \d+ clusters have an answer and 0"
    ):
        finished_run(space, typed)
    assert finished_studies(space) == ()
    named, _ = load_named(space, typed)
    cells = space.pooled(typed, "query").cells
    for number, cluster in enumerate(named.clusters.names.tolist()):
        inside = [n for n, of in enumerate(named.clusters.labels.tolist()) if of == number]
        found = named.matches[number].matched_type
        said = {"cells": [cells[n][:16] for n in inside], "type": found, "cluster": cluster}
        space.decide(typed, "match", said, "Ann")
    answers = [(cell, "lymphocyte", False) for cell in cells]
    space.decide_all(typed, "review", review_payloads(answers, "Ann", "2026-01-01T00:00"), "Ann")
    assert [one.id for one in finished_studies(space)] == [typed]
    assert len(finished_run(space, typed).reviews) == len(cells)


def test_a_finished_study_joins_another_one_as_a_set_of_its_own(space, typed):
    space.sign(typed, "Dr. Ann")
    other = space.create("June").id
    first = space.add_set(other, "reference", "first").id
    space.receive(first, [("lymphocyte/00.png", png(3))])
    made = add_finished(space, other, typed, least_confidence=0)
    assert (made.name, made.role) == ("Slides of May", "reference")
    found = space.dataset(made)
    current = finished_run(space, typed)
    own = dict(zip(current.run.query.cells, current.run.predicted, strict=True))
    assert dict(zip(found.cells, found.cell_labels.tolist(), strict=True)) == own
    assert len(set(found.files)) == len(found.files)
    assert "Ann" not in str(space.known_tables(made.id)) + str(found)
    pooled = space.pooled(other, "reference")
    assert pooled.sources == ("Slides of May", "first")
    with pytest.raises(StudyError, match="its own reference"):
        add_finished(space, typed, typed)


def test_a_study_is_found_by_its_id_before_its_name(space, study):
    other = space.create(study.id)
    assert find_study(space, study.id).id == study.id
    assert find_study(space, "Slides of May").id == study.id
    space.delete(study.id)
    assert find_study(space, study.id).id == other.id
    with pytest.raises(StudyError, match=r"no study named 'May' .*; it contains:"):
        find_study(space, "May")
    space.create("Twin")
    space.create("Twin")
    with pytest.raises(StudyError, match="2 studies are named 'Twin'; give the id of one"):
        find_study(space, "Twin")
