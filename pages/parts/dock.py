"""The bottom bar of the window: a page's main button, always in view."""

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
    """Draw a button in the bar at the bottom of the window; tell whether it was clicked.

    The first one of a page is its main button; later ones are placed next to it, uncoloured. A
    ``quiet`` one is uncoloured too, because there is more to do on the page itself. ``note`` gives
    the reason in a few words before it. Fragments cannot use this, because they cannot draw outside
    themselves.
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
