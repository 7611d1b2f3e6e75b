import csv
import hashlib
import json

import pytest

from celltransfer_core.data import read_dataset
from celltransfer_core.errors import DataError, OutputError
from celltransfer_core.outputs import find_reference_cells, write_reference, write_reference_zip
from celltransfer_core.outputs.reference_cells import reference_names
from celltransfer_core.outputs.run_folder import read_run_folder
from tests.studies.samples import png

MANIFEST = {
    "inputs": {"query": {"fingerprint": "f", "cells": 9, "files": 9}},
    "taught": {"cells": 2},
}


def row(number, final, **more):
    """One row of a table of predictions; its image is ``png(number)``."""
    told = {
        "file": f"a/{number}.PNG",
        "sha256": hashlib.sha256(png(number)).hexdigest(),
        "predicted_type": "x",
        "final_type": final,
        "reviewed_type": "",
        "cluster": 0,
        "matched_type": "none",
        "confidence": 0.9,
    }
    return {**told, **more}


ROWS = [
    row(1, "a", reviewed_type="a", confidence=0.1),
    row(2, "b", cluster=1, matched_type="b", confidence=0.7),
    row(3, "a", confidence=0.9, calibrated_confidence=0.3),
    row(4, "a", confidence=0.3, calibrated_confidence=0.65),
    row(5, "artefact", reviewed_type="artefact"),
    row(6, "disputed", reviewed_type="disputed"),
    row(7, "b", reviewed_type="unsure", confidence=0.8),
    row(8, "a", cluster=2),
    row(9, "a", cluster=1, matched_type="b"),
]


def images(cell):
    return next(png(n) for n in range(20) if hashlib.sha256(png(n)).hexdigest() == cell.sha256)


def test_each_cell_says_how_it_was_decided():
    chosen = find_reference_cells([*ROWS, row(1, "a", reviewed_type="a", file="copy.png")], {1, 2})
    found = {cell.file: (cell.label, cell.decided) for cell in chosen.cells}
    assert found == {
        "a/1.PNG": ("a", "person"),
        "a/2.PNG": ("b", "cluster"),
        "a/4.PNG": ("a", "vote"),
        "a/7.PNG": ("b", "vote"),
        "a/9.PNG": ("a", "vote"),
    }
    assert chosen.left_out == {
        "answered as artefact": 1,
        "answered as disputed": 1,
        "below a confidence of 0.6": 1,
        "in clusters that match no type": 1,
    }
    assert chosen.calibrated
    assert chosen.types == {"a": {"person": 1, "vote": 2}, "b": {"cluster": 1, "vote": 1}}
    strict = find_reference_cells(ROWS, {1, 2}, least_confidence=0.75)
    assert [cell.file for cell in strict.cells if cell.decided == "cluster"] == []


@pytest.mark.parametrize(
    ("rows", "least", "reason"),
    [
        (ROWS, 1.5, "--least-confidence cannot be 1.5"),
        (ROWS[:1], 0.6, "Only cells of one type"),
        ([row(5, "artefact", reviewed_type="artefact")], 0.6, "No cells"),
        ([row(1, "a", confidence="much")], 0.6, "confidence is 'much'"),
    ],
)
def test_what_cannot_be_a_reference_says_why(rows, least, reason):
    with pytest.raises(DataError, match=reason):
        find_reference_cells(rows, set(), least_confidence=least)


def test_a_written_reference_is_read_like_any_other(tmp_path):
    rows = [*ROWS[:3], row(11, "x, b/c", reviewed_type="x, b/c", reviewed_by="Dr. Ann", slide="s1")]
    rows[1] = {**rows[1], "file": "b/1.PNG"}  # of the same name as one in another folder
    chosen = find_reference_cells(rows, {1})
    folder = write_reference(chosen, tmp_path / "reference", MANIFEST, images)
    read = read_dataset(folder, labelled=True, workers=1)
    assert sorted(read.labels) == ["a", "b", "x, b/c"]
    assert set(read.sha256) == {cell.sha256 for cell in chosen.cells}
    assert dict(zip(read.labels, read.slide, strict=True))["x, b/c"] == "s1"
    assert len(set(reference_names(chosen).values())) == 3
    text = (folder / "labels.csv").read_text(encoding="utf-8-sig")
    table = list(csv.DictReader(text.splitlines()))
    assert [*table[0]] == ["file", "label", "decided", "confidence", "slide"]
    assert {one["decided"]: one["confidence"] for one in table} == {
        "person": "",
        "cluster": "0.700000",
    }
    everything = b"".join(p.read_bytes() for p in folder.rglob("*") if p.is_file())
    assert b"Ann" not in everything
    described = json.loads((folder / "manifest.json").read_bytes())
    assert (described["cells"], described["least_confidence"]) == (3, 0.6)
    assert described["left_out"] == {"below a confidence of 0.6": 1}
    with pytest.raises(OutputError, match="not empty"):
        write_reference(chosen, folder, MANIFEST, images)
    zips = [write_reference_zip(chosen, tmp_path / n, MANIFEST, images) for n in ("1.zip", "2.zip")]
    assert zips[0].read_bytes() == zips[1].read_bytes()


def test_after_a_full_disk_the_same_folder_is_used_again(tmp_path, monkeypatch):
    def full(path, data):
        raise OSError(28, "No space left on device")

    chosen = find_reference_cells(ROWS[:3], {1})
    with monkeypatch.context() as patch:
        patch.setattr("pathlib.Path.write_bytes", full)
        with pytest.raises(OutputError, match="free some space and run again"):
            write_reference(chosen, tmp_path / "reference", MANIFEST, images)
    assert any((tmp_path / "reference").iterdir())  # the folders of types
    write_reference(chosen, tmp_path / "reference", MANIFEST, images)
    assert (tmp_path / "reference" / "labels.csv").is_file()


@pytest.mark.parametrize(
    ("files", "reason"),
    [
        ({}, "not written by run"),
        ({"manifest.json": "["}, "cannot be read"),
        ({"manifest.json": "[]"}, "one JSON object"),
        ({"manifest.json": "{}"}, "not the manifest of a run"),
        ({"manifest.json": json.dumps(MANIFEST), "run.json": "{}"}, "give --query"),
    ],
)
def test_a_folder_that_is_none_of_a_run_says_so(files, reason, tmp_path):
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    with pytest.raises(DataError, match=reason):
        read_run_folder(tmp_path)


def test_no_image_is_read_from_outside_the_query(tmp_path):
    (tmp_path / "manifest.json").write_text(json.dumps(MANIFEST))
    (tmp_path / "query").mkdir()
    (tmp_path / "secret.png").write_bytes(png(1))
    opened = read_run_folder(tmp_path, tmp_path / "query")
    cells = find_reference_cells([row(1, "a"), row(2, "b")], set()).cells
    by_name = {cell.label: cell for cell in cells}
    outside = type(by_name["a"])(**{**vars(by_name["a"]), "file": "../secret.png"})
    with pytest.raises(DataError, match="points outside its folder"):
        opened.read(outside)
    with pytest.raises(DataError, match="--query"):
        opened.read(by_name["a"])
    (tmp_path / "query" / "a").mkdir()
    (tmp_path / "query" / "a" / "1.PNG").write_bytes(png(2))
    with pytest.raises(DataError, match="not the image"):
        opened.read(by_name["a"])
