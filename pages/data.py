"""Images of the study: added, looked at, and put in order."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace

import common
import numpy as np
import pandas as pd
import streamlit as st
import words

from celltransfer_core.data import Dataset, Remark, image_sizes
from celltransfer_core.errors import CellTransferError
from celltransfer_core.framing import find_nuclei
from celltransfer_core.plots import CAPTIONS, sizes_figure, types_figure
from celltransfer_core.studies import ImageSet, Role, load_prepared, study_config
from celltransfer_core.vocabulary import ANSWERS
from celltransfer_core.web import import_roots, upload_access

A_PAGE = 48
A_TRIAL = 24
CUT_SIZE = 104  # px: the frame must be seen
FEW = 20
BOTH = ("reference", "query")

SECTIONS: Mapping[Role, tuple[str, str]] = {
    "reference": (
        "Reference",
        "Cells with known types. Several sets, such as one a laboratory, are pooled.",
    ),
    "query": ("Query", "The cells to be typed. Nothing here looks at what their names may say."),
    "extra": (
        "Extra sets",
        (
            "Optional: more cells without labels from the query's kind of source. They steady the "
            "matching of clusters to types; they are not typed."
        ),
    ),
}
HINTS: Mapping[Role, str] = {
    "reference": (
        "One sub-folder a type; or any folder with a labels.csv (columns file, label; slide and "
        "patient if you have them)."
    ),
    "query": (
        "Any folder of images. A metadata.csv (columns file, slide, patient) gives counts a slide."
    ),
    "extra": "Any folder of images.",
}
FRAMING = {
    "auto": ("Where nuclei are found", "Cut, if at least 80 % of nuclei are found in every set."),
    "nucleus": ("Always", "Cut; cells whose nucleus is not found are left whole."),
    "none": ("Never", "Whole images, as in the paper. For unstained or live cells."),
}
COLOUR = {
    "balanced": (
        "Every cell alike",
        "Cells that are cut are lit alike, so that slides may differ in light; then as below.",
    ),
    "lab": ("Every set alike", "Each set's colours as a whole are brought to the reference's."),
    "none": ("As they are", "Each set keeps its own colours, as in the paper."),
}

space = common.workspace()
here = common.title(
    "Data",
    "Two folders of single-cell images: a reference with known types, and a query to be typed.",
)
locked = bool(here.signed)


@st.cache_data(max_entries=64, show_spinner=False)
def side_lengths(_dataset: Dataset, set_id: str, revision: str) -> np.ndarray:  # noqa: ARG001
    """Read the size of images, once a revision of their set."""
    return image_sizes(_dataset)


def as_sent(image_set: ImageSet) -> Dataset:
    """Read a set with the types that it came with."""
    return space.dataset(replace(image_set, mapping={}))


def add_files(image_set: ImageSet) -> None:
    """Offer to drop or choose a folder; the page is drawn anew once it is here."""
    common.component("upload", "upload")(
        key=f"upload {image_set.id}",
        data={
            "access": upload_access(space, image_set),
            "name": image_set.name,
            "hint": HINTS[image_set.role],
            "roots": [str(root) for root in import_roots()],
            "locked": locked,
        },
        on_finished_change=lambda: None,
    )


def offer_changes(image_set: ImageSet) -> None:
    """Offer to rename a set, say its scale, or remove it."""
    with st.form(f"set {image_set.id}", border=False):
        name = st.text_input("Name", image_set.name, max_chars=120)
        scale = st.number_input(
            "µm per pixel (0: not known)",
            0.0,
            100.0,
            image_set.um_per_px or 0.0,
            0.01,
            format="%.4f",
            help="With it for reference and query, nuclei are compared in µm, not in pixels.",
        )
        if st.form_submit_button("Save", disabled=locked) and common.say(
            space.change_set, image_set.id, name=name, um_per_px=scale
        ):
            st.rerun()
    sure = st.checkbox("Remove this set with its images", key=f"sure {image_set.id}")
    if st.button(
        "Remove", key=f"remove {image_set.id}", icon=":material/delete:", disabled=not sure
    ) and common.say(space.remove_set, image_set.id):
        st.rerun()


def describe(image_set: ImageSet, dataset: Dataset) -> str:
    """Say in a line what a set holds."""
    sides = side_lengths(dataset, image_set.id, image_set.revision)
    size = ""
    if len(sides):
        low, high = sides.min(axis=0), sides.max(axis=0)
        size = f" · {low[0]} × {low[1]} px"
        if (low != high).any():
            size += f" to {high[0]} × {high[1]} px"
    scale = f" · {image_set.um_per_px:g} µm per pixel" if image_set.um_per_px else ""
    deep = " · 16 bit, one scale for the set" if dataset.intensity else ""
    return f"{dataset.n_cells:,} cells in {len(dataset.files):,} files{size}{scale}{deep}"


def show_wall(image_set: ImageSet, dataset: Dataset) -> None:
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
    common.pictures(
        here.id,
        [dataset.cells[cell] for cell in shown],
        titles=[titles[cell] for cell in shown],
        cut=False,
        role=image_set.role,
    )


def show_remarks(image_set: ImageSet, remarks: Sequence[Remark], label: str) -> None:
    """List files and what is to be said of them."""
    if not remarks:
        return
    with st.expander(f"{label} ({len(remarks):,})"):
        reasons = Counter(remark.reason for remark in remarks)
        named = image_set.role == "reference" or st.toggle(
            "Show file names (they can tell types)", key=f"names {label} {image_set.id}"
        )
        if named:
            rows = [{"File": one.file, "Why": one.reason} for one in remarks]
        else:
            rows = [{"Why": reason, "Files": count} for reason, count in reasons.most_common()]
        st.dataframe(pd.DataFrame(rows), hide_index=True, width="stretch")


def show_duplicates(image_set: ImageSet, dataset: Dataset) -> None:
    """List files that are copies of others."""
    groups = dataset.duplicates
    if not groups:
        return
    copies = sum(len(group) - 1 for group in groups)
    with st.expander(f"Duplicates ({copies:,})"):
        st.caption("Files with the same content count as one cell; all of them get its type.")
        named = image_set.role == "reference" or st.toggle(
            "Show file names (they can tell types)", key=f"names duplicates {image_set.id}"
        )
        if named:
            rows = [{"File": group[0], "Copies": ", ".join(group[1:])} for group in groups]
            st.dataframe(pd.DataFrame(rows), hide_index=True, width="stretch")


def show_sources(image_set: ImageSet, dataset: Dataset) -> None:
    """Count cells a slide and a patient, where a table names them."""
    columns = {"Slide": dataset.slide, "Patient": dataset.patient}
    known = {name: values for name, values in columns.items() if values is not None}
    if not known:
        return
    with st.expander(" and ".join(f"{name}s" for name in known)):
        rows = pd.DataFrame({name: list(values) for name, values in known.items()})
        counted = rows.replace("", "not said").value_counts(sort=False).reset_index(name="Files")
        st.dataframe(counted, hide_index=True, width="stretch", key=f"sources {image_set.id}")


def offer_mapping(image_set: ImageSet) -> None:
    """Let a reference set's types be renamed, merged or left out."""
    own = Counter(as_sent(image_set).cell_labels.tolist())
    with st.expander("Types: rename, merge or leave out", expanded=len(own) == 1):
        st.caption(
            "Two types that get one name are merged. A type without a name is left out. The files "
            "stay as they are."
        )
        table = pd.DataFrame(
            {
                "Type in this set": list(own),
                "Cells": list(own.values()),
                "Type in the study": [image_set.mapping.get(name, name) for name in own],
            }
        ).sort_values("Type in this set")
        with st.form(f"mapping {image_set.id}", border=False):
            edited = st.data_editor(
                table,
                hide_index=True,
                width="stretch",
                disabled=["Type in this set", "Cells"] if not locked else True,
                key=f"types {image_set.id} {image_set.revision}",
            )
            if st.form_submit_button("Save types", disabled=locked):
                wanted = edited["Type in the study"].fillna("").str.strip()
                mapping = dict(zip(edited["Type in this set"], wanted, strict=True))
                if common.say(space.change_set, image_set.id, mapping=mapping):
                    st.rerun()


