"""Answers page: list, revise and import answers on cells and clusters."""

import streamlit as st

from parts.bring_answers import show_bring_in
from parts.here import open_page
from parts.my_answers import show_answers

here = open_page(
    "Answers", "All answers of readers about cells and clusters: check them and revise them."
)
listed, brought = st.tabs(["All answers", "Import answers"])
with listed:
    show_answers(here)
with brought:
    show_bring_in(here)
