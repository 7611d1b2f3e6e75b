"""One cluster next to a type of the reference, and the answers for it."""

import numpy as np
import streamlit as st

from celltransfer_core.matching import Match
from celltransfer_core.studies import Standing
from celltransfer_core.vocabulary import MOST_LETTERS, NONE_TYPE, REFERENCE
from parts import text
from parts.cluster_answers import answer, answer_new, last_kind, split, take_back, undo
from parts.filters import link_to_cells
from parts.gallery import gallery
from parts.keys import KEYS, type_key
from parts.matched import Matched
from parts.pictures import chip
from parts.seeming import show_seeming, warning_of
from parts.whole_cluster import choose_order, ordered, show_whole

HEIGHT = 420  # px of a gallery
CLOSE = 0.1
LOW = "<style>.st-key-types button {min-height: 2rem; padding: .1rem .6rem}</style>"
"""Buttons of types are low, so that the pictures below stay in view."""


def show_cluster(matched: Matched, position: int) -> None:
    """Show one cluster next to a type, and take an answer."""
    match, types = matched.matches[position], matched.types
    number = matched.number(position)
    with st.container(gap="xsmall"):
        show_head(matched, position)
        show_seeming(matched.purity[position], matched.shades)
        offer_answers(matched, position)
        offer_types(matched, position)
        show_doubts(matched, position)
    of_cluster, of_type = st.columns(2, gap="small")
    with of_cluster:
        order = choose_order()
        cells = ordered(matched.clusters, position, matched.opinion, match.matched_type, order)
        show_whole(
            matched.here,
            cells,
            matched.opinion,
            matched.shades,
            key=f"cluster {number} {order}",
            label=f"Cells of cluster {matched.label(position)}",
            height=HEIGHT,
        )
        link_to_cells("Type its cells one by one", cluster=number)
    with of_type:
        ranked = np.argsort(-matched.strength[position], kind="stable").tolist()
        ranked.sort(key=lambda n: types[n] != match.matched_type)
        shown = st.selectbox(
            "Compare with reference cells of",
            ranked,
            format_func=lambda n: f"{types[n]} in the reference",
            key=f"beside {number} {ranked[0]}",
            label_visibility="collapsed",
            help="The most likely type comes first.",
        )
        show_reference(matched, types[shown], HEIGHT, key=f"reference {shown}")


def show_reference(matched: Matched, name: str, height: int, *, key: str) -> None:
    """Show all reference cells of a type."""
    cells = np.flatnonzero(matched.reference.cell_labels == name)  # in the order of hashes
    gallery(
        matched.here,
        key,
        cells.tolist(),
        names=[name],
        of=[0] * len(cells),
        shades=matched.shades,
        label=f"Reference cells of type {name}",
        role=REFERENCE,
        dataset=matched.reference,
        height=height,
    )


def show_head(matched: Matched, position: int) -> None:
    """Show the type of a cluster, and who named it."""
    match = matched.matches[position]
    name = "None of these types" if match.matched_type == NONE_TYPE else match.matched_type
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.html(
            f"<div style='font-size:1.3rem;font-weight:650'>{chip(name, matched.shades)}</div>",
            width="content",
        )
        standing = matched.standing.get(matched.number(position))
        st.markdown(how_it_stands(match, standing), width="content")
        if not match.confirmed and (warning := warning_of(matched.purity[position])):
            st.markdown(warning, width="content")


def show_doubts(matched: Matched, position: int) -> None:
    """Show the evidence against the type of a cluster."""
    match = matched.matches[position]
    if position in matched.slips:
        st.warning(
            f"**Check this answer: is this {text.plain(match.matched_type)}?** For the encoders "
            f"these cells look like {text.plain(matched.slips[position])}. Change the answer if it "
            "was a mistake. If it is right, type a few of these cells on the Review page: until "
            "then the answer counts for less than others.",
            icon=":material/visibility:",
        )
    elif match.reason:
        st.warning(
            f"**The other sets suggest {text.plain(match.tsne_type)}.** "
            f"{text.plain(match.reason)}.",
            icon=":material/alt_route:",
        )
    elif not match.confirmed and match.score - match.runner_up_score < CLOSE:
        st.caption(
            f":material/balance: {text.plain(match.runner_up)} comes close: compare the cells of "
            "both."
        )


