"""Buttons whose click counts even where the page is drawn anew at the same moment.

Streamlit gives ``True`` to one run of the page alone. Where that run is cut short before it comes
to the button, as by an upload that reports meanwhile, nobody would hear of the click. Callbacks
run before the page does; so the click is noted there, and taken up when its button is drawn.
"""

from collections.abc import Callable

import streamlit as st


def clicked(draw: Callable[..., bool], label: str, *, key: str, **looks: object) -> bool:
    """Draw a button (``st.button``, ``st.form_submit_button``); tell once that it was clicked."""
    draw(label, key=key, on_click=_note, args=(key,), **looks)
    noted: set[str] = st.session_state.get("clicks", set())
    if found := key in noted:
        noted.remove(key)
    return found


def forget_clicks(page: str) -> None:
    """Drop what was clicked on another page and not taken up before it was left."""
    if st.session_state.get("page of clicks") != page:
        st.session_state["page of clicks"] = page
        st.session_state["clicks"] = set()


def _note(key: str) -> None:
    st.session_state.setdefault("clicks", set()).add(key)
