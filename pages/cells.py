"""Cells: any query cell, large, with its neighbours and every voter's word."""

import html
from collections.abc import Mapping, Sequence
from typing import Any

import common
import maps
import numpy as np
import pandas as pd
import streamlit as st
import words

from celltransfer_core.config import voter_name
from celltransfer_core.errors import CellTransferError
from celltransfer_core.framing import draw_cut
from celltransfer_core.people import Calibration, Review, calibrate, prediction_sets, random_sample
from celltransfer_core.pipeline import (
    CELL_ORDERS,
    RunResult,
    find_cells,
    nearest_reference,
    said_of,
    sides,
)
from celltransfer_core.plots import CAPTIONS, NONE_COLOUR, map_figure, type_symbols
from celltransfer_core.studies import load_map, load_run
from celltransfer_core.vocabulary import NONE_TYPE, QUERY, REFERENCE
from celltransfer_core.web import image_url

A_PAGE = 60
LARGE = 1024  # px
NEIGHBOURS = 10
TILE = 88  # px
HEIGHT = 620  # px
ALL = "every voter together"

ORDERS = {
    "least agreement": "Least agreement first",
    "most agreement": "Most agreement first",
    "most divided voters": "Where voters differ most",
    "central first": "Most central of their cluster first",
    "by hash": "In no order",
}

space = common.workspace()
here = common.title(
    "Cells",
    "Every cell, why it was given its type, and the reference cells it resembles most.",
)


def choose_cells(run: RunResult, among: Sequence[int] | None) -> np.ndarray:
    """Let somebody say which cells to look at, and in which order."""
    clusters = run.clusters.names.tolist()
    first = st.columns([3, 3, 3], vertical_alignment="bottom")
    types = first[0].multiselect("Predicted type", run.types, placeholder="all", key="cells types")
    chosen = first[1].multiselect("Cluster", clusters, placeholder="all", key="cells clusters")
    order = first[2].selectbox("Order", CELL_ORDERS, format_func=ORDERS.get, key="cells order")
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


