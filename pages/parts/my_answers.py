"""The list of all answers, to filter, and to be revised by their readers."""

from bisect import bisect_left
from collections.abc import Sequence

import pandas as pd
import streamlit as st

from celltransfer_core.data import Dataset
from celltransfer_core.studies import (
    BATCH,
    BATCH_REVIEW,
    Answer,
    list_answers,
    load_current,
    revised_payloads,
    typed_batches,
)
from celltransfer_core.vocabulary import NONE_TYPE, QUERY
from parts import text
from parts.assets import ASSETS
from parts.filters import LETTERS, link_to_cells
from parts.here import Here
from parts.keys import ANSWERS, KEYS
from parts.pictures import picture_url, pictures
from parts.reader import ask_outside
from parts.study_types import all_types, reference_types

PICTURE = 96  # px
ROW = 56  # px
HEIGHT = 420  # px
SHOWN_LARGE = 5
TAKEN_BACK = "taken back"
WHICH = {
    "stands": "Current answers",
    "changed": "Different from the prediction",
    "revised": "Changed from an earlier answer",
    "brought in": "Imported",
    "all": "All, including replaced ones",
}


@st.fragment
def show_answers(here: Here) -> None:
    """Show the matching answers, and what can be done with the selected ones."""
    ask_outside()
    st.html(ASSETS / "review" / "answers.css")
    with here.workspace.one_look():
        answers = list_answers(here.workspace, here.id)
        if not answers:
            st.info(
                "There are no answers yet. Answers from Review, Cells and Matches are listed here."
            )
            offer_undo(here)
            return
        table = table_of(here, answers)
        shown = choose_answers(here, answers, table)
        st.markdown(
            f"**{text.count(len(shown), 'answer')}** of {len(answers):,}. Select rows to look at "
            "them or to revise them; click a column header to sort."
        )
        picked = [answers[row] for row in show_table(table.loc[shown])]
        revise(here, picked)


def table_of(here: Here, answers: Sequence[Answer]) -> pd.DataFrame:
    """Make the rows of all answers, each with its index."""
    query = here.pooled(QUERY)
    current = load_current(here.workspace, here.id)
    cells: Sequence[str] = current.run.query.cells if current else ()
    predicted: Sequence[str] = current.run.predicted if current else ()
    files = dict(zip(query.cells, query.first_file, strict=True)) if query else {}
    guesses = dict(zip(cells, predicted, strict=True))
    batched = typed_batches(here.workspace, here.id) if any_of_batch(answers) else {}
    names: dict[str, str] = {}
    for name, batch in batched.items():
        names |= dict.fromkeys(batch.query.cells, name)
        files |= dict(zip(batch.query.cells, batch.query.first_file, strict=True))
        guesses |= dict(zip(batch.query.cells, batch.predicted, strict=True))
    rows = []
    for one in answers:
        cell = cell_of(query, one)
        guess = guesses.get(cell, "")
        of_cell = one.kind == "cell"
        rows.append(
            {
                "Picture": picture_of(here, one, cell) if cell in files else None,
                "Subject": _subject(one, names.get(cell, "")),
                "Answer": worded(one.said),
                "Predicted": guess if of_cell else "",
                "Before": worded(one.before),
                "Reader": one.reader,
                "When": pd.Timestamp(one.at),
                "Current": one.stands,
                "File": files.get(cell, "") if of_cell else "",
                "Source": one.source,
            }
        )
    return pd.DataFrame(rows)


def _subject(answer: Answer, batch: str) -> str:
    """Say what an answer is about; answers on a batch are not part of what was signed off."""
    if answer.kind == "cluster":
        return f"Cluster {answer.cluster}, {text.count(len(answer.cells), 'cell')}"
    return f"Cell of {batch}" if answer.batch and batch else "Cell"


def any_of_batch(answers: Sequence[Answer]) -> bool:
    """Tell whether any of the answers is on a cell of a batch."""
    return any(one.batch for one in answers)


