"""Answers to clusters: kept at a click or a key, and taken back."""

from collections.abc import Sequence

import streamlit as st

from celltransfer_core.errors import CellTransferError
from celltransfer_core.studies import match_payloads
from parts.matched import Matched
from parts.study_types import typed_name


def keep_answers(matched: Matched, answers: Sequence[tuple[int, str | None]]) -> bool:
    """Keep answers to clusters, all at one stroke; on disk when this returns."""
    payloads = match_payloads(matched.clusters, matched.query.cells, answers, matched.types)
    if not matched.here.decide_all("match", payloads):
        return False
    matched.here.mark_seen()
    return True


def answer(matched: Matched, position: int, name: str) -> None:
    """Keep an answer and go on to the next cluster without one."""
    # While a page is drawn anew a key hits the buttons of two clusters: one of them is meant.
    if position == st.session_state["cluster"] and keep_answers(matched, [(position, name)]):
        order = matched.order
        waiting = [one for one in matched.waiting() if one != position]
        later = [one for one in waiting if order.index(one) > order.index(position)]
        st.session_state["cluster"] = (later or waiting or [position])[0]


def answer_new(matched: Matched, position: int, field: str) -> None:
    """Keep a type that the reference lacks, as it was typed in."""
    try:
        name = typed_name(matched.here, st.session_state[field])
    except CellTransferError as error:
        st.session_state["problem"] = str(error)
        return
    st.session_state[field] = ""
    answer(matched, position, name)


def take_back(matched: Matched, position: int) -> None:
    """Let a cluster be a proposal again."""
    if position == st.session_state["cluster"]:
        keep_answers(matched, [(position, None)])


def confirm_all(matched: Matched, positions: Sequence[int]) -> None:
    """Confirm proposals as they are."""
    keep_answers(matched, [(one, matched.matches[one].matched_type) for one in positions])


def undo(matched: Matched) -> None:
    """Take this reader's last answer back, or all that were given at one stroke."""
    if undone := matched.here.undo("match"):
        matched.here.mark_seen()
        number = undone[-1].payload.get("cluster")
        of_it = [position for position in matched.order if matched.number(position) == number]
        st.session_state["cluster"] = (of_it or [st.session_state["cluster"]])[0]


def step(matched: Matched, by: int) -> None:
    """Go to the next cluster, or the one before."""
    order = matched.order
    at = order.index(st.session_state["cluster"])
    st.session_state["cluster"] = order[(at + by) % len(order)]
