"""Review page: inspect cells one by one, and answer their types."""

from bisect import bisect_left

import streamlit as st

from parts import text
from parts.answer_buttons import (
    LABELS,
    nothing_left,
    show_others,
    show_types,
)
from parts.assets import ASSETS
from parts.batch_review import choose_batch, go_through_batch
from parts.cell_view import show_views
from parts.choosing import choose, queue_of
from parts.desk import desk_of, next_cell
from parts.figures_of_review import show_progress
from parts.here import Here, open_page
from parts.navigation import lead_on, next_step
from parts.one_cell import show_examples, show_prediction, show_why
from parts.study_types import all_types, colours, used_types
from parts.work import current_run, reload_current

AHEAD = 3  # cells whose pictures are loaded in advance
DRAWN = (
    "The prediction is hidden. This cell was drawn at random: your answer shows how often "
    "predictions are right."
)
PICKED = (
    "The prediction is hidden. This cell was chosen because it is uncertain, not at random: your "
    "answer teaches the vote but does not count towards the accuracy estimate."
)


@st.fragment
def go_through(here: Here) -> None:
    """Show the queue; an answer redraws only this part."""
    with here.workspace.one_look():
        one_by_one(here)


def one_by_one(here: Here) -> None:
    """Show one cell and take its answer."""
    current = reload_current(here)
    run, reviews = current.run, current.reviews
    queue = queue_of(here, run, reviews)
    shown = next_cell(here, run.query.cells, queue)
    if shown is None:
        nothing_left(here)
    else:
        cell, blind = shown
        number = bisect_left(run.query.cells, cell)
        mine = [one for one in reviews if one.cell == cell and one.reader == here.reader]
        given = mine[-1].answer if mine else ""
        left, right = st.columns(2, gap="small")
        with left:
            coming = [one for one in queue.cells[: AHEAD + 1].tolist() if one != number]
            # Height that the other answers below leave free; the demo has one more line above.
            above = 27.5 if here.study.drawn else 25.5
            height = f"max(16rem, 100vh - {above}rem)"
            show_views(here, run, number, coming[:AHEAD], height=height)
            # Below the picture, whose size never changes, so that no button moves between cells.
            show_others(here, cell, given, blind=blind)
        with right, st.container(gap="xsmall"):
            with st.container(key="proposal", gap="xxsmall"):
                if blind:
                    why = DRAWN if cell in desk_of(here).chances else PICKED
                    st.markdown(
                        f":violet-badge[:material/visibility_off: Blind] **What is it?** {why}"
                    )
                else:
                    show_prediction(run, number, colours(here))
                if given:
                    st.markdown(f"Your answer: **{text.plain(LABELS.get(given, given))}**")
            accept = "" if blind else run.predicted[number]
            show_types(here, all_types(here), cell, accept, given)
        if not blind:
            show_why(here, run, number, colours(here))
    show_progress(here, current, len(queue.cells))


here = open_page(
    "Review",
    "Type the uncertain cells: each answer updates the vote immediately.",
)
st.html(ASSETS / "review" / "review.css")
if found := current_run(here, "Type every cell"):
    if batch := choose_batch(here):
        go_through_batch(here, batch)
    else:
        choose(here, found)
        go_through(here)
    with st.expander("Reference cells of each type"):
        show_examples(here, found.run, used_types(here), colours(here))
    to_do = next_step(here.study).page != "export"
    lead_on("export", "Continue to the export", quiet=to_do)
