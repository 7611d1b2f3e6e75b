"""Buttons whose click counts even if the page is redrawn at the same moment.

Streamlit returns ``True`` in only one run of the page. If that run is interrupted before it reaches
the button, for example by an upload that reports progress, the click would be lost. Callbacks run
before the page, so the click is recorded there and handled when its button is drawn.
"""

from collections.abc import Callable

import streamlit as st


def clicked(draw: Callable[..., bool], label: str, *, key: str, **looks: object) -> bool:
    """Draw a button (``st.button``, ``st.form_submit_button``); return True once per click."""
    draw(label, key=key, on_click=_note, args=(key,), **looks)
    noted: set[str] = st.session_state.get("clicks", set())
    if found := key in noted:
        noted.remove(key)
    return found


def forget_clicks(page: str) -> None:
    """Discard clicks on another page that were not handled before the page was left."""
    if st.session_state.get("page of clicks") != page:
        st.session_state["page of clicks"] = page
        st.session_state["clicks"] = set()


def _note(key: str) -> None:
    st.session_state.setdefault("clicks", set()).add(key)
