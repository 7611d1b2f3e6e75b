"""Clusters of the query: found, looked at, and put right by hand."""

from collections.abc import Mapping, Sequence

import common
import maps
import numpy as np
import streamlit as st
import words

from celltransfer_core.data import Dataset
from celltransfer_core.errors import CellTransferError
from celltransfer_core.pipeline import (
    Clusters,
    central_first,
    extend_selection,
    short,
    split_in_two,
)
from celltransfer_core.plots import CAPTIONS, cluster_colours, map_figure
from celltransfer_core.studies import (
    Word,
    load_clusters,
    load_map,
    load_prepared,
    query_embeddings,
    stage_keys,
    standing_names,
    start,
    states,
    study_config,
)
from celltransfer_core.vocabulary import QUERY

STRIP = 7
A_PAGE = 12
MOST_SHOWN = 48
NEW = -1

METHODS = {
    "mixture": (
        "Mixture",
        (
            "As many groups as you ask for, each about a middle of its own. Keeps small types "
            "apart from large ones: measured best on blood cells."
        ),
    ),
    "louvain": (
        "Louvain",
        (
            "Ties cells that are alike, and looks for groups that are tied more among themselves "
            "than to others."
        ),
    ),
    "node-degree": (
        "Node degree (the paper's)",
        (
            "Grows each cluster from its best-connected cell. Fewer and larger clusters; cells of "
            "sparse regions join the nearest one."
        ),
    ),
}

space = common.workspace()
here = common.title(
    "Clusters",
    "Query cells that look alike. A cluster is then matched to a type as a whole, so it should "
    "hold one kind of cell.",
)
locked = bool(here.signed)


def settings() -> None:
    """Show how clusters are found, and let it be changed."""
    config = study_config(space, here)
    with st.form("settings"):
        method = st.radio(
            "Method",
            list(METHODS),
            index=list(METHODS).index(config.clusters),
            format_func=lambda name: METHODS[name][0],
            captions=[says for _, says in METHODS.values()],
            disabled=locked,
        )
        chosen = not isinstance(config.n_clusters, str)
        many = st.segmented_control(
            "How many clusters (mixture only)",
            ["auto", "number"],
            default="number" if chosen else "auto",
            format_func={"auto": "A dozen, more in large sets", "number": "A number"}.__getitem__,
            required=True,
            disabled=locked,
        )
        count = st.number_input(
            "Clusters, where it is a number",
            1,
            99,
            min(int(config.n_clusters), 99) if chosen else 12,
            help="Each is one to confirm. Of few cells fewer clusters are made: one for eight.",
            disabled=locked,
        )
        resolution = st.slider(
            "Resolution (Louvain only)",
            0.5,
            5.0,
            float(np.clip(config.resolution, 0.5, 5.0)),
            0.1,
            disabled=locked,
        )
        st.caption(
            "Too many clusters cost little, for several may be of one type; too few cannot be "
            "mended by a match."
        )
        own = not isinstance(config.sigma, str)
        rule = st.segmented_control(
            "How alike two cells must be to be tied (σ)",
            ["auto", "paper", "number"],
            default="number" if own else config.sigma,
            format_func=lambda name: {
                "auto": "From these cells' own distances",
                "paper": "The paper's rule",
                "number": "A number",
            }[name],
            required=True,
            disabled=locked,
        )
        number = st.number_input(
            "σ, where it is a number",
            0.01,
            1.0,
            float(config.sigma) if own else 0.5,
            0.01,
            help="Ties weaker than σ are cut. Higher: fewer ties, more and tighter clusters.",
            disabled=locked,
        )
        if st.form_submit_button("Use these settings", icon=":material/refresh:", disabled=locked):
            options = {
                **here.options,
                "clusters": method,
                "n_clusters": count if many == "number" else many,
                "resolution": resolution,
                "sigma": number if rule == "number" else rule,
            }
            if common.say(space.set_options, here.id, options):
                if states(space, here.id)["clusters"] != "done":
                    common.say(start, space, here.id, "clusters")
                st.rerun()


