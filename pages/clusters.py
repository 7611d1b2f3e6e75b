"""Clusters page: find clusters of the query, inspect them, and edit them by hand."""

import numpy as np
import streamlit as st

from celltransfer_core.plots import CAPTIONS, cluster_colours, group_places, map_figure
from celltransfer_core.studies import load_map
from celltransfer_core.vocabulary import QUERY
from parts import maps, text
from parts.chosen import chosen_cluster
from parts.cluster_answers import TO_MATCH
from parts.cluster_list import show_list
from parts.cluster_settings import show_settings
from parts.clustered import (
    Clustered,
    load_clustered,
    offer_edits,
    offer_move,
    offer_split,
    show_undo,
)
from parts.here import open_page
from parts.navigation import go, lead_on, main_button
from parts.reader import ask_outside
from parts.seeming import show_seeming, warning_of
from parts.whole_cluster import choose_order, ordered, show_whole
from parts.work import map_follows, needs, state_of

HEIGHT = 400  # px of the list, and of the gallery next to it


def show_map(found: Clustered) -> None:
    """Show the query's cells by cluster; cells selected with a lasso can be moved."""
    here, clusters = found.here, found.clusters
    drawn = load_map(here.workspace, here.id)
    if drawn is None:
        map_follows(here)
        return
    of_query = np.array(drawn.sets) == QUERY
    cells = drawn.cells[of_query]
    labels = [found.label(int(number)) for number in clusters.names]
    of_cells = [labels[cluster] for cluster in clusters.labels[cells]]
    xy = drawn.xy[of_query]
    edits = len(here.workspace.decisions(here.id, "cluster"))
    title = "Query cells by cluster"
    picked = maps.cell_map(
        here,
        map_figure(
            xy,
            of_cells,
            cluster_colours(labels, group_places(xy, of_cells, labels)),
            cells.tolist(),
            title,
            numbered=True,
            hover=[f"centrality {value:.2f}" for value in clusters.centrality[cells]],
            axes=(f"{drawn.layout} 1", f"{drawn.layout} 2"),
        ),
        title,
        f"map {edits}",  # an edit clears the selection
    )
    sample = (
        f" {len(cells):,} of {found.query.n_cells:,} cells are shown; each other cell belongs to "
        "the cluster of the cells most similar to it."
        if len(cells) < found.query.n_cells
        else ""
    )
    st.caption(f"{CAPTIONS['map_figure']} Draw a lasso to select cells.{sample}")
    if picked:
        show_picked(found, np.array(sorted({int(cell) for cell in picked})), cells)


def show_picked(found: Clustered, chosen: np.ndarray, on_map: np.ndarray) -> None:
    """Show cells selected on the map, and offer to move them to another cluster."""
    with st.container(border=True):
        st.markdown(f"**{text.count(len(chosen), 'cell')} selected on the map**")
        show_whole(
            found.here,
            chosen,
            found.opinion,
            found.shades,
            key="picked on the map",
            label="Cells selected on the map",
            height=200,
        )
        offer_move(found, chosen, "map", on_map)


@st.fragment
def show_chosen(found: Clustered, number: int) -> None:
    """Show one cluster with all its cells; selected cells can be moved."""
    ask_outside()
    position = found.clusters.names.tolist().index(number)
    purity = found.purity[position]
    with st.container(gap="xsmall"):
        with st.container(horizontal=True, vertical_alignment="center"):
            st.markdown(
                f"**Cluster {text.plain(found.label(number))}** · "
                f"{text.count(purity.cells, 'cell')}",
                width="content",
            )
            if np.isnan(found.clusters.density[position]):
                st.markdown(":gray-badge[:material/edit: edited manually]", width="content")
            if warning := warning_of(purity):
                st.markdown(warning, width="content")
        show_seeming(purity, found.shades)
        with st.container(horizontal=True, vertical_alignment="center"):
            order = choose_order()
            offer_split(found, number)
            offer_edits(found, number)
    cells = ordered(found.clusters, position, found.opinion, purity.counts[0][0], order)
    place = f"picked of {number}"

    def pick(picked: list[int]) -> None:
        st.session_state[place] = picked

    show_whole(
        found.here,
        cells,
        found.opinion,
        found.shades,
        key=f"cluster {number} {order}",
        label=f"Cells of cluster {found.label(number)}",
        height=HEIGHT,
        on_pick=pick,
    )
    picked = np.intersect1d(st.session_state.get(place, []), cells)
    if len(picked):
        offer_move(found, picked.astype(np.int64), "gallery")
    else:
        st.caption("Select cells with the mouse or the Space key to move them to another cluster.")
    ask_outside()


def show_densities(found: Clustered) -> None:
    """Show how dense each cluster is, in a collapsed section."""
    with text.expert("Expert: how dense the clusters are"):
        st.dataframe(
            {
                "Cluster": [found.label(number) for number in found.clusters.names.tolist()],
                "Cells": found.clusters.sizes,
                "Density": found.clusters.density,
            },
            hide_index=True,
            column_config={"Density": st.column_config.NumberColumn(format="%.2f")},
        )
        st.caption(
            "Density is the share of all pairs of cells in a cluster that are connected in the "
            "neighbour graph: a value near 1 means a compact cluster. It is unknown for clusters "
            "that were edited manually."
        )


def go_on(found: Clustered) -> None:
    """Lead on to the matches; edited clusters are matched again."""
    here = found.here
    if state_of(here, "matches") == "done" or here.locked:
        lead_on("matches", "Continue to matches")
    elif main_button(
        "Match the clusters to types",
        icon=":material/arrow_forward:",
        note="These clusters have not been matched to types yet.",
    ):
        st.session_state[TO_MATCH] = True
        go("matches")


here = open_page(
    "Clusters",
    "Groups of similar query cells. A whole cluster is matched to one type, so each should hold "
    "one kind of cell.",
)
if needs(here, "clusters", "Find clusters"):
    found = load_clustered(here)
    order = np.argsort(-found.clusters.sizes, kind="stable")
    numbers = found.clusters.names[order].tolist()
    number = chosen_cluster(numbers, numbers[0])
    show_undo(found)
    rows, chosen = st.columns([2, 3], gap="medium")
    with rows:
        show_list(found, numbers, number)
    with chosen:
        show_chosen(found, number)
    show_map(found)
    show_densities(found)
    show_settings(here)
    go_on(found)
else:
    show_settings(here)
