"""One cluster beside a type of the reference, and the answers it can be given."""

import numpy as np
import streamlit as st

from celltransfer_core.matching import Match
from celltransfer_core.pipeline import central_first
from celltransfer_core.studies import Standing
from celltransfer_core.vocabulary import MOST_LETTERS, NONE_TYPE, REFERENCE
from parts import text
from parts.cluster_answers import answer, answer_new, take_back
from parts.matched import Matched
from parts.pictures import chip, large_chip, pictures

# Streamlit keeps C and R for itself; A, J, K, N, T and Z are keys of other buttons of the page.
KEYS = "1234567890BDEFGHILMOPQSUVWXY"
CELLS = 18
PICTURE = 68  # px
CLOSE = 0.1


def show_cluster(matched: Matched, position: int) -> None:
    """Show one cluster beside a type, and take an answer."""
    match, scores, types = matched.matches[position], matched.scores, matched.types
    show_head(matched, position)
    ranked = np.argsort(-scores.p[position], kind="stable").tolist()
    ranked.sort(key=lambda n: types[n] != match.matched_type)
    shown = st.pills(
        "Compare with the reference's cells (match score)",
        ranked,
        default=ranked[0],
        format_func=lambda n: f"{text.plain(types[n])} · {max(scores.p[position, n], 0):.2f}",
        key=f"beside {matched.number(position)} {match.matched_type}",
        required=True,
    )
    of_cluster, of_type = st.columns(2, gap="medium")
    with of_cluster:
        inside = central_first(matched.clusters, position)
        st.markdown(f"**Cluster {text.plain(matched.label(position))}**")
        st.caption(f"{len(inside):,} query cells, the most central first")
        pictures(
            matched.here,
            [matched.query.cells[cell] for cell in inside[:CELLS]],
            titles=[f"query cell {place}" for place in range(1, CELLS + 1)],
            size=PICTURE,
        )
    with of_type:
        show_type(matched, types[shown])
    offer_types(matched, position)


def show_type(matched: Matched, name: str) -> None:
    """Show what the reference calls a type."""
    st.html(f"<div style='font-weight:650'>{chip(name, matched.shades)}</div>")
    show_reference(matched, name, CELLS)


def show_reference(matched: Matched, name: str, most: int) -> None:
    """Show cells that the reference calls by a type's name."""
    cells = np.flatnonzero(matched.reference.cell_labels == name)
    st.caption(f"{len(cells):,} reference cells, in no order")
    shown = cells[:most]  # in the order of hashes
    pictures(
        matched.here,
        [matched.reference.cells[cell] for cell in shown],
        titles=[f"reference, {name}"] * len(shown),
        size=PICTURE,
        role=REFERENCE,
    )


def show_head(matched: Matched, position: int) -> None:
    """Tell what a cluster is taken for, and why; the first answers stand beside it."""
    match = matched.matches[position]
    head, answers = st.columns([5, 4], vertical_alignment="center")
    with head:
        if match.matched_type == NONE_TYPE:
            st.html("<div style='font-size:1.35rem;font-weight:650'>None of these types</div>")
        else:
            large_chip(match.matched_type, matched.shades)
        st.markdown(how_it_stands(match, matched.standing.get(matched.number(position))))
        scored = match.matched_type in matched.types
        sentence = f"Match score **{match.score:.2f}**" if scored else ""
        if match.runner_up:
            sentence += f"{', n' if scored else 'N'}ext is {text.plain(match.runner_up)} with "
            sentence += f"**{match.runner_up_score:.2f}**"
        st.markdown(
            sentence,
            help="A match score goes from 0 to 1: how alike the cluster's cells and the type's "
            "are to the encoders. It ranks types; it does not say how probable they are.",
        )
    with answers:
        offer_answers(matched, position)
    show_doubts(matched, position)


