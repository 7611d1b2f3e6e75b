import csv
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from celltransfer_core.cli import FAULT, INTERRUPTED, MENDABLE
from celltransfer_core.cli.main import main

ROOT = Path(__file__).parents[2]


def command(*arguments, **options):
    return subprocess.run(
        [sys.executable, "-m", "celltransfer_core", *map(str, arguments)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
        **options,
    )


def run_arguments(drawn, out, *more):
    return [
        "run",
        "--reference",
        str(drawn / "reference"),
        "--query",
        str(drawn / "query"),
        "--out",
        str(out),
        "--encoders",
        "colour+shape,colour",
        "--draws",
        "1",
        "--workers",
        "1",
        *map(str, more),
    ]


def results(folder):
    return {p.name: p.read_bytes() for p in sorted(folder.iterdir()) if p.name != "run.json"}


def test_help_imports_nothing_heavy():
    heavy = "numpy|scipy|sklearn|skimage|faiss|ot|pandas|networkx|onnxruntime|PIL|tqdm|torch"
    heavy += "|streamlit|psutil|sqlalchemy|loky"
    script = (
        "import sys; from celltransfer_core.__main__ import main\n"
        "try: main(['--help'])\n"
        "except SystemExit: pass\n"
        f"print(sorted(set(sys.modules) & set('{heavy}'.split('|'))), file=sys.stderr)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert "run" in done.stdout
    assert done.stderr.strip() == "[]"


def test_run_says_what_it_did_and_again_gives_the_same_bytes(drawn, tmp_path, capsys):
    assert main(run_arguments(drawn, tmp_path / "a")) == 0
    said = capsys.readouterr().out
    for words in (
        "reference: 42 cells (eosinophil 14, lymphocyte 14, neutrophil 14)",
        "42 of 42 nuclei found in reference",
        "matched type",
        "flagged for an agreement below 0.6",
        "research use only",
    ):
        assert words in said
    assert main([*run_arguments(drawn, tmp_path / "b"), "--quiet"]) == 0
    assert capsys.readouterr().out == ""
    assert results(tmp_path / "a") == results(tmp_path / "b")


def test_confirm_and_hand_back(drawn, tmp_path, capsys):
    main(run_arguments(drawn, tmp_path / "a"))
    path = tmp_path / "a" / "matches.csv"
    lines = path.read_text().splitlines()
    path.write_text("\n".join([lines[0], lines[1].replace(",false,", ",true,me"), *lines[2:]]))
    clusters = tmp_path / "a" / "clusters.csv"
    more = ["--matches", path, "--clusters-from", clusters]
    assert main(run_arguments(drawn, tmp_path / "b", *more)) == 0
    assert "(confirmed)" in capsys.readouterr().out
    assert ",true,me" in (tmp_path / "b" / "matches.csv").read_text()


def test_a_type_that_the_reference_lacks_is_said(drawn, tmp_path, capsys):
    main(run_arguments(drawn, tmp_path / "a"))
    path = tmp_path / "a" / "matches.csv"
    table = list(csv.DictReader(path.read_text(encoding="utf-8-sig").splitlines()))
    table[0] |= {"matched_type": "Lymphocyt", "confirmed": "true", "by": "me"}
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, table[0])
        writer.writeheader()
        writer.writerows(table)
    more = ["--matches", path, "--clusters-from", tmp_path / "a" / "clusters.csv"]
    assert main(run_arguments(drawn, tmp_path / "b", *more)) == MENDABLE
    asked = f"not a type of the reference. {path}: Lymphocyt (line 2; did you mean lymphocyte?)"
    assert asked in capsys.readouterr().err
    assert main(run_arguments(drawn, tmp_path / "b", *more, "--new-types", "lymphocyt")) == 0
    said = capsys.readouterr().out
    assert "a type that the reference lacks: Lymphocyt (did you mean lymphocyte?)" in said


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (["--reference", "{gone}"], "does not exist"),
        (["--query", "{empty}"], "no usable image"),
        (["--reference", "{drawn}/reference/lymphocyte"], "no usable image"),
        (["--reference", "{one}"], "only one type"),
        (["--reference", "{table}"], "labels.csv is not UTF-8 text"),
        (["--reference", "{nested}"], "labels.csv is in a sub-folder"),
        (["--encoders", "dinosaur"], "no encoder 'dinosaur'"),
        (["--encoders", "colour,,"], "not a list of encoders"),
        (["--alpha", "7"], "--alpha"),
        (["--alpha", "x"], "invalid float"),
        (["--sigma", "x"], "not auto, paper or a number"),
        (["--workers", "0"], "--workers"),
        (["--matches", "{gone}"], "cannot be read"),
        (["--clusters-from", "{gone}"], "cannot be read"),
        (["--out", "{file}"], "Cannot write"),
        (["--nonsense"], "unrecognized arguments"),
        (["--um-per-px-of", "query"], "not have the form SET=NUMBER"),
        (["--um-per-px-of", "query=0"], "not have the form SET=NUMBER"),
        (["--um-per-px-of", "other=0.1"], "--um-per-px-of other matches no set"),
        (["--um-per-px-of", "query=0.1"], "gives no pixel size for {drawn}/reference"),
    ],
)
def test_mistakes_are_told_in_one_line(drawn, tmp_path, capsys, change, message):
    (tmp_path / "empty").mkdir()
    (tmp_path / "file").write_text("")
    shutil.copytree(drawn / "reference" / "lymphocyte", tmp_path / "one" / "lymphocyte")
    for name, where in (("table", "labels.csv"), ("nested", "lymphocyte/labels.csv")):
        shutil.copytree(drawn / "reference", tmp_path / name)
        (tmp_path / name / where).write_bytes("file,label\n1.png,x\n".encode("utf-16")[:-1])
    names = ("gone", "empty", "file", "one", "table", "nested")
    places = {name: tmp_path / name for name in names}
    filled = [text.format(drawn=drawn, **places) for text in change]
    try:
        code = main([*run_arguments(drawn, tmp_path / "out"), *filled])
    except SystemExit as ended:
        code = ended.code
    assert code == MENDABLE
    told = capsys.readouterr().err.split("celltransfer: ")[-1]
    assert message.format(drawn=drawn) in told
    assert told.count("\n") == 1


