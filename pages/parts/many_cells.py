"""The gallery of the Cells page: texts of the tiles, and answers for many cells at once."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial

import streamlit as st

from celltransfer_core.errors import CellTransferError
from celltransfer_core.vocabulary import ARTEFACT, DISPUTED, MOST_LETTERS, NONE_TYPE
from parts import text
from parts.desk import desk_of, keep_answers, undo
from parts.filters import change_view
from parts.gallery import gallery
from parts.here import Here
from parts.keys import KEYS, Choice, other_choices, type_choices
from parts.reader import when_named
from parts.shown_cells import Shown, letters_of
from parts.study_types import typed_name

HEIGHT = 560  # px at most
TILE = 84  # px
ACCEPT, PIN = "as predicted", "pin"  # not types: no answer may contain these
_LEFT_OUT = "cells left unanswered"
_NEW = "cells new types"


def show_gallery(shown: Shown, types: Sequence[str], shades: Mapping[str, str]) -> None:
    """Show the chosen cells, to select, answer and open."""
    facts, cells, here = shown.facts, shown.cells, shown.here
    names = [*dict.fromkeys([*types, *shown.run.types, NONE_TYPE, ARTEFACT, DISPUTED])]
    number = {name: at for at, name in enumerate(names)}
    final = facts.final[cells].tolist()
    opened = shown.find(shown.view.cell)
    gallery(
        here,
        "cells",
        cells.tolist(),
        names=names,
        of=[number[name] for name in final],
        shades=shades,
        notes=[
            f"agreement {agreement:.2f}" if name == guess else f"predicted {guess}, {agreement:.2f}"
            for name, guess, agreement in zip(
                final, facts.predicted[cells].tolist(), facts.agreement[cells].tolist(), strict=True
            )
        ],
        flagged=cells[facts.flagged[cells]].tolist(),
        reviewed=cells[facts.answered[cells] != ""].tolist(),
        label="Matching cells",
        dataset=shown.run.query,
        size=TILE,
        height=HEIGHT,
        fit=True,
        cursor=opened,
        can_pick=True,
        choices=choices(types, shades, can_answer=shown.can_answer),
        on_answer=partial(give, shown),
        on_undo=partial(undo, here) if shown.can_answer else None,
        on_open=lambda cell: change_view(here, cell=letters_of(shown.run, cell)),
    )


def choices(types: Sequence[str], shades: Mapping[str, str], *, can_answer: bool) -> list[Choice]:
    """List the answers that selected cells can be given, with their keys."""
    pin = Choice(PIN, "Pin: most similar to it", KEYS["pin"])
    if not can_answer:
        return [pin]
    new = [name for name in st.session_state.get(_NEW, ()) if name not in types]
    accept = Choice(ACCEPT, "As predicted", KEYS["accept"])
    return [accept, *type_choices([*types, *new], shades), *other_choices(), pin]


def give(shown: Shown, cells: Sequence[int], name: str) -> None:
    """Give all cells an answer at once, except those that wait for a blind answer."""
    here, run = shown.here, shown.run
    if name == PIN:
        change_view(here, pin=letters_of(run, cells[0]), order="like the pinned")
        return
    if not here.reader:
        when_named(lambda reader: give(replace(shown, here=here.of(reader)), cells, name))
        return
    left = [cell for cell in cells if not shown.waiting[cell]]
    st.session_state[_LEFT_OUT] = len(cells) - len(left)
    predicted = shown.facts.predicted
    answers = [
        (run.query.cells[cell], str(predicted[cell]) if name == ACCEPT else name, False)
        for cell in left
    ]
    if answers:
        keep_answers(here, answers)


def show_what_went_wrong(here: Here) -> None:
    """Show once which selected cells were not answered, or why none was."""
    if count := st.session_state.pop(_LEFT_OUT, 0):
        st.warning(
            f"{text.count(count, 'selected cell')} of the blind sample stayed unanswered: the "
            "Review page asks for them without showing the prediction.",
            icon=":material/visibility_off:",
        )
    desk = desk_of(here)
    if desk.problem:
        st.error(text.sentence(desk.problem))
        desk.problem = ""


def offer_new_type(here: Here) -> None:
    """Let the reader name a type that the reference lacks; it becomes an answer with a key."""
    with (
        st.popover("New type", icon=":material/new_label:", type="tertiary", key="cells name"),
        st.form("name a type for many", border=False, clear_on_submit=True),
    ):
        st.text_input(
            "Name of the type",
            key="cells new type",
            max_chars=MOST_LETTERS,
            placeholder="such as plasma cell",
            help="The reference does not have it. It is added to the answers below the gallery.",
        )
        st.form_submit_button("Add to the answers", on_click=_name, args=(here,))


def _name(here: Here) -> None:
    try:
        name = typed_name(here, st.session_state["cells new type"])
    except CellTransferError as error:
        desk_of(here).problem = str(error)
        return
    named = st.session_state.setdefault(_NEW, [])
    if name not in named:
        named.append(name)


def tell_left_out(shown: Shown) -> None:
    """Show which cells wait for a blind answer, and where."""
    here = shown.here
    waiting = int(shown.waiting.sum())
    if not waiting:
        return
    label = f"{shown.left_out:,} reserved for Review" if shown.left_out else "Blind sample"
    with st.popover(label, icon=":material/visibility_off:", key="cells waiting", type="tertiary"):
        st.markdown(
            f"{text.count(waiting, 'cell')} of the blind sample are reserved for the Review page, "
            "which asks for them without showing the prediction. Only blind answers can show how "
            "often predictions are right, so these cells cannot be typed here."
        )
        st.session_state["cells blind"] = shown.view.blind
        st.toggle(
            "Show them here anyway",
            key="cells blind",
            on_change=lambda: change_view(here, blind=st.session_state["cells blind"]),
            help="If you have seen their predictions, leave them to another reader.",
        )
        st.page_link("review.py", label="Go to Review", icon=":material/rate_review:")
