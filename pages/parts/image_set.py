"""One set of images on the Data page: files added and left out, and possible changes."""

from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
import streamlit as st

from celltransfer_core.data import (
    Dataset,
    LevelError,
    Remark,
    count_passed_over,
    image_sizes,
)
from celltransfer_core.errors import CellTransferError
from celltransfer_core.studies import ImageSet, Role
from celltransfer_core.vocabulary import QUERY, REFERENCE
from celltransfer_core.web import import_roots, upload_access
from parts import text
from parts.assets import component
from parts.channels import show_numbers
from parts.clicks import clicked
from parts.columns import show_columns
from parts.file_names import names_wanted
from parts.here import Here, attempt
from parts.levels import ask_level, offer_level, offer_level_unnamed
from parts.looks import show_suspicions
from parts.pictures import pictures
from parts.type_questions import open_questions, show_questions

A_PAGE = 48
UPLOAD = ("upload", "upload", "sha256", "zone")
"""The drop zone for folders: one component, because an upload continues on other pages."""

HINTS: Mapping[Role, str] = {
    "reference": (
        "One sub-folder per type; or any folder with a labels.csv or .xlsx (columns file, label; "
        "slide and patient if you have them)."
    ),
    "query": (
        "Any folder of images. A metadata.csv (columns file, slide, patient) gives counts per "
        "slide."
    ),
    "extra": "Any folder of images.",
    "batch": "Any folder of images. A metadata.csv (columns file, slide, patient) names slides.",
}


_ANOTHER = (
    "Cells of another laboratory or microscope belong in a set of their own: cancel, and add a set "
    "below."
)
APART: Mapping[Role, str] = {"reference": _ANOTHER, "query": "", "extra": _ANOTHER, "batch": ""}
"""Texts shown with a question about files of the same name."""


def show_set(here: Here, image_set: ImageSet) -> None:
    """Show one set: files added and left out, and possible changes."""
    with st.container(border=True):
        row = st.container(horizontal=True, vertical_alignment="center")
        head = row.container(width="stretch")
        head.markdown(f"**{text.plain(image_set.name)}**")
        with row.popover("Edit", key=f"edit {image_set.id}", disabled=here.locked):
            offer_changes(here, image_set)
        if not here.locked:
            add_files(here, image_set)
        try:
            dataset = here.workspace.dataset(image_set)
        except LevelError as question:
            ask_level(here, image_set, question.levels)
            return
        except CellTransferError as error:
            st.error(text.sentence(error))
            show_columns(here, image_set)
            offer_table_out(here, image_set)
            return
        show_numbers(here, image_set, dataset)
        if dataset.n_cells:
            head.caption(describe(image_set, dataset))
        show_suspicions(here, image_set, dataset)
        if dataset.n_cells:
            show_wall(here, image_set, dataset)
        elif dataset.left_out:
            st.warning(none_usable(image_set, dataset.left_out))
        else:
            head.caption("No images yet.")
        show_columns(here, image_set)
        show_remarks(image_set, dataset.left_out, "Files left out")
        show_remarks(image_set, dataset.notes, "Notes on files")
        show_duplicates(image_set, dataset)
        show_sources(image_set, dataset)
        if image_set.role == REFERENCE:
            offer_mapping(here, image_set)
        elif image_set.role == QUERY:
            offer_level_unnamed(here, image_set, dataset.files)


def none_usable(image_set: ImageSet, left_out: Sequence[Remark]) -> str:
    """Say that no file can be used, with the reason for one file if file names may be shown."""
    said = "None of the files can be used; the reasons are listed below."
    if image_set.role != REFERENCE:
        return said
    first = left_out[0]
    return f"{said} For example, {text.plain(first.file)}: {text.plain(first.reason)}."


