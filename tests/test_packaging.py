"""What a wheel brings, what a light installation needs, what is said where a part is missing."""

import json
import os
import re
import subprocess
import sys
import tomllib
import zipfile
from importlib import metadata
from pathlib import Path

import pytest
from PIL import Image

from celltransfer_core.about import APP, ASSETS, PROJECT, __version__
from celltransfer_core.cli import FAULT, MENDABLE, findings
from celltransfer_core.cli.main import main
from celltransfer_core.data import read_dataset
from celltransfer_core.encoders import available_encoders, catalogue
from celltransfer_core.runtime import extras
from celltransfer_core.studies import Workspace
from tests.benchmarks.starting import FIRST_PAGE

ROOT = Path(__file__).parents[1]
PROJECT_TABLE = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
OPTIONAL = PROJECT_TABLE["optional-dependencies"]


def plain(requirement):
    """Write a requirement in one way, whatever its spaces, quotation marks and notes."""
    return re.sub(r"\s", "", requirement.partition("#")[0]).replace('"', "'")


def listed(requirements):
    return {plain(one) for one in requirements if not plain(one).startswith("celltransfer[")}


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """The wheel, built as pip builds it, without a network."""
    pytest.importorskip("hatchling", reason="needs hatchling, which builds the wheel")
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    return next(folder.glob("*.whl"))


@pytest.fixture(scope="module")
def unpacked(wheel, tmp_path_factory):
    folder = tmp_path_factory.mktemp("site-packages")
    with zipfile.ZipFile(wheel) as packed:
        packed.extractall(folder)
    return folder


def test_the_wheel_carries_the_app_and_all_its_files(unpacked):
    for name in ("pages", "assets"):
        ours = {
            path.relative_to(ROOT / name): path.read_bytes()
            for path in (ROOT / name).rglob("*")
            if path.is_file() and "__pycache__" not in path.parts
        }
        theirs = {
            path.relative_to(unpacked / "celltransfer_app" / name): path.read_bytes()
            for path in (unpacked / "celltransfer_app" / name).rglob("*")
            if path.is_file()
        }
        assert theirs == ours
    assert (unpacked / "celltransfer_app" / "app.py").is_file()
    assert (unpacked / "celltransfer_app" / ".streamlit" / "config.toml").is_file()
    assert not list(unpacked.rglob("secrets.toml"))
    for source in (ROOT / "celltransfer_core").rglob("*"):
        if source.suffix in {".py", ".pyi", ".toml"} or source.name == "py.typed":
            assert (unpacked / source.relative_to(ROOT)).is_file(), source


def test_the_wheel_names_its_command_and_version(unpacked):
    (told,) = unpacked.glob("*.dist-info")
    assert told.name == f"celltransfer-{__version__}.dist-info"
    entry = (told / "entry_points.txt").read_text(encoding="utf-8")
    assert "celltransfer = celltransfer_core.__main__:run" in entry


def test_what_is_installed_finds_its_own_files(unpacked, tmp_path):
    script = (
        "from celltransfer_core import about; from celltransfer_core.encoders import encoder_names;"
        "print(about.APP, about.PROJECT, 'cell' in encoder_names())"
    )
    said = subprocess.run(
        [sys.executable, "-c", script],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(unpacked)},
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    assert said.split() == [str(unpacked / "celltransfer_app"), str(unpacked), "True"]


def test_a_checkout_finds_its_own_files():
    assert APP == PROJECT == ROOT
    assert (ASSETS / "encoders" / "cell.onnx").is_file()


def test_requirements_list_everything_once():
    lines = (ROOT / "requirements.txt").read_text(encoding="utf-8").splitlines()
    here = [plain(line) for line in lines if plain(line)]
    assert len(here) == len(set(here))
    whole = listed(PROJECT_TABLE["dependencies"])
    whole |= {one for extra in OPTIONAL.values() for one in listed(extra)}
    assert set(here) == whole


def test_the_light_installation_has_nothing_of_torch():
    names = {re.match(r"[\w.-]+", one)[0].lower() for one in PROJECT_TABLE["dependencies"]}
    heavy = {"torch", "torchvision", "timm", "transformers", "open_clip_torch", "onnxscript"}
    assert not names & heavy


