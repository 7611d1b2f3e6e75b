"""Pages on a study of two reference sets of which one is used alone."""

import json

import pytest

from celltransfer_core.pipeline import sources
from celltransfer_core.studies import bring_up_to, load_prepared
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
