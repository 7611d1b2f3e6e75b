"""State of a reader on the Review page, and the actions of their keys."""

import time
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field

import numpy as np
import streamlit as st

from celltransfer_core.errors import CellTransferError
from celltransfer_core.people import ReviewQueue
from celltransfer_core.studies import BATCH_REVIEW, HELD, now, review_payloads
from parts.here import Here
from parts.reader import when_named
from parts.study_types import typed_name


@dataclass
class Desk:
    """Cells shown to one reader; they stay until answered, regardless of other readers."""

    owner: tuple[object, ...]
    """Study, reader, and the cells they chose."""
    kind: str = "review"
    """Kind of the decisions in which answers are saved."""
    past: list[tuple[str, bool]] = field(default_factory=list)
    """Cells (hash, blind) shown so far."""
    place: int = 0
    """Position of the reader among them; at the end unless going back."""
    current: tuple[str, bool] | None = None
    left: tuple[str, bool] | None = None
    """The cell that was shown when the reader went back."""
    shown: str | None = None
    """The cell that was last displayed."""
    taken: Sequence[str] = ()
    """Cells reserved for this reader."""
    renew: float = 0.0
    """When the reservation must be renewed."""
    chances: dict[str, float] = field(default_factory=dict)
    """Probabilities with which the queue drew the cells shown, until they are answered."""
    elsewhere: bool = False
    """Whether all remaining cells are being shown to other readers."""
    problem: str = ""
    """Why an answer could not be saved."""

    @property
    def at_end(self) -> bool:
        """Whether the reader is at the queue's next cell rather than going back."""
        return self.place >= len(self.past)

    def turn_to(self, place: int) -> None:
        """Go to a position; its cell is displayed next."""
        self.place = place
        self.current = self.shown = None

    def keep(self, cells: Collection[str]) -> None:
        """Forget cells that were shown but whose images have been removed or replaced since."""
        self.place = sum(cell in cells for cell, _ in self.past[: self.place])
        self.past = [one for one in self.past if one[0] in cells]


def desk_of(here: Here) -> Desk:
    """Return the reader's desk, or an empty one if they chose other cells."""
    state = st.session_state
    batch = state.get("batch") or ""
    chosen = state.get("order"), str(state.get("which")), state.get("reading") or "shared"
    owner = (here.id, here.reader, *((batch,) if batch else chosen))
    desk: Desk | None = state.get("desk")
    if desk is None or desk.owner != owner:
        desk = state["desk"] = Desk(owner, BATCH_REVIEW if batch else "review")
    return desk


def keep_answers(
    here: Here, answers: Sequence[tuple[str, str, bool]], chance: float | None = None
) -> bool:
    """Save answers (cell, answer, blind); they are on disk when this returns."""
    if not here.reader:
        return when_named(lambda name: keep_answers(here.of(name), answers, chance))
    payloads = review_payloads(answers, here.reader, now(), chance=chance)
    seen = st.session_state.get("pulse", "")
    try:
        # A reader's own answer need not redraw the whole page.
        st.session_state["pulse"] = here.workspace.decide_unseen(
            here.id, desk_of(here).kind, payloads, here.reader, seen
        )
    except CellTransferError as error:
        desk_of(here).problem = str(error)
        return False
    return True


def answer(here: Here, cell: str, name: str, blind: bool) -> None:
    """Save an answer and go to the next cell."""
    desk = desk_of(here)
    # A key that is pressed twice applies once, to the cell that was visible.
    if desk.shown != cell:
        return
    chance = desk.chances.get(cell)
    if not keep_answers(here, [(cell, name, blind)], chance):
        return
    desk.chances.pop(cell, None)
    if desk.at_end:
        desk.past.append((cell, blind))
    desk.turn_to(desk.place + 1)


def answer_new(here: Here, cell: str, blind: bool) -> None:
    """Save a type that the reference lacks, as entered."""
    try:
        name = typed_name(here, st.session_state["new type"])
    except CellTransferError as error:
        desk_of(here).problem = str(error)
        return
    st.session_state["new type"] = ""
    answer(here, cell, name, blind)


def go_back(here: Here) -> None:
    """Show the previous cell, whose answer can be changed."""
    desk = desk_of(here)
    if desk.at_end:
        desk.left = desk.current
    desk.turn_to(max(0, desk.place - 1))


def look_again(here: Here, cell: str) -> None:
    """Show a cell that was answered earlier."""
    desk = desk_of(here)
    desk.past.append((cell, False))
    desk.turn_to(len(desk.past) - 1)


def undo(here: Here) -> None:
    """Undo this reader's last answer to the chosen cells, or all that were given at once."""
    desk = desk_of(here)
    try:
        undone = here.workspace.undo(here.id, desk.kind, here.reader, _cells_of_batch(here))
    except CellTransferError as error:
        desk.problem = str(error)
        return
    if undone:
        # The cell of an undone answer is shown again.
        last = (undone[-1].payload["cell"], bool(undone[-1].payload["blind"]))
        if last in desk.past:
            desk.past = desk.past[: desk.past.index(last)]
        desk.turn_to(len(desk.past))
        desk.current = last


def can_undo(here: Here) -> bool:
    """Tell whether the reader has answered any of the chosen cells."""
    own, among = here.own_decisions(desk_of(here).kind), _cells_of_batch(here)
    return any(among is None or one.payload["cell"] in among for one in own)


def _cells_of_batch(here: Here) -> frozenset[str] | None:
    """Return the cells of the chosen batch; None if the study's own cells are chosen."""
    batch = st.session_state.get("batch")
    return here.workspace.image_hashes([batch]) if batch else None


def next_cell(here: Here, cells: Sequence[str], queue: ReviewQueue) -> tuple[str, bool] | None:
    """Choose the cell (hash, blind) to show; ``cells`` are the hashes that the queue numbers."""
    desk = desk_of(here)
    desk.keep({*cells})
    if not desk.at_end:
        desk.current = desk.past[desk.place]
    else:
        line = zip(queue.cells.tolist(), queue.blind.tolist(), strict=True)
        waiting = [(cells[cell], blind) for cell, blind in line]
        # The queue changes after every answer; a reader who went back returns to the same cell.
        first = next((one for one in (desk.current, desk.left) if one in waiting), None)
        first_cell = () if first is None else (first[0],)
        given = take(here, first_cell, [cell for cell, _ in waiting])
        desk.current = next((one for one in (first, *waiting) if one and one[0] in given), None)
        if desk.current in waiting:
            chance = float(queue.chances[waiting.index(desk.current)])
            # The probability of the draw that selected this cell, not of a later draw.
            if not np.isnan(chance):
                desk.chances.setdefault(desk.current[0], chance)
    desk.shown = desk.current[0] if desk.current else None
    return desk.current


def take(here: Here, shown: Sequence[str], waiting: Sequence[str]) -> Sequence[str]:
    """Choose a cell that no other reader is seeing; the displayed one stays if possible."""
    desk, wanted = desk_of(here), [*dict.fromkeys((*shown, *waiting))]
    desk.elsewhere = False
    alone = here.locked or st.session_state.get("reading") == "second"
    if alone or (shown and {*shown} <= {*desk.taken} and time.monotonic() < desk.renew):
        return wanted[:1]
    try:
        given = here.workspace.take(here.id, here.reader, wanted, 1)
    except CellTransferError:  # if nothing can be written, nobody can answer either
        return wanted[:1]
    desk.taken, desk.renew = given, time.monotonic() + HELD / 2
    desk.elsewhere = bool(wanted) and not given
    return given
