"""Earlier runs of a study are kept, to be compared with what it shows now."""

import pytest

from celltransfer_core.cli.main import main
from celltransfer_core.errors import StudyError
from celltransfer_core.outputs import compare_runs
from celltransfer_core.studies import (
    NOW,
    bring_up_to,
    load_current,
    now,
    review_payloads,
    reviewed_run,
    study_runs,
)
from celltransfer_core.types import silent


@pytest.fixture
def answered(space, finished):
    """A study of which one cell got another type by an answer; the cell and its type."""
    run = load_current(space, finished).run
    given = next(name for name in run.types if name != run.predicted[0])
    answers = review_payloads([(run.query.cells[0], given, False)], "Ann", now())
    space.decide_all(finished, "review", answers, "Ann")
    return finished, run.query.cells[0], given


def test_an_answer_tells_now_from_the_run_before(space, answered):
    study, cell, given = answered
    current, kept = study_runs(space, study)
    assert current.key == NOW
    assert current.written == kept.written
    before, after = (reviewed_run(space, study, one.key) for one in (kept, current))
    assert (before.reviews, len(after.reviews)) == ((), 1)
    found = compare_runs(before, after)
    change = next(one for one in found.changes if one.cell == cell)
    assert (change.after, change.answer) == (given, ("", given))


def test_runs_of_other_settings_stay_and_know_what_was_answered_then(space, answered):
    study, *_ = answered
    space.change_options(study, encoders=[["shape"]])
    bring_up_to(space, study, "classify", silent)
    current, second, first = study_runs(space, study)
    assert (current.key, current.written > first.written) == (NOW, True)
    assert len(reviewed_run(space, study, second.key).reviews) == 1
    assert reviewed_run(space, study, first.key).reviews == ()
    found = compare_runs(*(reviewed_run(space, study, one.key) for one in (first, second)))
    settings = {one.what for one in found.differences if one.kind == "setting"}
    assert any("ncoders" in what for what in settings)


def test_what_is_not_there_is_said(space, study, finished):
    with pytest.raises(StudyError, match="not been typed yet"):
        reviewed_run(space, study.id)
    with pytest.raises(StudyError, match="no longer has this run"):
        reviewed_run(space, finished, "0" * 20)
    assert study_runs(space, study.id) == ()


def said(capsys, *words):
    code = main(["study", *words])
    found = capsys.readouterr()
    return code, found.out + found.err


def test_the_command_lists_moves_and_compares(space, answered, tmp_path, capsys, monkeypatch):
    study, cell, given = answered
    assert f"{study}  " in said(capsys)[1]
    assert "Drawn (42 reference, 30 query)" in said(capsys, "list")[1]
    assert "1  " in said(capsys, "runs", "Drawn")[1]
    out = tmp_path / "changed.csv"
    code, told = said(capsys, "compare", "Drawn@1", study, "--out", str(out))
    assert code == 0
    assert f"→ {given}" in told
    assert "answer: no answer" in told
    assert cell in out.read_text(encoding="utf-8-sig")
    file = tmp_path / "drawn.zip"
    assert said(capsys, "export", "Drawn", str(file), "--quiet") == (0, "")
    assert "got a new id" in said(capsys, "import", str(file))[1]
    assert "Several studies are named Drawn" in said(capsys, "runs", "Drawn")[1]
    monkeypatch.setenv("CELLTRANSFER_HOME", str(tmp_path / "elsewhere"))
    monkeypatch.setenv("CELLTRANSFER_DATABASE", "")
    assert f"Drawn is here as {study}: 72 images" in said(capsys, "import", str(file))[1]
    assert "0 of 30 shared cells" in said(capsys, "compare", study, study)[1]


def test_the_command_ends_with_one_line_where_something_is_wrong(space, finished, tmp_path, capsys):
    (tmp_path / "text.zip").write_text("no zip")
    for words, why in (
        (["export", "Nothing", str(tmp_path / "x.zip")], "There is no study Nothing"),
        (["export", "Drawn", str(tmp_path)], "is a folder"),
        (["export", "Drawn", str(tmp_path / "text.zip" / "x")], "Cannot write"),
        (["import", str(tmp_path / "none.zip")], "cannot be read"),
        (["import", str(tmp_path / "text.zip")], "contains no study"),
        (["compare", "Drawn", "Drawn@7"], "has no run 7"),
        (["compare", "Drawn", "Other"], "There is no study Other"),
    ):
        code, told = said(capsys, *words)
        assert code == 2, words
        assert why in told
        assert [line for line in told.splitlines() if line.startswith("celltransfer:")]
