"""The clusters of a study, and how they are edited by hand."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import streamlit as st

from celltransfer_core.data import Dataset
from celltransfer_core.errors import CellTransferError
from celltransfer_core.pipeline import (
    Clusters,
    Opinion,
    Purity,
    cluster_purity,
    extend_selection,
)
from celltransfer_core.studies import (
    edit_payload,
    load_clusters,
    load_opinion,
    load_prepared,
    name_payload,
    query_embeddings,
    split_edits,
    stage_keys,
    standing_names,
)
from celltransfer_core.vocabulary import QUERY
from parts import text
from parts.clicks import clicked
from parts.cluster_answers import undo_last
from parts.here import Here
from parts.keys import KEYS
from parts.study_types import colours

NEW = -1


@dataclass(frozen=True)
class Clustered:
    """Clusters and their names, read once for all parts of the page.

    A cluster's number is shown to users; its position is its index in ``clusters``.
    """

    here: Here
    key: str
    """Key of these clusters; edits apply only to them."""
    query: Dataset
    clusters: Clusters
    names: Mapping[int, str]
    """Names that people gave to clusters, by number."""
    opinion: Opinion
    """The encoders' predictions for each cell, before people's answers."""
    purity: tuple[Purity, ...]
    """How pure each cluster seems by these predictions, by position."""
    shades: Mapping[str, str]
    """The colour of each type."""

    def label(self, number: int) -> str:
        """Write the label of a cluster."""
        given = self.names.get(number, "")
        return f"{number} · {given}" if given else f"{number}"


def load_clustered(here: Here) -> Clustered:
    """Read what the Clusters page shows; the clusters must exist."""
    query = here.pooled(QUERY)
    clusters = load_clusters(here.workspace, here.id)
    decisions = here.workspace.decisions(here.id, "cluster-name")
    key = stage_keys(here.workspace, here.id)["clusters"]
    opinion = load_opinion(here.workspace, here.id)
    return Clustered(
        here,
        key,
        query,
        clusters,
        names=standing_names(clusters, query.cells, decisions),
        opinion=opinion,
        purity=cluster_purity(opinion, clusters.labels),
        shades=colours(here),
    )


def keep_edit(
    found: Clustered, cells: np.ndarray, to: int | None, what: str, cluster: int | None = None
) -> None:
    """Save an edit, then show it."""
    payload = edit_payload(found.key, found.query.cells, cells, to, what, cluster)
    if found.here.decide("cluster", payload):
        st.rerun()


def show_undo(found: Clustered) -> None:
    """Offer to undo this reader's last edit of these clusters."""
    here = found.here

    def of_these(kind: str, key: str | None) -> bool:
        return kind == "cluster-name" or (kind == "cluster" and key == found.key)

    mine = [one for one in here.own_decisions() if of_these(one.kind, one.payload.get("key"))]
    decisions = here.workspace.decisions(here.id, "cluster")
    edits = sum(one.payload["key"] == found.key for one in decisions)
    with st.container(horizontal=True, vertical_alignment="center"):
        st.caption(f"{edits} manual edits." if edits else "No manual edits yet.")
        if not mine:
            return
        last = mine[-1]
        what = "name" if last.kind == "cluster-name" else last.payload.get("what", "edit")
        number = last.payload.get("cluster")
        label = f"Undo: {what} of cluster {number}" if number is not None else f"Undo: {what}"
        if clicked(
            st.button,
            label,
            icon=":material/undo:",
            key="undo",
            shortcut=KEYS["undo"],
            disabled=here.locked,
        ) and undo_last(here, last.kind):
            st.rerun()


def offer_split(found: Clustered, number: int) -> None:
    """Offer to split a cluster by the main differences between its cells."""
    here = found.here
    if clicked(
        st.button,
        "Split",
        key=f"split {number}",
        shortcut=KEYS["mixed"],
        icon=":material/call_split:",
        disabled=here.locked,
        help="The cluster is split by what the encoders predict for its cells and by how "
        "similar the cells are.",
    ):
        try:
            with st.spinner("Splitting…"):
                edits = split_edits(here.workspace, here.id, number)
        except CellTransferError as error:
            st.error(text.sentence(error))
        else:
            if here.decide_all("cluster", edits):
                st.rerun()


def offer_edits(found: Clustered, number: int) -> None:
    """Offer to rename a cluster, or to merge it into another one."""
    here = found.here
    inside = np.flatnonzero(found.clusters.names[found.clusters.labels] == number)
    with st.popover("Edit", key=f"edit {number}", disabled=here.locked):
        with st.form(f"name {number}", border=False):
            given = st.text_input("Name", found.names.get(number, ""), max_chars=60)
            if clicked(st.form_submit_button, "Rename", key=f"save name {number}") and here.decide(
                "cluster-name", name_payload(found.query.cells, inside, number, given)
            ):
                st.rerun()
        others = [int(other) for other in found.clusters.names if other != number]
        if others:
            into = st.selectbox(
                "Merge into",
                others,
                key=f"into {number}",
                format_func=lambda other: f"cluster {found.label(other)}",
            )
            if clicked(st.button, "Merge", key=f"merge {number}", icon=":material/call_merge:"):
                keep_edit(found, inside, into, "merge", number)


def offer_move(
    found: Clustered, chosen: np.ndarray, where: str, on_map: np.ndarray | None = None
) -> None:
    """Offer to move selected cells to another cluster.

    ``on_map`` are the cells that a map shows, if they were selected there: others follow them.
    """
    here = found.here
    with st.form(f"move {where}", border=False):
        to = st.selectbox(
            f"Move {text.count(len(chosen), 'selected cell')} to",
            [NEW, *found.clusters.names.tolist()],
            format_func=lambda n: "a new cluster" if n == NEW else f"cluster {found.label(n)}",
            disabled=here.locked,
        )
        if clicked(
            st.form_submit_button,
            "Move",
            key="move",
            icon=":material/move_item:",
            disabled=here.locked,
        ):
            if on_map is not None and len(on_map) < found.query.n_cells:
                chosen = extend_selection(embeddings(here), on_map, chosen)
            keep_edit(found, chosen, None if to == NEW else to, "move")


def embeddings(here: Here) -> np.ndarray:
    """Read the embeddings that clusters were found on."""
    with st.spinner("Reading the embeddings…"):
        return query_embeddings(load_prepared(here.workspace, here.id), here.workspace.cache)
