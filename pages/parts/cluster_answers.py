"""Answers to clusters: saved at a click or key press, and undone."""

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
"""Numbers of the clusters that a mixed one was split into; they come next."""
TO_MATCH = "to match"
"""Whether clusters were split and wait to be matched."""
_UNSAID = "unsaid"
"""Whether the cluster's answer was removed just before a split."""


def keep_answers(matched: Matched, answers: Sequence[tuple[int, str | None]]) -> bool:
    """Save all answers to clusters at once; they are on disk when this returns."""
    payloads = match_payloads(matched.clusters, matched.query.cells, answers, matched.types)
    if not matched.here.decide_all("match", payloads):
        return False
    matched.here.mark_seen()
    return True


def is_shown(matched: Matched, position: int) -> bool:
    """Tell whether a cluster is the one shown.

    While a page is redrawn, a key can hit the buttons of two clusters, of which only one is meant.
    """
    return matched.number(position) == st.session_state["cluster"]


def answer(matched: Matched, position: int, name: str) -> None:
    """Save an answer and go to the next cluster without one."""
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
    """Save a type that the reference lacks, as entered."""
    try:
        name = typed_name(matched.here, st.session_state[field])
    except CellTransferError as error:
        st.session_state["problem"] = str(error)
        return
    st.session_state[field] = ""
    answer(matched, position, name)


def take_back(matched: Matched, position: int) -> None:
    """Turn a cluster's answer back into a proposal."""
    if is_shown(matched, position):
        keep_answers(matched, [(position, None)])


def split(matched: Matched, position: int) -> None:
    """Split a mixed cluster and ask about its parts; its previous answer does not apply to them."""
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
    """Return the kind of this reader's last action: ``match`` an answer, ``cluster`` an edit.

    An edit is a split or a move. None if nothing on these clusters can be undone.
    """
    key = stage_keys(here.workspace, here.id).get("clusters")
    mine = [
        one.kind
        for one in here.own_decisions()
        if one.kind == "match" or (one.kind == "cluster" and one.payload["key"] == key)
    ]
    return mine[-1] if mine else None


def undo_last(here: Here, kind: str) -> tuple[Decision, ...]:
    """Undo a reader's last action of a kind; undoing a split restores its cluster's answer.

    A split of a cluster with an answer is stored as two actions, of two kinds.
    """
    undone = here.undo(kind)
    if undone and undone[-1].payload.get(_UNSAID):
        said = here.own_decisions("match")
        if said and said[-1].id < undone[0].id:  # no answer since
            here.undo("match")
    return undone


def undo(matched: Matched) -> None:
    """Undo this reader's last answer or split, or all answers given at once."""
    kind = last_kind(matched.here)
    if kind and (undone := undo_last(matched.here, kind)):
        if kind == "match":
            matched.here.mark_seen()
        number = undone[-1].payload.get("cluster")
        if number is not None:
            choose_cluster(number)


def step(matched: Matched, by: int) -> None:
    """Go to the next or the previous cluster."""
    order = matched.order
    at = order.index(matched.position(st.session_state["cluster"]))
    choose_cluster(matched.number(order[(at + by) % len(order)]))
