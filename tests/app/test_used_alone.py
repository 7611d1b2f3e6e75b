"""Pages on a study of two reference sets of which one is used alone."""

import json

import pytest

from celltransfer_core.pipeline import sources
from celltransfer_core.studies import bring_up_to, load_current, load_prepared
from celltransfer_core.types import silent
from tests.app.test_embeddings import text_of

TYPES = ("eosinophil", "lymphocyte")


@pytest.fixture
def alone(finished, drawn, monkeypatch):
    """The finished study with a second reference set, of the query's own domain."""
    monkeypatch.setattr(sources, "ALONE", 0.5)
    space, study = finished
    near = [
        (f"{TYPES[number % 2]}/{path.name}", path.read_bytes())
        for number, path in enumerate(sorted((drawn / "query").rglob("*.png")))
    ]
    space.receive(space.add_set(study.id, "reference", "near").id, near)
    bring_up_to(space, study.id, "classify", silent)
    prepared = load_prepared(space, study.id)
    assert prepared.nearest.alone == "near"
    return space, study, prepared


def test_the_map_shows_the_types_of_the_set_that_is_used(open_page, alone):
    _, study, prepared = alone
    app = open_page("embeddings", study.id)
    assert not app.exception
    assert "near is clearly the nearest set and is used alone" in text_of(app)
    figure = json.loads(app.get("plotly_chart")[0].proto.spec)
    shown = {trace.get("name") for trace in figure["data"]}
    assert {*prepared.types} == {*TYPES}
    assert {*TYPES} <= shown
    assert "neutrophil" not in shown


@pytest.mark.parametrize("page", ["data", "matches", "classify", "review"])
def test_every_page_follows_the_set_that_is_used(open_page, alone, page):
    _, study, _ = alone
    assert not open_page(page, study.id).exception


def test_the_gallery_of_a_type_shows_cells_of_this_type(open_page, alone):
    space, study, prepared = alone
    app = open_page("matches", study.id)
    pooled = space.pooled(study.id, "reference").cells
    labels = dict(zip(prepared.reference.cells, prepared.reference.cell_labels, strict=True))
    galleries = [json.loads(one.proto.json) for one in app.get("bidi_component")]
    (shown,) = [one for one in galleries if "Reference cells" in one.get("label", "")]
    (name,) = shown["names"]
    assert shown["numbers"]
    assert {labels[pooled[number]] for number in shown["numbers"]} == {name}
    # Types that only the other set has are named; not all types take part.
    told = text_of(app)
    assert prepared.nearest.lacking
    assert all(one in told for one in prepared.nearest.lacking)
    assert "every type of the reference takes part" not in told


def test_review_offers_types_of_unused_sets_last_and_says_so(open_page, alone):
    _, study, prepared = alone
    app = open_page("review", study.id)
    labels = [one.label for one in app.button if (one.key or "").startswith("type ")]
    assert labels == [*TYPES, *prepared.nearest.lacking]
    assert prepared.nearest.lacking == ("neutrophil",)
    assert "Types of the other sets come last: neutrophil." in text_of(app)


def test_an_answer_of_an_unused_type_is_taken_and_predicted(open_page, alone):
    space, study, _ = alone
    app = open_page("review", study.id)
    key = next(one.key for one in app.button if one.label == "neutrophil")
    next(one for one in app.button if one.key == key).click().run()
    assert not app.exception
    (given,) = space.decisions(study.id, "review")
    assert given.payload["answer"] == "neutrophil"
    assert "neutrophil" in load_current(space, study.id).run.types
    labels = [one.label for one in app.button if (one.key or "").startswith("type ")]
    assert labels == [*TYPES, "neutrophil"]


def test_data_counts_the_cells_of_the_set_that_is_used(open_page, alone):
    space, study, prepared = alone
    app = open_page("data", study.id)
    charts = [json.loads(one.proto.spec) for one in app.get("plotly_chart")]
    (shown,) = [one for one in charts if "Cells of each type in the reference" in str(one)]
    assert sum(shown["data"][0]["x"]) == prepared.reference.n_cells
    assert "neutrophil" not in str(shown)
    assert (
        "Only cells of near, the set that is used alone. The other sets also have neutrophil."
        in (text_of(app))
    )
    (must,) = [one for one in app.multiselect if "neutrophil" in one.options]
    assert {*TYPES} < {*must.options}
    space.change_options(study.id, sources="equal")
    bring_up_to(space, study.id, "classify", silent)
    app = open_page("data", study.id)
    assert "the set that is used alone" not in text_of(app)
    charts = [json.loads(one.proto.spec) for one in app.get("plotly_chart")]
    assert any("neutrophil" in str(one) for one in charts)
