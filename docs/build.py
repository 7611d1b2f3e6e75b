"""Build the documentation: ``python docs/build.py [FOLDER]``, ``build/docs`` by default.

The sources are laid out in FOLDER/source: pages of ``docs``, and the guides, model card, README,
changelog and pictures at the places that they have in the project, so that links between them
hold. The blocks of the tutorial are run, and pages on the core, its settings and its benchmarks are
written from the code. Sphinx then makes FOLDER/html, and any warning is an error.
"""

from __future__ import annotations

import ast
import os
import shutil
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
sys.path[:0] = [str(ROOT), str(DOCS)]

SCRIPTS = ("api.py", "build.py", "executed.py")
"""What makes the sources, and is none."""

TAKEN = (
    "README.md",
    "CHANGELOG.md",
    "CONTRIBUTING.md",
    "assets/guides/*.md",
    "assets/encoders/cell.md",
    "assets/*.svg",
    "assets/screenshots/*.webp",
)
"""What the site takes from the project."""


def lay_out(source: Path) -> None:
    """Copy the pages, and all that they link to."""
    shutil.copytree(DOCS, source, ignore=shutil.ignore_patterns(*SCRIPTS, "__pycache__"))
    for pattern in TAKEN:
        for file in sorted(ROOT.glob(pattern)):
            place = source / file.relative_to(ROOT)
            place.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(file, place)


def run_tutorial(source: Path) -> None:
    """Run the tutorial in a folder and a workspace of its own, and keep what it shows."""
    from executed import SCRIPT, execute
    from plotly.offline import get_plotlyjs

    page, pictures = source / "tutorial.md", source / "pictures"
    pictures.mkdir()
    with tempfile.TemporaryDirectory() as work:
        os.environ["CELLTRANSFER_HOME"] = str(Path(work) / "home")
        text = execute(page.read_text(encoding="utf-8"), Path(work), pictures)
        page.write_text(text, encoding="utf-8")
        shutil.copyfile(Path(work) / "report.html", source / "_static" / "report.html")
    (source / SCRIPT).write_text(get_plotlyjs(), encoding="utf-8")


def write_benchmarks(source: Path) -> None:
    """List the scripts that measure, each with the first sentence of its docstring."""
    lines = ["| command | measures |\n", "| --- | --- |\n"]
    for file in sorted((ROOT / "tests" / "benchmarks").glob("*.py")):
        text = file.read_text(encoding="utf-8")
        if "__main__" in text and not file.stem.endswith("_parts"):
            words = (ast.get_docstring(ast.parse(text)) or "").split("\n\n")[0].replace("\n", " ")
            lines.append(f"| `python tests/benchmarks/{file.name}` | {words} |\n")
    (source / "benchmarks.txt").write_text("".join(lines), encoding="utf-8")


def build(folder: Path) -> int:
    """Make the site anew.

    Parameters
    ----------
    folder : Path
        Its ``source`` and ``html`` are replaced.

    Returns
    -------
    int
        0 if there was no warning.
    """
    from api import write_api, write_settings
    from sphinx.cmd.build import build_main

    source, site = folder / "source", folder / "html"
    for old in (source, site):
        shutil.rmtree(old, ignore_errors=True)
    lay_out(source)
    write_benchmarks(source)
    write_settings(source / "settings.txt")
    write_api(source / "api")
    run_tutorial(source)
    options = ["--fail-on-warning", "--keep-going", "--nitpicky", "--quiet"]
    return build_main([*options, "-b", "html", str(source), str(site)])


if __name__ == "__main__":
    made = Path(sys.argv[1] if len(sys.argv) > 1 else ROOT / "build" / "docs").resolve()
    code = build(made)
    print(made / "html" / "index.html")
    sys.exit(code)
