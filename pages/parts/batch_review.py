"""Review of cells that were added to a study later: one batch, the least certain cells first.

Each answer types the other cells of the batch anew. The study's own results do not change, so
batches of a signed study can be reviewed too.
"""

from bisect import bisect_left
from dataclasses import replace

import numpy as np
import streamlit as st

from celltransfer_core.people import ReviewQueue, final_types
from celltransfer_core.pipeline import FLAGGED_BELOW, TypedBatch
from celltransfer_core.studies import BATCH, Batch, CurrentRun, batches_of
from celltransfer_core.types import Ints
from celltransfer_core.vocabulary import QUERY
from parts import text
from parts.answer_buttons import LABELS, nothing_left, show_others, show_types
from parts.cell_view import show_original
from parts.desk import next_cell
from parts.here import Here
from parts.one_cell import TILE
from parts.pictures import large_chip, typed_tiles
from parts.study_types import all_types, colours
from parts.work import reload_current

AHEAD = 3  # cells whose pictures are loaded in advance
LIKELIEST = 3  # types whose probability is shown
_MOST_BUTTONS = 5  # batches that are offered as buttons rather than as a list
_WIDTH = 420  # px


def choose_batch(here: Here) -> str:
    """Let the reader choose the study's own cells or a batch; return the batch's id, or empty."""
    typed = {
        one.images.id: one.images.name
        for one in reversed(batches_of(here.workspace, here.id))
        if one.is_typed
    }
    if st.session_state.get("batch") not in typed:
        st.session_state.pop("batch", None)
    if not typed:
        return ""
    st.session_state.setdefault("batch", "")
    label, which, names = "Cells of", ["", *typed], {"": "this study", **typed}
    if len(typed) > _MOST_BUTTONS:
        chosen = st.selectbox(label, which, format_func=names.get, key="batch", width=_WIDTH)
    else:
        chosen = st.segmented_control(
            label, which, format_func=lambda one: text.plain(names.get(one, "")), key="batch"
        )
    return chosen or ""


@st.fragment
def go_through_batch(here: Here, batch: str) -> None:
    """Show the queue of a batch; an answer redraws only this part."""
    # A batch is not part of what was signed off.
    here = replace(here, study=replace(here.study, signed=None))
    with here.workspace.one_look():
        current = reload_current(here)
        found = next(
            (one for one in batches_of(here.workspace, here.id) if one.images.id == batch), None
        )
        if found is None:
            st.info("This batch was removed; reload the page to review other cells.")
            return
        if found.typed is None:
            st.info("This batch is being typed. Its cells can be reviewed afterwards.")
            return
        _one_by_one(here, current, found, found.typed)


def _one_by_one(here: Here, current: CurrentRun, batch: Batch, typed: TypedBatch) -> None:
    """Show one cell of a batch and take its answer."""
    cells, line = typed.query.cells, typed.queue
    queue = ReviewQueue(line, np.zeros(len(line), dtype=bool), np.full(len(line), np.nan))
    shown = next_cell(here, cells, queue)
    if shown is None:
        nothing_left(here)
    else:
        cell = shown[0]
        number = bisect_left(cells, cell)
        mine = [one for one in typed.reviews if one.cell == cell and one.reader == here.reader]
        given = mine[-1].answer if mine else ""
        left, right = st.columns(2, gap="small")
        with left:
            coming = [one for one in line[: AHEAD + 1].tolist() if one != number]
            height = "max(16rem, 100vh - 29.5rem)"  # leaves room for the choice of a batch
            show_original(here, typed.query, number, BATCH, coming[:AHEAD], height=height)
            show_others(here, cell, given, blind=False)
        with right, st.container(gap="xsmall"):
            with st.container(key="proposal", gap="xxsmall"):
                _show_prediction(here, typed, number)
                if given:
                    st.markdown(f"Your answer: **{text.plain(LABELS.get(given, given))}**")
            show_types(here, all_types(here), cell, typed.predicted[number], given)
            if batch.fresh and typed.teachable is not None:
                _show_similar(here, current, typed.teachable.similar[number])
    _show_progress(batch, typed)


def _show_prediction(here: Here, typed: TypedBatch, cell: int) -> None:
    """Show the likeliest type of a cell and how sure it is."""
    shares = typed.probabilities[cell]
    large_chip(typed.predicted[cell], colours(here), rem=1.25, weight=600)
    order = np.argsort(-shares, kind="stable")[:LIKELIEST]
    said = ", ".join(f"{text.plain(typed.types[one])} {100 * shares[one]:.0f} %" for one in order)
    flag = " :orange-badge[flagged]" if typed.flagged[cell] else ""
    unlike = " :red-badge[unlike all types]" if typed.unknown[cell] else ""
    st.markdown(f"Typed with what this study taught: {said}.{flag}{unlike}")


def _show_similar(here: Here, current: CurrentRun, similar: Ints) -> None:
    """Show the most similar cells of the study's query, with their final types."""
    cells = current.run.query.cells
    final = final_types(cells, current.run.predicted, current.reviews).final
    st.caption("Most similar in this study")
    hashes = [cells[one] for one in similar.tolist()]
    names = [str(final[one]) for one in similar.tolist()]
    typed_tiles(here, hashes, names, colours(here), TILE, QUERY)


def _show_progress(batch: Batch, typed: TypedBatch) -> None:
    """Show how far the review of a batch is, and what the answers have changed."""
    before = batch.untaught.predicted if batch.untaught else typed.predicted
    others = ~typed.answered
    changed = int((np.array(before) != np.array(typed.predicted))[others].sum())
    boxes = st.columns(4)
    boxes[0].metric(f"Answered of {typed.query.n_cells:,}", f"{int(typed.answered.sum()):,}")
    boxes[1].metric(
        "Still flagged",
        f"{int(typed.flagged.sum()):,}",
        help=f"Cells without an answer whose confidence is below {FLAGGED_BELOW:g}, or that are "
        "unlike all types. Most of them may be right: confidence is low after small studies.",
    )
    boxes[2].metric("Unlike all types", f"{int(typed.unknown.sum()):,}")
    boxes[3].metric(
        "Retyped by answers",
        f"{changed:,}",
        help="Other cells of this batch whose type has changed because of the answers.",
    )
    st.caption(
        "The least certain cells come first. Each answer sets the type of its cell and updates the "
        "other cells of this batch immediately. The study's own cells do not change."
    )
    if not batch.fresh:
        st.caption(
            "These cells were typed before the latest answers on the study's own cells, or before "
            "an update of CellTransfer. Type them again on Data."
        )
