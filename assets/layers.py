"""Draw the packages of the core and their imports: ``python assets/layers.py``.

Packages are taken from the layers in ``pyproject.toml``, what each is for from the first sentence
of its docstring, imports from the code. A dot in a row says that this package imports that one;
all dots lie to the left of the diagonal, for imports run one way. Written is ``layers.svg`` beside
this file.
"""

from __future__ import annotations

import ast
import tomllib
from html import escape
from pathlib import Path

import grimp

ROOT = Path(__file__).parents[1]
CORE = "celltransfer_core"

ROW, LEFT, TOP, CELL = 27, 24, 130, 24
NAMES, TEXT = LEFT + 100, 560
"""Where the sentences begin, and how much room they have."""
INK, FAINT, DOT = "#33404B", "#8A97A3", "#0B6E99"


def packages() -> list[str]:
    """List packages and files of the core, the lowest first."""
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    layers = settings["tool"]["importlinter"]["contracts"][0]["layers"]
    return [name.strip() for layer in reversed(layers) for name in layer.split("|")]


def sentence(name: str) -> str:
    """Return the first sentence of a package's or a file's docstring."""
    folder = ROOT / CORE / name
    path = folder / "__init__.py" if folder.is_dir() else folder.with_suffix(".py")
    text = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
    text = text.split("\n\n")[0].replace("\n", " ").replace("``", "")
    return text.replace(":class:`", "").replace("`", "")


def imports() -> set[tuple[str, str]]:
    """List which package imports which."""
    graph = grimp.build_graph(CORE, cache_dir=None)
    found = set()
    for module in graph.modules:
        for target in graph.find_modules_directly_imported_by(module):
            ends = [name.split(".")[1] for name in (module, target) if "." in name]
            if len(ends) == 2 and ends[0] != ends[1]:
                found.add((ends[0], ends[1]))
    return found


def draw() -> str:
    """Draw the picture.

    Returns
    -------
    str
        An SVG file.
    """
    names = packages()
    found = imports()
    right = NAMES + TEXT
    width, height = right + CELL * len(names) + LEFT, TOP + ROW * len(names) + 16
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" '
        f'height="{height}" role="img" aria-labelledby="title" font-size="13" fill="{INK}" '
        "font-family=\"'Segoe UI', Helvetica, Arial, sans-serif\">"
    )
    parts = [
        head,
        '<title id="title">Packages of the core, from the ground up, and what each imports</title>',
        f'<rect width="{width}" height="{height}" fill="#FFFFFF"/>',
    ]
    for number, name in enumerate(names):
        y, x = TOP + ROW * number + ROW / 2, right + CELL * number + CELL / 2
        if number % 2:
            parts.append(
                f'<rect x="{LEFT - 10}" y="{y - ROW / 2}" width="{width - 2 * LEFT + 20}" '
                f'height="{ROW}" fill="#EFF3F6"/>'
            )
        parts.append(f'<text x="{LEFT}" y="{y + 4.5}" font-weight="650">{escape(name)}</text>')
        parts.append(
            f'<text x="{NAMES}" y="{y + 4.5}" font-size="12">{escape(sentence(name))}</text>'
        )
        parts.append(
            f'<text transform="translate({x + 4} {TOP - 8}) rotate(-60)" font-size="12" '
            f'fill="{INK}">{escape(name)}</text>'
        )
        parts.append(f'<rect x="{x - 3}" y="{y - 3}" width="6" height="6" fill="{FAINT}"/>')
        for place, other in enumerate(names):
            if (name, other) in found:
                at = right + CELL * place + CELL / 2
                parts.append(
                    f'<circle cx="{at}" cy="{y}" r="5.5" fill="{DOT}">'
                    f"<title>{escape(name)} imports {escape(other)}</title></circle>"
                )
    return "\n".join([*parts, "</svg>", ""])


if __name__ == "__main__":
    (Path(__file__).parent / "layers.svg").write_text(draw(), encoding="utf-8", newline="\n")