def test_bad_files_are_listed_on_the_screen(drawn, tmp_path, capsys):
    shutil.copytree(drawn, tmp_path / "sets")
    (tmp_path / "sets" / "query" / "broken.png").write_bytes(b"")
    assert main(run_arguments(tmp_path / "sets", tmp_path / "out")) == 0
    assert "left out: broken.png: the file is empty" in capsys.readouterr().out
    assert "broken.png" in (tmp_path / "out" / "manifest.json").read_text()


def test_a_fault_of_ours_is_told_and_debug_shows_it(drawn, tmp_path, capsys, monkeypatch):
    def fault(*_, **__):
        raise ZeroDivisionError("oops")

    monkeypatch.setattr("celltransfer_core.pipeline.runs.run", fault)
    assert main(run_arguments(drawn, tmp_path / "out")) == FAULT
    assert "internal error (ZeroDivisionError: oops)" in capsys.readouterr().err
    with pytest.raises(ZeroDivisionError):
        main([*run_arguments(drawn, tmp_path / "out"), "--debug"])

    def interrupt(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr("celltransfer_core.pipeline.runs.run", interrupt)
    assert main(run_arguments(drawn, tmp_path / "out")) == INTERRUPTED
    assert "run the same command to continue" in capsys.readouterr().err


STAGES = ("reading", "framing", "embedding", "clusters", "aligning", "vote")
KILLER = """
import os, signal, sys
from celltransfer_core.cli import main as cli, run as command
stage = sys.argv.pop(1)
class Killer(command.Screen):
    def __call__(self, name, done, total):
        if name.startswith(stage) and (done or stage == "vote"):
            os.kill(os.getpid(), signal.SIGKILL)
command.Screen = Killer
cli.main(sys.argv[1:])
"""


def test_kill_9_in_each_stage_then_the_same_command(drawn, tmp_path, home):
    more = ["--transport", "always"]
    assert main([*run_arguments(drawn, tmp_path / "whole", *more), "--quiet"]) == 0
    shutil.rmtree(home)
    arguments = run_arguments(drawn, tmp_path / "killed", *more)
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    for stage in STAGES:
        killed = subprocess.run(
            [sys.executable, "-c", KILLER, stage, *arguments],
            cwd=ROOT,
            env=environment,
            capture_output=True,
            check=False,
        )
        assert killed.returncode == -signal.SIGKILL, killed.stderr.decode()[-500:]
        assert not list((tmp_path / "killed").glob("*.csv"))
    assert main([*arguments, "--quiet"]) == 0
    assert results(tmp_path / "killed") == results(tmp_path / "whole")


def test_ctrl_c_ends_with_a_line(drawn, tmp_path):
    process = subprocess.Popen(
        [sys.executable, "-m", "celltransfer_core", *run_arguments(drawn, tmp_path / "out")],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        # Where the tests run in a shell's background, Ctrl-C is ignored, and that is inherited.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    seen = ""
    deadline = time.monotonic() + 60
    while "embedding" not in seen and time.monotonic() < deadline:
        seen += process.stderr.read(1)
    process.send_signal(signal.SIGINT)
    error = process.communicate(timeout=60)[1]
    assert process.returncode == INTERRUPTED
    assert "finished work is kept" in error
    assert "Traceback" not in error


def test_encoders_are_listed_and_added(capsys, tmp_path):
    assert main(["encoders"]) == 0
    listed = capsys.readouterr().out
    for name in ("colour", "texture", "shape"):
        assert re.search(rf"^{name} +yes +\d+ +BSD", listed, re.MULTILINE)
    assert main(["encoders", "list"]) == 0
    assert capsys.readouterr().out == listed
    assert main(["encoders", "add", "mine", str(tmp_path / "gone.onnx")]) == MENDABLE
    assert "gone.onnx is missing" in capsys.readouterr().err


def test_demo_is_drawn_said_so_and_runs(tmp_path, capsys):
    assert main(["demo", str(tmp_path / "demo")]) == 0
    said = capsys.readouterr().out
    assert said.startswith("Synthetic cells, not real ones")
    assert main(["demo", str(tmp_path / "demo")]) == MENDABLE
    capsys.readouterr()
    arguments = said.splitlines()[1].split()[3:]
    assert main([*arguments, "--encoders", "colour", "--draws", "1", "--quiet"]) == 0
    slides = (tmp_path / "demo" / "results" / "differential.csv").read_text()
    assert slides.count("\n") > 2 * len(arguments)


def test_a_demo_has_as_many_cells_as_were_asked_for(tmp_path, capsys):
    assert main(["demo", str(tmp_path / "demo"), "--per-type", "2", "--cells", "9"]) == 0
    assert len(list((tmp_path / "demo" / "reference").glob("*/*.png"))) == 6 * 2
    assert len(list((tmp_path / "demo" / "query").glob("*.png"))) == 9
    with pytest.raises(SystemExit, match=str(MENDABLE)):
        main(["demo", str(tmp_path / "other"), "--cells", "0"])
    assert "0 is not a whole number of at least 1" in capsys.readouterr().err


def other_reference(drawn, folder):
    """The drawn query with its types as folders, as conftest draws them."""
    for file in (drawn / "query").iterdir():
        into = folder / ("lymphocyte" if int(file.stem) % 3 else "eosinophil")
        into.mkdir(parents=True, exist_ok=True)
        shutil.copy(file, into / file.name)
    return folder


def test_several_references_are_pooled(drawn, tmp_path, capsys):
    other = other_reference(drawn, tmp_path / "other")
    more = ("--reference", other, "--types", "other:lymphocyte")
    more += ("--types", "reference:eosinophil,neutrophil")
    assert main(run_arguments(drawn, tmp_path / "out", *more)) == 0
    assert "reference: 48 cells (eosinophil 14, lymphocyte 20, neutrophil 14)" in (
        capsys.readouterr().out
    )


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        (("--types", "elsewhere:a"), "'elsewhere'; the references are reference"),
        (("--types", "reference:monocyte"), "selects monocyte from reference, which has"),
        (("--types", "reference:eosinophil"), "only one type"),
    ],
)
def test_types_that_cannot_be_taken(drawn, tmp_path, capsys, more, expected):
    assert main(run_arguments(drawn, tmp_path / "out", *more)) == MENDABLE
    assert expected in capsys.readouterr().err


