"""The reference check on the Data page: suspected label errors, each resolved with one key."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import streamlit as st

from celltransfer_core.errors import CellTransferError
from celltransfer_core.outputs import check_table, csv_bytes, labels_table
from celltransfer_core.pipeline import ReferenceCheck
from celltransfer_core.studies import (
    LABEL,
    Decision,
    check_path,
    current_job,
    label_decisions,
    label_payload,
    load_check,
    load_prepared,
    mended_cells,
)
from celltransfer_core.vocabulary import REFERENCE
from parts import text
from parts.here import Here, readable
from parts.pictures import large_chip, picture_source, typed_tiles
from parts.reader import ask_outside, when_named
from parts.study_types import colours
from parts.takeaways import file_name
from parts.work import at_work, offer_work

PICTURE = 640  # px
TILE = 84  # px
WIDE, NARROW = 560, 330  # px; side by side where both fit

LEFT_OUT = "left out"

_WHY = {
    "duplicate": "A nearly identical image has another label: one of the two is wrong.",
    "label": "The other cells of the reference suggest another type.",
    "no nucleus": "No stained nucleus was found in the image.",
    "blurred": "The image is more blurred than nearly all others of the set.",
    "dark": "The image is darker than nearly all others of the set.",
    "bright": "The image is brighter than nearly all others of the set.",
    "cut off": "The cell is cut off at the border of its image.",
    "outlier": (
        "It is unlike all other cells: possibly an artefact, two cells, or another kind of image."
    ),
}


@dataclass
class _Reading:
    """Position of a reader in the list."""

    owner: tuple[object, ...]
    place: int = 0
    shown: str = ""
    """The cell that was last displayed."""
    problem: str = ""
    """Why a decision could not be saved."""


def show_reference_check(here: Here) -> None:
    """Show the results of the reference check, or offer to run it."""
    reference = readable(here, REFERENCE)
    if reference is None or len({*(reference.labels or ())}) < 2:
        return
    st.header("Check of the reference")
    st.caption(
        "Each cell's label is compared with what the other cells of the reference suggest; the "
        "most suspicious labels come first. Wrong labels reduce accuracy in every later step."
    )
    found = load_check(here.workspace, here.id)
    if found is not None:
        _go_through(here)
        return
    job = current_job(here.workspace, here.id)
    if job and job.active:  # the page shows it, once
        st.caption("It can start when the work above has finished.")
        return
    if job and job.target == "check":
        at_work(here, done=False)
    offer_work(here, "check", "Check the reference", aside=True)


@st.fragment
def _go_through(here: Here) -> None:
    """Show cells one by one; a decision redraws only this part."""
    ask_outside()
    with here.workspace.one_look():
        found = load_check(here.workspace, here.id)
        if found is None:  # somebody changed the reference in the meantime
            st.rerun(scope="app")
        said = label_decisions(here.workspace, here.id)
        cells = found.suspects.tolist()
        _show_counts(found, cells, said)
        if cells:
            _show_cell(here, found, cells, said)
        _offer_tables(here, found, cells, said)


def _show_counts(found: ReferenceCheck, cells: Sequence[int], said: Mapping[str, Decision]) -> None:
    hashes = {found.reference.cells[cell] for cell in cells}
    seen = len(hashes & said.keys())
    if not cells:
        st.success(
            f"0 of {text.count(found.reference.n_cells, 'cell')} need a check: no label is "
            "suspicious, and no cell is unlike all others.",
            icon=":material/done_all:",
        )
    else:
        st.markdown(
            f"**{len(cells):,} of {text.count(found.reference.n_cells, 'cell')} should be "
            f"checked**; you and others have checked {seen:,} of them."
        )
    if torn := len(found.contradictions):
        st.caption(
            f"{text.count(torn, 'file')} more: the same image appears under several types and is "
            "left out. These files are listed above with the files left out."
        )
    own = dict(zip(found.reference.cells, found.reference.cell_labels.tolist(), strict=True))
    given = {cell: one.payload["type"] for cell, one in said.items() if cell in own}
    mended = sum(bool(label) and label != own[cell] for cell, label in given.items())
    out = sum(not label for label in given.values())
    if mended or out:
        st.caption(
            f":material/build: {text.count(mended, 'label')} mended, {text.count(out, 'cell')} "
            "left out. They count from now on: clusters and what follows are to be computed "
            "again, embeddings are not."
        )


def _reading(here: Here) -> _Reading:
    owner = (here.id, here.reader, check_path(here.workspace, here.id))
    reading: _Reading | None = st.session_state.get("reference check")
    if reading is None or reading.owner != owner:
        reading = st.session_state["reference check"] = _Reading(owner)
    return reading


def _show_cell(
    here: Here, found: ReferenceCheck, cells: Sequence[int], said: Mapping[str, Decision]
) -> None:
    reading, hashes = _reading(here), [found.reference.cells[cell] for cell in cells]
    if reading.place >= len(cells):
        left = sum(sha not in said for sha in hashes)
        st.success(
            f"This is the end of the list; {text.count(left, 'cell')} "
            f"{'is' if left == 1 else 'are'} undecided.",
            icon=":material/done_all:",
        )
        _show_ways(here, hashes, said)
        return
    cell, sha = cells[reading.place], hashes[reading.place]
    reading.shown = sha
    with st.container(border=True, horizontal=True, gap="medium"):
        with st.container(width=WIDE):
            coming = hashes[reading.place + 1 : reading.place + 3]
            _show_pictures(here, sha, coming)
            _show_choices(here, found, cell, hashes, said)
            _show_ways(here, hashes, said)
        with st.container(width=NARROW):
            _show_reason(here, found, cell, reading.place, len(cells), said.get(sha))
            _show_neighbours(here, found, cell, said)


def _show_pictures(here: Here, sha: str, coming: Sequence[str]) -> None:
    """Show a cell framed, if its frame is known, and whole; load the next ones."""
    prepared = load_prepared(here.workspace, here.id)
    framed = prepared is not None and prepared.framing.framed
    views = [("Whole image, original colours", {"outline": framed})]
    if framed:
        views.insert(0, ("As the encoders see it", {"cut": True, "as_seen": True}))
    figures = "".join(
        "<figure style='margin:0;flex:1 1 200px;max-width:270px'>"
        f"<img src='{picture_source(here, sha, PICTURE, REFERENCE, **how)}' alt='{label}' "
        "style='width:100%;aspect-ratio:1;object-fit:contain;border-radius:6px;"
        "background:#8881'>"
        f"<figcaption style='font-size:.85rem;opacity:.8'>{label}</figcaption></figure>"
        for label, how in views
    )
    ahead = "".join(
        f"<img src='{picture_source(here, one, PICTURE, REFERENCE, **how)}' alt='' "
        "style='display:none'>"
        for one in coming
        for _, how in views
    )
    st.html(f"<div style='display:flex;gap:12px;flex-wrap:wrap'>{figures}{ahead}</div>")


def _show_reason(
    here: Here, found: ReferenceCheck, cell: int, place: int, of: int, said: Decision | None
) -> None:
    label, proposed = str(found.reference.cell_labels[cell]), found.proposed[cell]
    shares = found.probabilities[cell]
    st.caption(f"{place + 1:,} of {of:,}, the most suspicious first")
    large_chip(label, colours(here), rem=1.25, weight=600)
    st.markdown(" ".join(["is its label.", *(_WHY[reason] for reason in found.reasons[cell])]))
    own = 100 * shares[found.types.index(label)]
    if proposed != label:
        st.markdown(
            f"Proposed: **{text.plain(proposed)}**, {100 * shares.max():.1f} %; "
            f"{text.plain(label)} {own:.1f} %."
        )
    else:
        st.markdown(f"The other cells suggest {text.plain(label)} too, {own:.1f} %.")
    if said is not None:
        given = said.payload["type"]
        now = f"**{text.plain(given)}**" if given else "**left out**"
        st.markdown(f"Decided: {now} ({text.plain(said.who)}, {text.when(said.at)}).")
    st.caption(text.plain(found.reference.first_file[cell]))


def _show_neighbours(
    here: Here, found: ReferenceCheck, cell: int, said: Mapping[str, Decision]
) -> None:
    st.caption("Most similar in the reference, with their labels")
    near = found.neighbours[cell].tolist()
    hashes = [found.reference.cells[one] for one in near]
    names = [str(found.reference.cell_labels[one]) for one in near]
    for number, sha in enumerate(hashes):
        if sha in said:
            names[number] = said[sha].payload["type"] or LEFT_OUT
    typed_tiles(here, hashes, names, colours(here), TILE)


def _show_choices(
    here: Here,
    found: ReferenceCheck,
    cell: int,
    hashes: Sequence[str],
    said: Mapping[str, Decision],
) -> None:
    """Offer one button and key for each possible decision."""
    sha, label = found.reference.cells[cell], str(found.reference.cell_labels[cell])
    proposed = found.proposed[cell]
    other = proposed != label
    choices = [
        (f"Accept: {text.plain(proposed)}" if other else "No other type", "A", proposed, "check"),
        (f"Keep: {text.plain(label)}", "K", label, "keep"),
        ("Leave out", "L", "", "block"),
    ]
    # The decision is highlighted or, before there is one, the proposal.
    given = said[sha].payload["type"] if sha in said else proposed
    with st.container(horizontal=True):
        for name, key, to, icon in choices:
            st.button(
                name,
                key=f"check {key}",
                shortcut=key,
                icon=f":material/{icon}:",
                type="primary" if given == to and (other or key != "A") else "secondary",
                on_click=_decide,
                args=(here, sha, label, to, hashes),
                disabled=here.locked or (key == "A" and not other),
            )
        with st.popover("Another type", icon=":material/edit:", disabled=here.locked):
            for name in found.types:
                st.button(
                    text.plain(name),
                    key=f"check type {name}",
                    on_click=_decide,
                    args=(here, sha, label, name, hashes),
                    width="stretch",
                )


def _show_ways(here: Here, hashes: Sequence[str], said: Mapping[str, Decision]) -> None:
    """Offer to go back, to go on, and to undo."""
    reading = _reading(here)
    with st.container(horizontal=True):
        st.button(
            "Back",
            key="check B",
            shortcut="B",
            icon=":material/arrow_back:",
            on_click=_turn,
            args=(here, reading.place - 1),
            disabled=reading.place == 0,
        )
        st.button(
            "Skip",
            key="check S",
            shortcut="S",
            icon=":material/skip_next:",
            on_click=_turn,
            args=(here, reading.place + 1),
            disabled=reading.place >= len(hashes),
        )
        st.button(
            "Undo my last",
            key="check Z",
            shortcut="Z",
            icon=":material/undo:",
            on_click=_undo,
            args=(here, hashes),
            disabled=here.locked or not any(one.who == here.reader for one in said.values()),
        )
    if reading.problem:
        st.error(text.sentence(reading.problem))
        reading.problem = ""


def _turn(here: Here, place: int) -> None:
    _reading(here).place = max(0, place)


def _decide(here: Here, sha: str, label: str, to: str, hashes: Sequence[str]) -> None:
    """Save a decision on a label, and go to the next cell without a decision."""
    reading = _reading(here)
    if not here.reader:
        when_named(lambda name: _decide(here.of(name), sha, label, to, hashes))
        return
    if reading.shown != sha:  # a key pressed twice applies once, to the visible cell
        return
    seen = st.session_state.get("pulse", "")
    try:
        # A reader's own decision need not redraw the whole page.
        st.session_state["pulse"] = here.workspace.decide_unseen(
            here.id, LABEL, [label_payload(sha, label, to)], here.reader, seen
        )
    except CellTransferError as error:
        reading.problem = str(error)
        return
    said = label_decisions(here.workspace, here.id)
    reading.shown = ""
    reading.place += 1
    while reading.place < len(hashes) and hashes[reading.place] in said:
        reading.place += 1


def _undo(here: Here, hashes: Sequence[str]) -> None:
    """Undo the reader's last decision, and show that cell again."""
    reading = _reading(here)
    try:
        undone = here.workspace.undo(here.id, LABEL, here.reader)
    except CellTransferError as error:
        reading.problem = str(error)
        return
    if undone and (sha := undone[-1].payload["cell"]) in hashes:
        reading.place = hashes.index(sha)