def offer_changes(here: Here, image_set: ImageSet) -> None:
    """Offer to rename a set, give its scale, or remove it."""
    with st.form(f"set {image_set.id}", border=False):
        name = st.text_input("Name", image_set.name, max_chars=120)
        scale = st.number_input(
            "µm per pixel (0: unknown)",
            0.0,
            100.0,
            image_set.um_per_px or 0.0,
            0.01,
            format="%.4f",
            help="If it is given for every set of the reference and the query, nuclei are "
            "compared in µm instead of pixels.",
        )
        if clicked(
            st.form_submit_button, "Save", key=f"save {image_set.id}", disabled=here.locked
        ) and attempt(here.workspace.change_set, image_set.id, name=name, um_per_px=scale):
            st.rerun()
    sure = st.checkbox("Remove this set with its images", key=f"sure {image_set.id}")
    if clicked(
        st.button,
        "Remove",
        key=f"remove {image_set.id}",
        icon=":material/delete:",
        disabled=not sure,
    ) and attempt(here.workspace.remove_set, image_set.id):
        st.rerun()


def offer_table_out(here: Here, image_set: ImageSet) -> None:
    """Offer to remove an unreadable table; until then the images of the set are not used."""
    known = here.workspace.known_tables(image_set.id)
    for table in [name for name, content in known.items() if not content] or known:
        st.caption(
            f"Correct {table} and add it again, or remove it. Until then the images of the set are "
            "not used, because the table's content is unknown."
        )
        if clicked(
            st.button, f"Remove {table}", key=f"out {table} {image_set.id}", disabled=here.locked
        ) and attempt(here.workspace.take_out_table, image_set.id, table):
            st.rerun()


def add_files(here: Here, image_set: ImageSet) -> None:
    """Offer to drop or choose a folder; the page is redrawn once it is uploaded."""
    component(*UPLOAD)(
        key=f"upload {image_set.id}",
        data={
            "access": upload_access(here.workspace, image_set),
            "name": image_set.name,
            "hint": HINTS[image_set.role],
            "apart": APART[image_set.role],
            "named": image_set.role == REFERENCE,  # names in other sets can reveal types
            # A folder chosen on the Start page belongs to the study that began with it.
            "takes": image_set.role == REFERENCE and st.session_state.get("begun") == here.id,
            "roots": [str(root) for root in import_roots()],
            "locked": here.locked,
        },
        on_finished_change=lambda: None,
    )


@st.cache_data(max_entries=64, show_spinner=False)
def side_lengths(_dataset: Dataset, set_id: str, revision: str) -> np.ndarray:  # noqa: ARG001
    """Read the sizes of images, once per revision of their set."""
    return image_sizes(_dataset)


def describe(image_set: ImageSet, dataset: Dataset) -> str:
    """Describe in one line what a set contains."""
    sides = side_lengths(dataset, image_set.id, image_set.revision)
    size = ""
    if len(sides):
        low, high = sides.min(axis=0), sides.max(axis=0)
        size = f" · {low[0]} × {low[1]} px"
        if (low != high).any():
            size += f" to {high[0]} × {high[1]} px"
    scale = f" · {image_set.um_per_px:g} µm per pixel" if image_set.um_per_px else ""
    return f"{dataset.n_cells:,} cells in {len(dataset.files):,} files{size}{scale}"


