"""Matches page: the type of each cluster; a person's answer overrides any score."""

from collections.abc import Sequence

import pandas as pd
import streamlit as st

from celltransfer_core.studies import load_current
from celltransfer_core.vocabulary import NONE_TYPE
from parts import text
from parts.chosen import choose_cluster, chosen_cluster
from parts.cluster_answers import confirm_all, step
from parts.evidence import show_evidence
from parts.here import open_page
from parts.keys import KEYS
from parts.matched import Matched, load_matched
from parts.one_cluster import show_cluster
from parts.sample import show_ruled_out
from parts.split_clusters import match_parts
from parts.without_cluster import show_filtered
from parts.work import lead_to_review, needs

SURE = 0.5

MARKS = {
    "proposed": ":material/help:",
    "confirmed": ":material/check_circle:",
    "none": ":material/block:",
    "look again": ":material/visibility:",
    "carried over": ":material/redo:",
}


def show_ways(matched: Matched, position: int) -> None:
    """Show which cluster is open, how many are settled, and links to the others."""
    st.session_state["choose cluster"] = matched.number(position)

    def name(number: int) -> str:
        one = matched.position(number)
        place = matched.order.index(one) + 1
        match = matched.matches[one]
        taken = "none of these" if match.matched_type == NONE_TYPE else match.matched_type
        return (
            f"Cluster {matched.label(one)} ({place} of {len(matched.order)}) · "
            f"{match.cells:,} cells · {taken}, {matched.state(one)}"
        )

    with st.container(horizontal=True, vertical_alignment="center", gap="xsmall", wrap=False):
        st.selectbox(
            "Cluster",
            [matched.number(one) for one in matched.order],
            format_func=name,
            key="choose cluster",
            on_change=lambda: choose_cluster(st.session_state["choose cluster"]),
            label_visibility="collapsed",
        )
        for label, icon, by in (
            ("Previous", ":material/arrow_back:", -1),
            ("Next", ":material/arrow_forward:", 1),
        ):
            st.button(
                label,
                key=label.lower(),
                shortcut=KEYS[label.lower()],
                icon=icon,
                on_click=step,
                args=(matched, by),
            )


def show_settled(matched: Matched) -> None:
    """Show how many clusters are settled."""
    done = [match for match in matched.matches if match.confirmed]
    share = sum(match.cells for match in done) / matched.query.n_cells
    st.progress(
        share,
        text=f"**{len(done)} of {len(matched.matches)} clusters have an answer**, "
        f"{100 * share:.1f} % of the cells",
    )


def offer_all(matched: Matched, waiting: Sequence[int]) -> None:
    """Offer to confirm many proposals at once."""
    with st.popover(
        "Confirm several",
        icon=":material/done_all:",
        disabled=matched.here.locked or not waiting,
    ):
        by_votes = matched.named.votes is not None
        worth = "share of their votes" if by_votes else "match score"
        least = st.slider(
            f"Proposals with a {worth} of at least", 0.0, 1.0, SURE, 0.05, key="least"
        )
        sure = [position for position in waiting if matched.matches[position].score >= least]
        for position in sure:
            match = matched.matches[position]
            mixed = ", :orange[may be mixed]" if matched.purity[position].mixed else ""
            st.markdown(
                f"Cluster {text.plain(matched.label(position))}: "
                f"**{text.plain(match.matched_type)}** ({match.score:.2f}, {match.cells:,} cells"
                f"{mixed})"
            )
        st.caption(
            "A high score can still be wrong: look at each cluster once, before or after "
            "confirming."
        )
        st.button(
            f"Confirm these {len(sure)}",
            key="confirm all",
            on_click=confirm_all,
            args=(matched, sure),
            disabled=not sure,
        )


def show_table(matched: Matched) -> None:
    """List all clusters; a click on a row opens the cluster above the table."""
    rows = pd.DataFrame(
        [
            {
                "Cluster": matched.label(position),
                "Cells": match.cells,
                "Type": "none of these" if match.matched_type == NONE_TYPE else match.matched_type,
                "State": matched.state(position),
                "Encoders say": f"{100 * purity.share:.1f} % {purity.counts[0][0]}",
                "Cells look like": "mixed" if purity.mixed else "",
                "Second choice": match.runner_up,
                "Other sets suggest": match.tsne_type if match.reason else "",
                "By": match.by,
            }
            for position in matched.order
            for match, purity in [(matched.matches[position], matched.purity[position])]
        ]
    )

    def open_row() -> None:
        """Show the cluster whose row was clicked."""
        if clicked := st.session_state["table"]["selection"]["rows"]:
            choose_cluster(matched.number(matched.order[clicked[0]]))

    st.dataframe(
        rows,
        hide_index=True,
        on_select=open_row,
        selection_mode="single-row",
        key="table",
        height=min(36 * (len(rows) + 1), 420),
    )


def go_on(matched: Matched) -> None:
    """Lead on to the review."""
    if left := len(matched.waiting()):
        st.caption(
            f"{left} {'cluster is' if left == 1 else 'clusters are'} not confirmed yet. You can "
            "continue and come back later: proposals count for less than your answers."
        )
    else:
        st.success("Every cluster has an answer.", icon=":material/done_all:")
    left_out = [name for name in matched.left_out() if name not in matched.config.absent]
    if left_out:
        st.caption(
            f"No cluster is matched to {text.listed(left_out)}, so no cell will get this type. "
            "Check above whether there are such cells."
        )
    if matched.slips:
        named = [text.plain(matched.label(position)) for position in matched.slips]
        st.warning(f"Check {text.possible_slips(named)}.", icon=":material/visibility:")
    lead_to_review(matched.here, quiet=bool(matched.waiting()))


here = open_page(
    "Matches",
    "Is the type proposed for each cluster correct? Compare its cells with those of the reference.",
)
match_parts(here)
if needs(here, "matches", "Match the clusters to types"):
    matched = load_matched(here)
    first = (matched.waiting() or matched.order)[0]
    number = chosen_cluster(matched.clusters.names.tolist(), matched.number(first))
    shown = matched.position(number)
    if current := load_current(here.workspace, here.id):
        show_ruled_out(here, current.run)
    show_ways(matched, shown)
    show_cluster(matched, shown)
    st.header("All clusters")
    show_settled(matched)
    show_table(matched)
    offer_all(matched, matched.waiting())
    show_filtered(matched)
    show_evidence(matched, shown)
    go_on(matched)
