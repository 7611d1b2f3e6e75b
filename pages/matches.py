"""Matches: which type each cluster is. A person's answer counts more than any score."""

from collections.abc import Sequence
from typing import Any

import pandas as pd
import streamlit as st

from celltransfer_core.vocabulary import NONE_TYPE
from parts import text
from parts.cluster_answers import confirm_all, step, undo
from parts.evidence import show_evidence
from parts.here import open_page
from parts.matched import Matched, load_matched
from parts.navigation import lead_on
from parts.one_cluster import show_cluster
from parts.without_cluster import show_filtered
from parts.work import needs

SURE = 0.5

MARKS = {
    "proposed": ":material/help:",
    "confirmed": ":material/check_circle:",
    "none": ":material/block:",
    "look again": ":material/visibility:",
    "carried over": ":material/redo:",
}


def show_strip(matched: Matched) -> None:
    """Show how every cluster stands; one is chosen."""
    done = [match for match in matched.matches if match.confirmed]
    share = sum(match.cells for match in done) / matched.query.n_cells
    st.progress(
        share,
        text=f"**{len(done)} of {len(matched.matches)} clusters are settled by a person**, "
        f"{100 * share:.0f} % of the cells",
    )
    st.segmented_control(
        "Clusters, the largest first: "
        + ", ".join(f"{mark} {name}" for name, mark in MARKS.items()),
        matched.order,
        format_func=lambda position: (
            f"{MARKS[matched.state(position)]} {text.plain(matched.label(position))}"
        ),
        key="cluster",
        required=True,
    )


def offer_ways(matched: Matched) -> None:
    """Offer to go to other clusters, to undo, and to confirm many."""
    with st.container(horizontal=True):
        for label, key, icon, by in (
            ("Previous", "K", ":material/arrow_back:", -1),
            ("Next", "J", ":material/arrow_forward:", 1),
        ):
            st.button(
                label,
                key=label.lower(),
                shortcut=key,
                icon=icon,
                on_click=step,
                args=(matched, by),
            )
        st.button(
            "Undo my last answer",
            key="undo",
            shortcut="Z",
            icon=":material/undo:",
            on_click=undo,
            args=(matched,),
            disabled=matched.here.locked or not matched.here.own_decisions("match"),
        )
        offer_all(matched, matched.waiting())
    st.caption("By keyboard: every button shows its key.")


def offer_all(matched: Matched, waiting: Sequence[int]) -> None:
    """Offer to confirm many proposals at once."""
    with st.popover(
        "Confirm several",
        icon=":material/done_all:",
        disabled=matched.here.locked or not waiting,
    ):
        least = st.slider(
            "Proposals with a match score of at least", 0.0, 1.0, SURE, 0.05, key="least"
        )
        sure = [position for position in waiting if matched.matches[position].score >= least]
        for position in sure:
            match = matched.matches[position]
            st.markdown(
                f"Cluster {text.plain(matched.label(position))}: "
                f"**{text.plain(match.matched_type)}** ({match.score:.2f}, {match.cells:,} cells)"
            )
        st.caption("A high score can be wrong: look at each cluster once, before or after.")
        st.button(
            f"Confirm these {len(sure)}",
            key="confirm all",
            type="primary",
            on_click=confirm_all,
            args=(matched, sure),
            disabled=not sure,
        )


def show_table(matched: Matched) -> None:
    """List all clusters; a click on a row shows the cluster above."""
    rows = pd.DataFrame(
        [
            {
                "Cluster": matched.label(position),
                "Cells": match.cells,
                "Type": "none of these" if match.matched_type == NONE_TYPE else match.matched_type,
                "State": matched.state(position),
                "Score": match.score,
                "Runner-up": match.runner_up,
                "Its score": match.runner_up_score,
                "Other sets say": match.tsne_type if match.reason else "",
                "By": match.by,
            }
            for position in matched.order
            for match in [matched.matches[position]]
        ]
    )
    bar: Any = st.column_config.ProgressColumn(min_value=0, max_value=1, format="%.2f")

    def open_row() -> None:
        """Show the cluster whose row was clicked."""
        if clicked := st.session_state["table"]["selection"]["rows"]:
            st.session_state["cluster"] = matched.order[clicked[0]]

    st.dataframe(
        rows,
        hide_index=True,
        column_config={"Score": bar, "Its score": bar},
        on_select=open_row,
        selection_mode="single-row",
        key="table",
        height=min(36 * (len(rows) + 1), 420),
    )


def go_on(matched: Matched) -> None:
    """Lead on to the classification."""
    if left := len(matched.waiting()):
        st.caption(
            f"{left} {'cluster is' if left == 1 else 'clusters are'} not confirmed yet. You can go "
            "on and come back: proposals count for less than your answer."
        )
    else:
        st.success("Every cluster is settled by a person.", icon=":material/done_all:")
    if left_out := matched.left_out():
        st.caption(
            f"No cluster is matched to {text.listed(left_out)}, and no cell will be typed so. Look "
            "above whether there are such cells."
        )
    if matched.slips:
        named = [text.plain(matched.label(position)) for position in matched.slips]
        st.warning(f"Look again at {text.possible_slips(named)}.", icon=":material/visibility:")
    lead_on("classify", "Go on: type every cell")


here = open_page(
    "Matches",
    "Each cluster is proposed a type. Look at its cells beside the type's own and say whether "
    "that is right: a dozen answers here are worth more than anything else you can do.",
)
if needs(here, "matches", "Match the clusters to types"):
    matched = load_matched(here)
    if st.session_state.get("cluster") not in matched.order:
        st.session_state["cluster"] = (matched.waiting() or matched.order)[0]
    shown = st.session_state["cluster"]
    show_strip(matched)
    with st.container(border=True):
        show_cluster(matched, shown)
        offer_ways(matched)
    show_table(matched)
    show_filtered(matched)
    show_evidence(matched, shown)
    go_on(matched)
