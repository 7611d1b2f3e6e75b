from dataclasses import replace
from urllib.parse import parse_qs

import pytest

from celltransfer_core.outputs import interval, percent
from celltransfer_core.people import (
    BLIND_FROM,
    ESTIMATED_FROM,
    draws_needed,
    random_sample,
    read_reviews,
    sample_order,
)
from celltransfer_core.pipeline import infer_run, type_names
from celltransfer_core.studies import (
    CurrentRun,
    load_current,
    load_run,
    now,
    review_payloads,
    stages,
)
from celltransfer_core.vocabulary import SKIPPED, UNSURE
from parts.keys import KEYS, PAGES, TYPE_KEYS


def text_of(app):
    kinds = ("title", "header", "markdown", "caption", "info", "success", "warning", "error")
    return " ".join(element.value for kind in kinds for element in app.get(kind))


def html_of(app):
    return " ".join(element.proto.body for element in app.get("html"))


def button(app, key):
    return next(one for one in app.button if one.key == key)


def widget(app, kind, key):
    return next(one for one in app.get(kind) if one.key == key)


def answers(space, study):
    return [decision.payload for decision in space.decisions(study.id, "review")]


def shown(app):
    return app.session_state["desk"].current


def test_one_answer_is_kept_and_the_next_cell_comes(open_page, finished):
    space, study = finished
    run = load_run(space, study.id)
    types = type_names(run.reference)
    app = open_page("review", study.id, order="least certain")
    assert not app.exception
    cell, blind = shown(app)
    predicted = run.predicted[run.query.cells.index(cell)]
    assert "Predicted." in text_of(app)
    other = next(n for n, name in enumerate(types) if name != predicted)
    button(app, f"type {other}").click().run()
    (kept,) = answers(space, study)
    assert (kept["cell"], kept["answer"], kept["reader"]) == (cell, types[other], "Ann")
    assert kept["blind"] is blind is False
    assert "chance" not in kept  # the least certain one came for sure
    assert shown(app)[0] != cell
    second = shown(app)[0]
    taught = load_current(space, study.id).run
    button(app, "accept").click().run()
    assert answers(space, study)[1]["cell"] == second
    assert answers(space, study)[1]["answer"] == taught.predicted[run.query.cells.index(second)]
    assert load_run(space, study.id).predicted == run.predicted


def test_the_blind_sample_shows_no_prediction(open_page, finished):
    space, study = finished
    run = load_run(space, study.id)
    app = open_page("review", study.id)
    seen = []
    for _ in range(BLIND_FROM + 10):
        blind = shown(app)[1]
        seen.append(blind)
        assert ("Predicted." in text_of(app)) is not blind
        assert ("The prediction is hidden" in text_of(app)) is blind
        assert ("Most similar in the reference" in text_of(app)) is not blind
        assert button(app, "accept").disabled is blind
        button(app, "type 0").click().run()
        assert answers(space, study)[-1]["blind"] is blind
    assert sum(seen) >= 1
    kept = answers(space, study)
    drawn_by_chance = [one for one in kept if "chance" in one]
    assert all(0 < one["chance"] <= 1 for one in drawn_by_chance)
    assert len(drawn_by_chance) >= len(kept) / 2
    told = text_of(app)
    counted = sum(one["blind"] for one in drawn_by_chance)
    assert f"{ESTIMATED_FROM} blind cells are needed, at most {counted} are" in told
    box = next(one for one in app.metric if one.label == "Accuracy, all cells")
    assert box.value == "Too few cells"
    run = load_current(space, study.id).run
    drawn = random_sample(run.query.cells, read_reviews(kept))
    assert 1 <= len(drawn) <= sum(seen)
    share = infer_run(run, read_reviews(kept)).right()
    assert share.draws == len(drawn_by_chance)
    assert draws_needed(share, run.query.n_cells, 0.05) > 0


def test_from_twenty_blind_cells_on_the_interval_comes_first(open_page, finished):
    space, study = finished
    run = load_run(space, study.id)
    line = [run.query.cells[cell] for cell in sample_order(run.query.cells, run.config.seed)]
    for at, cell in enumerate(line[:ESTIMATED_FROM]):
        answer = review_payloads(
            [(cell, run.types[0], True)], "Ben", now(), chance=1 / (len(line) - at)
        )
        space.decide(study.id, "review", answer[0], "Ben")
    app = open_page("review", study.id)
    found = infer_run(load_current(space, study.id).run, read_reviews(answers(space, study)))
    box = next(one for one in app.metric if one.label == "Accuracy, all cells")
    right = found.right()
    assert box.value == interval(right.low, right.high)
    assert box.delta == f"best estimate {percent(right.value)}"


