"""Downloads: typed cells, tables with a preview, and files prepared in the background."""

import hashlib
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import pandas as pd
import streamlit as st

from celltransfer_core.outputs import (
    TAKEN_FIRST,
    StudyTables,
    batches_table,
    csv_bytes,
    drift_table,
    parquet_bytes,
)
from celltransfer_core.pipeline import TypedBatch
from celltransfer_core.studies import (
    EXPECT,
    CurrentRun,
    export_path,
    preparation,
    stage_keys,
    start_preparation,
)
from celltransfer_core.types import Progress
from celltransfer_core.web import file_url
from parts import text
from parts.clicks import clicked
from parts.here import Here
from parts.pictures import picture_url

FIRST_ROWS = 5
MOST_ROWS = 1000  # rows of typed cells on the page
PICTURE = 44  # px

HEADS = {
    "file": "File",
    "final_type": "Final type",
    "decided_by": "Decided by",
    "confidence": "Confidence",
    "flagged": "Flagged",
}
"""Headings of the main columns of typed cells; other columns are named as in the files."""

SHARES = ("agreement", "confidence", "calibrated_confidence")
PARTS = ("share:", "say:")

Writer = Callable[[Path, Progress], object]


@dataclass(frozen=True)
class Takeaways:
    """The tables of a study, and everything that determines the files made from them."""

    here: Here
    tables: StudyTables
    batches: Mapping[str, TypedBatch]
    """Cells added later, with their names."""
    key: str
    """Key of everything that determines their content."""
    hidden: bool
    """Whether pseudonyms replace the names of files, slides and patients."""
    with_names: bool
    """Whether previews show file names, which may reveal types."""

    @cached_property
    def batches_stamp(self) -> tuple[str, ...]:
        """What determines the parts of files on cells added later; empty without any."""
        batches = self.batches
        tables = (batches_table(batches), drift_table(batches)) if batches else ()
        return tuple(hashlib.sha256(csv_bytes(one)).hexdigest() for one in tables)

    def file_name(self, what: str) -> str:
        """Return the name of a file, with that of its study."""
        return file_name(self.here, what)


def file_name(here: Here, what: str) -> str:
    """Return the name of a file, with that of its study."""
    name = re.sub(r"[^A-Za-z0-9]+", "-", here.study.name).strip("-").lower()
    return f"{name or 'study'}-{what}"


def content_key(here: Here, current: CurrentRun) -> str:
    """Write everything that determines the content of files, except pseudonyms."""
    decisions = [
        one.id
        for kind in ("match", "review", EXPECT)
        for one in here.workspace.decisions(here.id, kind)
    ]
    key = stage_keys(here.workspace, here.id)["classify"]
    return json.dumps([key, current.source, here.options, decisions], default=str)


@st.cache_resource(max_entries=24, show_spinner=False)
def make_table(key: str, hidden: bool, name: str, _tables: StudyTables) -> pd.DataFrame:  # noqa: ARG001
    """Make a table, once per key of its content."""
    return getattr(_tables, name)()


def in_percent(table: pd.DataFrame) -> pd.DataFrame:
    """Convert shares to percent."""
    shares = [name for name in table if name in SHARES or str(name).startswith(PARTS)]
    return table.assign(**{name: 100 * table[name] for name in shares})


def _heads(table: pd.DataFrame) -> dict[str, object]:
    """Return the column formats of a table, with one decimal for percentages."""
    heads: dict[str, object] = {}
    for name in table:
        label, told = HEADS.get(name), f"In the files: {name}"
        if name in SHARES or str(name).startswith(PARTS):
            heads[name] = st.column_config.NumberColumn(label, format="%.1f %%", help=told)
        elif name in ("percent", "low", "high", "estimate", "estimate_low", "estimate_high"):
            heads[name] = st.column_config.NumberColumn(format="%.1f %%")
        elif label:
            heads[name] = st.column_config.Column(label, help=told)
    return heads


def _shown(files: Takeaways, made: pd.DataFrame) -> pd.DataFrame:
    """Leave out file names and hashes, which may reveal types, unless requested."""
    private = [name for name in ("file", "sha256") if name in made]
    return made if files.hidden or files.with_names else made.drop(columns=private)


