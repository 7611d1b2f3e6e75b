"""What this is, three ways in, and what the open study waits for."""

import streamlit as st

from celltransfer_core.about import RESEARCH_USE
from celltransfer_core.studies import current_job, open_demo
from parts import text
from parts.assets import ASSETS
from parts.here import Here, attempt, open_workspace, reader_name
from parts.navigation import begin_study, go, next_step, open_study
from parts.work import begin, needs, state_of

space = open_workspace()


def open_the_demo() -> None:
    """Open the demo study; where it was never filled, begin that."""
    demo = Here(space, open_demo(space), reader_name())
    if state_of(demo, "classify") == "next":
        begin(demo, "classify")
    open_study(demo.id)


def show_open_study(here: Here) -> None:
    """Show what the open study waits for."""
    job = current_job(space, here.id)
    active = job is not None and job.active
    step = next_step(here.study)
    with st.container(border=True):
        st.markdown(f"**Open study: {text.plain(here.study.name)}**  \n{text.plain(step.state)}")
        if here.study.drawn and active:
            st.markdown(
                "The demo is being made: cells are drawn, then typed as yours would be. It takes "
                "about half a minute; every page is filled then."
            )
        if active:
            needs(here, "classify", "")
        elif st.button(f"Go on: {step.task}", type="primary", icon=":material/arrow_forward:"):
            go(step.page)


if not space.studies() and not space.studies(deleted=True):
    open_the_demo()
    st.rerun()

st.title("CellTransfer")
st.markdown(
    "You have single-cell images with known types, the **reference**, and new ones from another "
    "microscope, stain or site without any, the **query**. CellTransfer looks for groups of alike "
    "cells in the query, proposes a type for each, and types every cell with the reference as "
    "teacher, saying how sure it is. You confirm, correct what is doubtful, and take a table away "
    "in which every cell says who typed it and when."
)
st.warning(RESEARCH_USE, icon=":material/science:")

chosen = st.session_state.get("study")
if chosen:
    show_open_study(Here(space, space.study(chosen), reader_name()))

st.header("Three ways in")
demo, new, folders = st.columns(3)
with demo.container(border=True, height="stretch"):
    st.markdown("**See it at work**")
    st.markdown("A small study of **drawn** cells, ready on every page. Nothing can break.")
    if st.button("Open the demo study", icon=":material/draw:", width="stretch"):
        open_the_demo()
        st.rerun()
with new.container(border=True, height="stretch"):
    st.markdown("**New study**")
    with st.form("new study", border=False):
        name = st.text_input("Name", placeholder="Such as: May smears, site B", max_chars=120)
        if st.form_submit_button("New study", icon=":material/add:", width="stretch"):
            attempt(begin_study, name)
with folders.container(border=True, height="stretch"):
    st.markdown("**Your own cells**")
    st.markdown("Two folders of images: a reference, one sub-folder a type, and a query.")
    if st.button("Open my folders", icon=":material/drive_folder_upload:", width="stretch"):
        begin_study("My cells")

st.header("How it works")
st.image(
    str(ASSETS / "pipeline.svg"),
    width="stretch",
    alt="From two folders of images to typed cells, in seven steps",
)
st.page_link(
    "help.py",
    label="Help: your folders, the numbers, the command line",
    icon=":material/help:",
)
