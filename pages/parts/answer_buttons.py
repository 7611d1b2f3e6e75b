"""Buttons and keys that give a cell its answer on the Review page."""

from collections.abc import Sequence

import streamlit as st

from celltransfer_core.vocabulary import ARTEFACT, MOST_LETTERS, NONE_TYPE, SKIPPED, UNSURE
from parts import text
from parts.desk import answer, answer_new, answer_picked, desk_of, go_back, undo
from parts.here import Here

# Streamlit keeps C and R for itself; A, B, N, S, U, X and Z are keys of other buttons of the page.
KEYS = "1234567890DEFGHIJKLMOPQTVWY"

BUTTONS = {
    NONE_TYPE: ("None of these", "N", ":material/block:"),
    UNSURE: ("Unsure", "U", ":material/question_mark:"),
    ARTEFACT: ("Artefact, smudge, two cells", "X", ":material/blur_on:"),
    SKIPPED: ("Skip", "S", ":material/skip_next:"),
}


def show_answers(here: Here, types: Sequence[str], cell: str, accept: str, given: str) -> None:
    """Offer one button and key a type, and the other answers; nothing to accept where blind."""
    blind = not accept
    with st.container(horizontal=True):
        st.button(
            f"Accept: {text.plain(accept)}" if accept else "No prediction is shown",
            key="accept",
            shortcut="A",
            type="primary",
            icon=":material/check:",
            on_click=answer,
            args=(here, cell, accept, blind),
            disabled=here.locked or blind,
        )
    with st.container(horizontal=True):
        for number, name in enumerate(types):
            st.button(
                text.plain(name),
                key=f"type {number}",
                shortcut=KEYS[number] if number < len(KEYS) else None,
                type="primary" if name == given else "secondary",
                on_click=answer,
                args=(here, cell, name, blind),
                disabled=here.locked,
            )
    with st.container(horizontal=True):
        for name, (label, key, icon) in BUTTONS.items():
            st.button(
                label,
                key=name,
                shortcut=key,
                icon=icon,
                type="primary" if name == given else "secondary",
                on_click=answer,
                args=(here, cell, name, blind),
                disabled=here.locked,
            )
        offer_new_type(here, cell, blind)


def offer_new_type(here: Here, cell: str, blind: bool) -> None:
    """Let a type be named that the reference lacks."""
    with (
        st.popover("A type that is not here", icon=":material/new_label:", disabled=here.locked),
        st.form("name a type", border=False),
    ):
        st.text_input(
            "Name of the type",
            key="new type",
            max_chars=MOST_LETTERS,
            placeholder="such as plasma cell",
            help="The reference lacks it. From now on the vote can find more of them.",
        )
        st.form_submit_button("This cell is that", on_click=answer_new, args=(here, cell, blind))


def offer_undo(here: Here) -> None:
    """Offer to take the reader's last answer back."""
    st.button(
        "Undo my last answer",
        key="undo",
        shortcut="Z",
        icon=":material/undo:",
        on_click=undo,
        args=(here,),
        disabled=here.locked,
    )


def show_ways(here: Here) -> None:
    """Offer to go back and to undo."""
    desk = desk_of(here)
    with st.container(horizontal=True):
        st.button(
            "Back",
            key="back",
            shortcut="B",
            icon=":material/arrow_back:",
            on_click=go_back,
            args=(here,),
            disabled=desk.place == 0,
            help="Look at the cell before again, and answer anew if need be.",
        )
        offer_undo(here)
    show_problem(here)
    if desk.at_end:
        st.caption("The key of each answer stands on its button.")
    else:
        st.caption(f"You went back {len(desk.past) - desk.place}; answer to go forward again.")


def show_problem(here: Here) -> None:
    """Tell why the last answer could not be kept, once."""
    desk = desk_of(here)
    if desk.problem:
        st.error(text.sentence(desk.problem))
        desk.problem = ""


def offer_for_picked(here: Here, types: Sequence[str], picked: Sequence[str]) -> None:
    """Offer answers that all picked cells get."""
    choices = [(name, name) for name in types]
    choices += [(name, BUTTONS[name][0]) for name in (NONE_TYPE, UNSURE, ARTEFACT)]
    with st.container(horizontal=True):
        for number, (name, label) in enumerate(choices):
            st.button(
                text.plain(label),
                key=f"give {number}",
                shortcut=KEYS[number] if number < len(KEYS) else None,
                on_click=answer_picked,
                args=(here, picked, name),
                disabled=here.locked or not picked,
            )
