"""Matches: which type each cluster is. A person's word counts more than any score."""

from collections.abc import Mapping, Sequence
from typing import Any

import common
import maps
import numpy as np
import pandas as pd
import streamlit as st
import words

from celltransfer_core.errors import CellTransferError
from celltransfer_core.matching import Match
from celltransfer_core.pipeline import Named, central_first, short
from celltransfer_core.plots import (
    cluster_plane_figure,
    score_plane_figure,
    similarity_heatmap,
    type_symbols,
)
from celltransfer_core.studies import (
    Standing,
    Word,
    load_current,
    load_named,
    standing_names,
    study_config,
)
from celltransfer_core.vocabulary import MOST_LETTERS, NONE_TYPE, QUERY, REFERENCE, check_new_type

# Streamlit keeps C and R for itself; A, J, K, N, T and Z are used below.
KEYS = "1234567890BDEFGHILMOPQSUVWXY"
CELLS = 18
PICTURE = 68  # px
SURE = 0.5
CLOSE = 0.1

MATRICES = {
    "p": "Match score, all encoders together",
    "score_row": "Row score: of all types, is it the one for this cluster? (Fig. 10)",
    "score_col": "Column score: of all clusters, is it the one for this type? (Fig. 10)",
    "mean_row": "Row scores without the count of encoders (Fig. 10)",
    "mean_col": "Column scores without the count of encoders (Fig. 10)",
    "count_row": "How many encoders see the type as the cluster's best (Fig. 9)",
    "count_col": "How many encoders see the cluster as the type's best (Fig. 9)",
}

space = common.workspace()
here = common.title(
    "Matches",
    "Each cluster is proposed a type. Look at its cells beside the type's own and say whether "
    "that is right: a dozen answers here are worth more than anything else you can do.",
)
locked = bool(here.signed)
reader = common.reader()


def decide(positions: Sequence[int], answers: Sequence[str | None]) -> bool:
    """Keep what was said of clusters, all at one stroke; on disk when this returns."""
    payloads = [
        {
            "cells": short([query.cells[c] for c in np.flatnonzero(clusters.labels == position)]),
            "type": name,
            "cluster": int(clusters.names[position]),
            "together": len(positions),
            **({} if name in (None, NONE_TYPE, *types) else {"new": True}),
        }
        for position, name in zip(positions, answers, strict=True)
    ]
    if not common.say(space.decide_all, here.id, "match", payloads, reader):
        return False
    st.session_state["pulse"] = space.pulse(here.id)
    return True


def answer(position: int, name: str) -> None:
    """Keep an answer and go on to the next cluster without one."""
    # While a page is drawn anew a key hits the buttons of two clusters: one of them is meant.
    if position == st.session_state["cluster"] and decide([position], [name]):
        waiting = [n for n in order if n != position and not matches[n].confirmed]
        after = order.index(position)
        later = [n for n in waiting if order.index(n) > after]
        st.session_state["cluster"] = (later or waiting or [position])[0]


def answer_new(position: int, field: str) -> None:
    """Keep a type that the reference lacks, as it was typed in."""
    try:
        name = check_new_type(st.session_state[field])
    except CellTransferError as error:
        st.session_state["problem"] = str(error)
        return
    st.session_state[field] = ""
    answer(position, name)


def take_back(position: int) -> None:
    """Let a cluster be a proposal again."""
    if position == st.session_state["cluster"]:
        decide([position], [None])


def confirm_all(positions: Sequence[int]) -> None:
    """Confirm proposals as they are."""
    decide(positions, [matches[position].matched_type for position in positions])


def undo() -> None:
    """Take this reader's last word back, or all that were said at one stroke."""
    mine = [one for one in space.decisions(here.id, "match") if one.who == reader]
    for _ in range(mine[-1].payload.get("together", 1) if mine else 0):
        if not common.say(space.undo, here.id, "match", reader):
            return
    if mine:
        st.session_state["pulse"] = space.pulse(here.id)
        said = [n for n in order if int(clusters.names[n]) == mine[-1].payload.get("cluster")]
        st.session_state["cluster"] = (said or [st.session_state["cluster"]])[0]