def name_of(number: int, names: Mapping[int, str]) -> str:
    """Write what a cluster goes by."""
    given = names.get(number, "")
    return f"{number} · {given}" if given else f"{number}"


def edit(cells: Sequence[int], to: int | None, what: str, cluster: int | None = None) -> None:
    """Keep an edit, then show it."""
    payload = {
        "key": key,
        "cells": short([query.cells[cell] for cell in cells]),
        "to": to,
        "what": what,
        "cluster": cluster,
    }
    if common.say(space.decide, here.id, "cluster", payload, common.reader()):
        st.rerun()


def show_undo() -> None:
    """Offer to take back this reader's last edit of these clusters."""
    mine = [
        one
        for one in space.decisions(here.id)
        if one.who == common.reader()
        and (one.kind == "cluster-name" or (one.kind == "cluster" and one.payload["key"] == key))
    ]
    others = [d for d in space.decisions(here.id, "cluster") if d.payload["key"] == key]
    with st.container(horizontal=True, vertical_alignment="center"):
        st.caption(f"{len(others)} edits by hand." if others else "No edits by hand yet.")
        if not mine:
            return
        last = mine[-1]
        says = "name" if last.kind == "cluster-name" else last.payload.get("what", "edit")
        of = last.payload.get("cluster")
        label = f"Undo: {says} of cluster {of}" if of is not None else f"Undo: {says}"
        if st.button(label, icon=":material/undo:", key="undo", disabled=locked) and common.say(
            space.undo, here.id, last.kind, common.reader()
        ):
            st.rerun()


def show_map(clusters: Clusters, names: Mapping[int, str]) -> None:
    """Show the query's cells by cluster; cells in a lasso can be moved."""
    shown = load_map(space, here.id)
    if shown is None:
        return
    of_query = np.array(shown.sets) == QUERY
    cells = shown.cells[of_query]
    labels = [name_of(int(number), names) for number in clusters.names]
    edits = len(space.decisions(here.id, "cluster"))
    title = "Query cells by cluster"
    picked = maps.cell_map(
        here.id,
        map_figure(
            shown.xy[of_query],
            [labels[cluster] for cluster in clusters.labels[cells]],
            cluster_colours(labels),
            cells.tolist(),
            title,
            numbered=True,
            hover=[f"centrality {value:.2f}" for value in clusters.centrality[cells]],
            axes=(f"{shown.layout} 1", f"{shown.layout} 2"),
        ),
        title,
        f"map {edits}",  # an edit drops the selection
    )
    sample = (
        f" {len(cells):,} of {query.n_cells:,} cells are shown; the others go with the one they "
        "are most alike."
        if len(cells) < query.n_cells
        else ""
    )
    st.caption(CAPTIONS["map_figure"] + sample)
    if picked:
        offer_move(np.array(sorted({int(cell) for cell in picked})), cells, clusters, names)


def offer_move(
    chosen: np.ndarray, on_map: np.ndarray, clusters: Clusters, names: Mapping[int, str]
) -> None:
    """Show picked cells and let them be moved to another cluster."""
    with st.container(border=True):
        more = f", the first {MOST_SHOWN} are shown" if len(chosen) > MOST_SHOWN else ""
        st.markdown(f"**{len(chosen):,} cells picked**{more}")
        common.pictures(here.id, [query.cells[cell] for cell in chosen[:MOST_SHOWN]])
        with st.form("move", border=False):
            to = st.selectbox(
                "Move them to",
                [NEW, *clusters.names.tolist()],
                format_func=lambda n: (
                    "a new cluster" if n == NEW else f"cluster {name_of(n, names)}"
                ),
                disabled=locked,
            )
            if st.form_submit_button("Move", icon=":material/move_item:", disabled=locked):
                moved = chosen
                if len(on_map) < query.n_cells:
                    moved = extend_selection(embeddings(), on_map, chosen)
                edit(moved.tolist(), None if to == NEW else to, "move")


def embeddings() -> np.ndarray:
    """Read what clusters were found on."""
    with st.spinner("Reading the embeddings…"):
        return query_embeddings(load_prepared(space, here.id), space.cache)


