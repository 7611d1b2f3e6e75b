import datetime as dt
import io
import json
import sys
import zipfile

import numpy as np
import pandas as pd
import pytest

from celltransfer_core.errors import ImageError
from celltransfer_core.outputs import TAKEN_FIRST, write_run
from celltransfer_core.studies import bring_up_to, load_current, load_run, wait
from celltransfer_core.types import silent
from tests.web.asking import ask


def text_of(app):
    kinds = ("title", "header", "markdown", "caption", "info", "success", "warning", "error")
    return " ".join(element.value for kind in kinds for element in app.get(kind))


def button(app, key):
    return next(one for one in app.button if one.key == key)


def answer(space, study, cell, word, reader="Ann"):
    said = {"cell": cell, "answer": word, "reader": reader, "time": "2025-01-01T00:00:00"}
    space.decide(study.id, "review", {**said, "blind": False}, reader)


def prepare(app, name):
    """Press the button, wait until the file is there, and get it as a browser would."""
    button(app, f"prepare {name}").click().run()
    return prepared(app, name)


def prepared(app, name):
    """Wait until a file is there, and get it as a browser would."""
    assert not app.exception
    wait()
    app.run()
    links = [one.proto.url for one in app.get("link_button")]
    (link,) = [url for url in links if f"export-{name}" in url and "/export/" in url]
    answered = ask("GET", link)
    assert answered.status == 200
    return answered


def first_columns(path):
    """Read the predictions of a run, the columns first that a person takes away."""
    table = pd.read_csv(path, dtype=str, keep_default_na=False)
    return table[[*TAKEN_FIRST, *(name for name in table if name not in TAKEN_FIRST)]]


def test_what_a_person_takes_away_comes_first(open_page, finished):
    space, study = finished
    app = open_page("export", study.id)
    assert not app.exception
    first = app.dataframe[0]
    assert [*first.value] == ["Cell", "final_type", "decided_by", "confidence", "flagged"]
    assert len(first.value) == len(space.pooled(study.id, "query").files)
    assert first.value["confidence"].max() > 1  # in percent
    config = json.loads(first.proto.columns)
    assert config["confidence"]["type_config"]["format"] == "%.1f %%"
    assert config["Cell"]["type_config"]["type"] == "image"
    assert ask("GET", first.value["Cell"][0]).status == 200
    assert "30 cells are typed**: 0 by readers, the others by prediction." in text_of(app)
    wait()
    app.run()
    buttons = [one.proto.label for one in app.get("link_button")]
    assert buttons[0].startswith("Excel (")
    app = open_page("export", study.id, **{"all columns": True, "with names": True})
    assert [*app.dataframe[0].value][:6] == ["Cell", *TAKEN_FIRST]
    assert "predicted_type" in app.dataframe[0].value


def test_everything_is_offered_with_a_preview(open_page, finished):
    space, study = finished
    app = open_page("export", study.id)
    assert not app.exception
    labels = [one.proto.label for one in app.get("download_button")]
    assert labels == [*["CSV"] * 6, "Parquet", "Manifest: inputs, settings, versions (JSON)"]
    assert "For research use only" in text_of(app)
    assert "--clusters-from clusters.csv" in app.code[0].value
    tables = [one.value for one in app.dataframe]
    assert len(tables) == 7
    names = set(space.pooled(study.id, "query").files)
    assert not any(names & set(table.astype(str).to_numpy().ravel()) for table in tables)


@pytest.mark.parametrize("reviewed", [False, True])
def test_the_page_gives_the_bytes_of_the_command_line(
    open_page, finished, monkeypatch, tmp_path, reviewed
):
    space, study = finished
    if reviewed:
        cells = space.pooled(study.id, "query").cells
        answer(space, study, cells[0], "artefact")
        answer(space, study, cells[1], "=blast")
    offered = {}
    monkeypatch.setattr(
        "streamlit.download_button",
        lambda _, write, file, **__: offered.update({file.removeprefix("drawn-cells-"): write()}),
    )
    app = open_page("export", study.id)
    assert not app.exception
    current = load_current(space, study.id)
    write_run(current.run, tmp_path, "xlsx", current.reviews)
    of_the_page = dict(offered)
    cells = pd.read_csv(io.BytesIO(of_the_page.pop("cells.csv")), dtype=str, keep_default_na=False)
    pd.testing.assert_frame_equal(cells, first_columns(tmp_path / "predictions.csv"))
    parquet = pd.read_parquet(io.BytesIO(of_the_page.pop("cells.parquet")))
    assert [*parquet] == [*cells]
    for name, data in of_the_page.items():
        if name != "reviews.csv" or reviewed:
            assert (tmp_path / name).read_bytes() == data, name
    names = {"cells.csv", "cells.parquet", "clusters.csv", "matches.csv", "differential.csv"}
    assert {*offered} >= names | {"quality.csv", "reviews.csv", "manifest.json"}
    book = pd.read_excel(io.BytesIO(prepared(app, "tables").body), sheet_name=None)
    run_book = pd.read_excel(tmp_path / "tables.xlsx", sheet_name=None)
    assert [*book][:2] == ["cells", "differential"]
    predictions = run_book.pop("predictions")
    pd.testing.assert_frame_equal(book.pop("cells")[[*predictions]], predictions)
    assert {*book} == {*run_book}
    for name, sheet in run_book.items():
        pd.testing.assert_frame_equal(book[name], sheet)
    if reviewed:
        assert "--new-types==blast" in app.code[0].value


