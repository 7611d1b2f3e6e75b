import csv
import shutil
import threading

import pytest

from celltransfer_core.cli import MENDABLE, watch
from celltransfer_core.cli.main import main
from celltransfer_core.errors import StudyError
from celltransfer_core.outputs.write import MODEL
from celltransfer_core.studies import BATCH, Workspace, batches, batches_of, bring_up_to
from celltransfer_core.types import silent
from tests.studies.samples import files_below, png

FAST = ["--workers", "1", "--quiet"]


def table(path):
    return list(csv.DictReader(path.read_text(encoding="utf-8-sig").splitlines()))


@pytest.fixture(scope="module")
def results(drawn, tmp_path_factory):
    """What ``run`` writes of the drawn cells."""
    folder = tmp_path_factory.mktemp("run") / "results"
    given = ["--reference", str(drawn / "reference"), "--query", str(drawn / "query")]
    options = ["--encoders", "shape+colour", "--alignment", "none", *FAST]
    assert main(["run", *given, "--out", str(folder), *options]) == 0
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
    space.sign(made, "Ann")
    return space, made


@pytest.fixture
def june(drawn, tmp_path):
    """The next slides: of another laboratory, and one cell that was there already."""
    folder = tmp_path / "june"
    shutil.copytree(drawn / "reference", folder)
    old = sorted((drawn / "query").rglob("*.png"))[0]
    shutil.copy(old, folder / "old.png")
    return folder


def test_a_folder_of_known_cells_leaves_no_empty_batch(study, drawn, tmp_path, capsys):
    space, made = study
    folder = tmp_path / "again"
    shutil.copytree(drawn / "query", folder)
    (folder / "metadata.csv").write_text("file,slide\n")
    given = ["run", "--continue", "Slides of May", "--query", str(folder)]
    assert main([*given, "--out", str(tmp_path / "out"), "--workers", "1"]) == 2
    assert "no usable image that is not already in Slides of May" in capsys.readouterr().err
    assert not space.sets(made, BATCH)


def test_a_study_goes_on_with_the_next_slides(study, june, tmp_path, capsys):
    space, made = study
    out = tmp_path / "out"
    given = ["run", "--continue", "Slides of May", "--query", str(june), "--out", str(out)]
    assert main([*given, "--workers", "1"]) == 0
    said = capsys.readouterr().out
    cells = len(list(june.rglob("*.png"))) - 1
    assert f"Files added to batch june of Slides of May: {cells:,}; left out" in said
    assert "already in the study: 1" in said
    assert "Stain or proportions have drifted" in said
    assert "run --reference 'study:Slides of May' --query" in said
    rows = table(out / "predictions.csv")
    assert {row["batch"] for row in rows} == {"june"}
    assert len(rows) == cells
    assert {row["figure"] for row in table(out / "drift.csv")} >= {"stain", "proportions"}
    page = (out / "batches.html").read_text(encoding="utf-8")
    assert "Slides of May: cells added later" in page
    assert "research use only" in page.lower()
    (batch,) = batches_of(space, made)
    assert batch.typed.query.n_cells == cells
    assert space.study(made).signed_by == "Ann"
    predictions = (out / "predictions.csv").read_bytes()
    assert main([*given, *FAST]) == 0  # the same folder again adds nothing
    assert len(batches_of(space, made)) == 1
    assert (out / "predictions.csv").read_bytes() == predictions


def test_a_run_goes_on_and_its_folder_stays_as_it_is(results, june, tmp_path, capsys):
    before = {path.name: path.read_bytes() for path in results.iterdir()}
    out = tmp_path / "out"
    given = ["run", "--continue", str(results), "--query", str(june)]
    assert main([*given, "--out", str(out), "--workers", "1"]) == 0
    said = capsys.readouterr().out
    assert "unlike all types (" in said
    assert "export --as-reference" in said
    rows = table(out / "predictions.csv")
    assert len(rows) == len(list(june.rglob("*.png")))
    assert {row["unknown"] for row in rows} <= {"true", "false"}
    assert {row["drifted"] for row in table(out / "drift.csv")} >= {"true"}
    counts = table(out / "differential.csv")
    assert sum(int(row["cells"]) for row in counts) == len(rows)
    assert "batch" not in counts[0]
    assert said.rstrip().splitlines()[-2].endswith("batches.html, differential.csv.")
    page = (out / "batches.html").read_text(encoding="utf-8")
    assert "<h1>june: typed with a classifier</h1>" in page
    assert "june: All cells: the stain" in page
    assert "Plotly.newPlot(" in page
    assert "signed off" not in page
    assert {path.name: path.read_bytes() for path in results.iterdir()} == before
    assert main([*given, "--out", str(results), *FAST]) == MENDABLE
    assert "must not change" in capsys.readouterr().err
    bare = tmp_path / "bare"
    shutil.copytree(results, bare)
    (bare / MODEL).unlink()
    told = ["run", "--continue", str(bare), "--query", str(june), "--out", str(out), *FAST]
    assert main(told) == MENDABLE
    assert "fewer than two types" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "named"),
    [
        (["--reference", "other"], "--reference"),
        (["--seed", "3", "--matches", "m.csv"], "--matches"),
        (["--seed", "3", "--matches", "m.csv"], "--seed"),
        (["--alignment", "none"], "--alignment"),
        (["--format", "xlsx"], "--format"),
        (["--skip-missing"], "--skip-missing"),
    ],
)
def test_options_that_it_would_not_follow_are_refused(options, named, tmp_path, capsys):
    given = ["run", "--continue", "May", "--query", str(tmp_path), "--out", str(tmp_path / "out")]
    assert main([*given, *options]) == MENDABLE
    said = capsys.readouterr().err
    assert "--continue cannot be combined with" in said
    assert named in said
    assert not (tmp_path / "out").exists()


