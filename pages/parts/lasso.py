"""The map of the query on the Cells page, where a lasso selects the cells for the gallery."""

from collections.abc import Mapping

import numpy as np
import streamlit as st

from celltransfer_core.plots import CAPTIONS, map_figure, type_symbols
from celltransfer_core.studies import load_map
from celltransfer_core.vocabulary import QUERY
from parts import maps
from parts.filters import change_view, pack_cells
from parts.shown_cells import Shown
from parts.work import map_follows

_DONE = "cells lasso done"


def show_map(shown: Shown, shades: Mapping[str, str]) -> None:
    """Show the map of the query, without cells that wait for a blind answer."""
    here, run = shown.here, shown.run
    drawn = load_map(here.workspace, here.id)
    if drawn is None:
        map_follows(here)
        return
    if run.query.cells != here.pooled(QUERY).cells:
        st.info("The query's images have changed since this result: type the cells again.")
        return
    of_query = np.array(drawn.sets) == QUERY
    if not shown.view.blind:
        of_query &= np.isin(drawn.cells, np.flatnonzero(~shown.waiting))
    cells = drawn.cells[of_query]
    title = "Query cells by predicted type"
    chosen = maps.cell_map(
        here,
        map_figure(
            drawn.xy[of_query],
            shown.facts.predicted[cells].tolist(),
            shades,
            cells.tolist(),
            title,
            symbols=type_symbols(list(shades)),
            hover=[f"agreement {value:.2f}" for value in shown.facts.agreement[cells].tolist()],
            axes=(f"{drawn.layout} 1", f"{drawn.layout} 2"),
        ),
        title,
        "cells lasso",
    )
    sample = (
        f" {len(cells):,} of {run.query.n_cells:,} cells are plotted."
        if len(cells) < run.query.n_cells
        else ""
    )
    st.caption(f"{CAPTIONS['map_figure']} Draw a lasso to show its cells in the gallery.{sample}")
    # The chart keeps its selection: each is applied once, so that the filter can be removed.
    if chosen != st.session_state.get(_DONE, []):
        st.session_state[_DONE] = chosen
        only = pack_cells([int(cell) for cell in chosen], run.query.n_cells) if chosen else ""
        change_view(here, only=only)
        st.rerun(scope="fragment")