def test_names_are_shown_on_demand_and_pseudonyms_instead(open_page, finished):
    space, study = finished
    names = set(space.pooled(study.id, "query").files)
    app = open_page("export", study.id, **{"with names": True})
    assert set(app.dataframe[0].value["file"]) <= names
    app = open_page("export", study.id, hidden=True, **{"all columns": True})
    assert not app.exception
    first = app.dataframe[0].value
    assert first["file"].str.fullmatch("file-[0-9a-f]{16}").all()
    assert ask("GET", first["Cell"][0]).status == 200
    assert first["slide"].str.fullmatch("slide-[0-9a-f]{16}").all()
    assert any("Key to the pseudonyms" in one.proto.label for one in app.get("download_button"))


def test_reviews_are_in_the_preview(open_page, finished):
    space, study = finished
    run = load_run(space, study.id)
    cell = int(np.argmin(run.query.first_file))
    other = next(name for name in run.types if name != run.predicted[cell])
    answer(space, study, run.query.cells[cell], other)
    app = open_page("export", study.id, **{"all columns": True})
    row = app.dataframe[0].value.iloc[0]
    shown = ["predicted_type", "reviewed_type", "final_type", "reviewed_by", "decided_by"]
    assert row[shown].tolist() == [run.predicted[cell], other, other, "Ann", "Ann"]
    assert "1 by readers" in text_of(app)


def test_images_by_final_type(open_page, finished):
    space, study = finished
    run = load_run(space, study.id)
    answer(space, study, run.query.cells[0], "artefact")
    answered = prepare(open_page("export", study.id), "images")
    assert (
        answered.headers["content-disposition"] == 'attachment; filename="drawn-cells-images.zip"'
    )
    with zipfile.ZipFile(io.BytesIO(answered.body)) as archive:
        folders = pd.Series([name.split("/")[0] for name in archive.namelist()]).value_counts()
    assert folders["artefact"] == 1
    assert folders.sum() == 30


def test_the_report_and_what_is_made_anew_after_a_review(open_page, finished):
    space, study = finished
    app = open_page("export", study.id)
    assert "Not signed off" in prepare(app, "report").body.decode()
    answer(space, study, space.pooled(study.id, "query").cells[0], "artefact")
    app.run()
    assert button(app, "prepare report")
    page = prepare(app, "report").body.decode()
    assert "artefact (1)" in page
    assert f"Report of {dt.datetime.now(dt.UTC).date()}" in page
    kept = list(space.result_path(study.id, "x", "y").parent.glob("export-report-*"))
    assert len(kept) == 1


def test_the_preview_is_the_report_itself(open_page, finished):
    _, study = finished
    app = open_page("export", study.id)
    assert not app.get("iframe")
    body = prepare(app, "report").body
    (frame,) = app.get("iframe")
    shown = ask("GET", frame.proto.src)
    assert shown.body == body
    assert shown.headers["content-security-policy"].startswith("sandbox allow-scripts; ")


def test_the_report_shows_cells_as_the_pages_do(open_page, finished):
    _, study = finished
    pages = [
        prepare(open_page("export", study.id, **{"original colours": original}), "report").body
        for original in (True, False)
    ]
    assert pages[0] != pages[1]


def test_h5ad_is_offered_where_it_can_be_written(open_page, finished, monkeypatch):
    _, study = finished
    monkeypatch.setitem(sys.modules, "anndata", None)
    page = open_page("export", study.id, hidden=True)
    assert not page.exception
    assert any('pip install "celltransfer[formats]"' in one.value for one in page.caption)


def test_h5ad(open_page, finished):
    pytest.importorskip("anndata", reason="needs the extra formats")
    _, study = finished
    answered = prepare(open_page("export", study.id, hidden=True), "h5ad")
    assert answered.body[1:4] == b"HDF"


