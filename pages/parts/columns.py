"""Columns of a set's tables: ask for them if they are unclear, and change them."""

from collections.abc import Mapping

import streamlit as st

from celltransfer_core.data import TableHeader
from celltransfer_core.studies import ImageSet, Workspace
from parts import text
from parts.clicks import clicked
from parts.here import Here, attempt

MEANINGS: Mapping[str, str] = {"file": "Files", "label": "Types"}


def show_columns(here: Here, image_set: ImageSet) -> None:
    """Ask which columns of a table to use, and offer to change those chosen automatically."""
    for table, header in table_headers(here.workspace, image_set.id, image_set.revision).items():
        counts = header.counts
        if any(need not in counts for need in header.needs):
            st.warning(
                f"Choose the columns of {table}. The set is not used until you choose.",
                icon=":material/help:",
            )
            ask_columns(here, image_set, table, header)
        elif any(counts[need].lower() != need for need in header.needs):
            said = ", ".join(f"{MEANINGS[need].lower()}: {counts[need]}" for need in header.needs)
            with st.expander(f"Columns of {table} ({text.plain(said)})"):
                ask_columns(here, image_set, table, header)


def ask_columns(here: Here, image_set: ImageSet, table: str, header: TableHeader) -> None:
    """Let the user choose a column for each required field of the table."""
    with st.form(f"columns {table} {image_set.id}", border=False):
        chosen = {
            need: st.selectbox(
                MEANINGS[need],
                header.columns,
                index=header.columns.index(header.counts[need]) if need in header.counts else None,
                placeholder="Choose a column",
                key=f"column {need} {table} {image_set.id} {image_set.revision}",
                disabled=here.locked,
            )
            for need in header.needs
        }
        if not clicked(
            st.form_submit_button,
            "Use these columns",
            key=f"use columns {table} {image_set.id}",
            disabled=here.locked,
        ):
            return
    if None in chosen.values():
        st.error("Choose a column for each field.")
    elif attempt(here.workspace.choose_columns, image_set.id, table, chosen):
        st.rerun()


@st.cache_data(max_entries=64, show_spinner=False)
def table_headers(
    _workspace: Workspace,
    set_id: str,
    revision: str,  # noqa: ARG001
) -> Mapping[str, TableHeader]:
    """Read the headers of a set's tables, once per revision of the set."""
    return _workspace.table_headers(set_id)
