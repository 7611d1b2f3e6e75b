"""Navigation: which study is open, which steps are done, stale or next."""

from contextlib import suppress

import streamlit as st

from celltransfer_core.about import RESEARCH_USE, __version__
from celltransfer_core.errors import CellTransferError
from celltransfer_core.web import SignInError
from parts import text
from parts.assets import ASSETS
from parts.here import ask_reader, open_workspace, reader_name
from parts.opened import open_chosen
from parts.sign_in import is_outside

outside = is_outside()
icon = None if outside else ASSETS / "icon.svg"  # files of pages lie behind the sign-in
st.set_page_config(page_title="CellTransfer", page_icon=icon, layout="wide")

# Streamlit greys the words along axes more than WCAG AA allows.
st.html(
    "<style>.js-plotly-plot :is(.xtick text, .ytick text, .xtitle, .ytitle) "
    "{fill: currentColor !important}</style>"
)
if st.context.theme.type == "dark":
    # Streamlit writes white on primary buttons, which the dark theme's light blue is too light for.
    st.html("<style>[data-testid^='stBaseButton-primary'] {color: #0B1216}</style>")

if outside:
    st.title("CellTransfer")
    st.markdown("Sign in to see studies and to decide under your own name.")
    st.button("Sign in", type="primary", icon=":material/login:", on_click=st.login)
    st.caption(RESEARCH_USE)
    st.stop()

try:
    reader = reader_name()
except SignInError as error:
    st.error(text.sentence(error))
    st.button("Sign out", icon=":material/logout:", on_click=st.logout)
    st.stop()

ICONS = {
    "done": ":material/check_circle:",
    "stale": ":material/update:",
    "next": ":material/arrow_circle_right:",
    "running": ":material/hourglass_top:",
    "failed": ":material/error:",
    "waiting": ":material/radio_button_unchecked:",
}

try:
    space = open_workspace()
except CellTransferError as error:
    st.error(text.sentence(error))
    st.stop()
opened = open_chosen(space)
current = opened.study


def step(name: str, heading: str, state: str) -> st.Page:
    """Declare the page of one step, marked with its state."""
    return st.Page(f"{name}.py", title=heading, icon=ICONS[opened.states[state]])


help_page = st.Page("help.py", title="Help", icon=":material/help:")
evaluate = st.Page("evaluate.py", title="Evaluate", icon=":material/analytics:")
page = st.navigation(
    {
        "": [
            st.Page("start.py", title="Start", icon=":material/home:", default=True),
            st.Page("studies.py", title="Studies", icon=":material/folder_open:"),
        ],
        "Steps": [
            step("data", "1 · Data", "data"),
            step("embeddings", "2 · Embeddings", "embed"),
            step("clusters", "3 · Clusters", "clusters"),
            step("matches", "4 · Matches", "matches"),
            step("classify", "5 · Classify", "classify"),
            step("cells", "6 · Cells", "classify"),
            step("review", "7 · Review", "reviewed"),
            step("export", "8 · Export", "signed"),
        ],
        "More": [*([evaluate] if opened.labelled else []), help_page],
    }
)


@st.fragment(run_every=3.0)
def follow(study: str) -> None:
    """Show what others decide on a study within seconds."""
    with suppress(CellTransferError):  # the next look tells
        if space.pulse(study) != st.session_state["pulse"]:
            st.rerun()


with st.sidebar:
    if current:
        st.session_state["pulse"] = opened.pulse
        follow(current.id)  # first: after a sign-out, its place is there in the empty bar too
        st.markdown("**Open study**")
        st.text(current.name)
        if current.drawn:
            st.caption("Drawn cells")
    if st.user.get("is_logged_in"):
        st.text(f"Signed in as {reader}")
        st.button("Sign out", icon=":material/logout:", on_click=st.logout)
    else:
        ask_reader()
    st.caption(f"{RESEARCH_USE} CellTransfer {__version__}")

if opened.problem:
    st.error(text.sentence(opened.problem))
try:
    with space.one_look():
        page.run()
except CellTransferError as error:
    if str(error) != opened.problem:
        st.error(text.sentence(error))
