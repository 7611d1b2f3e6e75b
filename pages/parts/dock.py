"""The foot of the window: a page's one main button, always in view."""

from collections.abc import Callable, Sequence

import streamlit as st

from parts.clicks import clicked


def main_button(
    label: str,
    *,
    icon: str = ":material/play_arrow:",
    key: str = "main",
    disabled: bool = False,
    note: str = "",
    quiet: bool = False,
    on_click: Callable[..., object] | None = None,
    args: Sequence[object] = (),
) -> bool:
    """Draw a button that is always in view, at the foot of the window; tell whether it was clicked.

    The first one of a page is its main button; what comes after stands beside it, not in colour.
    A ``quiet`` one is not in colour either: there is more to do on the page itself. ``note`` says
    in a few words why, before it. Not for fragments: they cannot draw outside of themselves.
    """
    dock = st.session_state.get("dock")
    if first := dock is None:
        dock = st.session_state["dock"] = st.bottom.container(
            key="dock", horizontal=True, vertical_alignment="center"
        )
    with dock:
        if note:
            st.markdown(note, width="content")
        looks = {
            "icon": icon,
            "type": "primary" if first and not quiet else "secondary",
            "disabled": disabled,
        }
        if on_click is None:
            return clicked(st.button, label, key=key, **looks)
        return st.button(label, key=key, on_click=on_click, args=args, **looks)
