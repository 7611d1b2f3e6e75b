"""Cells: any query cell, large, with its neighbours and every voter's prediction."""

from collections.abc import Mapping, Sequence

import numpy as np
import streamlit as st

from celltransfer_core.people import Review
from celltransfer_core.pipeline import CELL_ORDERS, RunResult, find_cells
from celltransfer_core.plots import CAPTIONS, NONE_COLOUR, map_figure, type_symbols
from celltransfer_core.studies import load_map, load_run
from celltransfer_core.vocabulary import QUERY
from parts import maps
from parts.assets import component
from parts.cell_view import show_cell
from parts.faults import choose_faults
from parts.here import Here, open_page
from parts.navigation import lead_on
from parts.neighbours import show_neighbours, show_voters
from parts.pictures import picture_url
from parts.study_types import colours
from parts.work import current_run

A_PAGE = 60
THUMBNAIL = 132  # px
HEIGHT = 620  # px

ORDERS = {
    "least agreement": "Least agreement first",
    "most agreement": "Most agreement first",
    "most divided voters": "Where voters differ most",
    "central first": "Most central of their cluster first",
    "by hash": "In no order",
}


def choose_cells(run: RunResult, among: Sequence[int] | None) -> np.ndarray:
    """Let somebody choose which cells to look at, and in which order."""
    clusters = run.clusters.names.tolist()
    first = st.columns([3, 3, 3], vertical_alignment="bottom")
    types = first[0].multiselect("Predicted type", run.types, placeholder="all", key="cells types")
    chosen = first[1].multiselect("Cluster", clusters, placeholder="all", key="cells clusters")
    order = first[2].selectbox("Order", CELL_ORDERS, format_func=ORDERS.get, key="cells order")
    among = choose_faults(run, among)
    second = st.columns([3, 3, 3], vertical_alignment="center")
    agreement = second[0].slider(
        "Agreement", 0.0, 1.0, (0.0, 1.0), 0.01, key="cells agreement", help="Share of the vote."
    )
    divided = second[1].slider(
        "Voters differ at least",
        0,
        100,
        0,
        5,
        format="%d %%",
        key="cells divided",
        help="Share of the pairs of voters that give the cell different types.",
    )
    flagged = second[2].toggle(f"Flagged only ({int(run.flagged.sum()):,})", key="cells flagged")
    return find_cells(
        run,
        types=types,
        clusters=chosen,
        agreement=agreement,
        divided=divided / 100,
        flagged=flagged,
        among=None if among is None else np.array(sorted(set(among)), dtype=np.int64),
        order=order,
    )


def show_map(here: Here, run: RunResult, shades: Mapping[str, str]) -> list[int] | None:
    """Show the map of the query if asked for; return what was picked there."""
    if not st.toggle("Pick cells on a map", key="cells map"):
        return None
    drawn = load_map(here.workspace, here.id)
    if drawn is None:
        st.info("The map is not drawn yet: see the Embeddings page.")
        return None
    if run.query.cells != here.pooled(QUERY).cells:
        st.info("The query's images have changed since this result: type the cells anew.")
        return None
    of_query = np.array(drawn.sets) == QUERY
    cells = drawn.cells[of_query]
    title = "Query cells by predicted type"
    chosen = maps.cell_map(
        here,
        map_figure(
            drawn.xy[of_query],
            [run.types[number] for number in run.vote.winner[cells]],
            shades,
            cells.tolist(),
            title,
            symbols=type_symbols(list(shades)),
            hover=[f"agreement {value:.2f}" for value in run.vote.agreement[cells]],
            axes=(f"{drawn.layout} 1", f"{drawn.layout} 2"),
        ),
        title,
        "cells lasso",
    )
    sample = (
        f" {len(cells):,} of {run.query.n_cells:,} cells are shown, drawn at random."
        if len(cells) < run.query.n_cells
        else ""
    )
    st.caption(CAPTIONS["map_figure"] + sample)
    return [int(cell) for cell in chosen] or None