def modules_of(requirements):
    """Name the modules that distributions bring, as they are imported."""
    by_name = {}
    for module, distributions in metadata.packages_distributions().items():
        for name in distributions:
            by_name.setdefault(re.sub(r"[-_.]+", "-", name).lower(), set()).add(module)
    found = {}
    for one in requirements:
        name = re.sub(r"[-_.]+", "-", re.match(r"[\w.-]+", one)[0]).lower()
        found[name] = by_name.get(name, set())
    return found


@pytest.mark.parametrize("extra", extras.EXTRAS)
def test_an_extra_is_looked_for_by_the_modules_that_it_brings(extra):
    if gone := extras.missing(extra):
        pytest.skip(f"needs {', '.join(gone)}")
    brought = modules_of(OPTIONAL[extra])
    assert len(brought) == len(extras.EXTRAS[extra])
    for modules in brought.values():
        assert modules & set(extras.EXTRAS[extra])


def test_every_extra_is_in_all():
    (all_of_them,) = OPTIONAL["all"]
    assert all_of_them == f"celltransfer[{','.join(extras.EXTRAS)}]"


def test_the_doctor_looks_for_every_package_that_is_needed():
    brought = modules_of(PROJECT_TABLE["dependencies"])
    assert brought.pop("uvloop", None) is not None  # faster where it is; nothing asks for it
    assert len(brought) == len(findings.PACKAGES)
    for modules in brought.values():
        assert modules & set(findings.PACKAGES)


@pytest.fixture
def without(monkeypatch):
    """Make this process one in which modules are not installed."""

    def gone(*modules):
        for name in modules:
            monkeypatch.setitem(sys.modules, name, None)

    return gone


def test_training_says_which_extra_it_needs(without, drawn, tmp_path, capsys):
    without("onnx", "onnxscript", "torch")
    command = ["encoders", "train", "--data", str(drawn / "reference")]
    assert main([*command, "--out", str(tmp_path / "mine.onnx")]) == MENDABLE
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert "Training needs packages that are not installed (onnx, onnxscript, torch)" in said
    assert 'pip install "celltransfer[train]"' in said


def test_an_encoder_without_its_packages_is_told_and_not_offered(
    without, home, tmp_path, drawn, capsys
):
    (spec,) = (one for one in catalogue.published_encoders().values() if one.id == "dinov2")
    folder = home / "encoders" / spec.id
    folder.mkdir(parents=True)
    for name in (*spec.files, "source.json"):
        (folder / name).write_bytes(b"")
    if not extras.missing("encoders"):
        assert spec.id in catalogue.encoder_names()
    without(*extras.EXTRAS["encoders"])
    assert spec.id not in catalogue.encoder_names()
    (listed_as,) = (one for one in available_encoders() if one.id == spec.id)
    assert 'pip install "celltransfer[encoders]"' in listed_as.problem
    command = ["run", "--reference", str(drawn / "reference"), "--query", str(drawn / "query")]
    assert main([*command, "--out", str(tmp_path / "out"), "--encoders", spec.id]) == MENDABLE
    assert "packages are not installed (huggingface_hub, " in capsys.readouterr().err


def test_evaluate_leaves_nmtune_out_unless_it_was_asked_for(without, drawn, tmp_path, capsys):
    without("torch")
    folders = ["--reference", str(drawn / "reference"), "--query", str(drawn / "reference")]
    command = ["evaluate", *folders, "--out", str(tmp_path / "out")]
    assert main([*command, "--methods", "knn,nmtune"]) == MENDABLE
    assert "NMTune needs packages that are not installed (torch)" in capsys.readouterr().err
    assert main([*command, "--encoders", "nothing"]) == MENDABLE
    assert "NMTune is left out" in capsys.readouterr().out


