import csv
import shutil

import numpy as np
import pytest

from celltransfer_core.cli import MENDABLE
from celltransfer_core.cli.main import main
from celltransfer_core.data import read_dataset
from celltransfer_core.studies import Workspace, bring_up_to, load_current
from celltransfer_core.types import silent
from tests.studies.samples import files_below

FAST = ["--encoders", "shape+colour", "--alignment", "none", "--workers", "1", "--quiet"]


def table(path):
    return list(csv.DictReader(path.read_text(encoding="utf-8-sig").splitlines()))


@pytest.fixture(scope="module")
def results(drawn, tmp_path_factory):
    """What ``run`` writes of the drawn cells."""
    folder = tmp_path_factory.mktemp("run") / "results"
    given = ["--reference", str(drawn / "reference"), "--query", str(drawn / "query")]
    assert main(["run", *given, "--out", str(folder), *FAST]) == 0
    return folder


@pytest.fixture
def study(drawn, home):
    """A study of the drawn cells that was signed off."""
    space = Workspace()
    made = space.create("Slides of May").id
    for role in ("reference", "query"):
        space.receive(space.add_set(made, role, role).id, files_below(drawn / role))
    space.change_options(made, encoders=[["shape", "colour"]], alignment="none")
    bring_up_to(space, made, "classify", silent)
    return space, made


def test_a_run_becomes_a_reference_of_its_own_domain(results, drawn, tmp_path, capsys):
    out = tmp_path / "reference"
    given = ["export", "--as-reference", str(results), "--out", str(out)]
    assert main([*given, "--least-confidence", "0"]) == 0
    said = capsys.readouterr().out
    assert f"written to {out}" in said
    assert "confirmed by no person" in said
    assert "research use only" in said
    typed = {one["file"]: one["final_type"] for one in table(results / "predictions.csv")}
    read = read_dataset(out, labelled=True, workers=1)
    query = read_dataset(drawn / "query", workers=1)
    assert set(read.cells) == set(query.cells)
    of_cell = dict(zip(query.cells, query.first_file, strict=True))
    for cell, label in zip(read.cells, read.cell_labels.tolist(), strict=True):
        assert typed[of_cell[cell]] == label
    pooled = ["--reference", str(drawn / "reference"), "--reference", str(out)]
    other = tmp_path / "next"
    shutil.copytree(drawn / "query", other / "more")
    again = ["run", *pooled, "--query", str(other), "--out", str(tmp_path / "again"), *FAST]
    assert main(again) == 0
    found = {
        one["file"]: one["predicted_type"] for one in table(tmp_path / "again/predictions.csv")
    }
    assert np.mean([found[f"more/{name}"] == label for name, label in typed.items()]) > 0.95
    assert main(given) == MENDABLE  # not empty
    assert "not empty" in capsys.readouterr().err


def test_a_query_that_moved_is_found_where_it_lies(results, drawn, tmp_path, capsys):
    run = tmp_path / "results"
    shutil.copytree(results, run)
    (run / "run.json").write_text('{"options": {"query": "/nowhere"}}')
    given = ["export", "--as-reference", str(run), "--out", str(tmp_path / "out"), "--quiet"]
    assert main(given) == MENDABLE
    assert "--query" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
    assert main([*given, "--query", str(drawn / "query")]) == 0


def test_a_classifier_types_cells_without_the_reference(results, drawn, tmp_path, capsys):
    file, out = tmp_path / "model.zip", tmp_path / "out"
    assert main(["export", "--model", str(results), "--out", str(file)]) == 0
    assert "A classifier for eosinophil, lymphocyte" in capsys.readouterr().out
    given = ["predict", "--model", str(file), "--query", str(drawn / "query"), "--workers", "1"]
    assert main([*given, "--out", str(out)]) == 0
    said = capsys.readouterr().out
    assert "30 files typed" in said
    assert "research use only" in said
    first, then = table(out / "predictions.csv"), table(results / "predictions.csv")
    assert [*first[0]][:4] == ["file", "predicted_type", "confidence", "flagged"]
    same = [a["predicted_type"] == b["final_type"] for a, b in zip(first, then, strict=True)]
    assert np.mean(same) >= 0.95
    assert main([*given, "--out", str(tmp_path / "again"), "--quiet"]) == 0
    for name in ("predictions.csv", "manifest.json", "batches.html"):
        assert (tmp_path / "again" / name).read_bytes() == (out / name).read_bytes()


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["export", "--as-reference", "nowhere", "--out", "o"], "not written by run"),
        (["export", "--model", "nowhere", "--out", "o"], "does not exist: give the --out of a run"),
        (["export", "--model", "study:None", "--out", "o"], "There is no study named 'None'"),
        (["predict", "--model", "none", "--query", "q", "--out", "o"], "none cannot be used"),
        (["predict", "--model", "m", "--query", "q", "--out", "o", "--workers", "0"], "--workers"),
        (["predict", "--model", "m", "--query", "q", "--out", "o", "--um-per-px", "0"], "above 0"),
    ],
)
def test_what_the_user_can_mend_ends_with_2(arguments, reason, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(arguments) == MENDABLE
    assert reason in capsys.readouterr().err


def test_a_study_is_a_reference_by_its_name_or_id(study, drawn, tmp_path, capsys):
    space, made = study
    out = tmp_path / "out"

    def typed(name):
        given = ["--reference", str(drawn / "reference"), "--reference", f"study:{name}"]
        given += ["--least-confidence", "0", "--query", str(drawn / "query"), "--out", str(out)]
        return main(["run", *given, *FAST])

    assert typed("Slides of May") == MENDABLE
    assert "Slides of May is not finished" in capsys.readouterr().err
    space.sign(made, "Dr. Ann")
    assert typed("Slides of May") == 0
    current = load_current(space, made)
    own = dict(zip(current.run.query.cells, current.run.predicted, strict=True))
    assert all(
        own[one["sha256"]] == one["predicted_type"] for one in table(out / "predictions.csv")
    )
    files = np.load(out / "neighbours.npz")["reference_files"].tolist()
    stored = [name for name in files if name.rsplit("/", 1)[-1] in own]
    assert len(stored) == len(own)  # each under its hash, which tells nothing and clashes with none
    assert "Ann" not in (out / "manifest.json").read_text()
    twin = space.duplicate(made, "Slides of May").id
    assert typed("Slides of May") == MENDABLE
    assert made in (said := capsys.readouterr().err)
    assert twin in said
    assert typed(made) == 0
    exported = tmp_path / "exported"
    given = ["export", "--as-reference", f"study:{made}", "--out", str(exported), "--quiet"]
    assert main([*given, "--least-confidence", "0"]) == 0
    assert set(read_dataset(exported, labelled=True, workers=1).cells) == own.keys()
    assert main(["export", "--model", f"study:{made}", "--out", str(tmp_path / "m.zip")]) == 0
