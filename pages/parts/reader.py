"""The reader's name, under which decisions are saved, and the last study.

The browser remembers both. Signed-in readers have their account's name; others have no name until
they give one.
"""

from collections.abc import Callable
from urllib.parse import unquote

import streamlit as st

from celltransfer_core.studies.records import MAX_NAME, one_form
from celltransfer_core.web import person
from parts.assets import component

NAME, STUDY = "celltransfer_reader", "celltransfer_study"
"""Cookies."""

_LONGEST_NAME = 60  # characters
_WAITING, _ASKED = "waits for a name", "is asked for a name"


def reader_name() -> str:
    """Return the name that decisions are saved under; empty before it is given."""
    signed_in = st.user.get("is_logged_in")
    given = person(st.user) if signed_in else st.session_state.get("reader", "")
    return one_form(given)[:MAX_NAME].strip()


def remembered(cookie: str) -> str:
    """Return a value that this browser remembers."""
    return unquote(st.context.cookies.get(cookie, ""))


def remember(**cookies: str) -> None:
    """Store a value in a cookie of this browser; an empty value deletes it."""
    component("browser", "cookies")(key="remembered", data={"cookies": cookies})


def ask_reader() -> None:
    """Show the name that decisions are saved under, to be entered or changed."""
    if "reader" not in st.session_state:
        st.session_state["reader"] = one_form(remembered(NAME))[:_LONGEST_NAME]
    # Set in every run: otherwise a button that leads to another page would clear it.
    st.session_state["reader"] = st.session_state["reader"]
    st.text_input(
        "Your name",
        key="reader",
        max_chars=_LONGEST_NAME,
        placeholder="Asked for at your first answer",
        help="What you decide is kept with this name. This browser remembers it.",
    )


def when_named(act: Callable[[str], object]) -> bool:
    """Ask for the reader's name when the page is next drawn, then call ``act``; return False."""
    st.session_state[_WAITING] = act
    st.session_state.pop(_ASKED, None)
    return False


def waits_for_name() -> bool:
    """Tell whether something waits for the reader's name."""
    return _WAITING in st.session_state


def ask_outside() -> None:
    """Redraw the whole page if a name must be asked for; fragments call this first."""
    if waits_for_name() and _ASKED not in st.session_state:
        st.rerun(scope="app")


def _take_name() -> None:
    """Take the name, and do what was waiting for it."""
    if name := one_form(st.session_state["name asked"]).strip():
        st.session_state["reader"] = name
        st.session_state.pop(_WAITING)(name)


def _forget() -> None:
    st.session_state.pop(_WAITING, None)


@st.dialog("What is your name?", on_dismiss=_forget)
def ask_name() -> None:
    """Ask for the name under which to save a decision; without one it is not saved."""
    if not waits_for_name():
        st.rerun()
    st.session_state[_ASKED] = True
    st.markdown("What you decide is kept with your name. You are asked only once.")
    with st.form("name", border=False):
        st.text_input("Your name", key="name asked", max_chars=_LONGEST_NAME)
        st.form_submit_button("Save my name", type="primary", on_click=_take_name)
    component("browser", "focus")(key="name focus")
