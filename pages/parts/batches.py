"""Cells added to a study later: added on Data, typed with its types, shown with their drift."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pandas as pd
import streamlit as st

from celltransfer_core.outputs import (
    batches_differential,
    csv_bytes,
    describe_drift,
    drift_page,
    drift_table,
    transport_pays,
    with_batches,
)
from celltransfer_core.pipeline import FIGURES, TypedBatch
from celltransfer_core.plots import CAPTIONS, drift_figure
from celltransfer_core.runtime import write_atomically
from celltransfer_core.studies import (
    BATCH,
    Batch,
    ImageSet,
    Study,
    add_batch,
    as_new_study,
    batches_of,
    count_cells,
    current_job,
    load_current,
)
from celltransfer_core.types import Progress
from parts import text
from parts.clicks import clicked
from parts.here import Here, attempt
from parts.image_set import show_set
from parts.navigation import go
from parts.takeaways import Takeaways, make_table, offer_prepared
from parts.watched import is_watched, offer_watching, show_watched
from parts.work import at_work, begin

_OLDER = "Typed before the latest answers or an update"
_ADDED = "batch added"  # id of the batch that was added last, until it is shown


def add_cells(here: Here) -> None:
    """Offer to add new cells to a study whose cells are typed, signed off or not."""
    if load_current(here.workspace, here.id) is None:
        show_watched(here)
        return
    # A batch is not part of what was signed off: it can be changed afterwards.
    here = replace(here, study=replace(here.study, signed=None))
    batches = batches_of(here.workspace, here.id)
    label, icon = "Add cells to this study", ":material/library_add:"
    with st.expander(label, icon=icon, expanded=bool(batches) or is_watched(here)):
        st.markdown(
            "Add the next slides of the same microscope, each delivery as a separate **batch**. "
            "They are typed with the types learned from this study, without any confirmation. "
            "Existing results do not change. If the study was signed off, its signature remains "
            "valid; it does not cover the batches."
        )
        show_watched(here)
        if batches:
            chosen = _choose(batches)
            show_set(here, chosen.images)
            _offer_typing(here, batches)
            _show_next(here, chosen)
        _offer_batch(here)
        offer_watching(here)
        _show_typed(batches)


def _offer_batch(here: Here) -> None:
    """Offer to add a batch, which is then shown."""
    with st.form("add batch", border=False):
        hint = "For example June"
        name = st.text_input("Name of the next batch", placeholder=hint, max_chars=120)
        if not clicked(st.form_submit_button, "Add a batch", key="add batch button"):
            return
    made: list[ImageSet] = []
    if attempt(lambda: made.append(add_batch(here.workspace, here.id, name))):
        st.session_state[_ADDED] = made[0].id
        st.rerun()


def _choose(batches: Sequence[Batch]) -> Batch:
    """Let the reader choose the batch to show: at first the newest."""
    known = {one.images.id: one for one in reversed(batches)}
    added = st.session_state.pop(_ADDED, None)
    if added in known:
        st.session_state["batch shown"] = added
    if len(known) == 1:
        return batches[0]
    chosen = st.selectbox(
        "Batch",
        [*known],
        format_func=lambda one: known[one].images.name,
        key="batch shown",
    )
    return known[chosen]


def _offer_typing(here: Here, batches: Sequence[Batch]) -> None:
    """Offer to type the batches that are not typed with the current answers."""
    waiting = [one for one in batches if not one.fresh and count_cells(here.workspace, one.images)]
    job = current_job(here.workspace, here.id)
    if not waiting or (job and job.active):
        return
    if job and job.target == BATCH:
        at_work(here, done=False)  # why the last attempt failed
    new = [one.images.name for one in waiting if not one.is_typed]
    older = [one.images.name for one in waiting if one.is_typed]
    for what, names in (("Not typed yet", new), (_OLDER, older)):
        if names:
            st.caption(f"{what}: {text.listed(names)}.")
    label = "Type the new cells" if new else "Type them again"
    if clicked(st.button, label, key="type batches", icon=":material/play_arrow:") and begin(
        here, BATCH
    ):
        st.rerun()


def show_batches(here: Here) -> None:
    """Show the results for the cells that were added later."""
    batches = [one for one in batches_of(here.workspace, here.id) if one.is_typed]
    if batches:
        st.header("Cells added later")
        _show_typed(batches)
        _show_next(here, _choose(batches))


def _show_typed(batches: Sequence[Batch]) -> None:
    """Show how many cells of each type the batches have, and their drift."""
    typed = {one.images.name: one.typed for one in batches if one.typed}
    if not typed:
        return
    types = sorted({final for one in typed.values() for final in one.final})
    rows = [_counted(name, one, types) for name, one in typed.items()]
    st.dataframe(pd.DataFrame(rows), hide_index=True, width="stretch", key="batches typed")
    st.plotly_chart(
        drift_figure({name: one.drift for name, one in typed.items()}),
        config={"displaylogo": False},
        alt="Drift of the added slides, in the order of arrival",
    )
    st.caption(CAPTIONS["drift_figure"])


def _show_next(here: Here, batch: Batch) -> None:
    """Show how far a typed batch has drifted, and offer to review it."""
    if batch.typed is None:
        return
    for said in describe_drift(batch.typed.drift):
        st.warning(f"{text.plain(batch.images.name)}: {text.plain(said)}")
    _say_if_apart(batch, batch.typed)
    with st.container(horizontal=True):
        _offer_review(batch, batch.typed)
        _offer_study(here, batch)


def _counted(name: str, batch: TypedBatch, types: Sequence[str]) -> dict[str, object]:
    """Count the cells of a batch; a type called like another column gets one of its own."""
    drifted = {one.figure for one in batch.drift if one.drifted}
    told = {
        "Batch": name,
        "Cells": batch.query.n_cells,
        "Answered": int(batch.answered.sum()),
        "Flagged": int(batch.flagged.sum()),
        "Unlike all types": int(batch.unknown.sum()),
        "Drifted": ", ".join(figure for figure in FIGURES if figure in drifted),
    }
    counts = {one: batch.final.count(one) for one in types}
    own = {f"{one} (type)" if one in told else one: n for one, n in counts.items()}
    return {**told, **own}


def _offer_review(batch: Batch, typed: TypedBatch) -> None:
    """Offer to review the cells of a batch within this study."""
    name = text.plain(batch.images.name)
    if clicked(
        st.button,
        f"Review {name} ({text.count(int(typed.flagged.sum()), 'flagged cell')})",
        key=f"review {batch.images.id}",
        icon=":material/fact_check:",
        type="primary",
        help="Answer its least certain cells here. Each answer updates the other cells of the "
        "batch. Ten answers already help much.",
    ):
        st.session_state["batch"] = batch.images.id
        go("review")


def _say_if_apart(batch: Batch, typed: TypedBatch) -> None:
    """Say that a study of the batch itself may be worthwhile, if it has drifted."""
    name = text.plain(batch.images.name)
    if transport_pays(typed):
        st.info(
            f"Stain or proportions of {name} have drifted. Confirming its clusters, and transport "
            "to it, may be worthwhile. A separate study of it uses this study as its reference.",
            icon=":material/sync:",
        )


def _offer_study(here: Here, batch: Batch) -> None:
    """Offer a study of the batch itself, to confirm its clusters and to transport to it."""
    name = text.plain(batch.images.name)
    if clicked(
        st.button,
        f"Review {name} as a study of its own",
        key=f"own study {batch.images.id}",
        icon=":material/school:",
        help="Creates a study with these cells as the query and this study as the reference. "
        "This study must be finished or signed off. No image is copied.",
    ):
        made: list[Study] = []
        if attempt(lambda: made.append(as_new_study(here.workspace, batch.images))):
            go("data", made[0].id)


def offer_batches(files: Takeaways) -> None:
    """Offer the cells that were added later, with the study's own cells and separately."""
    here, batches = files.here, files.batches
    if not batches:
        return
    st.header("Cells added later")
    st.markdown(
        f"**{text.count(sum(one.query.n_cells for one in batches.values()), 'cell')}** in "
        f"{text.count(len(batches), 'batch', 'batches')}, typed with the types learned from "
        "this study. They are not in the tables above, and were not signed off. The report has a "
        "section about them."
    )
    old = [one.images.name for one in batches_of(here.workspace, here.id) if not one.fresh]
    if old := [name for name in old if name in batches]:
        st.caption(f"{_OLDER}: {text.listed(old)}. Type them again on Data.")
    pseudonyms = files.tables.pseudonyms
    shown = pseudonyms.batches(batches) if pseudonyms else batches

    def write(path: Path, progress: Progress) -> None:  # noqa: ARG001
        write_atomically(path, drift_page(here.study.name, shown).encode())

    def whole() -> pd.DataFrame:
        own = make_table(files.key, files.hidden, "cells", files.tables)
        return with_batches(own, batches, pseudonyms)

    with st.container(horizontal=True):
        for label, name, make in (
            ("Old and new cells (CSV)", "cells-with-batches.csv", whole),
            (
                "Differential (CSV)",
                "differential-of-batches.csv",
                lambda: batches_differential(shown),
            ),
            ("Drift (CSV)", "drift.csv", lambda: drift_table(shown)),
        ):
            st.download_button(
                label,
                lambda make=make: csv_bytes(make()),
                files.file_name(name),
                key=name,
                icon=":material/download:",
                on_click="ignore",
            )
        label = "report of these cells"
        offer_prepared(files, "batches", ".html", label, write, *files.batches_stamp)
    st.caption(
        "The first file contains the study's own cells, as above, and the new cells, marked in "
        "the column `batch`. New cells are flagged if their confidence is low or they are "
        "`unknown`."
    )
