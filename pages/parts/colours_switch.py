"""Switch for how pages show cells: in the camera's original colours, or as encoders see them."""

import streamlit as st

from parts.keys import KEYS

_KEPT = "original colours"


def original_colours() -> bool:
    """Tell whether cells are shown in original colours, which is the default."""
    return bool(st.session_state.get(_KEPT, True))


def show_switch() -> None:
    """Offer the switch; the button shows the current state."""
    now = "Original colours" if original_colours() else "As the encoders see it"
    st.button(
        now,
        key="colours switch",
        icon=":material/palette:",
        shortcut=KEYS[_KEPT],
        help="How cells are shown on all pages. Encoders see colours adjusted to a common scale.",
        on_click=_show,
        args=(not original_colours(),),  # the same result if the click is reported twice
        width="stretch",
    )


def _show(original: bool) -> None:
    st.session_state[_KEPT] = original