def test_answers_teach_the_vote_at_once(open_page, finished):
    app = open_page("review", finished[1].id)
    assert "No answer has been given yet" in text_of(app)
    button(app, "type 0").click().run()
    assert "**1 typed cell** and **0 confirmed clusters** have changed" in text_of(app)
    assert "Who decided: " in text_of(app)
    assert r"Not yet: 29 more cells must be typed" in text_of(app).replace("\\", "")
    button(app, "undo").click().run()
    assert "No answer has been given yet" in text_of(app)


def test_a_type_that_is_not_here_can_be_named(open_page, finished):
    space, study = finished
    app = open_page("review", study.id)
    widget(app, "text_input", "new type").set_value("unsure")
    next(one for one in app.button if one.label == "This cell is that").click().run()
    assert "is a reserved answer and cannot name a type" in app.error[0].value
    assert answers(space, study) == []
    widget(app, "text_input", "new type").set_value("Lymphocyt")
    next(one for one in app.button if one.label == "This cell is that").click().run()
    assert "Did you mean lymphocyte?" in app.error[0].value
    assert answers(space, study) == []
    first = shown(app)[0]
    widget(app, "text_input", "new type").set_value(" Plasma <cell> ")
    next(one for one in app.button if one.label == "This cell is that").click().run()
    assert [(p["cell"], p["answer"]) for p in answers(space, study)] == [(first, "Plasma <cell>")]
    assert any(one.label == r"Plasma \<cell\>" for one in app.button)
    assert "Plasma <cell>" in load_current(space, study.id).run.types


def test_back_changes_an_answer_and_undo_takes_it_back(open_page, finished):
    space, study = finished
    app = open_page("review", study.id)
    first = shown(app)
    button(app, UNSURE).click().run()
    second = shown(app)
    button(app, "back").click().run()
    assert shown(app) == first
    assert "Your answer: **Unsure**" in text_of(app)
    button(app, "type 0").click().run()
    assert shown(app) == second
    assert [p["cell"] for p in answers(space, study)] == [first[0]] * 2
    button(app, "undo").click().run()
    assert [p["answer"] for p in answers(space, study)] == [UNSURE]
    button(app, "undo").click().run()
    assert answers(space, study) == []
    assert shown(app) == first


def test_a_skipped_cell_comes_back_at_the_end(open_page, finished):
    space, study = finished
    app = open_page("review", study.id)
    first = shown(app)
    button(app, SKIPPED).click().run()
    assert shown(app) != first
    for _ in range(29):
        button(app, "type 0").click().run()
    assert shown(app) == first
    button(app, "type 0").click().run()
    assert "There are no more cells to review" in text_of(app)
    assert len({p["cell"] for p in answers(space, study)}) == 30


def test_what_lies_before_a_reader_stays_when_others_answer(open_page, finished):
    space, study = finished
    app = open_page("review", study.id)
    before = shown(app)
    cells = [cell for cell in space.pooled(study.id, "query").cells if cell != before[0]]
    for cell in cells[:10]:
        said = {"cell": cell, "answer": "x", "reader": "Ben", "time": "2025-01-01T00:00:00"}
        space.decide(study.id, "review", {**said, "blind": False}, "Ben")
    app.run()
    assert shown(app) == before


@pytest.mark.parametrize("order", ["random", "cluster", "type", "disagreement"])
def test_every_order_is_offered(open_page, finished, order):
    app = open_page("review", finished[1].id, order=order)
    assert not app.exception
    assert shown(app)


def test_only_some_cells(open_page, finished):
    space, study = finished
    name = load_run(space, study.id).predicted[0]
    number = type_names(load_run(space, study.id).reference).index(name)
    app = open_page("review", study.id, which=("type", name))
    while shown(app) and len(answers(space, study)) < 30:
        cell, blind = shown(app)
        run = load_current(space, study.id).run
        assert blind or run.predicted[run.query.cells.index(cell)] == name
        button(app, f"type {number}").click().run()
    asked = {p["cell"] for p in answers(space, study)}
    run = load_current(space, study.id).run
    assert {c for c, p in zip(run.query.cells, run.predicted, strict=True) if p == name} <= asked


