"""Clusters of the query: found, looked at, and put right by hand."""

import numpy as np
import streamlit as st

from celltransfer_core.pipeline import central_first
from celltransfer_core.plots import CAPTIONS, cluster_colours, map_figure
from celltransfer_core.studies import load_clusters, load_map
from celltransfer_core.vocabulary import QUERY
from parts import maps, text
from parts.cluster_settings import show_settings
from parts.clustered import Clustered, load_clustered, offer_edits, offer_move, show_undo
from parts.here import Here, open_page
from parts.navigation import go, lead_on
from parts.pictures import pictures
from parts.work import begin, needs, state_of

STRIP = 7
A_PAGE = 12
MOST_SHOWN = 48


def show_map(found: Clustered) -> None:
    """Show the query's cells by cluster; cells in a lasso can be moved."""
    here, clusters = found.here, found.clusters
    drawn = load_map(here.workspace, here.id)
    if drawn is None:
        return
    of_query = np.array(drawn.sets) == QUERY
    cells = drawn.cells[of_query]
    labels = [found.label(int(number)) for number in clusters.names]
    edits = len(here.workspace.decisions(here.id, "cluster"))
    title = "Query cells by cluster"
    picked = maps.cell_map(
        here,
        map_figure(
            drawn.xy[of_query],
            [labels[cluster] for cluster in clusters.labels[cells]],
            cluster_colours(labels),
            cells.tolist(),
            title,
            numbered=True,
            hover=[f"centrality {value:.2f}" for value in clusters.centrality[cells]],
            axes=(f"{drawn.layout} 1", f"{drawn.layout} 2"),
        ),
        title,
        f"map {edits}",  # an edit drops the selection
    )
    sample = (
        f" {len(cells):,} of {found.query.n_cells:,} cells are shown; the others go with the one "
        "they are most alike."
        if len(cells) < found.query.n_cells
        else ""
    )
    st.caption(CAPTIONS["map_figure"] + sample)
    if picked:
        show_picked(found, np.array(sorted({int(cell) for cell in picked})), cells)


def show_picked(found: Clustered, chosen: np.ndarray, on_map: np.ndarray) -> None:
    """Show cells that were picked on the map, and let them be moved to another cluster."""
    with st.container(border=True):
        more = f", the first {MOST_SHOWN} are shown" if len(chosen) > MOST_SHOWN else ""
        st.markdown(f"**{len(chosen):,} cells picked**{more}")
        pictures(found.here, [found.query.cells[cell] for cell in chosen[:MOST_SHOWN]])
        offer_move(found, chosen, on_map)


def show_cluster(found: Clustered, position: int) -> None:
    """Show one cluster: how large and dense, its middle and its rim, and what can be done."""
    here, number = found.here, int(found.clusters.names[position])
    ordered = central_first(found.clusters, position)
    with st.container(border=True):
        head, button = st.columns([5, 1], vertical_alignment="center")
        density = found.clusters.density[position]
        dense = "changed by hand" if np.isnan(density) else f"density {density:.2f}"
        head.markdown(
            f"**Cluster {text.plain(found.label(number))}** — {len(ordered):,} cells, {dense}"
        )
        with button.popover("Edit", key=f"edit {number}", disabled=here.locked, width="stretch"):
            offer_edits(found, number, ordered)
        middle, rim = st.columns(2)
        with middle:
            st.caption("Most central")
            pictures(here, [found.query.cells[cell] for cell in ordered[:STRIP]], size=60)
        with rim:
            st.caption("Most marginal")
            last = ordered[STRIP:][::-1][:STRIP]
            pictures(here, [found.query.cells[cell] for cell in last], size=60)


def show_clusters(found: Clustered) -> None:
    """Show every cluster, the largest first."""
    st.header(f"{len(found.clusters.names)} clusters, the largest first")
    st.caption(
        "Density is the share of a cluster's pairs of cells that are tied: near 1 it is of one "
        "piece. Central cells show what a cluster is; marginal ones what else may be in it."
    )
    order = np.argsort(-found.clusters.sizes, kind="stable")
    page = 1
    if len(order) > A_PAGE:
        page = st.pagination(-(-len(order) // A_PAGE), key="page")
    for position in order[(page - 1) * A_PAGE : page * A_PAGE]:
        show_cluster(found, int(position))


def go_on(here: Here) -> None:
    """Lead on to the matches; edited clusters are matched anew."""
    if state_of(here, "matches") == "done" or here.locked:
        lead_on("matches", "Go on to matches")
        return
    st.divider()
    st.markdown("These clusters are not matched to types yet.")
    label = "Match the clusters to types"
    if st.button(label, type="primary", icon=":material/arrow_forward:") and begin(here, "matches"):
        go("matches")


here = open_page(
    "Clusters",
    "Query cells that look alike. A cluster is then matched to a type as a whole, so it should "
    "hold one kind of cell.",
)
unknown = load_clusters(here.workspace, here.id) is None
with st.expander("How clusters are found", expanded=unknown):
    show_settings(here)
if needs(here, "clusters", "Find clusters"):
    found = load_clustered(here)
    show_map(found)
    show_undo(found)
    show_clusters(found)
    go_on(here)