def _offer_tables(
    here: Here, found: ReferenceCheck, cells: Sequence[int], said: Mapping[str, Decision]
) -> None:
    """List the doubtful cells, and offer everything as tables."""
    with st.expander(f"List ({len(cells):,})"):
        if cells:
            st.dataframe(_listed(found, cells, said), hide_index=True, width="stretch")
        with st.container(horizontal=True):
            st.download_button(
                "All cells and decisions (CSV)",
                lambda: csv_bytes(check_table(found, mended_cells(here.workspace, here.id))),
                file_name(here, "reference_check.csv"),
                key="check CSV",
                icon=":material/download:",
                on_click="ignore",
            )
            if len(here.workspace.sets(here.id, REFERENCE)) == 1:
                st.download_button(
                    "Corrected labels (labels.csv)",
                    lambda: csv_bytes(labels_table(here.pooled(REFERENCE))),
                    "labels.csv",
                    key="check labels",
                    icon=":material/download:",
                    on_click="ignore",
                    help="Put it beside the images of the reference: the command line then "
                    "uses these labels.",
                )


def _listed(
    found: ReferenceCheck, cells: Sequence[int], said: Mapping[str, Decision]
) -> pd.DataFrame:
    reference, rows = found.reference, np.asarray(cells)
    decided = [said.get(reference.cells[cell]) for cell in cells]
    return pd.DataFrame(
        {
            "File": [reference.first_file[cell] for cell in cells],
            "Label": reference.cell_labels[rows],
            "Proposed": [found.proposed[cell] for cell in cells],
            "Probability": found.probabilities[rows].max(axis=1).round(2),
            "Why": [", ".join(found.reasons[cell]) for cell in cells],
            "Decided": [one and (one.payload["type"] or LEFT_OUT) for one in decided],
            "By": [one and one.who for one in decided],
        }
    )