def show_cells(files: Takeaways) -> pd.DataFrame:
    """Show the typed cells with their pictures, the main download; return all of them."""
    made = make_table(files.key, files.hidden, "cells", files.tables)
    rows = made.head(MOST_ROWS)
    shown = _shown(files, rows)
    if not st.session_state.get("all columns"):
        shown = shown[[name for name in TAKEN_FIRST if name in shown]]
    here, cells = files.here, files.tables.run.query.cells
    pseudonyms = files.tables.pseudonyms
    whose = {pseudonyms.of("sha256", cell): cell for cell in cells} if pseudonyms else {}
    pictures = [
        picture_url(here, whose.get(cell, cell), 2 * PICTURE, cut=True) for cell in rows["sha256"]
    ]
    shown = in_percent(shown)
    shown.insert(0, "Cell", pictures)
    st.dataframe(
        shown,
        hide_index=True,
        height=390,
        row_height=PICTURE + 4,
        column_config={**_heads(shown), "Cell": st.column_config.ImageColumn("Cell", width=70)},
    )
    left = "" if len(made) == len(rows) else f"The first {len(rows):,} of {len(made):,}. "
    names = (
        ""
        if "file" in shown
        else "File names can reveal types, so they are shown only on request. "
    )
    st.caption(f"{left}{names}The files contain every cell and all {len(made.columns)} columns.")
    return made


def preview(files: Takeaways, made: pd.DataFrame) -> None:
    """Show the first rows; file names may reveal types and are shown on demand."""
    shown = in_percent(_shown(files, made.head(FIRST_ROWS)))
    st.dataframe(shown, hide_index=True, column_config=_heads(shown))
    rows = f"The first {len(shown)} of {len(made):,} rows" if len(made) > len(shown) else "All rows"
    without = ", without names of files" if len(shown.columns) < len(made.columns) else ""
    st.caption(f"{rows}{without}; {len(made.columns)} columns.")


def show_table(files: Takeaways, name: str, heading: str, explained: str) -> pd.DataFrame:
    """Describe a table, with a preview; return it."""
    st.markdown(f"**{heading}**  \n{explained}")
    made = make_table(files.key, files.hidden, name, files.tables)
    preview(files, made)
    return made


def offer_csv(made: pd.DataFrame, name: str, file: str) -> None:
    """Offer a table as CSV."""
    _offer(lambda: csv_bytes(made), "CSV", file, key=f"{name} CSV")


def offer_parquet(made: pd.DataFrame, name: str, file: str) -> None:
    """Offer a table as Parquet."""
    _offer(lambda: parquet_bytes(made), "Parquet", file, key=f"{name} Parquet")


def _offer(write: Callable[[], bytes], label: str, file: str, key: str) -> None:
    st.download_button(label, write, file, key=key, icon=":material/download:", on_click="ignore")


def offer_prepared(
    files: Takeaways,
    name: str,
    suffix: str,
    label: str,
    write: Writer,
    *decides: object,
    at_once: bool = False,
) -> Path | None:
    """Offer a file that takes time: prepare it, then offer the download; return it once ready.

    Preparation starts ``at_once``, or on a click. ``decides`` is what else determines the content.
    """
    here = files.here
    variant = f"{name}-pseudonyms" if files.hidden else name
    study = here.study
    of = (files.key, study.name, study.signed, *decides)
    path = export_path(here.workspace, here.id, variant, suffix, *of)
    state = preparation(path)
    if path.is_file() and state is None:
        st.link_button(
            f"{label[:1].upper()}{label[1:]} ({text.size(path.stat().st_size)})",
            file_url(here.workspace, here.id, path, files.file_name(f"{name}{suffix}")),
            icon=":material/download:",
        )
        return path
    if at_once and state is None:
        start_preparation(path, write)
        state = preparation(path)
    if state is not None and not state.problem:
        follow(path, label)
        return None
    if state is not None:
        st.error(text.sentence(state.problem))
    if clicked(
        st.button, f"Prepare the {label}", key=f"prepare {name}", icon=":material/hourglass_top:"
    ):
        start_preparation(path, write)
        st.rerun()
    return None


@st.fragment(run_every=1.0)
def follow(path: Path, label: str) -> None:
    """Show the progress of a file until it is ready."""
    state = preparation(path)
    if state is None or state.problem:
        st.rerun()
    share = state.done / state.total if state.total else 0.0
    count = f" {state.done:,} of {state.total:,}" if state.total > 1 else ""
    st.progress(
        share, text=f"Preparing the {label}…{count} You can leave this page in the meantime."
    )
