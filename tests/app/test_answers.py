"""The page of all answers: looked through, revised, and brought in from elsewhere."""

import pytest

from celltransfer_core.outputs import csv_bytes, reviews_table
from celltransfer_core.people import Review
from celltransfer_core.pipeline import type_names
from celltransfer_core.studies import load_current, load_run, review_payloads
from celltransfer_core.vocabulary import UNSURE
from tests.app.test_review import answers, button, text_of, widget


def say(space, study, cells, said, who="Ann"):
    payloads = review_payloads([(c, said, False) for c in cells], who, "2025-01-01T00:00:00+00:00")
    space.decide_all(study.id, "review", payloads, who)


def rows(app):
    return app.dataframe[0].value


def pick(app, *numbers):
    app.session_state["answers table"] = {
        "selection": {"rows": [*numbers], "columns": [], "cells": []}
    }
    return app.run()


@pytest.fixture
def answered(finished):
    """Two readers' answers on a finished study, and the cells of its query."""
    space, study = finished
    run = load_run(space, study.id)
    one, two, *_ = type_names(run.reference)
    say(space, study, run.query.cells[:3], one)
    say(space, study, run.query.cells[:1], UNSURE, "Ben")
    say(space, study, run.query.cells[:1], two)
    return space, study, run


def test_all_answers_are_listed_with_what_stood_before(open_page, answered):
    _, study, run = answered
    one, two, *_ = type_names(run.reference)
    app = open_page("answers", study.id, **{"answers which": "all"})
    assert not app.exception
    assert rows(app)["Answer"].tolist() == [two, "Unsure", one, one, one]
    assert rows(app)["Before"].tolist() == [one, "", "", "", ""]
    assert rows(app)["Current"].tolist() == [True, True, True, True, False]
    files = dict(zip(run.query.cells, run.query.first_file, strict=True))
    assert rows(app)["File"][0] == files[run.query.cells[0]]


def test_answers_are_filtered(open_page, answered):
    app = open_page("answers", answered[1].id)
    nothing = {"which": "stands", "readers": [], "said": [], "kind": "cells and clusters"}
    for filters, count in (
        ({}, 4),
        ({"readers": ["Ben"]}, 1),
        ({"said": ["Unsure"]}, 1),
        ({"which": "revised"}, 1),
        ({"which": "brought in"}, 0),
        ({"kind": "clusters"}, 0),
        ({"text": "bEn"}, 1),
        ({"text": "no such thing"}, 0),
    ):
        for name, value in (nothing | {"text": ""} | filters).items():
            app.session_state[f"answers {name}"] = value
        assert not app.run().exception
        assert len(rows(app)) == count, filters


def test_an_older_answer_is_changed_and_undone(open_page, answered):
    space, study, run = answered
    two = type_names(run.reference)[1]
    app = open_page("answers", study.id)
    pick(app, 3)
    next(one for one in app.selectbox if one.label == "Corrected answer").set_value(two).run()
    button(app, "answers change").click().run()
    assert not app.exception
    last = answers(space, study)[-1]
    assert (last["cell"], last["answer"], last["blind"]) == (run.query.cells[1], two, False)
    button(app, "answers undo").click().run()
    assert len(answers(space, study)) == 5


def test_an_answer_is_taken_back_and_the_vote_forgets_it(open_page, answered):
    space, study, run = answered
    app = open_page("answers", study.id)
    pick(app, 3)
    button(app, "answers back").click().run()
    reviews = load_current(space, study.id).reviews
    assert [one.answer for one in reviews if one.cell == run.query.cells[1]] == ["skip"]
    assert len(rows(app)) == 3


