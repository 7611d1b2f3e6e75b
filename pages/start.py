"""Start page: what CellTransfer is, three ways to start, and the open study's next step."""

import streamlit as st

from celltransfer_core.about import RESEARCH_USE
from celltransfer_core.studies import current_job, open_demo
from parts import text
from parts.assets import ASSETS, component
from parts.clicks import clicked
from parts.here import Here, attempt, open_workspace
from parts.image_set import HINTS, UPLOAD
from parts.navigation import begin_study, lead_to_next, next_step, open_study
from parts.reader import reader_name
from parts.work import begin, needs, state_of

space = open_workspace()


def open_the_demo() -> None:
    """Open the demo study; if it is empty, start filling it."""
    demo = Here(space, open_demo(space), reader_name())
    if state_of(demo, "classify") == "next":
        begin(demo, "classify")
    open_study(demo.id)


def show_open_study(here: Here) -> None:
    """Show the next step of the open study."""
    job = current_job(space, here.id)
    active = job is not None and job.active
    step = next_step(here.study)
    with st.container(border=True):
        st.markdown(f"**Open study: {text.plain(here.study.name)}**  \n{text.plain(step.state)}")
        if here.study.drawn and active:
            st.markdown(
                "The demo is being prepared: cells are generated, then typed as yours would be. "
                "It takes about half a minute; then every page has content."
            )
        if active:
            needs(here, "classify", "")
    lead_to_next(here.study, "start")


def offer_own_cells() -> None:
    """Take the folder of a reference before there is a study; the new study starts with it."""
    begun = component(*UPLOAD)(
        key="own cells",
        data={"name": "Your reference", "hint": HINTS["reference"]},
        on_begun_change=lambda: None,
    )
    if begun.begun:
        begin_study("My cells")


if not space.studies() and not space.studies(deleted=True):
    open_the_demo()
    st.rerun()

st.title("CellTransfer")
st.markdown(
    "You have single-cell images with known types, the **reference**, and new images without "
    "types from another microscope, stain or site, the **query**. CellTransfer finds clusters "
    "of similar cells in the query, proposes a type for each cluster, and types every cell with "
    "the help of the reference, with a measure of certainty. You confirm the clusters, correct "
    "uncertain cells, and download a table that states for every cell who typed it and when."
)
st.warning(RESEARCH_USE, icon=":material/science:")

chosen = st.session_state.get("study")
if chosen:
    show_open_study(Here(space, space.study(chosen), reader_name()))

own, demo, new = st.columns([2, 1, 1])
with own.container(border=True, height="stretch"):
    st.markdown("**Your own cells**: the reference first, then the query")
    offer_own_cells()
with demo.container(border=True, height="stretch"):
    st.markdown("**Try it**")
    st.markdown(
        "A small study of **synthetic** cells, with results on every page. You can change "
        "anything in it."
    )
    if clicked(
        st.button, "Open the demo study", key="demo", icon=":material/draw:", width="stretch"
    ):
        open_the_demo()
        st.rerun()
with new.container(border=True, height="stretch"):
    st.markdown("**New study**")
    with st.form("new study", border=False):
        name = st.text_input("Name", placeholder="For example: May smears, site B", max_chars=120)
        if clicked(
            st.form_submit_button,
            "New study",
            key="new study",
            icon=":material/add:",
            width="stretch",
        ):
            attempt(begin_study, name)

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
