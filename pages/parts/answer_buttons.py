"""Buttons and keys for answers to a cell on the Review page."""

from collections.abc import Sequence

import streamlit as st

from celltransfer_core.studies import HELD
from celltransfer_core.vocabulary import ARTEFACT, MOST_LETTERS, NONE_TYPE, SKIPPED, UNSURE
from parts import text
from parts.desk import answer, answer_new, can_undo, desk_of, go_back, undo
from parts.here import Here
from parts.keys import ANSWERS, KEYS, type_key
from parts.study_types import unused_types

LABELS = {**ANSWERS, SKIPPED: "Skip"}
ICONS = {
    NONE_TYPE: ":material/block:",
    UNSURE: ":material/question_mark:",
    ARTEFACT: ":material/blur_on:",
    SKIPPED: ":material/skip_next:",
}
HELP = {
    ARTEFACT: "Not one whole cell: a smudge, two cells, dirt.",
    SKIPPED: "The cell comes back at the end of the queue.",
}
GIVEN = ":material/check:"


def show_types(here: Here, types: Sequence[str], cell: str, accept: str, given: str) -> None:
    """Offer one button and key per type and, unless blind, to accept the prediction."""
    blind = not accept
    st.button(
        f"Accept: {text.plain(accept)}" if accept else "Prediction hidden",
        key="accept",
        shortcut=KEYS["accept"],
        type="primary",
        icon=":material/check:",
        on_click=answer,
        args=(here, cell, accept, blind),
        disabled=here.locked or blind,
    )
    with st.container(key="types", horizontal=True):
        for number, name in enumerate(types):
            st.button(
                text.plain(name),
                key=f"type {number}",
                shortcut=type_key(number),
                icon=GIVEN if name == given else None,
                on_click=answer,
                args=(here, cell, name, blind),
                disabled=here.locked,
            )
    if unused := unused_types(here):
        st.caption(
            f"{text.plain(here.nearest.alone)} is the only reference set in use. Types of the "
            f"other sets come last: {text.listed(unused)}. They are predicted once you have "
            "answered with them."
        )


def show_others(here: Here, cell: str, given: str, *, blind: bool) -> None:
    """Offer the answers that are not types, a new type, undo, and the cell before."""
    with st.container(key="others", horizontal=True):
        for name, label in LABELS.items():
            st.button(
                label,
                key=name,
                shortcut=KEYS[name],
                icon=GIVEN if name == given else ICONS[name],
                help=HELP.get(name),
                on_click=answer,
                args=(here, cell, name, blind),
                disabled=here.locked,
            )
        offer_back(here)
        offer_undo(here)
        offer_new_type(here, cell, blind)
    show_problem(here)
    desk = desk_of(here)
    if not desk.at_end:
        st.caption(
            f"You went back {text.count(len(desk.past) - desk.place, 'cell')}; answer to move "
            "forward again."
        )


def offer_new_type(here: Here, cell: str, blind: bool) -> None:
    """Let the reader name a type that the reference lacks."""
    with (
        st.popover("New type", icon=":material/new_label:", disabled=here.locked),
        st.form("name a type", border=False),
    ):
        st.text_input(
            "Name of a type that is not listed",
            key="new type",
            max_chars=MOST_LETTERS,
            placeholder="such as plasma cell",
            help="The reference does not have it. From now on the vote can find more cells of "
            "this type.",
        )
        st.form_submit_button("This cell is that", on_click=answer_new, args=(here, cell, blind))


def offer_undo(here: Here) -> None:
    """Offer to undo the reader's last answer."""
    st.button(
        "Undo",
        key="undo",
        shortcut=KEYS["undo"],
        icon=":material/undo:",
        on_click=undo,
        args=(here,),
        disabled=here.locked,
        help="Withdraw your last answer.",
    )


def offer_back(here: Here) -> None:
    """Offer to go back to the previous cell."""
    st.button(
        "Back",
        key="back",
        shortcut=KEYS["previous"],
        icon=":material/arrow_back:",
        on_click=go_back,
        args=(here,),
        disabled=desk_of(here).place == 0,
        help="Show the previous cell again, to change the answer if needed.",
    )


def nothing_left(here: Here) -> None:
    """Say that the queue is done."""
    if desk_of(here).elsewhere:
        st.info(
            "The remaining cells are being read by other readers. Those left unanswered come here "
            f"after {HELD / 60:.0f} minutes.",
            icon=":material/group:",
        )
    else:
        st.success(
            "There are no more cells to review here. Choose other cells above, or continue to the "
            "export.",
            icon=":material/done_all:",
        )
    with st.container(horizontal=True):
        if desk_of(here).past:
            offer_back(here)
        if can_undo(here):
            offer_undo(here)
    show_problem(here)


def show_problem(here: Here) -> None:
    """Show once why the last answer could not be saved."""
    desk = desk_of(here)
    if desk.problem:
        st.error(text.sentence(desk.problem))
        desk.problem = ""
