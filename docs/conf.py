"""How Sphinx turns the sources that ``docs/build.py`` lays out into a site.

Mathematics becomes MathML, which browsers draw by themselves, so that pages load nothing from
elsewhere. References to the project's own names lead to where users import them.
"""

from __future__ import annotations

import ast
import importlib
import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from docutils import nodes
from latex2mathml.converter import convert

import celltransfer_core
from celltransfer_core.about import RESEARCH_USE, __version__

if TYPE_CHECKING:
    from sphinx.application import Sphinx
    from sphinx.environment import BuildEnvironment
    from sphinx.writers.html5 import HTML5Translator

CORE = Path(celltransfer_core.__file__).parent

project = "CellTransfer"
author = project
version = release = __version__

extensions = ["myst_parser", "numpydoc", "sphinx.ext.autodoc"]
exclude_patterns = ["README.md"]  # parts of it are included

myst_enable_extensions = ["dollarmath"]
myst_heading_anchors = 2
nitpick_ignore = [  # of other libraries, whose sites a build without a network cannot ask
    ("py:func", "functools.partial"),
    ("py:class", "ot.da.LinearTransport"),
    ("py:class", "ot.da.SinkhornTransport"),
]
smartquotes_action = "qe"  # two dashes begin an option
suppress_warnings = ["myst.header"]  # guides begin with a heading of the second level

# Docstrings say the types of parameters with their shapes and units.
add_module_names = False
autodoc_typehints = "none"
autodoc_preserve_defaults = True
autodoc_member_order = "bysource"
numpydoc_show_class_members = False

html_theme = "furo"
html_title = f"{project} {__version__}"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_show_sourcelink = False
html_copy_source = False
html_show_copyright = False
html_theme_options = {"announcement": RESEARCH_USE, "top_of_page_buttons": []}


def add_inline_math(page: HTML5Translator, node: nodes.math) -> None:
    """Write a formula in a line of text."""
    page.body.append(convert(node.astext()))
    raise nodes.SkipNode


def add_display_math(page: HTML5Translator, node: nodes.math_block) -> None:
    r"""Write a formula in lines of its own, with the number of its ``\tag`` beside it."""
    page.body.append("<div class='formulas'>")
    for formula in node.astext().strip().split("\n\n"):
        tag = re.search(r"\\tag\{(.*?)\}", formula)
        tex = formula.replace(tag[0], "") if tag else formula
        number = f"<span>({tag[1]})</span>" if tag else ""
        page.body.append(f"<div>{convert(tex, display='block')}{number}</div>")
    page.body.append("</div>")
    raise nodes.SkipNode


def public_places() -> dict[str, str]:
    """Map where each public name is defined to where users import it."""
    places = {}
    for stub in sorted(CORE.rglob("__init__.pyi")):
        if stub.parent == CORE:
            continue  # all of it is documented in the packages below
        face = ".".join(stub.parent.relative_to(CORE.parent).parts)
        for line in ast.parse(stub.read_text(encoding="utf-8")).body:
            if isinstance(line, ast.ImportFrom):
                for alias in line.names:
                    places[f"{face}.{line.module}.{alias.name}"] = f"{face}.{alias.name}"
    return places


PLACES = public_places()


def possible_names(target: str, face: str) -> Iterator[str]:
    """Write a reference in full, as the file would read it that holds it."""
    if target.startswith(CORE.name):
        yield target
    elif face:
        for file in sorted((CORE.parent / face.replace(".", "/")).glob("*.py")):
            if not file.stem.startswith("__"):
                yield f"{face}.{file.stem}.{target}"


def exists(name: str) -> bool:
    """Tell whether a module, or something in one, has this name."""
    parts = name.split(".")
    for length in range(len(parts), 0, -1):
        try:
            found: Any = importlib.import_module(".".join(parts[:length]))
        except ModuleNotFoundError:
            continue
        for part in parts[length:]:
            if part in getattr(found, "__annotations__", {}):
                return True  # a field without a default is no attribute of its class
            if not hasattr(found, part):
                return False
            found = getattr(found, part)
        return True
    return False


def find_own(
    app: Sphinx, env: BuildEnvironment, node: nodes.Element, shown: nodes.TextElement
) -> nodes.Element | None:
    """Lead a reference to where users import the name; one that is not public is shown as code."""
    if node.get("refdomain") != "py":
        return None
    for name in possible_names(node["reftarget"], node.get("py:module") or ""):
        for place, public in PLACES.items():
            if name == place or name.startswith(f"{place}."):
                return env.domains["py"].resolve_xref(
                    env,
                    node["refdoc"],
                    app.builder,
                    node["reftype"],
                    public + name.removeprefix(place),
                    node,
                    shown,
                )
        if exists(name):
            return shown
    return None


def setup(app: Sphinx) -> None:
    """Register how formulas are written and how names of the project are found."""
    app.add_html_math_renderer("mathml", (add_inline_math, None), (add_display_math, None))
    app.connect("missing-reference", find_own)


html_math_renderer = "mathml"
