import json
import shutil

import numpy as np
import pytest

from celltransfer_core.evaluation import compare, mistakes
from celltransfer_core.evaluation.report import describe_comparison, prediction_name
from celltransfer_core.pipeline import shorten_hashes
from celltransfer_core.studies import (
    Workspace,
    bring_up_to,
    evaluation_path,
    load_evaluation,
    load_named,
    load_prepared,
    states,
    study_labels,
)
from celltransfer_core.types import silent
from parts import text
from tests.app.conftest import OPTIONS
from tests.app.test_classify import button, metrics, text_of

MEASURED = {"ot": ["none", "fgw"], "methods": ["knn", "ensemble", "majority", "ceiling"]}


@pytest.fixture(scope="module")
def measured_folder(drawn, tmp_path_factory):
    """Workspace with a study whose query came with its types, and was measured."""
    space = Workspace(tmp_path_factory.mktemp("measured"))
    study = space.create("Drawn cells").id
    reference = [
        (path.relative_to(drawn / "reference").as_posix(), path.read_bytes())
        for path in sorted((drawn / "reference").rglob("*.png"))
    ]
    query = [
        (f"{'lymphocyte' if int(p.stem) % 3 else 'eosinophil'}/{p.name}", p.read_bytes())
        for p in sorted((drawn / "query").glob("*.png"))
    ]
    space.receive(space.add_set(study, "reference", "reference").id, reference)
    space.receive(space.add_set(study, "query", "query").id, query)
    space.change_options(study, **OPTIONS, evaluation=MEASURED)
    bring_up_to(space, study, "evaluate", silent)
    return space.folder


@pytest.fixture
def measured(measured_folder, home):
    shutil.copytree(measured_folder, home, dirs_exist_ok=True)
    space = Workspace()
    return space, space.studies()[0]


def test_labels_of_the_query_are_read_for_evaluation_alone(measured):
    space, study = measured
    labels = study_labels(space, study.id)
    assert dict(zip(*np.unique(labels, return_counts=True), strict=True)) == {
        "eosinophil": 10,
        "lymphocyte": 20,
    }
    assert space.pooled(study.id, "query").labels is None
    prepared = load_prepared(space, study.id)
    assert prepared.query.labels is None


def test_without_types_the_page_says_what_is_missing(finished, open_page):
    space, study = finished
    assert set(study_labels(space, study.id)) == {""}
    app = open_page("evaluate", study.id)
    assert not app.exception
    assert "The true types of the query are not known" in app.info[0].value
    assert "`labels.csv` with the columns `file` and `label`" in app.info[0].value
    assert not app.get("plotly_chart")
    assert all(one.label != "Measure" for one in app.button)


def test_types_that_the_reference_lacks_are_named(measured, open_page):
    space, study = measured
    (reference,) = space.sets(study.id, "reference")
    names = {name: f"my {name}" for name in ("eosinophil", "lymphocyte")}
    space.change_set(reference.id, mapping=names)
    app = open_page("evaluate", study.id)
    assert not app.exception
    assert "No type of the query (eosinophil, lymphocyte) is a type of" in app.info[0].value


def test_figures_are_shown_with_a_warning(measured, open_page):
    space, study = measured
    app = open_page("evaluate", study.id)
    assert not app.exception
    assert "labels were used only here" in text_of(app)
    found = load_evaluation(space, study.id)
    rows = {row.key: row for row in found.rows}
    assert metrics(app) == {
        "Current state": f"{rows['ensemble', 'fgw', 'true'].accuracy:.1f} %",
        "Every cluster confirmed": f"{rows['ensemble', 'fgw', 'reader'].accuracy:.1f} %",
        "Without alignment": f"{rows['ensemble', 'none', 'true'].accuracy:.1f} %",
        "Always the most common type": "66.7 %",
        "With the query's labels": metrics(app)["With the query's labels"],
    }
    table = app.dataframe[0].value
    assert "Vote of all encoders" in set(table["method"])
    codes = app.dataframe[1].value.set_index("method")["code"]
    assert codes["Nearest neighbours on shape"] == "knn:shape"
    assert list(table["accuracy"]) == sorted(table["accuracy"], reverse=True)
    assert {"Optimal transport", "No alignment"} <= set(table["alignment"])
    assert len(app.get("plotly_chart")) >= 4
    assert len(app.get("download_button")) == 6
    assert {point.order for point in found.reading.points} == {"queue", "margin", "random"}
    assert "Means over 3 readers, never wrong" in text_of(app)


def test_what_is_measured_can_be_chosen_and_makes_it_stale(measured, open_page):
    space, study = measured
    app = open_page("evaluate", study.id)
    app.multiselect[0].set_value(["none", "centre"])
    button(app, "Set").click().run()
    assert not app.exception
    assert space.study(study.id).options["evaluation"]["ot"] == ["none", "centre"]
    assert load_evaluation(space, study.id) is None
    assert "Something has changed" in text_of(app)
    assert button(app, "Measure")
    # Nothing of the study itself is out of date.
    assert states(space, study.id)["matches"] == "done"


def test_a_word_on_a_match_makes_the_figures_stale(measured, open_page):
    space, study = measured
    named, _ = load_named(space, study.id)
    before = evaluation_path(space, study.id)
    cells = np.array(space.pooled(study.id, "query").cells)
    cells = shorten_hashes(cells[named.clusters.labels == 0])
    payload = {"cells": cells, "type": "lymphocyte", "cluster": 0}
    space.decide(study.id, "match", payload, "Ann")
    assert evaluation_path(space, study.id) != before


def selected(app, key):
    return next(one for one in app.selectbox if one.key.startswith(key))


def test_errors_are_shown_by_pair_of_types(measured, open_page):
    space, study = measured
    found = load_evaluation(space, study.id)
    app = open_page("evaluate", study.id)
    assert not app.exception
    assert selected(app, "method").value == ("ensemble", "fgw", "true")
    assert [one.value for one in app.success] == ["No cell is wrong."]
    commonest = ("majority", "none", "false")
    selected(app, "method").set_value(commonest).run()
    assert not app.exception
    (wrong,) = mistakes(found.truth, found.predictions[commonest].predicted)
    pairs = selected(app, "pair")
    assert pairs.options == ["All 10 errors", "eosinophil predicted as lymphocyte: 10 cells"]
    pairs.set_value(0).run()
    assert not app.exception
    (tiles,) = [one for one in app.get("bidi_component") if "errors" in one.proto.id]
    shown = json.loads(tiles.proto.json)
    assert shown["cells"] == [*wrong.cells]
    assert shown["names"] == ["lymphocyte"]
    assert shown["notes"][0] == "true type eosinophil"


def test_two_methods_are_compared_in_a_sentence(measured, open_page):
    space, study = measured
    found = load_evaluation(space, study.id)
    app = open_page("evaluate", study.id)
    keys = (("majority", "none", "false"), ("ensemble", "fgw", "true"))
    selected(app, "first method").set_value(keys[0])
    selected(app, "second method").set_value(keys[1]).run()
    assert not app.exception
    truth, *both = (
        labels[found.scored]
        for labels in (found.truth, *(found.predictions[key].predicted for key in keys))
    )
    told = describe_comparison(compare(truth, *both), *(prediction_name(*key[:2]) for key in keys))
    assert text.sentence(told) in text_of(app)
    selected(app, "second method").set_value(keys[0]).run()
    assert "Choose two methods." in text_of(app)
