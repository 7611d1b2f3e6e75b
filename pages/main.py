"""Navigation: which study is open, which steps are done, stale or next."""

import streamlit as st

from celltransfer_core.about import RESEARCH_USE, __version__
from celltransfer_core.errors import CellTransferError
from celltransfer_core.studies import STAGES, processes
from parts.assets import ASSETS
from parts.here import ask_reader, open_workspace, reader_name
from parts.navigation import close_study
from parts.study_types import has_labels

st.set_page_config(page_title="CellTransfer", page_icon=ASSETS / "icon.svg", layout="wide")

# Streamlit greys the words along axes more than WCAG AA allows.
st.html(
    "<style>.js-plotly-plot :is(.xtick text, .ytick text, .xtitle, .ytitle) "
    "{fill: currentColor !important}</style>"
)
if st.context.theme.type == "dark":
    # Streamlit writes white on primary buttons, which the dark theme's light blue is too light for.
    st.html("<style>[data-testid^='stBaseButton-primary'] {color: #0B1216}</style>")

if st.user.get("is_logged_in") is False:  # there is a login, and nobody is
    st.title("CellTransfer")
    st.markdown("Sign in to see studies and to decide under your own name.")
    st.button("Sign in", type="primary", icon=":material/login:", on_click=st.login)
    st.caption(RESEARCH_USE)
    st.stop()

ICONS = {
    "done": ":material/check_circle:",
    "stale": ":material/update:",
    "next": ":material/arrow_circle_right:",
    "running": ":material/hourglass_top:",
    "failed": ":material/error:",
    "waiting": ":material/radio_button_unchecked:",
}

# Streamlit drops the query on a change of page; the session remembers, and the address shows it.
asked = st.query_params.get("study")
if asked and asked != st.session_state.get("study"):
    st.session_state["study"] = asked
space = open_workspace()
current = None
if st.session_state.get("study"):
    try:
        current = space.study(st.session_state["study"])
        st.query_params["study"] = current.id
    except CellTransferError as error:
        close_study()
        st.toast(str(error))

states = processes.states(space, current.id) if current else dict.fromkeys(STAGES, "waiting")
has_data = states["embed"] != "waiting"
states = {
    "data": "done" if has_data else "next" if current else "waiting",
    "reviewed": "done" if current and space.count_decisions(current.id, "review") else "waiting",
    "signed": "done" if current and current.signed else "waiting",
    **states,
}


def step(name: str, heading: str, state: str) -> st.Page:
    """Declare the page of one step, marked with its state."""
    return st.Page(f"{name}.py", title=heading, icon=ICONS[states[state]])


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
        "More": [*([evaluate] if current and has_labels(space, current.id) else []), help_page],
    }
)

with st.sidebar:
    if current:
        st.markdown("**Open study**")
        st.text(current.name)
        if current.drawn:
            st.caption("Drawn cells")
    if st.user.get("is_logged_in"):
        st.text(f"Signed in as {reader_name()}")
        st.button("Sign out", icon=":material/logout:", on_click=st.logout)
    else:
        ask_reader()
    st.caption(f"{RESEARCH_USE} CellTransfer {__version__}")

if current:
    st.session_state["pulse"] = space.pulse(current.id)

    @st.fragment(run_every=3.0)
    def follow() -> None:
        """Show what others decide on this study within seconds."""
        if space.pulse(current.id) != st.session_state["pulse"]:
            st.rerun()

    with st.sidebar:
        follow()

try:
    page.run()
except CellTransferError as error:
    st.error(str(error))