def show_grid(
    here: Here, run: RunResult, cells: np.ndarray, at: int, shades: Mapping[str, str]
) -> None:
    """Show a page of thumbnails; one is picked."""
    pages = -(-len(cells) // A_PAGE)
    page = at // A_PAGE + 1  # the one with the cell that is shown
    if pages > 1:
        page = st.pagination(
            pages, default=page, max_visible_pages=5, key=f"cells page {len(cells)} {page}"
        )
    predicted, flagged = run.predicted, run.flagged
    with st.container(height=HEIGHT, border=False):
        component("cells", "grid")(
            key="cells grid",
            data={
                "label": "Cells; arrows go along, Enter shows one",
                "chosen": st.session_state["cell"],
                "cells": [
                    {
                        "id": run.query.cells[cell],
                        "url": picture_url(here, run.query.cells[cell], THUMBNAIL, cut=True),
                        "says": f"{predicted[cell]}, agreement "
                        f"{run.vote.agreement[cell]:.2f}{', flagged' if flagged[cell] else ''}",
                        "shade": shades.get(predicted[cell], NONE_COLOUR),
                        "flagged": bool(flagged[cell]),
                    }
                    for cell in cells[(page - 1) * A_PAGE : page * A_PAGE].tolist()
                ],
            },
            on_picked_change=pick,
        )


def pick() -> None:
    """Show the cell that was picked among the thumbnails."""
    if picked := st.session_state["cells grid"]["picked"]:
        st.session_state["cell"] = picked


def step(cell: str) -> None:
    """Go to one of the chosen cells."""
    st.session_state["cell"] = cell


def show_steps(run: RunResult, cells: np.ndarray, at: int) -> None:
    """Offer the cell before and the next one."""
    with st.container(horizontal=True, vertical_alignment="center"):
        for label, key, icon, by in (
            ("Previous", "K", ":material/arrow_back:", -1),
            ("Next", "J", ":material/arrow_forward:", 1),
        ):
            st.button(
                label,
                key=f"cells {label}",
                shortcut=key,
                icon=icon,
                on_click=step,
                args=(run.query.cells[cells[(at + by) % len(cells)]],),
            )
        st.markdown(f"{at + 1:,} of {len(cells):,}")


def show_names(run: RunResult, cell: int) -> None:
    """Show what a cell's files are called, if somebody wants to know: names can tell types."""
    if not st.toggle("Show file names", key="cells names", help="Names can tell types."):
        return
    for file in np.flatnonzero(run.query.cell_index == cell).tolist():
        st.text(run.query.files[file])
        for name, values in (("slide", run.query.slide), ("patient", run.query.patient)):
            if values is not None and values[file]:
                st.text(f"{name} {values[file]}")


@st.fragment
def browse(
    here: Here, run: RunResult, reviews: Sequence[Review], among: Sequence[int] | None
) -> None:
    """Show the chosen cells, and one of them."""
    shades = colours(here)
    cells = choose_cells(run, among)
    if not len(cells):
        st.info("No cell fits all of this. Widen the agreement or take a filter away.")
        return
    hashes = [run.query.cells[cell] for cell in cells.tolist()]
    if st.session_state.get("cell") not in hashes:
        st.session_state["cell"] = hashes[0]
    at = hashes.index(st.session_state["cell"])
    cell = int(cells[at])
    left, right = st.columns([2, 3], gap="medium")
    with left:
        st.markdown(f"**{len(cells):,} of {run.query.n_cells:,} cells**")
        show_grid(here, run, cells, at, shades)
    with right:
        show_steps(run, cells, at)
        show_cell(here, run, reviews, cell, shades)
    show_neighbours(here, run, cell, shades)
    show_voters(run, cell)
    show_names(run, cell)


here = open_page(
    "Cells",
    "Every cell, why it was given its type, and the reference cells it resembles most.",
)
current = current_run(here, "Type every cell")
typed = current.run if current else load_run(here.workspace, here.id, stale=True)
if typed is not None:
    if current is None:
        st.caption(":material/history: Below is the last result, from before the last changes.")
    reviews = current.reviews if current else ()
    browse(here, typed, reviews, show_map(here, typed, colours(here)))
    if current:
        lead_on("review", "Go on: review the doubtful cells")