def show_wall(here: Here, image_set: ImageSet, dataset: Dataset) -> None:
    """Show all cells of a set, a page at a time."""
    chosen = np.arange(dataset.n_cells)
    titles: Sequence[str] = [f"{image_set.role} cell"] * dataset.n_cells
    if dataset.labels is not None:
        titles = dataset.cell_labels.tolist()
        types = ["All types", *sorted(set(titles))]
        wanted = st.selectbox("Type", types, key=f"type {image_set.id}")
        if wanted != types[0]:
            chosen = np.flatnonzero(dataset.cell_labels == wanted)
    pages = -(-len(chosen) // A_PAGE)
    page = st.pagination(pages, key=f"wall {image_set.id}") if pages > 1 else 1
    shown = chosen[(min(page, pages) - 1) * A_PAGE : min(page, pages) * A_PAGE]
    pictures(
        here,
        [dataset.cells[cell] for cell in shown],
        titles=[titles[cell] for cell in shown],
        cut=False,
        role=image_set.role,
    )


def show_remarks(image_set: ImageSet, remarks: Sequence[Remark], label: str) -> None:
    """Count files by remark, kind and folder, and list them."""
    if not remarks:
        return
    with st.expander(f"{label} ({len(remarks):,})"):
        named = image_set.role == REFERENCE
        counts = [
            {"Files": one.files, "Kind": one.extension, "Folder": one.folder, "Why": one.reason}
            for one in count_passed_over(remarks, folders=named)
        ]
        table = pd.DataFrame(counts)
        # Folders can reveal types, as file names can.
        hidden = [] if named and table["Folder"].any() else ["Folder"]
        st.dataframe(
            table.drop(columns=hidden),
            hide_index=True,
            width="stretch",
            key=f"kinds {label} {image_set.id}",
        )
        if names_wanted(image_set, label):
            rows = [{"File": one.file, "Why": one.reason} for one in remarks]
            st.dataframe(
                pd.DataFrame(rows),
                hide_index=True,
                width="stretch",
                key=f"files {label} {image_set.id}",
            )


def show_duplicates(image_set: ImageSet, dataset: Dataset) -> None:
    """List files that are copies of others."""
    groups = dataset.duplicates
    if not groups:
        return
    copies = sum(len(group) - 1 for group in groups)
    with st.expander(f"Duplicates ({copies:,})"):
        st.caption("Files with the same content count as one cell; all of them get its type.")
        if names_wanted(image_set, "duplicates"):
            rows = [{"File": group[0], "Copies": ", ".join(group[1:])} for group in groups]
            st.dataframe(pd.DataFrame(rows), hide_index=True, width="stretch")


def show_sources(image_set: ImageSet, dataset: Dataset) -> None:
    """Count cells per slide and per patient, if a table names them."""
    columns = {"Slide": dataset.slide, "Patient": dataset.patient}
    known = {name: values for name, values in columns.items() if values is not None}
    if not known:
        return
    with st.expander(" and ".join(f"{name}s" for name in known).capitalize()):
        rows = pd.DataFrame({name: list(values) for name, values in known.items()})
        counted = rows.replace("", "not given").value_counts(sort=False).reset_index(name="Files")
        st.dataframe(counted, hide_index=True, width="stretch", key=f"sources {image_set.id}")


def offer_mapping(here: Here, image_set: ImageSet) -> None:
    """Offer to rename, merge or leave out types of a reference set."""
    as_sent = here.workspace.as_sent(image_set)
    if not as_sent.n_cells:
        return
    own = Counter(as_sent.cell_labels.tolist())
    asked = open_questions(image_set, own)
    show_questions(image_set, own)
    opened = len(own) == 1 or bool(asked)
    with st.expander("Types: rename, merge or leave out", expanded=opened):
        offer_level(here, image_set, as_sent.files)
        st.caption(
            "Two types that get the same name are merged. A type without a name is left out. The "
            "files are not changed."
        )
        table = pd.DataFrame(
            {
                "Type in this set": list(own),
                "Cells": list(own.values()),
                "Type in the study": [
                    image_set.mapping.get(name, "" if name in asked else name) for name in own
                ],
            }
        ).sort_values("Type in this set")
        with st.form(f"mapping {image_set.id}", border=False):
            edited = st.data_editor(
                table,
                hide_index=True,
                width="stretch",
                disabled=["Type in this set", "Cells"] if not here.locked else True,
                key=f"types {image_set.id} {image_set.revision}",
            )
            if clicked(
                st.form_submit_button,
                "Save types",
                key=f"save types {image_set.id}",
                disabled=here.locked,
            ):
                wanted = edited["Type in the study"].fillna("").str.strip()
                mapping = dict(zip(edited["Type in this set"], wanted, strict=True))
                if attempt(here.workspace.change_set, image_set.id, mapping=mapping):
                    st.rerun()
