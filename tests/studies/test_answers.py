"""The list of all answers, and how they are revised and taken back."""

from time import perf_counter

import numpy as np
import pytest

from celltransfer_core.people import draws_of, read_reviews, settled_answers
from celltransfer_core.studies import (
    brought_payloads,
    list_answers,
    review_payloads,
    revised_payloads,
)
from celltransfer_core.vocabulary import SKIPPED, UNSURE

CELLS = [f"{number:064x}" for number in range(6)]


def say(space, study, cell, said, who="Ann", **how):
    payloads = review_payloads([(CELLS[cell], said, False)], who, "2025-01-01T00:00:00", **how)
    return space.decide_all(study.id, "review", payloads, who)[0]


def standing(space, study):
    return settled_answers(read_reviews(d.payload for d in space.decisions(study.id, "review")))


def revise(space, study, answers, said, who="Ann"):
    for kind, payloads in revised_payloads(answers, said, ["a", "b"]).items():
        space.decide_all(study.id, kind, payloads, who)


def test_each_answer_tells_what_stood_before(space, study):
    say(space, study, 0, "a")
    say(space, study, 0, "c", "Ben")
    say(space, study, 1, SKIPPED)
    say(space, study, 0, "b")
    found = list_answers(space, study.id)
    assert [(one.said, one.before, one.reader, one.stands) for one in found] == [
        ("b", "a", "Ann", True),
        ("c", "", "Ben", True),
        ("a", "", "Ann", False),
    ]


def test_an_older_answer_is_changed_and_one_undo_takes_that_back(space, study):
    say(space, study, 0, "a")
    say(space, study, 1, "b")
    say(space, study, 2, "b")
    latest, _, oldest = list_answers(space, study.id)
    revise(space, study, [oldest, latest], UNSURE)
    assert standing(space, study) == {CELLS[0]: UNSURE, CELLS[1]: "b", CELLS[2]: UNSURE}
    newest = list_answers(space, study.id)[0]
    assert (newest.said, newest.before, newest.blind) == (UNSURE, "b", False)
    assert len(space.undo(study.id, "review", "Ann")) == 2
    assert standing(space, study) == {CELLS[0]: "a", CELLS[1]: "b", CELLS[2]: "b"}


def test_an_older_answer_is_taken_back_and_comes_back(space, study):
    say(space, study, 0, "a")
    say(space, study, 0, "c", "Ben")
    say(space, study, 1, "b")
    revise(space, study, [list_answers(space, study.id)[2]], None)
    assert standing(space, study) == {CELLS[0]: "c", CELLS[1]: "b"}
    newest, *_, oldest = list_answers(space, study.id)
    assert (newest.said, newest.before, newest.stands, oldest.stands) == (None, "a", False, False)
    space.undo(study.id, "review", "Ann")
    assert list_answers(space, study.id)[2].stands


def test_what_was_taken_back_leaves_the_chances_of_others_as_they_were(space, study):
    for cell in range(3):
        say(space, study, cell, "a", chance=0.1)
    before = draws_of(CELLS, read_reviews(d.payload for d in space.decisions(study.id)))
    revise(space, study, [list_answers(space, study.id)[2]], None)
    after = draws_of(CELLS, read_reviews(d.payload for d in space.decisions(study.id)))
    assert (before.cells.tolist(), after.cells.tolist()) == ([0, 1, 2], [1, 2])
    np.testing.assert_array_equal(after.weights, before.weights[1:])


@pytest.mark.parametrize("counts", [False, True])
def test_what_was_brought_in_is_one_stroke_and_counts_only_if_said(space, study, counts):
    said = [(CELLS[cell], "a", True) for cell in range(3)]
    payloads = review_payloads(said, "Ann", "2025-01-01T00:00:00", chance=0.2)
    space.decide_all(
        study.id,
        "review",
        brought_payloads(read_reviews(payloads), "May\n.csv", counts=counts),
        "Ann",
    )
    reviews = read_reviews(d.payload for d in space.decisions(study.id, "review"))
    assert {(one.blind, one.chance) for one in reviews} == {(counts, 0.2 if counts else None)}
    assert len(draws_of(CELLS, reviews).cells) == (3 if counts else 0)
    assert {one.source for one in list_answers(space, study.id)} == {"May .csv"}
    assert len(space.undo(study.id, "review", "Ann")) == 3
    assert list_answers(space, study.id) == ()


def test_brought_in_answers_do_not_settle_drawn_cells(space, study):
    say(space, study, 0, "a", chance=0.1)
    said = read_reviews(review_payloads([(CELLS[0], "b", False)], "Zoe", "2025-01-01T00:00:00"))
    space.decide_all(study.id, "review", brought_payloads(said, "x.csv", counts=False), "Zoe")
    reviews = read_reviews(d.payload for d in space.decisions(study.id, "review"))
    draws = draws_of(CELLS, reviews)
    assert (draws.cells.tolist(), draws.answers) == ([0], ("a",))
    assert standing(space, study) == {CELLS[0]: "disputed"}


def test_answers_to_clusters_are_revised_for_the_cells_they_stand_for(space, study):
    def match(cells, name):
        payload = {"cells": cells, "type": name, "cluster": 1, "together": 1}
        space.decide(study.id, "match", payload, "Ann")

    match(["0", "1", "2"], "a")
    match(["2", "3"], "b")
    later, first = list_answers(space, study.id)
    assert (later.before, first.left, later.left) == ("", ("0", "1"), ("2", "3"))
    revise(space, study, [first], "new type")
    last = space.decisions(study.id, "match")[-1].payload
    assert (last["cells"], last["type"], last["new"]) == (["0", "1"], "new type", True)
    revise(space, study, [list_answers(space, study.id)[1]], None)
    newest, *_, oldest = list_answers(space, study.id)
    assert (newest.said, newest.before, newest.cells) == (None, "b", ("2", "3"))
    assert not oldest.stands


def test_five_thousand_answers_are_listed_quickly(space, study):
    many = [(f"{number:064x}", "a", False) for number in range(5000)]
    space.decide_all(study.id, "review", review_payloads(many, "Ann", "2025-01-01"), "Ann")
    list_answers(space, study.id)
    began = perf_counter()
    assert len(list_answers(space, study.id)) == 5000
    assert perf_counter() - began < 0.1  # kept in memory
