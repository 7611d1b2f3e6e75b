"""Review: cells are looked at one by one, or several at once, and named."""

import html
from bisect import bisect_left
from collections.abc import Sequence

import streamlit as st

from celltransfer_core.pipeline import RunResult
from celltransfer_core.studies import HELD
from parts import text
from parts.answer_buttons import (
    BUTTONS,
    offer_for_picked,
    offer_undo,
    show_answers,
    show_problem,
    show_ways,
)
from parts.choosing import choose, queue_of
from parts.desk import desk_of, next_cell, pass_by, pick, take
from parts.figures_of_review import show_progress
from parts.here import Here, open_page
from parts.navigation import lead_on
from parts.one_cell import show_examples, show_large, show_prediction
from parts.pictures import picture_source
from parts.study_types import all_types, colours, reference_types
from parts.work import current_run, reload_current

AHEAD = 3  # cells whose pictures are loaded before their turn
WIDE, NARROW = 580, 300  # px; side by side where both fit
IN_GRID = 24
DRAWN = (
    "This cell was drawn at random. Its prediction is hidden, so that your answer tells how often "
    "predictions are right."
)
PICKED = (
    "Its prediction is hidden: the cell is of the random sample. It came for its doubt and not by "
    "chance, so your answer teaches the vote but does not count for all cells."
)
COLUMNS = 8


@st.fragment
def go_through(here: Here, way: str) -> None:
    """Show what is to be answered; an answer draws this part alone anew."""
    with here.workspace.one_look():
        (one_by_one if way == "One by one" else several)(here)


def one_by_one(here: Here) -> None:
    """Show one cell and take its answer."""
    current = reload_current(here)
    run, reviews = current.run, current.reviews
    queue = queue_of(here, run, reviews)
    shown = next_cell(here, run, queue)
    if shown is None:
        nothing_left(here)
    else:
        cell, blind = shown
        number = bisect_left(run.query.cells, cell)
        mine = [one for one in reviews if one.cell == cell and one.reader == here.reader]
        with st.container(border=True, horizontal=True, gap="medium"):
            with st.container(width=WIDE):
                coming = [run.query.cells[n] for n in queue.cells[: AHEAD + 1].tolist()]
                show_large(here, run, cell, [one for one in coming if one != cell][:AHEAD])
                # Below the pictures, whose size never changes: no button moves between cells.
                accept = "" if blind else run.predicted[number]
                show_answers(here, all_types(here), cell, accept, mine[-1].answer if mine else "")
                show_ways(here)
            with st.container(width=NARROW):
                if blind:
                    drawn = cell in desk_of(here).chances
                    st.markdown(
                        ":violet-badge[:material/visibility_off: Blind] **What is it?**  \n"
                        f"{DRAWN if drawn else PICKED}"
                    )
                else:
                    show_prediction(here, run, number, colours(here))
                if mine:
                    given = BUTTONS.get(mine[-1].answer, (mine[-1].answer,))[0]
                    st.markdown(f"You said: **{text.plain(given)}**")
    show_progress(here, current, len(queue.cells))


def several(here: Here) -> None:
    """Show many cells; those that are picked get one type."""
    current = reload_current(here)
    run, desk = current.run, desk_of(here)
    queue = queue_of(here, run, current.reviews)
    waiting = [run.query.cells[n] for n in queue.cells[~queue.blind].tolist()]
    waiting = [cell for cell in waiting if cell not in desk.passed]
    left = set(waiting)
    desk.grid = [*take(here, [cell for cell in desk.grid if cell in left], waiting, IN_GRID)]
    if not desk.grid:
        nothing_left(here)
    else:
        with st.container(border=True):
            st.markdown(
                "Pick the cells that are alike, then give them one type. Cells of the blind "
                "sample are not among these: they come one by one."
            )
            show_tiles(here, run, desk.grid)
            picked = [cell for cell in desk.grid if cell in desk.picked]
            with st.container(horizontal=True):
                st.button("Pick all", key="all", on_click=pick, args=(here, desk.grid, True))
                st.button("Pick none", key="none", on_click=pick, args=(here, desk.grid, False))
                st.button(
                    "Pass these by",
                    key="pass",
                    icon=":material/skip_next:",
                    on_click=pass_by,
                    args=(here,),
                    help="Show others; these keep their place in the queue.",
                )
                offer_undo(here)
            cells = "1 cell is" if len(picked) == 1 else f"{len(picked)} cells are"
            st.markdown(f"**{cells} picked.** Give them the type:")
            offer_for_picked(here, all_types(here), picked)
            show_problem(here)
    show_progress(here, current, len(queue.cells))


def show_tiles(here: Here, run: RunResult, cells: Sequence[str]) -> None:
    """Show cells, each with a button that picks it."""
    picked, predicted = desk_of(here).picked, run.predicted
    for start in range(0, len(cells), COLUMNS):
        row = cells[start : start + COLUMNS]
        for column, cell in zip(st.columns(COLUMNS, gap="small"), row, strict=False):
            name = predicted[bisect_left(run.query.cells, cell)]
            with column:
                st.html(
                    f"<img src='{picture_source(here, cell, 240, cut=True)}' loading='lazy' "
                    f"alt='predicted {html.escape(name, quote=True)}' style='width:100%;"
                    "aspect-ratio:1;object-fit:contain;border-radius:4px;background:#8881'>"
                )
                # Not a check box: while one has the focus, keys do not reach the answers.
                on = cell in picked
                st.button(
                    text.plain(name),
                    key=f"pick {cell}",
                    type="tertiary",
                    icon=f":material/{'check_box' if on else 'check_box_outline_blank'}:",
                    help="Picked: press to leave it out" if on else "Press to pick this cell",
                    on_click=pick,
                    args=(here, [cell], not on),
                    disabled=here.locked,
                )


def nothing_left(here: Here) -> None:
    """Tell that the queue is done."""
    if desk_of(here).elsewhere:
        st.info(
            "The cells that are left lie before other readers. Those that stay unanswered come "
            f"here after {HELD / 60:.0f} minutes.",
            icon=":material/group:",
        )
    else:
        st.success(
            "Nothing is left to look at here. Choose other cells above, or go on to the export.",
            icon=":material/done_all:",
        )
    if desk_of(here).past:
        show_ways(here)
    elif here.own_decisions("review"):  # given to several at once
        offer_undo(here)


here = open_page(
    "Review",
    "Look at the cells that are in doubt, and say what they are. Your answer counts in the end and "
    "updates the vote at once: fifty answers change a new microscope's result more than any "
    "setting.",
)
if found := current_run(here, "Type every cell"):
    go_through(here, choose(here, found))
    with st.expander("What the reference calls each type"):
        show_examples(here, found.run, reference_types(here), colours(here))
    lead_on("export", "Go on to the export")
