"""Import of answers given elsewhere: choose, compare with existing answers, import."""

import hashlib
from collections.abc import Mapping, Sequence

import pandas as pd
import streamlit as st

from celltransfer_core.data import ColumnsError, close_match, decode_table, read_header
from celltransfer_core.errors import CellTransferError
from celltransfer_core.outputs import (
    BroughtIn,
    Said,
    answers_before_and_after,
    bring_in,
    said_in_folders,
    said_in_table,
)
from celltransfer_core.people import Review, read_reviews
from celltransfer_core.studies import brought_payloads, decisions_now, load_current, now
from celltransfer_core.vocabulary import QUERY
from parts import text
from parts.assets import component
from parts.here import Here
from parts.study_types import all_types

LISTED = 20
LEAVE, NEW = "Leave these out", "It is a new type"
MEANINGS: Mapping[str, str] = {"file": "Files", "label": "Types"}


def show_bring_in(here: Here) -> None:
    """Let the reader choose a file or folder, show what it would change, and import it."""
    st.markdown(
        "A `reviews.csv`, any table with a column of files (or `sha256`) and a column of types, "
        "or a folder of images with one sub-folder per type. A preview shows what would change."
    )
    query = here.pooled(QUERY)
    if query is None:
        st.info("The study has no query yet to which answers could apply.")
        return
    if not here.reader:
        st.info("First enter your name on the left: imported answers are kept under it.")
        return
    offer_undo(here)
    try:
        name, said = choose_said()
        if said is not None:
            preview(here, name, said)
    except CellTransferError as error:
        st.error(text.sentence(error))


def choose_said() -> tuple[str, tuple[Said, ...] | None]:
    """Let the reader choose a table or folder; return its name and content, or None before that."""
    left, right = st.columns(2)
    with left:
        table = st.file_uploader(
            "A table",
            type=["csv", "tsv", "txt", "xlsx"],
            key="answers table of",
            max_upload_size=50,
        )
    with right:
        label = "Or a folder with one sub-folder per type: images are recognised by their content"
        sorted_by = component("upload", "sorted", "sha256")(
            key="answers sorted",
            data={"label": label},
            on_images_change=lambda: None,
        )
    if table is not None:
        data = table.getvalue()
        return table.name, said_in(table.name, data, hashlib.sha256(data).hexdigest()[:16])
    if images := sorted_by.images:
        folder = str(images[0][0]).partition("/")[0]
        return folder, said_in_folders({str(name): str(sha) for name, sha in images})
    return "", None


def said_in(name: str, data: bytes, key: str) -> tuple[Said, ...] | None:
    """Read a table; if the columns are unclear, ask, and return None until they are chosen."""
    written = decode_table(data, name, "reviews", bounded=False).text
    chosen: dict[str, str] = {}
    try:
        return said_in_table(written, name)
    except ColumnsError as error:
        if not error.columns:
            raise
        st.warning(
            f"Which columns of {text.plain(name)} hold the files and the types?",
            icon=":material/help:",
        )
        header = read_header(written, tuple(MEANINGS), {})
        for column, (need, label) in zip(st.columns(2), MEANINGS.items(), strict=True):
            known = header.counts.get(need)
            said = column.selectbox(
                label,
                header.columns,
                index=header.columns.index(known) if known else None,
                placeholder="Choose a column",
                key=f"answers column {need} {key}",
            )
            if said:
                chosen[need] = said
    return said_in_table(written, name, chosen) if len(chosen) == len(MEANINGS) else None


def preview(here: Here, name: str, said: Sequence[Said]) -> None:
    """Show what a file would change, ask about anything unclear, and offer to import it."""
    query, types = here.pooled(QUERY), all_types(here)
    kept = decisions_now(here.workspace, here.workspace.snapshot(here.id), "review")
    reviews = read_reviews(one.payload for one in kept)
    key = hashlib.sha256(repr((name, said)).encode()).hexdigest()[:16]
    time = st.session_state.setdefault(f"answers time {key}", now())
    looked = bring_in(said, query, types, reviews, here.reader, time)
    meant = ask_names(looked.unknown, types, key)
    by_name = bool(looked.renamed) and st.checkbox(
        f"{text.count(len(looked.renamed), 'image')} with different content: match by file name",
        key=f"answers names {key}",
        help="Their file names are in the query but the content differs, for example because "
        "the files were saved again. Look at some before you agree.",
    )
    counts = looked.can_count and st.checkbox(
        "These answers come from this study: count its blind and randomly drawn ones as a sample "
        "of all cells",
        key=f"answers count {key}",
        help="Only if this study's own queue selected the cells, as in a copy of it; other "
        "answers cannot show how often predictions are right.",
    )
    found = bring_in(
        said,
        query,
        types,
        reviews,
        here.reader,
        time,
        meant=meant,
        by_name=by_name,
        counts=counts,
    )
    show_counts(found, reviews, len(said))
    show_change(here, found, reviews)
    show_left_out(found)
    many = text.count(len(found.reviews), "answer")
    st.button(
        f"Import {many}",
        key="answers bring",
        type="primary",
        icon=":material/download:",
        disabled=here.locked or not found.reviews,
        on_click=keep,
        args=(here, found, name, counts),
    )
    st.caption(
        f"They are kept under your name, {text.plain(here.reader)}, as imported from "
        f"{text.plain(name)}; a single Undo removes all of them. "
        + (
            "Blind and randomly drawn ones count as a sample of all cells."
            if counts
            else (
                "They teach the vote and set the type of their cells; they do not count "
                "towards how often predictions are right."
            )
        )
    )