def show_map(run: RunResult, shades: Mapping[str, str]) -> list[int] | None:
    """Show the map of the query if asked for; return what was picked there."""
    if not st.toggle("Pick cells on a map", key="cells map"):
        return None
    drawn = load_map(space, here.id)
    if drawn is None:
        st.info("The map is not drawn yet: see the Embeddings page.")
        return None
    if run.query.cells != space.pooled(here.id, QUERY).cells:
        st.info("The query's images have changed since this result: type the cells anew.")
        return None
    of_query = np.array(drawn.sets) == QUERY
    cells = drawn.cells[of_query]
    title = "Query cells by predicted type"
    chosen = maps.cell_map(
        here.id,
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


def address(cell: str, size: int, role: str = QUERY, **how: bool) -> str:
    """Return the address of a cell's picture."""
    return image_url(space, here.id, cell, size=size, role=role, **how)


def show_grid(run: RunResult, cells: np.ndarray, at: int, shades: Mapping[str, str]) -> None:
    """Show a page of thumbnails; one is picked."""
    pages = -(-len(cells) // A_PAGE)
    page = at // A_PAGE + 1  # the one with the cell that is shown
    if pages > 1:
        page = st.pagination(
            pages, default=page, max_visible_pages=5, key=f"cells page {len(cells)} {page}"
        )
    flagged = run.flagged
    with st.container(height=HEIGHT, border=False):
        common.component("cells", "grid")(
            key="cells grid",
            data={
                "label": "Cells; arrows go along, Enter shows one",
                "chosen": st.session_state["cell"],
                "cells": [
                    {
                        "id": run.query.cells[cell],
                        "url": address(run.query.cells[cell], 132, cut=True),
                        "says": f"{predicted(run, cell)}, agreement "
                        f"{run.vote.agreement[cell]:.2f}{', flagged' if flagged[cell] else ''}",
                        "shade": shades.get(predicted(run, cell), NONE_COLOUR),
                        "flagged": bool(flagged[cell]),
                    }
                    for cell in cells[(page - 1) * A_PAGE : page * A_PAGE].tolist()
                ],
            },
            on_picked_change=pick,
        )


def predicted(run: RunResult, cell: int) -> str:
    """Name a cell's predicted type."""
    return run.types[run.vote.winner[cell]]


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


def show_cell(
    run: RunResult, reviews: Sequence[Review], cell: int, shades: Mapping[str, str]
) -> None:
    """Show one cell and all that is known of it."""
    match = run.matches[run.clusters.labels[cell]]
    number = int(run.clusters.names[run.clusters.labels[cell]])
    st.html(
        "<div style='font-size:1.35rem;font-weight:650'>"
        f"{common.chip(predicted(run, cell), shades)}</div>"
    )
    flag = ":orange-badge[:material/flag: flagged] " if run.flagged[cell] else ""
    if match.matched_type == NONE_TYPE:
        matched = "which fits none of the types"
    else:
        sure = "confirmed" if match.confirmed else "proposed"
        matched = f"matched to {words.plain(match.matched_type)} ({sure})"
    found = calibrate(run.taught) if run.taught else None
    confidence, worth = run.vote.confidence[cell], "the mean probability that voters give it"
    if isinstance(found, Calibration):
        confidence = found.confidence[cell]
        worth = "how often such cells are right, as typed cells tell"
    else:
        worth += ", not calibrated"
    st.markdown(
        f"{flag}Agreement **{run.vote.agreement[cell]:.2f}**, confidence {confidence:.2f}. "
        f"Cluster {number}, {matched}.",
        help=f"Agreement: the share of the vote that this type won. Confidence: {worth}.",
    )
    words.who_decided(run, cell)
    show_set(run, reviews, cell)
    show_picture(run, cell)


def show_set(run: RunResult, reviews: Sequence[Review], cell: int) -> None:
    """Tell which types cannot be ruled out, where the blind sample is large enough."""
    if run.taught is None:
        return
    drawn = random_sample(run.query.cells, reviews, seed=run.config.seed)
    sets = prediction_sets(run.taught, drawn)
    if len(sets.missing) == len(run.types):
        return
    held = ", ".join(words.plain(name) for name in sets.of(cell, run.types)) or "none of them"
    unheard = ", ".join(words.plain(name) for name in sets.missing)
    st.caption(
        f"Cannot be ruled out (right for {100 * sets.coverage:.0f} % of each type's cells): "
        f"**{held}**." + f" Too few blind answers to say of: {unheard}." * bool(unheard)
    )


def show_picture(run: RunResult, cell: int) -> None:
    """Show a cell large: as the encoders see it, and its whole field in original colours."""
    crops = run.framing.crops[QUERY]
    sha = run.query.cells[cell]
    scale = crops.um_per_px or space.sets(here.id, QUERY)[0].um_per_px or 0
    try:
        image, seen = crops.dataset.read(cell), crops[cell]
    except (CellTransferError, OSError):
        st.error("The image of this cell cannot be read any more.")
        return
    nucleus = crops.nuclei[cell] if crops.nuclei is not None else None
    field: dict[str, Any] = {
        "label": "Whole image, original colours",
        "url": address(sha, LARGE),
        "um": max(image.shape) * scale,
    }
    if nucleus is not None:
        outlined = draw_cut(image, nucleus)
        field = {
            "label": field["label"],
            "plain": field,
            "url": address(sha, LARGE, outline=True),
            "um": max(outlined.shape) * scale,
        }
    views = [
        {
            "label": "As the encoders see it",
            "url": address(sha, LARGE, cut=True),
            "um": max(seen.shape) * scale,
        },
        field,
    ]
    common.component("cells", "viewer")(key="cells viewer", data={"views": views})
    height, width = image.shape[:2]
    told = [f"{width} x {height} px"]
    if nucleus is not None:
        extent = f"{nucleus.extent * scale:.1f} µm" if scale else f"{nucleus.extent:.0f} px"
        told.append(f"nucleus {extent} across")
    if not scale:
        told.append("no scale bar: say the µm per pixel on the Data page")
    st.caption("; ".join(told) + ".")


def show_neighbours(run: RunResult, cell: int, shades: Mapping[str, str]) -> None:
    """Show the most alike reference cells, with transport and without."""
    st.header("Most alike in the reference")
    ways = [ALL, *dict.fromkeys(voter_name(voter.encoders) for voter in run.voters)]
    who = st.selectbox("To", ways, key="cells who")
    for column, numbers, heading in zip(
        st.columns(2, gap="medium"),
        sides(run.voters),
        ("Without transport", "With transport"),
        strict=True,
    ):
        voters = [
            run.voters[number]
            for number in numbers
            if who in (ALL, voter_name(run.voters[number].encoders))
        ]
        with column:
            st.markdown(f"**{heading}**")
            if not voters:
                st.caption("This run has no aligned voters.")
                continue
            show_gallery(run, nearest_reference(voters, cell)[:NEIGHBOURS], shades)


def show_gallery(run: RunResult, near: np.ndarray, shades: Mapping[str, str]) -> None:
    """Show reference cells with their types, grouped by the set they come from."""
    labels = run.reference.cell_labels[near]
    names, counts = np.unique(labels, return_counts=True)
    best = np.argsort(-counts, kind="stable")
    told = ", ".join(f"{counts[n]} {words.plain(str(names[n]))}" for n in best)
    st.caption(f"Of the {len(near)} nearest: {told}")
    groups: dict[str, list[int]] = {}
    for one in near.tolist():
        source = run.reference.sources[run.reference.cell_sources[one]]
        groups.setdefault(source, []).append(one)
    for source, members in groups.items():
        if len(groups) > 1:
            st.caption(f"From {words.plain(source)}")
        tiles = "".join(
            tile(run.reference.cells[one], str(run.reference.cell_labels[one]), shades)
            for one in members
        )
        st.html(f"<div style='display:flex;flex-wrap:wrap;gap:6px'>{tiles}</div>")


def tile(cell: str, name: str, shades: Mapping[str, str]) -> str:
    """Write a reference cell with its type below, as HTML."""
    url = html.escape(address(cell, 176, REFERENCE, cut=True), quote=True)
    return (
        f"<figure style='margin:0;width:{TILE}px'><img src='{url}' width='{TILE}' "
        f"height='{TILE}' loading='lazy' alt='{html.escape(name, quote=True)}' "
        "style='object-fit:contain;border-radius:4px;background:#8881'>"
        "<figcaption style='font-size:.78rem;overflow:hidden;text-overflow:ellipsis'>"
        f"{common.chip(name, shades)}</figcaption></figure>"
    )


def show_voters(run: RunResult, cell: int) -> None:
    """Show what every voter says of a cell."""
    st.header("What each voter says")
    kinds = {"none": "none", "centre": "means only", "fgw": "optimal transport"}
    rows = [
        {
            "Voter": voter_name(one.voter.encoders),
            "Alignment": kinds[one.voter.alignment],
            "Says": one.type_name,
            "Probability": one.probability,
            "Share of the vote": one.share,
            "Weight": one.voter.weight,
        }
        for one in said_of(run, cell)
    ]
    bar: Any = st.column_config.ProgressColumn(min_value=0, max_value=1, format="%.2f")
    st.dataframe(
        pd.DataFrame(rows),
        hide_index=True,
        column_config={
            "Probability": bar,
            "Share of the vote": bar,
            "Weight": st.column_config.NumberColumn(format="%.2f"),
        },
    )
    st.caption(
        "A voter's share in this cell is its weight times how clear its own view is. A weight of 0 "
        "means that it was heard but does not count: voters with transport count as far as matches "
        "are confirmed."
    )


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
def browse(run: RunResult, reviews: Sequence[Review], among: Sequence[int] | None) -> None:
    """Show the chosen cells, and one of them."""
    shades = common.colours(here.id)
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
        show_grid(run, cells, at, shades)
    with right:
        show_steps(run, cells, at)
        show_cell(run, reviews, cell, shades)
    show_neighbours(run, cell, shades)
    show_voters(run, cell)
    show_names(run, cell)


lesson = common.taught(here, "Type every cell")
typed = lesson.run if lesson else load_run(space, here.id, stale=True)
if typed is not None:
    if lesson is None:
        st.caption(":material/history: Below is the last result, from before the last changes.")
    said = lesson.reviews if lesson else ()
    browse(typed, said, show_map(typed, common.colours(here.id)))
    if lesson:
        words.following("review", "Go on: review the doubtful cells")
