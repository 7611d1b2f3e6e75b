"""What is done, and what is next: what people decide is done when people have decided it."""

import pytest

from celltransfer_core.studies import (
    RECOMMENDED,
    bring_up_to,
    kept,
    load_named,
    match_payloads,
    now,
    review_payloads,
    steps_of,
)
from celltransfer_core.types import silent
from celltransfer_core.vocabulary import NONE_TYPE, SKIPPED
from tests.studies.samples import png

COMPUTED = ("embeddings", "clusters", "classify")


def settle(space, study, most=None):
    """Have a person settle clusters, the first of them as none of the types."""
    named = load_named(space, study)[0]
    types = named.scores["query"].types
    answers = [(n, NONE_TYPE if n == 0 else types[0]) for n in range(len(named.matches))]
    cells = space.pooled(study, "query").cells
    payloads = match_payloads(named.clusters, cells, answers[:most], types)
    space.decide_all(study, "match", payloads, "Ann")
    return len(named.matches)


def review(space, study, cells, answer):
    payloads = review_payloads([(cell, answer, False) for cell in cells], "Ann", now())
    space.decide_all(study, "review", payloads, "Ann")


def test_images_come_first(space, study):
    found = steps_of(space, study.id)
    assert found.next == "data"
    assert {mark.state for mark in found.marks.values()} == {"open"}


def test_one_set_of_two_is_part_of_the_data(space, study, query_set):
    space.receive(query_set.id, [("1.png", png(1))])
    found = steps_of(space, study.id)
    mark = found.marks["data"]
    assert (mark.state, mark.done, mark.of, found.next) == ("partly", 1, 2, "data")


def test_nothing_computed_is_typed_from_the_data(space, drawn_study):
    found = steps_of(space, drawn_study)
    assert (found.marks["data"].state, found.next) == ("done", "data")
    bring_up_to(space, drawn_study, "clusters", silent)
    found = steps_of(space, drawn_study)
    assert (found.marks["clusters"].state, found.marks["matches"].state) == ("done", "open")
    assert found.next == "matches"


def test_people_settle_every_cluster_and_review_enough_cells(space, finished):
    found = steps_of(space, finished)
    assert {found.marks[name].state for name in COMPUTED} == {"done"}
    assert (found.marks["matches"].state, found.next) == ("open", "matches")
    settle(space, finished, 1)
    mark = steps_of(space, finished).marks["matches"]
    assert (mark.state, mark.done) == ("partly", 1)
    assert steps_of(space, finished).next == "matches"
    clusters = settle(space, finished)
    found = steps_of(space, finished)
    mark = found.marks["matches"]
    assert (mark.state, mark.done, mark.of) == ("done", clusters, clusters)
    # Answers count at once: a transport that is missing keeps nobody from the review.
    assert (found.marks["classify"].state, found.next) == ("stale", "review")

    cells = space.pooled(finished, "query").cells
    enough = min(RECOMMENDED, len(cells))
    review(space, finished, cells, SKIPPED)
    assert steps_of(space, finished).marks["review"].state == "open"
    review(space, finished, cells[: enough - 1], "monocyte")
    review(space, finished, cells[:1], "monocyte")  # the same cell twice counts once
    mark = steps_of(space, finished).marks["review"]
    assert (mark.state, mark.done, mark.of) == ("partly", enough - 1, enough)
    review(space, finished, cells[enough - 1 : enough], "monocyte")
    found = steps_of(space, finished)
    assert (found.marks["review"].state, found.next) == ("done", "export")
    assert found.marks["export"].state == "open"
    space.sign(finished, "Ann")
    assert steps_of(space, finished).marks["export"].state == "done"


def test_other_settings_make_what_follows_stale(space, finished):
    space.change_options(finished, resolution=3.0)
    found = steps_of(space, finished)
    states = {name: mark.state for name, mark in found.marks.items()}
    assert (states["embeddings"], states["clusters"], found.next) == ("done", "stale", "clusters")


@pytest.mark.parametrize("ended", ["failed", "stopped"])
def test_work_that_failed_is_marked_where_it_stopped(space, drawn_study, ended):
    job = space.add_job(drawn_study, "classify")
    assert steps_of(space, drawn_study).marks["clusters"].state == "running"
    assert steps_of(space, drawn_study).next == "matches"
    space.end_job(job, ended, "why")
    found = steps_of(space, drawn_study)
    assert (found.marks["embeddings"].state, found.marks["clusters"].state) == ("failed", "open")
    assert found.next == "data"


def test_marks_read_no_result_anew(space, finished, monkeypatch):
    before = steps_of(space, finished)
    monkeypatch.setattr(kept, "load_checked", None)  # nothing may ask for it
    monkeypatch.setattr("celltransfer_core.studies.steps.named_of", None)
    assert steps_of(space, finished) == before
