"""Warnings on doubtful images of a study, shown above its pictures on the Data page."""

from collections.abc import Sequence

import pandas as pd
import streamlit as st

from celltransfer_core.data import (
    Dataset,
    Overlap,
    Suspicion,
    count_unseen,
    find_repeated,
    find_shared,
    find_suspicions,
)
from celltransfer_core.errors import CellTransferError
from celltransfer_core.studies import ImageSet
from celltransfer_core.vocabulary import QUERY, REFERENCE
from parts import text
from parts.file_names import ask_for_names, names_wanted
from parts.here import Here
from parts.pictures import picture_source, pictures

SOME = 24
PAIRS = 24
SIDE = 88  # px: large enough to see whether two cells are the same

NEARLY = (
    "{count} are near-duplicates of another one: the same cell saved, cropped or photographed "
    "twice. If they make a type look larger than it is, keep only one of each."
)
SHARED = (
    "{count} are also in the reference ({how}). Their own copies determine their type, and "
    "accuracy measured on them would be too high: Evaluate leaves them out. Use a query without "
    "them if you can."
)


def show_suspicions(here: Here, image_set: ImageSet, dataset: Dataset) -> None:
    """Show images of a set that are probably not one whole cell, and what to do."""
    other = _read(here, QUERY if image_set.role == REFERENCE else REFERENCE)
    key = (image_set.id, image_set.revision, _key(dataset), _key(other), len(dataset.left_out))
    for number, one in enumerate(_suspicions(dataset, other, key)):
        st.warning(text.sentence(one.what), icon=":material/warning:")
        with st.expander(f"Show ({len(one.files):,})"):
            if one.cells:
                pictures(here, one.cells[:SOME], cut=False, role=image_set.role)
            if len(one.cells) > SOME:
                st.caption(f"The first {SOME} of {len(one.cells):,}.")
            if names_wanted(image_set, f"doubt {number}"):
                st.dataframe(
                    pd.DataFrame({"File": one.files}),
                    hide_index=True,
                    width="stretch",
                    key=f"doubted {number} {image_set.id}",
                )
    if unseen := count_unseen(dataset):
        st.caption(
            f"{text.count(unseen, 'image')} came in with an earlier version and were not checked "
            "for masks, cut-outs and repeated cells. To check them, remove the set and add its "
            "folder again."
        )


def show_overlap(here: Here) -> None:
    """Show cells that are in both reference and query, or almost identical cells within one."""
    sets = {role: found for role in (REFERENCE, QUERY) if (found := _read(here, role))}
    with st.spinner("Looking for repeated cells…"):
        repeated = {r: _repeated(d, (here.id, _key(d))) for r, d in sets.items()}
        shared = None
        if len(sets) == 2:
            key = (here.id, *map(_key, sets.values()))
            shared = _shared(sets[REFERENCE], sets[QUERY], key)
    if not shared and not any(map(len, repeated.values())):
        return
    st.header("Repeated cells")
    if shared:
        count = f"{len(shared):,} of {sets[QUERY].n_cells:,} query cells"
        st.warning(SHARED.format(count=count, how=shared.how), icon=":material/warning:")
        show_pairs(here, "Reference and query", shared, sets, (REFERENCE, QUERY))
    for role, found in repeated.items():
        if len(found):
            count = f"{len(found):,} of {sets[role].n_cells:,} cells of the {role}"
            st.markdown(NEARLY.format(count=count))
            show_pairs(here, f"Within the {role}", found, sets, (role, role))


def show_pairs(
    here: Here,
    label: str,
    found: Overlap,
    sets: dict[str, Dataset],
    roles: tuple[str, str],
) -> None:
    """Show pairs of cells side by side, a page at a time, and their files on demand."""
    with st.expander(f"{label} ({text.count(len(found), 'pair')})"):
        pages = -(-len(found) // PAIRS)
        page = st.pagination(pages, key=f"pairs {label}") if pages > 1 else 1
        start = (min(page, pages) - 1) * PAIRS
        shown = found.pairs[start : start + PAIRS].tolist()
        st.html(
            "<div style='display:flex;flex-wrap:wrap;gap:14px'>"
            + "".join(
                _pair(
                    here, [sets[role].cells[c] for role, c in zip(roles, pair, strict=True)], roles
                )
                for pair in shown
            )
            + "</div>"
        )
        if QUERY not in roles or ask_for_names(f"names {label}"):
            rows = [
                {
                    title: sets[role].first_file[cell]
                    for title, role, cell in zip(_titles(roles), roles, pair, strict=True)
                }
                for pair in shown
            ]
            st.dataframe(pd.DataFrame(rows), hide_index=True, width="stretch", key=f"files {label}")


def _titles(roles: tuple[str, str]) -> tuple[str, str]:
    first, second = (role.capitalize() for role in roles)
    return (first, second) if first != second else ("Cell", "Repeated by")


def _pair(here: Here, cells: Sequence[str], roles: Sequence[str]) -> str:
    images = "".join(
        f"<img src='{picture_source(here, cell, 2 * SIDE, role, cut=False)}' width='{SIDE}' "
        f"height='{SIDE}' loading='lazy' alt='{role} cell' title='{role} cell' "
        "style='object-fit:contain;border-radius:4px;background:#8881'>"
        for cell, role in zip(cells, roles, strict=True)
    )
    return f"<div style='display:flex;gap:2px'>{images}</div>"


def _read(here: Here, role: str) -> Dataset | None:
    """Return the cells of a role; None while one of its sets cannot be read, which shows why."""
    try:
        found = here.pooled(role)
    except CellTransferError:
        return None
    return found if found is not None and found.n_cells else None


def _key(dataset: Dataset | None) -> tuple[str, str]:
    """Return a key of a set: its cells, pixel size and how many cells were examined."""
    if dataset is None:
        return "", ""
    return dataset.fingerprint, f"{dataset.scales} {len(dataset.looks or ())}"


@st.cache_data(max_entries=64, show_spinner=False)
def _suspicions(
    _dataset: Dataset,
    _other: Dataset | None,
    key: tuple[object, ...],  # noqa: ARG001
) -> tuple[Suspicion, ...]:
    return find_suspicions(_dataset, _other)


@st.cache_data(max_entries=16, show_spinner=False)
def _shared(_first: Dataset, _second: Dataset, key: tuple[object, ...]) -> Overlap:  # noqa: ARG001
    return find_shared(_first, _second)


@st.cache_data(max_entries=16, show_spinner=False)
def _repeated(_dataset: Dataset, key: tuple[object, ...]) -> Overlap:  # noqa: ARG001
    return find_repeated(_dataset)