def test_what_cannot_be_made_is_said(open_page, finished, monkeypatch):
    def gone(self, cell):
        raise ImageError("cell 3 can no longer be read")

    app = open_page("export", finished[1].id)
    monkeypatch.setattr("celltransfer_core.data.dataset.Dataset.read", gone)
    button(app, "prepare images").click().run()
    wait()
    app.run()
    assert "can no longer be read" in text_of(app)
    assert button(app, "prepare images")


def test_signing_off_asks_once_more(open_page, finished):
    space, study = finished
    app = open_page("export", study.id)
    assert button(app, "sign").disabled
    next(one for one in app.checkbox if one.key == "sure").check().run()
    assert space.study(study.id).signed is None
    button(app, "sign").click().run()
    assert not app.exception
    assert space.study(study.id).signed_by == "Ann"
    assert "Signed off by Ann" in text_of(app)
    assert all(one.key != "sign" for one in app.button)
    report = prepare(app, "report").body
    assert "Signed off by Ann" in report.decode()
    assert f"Report of {space.study(study.id).signed[:10]}" in report.decode()


def test_who_has_no_name_is_asked_for_it_before_signing(open_page, finished):
    space, study = finished
    app = open_page("export", study.id, reader="")
    next(one for one in app.checkbox if one.key == "sure").check().run()
    button(app, "sign").click().run()
    assert not app.exception
    assert space.study(study.id).signed is None
    next(one for one in app.text_input if one.key == "name asked").set_value("Ben")
    next(one for one in app.button if one.label == "Save my name").click().run()
    assert space.study(study.id).signed_by == "Ben"


def test_without_a_result_it_says_what_to_do(open_page, finished):
    space, study = finished
    space.change_options(study.id, seed=3)
    app = open_page("export", study.id)
    assert "out of date" in text_of(app)
    assert app.get("download_button") == []


def test_after_a_type_was_renamed_nothing_of_before_is_exported(open_page, finished):
    space, study = finished
    reference = space.sets(study.id, "reference")[0]
    space.change_set(reference.id, mapping={"neutrophil": "granulocyte"})
    bring_up_to(space, study.id, "matches", silent)
    app = open_page("export", study.id)
    assert not app.exception
    assert "out of date" in text_of(app)
    assert app.get("download_button") == []
    app = open_page("classify", study.id)
    assert not app.exception
    assert "It was made before the last changes" in text_of(app)


def test_a_finished_study_begins_the_next_one(open_page, finished):
    space, study = finished
    assert "clusters have an answer and 0 of" in text_of(open_page("export", study.id))
    space.sign(study.id, "Dr. Ann")
    app = open_page("export", study.id)
    assert not app.exception
    button(app, "use as reference").click().run()
    assert not app.exception
    made = next(one for one in space.studies() if one.id != study.id)
    assert made.name == "After Drawn cells"
    (reference,) = space.sets(made.id, "reference")
    cells = space.dataset(reference)
    assert reference.name == "Drawn cells"
    assert cells.n_cells == space.pooled(study.id, "query").n_cells
    run = load_current(space, study.id).run
    own = dict(zip(run.query.cells, run.predicted, strict=True))
    assert all(own[a] == b for a, b in zip(cells.cells, cells.cell_labels.tolist(), strict=True))
    assert app.title[0].value == "Data"


def test_what_was_taught_is_taken_away(open_page, finished):
    space, study = finished
    space.sign(study.id, "Dr. Ann")
    app = open_page("export", study.id)
    packed = prepare(app, "reference")
    with zipfile.ZipFile(io.BytesIO(packed.body)) as archive:
        names = archive.namelist()
        assert b"Ann" not in archive.read("labels.csv") + archive.read("manifest.json")
    assert {"labels.csv", "manifest.json"} < set(names)
    packed = prepare(app, "classifier")
    with zipfile.ZipFile(io.BytesIO(packed.body)) as archive:
        assert json.loads(archive.read("manifest.json"))["taught"]["query"]["cells"] == 30
    assert b"Ann" not in packed.body


def test_a_finished_study_is_taken_as_a_further_reference(open_page, finished):
    space, study = finished
    other = space.create("June")
    state = {"take finished": True}
    assert "No other study is finished" in text_of(open_page("data", other.id, **state))
    space.sign(study.id, "Dr. Ann")
    app = open_page("data", other.id, **state)
    assert not app.exception
    button(app, "take study").click().run()
    assert not app.exception
    assert "Drawn cells" in [one.name for one in space.sets(other.id, "reference")]