def step(by: int) -> None:
    """Go to the next cluster, or the one before."""
    at = order.index(st.session_state["cluster"])
    st.session_state["cluster"] = order[(at + by) % len(order)]


def called(position: int) -> str:
    """Write what a cluster goes by."""
    number = int(clusters.names[position])
    return f"{number} · {names[number]}" if number in names else str(number)


def state_of(position: int) -> str:
    """Tell in one word how a cluster stands."""
    match, word = matches[position], standing.get(int(clusters.names[position]))
    if not match.confirmed:
        return "proposed"
    if match.matched_type == NONE_TYPE:
        return "none"
    if position in doubted:
        return "look again"
    return "carried over" if word is not None and word.share < 1 else "confirmed"


MARKS = {
    "proposed": ":material/help:",
    "confirmed": ":material/check_circle:",
    "none": ":material/block:",
    "look again": ":material/visibility:",
    "carried over": ":material/redo:",
}


def show_strip() -> None:
    """Show how every cluster stands; one is chosen."""
    done = [match for match in matches if match.confirmed]
    cells = sum(match.cells for match in done)
    st.progress(
        cells / query.n_cells,
        text=f"**{len(done)} of {len(matches)} clusters are settled by a person**, "
        f"{100 * cells / query.n_cells:.0f} % of the cells",
    )
    st.segmented_control(
        "Clusters, the largest first: "
        + ", ".join(f"{mark} {name}" for name, mark in MARKS.items()),
        order,
        format_func=lambda position: f"{MARKS[state_of(position)]} {words.plain(called(position))}",
        key="cluster",
        required=True,
    )


def show_cluster(position: int) -> None:
    """Show one cluster beside a type, and take an answer."""
    match = matches[position]
    number = int(clusters.names[position])
    with st.container(border=True):
        show_head(position, match, standing.get(number))
        ranked = np.argsort(-score.p[position], kind="stable").tolist()
        ranked.sort(key=lambda n: types[n] != match.matched_type)
        shown = st.pills(
            "Compare with the reference's cells (match score)",
            ranked,
            default=ranked[0],
            format_func=lambda n: f"{words.plain(types[n])} · {max(score.p[position, n], 0):.2f}",
            key=f"beside {number} {match.matched_type}",
            required=True,
        )
        of_cluster, of_type = st.columns(2, gap="medium")
        with of_cluster:
            inside = central_first(clusters, position)
            st.markdown(f"**Cluster {words.plain(called(position))}**")
            st.caption(f"{len(inside):,} query cells, the most central first")
            common.pictures(
                here.id,
                [query.cells[cell] for cell in inside[:CELLS]],
                titles=[f"query cell {place}" for place in range(1, CELLS + 1)],
                size=PICTURE,
            )
        with of_type:
            show_type(types[shown])
        offer_types(position, match)
        offer_ways()


def show_type(name: str) -> None:
    """Show what the reference calls a type."""
    cells = np.flatnonzero(labels == name)
    st.html(f"<div style='font-weight:650'>{common.chip(name, shades)}</div>")
    st.caption(f"{len(cells):,} reference cells, in no order")
    common.pictures(
        here.id,
        [reference.cells[cell] for cell in cells[:CELLS]],  # in the order of hashes
        titles=[f"reference, {name}"] * min(CELLS, len(cells)),
        size=PICTURE,
        role=REFERENCE,
    )