def show_cluster(clusters: Clusters, position: int, names: Mapping[int, str]) -> None:
    """Show one cluster: how large and dense, its middle and its rim, and what can be done."""
    number = int(clusters.names[position])
    ordered = central_first(clusters, position)
    with st.container(border=True):
        head, button = st.columns([5, 1], vertical_alignment="center")
        density = clusters.density[position]
        dense = "changed by hand" if np.isnan(density) else f"density {density:.2f}"
        head.markdown(
            f"**Cluster {words.plain(name_of(number, names))}** — {len(ordered):,} cells, {dense}"
        )
        with button.popover("Edit", key=f"edit {number}", disabled=locked, width="stretch"):
            offer_edits(clusters, number, ordered, names)
        middle, rim = st.columns(2)
        with middle:
            st.caption("Most central")
            common.pictures(here.id, [query.cells[cell] for cell in ordered[:STRIP]], size=60)
        with rim:
            st.caption("Most marginal")
            last = ordered[STRIP:][::-1][:STRIP]
            common.pictures(here.id, [query.cells[cell] for cell in last], size=60)


def offer_edits(
    clusters: Clusters, number: int, ordered: np.ndarray, names: Mapping[int, str]
) -> None:
    """Offer to rename, split or merge a cluster."""
    with st.form(f"name {number}", border=False):
        given = st.text_input("Name", names.get(number, ""), max_chars=60)
        if st.form_submit_button("Rename"):
            cells = short([query.cells[cell] for cell in ordered])
            payload = {"cluster": number, "cells": cells, "name": given.strip()}
            if common.say(space.decide, here.id, "cluster-name", payload, common.reader()):
                st.rerun()
    if st.button(
        "Split in two",
        key=f"split {number}",
        icon=":material/call_split:",
        help="Its cells are parted in the two groups that differ most.",
    ):
        inside = np.sort(ordered)
        try:
            part = split_in_two(embeddings()[inside])
        except CellTransferError as error:
            st.error(str(error))
        else:
            edit(inside[part].tolist(), None, "split", number)
    others = [int(other) for other in clusters.names if other != number]
    if others:
        into = st.selectbox(
            "Merge into",
            others,
            key=f"into {number}",
            format_func=lambda other: f"cluster {name_of(other, names)}",
        )
        if st.button("Merge", key=f"merge {number}", icon=":material/call_merge:"):
            edit(ordered.tolist(), into, "merge", number)


def show_clusters(clusters: Clusters, names: Mapping[int, str]) -> None:
    """Show every cluster, the largest first."""
    st.header(f"{len(clusters.names)} clusters, the largest first")
    st.caption(
        "Density is the share of a cluster's pairs of cells that are tied: near 1 it is of one "
        "piece. Central cells show what a cluster is; marginal ones what else may be in it."
    )
    order = np.argsort(-clusters.sizes, kind="stable")
    page = 1
    if len(order) > A_PAGE:
        page = st.pagination(-(-len(order) // A_PAGE), key="page")
    for position in order[(page - 1) * A_PAGE : page * A_PAGE]:
        show_cluster(clusters, int(position), names)


def go_on() -> None:
    """Lead on to the matches; edited clusters are matched anew."""
    if states(space, here.id)["matches"] == "done" or locked:
        words.following("matches", "Go on to matches")
        return
    st.divider()
    st.markdown("These clusters are not matched to types yet.")
    label = "Match the clusters to types"
    if st.button(label, type="primary", icon=":material/arrow_forward:") and common.say(
        start, space, here.id, "matches"
    ):
        words.go("matches")


with st.expander("How clusters are found", expanded=load_clusters(space, here.id) is None):
    settings()
if common.needs(here, "clusters", "Find clusters"):
    key = stage_keys(space, here.id)["clusters"]
    query: Dataset = space.pooled(here.id, QUERY)
    found = load_clusters(space, here.id)
    said = [Word(d.payload, d.who, d.at) for d in space.decisions(here.id, "cluster-name")]
    named = standing_names(found, query.cells, said)
    show_map(found, named)
    show_undo()
    show_clusters(found, named)
    go_on()
