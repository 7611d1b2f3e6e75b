"""Image quality of the query on the Data page: show poor images, and set cells aside."""

import streamlit as st

from celltransfer_core.framing import Fault, Quality, judge_quality
from celltransfer_core.outputs import describe_faults, describe_shifts
from celltransfer_core.people import read_reviews, settled_answers
from celltransfer_core.pipeline import Prepared
from celltransfer_core.studies import aside_payloads, decisions_now, now
from celltransfer_core.vocabulary import QUERY
from parts import text
from parts.here import Here
from parts.pictures import pictures
from parts.reader import when_named

A_PAGE = 48
PICTURE = 88  # px: large enough to see a blurred edge

NAMES: dict[Fault, str] = {
    "no nucleus": "No nucleus found",
    "blurred": "Blurred",
    "dark": "Dark",
    "bright": "Bright",
    "stain": "Unusual stain",
    "cut off": "Cut off",
    "several nuclei": "Second nucleus",
}


def show_quality(here: Here, prepared: Prepared) -> None:
    """Show faults of the query's images, and offer to set cells aside."""
    quality = judge_quality(prepared.framing, prepared.reference, prepared.query)
    if quality is None:
        return
    st.subheader("Image quality of the query")
    for sentence in describe_shifts(quality.shifts):
        st.info(text.sentence(sentence), icon=":material/tune:")
    told = describe_faults(quality)
    if not told:
        st.markdown("No cell is conspicuous.")
        return
    st.caption(
        "Each cell is compared with the typical cell of its slide; the reference shows how much "
        "cells usually vary. Look at the cells before you set them aside: an unusual cell may be "
        "a rare type."
    )
    fault = st.pills(
        "Problem",
        list(told),
        default=next(iter(told)),
        format_func=lambda one: f"{NAMES[one]} ({int(quality.faults[one].sum()):,})",
        required=True,
        key="fault",
        label_visibility="collapsed",
    )
    st.markdown(told[fault])
    show_cells(here, prepared, quality, fault)


def show_cells(here: Here, prepared: Prepared, quality: Quality, fault: Fault) -> None:
    """Show the cells with a fault, the worst first, and offer to set them aside."""
    cells = [prepared.query.cells[cell] for cell in quality.worst_first(fault).tolist()]
    pages = -(-len(cells) // A_PAGE)
    page = st.pagination(pages, key=f"poor {fault}") if pages > 1 else 1
    start = (min(page, pages) - 1) * A_PAGE
    pictures(
        here,
        cells[start : start + A_PAGE],
        titles=[NAMES[fault]] * A_PAGE,
        size=PICTURE,
        cut=False,
        role=QUERY,
    )
    kept = decisions_now(here.workspace, here.workspace.snapshot(here.id), "review")
    answered = settled_answers(read_reviews(one.payload for one in kept))
    left = [cell for cell in cells if cell not in answered]
    if answered_already := len(cells) - len(left):
        have = "has" if answered_already == 1 else "have"
        st.caption(f"{answered_already:,} of {len(cells):,} {have} already been answered.")
    mine = [one for one in kept if one.who == here.reader]
    last = mine[-1].payload if mine else {}
    with st.container(horizontal=True):
        if left:
            st.button(
                f"Set {'this cell' if len(left) == 1 else f'these {len(left):,} cells'} aside",
                key="set aside",
                icon=":material/block:",
                on_click=set_aside,
                args=(here, left, fault),
                disabled=here.locked,
                help="They get the answer artefact under your name: they are not counted and "
                "not used as examples for the vote.",
            )
        if "aside" in last:
            st.button(
                f"Undo: {text.count(last['together'], 'cell')} set aside",
                key="bring back",
                icon=":material/undo:",
                on_click=here.undo,
                args=("review",),
                disabled=here.locked,
            )


def set_aside(here: Here, cells: list[str], fault: Fault) -> None:
    """Answer artefact for all given cells at once."""
    if not here.reader:
        when_named(lambda name: set_aside(here.of(name), cells, fault))
        return
    here.decide_all("review", aside_payloads(cells, fault, here.reader, now()))
