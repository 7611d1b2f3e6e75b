import json

import numpy as np
import pytest

from celltransfer_core.cli.sentences import describe_run
from celltransfer_core.outputs import manifest
from celltransfer_core.pipeline import shorten_hashes
from celltransfer_core.studies import (
    bring_up_to,
    expected_types,
    load_current,
    load_named,
    stage_keys,
    study_config,
)
from celltransfer_core.types import silent


def text_of(app):
    kinds = ("title", "header", "markdown", "caption", "info", "warning", "error", "success")
    return " ".join(element.value for kind in kinds for element in app.get(kind))


def button(app, name):
    return next(one for one in app.button if name in (one.key, one.label))


def control(app, name):
    return next(one for one in app.button_group if one.key == f"expect {name}")


def kind(app):
    return next(one for one in app.selectbox if one.key == "kind of sample")


def config(finished):
    space, study = finished
    return study_config(space, space.study(study.id))


def test_one_click_rules_a_type_out_and_undo_takes_it_back(finished, open_page):
    space, study = finished
    before = stage_keys(space, study.id)
    app = open_page("data", study.id)
    assert not app.exception
    assert "What may be in the query?" in text_of(app)
    control(app, "neutrophil").set_value("absent").run()
    assert not app.exception
    assert config(finished).absent == ("neutrophil",)
    assert "absent: neutrophil (Ann, " in text_of(app)
    after = stage_keys(space, study.id)
    assert [one for one in after if after[one] != before[one]] == [
        "matches",
        "unaligned",
        "classify",
    ]
    classify = open_page("classify", study.id)
    assert "An earlier step has changed" in text_of(classify)
    button(app, "undo expect").click().run()
    assert config(finished).absent == ()
    assert stage_keys(space, study.id) == before


def test_the_manifest_of_the_export_says_who_ruled_types_out_and_when(finished, open_page):
    space, study = finished
    before = config(finished)
    space.decide(study.id, "expect", {"type": "neutrophil", "state": "absent"}, "Ann")
    said = expected_types(space, study.id)
    (told,) = said.followed(config(finished))
    assert told == {
        "type": "neutrophil",
        "state": "absent",
        "reader": "Ann",
        "time": said.said["neutrophil"].at,
    }
    assert said.followed(before) == ()  # a run that was made before
    bring_up_to(space, study.id, "classify", silent)
    app = open_page("export", study.id)
    assert not app.exception
    shown = json.loads(app.json[0].value)
    assert shown["config"]["absent"] == ["neutrophil"]
    assert shown["said_of_types"] == [told]


def test_a_kind_of_sample_speaks_of_all_types_at_one_stroke(finished, open_page):
    space, study = finished
    app = open_page("data", study.id)
    kind(app).set_value("marrow").run()
    assert not app.exception
    types = set(space.pooled(study.id, "reference").cell_labels.tolist())
    said = expected_types(space, study.id)
    assert set(said.said) == types
    assert control(app, "neutrophil").value == "expected"
    assert "neutrophil 21.9–45.9 %" in text_of(app)
    control(app, "neutrophil").set_value("absent").run()
    assert config(finished).absent == ("neutrophil",)
    assert kind(app).value == "marrow"
    button(app, "undo expect").click().run()
    assert control(app, "neutrophil").value == "expected"
    button(app, "undo expect").click().run()
    assert expected_types(space, study.id).said == {}
    assert kind(app).value is None


def test_too_much_ruled_out_is_said_and_breaks_nothing(finished, open_page):
    space, study = finished
    app = open_page("data", study.id)
    types = sorted(set(space.pooled(study.id, "reference").cell_labels.tolist()))
    for name in types[1:]:
        control(app, name).set_value("absent").run()
    assert not app.exception
    assert f"That leaves only {types[0]}; at least two types must be possible" in text_of(app)
    assert config(finished).absent == ()
    assert expected_types(space, study.id).too_few