def how_it_stands(match: Match, standing: Standing | None) -> str:
    """Say who confirmed the type of a cluster, if anybody did."""
    if standing is None:
        return ":gray-badge[:material/help: proposed, not confirmed yet]"
    by = f"by {text.plain(match.by)}, {text.when(standing.at)}"
    if standing.share == 1:
        return f":green-badge[:material/check: confirmed] {by}"
    return (
        f":blue-badge[:material/redo: carried over] {100 * standing.share:.1f} % of its cells were "
        f"confirmed before, {by}."
    )


def offer_answers(matched: Matched, position: int) -> None:
    """Offer the main answers; widget keys contain the cluster, so that none hits another one."""
    match, number, locked = matched.matches[position], matched.number(position), matched.here.locked
    own = match.confirmed and matched.standing[number].share == 1
    none = match.matched_type == NONE_TYPE
    name = "none" if none else text.plain(match.matched_type)
    with st.container(horizontal=True, gap="xsmall", key="answers"):
        st.button(
            "Confirmed" if own else f"Confirm {name}",
            key=f"confirm {number}",
            shortcut=KEYS["accept"],
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
                shortcut=KEYS[NONE_TYPE],
                icon=":material/block:",
                on_click=answer,
                args=(matched, position, NONE_TYPE),
                disabled=locked,
            )
        st.button(
            "Mixed: split it",
            key=f"split {number}",
            shortcut=KEYS["mixed"],
            icon=":material/call_split:",
            on_click=split,
            args=(matched, position),
            disabled=locked or match.cells < 2,
            help="The cluster is split by what the encoders predict for its cells and by how "
            "similar the cells are; you then answer each part. Your answers on other "
            "clusters are kept.",
        )
        if match.confirmed:
            st.button(
                "Take back",
                key=f"take back {number}",
                shortcut=KEYS["take back"],
                icon=":material/remove_done:",
                on_click=take_back,
                args=(matched, position),
                disabled=locked,
            )
        st.button(
            "Undo",
            key="undo",
            shortcut=KEYS["undo"],
            icon=":material/undo:",
            on_click=undo,
            args=(matched,),
            disabled=locked or last_kind(matched.here) is None,
            help="Withdraws your last answer or your last split.",
        )


def offer_types(matched: Matched, position: int) -> None:
    """Offer one button and key per type."""
    number = matched.number(position)
    st.html(LOW)
    with st.container(horizontal=True, vertical_alignment="center", gap="xsmall", key="types"):
        for place, name in enumerate([*matched.types, *matched.new_types]):
            st.button(
                text.plain(name),
                key=f"type {place} {number}",
                shortcut=type_key(place),
                on_click=answer,
                args=(matched, position, name),
                disabled=matched.here.locked,
            )
        offer_new_type(matched, position)


def offer_new_type(matched: Matched, position: int) -> None:
    """Let the reader name a type that the reference lacks."""
    field = f"new type {matched.number(position)}"
    with st.popover("Another type", icon=":material/new_label:", disabled=matched.here.locked):
        with st.form(f"name {field}", border=False):
            st.text_input(
                "Name of a type that is not listed",
                key=field,
                max_chars=MOST_LETTERS,
                placeholder="such as plasma cell",
            )
            st.form_submit_button(
                "This cluster is that", on_click=answer_new, args=(matched, position, field)
            )
        st.caption(
            "The reference has no such cells, so nothing is transported onto this cluster. From "
            "now on the vote can find more of them in the query."
        )
    if problem := st.session_state.pop("problem", ""):
        st.error(text.sentence(problem))
