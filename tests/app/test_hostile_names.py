"""What people type is shown as it is: no page reads marks in it, nor loads what it names."""

import ast
import io
import re
import shutil
from collections.abc import Iterable
from html.parser import HTMLParser

import numpy as np
import pandas as pd
import pytest
from PIL import Image, ImageDraw

from celltransfer_core.studies import (
    Workspace,
    bring_up_to,
    load_clusters,
    match_payloads,
    name_payload,
    review_payloads,
)
from celltransfer_core.types import silent
from tests.app.conftest import PAGES

PAGE_NAMES = sorted(path.stem for path in PAGES.glob("*.py") if path.stem != "main")

# Parts of a page that show a text as it is.
AS_THEY_ARE = {
    "Text.body",
    "TextInput.value",
    "TextInput.default",
    "TextInput.placeholder",
    "Selectbox.options",
    "Selectbox.raw_value",
    "MultiSelect.options",
    "BidiComponent.json",  # for scripts of ours
    "PlotlyChart.spec",
    "Json.body",
    "ButtonGroup.id",
}


def hostile(what):
    return f"![{what}](http://outside.example/{what})'\"><img src=http://outside.example/{what}>"


def cell(shade):
    file = io.BytesIO()
    image = Image.new("RGB", (32, 32), (230, 220, 225))
    ImageDraw.Draw(image).ellipse((8, 8, 24, 24), (shade, 60, 140))
    image.save(file, "PNG")
    return file.getvalue()


@pytest.fixture(scope="module")
def hostile_folder(tmp_path_factory):
    """Workspace with a finished study in which every name would load an image from outside."""
    folder = tmp_path_factory.mktemp("hostile")
    space = Workspace(folder)
    study = space.create(hostile("study")).id
    for role, shades in (("reference", (20, 180)), ("query", (30, 190))):
        files = [
            (f"{shade}/{number}.png", cell(shade + 2 * number))
            for shade in shades
            for number in range(12)
        ]
        made = space.add_set(study, role, hostile(role))
        types = {str(shade): hostile(f"type{n}") for n, shade in enumerate(shades)}
        rows = [{"file": name, "label": types[name.partition("/")[0]]} for name, _ in files]
        labels = pd.DataFrame(rows).to_csv(index=False).encode()
        space.receive(made.id, [*files, ("labels.csv", labels)])
    space.change_options(study, encoders=[["colour"], ["shape"]], alignment="none")
    bring_up_to(space, study, "classify", silent)
    cells = space.dataset(space.sets(study, "query")[0]).cells
    clusters = load_clusters(space, study)
    inside = np.flatnonzero(clusters.labels == 0)
    number = int(clusters.names[0])
    named = name_payload(cells, inside, number, hostile("cluster"))
    space.decide(study, "cluster-name", named, hostile("ann"))
    matched = match_payloads(clusters, cells, [(0, hostile("type0"))], [hostile("type0")])
    space.decide_all(study, "match", matched, hostile("ann"))
    for number, who in enumerate(("ann", "ben")):
        answers = [(cell, hostile(f"type{number}"), True) for cell in cells[:4]]
        reviewed = review_payloads(answers, hostile(who), "2026-01-01T00:00:00.000+00:00")
        space.decide_all(study, "review", reviewed, hostile(who))
    return folder, study


def texts(message, name):
    """Give every text of a part of a page, with the name of its field."""
    for field, value in message.ListFields():
        several = isinstance(value, Iterable) and not isinstance(value, str | bytes)
        for one in value if several else [value]:
            if isinstance(one, str):
                yield f"{name}.{field.name}", one
            elif hasattr(one, "ListFields"):
                yield from texts(one, type(one).__name__)


def parts(node):
    """Give every part of a page."""
    if getattr(node, "proto", None) is not None:
        yield node.proto
    for inner in getattr(node, "children", {}).values():
        yield from parts(inner)


def loads(html):
    """List what a text of HTML would load from outside."""
    found = []

    class Parser(HTMLParser):
        def handle_starttag(self, tag, attributes):
            found.extend(value for _, value in attributes if (value or "").startswith("http"))

    Parser().feed(html)
    return found


def is_read(field, text):
    """Tell whether a part of a page would read marks in a text, not show them."""
    if field in AS_THEY_ARE:
        return False
    if field == "Html.body":
        return bool(loads(text))
    return re.search(r"(?<!\\)\]\(|(?<!\\)!\[", text) is not None


@pytest.mark.parametrize(
    ("page", "signed"),
    [*((page, False) for page in PAGE_NAMES), *((page, True) for page in ("export", "studies"))],
)
def test_names_are_shown_as_they_are(hostile_folder, home, open_page, page, signed):
    folder, study = hostile_folder
    shutil.copytree(folder, home, dirs_exist_ok=True)
    if signed:
        Workspace().sign(study, hostile("ann"))
    app = open_page(page, study, reader=hostile("ann"))
    assert not app.exception
    found = {
        (field, text)
        for part in parts(app._tree)
        for field, text in texts(part, type(part).__name__)
        if "outside" in text
    }
    assert found
    assert {(field, text[:300]) for field, text in found if is_read(field, text)} == set()


def test_the_words_of_an_error_are_shown_as_they_are():
    """They name what somebody typed or sent."""
    unescaped = [
        f"{path.name}:{call.lineno}"
        for path in sorted(PAGES.rglob("*.py"))
        for call in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(call, ast.Call)
        and ast.unparse(call.func) in ("st.error", "st.toast", "st.warning", "st.info")
        and ast.unparse(call.args[0]) in ("str(error)", "problem", "opened.problem")
    ]
    assert unescaped == []