def test_a_type_that_must_not_be_missed_cannot_be_ruled_out(finished, open_page):
    space, study = finished
    space.decide(study.id, "expect", {"type": "neutrophil", "state": "absent"}, "Ann")
    space.change_options(study.id, must_find=["neutrophil"])
    app = open_page("data", study.id)
    assert control(app, "neutrophil").disabled
    assert control(app, "neutrophil").value == "possible"
    assert config(finished).absent == ()


def test_a_bad_file_of_kinds_is_told_on_the_page(finished, open_page, home):
    (home / "samples.toml").write_text("[kind.mine]\ntitle = 3\n")
    app = open_page("data", finished[1].id)
    assert not app.exception
    assert "needs a title" in text_of(app)


@pytest.fixture
def without_neutrophils(finished, monkeypatch):
    """The study typed anew after Ben ruled out a type, which twelve cells look like."""
    space, study = finished
    found = {"neutrophil": np.arange(12)}
    monkeypatch.setattr("celltransfer_core.pipeline.runs.ruled_out_cells", lambda *_: found)
    space.decide(study.id, "expect", {"type": "neutrophil", "state": "absent"}, "Ben")
    bring_up_to(space, study.id, "classify", silent)
    return finished


def test_a_type_that_is_ruled_out_draws_no_cell_and_has_a_way_back(without_neutrophils, open_page):
    space, study = without_neutrophils
    run = load_current(space, study.id).run
    assert "neutrophil" not in run.types
    assert "neutrophil" not in {match.matched_type for match in run.matches}
    assert "types that are ruled out: neutrophil" in describe_run(run)
    assert "12 cells look like neutrophil, which you ruled out." in describe_run(run)
    described = manifest(run)
    assert described["config"]["absent"] == ("neutrophil",)
    assert described["look_like_ruled_out"] == {"neutrophil": 12}
    app = open_page("matches", study.id)
    assert not app.exception
    assert "absent from this sample], according to Ben, " in text_of(app)
    assert "12 cells look like neutrophil, which Ben ruled out" in text_of(app)
    classify = open_page("classify", study.id)
    assert "12 cells look like neutrophil, which Ben ruled out" in text_of(classify)
    app = open_page("matches", study.id)
    button(app, "way back neutrophil").click().run()
    assert not app.exception
    assert config(without_neutrophils).absent == ()
    assert "absent from this sample" not in text_of(app)
    assert "ruled out" not in text_of(app)


def test_an_answer_may_be_a_type_that_is_ruled_out(without_neutrophils, open_page):
    space, study = without_neutrophils
    query = space.pooled(study.id, "query")
    named, _ = load_named(space, study.id)
    inside = (named.clusters.labels == 0).nonzero()[0].tolist()
    cells = shorten_hashes([query.cells[cell] for cell in inside])
    given = {"cells": cells, "type": "neutrophil", "cluster": 0, "together": 1}
    space.decide(study.id, "match", given, "Ann")
    app = open_page("matches", study.id)
    assert not app.exception
    assert "neutrophil" in load_current(space, study.id).run.types
    assert f"{len(inside)} cells are in clusters confirmed as neutrophil" in text_of(app)
    button(app, "speaks for neutrophil").click().run()
    assert config(without_neutrophils).absent == ()


def test_a_signed_study_is_not_spoken_of_again(finished, open_page):
    space, study = finished
    space.sign(study.id, "Dr. Ann")
    app = open_page("data", study.id)
    assert control(app, "neutrophil").disabled
    assert kind(app).disabled


def test_data_opens_though_a_set_cannot_be_read_after_something_was_said(finished, open_page):
    space, study = finished
    space.decide(study.id, "expect", {"type": "neutrophil", "state": "absent"}, "Ann")
    (reference,) = space.sets(study.id, "reference")
    space.receive(reference.id, [("labels.csv", b"x,y\n1,2\n")])
    app = open_page("data", study.id)
    assert not app.exception
    assert "What may be in the query?" not in text_of(app)