def test_what_to_go_on_with_must_be_there(tmp_path, home, capsys):
    given = ["run", "--continue", "May", "--query", str(tmp_path), "--out", str(tmp_path / "out")]
    assert main(given) == MENDABLE
    said = capsys.readouterr().err
    assert "May is not a folder written by run. There is no study named 'May'" in said
    with pytest.raises(SystemExit) as ended:
        main(["run", "--query", str(tmp_path), "--out", str(tmp_path / "out")])
    assert ended.value.code == MENDABLE
    assert "--reference (or --continue)" in capsys.readouterr().err


def test_a_watched_folder_is_typed_as_files_come_in(study, drawn, tmp_path, capsys):
    space, made = study
    folder = tmp_path / "microscope"
    (folder / "slide 1").mkdir(parents=True)
    images = sorted((drawn / "reference").rglob("*.png"))
    for path in images[:4]:
        shutil.copy(path, folder / "slide 1" / path.name)
    shutil.copy(images[5], folder / "loose.png")
    (folder / "half.png").write_bytes(images[6].read_bytes()[:50])
    given = ["watch", str(folder), "--continue", "Slides of May", "--every", "0.2", "--once"]
    late = threading.Timer(0.1, shutil.copy, (images[6], folder / "half.png"))
    late.start()
    assert main([*given, "--workers", "1"]) == 0
    late.join()
    assert "Files added to batch slide 1 of Slides of May: 4" in capsys.readouterr().out
    found = {one.images.name: one.typed.query.n_cells for one in batches_of(space, made)}
    assert found == {"slide 1": 4, "microscope": 1}  # what still changes is not taken
    assert main([*given, *FAST]) == 0
    found = {one.images.name: one.typed.query.n_cells for one in batches_of(space, made)}
    assert found == {"slide 1": 4, "microscope": 2}


def test_a_watched_table_waits_for_its_images(study, tmp_path, monkeypatch, capsys):
    space, made = study
    slide = tmp_path / "microscope" / "slide 1"
    slide.mkdir(parents=True)
    (slide / "metadata.csv").write_text("file,slide\n1.png,S1\n")
    looks = []

    def sleep(_):
        looks.append(len(space.sets(made, BATCH)))
        if len(looks) == 3:
            (slide / "1.png").write_bytes(png(1))
        if len(looks) == 6:
            raise KeyboardInterrupt

    monkeypatch.setattr(watch.time, "sleep", sleep)
    given = ["watch", str(slide.parent), "--continue", "Slides of May", "--workers", "1"]
    assert main(given) == 130
    assert looks == [0, 0, 0, 0, 1, 1]
    assert capsys.readouterr().out.count("Files added to batch") == 1
    (batch,) = batches_of(space, made)
    assert batch.typed.query.slide == ("S1",)


def test_a_folder_that_cannot_be_a_batch_does_not_stop_the_others(
    study, tmp_path, monkeypatch, capsys
):
    space, made = study
    folder = tmp_path / "microscope"
    for number, head in enumerate(("microscope", "slide 1")):
        (folder / head).mkdir(parents=True)
        (folder / head / "1.png").write_bytes(png(number))
    (folder / "1.png").write_bytes(png(2))  # in a batch of the same name as the sub-folder
    looks = []

    def sleep(_):
        looks.append(1)
        if len(looks) == 5:
            (folder / "microscope" / "1.png").unlink()
        if len(looks) == 8:
            raise KeyboardInterrupt

    monkeypatch.setattr(watch.time, "sleep", sleep)
    given = ["watch", str(folder), "--continue", "Slides of May", "--workers", "1"]
    assert main([*given, "--once"]) == MENDABLE
    clash = "would replace each other in one batch called microscope"
    assert clash in capsys.readouterr().err
    assert [one.images.name for one in batches_of(space, made)] == ["slide 1"]
    assert main(given) == 130
    assert capsys.readouterr().err.count(clash) == 1  # not with every look
    assert {one.images.name for one in batches_of(space, made)} == {"slide 1", "microscope"}


