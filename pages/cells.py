"""Cells page: all cells in one gallery, to filter, inspect, and type many at once."""

from collections.abc import Sequence

import streamlit as st

from celltransfer_core.people import Review
from celltransfer_core.pipeline import RunResult
from celltransfer_core.studies import load_run
from parts.counts_beside import show_counts
from parts.filter_bar import Bar, show_chips, show_filters
from parts.filters import view_of
from parts.here import Here, open_page
from parts.lasso import show_map
from parts.many_cells import offer_new_type, show_gallery, show_what_went_wrong, tell_left_out
from parts.navigation import lead_to_next
from parts.open_cell import show_names, show_open, show_reasons
from parts.reader import waits_for_name
from parts.saved_filters import show_saved
from parts.shown_cells import shown_cells, sort_anew, tell_lost
from parts.study_types import all_types, colours
from parts.work import current_run, reload_current

COUNTS = 214  # px
# The gallery needs the full width of the page.
ROOM = """<style>
[data-testid="stMainBlockContainer"] {padding: 3.9rem 2rem 1rem}
[data-testid="stBottomBlockContainer"] {padding-left: 2rem; padding-right: 2rem}
[data-testid="stMainBlockContainer"] h1 {padding: 0; font-size: 1.9rem}
@media (max-width: 1150px) {
  .st-key-cells-body {flex-wrap: wrap}
  .st-key-cells-body > :has(> .st-key-cells-counts) {flex: 0 0 100%; width: 100%; order: -1}
  .st-key-cells-counts {width: 100%}
  .st-key-cells-body:has(.st-key-cells-beside) {flex-wrap: nowrap}
}
</style>"""


@st.fragment
def browse(here: Here, stale: RunResult | None) -> None:
    """Show the matching cells, and one of them large; an answer redraws only this part."""
    if waits_for_name():
        st.rerun()  # the page asks for the name
    with here.workspace.one_look(), st.container(gap="xsmall"):
        if stale is None:
            current = reload_current(here)
            show_cells(here, current.run, current.reviews, present=True)
        else:
            show_cells(here, stale, (), present=False)


def show_cells(here: Here, run: RunResult, reviews: Sequence[Review], *, present: bool) -> None:
    """Show filters, gallery, counts, and the open cell."""
    types, shades = all_types(here), colours(here)
    shown = shown_cells(here, run, reviews, view_of(here), present=present)
    bar = Bar(here, shown.facts, shown.view, types)
    with st.container(horizontal=True, gap="small"):
        show_filters(bar)
        show_saved(here, shown.view)
        if shown.can_answer:
            offer_new_type(here)
    with st.container(horizontal=True, gap="xsmall", vertical_alignment="center"):
        st.markdown(f"**{len(shown.cells):,} of {run.query.n_cells:,} cells**", width="content")
        show_chips(bar)
        if shown.moved:
            st.button(
                "Re-sort",
                key="cells sort again",
                type="tertiary",
                icon=":material/refresh:",
                help="Cells keep their positions while you answer.",
                on_click=sort_anew,
            )
        tell_left_out(shown)
    tell_lost(shown)
    cell = shown.find(shown.view.cell)
    with_map = bool(st.session_state.get("cells map"))
    beside = cell is not None or with_map
    with st.container(horizontal=True, wrap=False, gap="small", key="cells-body"):
        with st.container():
            if not len(shown.cells):
                st.info("No cell matches all filters. Remove a filter above.")
            show_gallery(shown, types, shades)
            show_what_went_wrong(here)
        with st.container(
            width="stretch" if beside else COUNTS, key=f"cells-{'beside' if beside else 'counts'}"
        ):
            if cell is not None:
                show_open(shown, cell, shades)
            if with_map:
                show_map(shown, shades)
            show_counts(shown.facts, shown.cells, types, shades)
    if cell is not None:
        show_reasons(shown, cell, shades)
        show_names(shown, cell)


st.html(ROOM)
# A batch chosen on Review: without it, answers given here are on the study's own cells.
st.session_state.pop("batch", None)
here = open_page(
    "Cells",
    "Select cells and press a key: all of them get that type. Double-click a cell to enlarge it.",
)
current = current_run(here, "Type every cell")
typed = current.run if current else load_run(here.workspace, here.id, stale=True)
if typed is not None:
    if current is None:
        st.caption(":material/history: Below is the last result, from before the last changes.")
    browse(here, None if current else typed)
    if current:
        lead_to_next(here.study, "cells")
