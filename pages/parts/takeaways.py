"""Files to take away: tables with a preview, and large ones that are prepared beside the page."""

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import streamlit as st

from celltransfer_core.outputs import StudyTables, csv_bytes, parquet_bytes
from celltransfer_core.studies import (
    CurrentRun,
    export_path,
    preparation,
    stage_keys,
    start_preparation,
)
from celltransfer_core.types import Progress
from celltransfer_core.web import file_url
from parts import text
from parts.here import Here

FIRST_ROWS = 5

Writer = Callable[[Path, Progress], object]


@dataclass(frozen=True)
class Takeaways:
    """The tables of a study, and what decides the files that are made of them."""

    here: Here
    tables: StudyTables
    key: str
    """Of everything that decides their content."""
    hidden: bool
    """Whether pseudonyms stand for names of files, slides and patients."""
    with_names: bool
    """Whether previews show names of files, which may tell types."""

    def file_name(self, what: str) -> str:
        """Name a file for the study that it is of."""
        return file_name(self.here, what)


def file_name(here: Here, what: str) -> str:
    """Name a file for the study that it is of."""
    name = re.sub(r"[^A-Za-z0-9]+", "-", here.study.name).strip("-").lower()
    return f"{name or 'study'}-{what}"


def content_key(here: Here, current: CurrentRun) -> str:
    """Write down all that decides what the files hold, but the pseudonyms."""
    decisions = [
        one.id for kind in ("match", "review") for one in here.workspace.decisions(here.id, kind)
    ]
    key = stage_keys(here.workspace, here.id)["classify"]
    return json.dumps([key, current.source, here.options, decisions], default=str)


@st.cache_resource(max_entries=24, show_spinner=False)
def make_table(key: str, hidden: bool, name: str, _tables: StudyTables) -> pd.DataFrame:  # noqa: ARG001
    """Make a table, once for all that decides it."""
    return getattr(_tables, name)()


def preview(files: Takeaways, made: pd.DataFrame) -> None:
    """Show the first rows; names of files may tell types and are shown on demand."""
    private = [name for name in ("file", "sha256") if name in made]
    shown = made.head(FIRST_ROWS)
    if private and not (files.hidden or files.with_names):
        shown = shown.drop(columns=private)
    st.dataframe(shown, hide_index=True)
    rows = f"The first {len(shown)} of {len(made):,} rows" if len(made) > len(shown) else "All rows"
    without = ", without names of files" if len(shown.columns) < len(made.columns) else ""
    st.caption(f"{rows}{without}; {len(made.columns)} columns.")


def show_table(files: Takeaways, name: str, heading: str, explained: str) -> pd.DataFrame:
    """Show what a table holds, with a preview; return it."""
    st.markdown(f"**{heading}**  \n{explained}")
    made = make_table(files.key, files.hidden, name, files.tables)
    with st.expander("Preview"):
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


def offer_prepared(files: Takeaways, name: str, suffix: str, label: str, write: Writer) -> None:
    """Offer a file that takes time: prepare it on a click, then give it away."""
    here = files.here
    variant = f"{name}-pseudonyms" if files.hidden else name
    path = export_path(
        here.workspace, here.id, variant, suffix, files.key, here.study.name, here.study.signed
    )
    state = preparation(path)
    if path.is_file() and state is None:
        st.link_button(
            f"{label} ({text.size(path.stat().st_size)})",
            file_url(here.workspace, here.id, path, files.file_name(f"{name}{suffix}")),
            icon=":material/download:",
        )
    elif state is not None and not state.problem:
        follow(path, label)
    else:
        if state is not None:
            st.error(text.sentence(state.problem))
        if st.button(
            f"Prepare the {label} file", key=f"prepare {name}", icon=":material/hourglass_top:"
        ):
            start_preparation(path, write)
            st.rerun()


@st.fragment(run_every=1.0)
def follow(path: Path, label: str) -> None:
    """Show how far a file is until it is there."""
    state = preparation(path)
    if state is None or state.problem:
        st.rerun()
    share = state.done / state.total if state.total else 0.0
    count = f" {state.done:,} of {state.total:,}" if state.total > 1 else ""
    st.progress(
        share, text=f"Preparing the {label} file…{count} You can leave this page meanwhile."
    )