def show_set(image_set: ImageSet) -> None:
    """Show one set: what came in, what did not, and what can be changed."""
    with st.container(border=True):
        head, button = st.columns([5, 1], vertical_alignment="center")
        head.markdown(f"**{words.plain(image_set.name)}**")
        with button.popover("Edit", key=f"edit {image_set.id}", disabled=locked, width="stretch"):
            offer_changes(image_set)
        if not locked:
            add_files(image_set)
        try:
            dataset = space.dataset(image_set)
        except CellTransferError as error:
            st.error(str(error))
            return
        if dataset.n_cells:
            head.caption(describe(image_set, dataset))
            show_wall(image_set, dataset)
        elif dataset.left_out:
            st.warning("None of the files that came in can be used; the reasons stand below.")
        else:
            head.caption("No images yet.")
        show_remarks(image_set, dataset.left_out, "Files left out")
        show_remarks(image_set, dataset.notes, "Notes on files")
        show_duplicates(image_set, dataset)
        show_sources(image_set, dataset)
        if image_set.role == "reference" and as_sent(image_set).n_cells:
            offer_mapping(image_set)


def show_types() -> None:
    """Draw how many cells each type of the pooled reference has, and warn of few."""
    reference = space.pooled(here.id, "reference")
    if reference is None:
        return
    counts = Counter(reference.cell_labels.tolist())
    title = "Cells of each type in the reference"
    st.plotly_chart(
        types_figure(counts, common.colours(here.id), title),
        config={"displaylogo": False},
        alt=title,
    )
    st.caption(CAPTIONS["types_figure"])
    if len(counts) < 2:
        (only,) = counts
        st.warning(
            f"The reference has one type only ({words.plain(only)}); it needs two at least. If the "
            "types are folders inside that folder, remove the set and drop the inner folder."
        )
    taken = sorted({*counts} & {*ANSWERS})
    if taken:
        st.warning(
            f"Also the name of an answer to a cell or a cluster: {', '.join(taken)}. Rename such a "
            "type, or leave it out."
        )
    few = [f"{words.plain(name)} ({count})" for name, count in counts.items() if count < FEW]
    if few:
        st.warning(
            f"Under {FEW} cells: {', '.join(sorted(few))}. So few are learned badly; add cells, "
            "merge the type with another, or leave it out."
        )


