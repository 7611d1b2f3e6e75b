"""Data page: add, inspect and organise the images of the study."""

from collections import Counter
from collections.abc import Mapping

import streamlit as st

from celltransfer_core.data import answer_named
from celltransfer_core.plots import CAPTIONS, types_figure
from celltransfer_core.studies import Role
from celltransfer_core.vocabulary import QUERY, REFERENCE, and_more
from parts import text
from parts.batches import add_cells
from parts.clicks import clicked
from parts.framing import show_framing
from parts.full_list import show_full_list
from parts.here import Here, attempt, open_page, readable
from parts.image_set import show_set
from parts.looks import show_overlap
from parts.must_find import choose_must_find
from parts.navigation import TASKS, go, lead_to_next, main_button, next_step
from parts.next_slides import offer_finished
from parts.reference_check import show_reference_check
from parts.sample import show_sample
from parts.study_types import colours, has_labels, unused_types
from parts.work import at_work, begin, state_of

FEW = 20

SECTIONS: Mapping[Role, tuple[str, str]] = {
    "reference": (
        "Reference",
        "Cells with known types. Several sets, for example one per laboratory, are pooled.",
    ),
    "query": (
        "Query",
        "The cells to be typed. Their file and folder names are never used for typing.",
    ),
    "extra": (
        "Extra sets",
        (
            "Optional: more unlabelled cells from the same kind of source as the query. They make "
            "the matching of clusters to types more reliable; they are not typed."
        ),
    ),
}


def show_types(here: Here) -> None:
    """Draw how many cells each type of the pooled reference has, and warn if there are few."""
    reference = readable(here, REFERENCE)
    if reference is None:
        return
    every_type = sorted({*reference.cell_labels.tolist()})
    counts = Counter(here.used(REFERENCE).cell_labels.tolist())
    title = "Cells of each type in the reference"
    st.plotly_chart(
        types_figure(counts, colours(here), title),
        config={"displaylogo": False},
        alt=title,
    )
    st.caption(CAPTIONS["types_figure"])
    if here.nearest:
        told = f"Only cells of {text.plain(here.nearest.alone)}, the set that is used alone."
        if unused := unused_types(here):
            told += f" The other sets also have {text.listed(unused)}."
        st.caption(told)
    show_full_list("All types", dict(sorted(counts.items())))
    choose_must_find(here, every_type)
    if len(counts) < 2:
        (only,) = counts
        st.warning(
            f"The reference has only one type ({text.plain(only)}); it needs at least two. If the "
            "types are sub-folders of that folder, choose their level under Types."
        )
    if taken := sorted(filter(answer_named, every_type)):
        st.warning(
            f"Reserved name used as a cell type: {text.listed(taken)}. Rename this type or leave "
            "it out."
        )
    few = sorted(f"{text.plain(name)} ({count})" for name, count in counts.items() if count < FEW)
    if few:
        st.warning(
            f"Fewer than {FEW} cells: {and_more(few)}. Types this small are learned poorly; add "
            "cells, merge the type with another, or leave it out."
        )


def show_section(here: Here, role: Role) -> None:
    """Show all sets of a role, and offer to add another one."""
    heading, what = SECTIONS[role]
    st.header(heading)
    st.caption(what)
    sets = here.workspace.sets(here.id, role)
    for image_set in sets:
        show_set(here, image_set)
    if role == REFERENCE:
        show_types(here)
    elif role == QUERY and has_labels(here.workspace, here.id):
        st.info(
            "The query's folders or tables contain type names. They are not used for typing; "
            "**Evaluate** can use them to measure accuracy.",
            icon=":material/visibility_off:",
        )
    if here.locked or (role == QUERY and sets):
        return
    with st.popover(f"Add a {heading.lower()} set", icon=":material/add:"):
        with st.form(f"add {role}", border=False):
            name = st.text_input(
                "Name of the set", placeholder="For example: site B", max_chars=120
            )
            if clicked(st.form_submit_button, "Add", key=f"add set {role}") and attempt(
                here.workspace.add_set, here.id, role, name
            ):
                st.rerun()
        if role == REFERENCE:
            offer_finished(here)


def go_on(here: Here) -> None:
    """Offer to type the cells in one go; if that is done, lead on to the next step."""
    filled = {REFERENCE, QUERY} <= here.workspace.filled(here.id)
    if not filled:
        st.info("Next: add images to the reference and to the query.")
    elif not (readable(here, REFERENCE) and readable(here, QUERY)):
        st.info("Next: resolve the problem shown above for the set that cannot be read yet.")
    elif next_step(here.study).page != "data":
        lead_to_next(here.study, "data")
    elif main_button(TASKS["data"], key="type my cells", disabled=here.locked) and begin(
        here, "classify"
    ):
        go("matches")


here = open_page(
    "Data",
    "Two folders of single-cell images: a reference with known types, and a query to be typed.",
)
if not here.locked:
    for role in (REFERENCE, QUERY):
        if not here.workspace.sets(here.id, role):
            attempt(here.workspace.add_set, here.id, role, SECTIONS[role][0])
at_work(here, done=state_of(here, "classify") in ("done", "waiting"))
for column, role in zip(st.columns(2, gap="medium"), (REFERENCE, QUERY), strict=True):
    with column:
        show_section(here, role)
show_sample(here)
others = here.workspace.sets(here.id, "extra")
with st.expander("Extra sets, without labels (optional)", expanded=bool(others)):
    show_section(here, "extra")
add_cells(here)
show_overlap(here)
show_framing(here)
show_reference_check(here)
go_on(here)