def test_two_readers_are_compared(open_page, finished):
    space, study = finished
    run = load_run(space, study.id)
    one, two = run.types[:2]
    for reader, words in (("<Ben>", (one, two, one)), ("Ann", (one, two, two))):
        for cell, word in zip(run.query.cells, words, strict=False):
            said = {"cell": cell, "answer": word, "reader": reader, "time": "2025-01-01T00:00:00"}
            space.decide(study.id, "review", {**said, "blind": False}, reader)
    app = open_page("review", study.id, reading="second")
    assert not app.exception
    text = text_of(app).replace("\\", "")
    assert "3 cells read by both, 2 with the same answer (67 %); Cohen's κ is 0.40" in text
    assert f"<Ben>: **{one}**" in text
    assert r"\<Ben\>" in text_of(app)
    button(app, f"again {run.query.cells[2]}").click().run()
    assert shown(app) == (run.query.cells[2], False)
    button(app, f"type {type_names(run.reference).index(one)}").click().run()
    assert "3 with the same answer (100 %)" in text_of(app).replace("\\", "")


@pytest.mark.parametrize(
    ("which", "address"),
    [(("all", ""), "reviewed=no"), (("cluster", 0), "cluster=0"), (("flagged", ""), "flagged=1")],
)
def test_several_at_once_are_answered_in_the_gallery(open_page, finished, which, address):
    study = finished[1]
    app = open_page("review", study.id, which=which)
    link = next(one for one in app.get("page_link") if one.proto.label == "Answer several at once")
    assert link.proto.page == "cells"
    assert parse_qs(link.proto.query_string) == parse_qs(f"study={study.id}&{address}")


def test_keys_are_those_of_the_table(open_page, finished):
    """A key that a page gives a button of its own would mean something else on the next page."""
    given = {}
    for page in ("review", "matches", "cells", "answers"):
        app = open_page(page, finished[1].id)
        assert not app.exception
        keys = [one.proto.shortcut for one in app.button if one.proto.shortcut]
        assert len(keys) == len({*keys}), page
        given |= dict.fromkeys(keys, page)
    assert {*given} <= {key.lower() for key in (*KEYS.values(), *TYPE_KEYS)}


def test_no_key_means_two_things():
    letters = [*KEYS.values(), *TYPE_KEYS]
    assert len(letters) == len({*letters})
    assert not {"C", "R"} & {*letters}  # Streamlit's own
    listed = {key for keys in PAGES.values() for key in keys}
    assert {*KEYS.values()} <= listed


def test_a_signed_study_takes_no_answer(open_page, finished):
    space, study = finished
    space.sign(study.id, "Ann")
    app = open_page("review", study.id)
    assert not app.exception
    assert button(app, "accept").disabled
    assert button(app, "type 0").disabled


def test_signed_meanwhile_by_somebody_else(open_page, finished):
    space, study = finished
    app = open_page("review", study.id)
    before = shown(app)
    space.sign(study.id, "Ben")
    button(app, "type 0").click().run()
    assert "signed off by Ben" in text_of(app)
    assert answers(space, study) == []
    assert shown(app) == before


def test_type_names_are_shown_as_they_are(open_page, finished, monkeypatch):
    space, study = finished
    run = load_run(space, study.id)
    odd = "<img src=x>*lym*"

    def renamed(names):
        return tuple(odd if name == "lymphocyte" else name for name in names)

    reference = replace(run.reference, labels=renamed(run.reference.labels))
    named = replace(run, reference=reference, types=renamed(run.types))
    present = CurrentRun(named, (), fresh=True, first=False, source="")
    monkeypatch.setattr("parts.work.load_current", lambda *_: present)
    monkeypatch.setattr(stages, "named_types", lambda *_: [odd])
    app = open_page("review", study.id, which=("type", odd), order="least certain")
    assert not app.exception
    assert odd in named.predicted
    assert "<img src=x>" not in html_of(app)
    assert "&lt;img src=x&gt;*lym*" in html_of(app)
    assert any(r"\<img src=x\>\*lym\*" in one.label for one in app.button)
