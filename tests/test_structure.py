"""The structure of the code: layers, circles, faces, lengths, private names."""

import ast
import importlib
import importlib.util
from pathlib import Path

import grimp
import pytest
from importlinter import cli

ROOT = Path(__file__).parents[1]
CORE = "celltransfer_core"

LONGEST = 400
"""Lines of a file, at most."""

LONGER: dict[str, str] = {}
"""Files that may be longer, each with the reason."""

SOURCES = [
    ROOT / "app.py",
    *sorted((ROOT / CORE).rglob("*.py")),
    *sorted((ROOT / "pages").rglob("*.py")),
]
PACKAGES = sorted(path.parent for path in (ROOT / CORE).rglob("__init__.py"))


def name_of(path):
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imports(path):
    """Give each import from another module of the project: the module and the names."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module:
            yield node.module, [alias.name for alias in node.names]


@pytest.fixture(scope="module")
def graph():
    return grimp.build_graph(CORE, cache_dir=None)


def test_imports_run_one_way_and_never_in_a_circle(monkeypatch, capsys):
    monkeypatch.chdir(ROOT)
    ended = cli.lint_imports(no_cache=True, is_debug_mode=False)
    assert ended == cli.EXIT_STATUS_SUCCESS, capsys.readouterr().out


def test_no_two_files_import_each_other(graph):
    for module in graph.modules:
        below = graph.find_downstream_modules(module)
        assert module not in below
        both = below & graph.find_upstream_modules(module)
        assert not both, f"{module} and {', '.join(sorted(both))} import each other"


def test_the_core_imports_from_the_files_that_define(graph):
    faces = {name_of(folder / "__init__.py") for folder in PACKAGES}
    through = [
        f"{module} from {face}"
        for face in faces
        for module in graph.find_modules_that_directly_import(face)
    ]
    assert through == []


@pytest.mark.parametrize("folder", PACKAGES, ids=name_of)
def test_faces_hand_on_names_and_do_nothing(folder):
    body = ast.parse((folder / "__init__.py").read_text(encoding="utf-8")).body
    assert [type(node) for node in body] == [ast.Expr, ast.Import, ast.Assign]
    if folder.name == "training":
        pytest.importorskip("torch", reason="needs the extra train")
    face = importlib.import_module(name_of(folder / "__init__.py"))
    assert face.__doc__
    assert face.__all__
    for name in face.__all__:
        found = getattr(face, name)
        assert not isinstance(found, type(ast)), f"{name} is hidden by the file of that name"


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_files_are_short(path):
    lines = path.read_text(encoding="utf-8").count("\n")
    allowed = str(path.relative_to(ROOT)) in LONGER
    assert allowed or lines <= LONGEST, f"{lines} lines: take it apart along its meaning"


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_private_names_stay_in_their_file(path):
    foreign = [
        f"{module}.{name}"
        for module, names in imports(path)
        if module.split(".")[0] in (CORE, "pages", "parts")
        for name in names
        if name.startswith("_") and not name.startswith("__")
    ]
    assert foreign == []


def test_the_core_does_not_know_streamlit():
    for path in SOURCES:
        if CORE in path.parts:
            assert not any(module.split(".")[0] == "streamlit" for module, _ in imports(path)), path
            assert "import streamlit" not in path.read_text(encoding="utf-8"), path


def test_the_picture_of_the_layers_is_of_today():
    spec = importlib.util.spec_from_file_location("layers", ROOT / "assets" / "layers.py")
    layers = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(layers)
    drawn = (ROOT / "assets" / "layers.svg").read_text(encoding="utf-8")
    assert layers.draw() == drawn, "run: python assets/layers.py"
