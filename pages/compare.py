"""Compare page: two studies of the same cells, or two runs of one, side by side."""

import streamlit as st

from parts.comparison import SIDES, choose_side, compared, show_comparison
from parts.here import Here, open_workspace
from parts.reader import reader_name

space = open_workspace()
st.title("Compare")
st.caption(
    "Compare two studies of the same query cells, or two runs of one study: which cells changed "
    "type, and why. Cells are recognised by the content of their images."
)
chosen = []
for column, side in zip(st.columns(2), SIDES, strict=True):
    with column:
        chosen.append(choose_side(space, side))
if all(chosen):
    first, second = chosen
    state = tuple(space.pulse(study) for study, _ in chosen)
    found = compared(space, (first, second), state)
    show_comparison(Here(space, space.study(first[0]), reader_name()), found)
