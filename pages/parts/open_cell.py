"""The open cell of the Cells page, shown large, with the previous and the next cell."""

from collections.abc import Mapping

import numpy as np
import streamlit as st

from celltransfer_core.people import last_answers
from parts import text
from parts.cell_view import show_cell, show_picture
from parts.filters import change_view
from parts.keys import KEYS
from parts.neighbours import show_neighbours, show_voters
from parts.shown_cells import Shown, letters_of
from parts.text import expert


def is_hidden(shown: Shown, cell: int) -> bool:
    """Tell whether a cell's prediction is hidden because it waits for a blind answer."""
    return bool(shown.waiting[cell]) and not shown.view.blind


def show_open(shown: Shown, cell: int, shades: Mapping[str, str]) -> None:
    """Show a cell large, with links to the previous and the next one."""
    here, run = shown.here, shown.run
    _show_steps(shown, cell)
    if answered := str(shown.facts.answered[cell]):
        readers = ", ".join(last_answers(shown.reviews).get(run.query.cells[cell], ()))
        st.markdown(f"Answered: **{text.plain(answered)}**, by {text.plain(readers)}.")
    if is_hidden(shown, cell):
        st.markdown(
            ":violet-badge[:material/visibility_off: Blind] This cell belongs to the blind "
            "sample. The Review page asks for it, and its prediction is hidden until then."
        )
        show_picture(here, run, cell)
    else:
        show_cell(here, run, shown.reviews, cell, shades)


def _show_steps(shown: Shown, cell: int) -> None:
    here, run, cells = shown.here, shown.run, shown.cells
    place = np.flatnonzero(cells == cell)
    at = int(place[0]) if len(place) else -1
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        for label, icon, by in (("Previous", "arrow_back", -1), ("Next", "arrow_forward", 1)):
            to = max(at + by, 0)
            st.button(
                label,
                key=f"cells {label}",
                shortcut=KEYS[label.lower()],
                icon=f":material/{icon}:",
                type="tertiary",
                disabled=not 0 <= at + by < len(cells),
                on_click=change_view,
                args=(here,),
                kwargs={"cell": letters_of(run, int(cells[to])) if to < len(cells) else ""},
            )
        st.markdown(f"{at + 1:,} of {len(cells):,}" if at >= 0 else "Not among the cells shown")
        st.button(
            "Close",
            key="cells close",
            icon=":material/close:",
            type="tertiary",
            on_click=change_view,
            args=(here,),
            kwargs={"cell": ""},
        )


def show_reasons(shown: Shown, cell: int, shades: Mapping[str, str]) -> None:
    """Show the evidence for the cell's type: neighbours and, on demand, the voters."""
    if is_hidden(shown, cell):
        return
    show_neighbours(shown.here, shown.run, cell, shades)
    with expert():
        show_voters(shown.run, cell)


def show_names(shown: Shown, cell: int) -> None:
    """Show the names of a cell's files on demand, because names can reveal types."""
    if not st.toggle("Show file names", key="cells names", help="File names can reveal types."):
        return
    query = shown.run.query
    for file in np.flatnonzero(query.cell_index == cell).tolist():
        st.text(query.files[file])
        for name, values in (("slide", query.slide), ("patient", query.patient)):
            if values is not None and values[file]:
                st.text(f"{name} {values[file]}")