def ask_names(unknown: Mapping[str, int], types: Sequence[str], key: str) -> dict[str, str]:
    """Ask for the meaning of names that are not types of the study."""
    meant = {}
    if unknown:
        st.markdown(
            f"**{text.count(len(unknown), 'name')}** not in the study. Which types are meant?"
        )
    for name, count in list(unknown.items())[:LISTED]:
        like = close_match(name, types)
        choices = [LEAVE, NEW, *types]
        said = st.selectbox(
            f"{text.plain(name)} ({text.count(count, 'row')})",
            choices,
            index=choices.index(like) if like else 0,
            key=f"answers meant {key} {name}",
            width=420,
        )
        meant[name] = {LEAVE: "", NEW: name}.get(said, said)
    if len(unknown) > LISTED:
        st.caption(f"{len(unknown) - LISTED} more names are not shown.")
    return meant


def show_counts(found: BroughtIn, reviews: Sequence[Review], rows: int) -> None:
    """Show how much of a file is usable, and how much it changes."""
    before = {(one.cell, one.reader) for one in reviews}
    changes = sum((one.cell, one.reader) in before for one in found.reviews)
    columns = st.columns(4)
    columns[0].metric(f"To import, of {rows:,}", f"{len(found.reviews):,}")
    columns[1].metric("Change an answer", f"{changes:,}")
    columns[2].metric("Already recorded", f"{found.already:,}")
    columns[3].metric("Not in the query", f"{len(found.missing):,}")
    if found.kept:
        st.caption(
            f"Your answers on {text.count(found.kept, 'cell')} that you answered blind or that "
            "were drawn at random stay unchanged: the accuracy estimate is based on them. Revise "
            "them one by one if needed."
        )


def show_change(here: Here, found: BroughtIn, reviews: Sequence[Review]) -> None:
    """Show the number of cells of each type before and after, by the current vote."""
    current = load_current(here.workspace, here.id)
    if current is None or not found.reviews:
        return
    run = current.run
    counted = answers_before_and_after(run.query.cells, run.predicted, reviews, found.reviews)
    rows = [
        {"Final type": name, "Before": before, "After": after, "Change": after - before}
        for name, (before, after) in counted.items()
    ]
    st.dataframe(pd.DataFrame(rows), hide_index=True, width="content")
    st.caption("The vote also learns from the answers and may change other cells.")


def show_left_out(found: BroughtIn) -> None:
    """List what is left out, and why."""
    lists = {
        "not in the query": [(one.place, one.file or one.sha256) for one in found.missing],
        "with conflicting types": [
            (f"{a.place}, {b.place}", f"{a.file or a.sha256}: {a.type_name}, {b.type_name}")
            for a, b in found.conflicts
        ],
    }
    for why, rows in lists.items():
        if rows:
            with st.expander(f"{len(rows):,} {why}: left out"):
                st.dataframe(pd.DataFrame(rows, columns=["Location", "What"]), hide_index=True)


def keep(here: Here, found: BroughtIn, name: str, counts: bool) -> None:
    """Save all answers at once."""
    payloads = brought_payloads(found.reviews, name, counts=counts)
    if here.decide_all("review", payloads):
        here.mark_seen()
        st.toast(f"{text.count(len(payloads), 'answer')} imported. Undo removes them.")


def offer_undo(here: Here) -> None:
    """Offer to undo the reader's last import."""
    own = here.own_decisions("review")
    if own and (source := own[-1].payload.get("from")):
        many = text.count(own[-1].payload["together"], "answer")
        st.button(
            f"Remove the {many} imported from {text.plain(source)}",
            key="answers brought undo",
            icon=":material/undo:",
            disabled=here.locked,
            on_click=take_back,
            args=(here,),
        )


def take_back(here: Here) -> None:
    """Undo the reader's last import."""
    here.undo("review")
    here.mark_seen()