def show_doubts(matched: Matched, position: int) -> None:
    """Tell what speaks against the type that a cluster is taken for."""
    match = matched.matches[position]
    if position in matched.slips:
        st.warning(
            f"**Look again: is this {text.plain(match.matched_type)}?** To the encoders these "
            f"cells look like {text.plain(matched.slips[position])}. Change the name if it was a "
            "slip. If it is right, type a few of these cells on the Review page: until then the "
            "name counts for less than others.",
            icon=":material/visibility:",
        )
    elif match.reason:
        st.warning(
            f"**The other sets suggest {text.plain(match.tsne_type)}.** "
            f"{text.plain(match.reason)}.",
            icon=":material/alt_route:",
        )
    elif not match.confirmed and match.score - match.runner_up_score < CLOSE:
        st.caption(":material/balance: Two types come close: compare the cells of both.")


def how_it_stands(match: Match, standing: Standing | None) -> str:
    """Tell who confirmed what a cluster is, if anybody did."""
    if standing is None:
        return ":gray-badge[:material/help: proposed] Nobody has confirmed it yet."
    by = f"by {text.plain(match.by)}, {text.when(standing.at)}"
    if standing.share == 1:
        return f":green-badge[:material/check: confirmed] {by}"
    return (
        f":blue-badge[:material/redo: carried over] {100 * standing.share:.0f} % of its cells were "
        f"confirmed before, {by}."
    )


def offer_answers(matched: Matched, position: int) -> None:
    """Offer the first answers; a key holds the cluster, so that none hits another one."""
    match, number, locked = matched.matches[position], matched.number(position), matched.here.locked
    own = match.confirmed and matched.standing[number].share == 1
    none = match.matched_type == NONE_TYPE
    name = "none" if none else text.plain(match.matched_type)
    with st.container(horizontal=True, horizontal_alignment="right"):
        st.button(
            "Confirmed" if own else f"Confirm {name}",
            key=f"confirm {number}",
            shortcut="A",
            type="primary",
            icon=":material/check:",
            on_click=answer,
            args=(matched, position, match.matched_type),
            disabled=locked or own,
        )
        if not own or not none:
            st.button(
                "None of these",
                key=f"none {number}",
                shortcut="N",
                icon=":material/block:",
                on_click=answer,
                args=(matched, position, NONE_TYPE),
                disabled=locked,
            )
        if match.confirmed:
            st.button(
                "Take back",
                key=f"take back {number}",
                shortcut="T",
                icon=":material/remove_done:",
                on_click=take_back,
                args=(matched, position),
                disabled=locked,
            )


def offer_types(matched: Matched, position: int) -> None:
    """Offer one button and key a type."""
    match, number = matched.matches[position], matched.number(position)
    st.caption("It is another type:" if not match.confirmed else "Change it to:")
    with st.container(horizontal=True, vertical_alignment="center"):
        for place, name in enumerate([*matched.types, *matched.new_types]):
            st.button(
                text.plain(name),
                key=f"type {place} {number}",
                shortcut=KEYS[place] if place < len(KEYS) else None,
                on_click=answer,
                args=(matched, position, name),
                disabled=matched.here.locked,
                type="primary" if match.confirmed and name == match.matched_type else "secondary",
            )
        offer_new_type(matched, position)


def offer_new_type(matched: Matched, position: int) -> None:
    """Let a type be named that the reference lacks."""
    field = f"new type {matched.number(position)}"
    with st.popover(
        "A type that is not here", icon=":material/new_label:", disabled=matched.here.locked
    ):
        with st.form(f"name {field}", border=False):
            st.text_input(
                "Name of the type",
                key=field,
                max_chars=MOST_LETTERS,
                placeholder="such as plasma cell",
            )
            st.form_submit_button(
                "This cluster is that", on_click=answer_new, args=(matched, position, field)
            )
        st.caption(
            "The reference has no such cells: nothing is transported onto the cluster. From now on "
            "the vote can find more of them in the query."
        )
    if problem := st.session_state.pop("problem", ""):
        st.error(text.sentence(problem))
