"""Run the blocks of a page as a reader would, and write what each prints and shows below it.

In go a Markdown page and folders to work in and to put pictures in; out comes the page with its
outputs. Commands (``sh``) go through the command line of the core, and Python blocks share their
names. A block that fails stops the build.
"""

from __future__ import annotations

import ast
import contextlib
import html
import io
import re
import shlex
from pathlib import Path
from typing import Any

import pandas as pd
import plotly.graph_objects as go
from PIL import Image

from celltransfer_core.cli.main import main

BLOCK = re.compile(r"^```(sh|python)\n(.*?)^```\n", re.MULTILINE | re.DOTALL)
COMMAND = "python -m celltransfer_core "
SCRIPT = "_static/plotly.min.js"
"""Where pages find the plotting library."""

PLOTLY = {"displayModeBar": False, "responsive": True}


def execute(page: str, folder: Path, pictures: Path) -> str:
    """Run every block of a page and add its output.

    Parameters
    ----------
    page : str
        Markdown.
    folder : Path
        Where the blocks run.
    pictures : Path
        Where images are written; pages name it by its last part.

    Returns
    -------
    str
        Markdown, as MyST reads it.

    Raises
    ------
    RuntimeError
        If a command does not end with 0.
    """
    names: dict[str, Any] = {}
    count = 0

    def with_output(block: re.Match[str]) -> str:
        nonlocal count
        count += 1
        printed, shown = io.StringIO(), None
        with contextlib.chdir(folder), contextlib.redirect_stdout(printed):
            if block[1] == "sh":
                run_commands(block[2])
            else:
                shown = run_python(block[2], names)
        text = printed.getvalue().strip("\n")
        output = f"```{{code-block}} text\n:class: output\n\n{text}\n```\n" if text else ""
        caption = re.match(r"# (.*)\n", block[2])
        title = caption[1] if caption else ""
        return f"{block[0]}\n{output}\n{as_markdown(shown, title, pictures, count)}"

    title, rest = BLOCK.sub(with_output, page).split("\n", 1)
    return f"{title}\n\n```{{raw}} html\n<script src='{SCRIPT}'></script>\n```\n{rest}"


def run_commands(block: str) -> None:
    """Run the commands of a block, each in a line, or in several that end with a backslash."""
    for line in block.replace("\\\n", " ").splitlines():
        code = main(shlex.split(line.removeprefix(COMMAND), comments=True))
        if code:
            raise RuntimeError(f"{line} ended with {code}.")


def run_python(block: str, names: dict[str, Any]) -> object:
    """Run a block of Python; return the value of its last line, if that is an expression."""
    tree = ast.parse(block)
    last = tree.body.pop() if isinstance(tree.body[-1], ast.Expr) else None
    exec(compile(tree, "page", "exec"), names)  # noqa: S102 the project's own page
    if last is None:
        return None
    return eval(compile(ast.Expression(last.value), "page", "eval"), names)  # noqa: S307 likewise


def as_markdown(shown: object, title: str, pictures: Path, number: int) -> str:
    """Write an image, a figure or a table as Markdown."""
    if shown is None:
        return ""
    if isinstance(shown, Image.Image):
        file = pictures / f"{number}.png"
        shown.save(file)
        return f"![{title}]({pictures.name}/{file.name})\n"
    if isinstance(shown, go.Figure):
        figure = go.Figure(shown).update_layout(dragmode=False)
        markup = figure.to_html(
            full_html=False, include_plotlyjs=False, div_id=f"figure-{number}", config=PLOTLY
        )
        told = f"class='figure-plotly' role='img' aria-label='{html.escape(title)}'"
        return f"```{{raw}} html\n<div {told}>{markup}</div>\n```\n"
    if isinstance(shown, pd.DataFrame):
        return as_table(shown)
    raise TypeError(f"A page cannot show {type(shown)}.")


def as_table(table: pd.DataFrame) -> str:
    """Write a table as Markdown, numbers to the right."""
    texts = [[str(value).replace("|", r"\|") for value in row] for row in table.to_numpy()]
    sides = ["--:" if kind.kind in "if" else "---" for kind in table.dtypes]
    lines = [list(map(str, table.columns)), sides, *texts]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)