def show_head(position: int, match: Match, word: Standing | None) -> None:
    """Tell what a cluster is taken for, and why; the first answers stand beside it."""
    head, answers = st.columns([5, 4], vertical_alignment="center")
    with head:
        if match.matched_type == NONE_TYPE:
            st.html("<div style='font-size:1.35rem;font-weight:650'>None of these types</div>")
        else:
            st.html(
                "<div style='font-size:1.35rem;font-weight:650'>"
                f"{common.chip(match.matched_type, shades)}</div>"
            )
        st.markdown(how_it_stands(match, word))
        told = f"Match score **{match.score:.2f}**" if match.matched_type in types else ""
        if match.runner_up:
            told += f"{', n' if told else 'N'}ext is {words.plain(match.runner_up)} with "
            told += f"**{match.runner_up_score:.2f}**"
        st.markdown(
            told,
            help="A match score goes from 0 to 1: how alike the cluster's cells and the type's "
            "are to the encoders. It ranks types; it does not say how probable they are.",
        )
    with answers:
        offer_answers(position, match)
    if position in doubted:
        st.warning(
            f"**Look again: is this {words.plain(match.matched_type)}?** To the encoders these "
            f"cells look like {words.plain(doubted[position])}. Change the name if it was a slip. "
            "If it is right, type a few of these cells on the Review page: until then the name "
            "counts for less than others.",
            icon=":material/visibility:",
        )
    elif match.reason:
        st.warning(
            f"**The other sets suggest {words.plain(match.tsne_type)}.** "
            f"{words.plain(match.reason)}.",
            icon=":material/alt_route:",
        )
    elif not match.confirmed and match.score - match.runner_up_score < CLOSE:
        st.caption(":material/balance: Two types come close: compare the cells of both.")


def find_doubted() -> dict[int, str]:
    """Find names that may be slips, and what else the encoders take the cells for."""
    lesson = load_current(space, here.id)
    if lesson is None or (taught := lesson.run.taught) is None:
        return {}
    found = {}
    for position in taught.slips:
        voted = np.array(taught.types)[taught.ensemble.winner[clusters.labels == position]]
        others = voted[voted != matches[position].matched_type].tolist()
        if others:
            found[position] = max(sorted(set(others)), key=others.count)
    return found


def how_it_stands(match: Match, word: Standing | None) -> str:
    """Tell who said what a cluster is, if anybody did."""
    if word is None:
        return ":gray-badge[:material/help: proposed] Nobody has confirmed it yet."
    by = f"by {words.plain(match.by)}, {words.when(word.at)}"
    if word.share == 1:
        return f":green-badge[:material/check: confirmed] {by}"
    return (
        f":blue-badge[:material/redo: carried over] {100 * word.share:.0f} % of its cells were "
        f"confirmed before, {by}."
    )


def offer_answers(position: int, match: Match) -> None:
    """Offer the first answers; a key holds the cluster, so that none hits another one."""
    number = int(clusters.names[position])
    own = match.confirmed and standing[number].share == 1
    none = match.matched_type == NONE_TYPE
    name = "none" if none else words.plain(match.matched_type)
    with st.container(horizontal=True, horizontal_alignment="right"):
        st.button(
            "Confirmed" if own else f"Confirm {name}",
            key=f"confirm {number}",
            shortcut="A",
            type="primary",
            icon=":material/check:",
            on_click=answer,
            args=(position, match.matched_type),
            disabled=locked or own,
        )
        if not own or not none:
            st.button(
                "None of these",
                key=f"none {number}",
                shortcut="N",
                icon=":material/block:",
                on_click=answer,
                args=(position, NONE_TYPE),
                disabled=locked,
            )
        if match.confirmed:
            st.button(
                "Take back",
                key=f"take back {number}",
                shortcut="T",
                icon=":material/remove_done:",
                on_click=take_back,
                args=(position,),
                disabled=locked,
            )


def offer_types(position: int, match: Match) -> None:
    """Offer one button and key a type."""
    number = int(clusters.names[position])
    st.caption("It is another type:" if not match.confirmed else "Change it to:")
    with st.container(horizontal=True, vertical_alignment="center"):
        for place, name in enumerate([*types, *beside]):
            st.button(
                words.plain(name),
                key=f"type {place} {number}",
                shortcut=KEYS[place] if place < len(KEYS) else None,
                on_click=answer,
                args=(position, name),
                disabled=locked,
                type="primary" if match.confirmed and name == match.matched_type else "secondary",
            )
        offer_new_type(position)


