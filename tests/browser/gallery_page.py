"""A page with a gallery of ten thousand cells and nothing behind them, for test_gallery.py."""

import sys
from pathlib import Path

import streamlit as st

sys.path.insert(0, str(Path(__file__).parents[2] / "pages"))

from celltransfer_core.studies import Workspace
from parts.gallery import gallery
from parts.here import Here
from parts.keys import Choice

NAMES = ["basophil", "monocyte"]
CELLS = 10_000

st.set_page_config(layout="wide")
space = Workspace()
study = next(iter(space.studies()), None) or space.create("Many")
did = st.session_state.setdefault("did", [])
types = st.session_state.setdefault("types", [0] * CELLS)
left = st.session_state.setdefault("left", [*range(CELLS)])


def answer(cells: list[int], name: str) -> None:
    """Give cells a type; those that are none leave."""
    did.append(f"{name} {cells}")
    for cell in cells:
        if name == "none":
            left.remove(cell)
        else:
            types[cell] = NAMES.index(name)


if not st.toggle("Without it"):
    gallery(
        Here(space, study, "Ann"),
        "many",
        left,
        names=NAMES,
        of=[types[cell] for cell in left],
        shades={"basophil": "#4477aa", "monocyte": "#cc6677"},
        notes=[f"cell {cell}" for cell in left],
        flagged=[1],
        reviewed=[2],
        label="Many cells",
        can_pick=True,
        choices=[
            Choice("basophil", "Basophil", "1", "#4477aa"),
            Choice("monocyte", "Monocyte", "2", "#cc6677"),
            Choice("none", "None of these", "N"),
        ],
        on_answer=answer,
        on_undo=lambda: did.append("undo"),
        on_open=lambda cell: did.append(f"open {cell}"),
        on_pick=lambda cells: st.session_state.update(picked=cells),
    )
st.text_input("A field")
st.button("A button", shortcut="1", on_click=lambda: did.append("button"))
st.button("Draw anew")
st.text(f"Did: {'; '.join(did)}.")
st.text(f"Picked: {st.session_state.get('picked', [])[:9]}.")
