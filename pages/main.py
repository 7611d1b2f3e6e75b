"""Navigation: the open study, and which steps are done, stale or next."""

from contextlib import suppress

import streamlit as st

from celltransfer_core.about import RESEARCH_USE, __version__
from celltransfer_core.errors import CellTransferError
from celltransfer_core.web import SignInError
from parts import text
from parts.assets import ASSETS
from parts.clicks import forget_clicks
from parts.colours_switch import show_switch
from parts.here import open_workspace
from parts.keys import show_keys
from parts.opened import open_chosen
from parts.page_list import run_through
from parts.reader import (
    NAME,
    STUDY,
    ask_name,
    ask_reader,
    reader_name,
    remember,
    waits_for_name,
)
from parts.sign_in import is_outside

outside = is_outside()
icon = None if outside else ASSETS / "icon.svg"  # files of pages require a sign-in
st.set_page_config(
    page_title="CellTransfer", page_icon=icon, layout="wide", initial_sidebar_state=256
)

st.html(ASSETS / "page" / "page.css")
if st.context.theme.type == "dark":
    # Streamlit writes white on primary buttons, which is unreadable on the dark theme's light blue.
    st.html("<style>[data-testid^='stBaseButton-primary'] {color: #0B1216}</style>")

st.session_state.pop("dock", None)

if outside:
    st.title("CellTransfer")
    st.markdown("Sign in to see the studies and to answer under your own name.")
    st.button("Sign in", type="primary", icon=":material/login:", on_click=st.login)
    st.caption(RESEARCH_USE)
    st.stop()

try:
    reader = reader_name()
except SignInError as error:
    st.error(text.sentence(error))
    st.button("Sign out", icon=":material/logout:", on_click=st.logout)
    st.stop()

try:
    space = open_workspace()
except CellTransferError as error:
    st.title("CellTransfer")
    st.error(text.sentence(error))
    st.caption(f"{RESEARCH_USE} CellTransfer {__version__}")
    st.stop()
opened = open_chosen(space)
current = opened.study

page = run_through(opened.steps, labelled=opened.labelled)
forget_clicks(page.url_path)


@st.fragment(run_every=3.0)
def follow(study: str) -> None:
    """Show other readers' decisions on a study within seconds."""
    with suppress(CellTransferError):  # checked again next time
        if space.pulse(study) != st.session_state["pulse"]:
            st.rerun()


with st.sidebar:
    if current:
        st.session_state["pulse"] = opened.pulse
        follow(current.id)  # first: after a sign-out, its place also exists in the empty bar
        st.markdown("**Open study**")
        st.text(current.name)
        if current.drawn:
            st.caption("Synthetic cells")
    if st.user.get("is_logged_in"):
        st.text(f"Signed in as {reader}")
        st.button("Sign out", icon=":material/logout:", on_click=st.logout)
    else:
        ask_reader()
        reader = reader_name()
    kept = {} if st.user.get("is_logged_in") else {NAME: reader}
    remember(**kept, **({} if opened.problem else {STUDY: current.id if current else ""}))
    if current:
        show_switch()
    show_keys()
    st.caption(f"{RESEARCH_USE} CellTransfer {__version__}")

if opened.problem:
    st.error(text.sentence(opened.problem))
if opened.gone:
    st.warning(text.sentence(opened.gone), icon=":material/search_off:")
if waits_for_name():
    ask_name()
try:
    with space.one_look():
        page.run()
except CellTransferError as error:
    if str(error) != opened.problem:
        st.error(text.sentence(error))