def offer_new_type(position: int) -> None:
    """Let a type be named that the reference lacks."""
    field = f"new type {int(clusters.names[position])}"
    with st.popover("A type that is not here", icon=":material/new_label:", disabled=locked):
        with st.form(f"name {field}", border=False):
            st.text_input(
                "Name of the type",
                key=field,
                max_chars=MOST_LETTERS,
                placeholder="such as plasma cell",
            )
            st.form_submit_button(
                "This cluster is that", on_click=answer_new, args=(position, field)
            )
        st.caption(
            "The reference has no such cells: nothing is transported onto the cluster. From now on "
            "the vote can find more of them in the query."
        )
    if problem := st.session_state.pop("problem", ""):
        st.error(problem)


def offer_ways() -> None:
    """Offer to go to other clusters, to undo, and to confirm many."""
    with st.container(horizontal=True):
        st.button(
            "Previous",
            key="previous",
            shortcut="K",
            icon=":material/arrow_back:",
            on_click=step,
            args=(-1,),
        )
        st.button(
            "Next",
            key="next",
            shortcut="J",
            icon=":material/arrow_forward:",
            on_click=step,
            args=(1,),
        )
        st.button(
            "Undo my last word",
            key="undo",
            shortcut="Z",
            icon=":material/undo:",
            on_click=undo,
            disabled=locked or not any(d.who == reader for d in said),
        )
        offer_all()
    st.caption("By keyboard: every button shows its key.")


def offer_all() -> None:
    """Offer to confirm many proposals at once."""
    waiting = [position for position in order if not matches[position].confirmed]
    with st.popover("Confirm several", icon=":material/done_all:", disabled=locked or not waiting):
        least = st.slider(
            "Proposals with a match score of at least", 0.0, 1.0, SURE, 0.05, key="least"
        )
        sure = [position for position in waiting if matches[position].score >= least]
        for position in sure:
            match = matches[position]
            st.markdown(
                f"Cluster {words.plain(called(position))}: **{words.plain(match.matched_type)}** "
                f"({match.score:.2f}, {match.cells:,} cells)"
            )
        st.caption("A high score can be wrong: look at each cluster once, before or after.")
        st.button(
            f"Confirm these {len(sure)}",
            key="confirm all",
            type="primary",
            on_click=confirm_all,
            args=(sure,),
            disabled=not sure,
        )


def show_table() -> None:
    """List all clusters; a click on a row shows the cluster above."""
    rows = pd.DataFrame(
        [
            {
                "Cluster": called(position),
                "Cells": match.cells,
                "Type": "none of these" if match.matched_type == NONE_TYPE else match.matched_type,
                "State": state_of(position),
                "Score": match.score,
                "Runner-up": match.runner_up,
                "Its score": match.runner_up_score,
                "Other sets say": match.tsne_type if match.reason else "",
                "By": match.by,
            }
            for position, match in ((position, matches[position]) for position in order)
        ]
    )
    bar: Any = st.column_config.ProgressColumn(min_value=0, max_value=1, format="%.2f")
    st.dataframe(
        rows,
        hide_index=True,
        column_config={"Score": bar, "Its score": bar},
        on_select=open_row,
        selection_mode="single-row",
        key="table",
        height=min(36 * (len(rows) + 1), 420),
    )


def open_row() -> None:
    """Show the cluster whose row was clicked."""
    if rows := st.session_state["table"]["selection"]["rows"]:
        st.session_state["cluster"] = order[rows[0]]


def keep(name: str, kept: bool) -> None:
    """Keep a type that no cluster is matched to, or leave it out again."""
    every = {*config.keep, name} if kept else {*config.keep} - {name}
    if common.say(space.set_options, here.id, {**here.options, "keep": sorted(every)}):
        common.say(space.decide, here.id, "keep", {"type": name, "kept": kept}, reader)