def test_cells_that_cannot_be_typed_yet_are_typed_later(study, tmp_path, monkeypatch, capsys):
    space, made = study
    (tmp_path / "slide 1").mkdir()
    (tmp_path / "slide 1" / "1.png").write_bytes(png(1))
    looks, type_batches = [], batches.type_batches

    def sleep(_):
        looks.append(1)
        if len(looks) == 6:
            raise KeyboardInterrupt

    def type_later(*given):
        if len(looks) < 4:  # as while the study is typed again with other settings
            raise StudyError("The cells are not typed yet.")
        return type_batches(*given)

    monkeypatch.setattr(watch.time, "sleep", sleep)
    monkeypatch.setattr(batches, "type_batches", type_later)
    given = ["watch", str(tmp_path), "--continue", "Slides of May", "--workers", "1"]
    assert main([*given, "--once"]) == MENDABLE
    assert main(given) == 130
    assert capsys.readouterr().err.count("The cells are not typed yet") == 2  # once per command
    (batch,) = batches_of(space, made)
    assert batch.typed.query.n_cells == 1


def test_nothing_is_added_to_a_study_that_was_deleted(study, tmp_path, monkeypatch, capsys):
    space, made = study
    (tmp_path / "slide 1").mkdir()
    looks = []

    def sleep(_):
        looks.append(1)
        (tmp_path / "slide 1" / f"{min(len(looks), 5)}.png").write_bytes(png(min(len(looks), 5)))
        if len(looks) == 5:
            space.delete(made)
        if len(looks) == 9:
            raise KeyboardInterrupt

    monkeypatch.setattr(watch.time, "sleep", sleep)
    given = ["watch", str(tmp_path), "--continue", "Slides of May", *FAST]
    assert main(given) == MENDABLE
    assert "no longer exists" in capsys.readouterr().err
    space.restore(made)
    (batch,) = space.sets(made, BATCH)
    assert {*space.known_files(batch.id)} == {"1.png", "2.png", "3.png"}


@pytest.mark.usefixtures("study")
def test_a_full_disk_says_to_run_again(june, tmp_path, monkeypatch, capsys):
    def full(path, data):
        raise OSError(28, "No space left on device")

    given = ["run", "--continue", "Slides of May", "--query", str(june), "--workers", "1"]
    given = [*given, "--out", str(tmp_path / "out")]
    (tmp_path / "out").mkdir()
    with monkeypatch.context() as patch:
        patch.setattr("celltransfer_core.runtime.files.check_writable", lambda _: None)
        patch.setattr("pathlib.Path.write_bytes", full)
        assert main(given) == MENDABLE
    said = capsys.readouterr().err
    assert "No space left on device" in said
    assert "run again: finished work is kept." in said
    assert "drop" not in said
    assert main(given) == 0


def test_what_cannot_be_watched_says_why(tmp_path, home, capsys):
    given = ["watch", str(tmp_path / "none"), "--continue", "May"]
    assert main(given) == MENDABLE
    assert "is not a folder" in capsys.readouterr().err
    (tmp_path / "1.png").write_bytes(png())
    assert main(["watch", str(tmp_path), "--continue", "May", "--every", "0"]) == MENDABLE
    assert "--every cannot be 0" in capsys.readouterr().err


@pytest.mark.usefixtures("study")
def test_a_batch_that_cannot_be_typed_does_not_stop_the_next_slides(june, tmp_path, capsys):
    bad = tmp_path / "bad"
    bad.mkdir()
    (bad / "1.png").write_bytes(png(1))
    (bad / "metadata.csv").write_text("nofile;x\n1;2\n")
    given = ["run", "--continue", "Slides of May", "--workers", "1", "--out", str(tmp_path / "out")]
    assert main([*given, "--query", str(bad)]) == MENDABLE
    assert "bad/metadata.csv needs the columns file" in capsys.readouterr().err
    assert main([*given, "--query", str(june)]) == 0
    assert "bad/metadata.csv needs the columns file" in capsys.readouterr().out
    assert {row["batch"] for row in table(tmp_path / "out" / "predictions.csv")} == {"june"}
    (bad / "2.png").write_bytes(png(2))
    watch = ["watch", str(tmp_path), "--continue", "Slides of May", "--every", "0.1", "--once"]
    assert main([*watch, *FAST]) == MENDABLE
    assert "bad/metadata.csv needs the columns file" in capsys.readouterr().err
