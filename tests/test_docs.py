"""The documentation is built, with warnings as errors, and holds all that it should."""

import ast
import importlib.util
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
TOOLS = ("furo", "latex2mathml", "myst_parser", "numpydoc", "sphinx")

missing = [name for name in TOOLS if importlib.util.find_spec(name) is None]
pytestmark = pytest.mark.skipif(
    bool(missing), reason=f"the documentation is built by {', '.join(missing)}: not installed"
)


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """Build it in a process of its own, for Sphinx and the tutorial change global things."""
    folder = tmp_path_factory.mktemp("docs")
    command = [sys.executable, str(ROOT / "docs" / "build.py"), str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr[-4000:]
    return folder / "html"


def public_names():
    """List what each package exports: its name, the module that defines it, and the name."""
    for stub in sorted((ROOT / "celltransfer_core").rglob("__init__.pyi")):
        face = ".".join(stub.parent.relative_to(ROOT).parts)
        for line in ast.parse(stub.read_text(encoding="utf-8")).body:
            yield from ((face, f"{face}.{line.module}", alias.name) for alias in line.names)


def test_every_public_name_is_documented_once(site):
    pages = "".join(file.read_text(encoding="utf-8") for file in (site / "api").glob("*.html"))
    places = {}
    for face, module, name in public_names():
        names = places.setdefault(f"{module}.{name}", {f"{module}.{name}"})
        names.add(f"{face}.{name}")
    assert len(places) > 400
    for names in places.values():
        told = [pages.count(f'<dt class="sig sig-object py" id="{one}">') for one in names]
        assert sum(told) == 1, names


def test_every_guide_is_there_and_its_formulas_are_mathml(site):
    guides = sorted((ROOT / "assets" / "guides").glob("*.md"))
    front = (site / "index.html").read_text(encoding="utf-8")
    for guide in guides:
        made = site / "assets" / "guides" / f"{guide.stem}.html"
        assert made.exists()
        assert f"assets/guides/{guide.stem}.html" in front, "list it in docs/index.md"
        formulas = re.findall(r"\$\$.*?\$\$", guide.read_text(encoding="utf-8"), re.DOTALL)
        assert made.read_text(encoding="utf-8").count('display="block"') == len(formulas)


def test_the_tutorial_was_run(site):
    page = (site / "tutorial.html").read_text(encoding="utf-8")
    assert len(re.findall(r'<img [^>]*src="_images/', page)) == 3
    assert page.count("class='figure-plotly'") == 2
    assert "Written to results: predictions.csv" in page
    assert "neutrophil (confirmed)" in page
    assert (site / "_static" / "report.html").stat().st_size > 1_000_000


def test_pages_load_nothing_from_elsewhere(site):
    for file in site.rglob("*.html"):
        if file.name == "report.html":
            continue  # it holds the plotting library, and a policy that loads nothing
        page = file.read_text(encoding="utf-8")
        loaded = re.findall(r'<(?:script|link|img|iframe)\b[^>]*(?:src|href)="([^"]*)"', page)
        assert not [one for one in loaded if re.match(r"(https?:)?//", one)], file.name