def find_left_out() -> list[str]:
    """List the types that no cluster is matched to, and that nobody kept."""
    kept = config.kept_types(matches, types)
    return [name for name in types if name not in kept]


def show_filtered() -> None:
    """Tell which types take no part, and which cells are most like them."""
    matched = {match.matched_type for match in matches}
    out = find_left_out()
    none = [match for match in matches if match.matched_type == NONE_TYPE]
    new = [match for match in matches if match.matched_type in beside]
    st.header("Types without a cluster")
    if config.filtering == "none":
        st.markdown("Filtering is switched off: every type of the reference takes part.")
    elif not out and not {*config.keep} - matched:
        st.markdown("None: every type of the reference takes part.")
    if out:
        st.markdown(
            "No cluster is matched to these. Those that are not kept are left out: **no query cell "
            "can be typed as one of them**. But a rare type may lie among the cells of another. "
            "Look at the query cells that are most like each; where one of them is of the type, "
            "keep it."
        )
    for name in types:
        if name in out or (name in config.keep and name not in matched):
            show_without_cluster(name, name not in out)
    if none:
        cells = sum(match.cells for match in none)
        st.markdown(
            f"**{cells:,} cells** in {len(none)} "
            f"{'cluster' if len(none) == 1 else 'clusters'} fit none of the types. The reference "
            "is not aligned to them; each still gets the nearest type, and is flagged."
        )
    if new:
        cells = sum(match.cells for match in new)
        told = ", ".join(words.plain(name) for name in beside)
        st.markdown(
            f"**{cells:,} cells** are of types that people named and the reference lacks ({told}): "
            "the reference is not aligned to them; your word and their neighbours type them."
        )


def show_without_cluster(name: str, kept: bool) -> None:
    """Show the query cells that are most like a type, and let it be kept or left out."""
    alike = named.alike[types.index(name)]
    of_reference = np.flatnonzero(labels == name)
    with st.container(border=True):
        head, say = st.columns([3, 2], vertical_alignment="center")
        with head:
            st.html(f"<div style='font-weight:650'>{common.chip(name, shades)}</div>")
            if kept:
                said = [d for d in space.decisions(here.id, "keep") if d.payload["type"] == name]
                by = f" by {words.plain(said[-1].who)}, {words.when(said[-1].at)}" if said else ""
                st.markdown(
                    f":green-badge[:material/check: kept]{by}. It takes part, with at least 3 % "
                    "of the reference cells that are drawn."
                )
        with say, st.container(horizontal_alignment="right"):
            st.button(
                "Leave out" if kept else f"Keep {words.plain(name)}",
                key=f"keep {name}",
                icon=":material/filter_alt:" if kept else ":material/filter_alt_off:",
                on_click=keep,
                args=(name, not kept),
                disabled=locked,
            )
        mine, theirs = st.columns(2, gap="medium")
        with mine:
            st.caption("Query cells most like it: is one of them of this type?")
            common.pictures(
                here.id,
                [query.cells[cell] for cell in alike],
                titles=[f"query cell of cluster {called(clusters.labels[cell])}" for cell in alike],
                size=PICTURE,
            )
        with theirs:
            st.caption(f"{len(of_reference):,} reference cells, in no order")
            common.pictures(
                here.id,
                [reference.cells[cell] for cell in of_reference[: len(alike)]],
                titles=[f"reference, {name}"] * len(of_reference[: len(alike)]),
                size=PICTURE,
                role=REFERENCE,
            )


