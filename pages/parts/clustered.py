"""The clusters of a study, and how they are put right by hand."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import streamlit as st

from celltransfer_core.data import Dataset
from celltransfer_core.errors import CellTransferError
from celltransfer_core.pipeline import Clusters, extend_selection, split_in_two
from celltransfer_core.studies import (
    edit_payload,
    load_clusters,
    load_prepared,
    name_payload,
    query_embeddings,
    stage_keys,
    standing_names,
)
from celltransfer_core.vocabulary import QUERY
from parts import text
from parts.here import Here

NEW = -1


@dataclass(frozen=True)
class Clustered:
    """Clusters and their names, read once for all parts of the page.

    A cluster's number is what people know it by; its position is its place in ``clusters``.
    """

    here: Here
    key: str
    """Of these clusters: edits count for them alone."""
    query: Dataset
    clusters: Clusters
    names: Mapping[int, str]
    """Names that people gave to clusters, by number."""

    def label(self, number: int) -> str:
        """Write what a cluster goes by."""
        given = self.names.get(number, "")
        return f"{number} · {given}" if given else f"{number}"


def load_clustered(here: Here) -> Clustered:
    """Read what the Clusters page shows; the clusters must be there."""
    query = here.pooled(QUERY)
    clusters = load_clusters(here.workspace, here.id)
    decisions = here.workspace.decisions(here.id, "cluster-name")
    key = stage_keys(here.workspace, here.id)["clusters"]
    return Clustered(here, key, query, clusters, standing_names(clusters, query.cells, decisions))


def keep_edit(
    found: Clustered, cells: np.ndarray, to: int | None, what: str, cluster: int | None = None
) -> None:
    """Keep an edit, then show it."""
    payload = edit_payload(found.key, found.query.cells, cells, to, what, cluster)
    if found.here.decide("cluster", payload):
        st.rerun()


def show_undo(found: Clustered) -> None:
    """Offer to take back this reader's last edit of these clusters."""
    here = found.here

    def of_these(kind: str, key: str | None) -> bool:
        return kind == "cluster-name" or (kind == "cluster" and key == found.key)

    mine = [one for one in here.own_decisions() if of_these(one.kind, one.payload.get("key"))]
    decisions = here.workspace.decisions(here.id, "cluster")
    edits = sum(one.payload["key"] == found.key for one in decisions)
    with st.container(horizontal=True, vertical_alignment="center"):
        st.caption(f"{edits} edits by hand." if edits else "No edits by hand yet.")
        if not mine:
            return
        last = mine[-1]
        what = "name" if last.kind == "cluster-name" else last.payload.get("what", "edit")
        number = last.payload.get("cluster")
        label = f"Undo: {what} of cluster {number}" if number is not None else f"Undo: {what}"
        if st.button(label, icon=":material/undo:", key="undo", disabled=here.locked) and here.undo(
            last.kind
        ):
            st.rerun()


def offer_edits(found: Clustered, number: int, ordered: np.ndarray) -> None:
    """Offer to rename, split or merge a cluster; ``ordered`` are its cells."""
    here = found.here
    with st.form(f"name {number}", border=False):
        given = st.text_input("Name", found.names.get(number, ""), max_chars=60)
        if st.form_submit_button("Rename") and here.decide(
            "cluster-name", name_payload(found.query.cells, ordered, number, given)
        ):
            st.rerun()
    if st.button(
        "Split in two",
        key=f"split {number}",
        icon=":material/call_split:",
        help="Its cells are parted in the two groups that differ most.",
    ):
        inside = np.sort(ordered)
        try:
            part = split_in_two(embeddings(here)[inside])
        except CellTransferError as error:
            st.error(text.sentence(error))
        else:
            keep_edit(found, inside[part], None, "split", number)
    others = [int(other) for other in found.clusters.names if other != number]
    if others:
        into = st.selectbox(
            "Merge into",
            others,
            key=f"into {number}",
            format_func=lambda other: f"cluster {found.label(other)}",
        )
        if st.button("Merge", key=f"merge {number}", icon=":material/call_merge:"):
            keep_edit(found, ordered, into, "merge", number)


def offer_move(found: Clustered, chosen: np.ndarray, on_map: np.ndarray) -> None:
    """Let cells that were picked on the map be moved to another cluster."""
    here = found.here
    with st.form("move", border=False):
        to = st.selectbox(
            "Move them to",
            [NEW, *found.clusters.names.tolist()],
            format_func=lambda n: "a new cluster" if n == NEW else f"cluster {found.label(n)}",
            disabled=here.locked,
        )
        if st.form_submit_button("Move", icon=":material/move_item:", disabled=here.locked):
            if len(on_map) < found.query.n_cells:
                chosen = extend_selection(embeddings(here), on_map, chosen)
            keep_edit(found, chosen, None if to == NEW else to, "move")


def embeddings(here: Here) -> np.ndarray:
    """Read what clusters were found on."""
    with st.spinner("Reading the embeddings…"):
        return query_embeddings(load_prepared(here.workspace, here.id), here.workspace.cache)