def show_section(role: Role) -> None:
    """Show all sets of a role, and offer another one."""
    heading, what = SECTIONS[role]
    st.header(heading)
    st.caption(what)
    sets = space.sets(here.id, role)
    for image_set in sets:
        show_set(image_set)
    if role == "reference":
        show_types()
    if locked or (role == "query" and sets):
        return
    with (
        st.popover(f"Add a set to {heading.lower()}", icon=":material/add:"),
        st.form(f"add {role}", border=False),
    ):
        name = st.text_input("Its name", placeholder="Such as: site B", max_chars=120)
        if st.form_submit_button("Add") and common.say(space.add_set, here.id, role, name):
            st.rerun()


def choose(option: str, label: str, choices: Mapping[str, tuple[str, str]], now: str) -> None:
    """Let one option of the study be chosen; it is kept at once."""
    key = f"{option} {now}"  # chosen elsewhere, it is shown anew and not written back

    def keep() -> None:
        options = {**space.study(here.id).options, option: st.session_state[key]}
        common.say(space.set_options, here.id, options)

    st.radio(
        label,
        list(choices),
        index=list(choices).index(now),
        format_func=lambda name: choices[name][0],
        captions=[says for _, says in choices.values()],
        disabled=locked,
        key=key,
        on_change=keep,
    )


def show_framing() -> None:
    """Show where each cell is cut, and let that be switched off."""
    st.header("Framing and colour")
    st.caption(
        "So that cells from two microscopes look alike to an encoder, each is cut to a square "
        "around its stained nucleus. The frame shows what is kept."
    )
    config = study_config(space, here)
    cut, colour = st.columns(2)
    with cut:
        choose("framing", "Cut around the nucleus", FRAMING, config.framing)
    with colour:
        choose("colour", "Colours", COLOUR, config.colour)
    sets = {role: found for role in BOTH if (found := space.pooled(here.id, role)) is not None}
    if not sets:
        st.info("Add images to see what framing does to them.")
        return
    prepared = load_prepared(space, here.id)
    if prepared is not None and prepared.framing.nuclei:
        st.markdown(f"Decided: {words.plain(prepared.framing.reason)}.")
        extents = {
            role: np.where(found.found, found.extent, np.nan)
            for role, found in prepared.framing.nuclei.items()
        }
        title = "Extent of the nuclei"
        st.plotly_chart(
            sizes_figure(extents, title, "extent, px"), config={"displaylogo": False}, alt=title
        )
        st.caption(CAPTIONS["sizes_figure"])
    for role, dataset in sets.items():
        if prepared is not None and role in prepared.framing.nuclei:
            cells, found = np.arange(dataset.n_cells), prepared.framing.nuclei[role].found
            scope = "all cells"
        else:
            cells = np.unique(np.linspace(0, dataset.n_cells - 1, A_TRIAL).astype(int))
            with st.spinner("Looking for nuclei…"):
                found = find_nuclei(dataset.take(cells), space.cache, workers=1).found
            scope = f"a trial on {len(cells)} cells"
        show_cuts(role, dataset, cells, found, scope)


def show_cuts(
    role: str, dataset: Dataset, cells: np.ndarray, found: np.ndarray, scope: str
) -> None:
    """Show cells of one set with the frame of their cut, those without a nucleus on demand."""
    missing = cells[~found]
    st.markdown(
        f"**{SECTIONS[role][0]}**: nucleus found in {int(found.sum()):,} of {len(found):,} cells "
        f"({scope})"
    )
    shown = cells
    if len(missing) and st.toggle(
        f"Only the {len(missing):,} without a nucleus", key=f"missing {role}"
    ):
        shown = missing
    pages = -(-len(shown) // A_TRIAL)
    page = st.pagination(pages, key=f"cuts {role}") if pages > 1 else 1
    start = (min(page, pages) - 1) * A_TRIAL
    common.pictures(
        here.id,
        [dataset.cells[cell] for cell in shown[start : start + A_TRIAL]],
        titles=[f"{role} cell with its cut"] * A_TRIAL,
        size=CUT_SIZE,
        outline=True,
        role=role,
    )


if not locked:
    for needed in BOTH:
        if not space.sets(here.id, needed):
            common.say(space.add_set, here.id, needed, SECTIONS[needed][0])
for section in SECTIONS:
    show_section(section)
show_framing()
if {"reference", "query"} <= space.filled(here.id):
    words.following("embeddings", "Go on to embeddings")
else:
    st.info("Next: add images to the reference and to the query.")