def show_evidence(position: int) -> None:
    """Show what the proposals are made from."""
    st.header("What the proposals rest on")
    numbers = [called(n) for n in range(len(matches))]
    kinds = {
        "heat": "Heat maps (Figs 9, 10)",
        "plane": "Score plane (Fig. 11)",
        "sets": "All sets (Fig. 4)",
    }
    kind = st.segmented_control(
        "Evidence",
        list(kinds),
        default="heat",
        format_func=kinds.get,
        key="evidence",
        required=True,
        label_visibility="collapsed",
    )
    if kind == "heat":
        show_heat(numbers)
    elif kind == "plane":
        alone = st.toggle(f"Only cluster {words.plain(called(position))}", value=True)
        maps.figure(
            score_plane_figure(
                score,
                numbers,
                shades,
                symbols=type_symbols(types),
                cluster=position if alone else None,
            ),
            "score_plane_figure",
        )
    else:
        maps.figure(
            cluster_plane_figure(named.plane, shades, clusters=numbers), "cluster_plane_figure"
        )
        if named.refinements is None:
            st.caption(
                "With further unlabelled sets (Data page, Extra sets) their clusters have a say "
                "here, and the proposals become surer."
            )


def show_heat(numbers: Sequence[str]) -> None:
    """Show one of the matrices that scores are made from."""
    cosines = {f"cosine {name}": f"How alike to the encoder {name} (Fig. 9)" for name in encoders}
    which = st.selectbox(
        "What to show",
        [*MATRICES, *cosines],
        format_func=lambda name: {**MATRICES, **cosines}[name],
        key="matrix",
    )
    if which in MATRICES:
        figure = similarity_heatmap(score, numbers, which)
    else:
        encoder = which.removeprefix("cosine ")
        figure = similarity_heatmap(score, numbers, "cosine", encoder=encoder)
        number = encoders.index(encoder)
        part = "counts" if score.kept[number] else "is left out: it hardly tells cells apart"
        st.caption(
            f"{words.plain(encoder)} {part} (signal-to-noise ratio {score.snr[number]:.2f})."
        )
    maps.figure(figure, "similarity_heatmap")


def go_on() -> None:
    """Lead on to the classification."""
    left = sum(not match.confirmed for match in matches)
    if left:
        st.caption(
            f"{left} {'cluster is' if left == 1 else 'clusters are'} not confirmed yet. You can go "
            "on and come back: proposals count for less than your word."
        )
    else:
        st.success("Every cluster is settled by a person.", icon=":material/done_all:")
    if out := find_left_out():
        told = ", ".join(words.plain(name) for name in out)
        st.caption(
            f"No cluster is matched to {told}, and no cell will be typed so. Look above whether "
            "there are such cells."
        )
    if doubted:
        named = [words.plain(called(position)) for position in doubted]
        st.warning(f"Look again at {words.may_be_slips(named)}.", icon=":material/visibility:")
    words.following("classify", "Go on: type every cell")


if common.needs(here, "matches", "Match the clusters to types"):
    named: Named
    words_on: Sequence[Standing]
    named, words_on = load_named(space, here.id)
    clusters, matches, score = named.clusters, named.matches, named.scores[QUERY]
    types, encoders = score.types, score.encoders
    query, reference = space.pooled(here.id, QUERY), space.pooled(here.id, REFERENCE)
    labels, shades = reference.cell_labels, common.colours(here.id)
    beside = common.named_types(here.id)
    standing: Mapping[int, Standing] = {one.confirmation.cluster: one for one in words_on}
    said = space.decisions(here.id, "match")
    names = standing_names(
        clusters,
        query.cells,
        [Word(d.payload, d.who, d.at) for d in space.decisions(here.id, "cluster-name")],
    )
    config = study_config(space, here)
    doubted = find_doubted()
    order = np.argsort(-clusters.sizes, kind="stable").tolist()
    if st.session_state.get("cluster") not in order:
        first = [position for position in order if not matches[position].confirmed]
        st.session_state["cluster"] = (first or order)[0]
    show_strip()
    show_cluster(st.session_state["cluster"])
    show_table()
    show_filtered()
    show_evidence(st.session_state["cluster"])
    go_on()