def test_a_table_format_is_refused_before_the_work(without, drawn, tmp_path, capsys):
    without("anndata")
    folders = ["--reference", str(drawn / "reference"), "--query", str(drawn / "query")]
    command = ["run", *folders, "--out", str(tmp_path / "out"), "--format", "h5ad"]
    assert main(command) == MENDABLE
    assert 'pip install "celltransfer[formats]"' in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_images_that_need_an_extra_are_left_out_with_the_command(without, tmp_path):
    without("pydicom")
    (tmp_path / "a.dcm").write_bytes(bytes(128) + b"DICM" + bytes(64))
    for number in range(3):
        Image.new("RGB", (40, 40), (number, 99, 0)).save(tmp_path / f"{number}.png")
    data = read_dataset(tmp_path, workers=1)
    assert data.n_cells == 3
    (reason,) = [one.reason for one in data.left_out if "dcm" in one.file]
    assert 'pip install "celltransfer[formats]"' in reason


def test_a_cluster_says_which_extra_it_needs(without, drawn, tmp_path, capsys):
    without("distributed")
    folders = ["--reference", str(drawn / "reference"), "--query", str(drawn / "query")]
    command = ["run", *folders, "--out", str(tmp_path / "out"), "--scheduler", "tcp://localhost:1"]
    assert main(command) == MENDABLE
    assert 'pip install "celltransfer[cluster]"' in capsys.readouterr().err


def test_the_doctor_finds_all_that_is_needed(without, capsys):
    without("torch")  # it takes seconds to load, only to be asked for a graphics card
    assert main(["doctor"]) == 0
    said = capsys.readouterr().out
    assert f"CellTransfer:   {__version__}" in said
    assert "cell, cervix, colour, texture, shape" in said
    assert "Everything required is installed." in said


def test_the_doctor_tells_what_is_missing(without, capsys):
    without("onnxruntime")
    assert main(["doctor", "--json"]) == FAULT
    told = json.loads(capsys.readouterr().out)
    assert told["problems"] == ["onnxruntime not installed: pip install celltransfer"]


def test_the_doctor_tells_of_a_folder_that_cannot_be_used(monkeypatch, tmp_path, capsys):
    (tmp_path / "studies.sqlite").write_bytes(b"no database, but as long as one " * 400)
    monkeypatch.setenv("CELLTRANSFER_HOME", str(tmp_path))
    assert main(["doctor"]) == FAULT
    said = capsys.readouterr().out
    assert str(tmp_path) in said
    assert "Something required is missing." in said


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ([], ["--server.port=8501"]),
        (["--no-browser"], ["--server.port=8501", "--server.headless=true"]),
        (
            ["--port", "80", "--address", "0.0.0.0", "--path", "cells"],  # noqa: S104
            ["--server.port=80", "--server.address=0.0.0.0", "--server.baseUrlPath=cells"],
        ),
    ],
)
def test_app_starts_the_server(monkeypatch, options, told):
    begun = []
    monkeypatch.setattr("runpy.run_module", lambda name, **_: begun.append([name, *sys.argv]))
    monkeypatch.setattr(sys, "argv", ["celltransfer"])
    assert main(["app", *options]) == 0
    assert begun == [["streamlit", "streamlit", "run", str(APP / "app.py"), *told]]


def test_app_keeps_its_things_where_it_is_told(monkeypatch, tmp_path):
    monkeypatch.setattr("runpy.run_module", lambda *_, **__: None)
    monkeypatch.setattr(sys, "argv", ["celltransfer"])
    monkeypatch.chdir(tmp_path)
    assert main(["app", "--home", "kept"]) == 0
    assert os.environ["CELLTRANSFER_HOME"] == str(tmp_path / "kept")


def test_help_names_the_command_as_it_was_called(monkeypatch, capsys):
    for called, name in (("/bin/celltransfer", "celltransfer"), ("x/__main__.py", "python -m")):
        monkeypatch.setattr(sys, "argv", [called])
        with pytest.raises(SystemExit):
            main(["--help"])
        assert capsys.readouterr().out.startswith(f"usage: {name}")


def test_the_first_page_loads_nothing_that_may_be_missing(home):
    Workspace(home).create("A study")  # else the page begins to make the demo
    command = [sys.executable, "-c", FIRST_PAGE, str(ROOT / "pages" / "main.py")]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    loaded = {name.partition(".")[0] for name in done.stdout.split()}
    assert "streamlit" in loaded
    optional = {name for modules in extras.EXTRAS.values() for name in modules}
    assert not loaded & (optional | {"faiss", "numba", "onnxruntime", "ot", "skimage"})
