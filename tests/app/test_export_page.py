import io
import zipfile

import numpy as np
import pandas as pd
import pytest

from celltransfer_core.errors import ImageError
from celltransfer_core.outputs import write_run
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
    assert not app.exception
    wait()
    app.run()
    (link,) = [one.proto.url for one in app.get("link_button") if f"export-{name}" in one.proto.url]
    answered = ask("GET", link)
    assert answered.status == 200
    return answered


def test_everything_is_offered_with_a_preview(open_page, finished):
    space, study = finished
    app = open_page("export", study.id)
    assert not app.exception
    labels = [one.proto.label for one in app.get("download_button")]
    assert labels == ["CSV", "Parquet", *["CSV"] * 5, "Manifest (JSON)"]
    assert "For research use only" in text_of(app)
    assert "--clusters-from clusters.csv" in app.code[0].value
    tables = [one.value for one in app.dataframe]
    assert len(tables) == 7
    assert "predicted_type" in tables[0]
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
    for form in ("parquet", "xlsx"):
        write_run(current.run, tmp_path, form, current.reviews)
    for name, data in offered.items():
        twin = tmp_path / name.replace("cells.", "predictions.")
        if name != "reviews.csv" or reviewed:
            assert twin.read_bytes() == data, name
    names = {"cells.csv", "cells.parquet", "clusters.csv", "matches.csv", "differential.csv"}
    assert {*offered} >= names | {"quality.csv", "reviews.csv", "manifest.json"}
    assert prepare(app, "tables").body == (tmp_path / "tables.xlsx").read_bytes()
    if reviewed:
        assert "--new-types==blast" in app.code[0].value


def test_names_are_shown_on_demand_and_pseudonyms_instead(open_page, finished):
    space, study = finished
    names = set(space.pooled(study.id, "query").files)
    app = open_page("export", study.id, **{"with names": True})
    assert set(app.dataframe[0].value["file"]) <= names
    app = open_page("export", study.id, hidden=True)
    assert not app.exception
    first = app.dataframe[0].value
    assert first["file"].str.fullmatch("file-[0-9a-f]{16}").all()
    assert first["slide"].str.fullmatch("slide-[0-9a-f]{16}").all()
    assert "Which pseudonym" in app.get("download_button")[0].proto.label


def test_reviews_are_in_the_preview(open_page, finished):
    space, study = finished
    run = load_run(space, study.id)
    cell = int(np.argmin(run.query.first_file))
    other = next(name for name in run.types if name != run.predicted[cell])
    answer(space, study, run.query.cells[cell], other)
    app = open_page("export", study.id)
    row = app.dataframe[0].value.iloc[0]
    assert row[["predicted_type", "reviewed_type", "final_type", "reviewed_by"]].tolist() == [
        run.predicted[cell],
        other,
        other,
        "Ann",
    ]


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
    assert "artefact (1)" in prepare(app, "report").body.decode()
    kept = list(space.result_path(study.id, "x", "y").parent.glob("export-report-*"))
    assert len(kept) == 1


def test_h5ad(open_page, finished):
    _, study = finished
    answered = prepare(open_page("export", study.id, hidden=True), "h5ad")
    assert answered.body[1:4] == b"HDF"


def test_what_cannot_be_made_is_said(open_page, finished, monkeypatch):
    def gone(self, cell):
        raise ImageError("cell 3 cannot be read any more")

    app = open_page("export", finished[1].id)
    monkeypatch.setattr("celltransfer_core.data.dataset.Dataset.read", gone)
    button(app, "prepare images").click().run()
    wait()
    app.run()
    assert "cannot be read any more" in text_of(app)
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
    assert "Signed off by Ann" in prepare(app, "report").body.decode()


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
