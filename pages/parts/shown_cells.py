"""The cells that the Cells page shows, from the result, the answers and the filters."""

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import streamlit as st

from celltransfer_core.people import Review, wait_for_blind
from celltransfer_core.pipeline import (
    CellFacts,
    RunResult,
    cell_facts,
    faults_of,
    fitting_cells,
    likeness,
    sort_cells,
)
from parts.filters import LETTERS, View, unpack_cells
from parts.here import Here


@dataclass(frozen=True)
class Shown:
    """What a reader sees."""

    here: Here
    run: RunResult
    reviews: Sequence[Review]
    facts: CellFacts
    view: View
    waiting: np.ndarray
    """Query cells that wait for a blind answer; they can be typed only on the Review page."""
    cells: np.ndarray
    """The query cells shown, in order."""
    left_out: int
    """Matching cells that are not shown because they wait for a blind answer."""
    moved: bool
    """Whether later answers would change the order of the cells."""
    can_answer: bool
    """Whether answers can be given: only to the current result of an unsigned study."""

    def find(self, letters: str) -> int | None:
        """Return the cell whose hash begins with some letters."""
        return find_cell(self.run, letters)


def find_cell(run: RunResult, letters: str) -> int | None:
    """Return the query cell whose hash begins with some letters, or None."""
    at = bisect_left(run.query.cells, letters)
    found = letters and at < run.query.n_cells and run.query.cells[at].startswith(letters)
    return at if found else None


def letters_of(run: RunResult, cell: int) -> str:
    """Return the letters that stand for a query cell in an address."""
    return run.query.cells[cell][:LETTERS]


def shown_cells(
    here: Here, run: RunResult, reviews: Sequence[Review], view: View, *, present: bool
) -> Shown:
    """Find the cells to show, in order."""
    facts, waiting = _facts(here, run, reviews)
    fits = fitting_cells(facts, view.wanted)
    if view.only:
        only = unpack_cells(view.only, len(fits))
        fits &= False if only is None else only
    shown = fits if view.blind else fits & ~waiting
    pinned = find_cell(run, view.pin)
    alike = None if pinned is None else likeness(run.features, pinned)
    fresh = sort_cells(facts, np.flatnonzero(shown), view.order, alike)
    cells = _steady(here, run, view, fresh)
    return Shown(
        here,
        run,
        reviews,
        facts,
        view,
        waiting,
        cells,
        left_out=int((fits & ~shown).sum()),
        moved=not np.array_equal(cells, fresh),
        can_answer=present and not here.locked,
    )


def _facts(here: Here, run: RunResult, reviews: Sequence[Review]) -> tuple[CellFacts, np.ndarray]:
    """Collect the facts about the cells, once per state of the vote and its answers."""
    second = st.session_state.get("reading") == "second"
    made_of = (here.id, here.reader, second, here.locked, run.config, tuple(reviews))
    kept = st.session_state.get("cells facts")
    if kept is None or kept[0] is not run.vote or kept[1] != made_of:
        earlier = kept and kept[2][0]
        same = earlier is not None and earlier.query is run.query
        facts = cell_facts(run, reviews, here.reader, earlier.faults if same else faults_of(run))
        counted = [one for one in reviews if one.reader == here.reader or not second]
        waiting = wait_for_blind(run.query.cells, counted, seed=run.config.seed)
        if here.locked:  # no more questions are asked
            waiting = np.zeros_like(waiting)
        kept = st.session_state["cells facts"] = (run.vote, made_of, (facts, waiting))
    return kept[2]


def _steady(here: Here, run: RunResult, view: View, fresh: np.ndarray) -> np.ndarray:
    """Keep the order of cells while they are answered; new matches are added at the end."""
    shown = (here.id, view.choice, run.query.cells)
    kept = st.session_state.get("cells order kept")
    cells = fresh
    if kept is not None and kept[0] == shown:
        still = kept[1][np.isin(kept[1], fresh)]
        cells = np.concatenate([still, fresh[~np.isin(fresh, still)]])
    st.session_state["cells order kept"] = (shown, cells)
    return cells


def tell_lost(shown: Shown) -> None:
    """Show what an address asks for that this query does not contain."""
    view, cells = shown.view, shown.run.query.n_cells
    lost = {
        "The pinned cell is not in this query: cells are sorted by agreement. Pin another one.": (
            view.pin and shown.find(view.pin) is None
        ),
        "The cell in this address is not in this query. Open another one.": (
            view.cell and shown.find(view.cell) is None
        ),
        "The cells selected in this address are from another query. Remove that filter.": (
            view.only and unpack_cells(view.only, cells) is None
        ),
    }
    for sentence, is_so in lost.items():
        if is_so:
            st.warning(sentence, icon=":material/link_off:")


def sort_anew() -> None:
    """Sort the cells again by their current values."""
    st.session_state.pop("cells order kept", None)
