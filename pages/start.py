"""What this is, three ways in, and what the open study waits for."""

import common
import streamlit as st
import words

from celltransfer_core.about import RESEARCH_USE
from celltransfer_core.studies import Study, current_job, open_demo, start, states

space = common.workspace()


def open_the_demo() -> None:
    """Open the demo study; where it was never filled, begin that."""
    demo = open_demo(space)
    if states(space, demo.id)["classify"] == "next":
        start(space, demo.id)
    st.session_state["study"] = demo.id
    st.query_params["study"] = demo.id


def show_open_study(here: Study) -> None:
    """Show what the open study waits for."""
    job = current_job(space, here.id)
    active = job is not None and job.active
    step = words.next_step(here)
    with st.container(border=True):
        st.markdown(f"**Open study: {words.plain(here.name)}**  \n{words.plain(step.state)}")
        if here.drawn and active:
            st.markdown(
                "The demo is being made: cells are drawn, then typed as yours would be. It takes "
                "about half a minute; every page is filled then."
            )
        if active:
            common.needs(here, "classify", "")
        elif st.button(f"Go on: {step.says}", type="primary", icon=":material/arrow_forward:"):
            words.go(step.page)


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
    show_open_study(space.study(chosen))

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
            common.say(words.begin, name)
with folders.container(border=True, height="stretch"):
    st.markdown("**Your own cells**")
    st.markdown("Two folders of images: a reference, one sub-folder a type, and a query.")
    if st.button("Open my folders", icon=":material/drive_folder_upload:", width="stretch"):
        words.begin("My cells")

st.header("How it works")
st.image(
    str(common.ASSETS / "pipeline.svg"),
    width="stretch",
    alt="From two folders of images to typed cells, in seven steps",
)
st.page_link(common.PAGES["help"], label="Help: your folders, the numbers, the command line")