def picture_of(here: Here, answer: Answer, cell: str) -> str:
    """Return the address of the picture of an answered cell."""
    if answer.batch:
        return picture_url(here, cell, PICTURE, BATCH)
    return picture_url(here, cell, PICTURE, cut=True)


def cell_of(query: Dataset | None, answer: Answer) -> str:
    """Find the cell of an answer, or the first one of its cluster; empty if there is none."""
    if answer.batch or not answer.cells:
        return answer.cells[0] if answer.cells else ""
    return whole_hash(query, answer.cells[0])


def worded(said: str | None) -> str:
    """Write an answer as on its button."""
    return TAKEN_BACK if said is None else ANSWERS.get(said, said)


def whole_hash(query: Dataset | None, start: str) -> str:
    """Find the cell whose hash has this beginning; empty if there is none."""
    if query is None:
        return ""
    at = bisect_left(query.cells, start)
    return query.cells[at] if at < query.n_cells and query.cells[at].startswith(start) else ""


def choose_answers(here: Here, answers: Sequence[Answer], table: pd.DataFrame) -> list[int]:
    """Offer filters for answers; return the matching rows."""
    first = st.columns(3, vertical_alignment="bottom")
    which = first[0].selectbox("Show", [*WHICH], format_func=WHICH.get, key="answers which")
    readers = first[1].multiselect(
        "Reader", sorted({one.reader for one in answers}), placeholder="all", key="answers readers"
    )
    said = first[2].multiselect(
        "Answer", sorted(set(table["Answer"])), placeholder="all", key="answers said"
    )
    second = st.columns(3, vertical_alignment="bottom")
    kind = second[0].selectbox(
        "Of", ["cells and clusters", "cells", "clusters"], key="answers kind"
    )
    words = second[1].text_input(
        "Text", placeholder="file, type, reader …", key="answers text", icon=":material/search:"
    )
    with second[2]:
        offer_undo(here)
    fits = pd.Series(data=True, index=table.index)
    cells = pd.Series([one.kind == "cell" for one in answers], index=table.index)
    fits &= {"cells": cells, "clusters": ~cells}.get(kind, fits)
    if which == "changed":
        fits &= (
            table["Current"] & (table["Predicted"] != "") & (table["Answer"] != table["Predicted"])
        )
    else:
        fits &= {
            "stands": table["Current"],
            "revised": table["Before"] != "",
            "brought in": table["Source"] != "",
        }.get(which, fits)
    fits &= table["Reader"].isin(readers) if readers else fits
    fits &= table["Answer"].isin(said) if said else fits
    if words:
        columns = ["Subject", "Predicted", "Answer", "Before", "Reader", "File", "Source"]
        line = table[columns].agg(" ".join, axis=1).str.casefold()
        fits &= line.str.contains(words.casefold(), regex=False)
    return table.index[fits].tolist()


def show_table(table: pd.DataFrame) -> list[int]:
    """Show rows of answers; return the numbers of the selected ones."""
    drawn = st.dataframe(
        table,
        hide_index=True,
        height=min(HEIGHT, ROW * (len(table) + 1)),
        row_height=ROW,
        key="answers table",
        on_select="rerun",
        selection_mode="multi-row",
        column_config={
            "Picture": st.column_config.ImageColumn(width=70),
            "When": st.column_config.DatetimeColumn(format="YYYY-MM-DD HH:mm"),
            "Current": st.column_config.CheckboxColumn(width=60),
        },
    )
    rows = drawn["selection"]["rows"]
    return [int(table.index[row]) for row in rows if row < len(table)]


