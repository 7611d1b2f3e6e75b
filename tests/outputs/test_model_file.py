import hashlib
import io
import json
import zipfile

import numpy as np
import pytest

from celltransfer_core.errors import DataError
from celltransfer_core.outputs import read_model, write_model, write_run
from celltransfer_core.outputs.write import MODEL
from celltransfer_core.people import annotations_of
from celltransfer_core.pipeline import CellClassifier, update_vote


@pytest.fixture(scope="module")
def model(result):
    return CellClassifier(workers=1).fit(result)


@pytest.fixture(scope="module")
def packed(model, tmp_path_factory):
    """Entries of a written classifier, by name."""
    path = write_model(model, tmp_path_factory.mktemp("model") / "m.zip")
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def pack(path, entries, **options):
    with zipfile.ZipFile(path, "w", **options) as archive:
        for name, data in entries.items():
            archive.writestr(zipfile.ZipInfo(name), data, **options)
    return path


def npy(array, **options):
    buffer = io.BytesIO()
    np.save(buffer, array, **options)
    return buffer.getvalue()


def changed(entries, **fields):
    described = json.loads(entries["manifest.json"])
    return {**entries, "manifest.json": json.dumps({**described, **fields}).encode()}


def with_array(entries, name, data):
    """Put another array in, with the hash that it has."""
    described = json.loads(entries["manifest.json"])
    hashes = {**described["arrays"], name: hashlib.sha256(data).hexdigest()}
    return {**changed(entries, arrays=hashes), name: data}


def usual(**changes):
    """What is usual of the light, as a file tells it."""
    return {"mean": [1.0], "spread": [0.5], "of_cells": 0.3, "of_slides": [], **changes}


def test_what_is_read_types_as_what_was_written(model, query, tmp_path):
    first = write_model(model, tmp_path / "1.zip")
    read = read_model(first, workers=1)
    assert (read.predict_proba(query) == model.predict_proba(query)).all()
    assert write_model(read, tmp_path / "2.zip").read_bytes() == first.read_bytes()
    assert (read.view_, read.taught_, read.encoders_) == (
        model.view_,
        model.taught_,
        model.encoders_,
    )
    assert read.usual_ == model.usual_
    assert (read.type_batch(query).unlike == model.type_batch(query).unlike).all()


def test_a_run_leaves_its_classifier_in_its_folder(result, answer, tmp_path):
    reviews = [answer(0, "a kind of its own"), answer(1, result.predicted[1])]
    annotations = annotations_of(result.matches, result.query.cells, reviews)
    write_run(update_vote(result, annotations), tmp_path, reviews=reviews)
    read = read_model(tmp_path / MODEL)
    assert "a kind of its own" in read.classes_
    assert read.taught_["answers"] == 2
    data = (tmp_path / MODEL).read_bytes()
    told = [*result.query.files, *result.reference.files, *result.query.cells, "Ann"]
    assert not [name for name in told if name.encode() in data]


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda e: changed(e, version=2), "update CellTransfer"),
        (lambda e: changed(e, format="other"), "not written by export --model"),
        (lambda e: {**e, "manifest.json": b"[" * 100_000}, "manifest cannot be read"),
        (lambda e: {n: d for n, d in e.items() if n != "manifest.json"}, "manifest is missing"),
        (lambda e: {n: d for n, d in e.items() if n != "intercept.npy"}, "arrays"),
        (lambda e: {**e, "more.npy": e["intercept.npy"]}, "arrays"),
        (lambda e: {**e, "intercept.npy": e["intercept.npy"][:-1] + b"x"}, "is damaged"),
        (lambda e: changed(e, types=["b", "a"]), "manifest is not"),
        (lambda e: changed(e, types=["a"]), "manifest is not"),
        (lambda e: changed(e, encoders=[]), "manifest is not"),
        (lambda e: changed(e, encoders=[{"id": "colour"}]), "manifest is not"),
        (lambda e: changed(e, view={"framed": 1}), "manifest is not"),
        (lambda e: changed(e, taught={"answers": "many"}), "manifest is not"),
        (lambda e: changed(e, usual={"weather": {}}), "manifest is not"),
        (lambda e: changed(e, usual={"light": {"mean": [1.0]}}), "manifest is not"),
        (lambda e: changed(e, usual={"light": usual(spread=[0.0])}), "manifest is not"),
        (lambda e: changed(e, usual={"stain": usual()}), "manifest is not"),
        (lambda e: {n: d for n, d in e.items() if n != "metric.npy"}, "arrays"),
        (lambda e: with_array(e, "intercept.npy", npy(np.array([np.nan, 0.0]))), "not numbers"),
        (lambda e: with_array(e, "intercept.npy", npy(np.zeros(3))), "of shape"),
        (lambda e: with_array(e, "intercept.npy", npy(np.zeros(2, np.float32))), "of shape"),
        (lambda e: with_array(e, "intercept.npy", b"\x93NUMPY"), "not an array"),
        (
            lambda e: with_array(
                e, "intercept.npy", npy(np.array([print, 1], object), allow_pickle=True)
            ),
            "of shape",
        ),
        (
            lambda e: with_array(
                e,
                "intercept.npy",
                npy(np.zeros(2)).replace(b"(2,), ", b"(9999999999,), ").replace(b" " * 9, b"", 1),
            ),
            "of shape|no array",
        ),
    ],
)
def test_a_file_that_was_changed_is_refused(change, reason, packed, tmp_path):
    path = pack(tmp_path / "m.zip", change(packed))
    with pytest.raises(DataError, match=reason) as raised:
        read_model(path)
    assert str(path) in str(raised.value)


def test_nothing_is_unpacked(packed, tmp_path, monkeypatch):
    bomb = {**packed, "intercept.npy": b"0" * 10_000_000}
    path = pack(tmp_path / "m.zip", bomb)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in bomb.items():
            archive.writestr(name, data)
    with pytest.raises(DataError, match="entries are compressed"):
        read_model(path)
    whole = pack(tmp_path / "w.zip", packed)
    for data in (b"no zip", whole.read_bytes()[:-30], whole.read_bytes() + b"PK"):
        path.write_bytes(data)
        with pytest.raises(DataError, match="not written by export --model"):
            read_model(path)
    many = pack(path, {f"{n}": b"" for n in range(200)})
    with pytest.raises(DataError, match="not written by export --model"):
        read_model(many)
    monkeypatch.setattr("celltransfer_core.outputs.model_file.MAX_FILE", 100)
    with pytest.raises(DataError, match="more than 100"):
        read_model(whole)
    with pytest.raises(DataError, match="No such file"):
        read_model(tmp_path / "none.zip")
