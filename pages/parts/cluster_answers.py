"""Answers to clusters: kept at a click or a key, and taken back."""

from collections.abc import Sequence

import streamlit as st

from celltransfer_core.errors import CellTransferError
from celltransfer_core.studies import match_payloads, split_edits, stage_keys
from celltransfer_core.studies.records import Decision
from parts import text
from parts.chosen import choose_cluster
from parts.here import Here
from parts.matched import Matched
from parts.reader import when_named
from parts.study_types import typed_name

ASKED_AGAIN = "asked again"
"""Numbers of the clusters that a mixed one was split in: they come next."""
TO_MATCH = "to match"
"""Whether clusters were split and wait to be matched."""
_UNSAID = "unsaid"
"""Whether a split took the cluster's answer back just before it."""


def keep_answers(matched: Matched, answers: Sequence[tuple[int, str | None]]) -> bool:
    """Keep answers to clusters, all at one stroke; on disk when this returns."""
    payloads = match_payloads(matched.clusters, matched.query.cells, answers, matched.types)
    if not matched.here.decide_all("match", payloads):
        return False
    matched.here.mark_seen()
    return True


def is_shown(matched: Matched, position: int) -> bool:
    """Tell whether a cluster is the one that is shown.

    While a page is drawn anew a key hits the buttons of two clusters: one of them is meant.
    """
    return matched.number(position) == st.session_state["cluster"]


def answer(matched: Matched, position: int, name: str) -> None:
    """Keep an answer and go on to the next cluster without one."""
    if not matched.here.reader:
        when_named(lambda reader: answer(matched.of(reader), position, name))
        return
    if is_shown(matched, position) and keep_answers(matched, [(position, name)]):
        order = matched.order
        waiting = [one for one in matched.waiting() if one != position]
        again = st.session_state.get(ASKED_AGAIN, ())
        parts = [one for one in waiting if matched.number(one) in again]
        later = [one for one in waiting if order.index(one) > order.index(position)]
        choose_cluster(matched.number((parts or later or waiting or [position])[0]))


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
    if is_shown(matched, position):
        keep_answers(matched, [(position, None)])


def split(matched: Matched, position: int) -> None:
    """Split a mixed cluster and ask of its parts: an answer that it had does not stand for them."""
    if not is_shown(matched, position):
        return
    if not matched.here.reader:
        when_named(lambda reader: split(matched.of(reader), position))
        return
    here, number = matched.here, matched.number(position)
    try:
        edits = split_edits(here.workspace, here.id, number)
    except CellTransferError as error:
        st.error(text.sentence(error))
        return
    confirmed = matched.matches[position].confirmed
    if confirmed and not keep_answers(matched, [(position, None)]):
        return
    if here.decide_all("cluster", [{**edit, _UNSAID: confirmed} for edit in edits]):
        first = int(matched.clusters.names.max()) + 1
        st.session_state[ASKED_AGAIN] = (number, *range(first, first + len(edits)))
        st.session_state[TO_MATCH] = True


def confirm_all(matched: Matched, positions: Sequence[int]) -> None:
    """Confirm proposals as they are."""
    keep_answers(matched, [(one, matched.matches[one].matched_type) for one in positions])


def last_kind(here: Here) -> str | None:
    """Tell what this reader did last that stands: ``match`` an answer, ``cluster`` a split or move.

    None if nothing of these clusters can be undone.
    """
    key = stage_keys(here.workspace, here.id).get("clusters")
    mine = [
        one.kind
        for one in here.own_decisions()
        if one.kind == "match" or (one.kind == "cluster" and one.payload["key"] == key)
    ]
    return mine[-1] if mine else None


def undo_last(here: Here, kind: str) -> tuple[Decision, ...]:
    """Take back what a reader did last of a kind; after a split its cluster's answer stands again.

    A split of a cluster with an answer is kept as two strokes, of two kinds.
    """
    undone = here.undo(kind)
    if undone and undone[-1].payload.get(_UNSAID):
        said = here.own_decisions("match")
        if said and said[-1].id < undone[0].id:  # nothing was said since
            here.undo("match")
    return undone


def undo(matched: Matched) -> None:
    """Take this reader's last answer or split back, or all that were given at one stroke."""
    kind = last_kind(matched.here)
    if kind and (undone := undo_last(matched.here, kind)):
        if kind == "match":
            matched.here.mark_seen()
        number = undone[-1].payload.get("cluster")
        if number is not None:
            choose_cluster(number)


def step(matched: Matched, by: int) -> None:
    """Go to the next cluster, or the one before."""
    order = matched.order
    at = order.index(matched.position(st.session_state["cluster"]))
    choose_cluster(matched.number(order[(at + by) % len(order)]))