def test_what_was_changed_in_another_window_is_not_revised_unseen(open_page, answered):
    space, study, run = answered
    two = type_names(run.reference)[1]
    app = pick(open_page("answers", study.id), 2, 3)
    next(at for at in app.selectbox if at.label == "Corrected answer").set_value(two)
    app.run()
    say(space, study, [run.query.cells[1]], UNSURE)  # one of the two, meanwhile
    button(app, "answers change").click().run()
    assert "1 answer had been changed since you opened this list" in text_of(app)
    assert [(p["cell"], p["answer"]) for p in answers(space, study)[-2:]] == [
        (run.query.cells[1], UNSURE),
        (run.query.cells[2], two),
    ]
    assert answers(space, study)[-1]["together"] == 1


def test_others_answers_cannot_be_revised(open_page, answered):
    app = pick(open_page("answers", answered[1].id), 1)
    assert "1 answer of these cannot be revised" in text_of(app)
    assert not any(one.key == "answers change" for one in app.button)


def test_before_any_answer_the_page_says_where_they_come_from(open_page, finished):
    app = open_page("answers", finished[1].id)
    assert "There are no answers yet" in app.info[0].value


def upload(app, name, data):
    widget(app, "file_uploader", "answers table of").upload(name, data, "text/csv").run()
    assert not app.exception
    return app


def test_a_table_is_looked_at_and_brought_in_by_one_stroke(open_page, answered):
    space, study, run = answered
    one, two, *_ = type_names(run.reference)
    files = run.query.first_file
    lines = ["Bild;Zelltyp", f"{files[0]};{one}", f"{files[1]};{one}", f"{files[5]};{two}"]
    lines += [f"{files[6]};Plasmazelle", f"nowhere.png;{one}"]
    app = upload(open_page("answers", study.id), "May.csv", "\n".join(lines).encode())
    assert "Which columns of May\\.csv" in app.warning[0].value
    for label, column in (("Files", "Bild"), ("Types", "Zelltyp")):
        box = next(one for one in app.selectbox if one.label == label)
        box.set_value(column).run()
    assert {m.label: m.value for m in app.metric} == {
        "To import, of 5": "2",
        "Change an answer": "1",
        "Already recorded": "1",
        "Not in the query": "1",
    }
    next(one for one in app.selectbox if "Plasmazelle" in one.label).set_value(
        "It is a new type"
    ).run()
    button(app, "answers bring").click().run()
    assert not app.exception
    new = answers(space, study)[-3:]
    assert [p["answer"] for p in new] == [one, two, "Plasmazelle"]
    assert {(p["from"], p["reader"], p["blind"], p["together"]) for p in new} == {
        ("May.csv", "Ann", False, 3)
    }
    button(app, "answers brought undo").click().run()
    assert len(answers(space, study)) == 5


def test_a_studys_own_blind_answers_count_only_where_somebody_says_so(open_page, finished):
    space, study = finished
    run = load_run(space, study.id)
    given = Review(run.query.cells[0], run.types[0], "Ann", "2025-01-01T00:00:00", True, 0.2)
    data = csv_bytes(reviews_table(run.query, [given]))
    app = upload(open_page("answers", study.id), "reviews.csv", data)
    box = next(one for one in app.checkbox if "come from this study" in one.label)
    assert box.value is False
    button(app, "answers bring").click().run()
    assert [(p["blind"], p.get("chance")) for p in answers(space, study)] == [(False, None)]
    button(app, "answers brought undo").click().run()
    next(one for one in app.checkbox if "come from this study" in one.label).check().run()
    button(app, "answers bring").click().run()
    assert [(p["blind"], p["chance"]) for p in answers(space, study)] == [(True, 0.2)]


def test_answers_are_brought_in_under_a_name(open_page, finished):
    app = open_page("answers", finished[1].id, reader="")
    assert not app.exception
    assert "First enter your name" in " ".join(one.value for one in app.info)
    assert not app.file_uploader


def test_what_cannot_be_read_is_told(open_page, finished):
    app = upload(open_page("answers", finished[1].id), "t.csv", b"file,type\na.png,x,y,z\n")
    assert "more values than columns" in app.error[0].value