def test_types_of_a_wrong_form(drawn, tmp_path, capsys):
    with pytest.raises(SystemExit) as ended:
        main(run_arguments(drawn, tmp_path / "out", "--types", "reference"))
    assert ended.value.code == MENDABLE
    assert "SET:type,type" in capsys.readouterr().err


def test_weights_that_are_not_here_stop_a_run_or_are_skipped(drawn, tmp_path, capsys):
    more = ("--encoders", "dinov2,colour,dinov2+colour")
    assert main(run_arguments(drawn, tmp_path / "out", *more)) == MENDABLE
    said = capsys.readouterr().err
    assert "encoders fetch dinov2" in said
    assert "encoders add dinov2 FILE" in said
    assert "--skip-missing" in said
    assert not (tmp_path / "out").exists()
    assert main(run_arguments(drawn, tmp_path / "out", *more, "--skip-missing")) == 0
    assert "encoders not installed: dinov2; used: colour" in capsys.readouterr().out


def test_fetching_asks_for_the_licence(capsys, monkeypatch):
    monkeypatch.setattr("sys.stdin.isatty", lambda: False, raising=False)
    assert main(["encoders", "fetch", "vitmae"]) == MENDABLE
    told = capsys.readouterr()
    assert "CC-BY-NC-4.0" in told.out
    assert "--accept-licence" in told.err
    assert main(["encoders", "fetch", "nothing"]) == MENDABLE
    assert "cannot be downloaded" in capsys.readouterr().err
