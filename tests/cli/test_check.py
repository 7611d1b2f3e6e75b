import csv
import shutil

import pytest

from celltransfer_core.cli import MENDABLE
from celltransfer_core.cli.main import main


def check(folder, *more):
    fast = ["--encoders", "shape+colour", "--workers", "1"]
    return main(["check", "--reference", str(folder), *fast, *map(str, more)])


@pytest.fixture
def mistaken(drawn, tmp_path):
    """The drawn reference with one cell in the wrong folder, and one image in two."""
    folder = tmp_path / "=reference"
    shutil.copytree(drawn / "reference", folder)
    (folder / "lymphocyte" / "3.png").rename(folder / "neutrophil" / "moved.png")
    shutil.copy(folder / "eosinophil" / "5.png", folder / "lymphocyte" / "=copy.png")
    return folder


def test_check_lists_the_most_doubtful_first(mistaken, tmp_path, capsys):
    assert check(mistaken, "--out", tmp_path / "a") == 0
    said = capsys.readouterr().out
    assert "of 41 cells need a check: 1 have a suspicious label" in said
    assert "2 files are left out: the same image appears under several types" in said
    assert "neutrophil/moved.png: neutrophil, proposed lymphocyte" in said
    assert "research use only" in said
    text = (tmp_path / "a" / "check.csv").read_text(encoding="utf-8-sig")
    rows = list(csv.DictReader(text.splitlines()))
    assert [*rows[0]][:4] == ["file", "label", "proposed", "score"]
    assert [row["reason"] for row in rows[:3]] == ["duplicate", "duplicate", "label"]
    assert rows[2]["file"] == "neutrophil/moved.png"
    assert rows[2]["proposed"] == "lymphocyte"
    scores = [float(row["score"]) for row in rows]
    assert scores == sorted(scores, reverse=True)
    assert len(rows) == 43
    assert check(mistaken, "--out", tmp_path / "b", "--quiet") == 0
    assert capsys.readouterr().out == ""
    assert (tmp_path / "b" / "check.csv").read_bytes() == text.encode("utf-8-sig")


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["--reference", "nowhere"], "does not exist"),
        (["--reference", "one"], "only one type"),
        (["--reference", "one", "--workers", "0"], "--workers must be at least 1"),
        (["--reference", "one", "--encoders", "no-such"], "no-such"),
    ],
)
def test_what_the_user_can_mend_ends_with_2(
    arguments, reason, drawn, tmp_path, capsys, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    shutil.copytree(drawn / "reference" / "lymphocyte", tmp_path / "one" / "lymphocyte")
    assert main(["check", *arguments]) == MENDABLE
    assert reason in capsys.readouterr().err