def revise(here: Here, picked: Sequence[Answer]) -> None:
    """Show the selected answers, and let their reader change or undo them."""
    if not picked:
        return
    query = here.pooled(QUERY)
    # Batches are not part of what was signed off.
    mine = [
        one
        for one in picked
        if one.stands and one.who == here.reader and (one.batch or not here.locked)
    ]
    with st.container(key="revise", border=True, gap="xsmall"):
        with st.container(horizontal=True, gap="small"):
            for one in picked[:SHOWN_LARGE]:
                cell = cell_of(query, one)
                if cell:
                    show_picked(here, one, cell)
        if len(mine) < len(picked):
            st.caption(
                f"{text.count(len(picked) - len(mine), 'answer')} of these cannot be revised: they "
                "were signed off, are another reader's, or were replaced since. To add an answer "
                "of your own, follow the link."
            )
        if mine:
            offer_revision(here, mine)


def show_picked(here: Here, answer: Answer, cell: str) -> None:
    """Show the cell of an answer, with a link to it if it is on the Cells page."""
    said = worded(answer.said)
    with st.container(width=120, gap="xxsmall"):
        if answer.batch:
            pictures(here, [cell], titles=[said], size=64, cut=False, role=BATCH)
            st.caption(text.plain(said))
            return
        pictures(here, [cell], titles=[said], size=64)
        link_to_cells(text.plain(said), cell=cell[:LETTERS])


def offer_revision(here: Here, mine: Sequence[Answer]) -> None:
    """Offer to change answers, or to undo them."""
    only_cells = all(one.kind == "cell" for one in mine)
    choices = [*all_types(here), *(ANSWERS if only_cells else (NONE_TYPE,))]
    with st.container(horizontal=True, vertical_alignment="bottom"):
        said = st.selectbox(
            "Corrected answer",
            choices,
            format_func=worded,
            index=None,
            placeholder="Choose the right type",
            label_visibility="collapsed",
            key=f"answers revised {mine[0].decision} {len(mine)}",
            width=240,
        )
        st.button(
            f"Change {text.count(len(mine), 'answer')}",
            key="answers change",
            icon=":material/edit:",
            disabled=said is None,
            on_click=keep,
            args=(here, mine, said),
        )
        st.button(
            "Take back",
            key="answers back",
            icon=":material/undo:",
            shortcut=KEYS["take back"],
            on_click=keep,
            args=(here, mine, None),
        )


def keep(here: Here, mine: Sequence[Answer], said: str | None) -> None:
    """Save revised answers, all of one kind at once, unless they have changed in the meantime."""
    listed = {one.decision: one for one in list_answers(here.workspace, here.id)}
    present = [listed[one.decision] for one in mine if one.decision in listed]
    if changed := len(mine) - sum(one.stands for one in present):
        st.warning(
            f"{text.count(changed, 'answer')} had been changed since you opened this list, in "
            "another window or by another reader. They were left unchanged; check them before you "
            "revise them.",
            icon=":material/sync_problem:",
        )
    for kind, payloads in revised_payloads(present, said, reference_types(here)).items():
        if not here.decide_all(kind, payloads):
            return
    here.mark_seen()


def offer_undo(here: Here) -> None:
    """Offer to undo the reader's last decision on cells or clusters that was not signed off."""
    what = {"review": "cell", BATCH_REVIEW: "cell", "match": "cluster"}
    kinds = (BATCH_REVIEW,) if here.locked else tuple(what)
    own = [one for one in here.own_decisions() if one.kind in kinds]
    last = own[-1] if own else None
    many = last.payload.get("together", 1) if last else 0
    st.button(
        f"Undo {many:,} answers" if many > 1 else "Undo",
        key="answers undo",
        shortcut=KEYS["undo"],
        icon=":material/undo:",
        disabled=last is None,
        on_click=undo,
        args=(here, last.kind if last else ""),
        help=f"Withdraws your last answer, to {text.count(many, what[last.kind])}."
        if last
        else None,
    )


def undo(here: Here, kind: str) -> None:
    """Undo the reader's last decision, and those made together with it."""
    here.undo(kind)
    here.mark_seen()
