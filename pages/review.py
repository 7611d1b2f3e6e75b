"""Review: cells are looked at one by one, or several at once, and named."""

import html
import math
from bisect import bisect_left
from collections.abc import Mapping, Sequence
from typing import Any

import common
import maps
import numpy as np
import pandas as pd
import streamlit as st
import words

from celltransfer_core.errors import CellTransferError
from celltransfer_core.evaluation import reliability
from celltransfer_core.evaluation.report import reliability_figure
from celltransfer_core.outputs import describe_concordance, describe_sample, percent
from celltransfer_core.people import (
    BLIND_FROM,
    BLIND_SHARE,
    NotYet,
    Review,
    ReviewQueue,
    SampleAccuracy,
    calibrate,
    cells_needed,
    cohen_kappa,
    final_types,
    prediction_sets,
    random_sample,
    reader_pairs,
    review_progress,
    review_queue,
    sample_accuracy,
    settled_answers,
)
from celltransfer_core.pipeline import RunResult
from celltransfer_core.plots import CAPTIONS, review_progress_figure
from celltransfer_core.studies import CurrentRun, load_current, now
from celltransfer_core.vocabulary import (
    ARTEFACT,
    DISPUTED,
    MOST_LETTERS,
    NONE_TYPE,
    QUERY,
    REFERENCE,
    SKIPPED,
    UNSURE,
    check_new_type,
)
from celltransfer_core.web import image_url

# Streamlit keeps C and R for itself; A, B, N, S, U, X and Z are used below.
KEYS = "1234567890DEFGHIJKLMOPQTVWY"
PICTURE = 640  # px
AHEAD = 3  # cells whose pictures are loaded before their turn
WIDE, NARROW = 580, 300  # px; side by side where both fit
NEIGHBOURS = 6
EXAMPLES = 5
IN_GRID = 24
COLUMNS = 8
HALF_WIDTH = 0.05
MOST_LISTED = 20

ORDERS = {
    "least certain": "Least certain first",
    "random": "At random",
    "cluster": "Cluster by cluster",
    "type": "Type by type",
    "disagreement": "Where voters differ most",
}
ALL = ("all", "")
BUTTONS = {
    NONE_TYPE: ("None of these", "N", ":material/block:"),
    UNSURE: ("Unsure", "U", ":material/question_mark:"),
    ARTEFACT: ("Artefact, smudge, two cells", "X", ":material/blur_on:"),
    SKIPPED: ("Skip", "S", ":material/skip_next:"),
}

space = common.workspace()
here = common.title(
    "Review",
    "Look at the cells that are in doubt, and say what they are. Your word counts in the end, and "
    "teaches the vote at once: fifty answers change a new microscope's result more than any "
    "setting.",
)
locked = bool(here.signed)
reader = common.reader()


def wanted(run: RunResult, reviews: Sequence[Review]) -> np.ndarray | None:
    """Find the cells that were asked for."""
    kind, value = st.session_state.get("which", ALL)
    if kind == "flagged":
        return run.flagged
    if kind == "type":
        return np.array(run.predicted) == value
    if kind == "cluster":
        return run.clusters.names[run.clusters.labels] == value
    if kind == "unknown" and run.taught:
        return run.taught.unknown
    if kind == "read":
        others = {one.cell for one in reviews if one.reader != reader and one.answer != SKIPPED}
        return np.array([cell in others for cell in run.query.cells], dtype=bool)
    if kind == "disputed":
        return final_types(run.query.cells, run.predicted, reviews).disputed
    return None


def queue_of(run: RunResult, reviews: Sequence[Review]) -> ReviewQueue:
    """Line up the cells to look at."""
    second = st.session_state.get("reading") == "second"
    return review_queue(
        run.query.cells,
        run.vote,
        run.clusters.labels,
        [one for one in reviews if one.reader == reader or not second],
        order=st.session_state.get("order", "least certain"),
        only=wanted(run, reviews),
        seed=run.config.seed,
    )


def desk() -> dict[str, Any]:
    """Return what lies before this reader; it stays until answered, whatever others do.

    ``past`` are the cells (hash, blind) that went over it, ``place`` is where among them the
    reader is, at their end unless going back; ``left`` is the cell that lay there when the reader
    went back; ``shown`` is the cell that was last drawn.
    """
    state = st.session_state
    ways = state.get("order"), str(state.get("which")), state.get("reading") or "shared"
    mine = (here.id, reader, *ways)
    kept = st.session_state.get("desk")
    if kept is None or kept["of"] != mine:
        kept = {
            "of": mine,
            "past": [],
            "place": 0,
            "current": None,
            "left": None,
            "shown": None,
            "grid": [],
            "passed": set(),
            "picked": set(),
            "problem": "",
        }
        st.session_state["desk"] = kept
    return kept


def keep(answers: Sequence[tuple[str, str, bool]]) -> bool:
    """Keep answers (cell, answer, blind): on disk when this returns."""
    before = space.pulse(here.id)
    given = {"reader": reader, "time": now(), "together": len(answers)}
    payloads = [{"cell": cell, "answer": a, "blind": blind, **given} for cell, a, blind in answers]
    if not write(space.decide_all, here.id, "review", payloads, reader):
        return False
    # One's own answer is no news that the whole page should be drawn anew for.
    if st.session_state.get("pulse") == before:
        st.session_state["pulse"] = space.pulse(here.id)
    return True


def write(call: object, *arguments: object) -> bool:
    """Write to the workspace; why it did not go is shown with the next cell."""
    try:
        call(*arguments)
    except CellTransferError as error:
        desk()["problem"] = str(error)
        return False
    return True


def answer(cell: str, word: str, blind: bool) -> None:
    """Keep an answer and go on to the next cell."""
    at = desk()
    # A key that is pressed twice speaks of the cell that was seen, once.
    if at["shown"] != cell or not keep([(cell, word, blind)]):
        return
    if at["place"] == len(at["past"]):
        at["past"].append((cell, blind))
    at.update(place=at["place"] + 1, current=None, shown=None)


def answer_new(cell: str, blind: bool) -> None:
    """Keep a type that the reference lacks, as it was typed in."""
    try:
        name = check_new_type(st.session_state["new type"])
    except CellTransferError as error:
        desk()["problem"] = str(error)
        return
    st.session_state["new type"] = ""
    answer(cell, name, blind)


def back() -> None:
    """Show the cell before; its answer can be changed."""
    at = desk()
    if at["place"] == len(at["past"]):
        at["left"] = at["current"]
    at.update(place=max(0, at["place"] - 1), current=None, shown=None)


def look_again(cell: str) -> None:
    """Show a cell that was answered earlier."""
    at = desk()
    at["past"].append((cell, False))
    at.update(place=len(at["past"]) - 1, current=None, shown=None)


def undo() -> None:
    """Take this reader's last answer back, or all that were given at one stroke."""
    at = desk()
    mine = [d for d in space.decisions(here.id, "review") if d.who == reader]
    for _ in range(mine[-1].payload.get("together", 1) if mine else 0):
        if not write(space.undo, here.id, "review", reader):
            return
    if mine:
        # What was taken back is shown again.
        last = (mine[-1].payload["cell"], bool(mine[-1].payload["blind"]))
        past = at["past"][: at["past"].index(last)] if last in at["past"] else at["past"]
        at.update(past=past, place=len(past), current=last, shown=None, grid=[])


def current(run: RunResult, queue: ReviewQueue) -> tuple[str, bool] | None:
    """Choose the cell to show."""
    at = desk()
    if at["place"] < len(at["past"]):
        at["current"] = at["past"][at["place"]]
    else:
        line = zip(queue.cells.tolist(), queue.blind.tolist(), strict=True)
        waiting = [(run.query.cells[cell], blind) for cell, blind in line]
        # The queue is another one after every answer; who went back comes back to where they were.
        if at["current"] not in waiting:
            at["current"] = at["left"] if at["left"] in waiting else next(iter(waiting), None)
    at["shown"] = at["current"][0] if at["current"] else None
    return at["current"]


def picture(cell: str, size: int, role: str = QUERY, **how: bool) -> str:
    """Return the address of a cell's picture, fit for an attribute."""
    url = image_url(space, here.id, cell, size=size, role=role, **how)
    return html.escape(url, quote=True)


def show_large(run: RunResult, cell: str, coming: Sequence[str]) -> None:
    """Show a cell cut as the encoders see it, and its whole field; load the next ones."""
    views = [("Whole image, original colours", {"outline": run.framing.framed})]
    if run.framing.framed:
        views.insert(0, ("As the encoders see it", {"cut": True}))
    figures = "".join(
        "<figure style='margin:0;flex:1 1 200px;max-width:420px'>"
        f"<img src='{picture(cell, PICTURE, **how)}' alt='{says}' style='width:100%;"
        "aspect-ratio:1;object-fit:contain;border-radius:6px;background:#8881'>"
        f"<figcaption style='font-size:.85rem;opacity:.8'>{says}</figcaption></figure>"
        for says, how in views
    )
    ahead = "".join(
        f"<img src='{picture(one, PICTURE, **how)}' alt='' style='display:none'>"
        for one in coming
        for _, how in views
    )
    st.html(f"<div style='display:flex;gap:12px;flex-wrap:wrap'>{figures}{ahead}</div>")


def strip(cells: Sequence[str], names: Sequence[str], shades: Mapping[str, str]) -> None:
    """Show reference cells with their types below."""
    tiles = "".join(
        f"<figure style='margin:0;width:92px'><img src='{picture(cell, 184, REFERENCE, cut=True)}' "
        f"width='92' height='92' alt='{html.escape(name, quote=True)}' loading='lazy' "
        "style='object-fit:contain;border-radius:4px;background:#8881'>"
        "<figcaption style='font-size:.78rem;overflow:hidden;text-overflow:ellipsis'>"
        f"{common.chip(name, shades)}</figcaption></figure>"
        for cell, name in zip(cells, names, strict=True)
    )
    st.html(f"<div style='display:flex;gap:6px;flex-wrap:wrap'>{tiles}</div>")


def show_prediction(run: RunResult, cell: int, shades: Mapping[str, str]) -> None:
    """Show what was predicted, and the reference cells that are most alike."""
    agreement = run.vote.agreement[cell]
    match = run.matches[run.clusters.labels[cell]]
    heard = run.vote.choices[: len(run.voters), cell]
    same = int((heard == run.vote.winner[cell]).sum())
    st.html(
        f"<div style='font-size:1.25rem;font-weight:600'>"
        f"{common.chip(run.predicted[cell], shades)}</div>"
    )
    matched = "none of the types" if match.matched_type == NONE_TYPE else match.matched_type
    flag = " :orange-badge[flagged]" if run.flagged[cell] else ""
    st.markdown(
        f"Predicted; {same} of {len(run.voters)} encoders' votes say so, agreement "
        f"{agreement:.2f}.{flag}  "
        f"\nCluster {run.clusters.names[run.clusters.labels[cell]]}, matched to "
        f"{words.plain(matched)}."
    )
    words.who_decided(run, cell)
    voter = max(run.voters, key=lambda one: one.weight)
    near = [int(n) for n in voter.neighbours[cell][:NEIGHBOURS] if n >= 0]
    st.caption("Most alike in the reference")
    labels = run.reference.cell_labels
    strip([run.reference.cells[n] for n in near], [str(labels[n]) for n in near], shades)


def show_answers(types: Sequence[str], cell: str, accept: str, given: str) -> None:
    """Offer one button and key a type, and the other answers; nothing to accept where blind."""
    blind = not accept
    with st.container(horizontal=True):
        st.button(
            f"Accept: {words.plain(accept)}" if accept else "No prediction is shown",
            key="accept",
            shortcut="A",
            type="primary",
            icon=":material/check:",
            on_click=answer,
            args=(cell, accept, blind),
            disabled=locked or blind,
        )
    with st.container(horizontal=True):
        for number, name in enumerate(types):
            st.button(
                words.plain(name),
                key=f"type {number}",
                shortcut=KEYS[number] if number < len(KEYS) else None,
                type="primary" if name == given else "secondary",
                on_click=answer,
                args=(cell, name, blind),
                disabled=locked,
            )
    with st.container(horizontal=True):
        for word, (label, key, icon) in BUTTONS.items():
            st.button(
                label,
                key=word,
                shortcut=key,
                icon=icon,
                type="primary" if word == given else "secondary",
                on_click=answer,
                args=(cell, word, blind),
                disabled=locked,
            )
        with (
            st.popover("A type that is not here", icon=":material/new_label:", disabled=locked),
            st.form("name a type", border=False),
        ):
            st.text_input(
                "Name of the type",
                key="new type",
                max_chars=MOST_LETTERS,
                placeholder="such as plasma cell",
                help="The reference lacks it. From now on the vote can find more of them.",
            )
            st.form_submit_button("This cell is that", on_click=answer_new, args=(cell, blind))


def show_ways() -> None:
    """Offer to go back and to undo."""
    at = desk()
    with st.container(horizontal=True):
        st.button(
            "Back",
            key="back",
            shortcut="B",
            icon=":material/arrow_back:",
            on_click=back,
            disabled=at["place"] == 0,
            help="Look at the cell before again, and answer anew if need be.",
        )
        st.button(
            "Undo my last answer",
            key="undo",
            shortcut="Z",
            icon=":material/undo:",
            on_click=undo,
            disabled=locked,
        )
    if at["problem"]:
        st.error(at["problem"])
        at["problem"] = ""
    if at["place"] < len(at["past"]):
        st.caption(f"You went back {len(at['past']) - at['place']}; answer to go forward again.")
    else:
        st.caption("The key of each answer stands on its button.")


@st.fragment
def one_by_one() -> None:
    """Show one cell and take its answer."""
    lesson = lesson_now()
    run, reviews = lesson.run, lesson.reviews
    types, shades = all_types(), common.colours(here.id)
    queue = queue_of(run, reviews)
    shown = current(run, queue)
    if shown is None:
        nothing_left()
    else:
        cell, blind = shown
        number = bisect_left(run.query.cells, cell)
        with st.container(border=True, horizontal=True, gap="medium"):
            with st.container(width=WIDE):
                coming = [run.query.cells[n] for n in queue.cells[: AHEAD + 1].tolist()]
                show_large(run, cell, [one for one in coming if one != cell][:AHEAD])
                # Below the pictures, whose size never changes: no button moves between cells.
                accept = "" if blind else run.predicted[number]
                mine = [one for one in reviews if one.cell == cell and one.reader == reader]
                show_answers(types, cell, accept, mine[-1].answer if mine else "")
                show_ways()
            with st.container(width=NARROW):
                if blind:
                    st.markdown(
                        ":violet-badge[:material/visibility_off: Blind] **What is it?**  \nThis "
                        "cell was drawn at random. Its prediction is hidden, so that your answer "
                        "tells how often predictions are right."
                    )
                else:
                    show_prediction(run, number, shades)
                if mine:
                    said = BUTTONS.get(mine[-1].answer, (mine[-1].answer,))[0]
                    st.markdown(f"You said: **{words.plain(said)}**")
    show_progress(lesson, len(queue.cells))


@st.fragment
def several() -> None:
    """Show many cells; those that are picked get one type."""
    lesson = lesson_now()
    run, types = lesson.run, all_types()
    queue = queue_of(run, lesson.reviews)
    at = desk()
    waiting = [run.query.cells[n] for n in queue.cells[~queue.blind].tolist()]
    waiting = [cell for cell in waiting if cell not in at["passed"]]
    left = set(waiting)
    at["grid"] = [cell for cell in at["grid"] if cell in left] or waiting[:IN_GRID]
    if not at["grid"]:
        nothing_left()
    else:
        with st.container(border=True):
            st.markdown(
                "Pick the cells that are alike, then give them one type. Cells of the blind "
                "sample are not among these: they come one by one."
            )
            show_tiles(run, at["grid"])
            picked = [cell for cell in at["grid"] if cell in at["picked"]]
            with st.container(horizontal=True):
                st.button("Pick all", key="all", on_click=pick, args=(at["grid"], True))
                st.button("Pick none", key="none", on_click=pick, args=(at["grid"], False))
                st.button(
                    "Pass these by",
                    key="pass",
                    icon=":material/skip_next:",
                    on_click=pass_by,
                    help="Show others; these keep their place in the queue.",
                )
                st.button(
                    "Undo my last answer",
                    key="undo",
                    shortcut="Z",
                    icon=":material/undo:",
                    on_click=undo,
                    disabled=locked,
                )
            cells = "1 cell is" if len(picked) == 1 else f"{len(picked)} cells are"
            st.markdown(f"**{cells} picked.** Give them the type:")
            with st.container(horizontal=True):
                choices = [(name, name) for name in types]
                choices += [(word, BUTTONS[word][0]) for word in (NONE_TYPE, UNSURE, ARTEFACT)]
                for number, (word, label) in enumerate(choices):
                    st.button(
                        words.plain(label),
                        key=f"give {number}",
                        shortcut=KEYS[number] if number < len(KEYS) else None,
                        on_click=give,
                        args=(picked, word),
                        disabled=locked or not picked,
                    )
            if at["problem"]:
                st.error(at["problem"])
                at["problem"] = ""
    show_progress(lesson, len(queue.cells))


def show_tiles(run: RunResult, cells: Sequence[str]) -> None:
    """Show cells, each with a button that picks it."""
    for start in range(0, len(cells), COLUMNS):
        row = cells[start : start + COLUMNS]
        for column, cell in zip(st.columns(COLUMNS, gap="small"), row, strict=False):
            number = bisect_left(run.query.cells, cell)
            name = run.predicted[number]
            with column:
                st.html(
                    f"<img src='{picture(cell, 240, cut=True)}' loading='lazy' "
                    f"alt='predicted {html.escape(name, quote=True)}' style='width:100%;"
                    "aspect-ratio:1;object-fit:contain;border-radius:4px;background:#8881'>"
                )
                # Not a check box: while one has the focus, keys do not reach the answers.
                on = cell in desk()["picked"]
                st.button(
                    words.plain(name),
                    key=f"pick {cell}",
                    type="tertiary",
                    icon=f":material/{'check_box' if on else 'check_box_outline_blank'}:",
                    help="Picked: press to leave it out" if on else "Press to pick this cell",
                    on_click=pick,
                    args=([cell], not on),
                    disabled=locked,
                )


def pick(cells: Sequence[str], on: bool) -> None:
    """Pick cells, or leave them out."""
    picked = desk()["picked"]
    desk()["picked"] = picked | set(cells) if on else picked - set(cells)


def pass_by() -> None:
    """Leave the cells of the grid for later."""
    at = desk()
    at["passed"] |= set(at["grid"])
    at["grid"] = []


def give(cells: Sequence[str], word: str) -> None:
    """Give all picked cells one answer."""
    if keep([(cell, word, False) for cell in cells]):
        pick(cells, False)


def nothing_left() -> None:
    """Say that the queue is done."""
    st.success(
        "Nothing is left to look at here. Choose other cells above, or go on to the export.",
        icon=":material/done_all:",
    )
    if desk()["past"]:
        show_ways()


def lesson_now() -> CurrentRun:
    """Return the typed cells as every answer up to now teaches them."""
    lesson = load_current(space, here.id)
    if lesson is None:  # somebody changed what comes before, on another page
        st.rerun(scope="app")
    return lesson


def all_types() -> list[str]:
    """List the types of the reference, then those that people named beside them."""
    return [*common.reference_types(here.id), *common.named_types(here.id)]


def show_progress(lesson: CurrentRun, left: int) -> None:
    """Tell how far, how fast, and what the answers say."""
    run, reviews = lesson.run, lesson.reviews
    cells, predicted = run.query.cells, run.predicted
    reached = review_progress(cells, predicted, reviews)
    mine = [one for one in reviews if one.reader == reader]
    speed = review_progress(cells, predicted, mine).cells_per_minute if mine else np.nan
    blind = sample_accuracy(cells, predicted, reviews, seed=run.config.seed)
    found = blind.overall
    boxes = st.columns(4)
    boxes[0].metric(f"Reviewed of {reached.total:,}", f"{reached.answered:,}")
    boxes[1].metric("Left in this queue", f"{left:,}")
    boxes[2].metric(
        "Your speed",
        "–" if np.isnan(speed) else f"{speed:.0f} / min",
        f"{duration(left / speed)} left" if speed > 0 and left else None,
        delta_color="off",
        delta_arrow="off",
    )
    boxes[3].metric(
        "Right, of all cells",
        percent(found.accuracy),
        f"{100 * found.low:.0f} to {100 * found.high:.0f} %" if found.cells else "not known yet",
        delta_color="off",
        delta_arrow="off",
        help="From the blind random sample alone, with its 95 % interval. No cell is judged by a "
        "vote that knows its answer.",
    )
    show_lesson(run)
    st.plotly_chart(
        review_progress_figure(reached.outcomes, reached.total),
        key="progress",
        config=maps.CHART,
        alt="How far the review is",
    )
    st.caption(CAPTIONS["review_progress_figure"])
    with st.expander("How often are predictions right?"):
        show_accuracy(blind, reached.total)
        show_hits(predicted, cells, reviews)
    with st.expander("What is a score worth?"):
        show_worth(run, reviews)
    if pairs := reader_pairs(reviews):
        with st.expander("Where readers differ", expanded=True):
            show_readers(reviews, pairs)


def show_lesson(run: RunResult) -> None:
    """Tell what the answers have changed."""
    if run.taught is None:
        st.caption(
            ":material/school: Nothing has been said yet: the vote is that of the encoders alone."
        )
        return
    taught = run.taught
    changed = int((taught.vote.winner != taught.ensemble.winner).sum())
    unknown = int(taught.unknown.sum())
    verb = "is" if unknown == 1 else "are"
    far = f" {words.count(unknown, 'cell')} {verb} unlike everything named so far." * bool(unknown)
    if taught.slips:
        named = [str(run.clusters.names[position]) for position in taught.slips]
        far += f" Look again on the Matches page at {words.may_be_slips(named)}."
    st.markdown(
        f":material/school: **{words.count(len(taught.words.cells), 'typed cell')}** and "
        f"**{words.count(len(taught.words.clusters), 'confirmed cluster')}** have changed the type "
        f"of **{changed:,}** of {run.query.n_cells:,} cells.{far}"
    )


def show_hits(predicted: Sequence[str], cells: Sequence[str], reviews: Sequence[Review]) -> None:
    """Tell how often the doubtful cells of the queue were right, apart from the estimate."""
    queue = [one for one in reviews if not one.blind]
    settled = settled_answers(queue)
    pairs = [
        (name, settled[cell])
        for cell, name in zip(cells, predicted, strict=True)
        if settled.get(cell, UNSURE) not in (UNSURE, ARTEFACT, DISPUTED)
    ]
    if pairs:
        right = sum(one == other for one, other in pairs)
        st.markdown(
            f"Of the **{len(pairs)}** cells that were answered with their prediction in sight, the "
            f"vote now has {right} right without knowing their own answer. They were picked "
            "because they are doubtful, so this says nothing of all cells."
        )


def show_worth(run: RunResult, reviews: Sequence[Review]) -> None:
    """Tell what confidence is worth, once there are enough answers."""
    if run.taught is None:
        st.markdown("Scores are not calibrated: no cell has been typed yet.")
        return
    found = calibrate(run.taught)
    if isinstance(found, NotYet):
        st.markdown(f"Scores are not calibrated. {words.plain(str(found))}")
    else:
        drawn = reliability(found.typed, found.right)
        maps.figure(reliability_figure({"typed cells": drawn}), "reliability_figure")
        st.caption(
            "Right is what agrees with your answers. Each typed cell's calibrated confidence comes "
            "from the other typed cells, one answer in twenty being taken for a slip: so points a "
            "little under the line are as expected. Mean calibrated confidence over all cells: "
            f"{min(100 * found.confidence.mean(), 99.9):.1f} %."
        )
    drawn = random_sample(run.query.cells, reviews, seed=run.config.seed)
    sets = prediction_sets(run.taught, drawn)
    ready = [name for name in run.types if name not in sets.missing]
    if ready:
        told = ", ".join(words.plain(name) for name in ready)
        sizes = sets.holds.sum(axis=1)
        st.markdown(
            f"Sets of types that hold the right one with {100 * sets.coverage:.0f} % are known for "
            f"{told}; a cell's set has {sizes.mean():.1f} types on average and stands on the Cells "
            "page."
        )
    if sets.missing:
        told = ", ".join(
            f"{one.missing} more {words.plain(name)}" for name, one in sets.missing.items()
        )
        st.caption(
            f"Sets of types: not yet for every type. Of the blind sample {told} must be typed."
        )


def duration(minutes: float) -> str:
    """Write a time in minutes or hours."""
    return f"{max(1, round(minutes))} min" if minutes < 90 else f"{minutes / 60:.1f} h"


def show_accuracy(blind: SampleAccuracy, total: int) -> None:
    """Tell what the blind sample says, and what it would take to know better."""
    found = blind.overall
    st.markdown(words.plain(describe_sample(found)))
    likely = found.accuracy if found.cells else 0.5
    need = cells_needed(HALF_WIDTH, accuracy=likely)
    apart = {"unsure": blind.unsure, "artefacts": blind.artefact, "skipped": blind.skipped}
    apart["disputed"] = blind.disputed
    told = ", ".join(f"{count} {name}" for name, count in apart.items() if count)
    drawn = math.ceil(total * BLIND_SHARE)
    few = f" That makes {drawn:,} in this query, so the interval stays wider." * (drawn < need)
    apart_told = f" Not counted: {words.plain(told)}." if told else ""
    st.markdown(
        f"To know it to ± {100 * HALF_WIDTH:.0f} points takes about **{need}** blind cells with an "
        f"answer; there are {found.cells}. After the first {BLIND_FROM} places, every "
        f"{1 / BLIND_SHARE:.0f}th of the queue brings one, whatever its order.{few} "
        f"Doubtful cells among them are asked earlier, and count in their turn.{apart_told}"
    )
    rows = [
        {
            "Predicted type": name,
            "Blind cells": one.cells,
            "Right": one.right,
            "Share right": percent(one.accuracy),
            "95 % interval": f"{100 * one.low:.0f} to {100 * one.high:.0f} %" if one.cells else "",
        }
        for name, one in blind.by_type.items()
    ]
    st.dataframe(pd.DataFrame(rows), hide_index=True)


def show_readers(reviews: Sequence[Review], pairs: Sequence[tuple[str, str]]) -> None:
    """Tell how far readers agree, and list where they do not."""
    pair = pairs[0]
    if len(pairs) > 1:
        pair = st.selectbox(
            "Readers", pairs, format_func=lambda two: f"{two[0]} and {two[1]}", key="pair"
        )
    found = cohen_kappa(reviews, *pair)
    st.markdown(words.plain(f"{pair[0]} and {pair[1]}: {describe_concordance(found)}"))
    for one in found.disagreements[:MOST_LISTED]:
        with st.container(horizontal=True, vertical_alignment="center"):
            common.pictures(here.id, [one.cell], size=64)
            st.markdown(
                f"{words.plain(pair[0])}: **{words.plain(one.first)}**  \n"
                f"{words.plain(pair[1])}: **{words.plain(one.second)}**"
            )
            if reader in pair:
                st.button(
                    "Look again",
                    key=f"again {one.cell}",
                    on_click=look_again,
                    args=(one.cell,),
                    disabled=locked,
                )
    if len(found.disagreements) > MOST_LISTED:
        st.caption(f"The first {MOST_LISTED} of {len(found.disagreements):,} are listed.")


def choose(lesson: CurrentRun) -> str:
    """Let the reader choose cells and their order; return how to go through them."""
    run, reviews = lesson.run, lesson.reviews
    others = {one.reader for one in reviews} - {reader}
    clusters = run.clusters.names.tolist()
    which = [ALL, ("flagged", "")]
    which += [("type", name) for name in run.types] + [("cluster", n) for n in clusters]
    which += [("unknown", "")] if run.taught and run.taught.unknown.any() else []
    which += [("read", ""), ("disputed", "")] if others else []
    told = {
        "all": lambda _: "All cells",
        "flagged": lambda _: f"Flagged cells ({int(run.flagged.sum()):,})",
        "type": lambda name: f"Predicted {name}",
        "cluster": lambda number: f"Cluster {number}",
        "unknown": lambda _: "Unlike everything named so far",
        "read": lambda _: "Cells that others read",
        "disputed": lambda _: "Cells that readers dispute",
    }
    columns = st.columns([3, 3, 4], vertical_alignment="bottom")
    columns[0].selectbox("Cells", which, format_func=lambda w: told[w[0]](w[1]), key="which")
    columns[1].selectbox("Order", list(ORDERS), format_func=ORDERS.get, key="order")
    with columns[2]:
        way = st.segmented_control(
            "Show",
            ["One by one", "Several"],
            default="One by one",
            required=True,
            key="way",
        )
    if others:
        names = ", ".join(sorted(others))
        st.segmented_control(
            f"{words.plain(names)} read too. You, {words.plain(reader)}:",
            ["shared", "second"],
            default="shared",
            format_func={
                "shared": "share the work",
                "second": "read all for yourself",
            }.get,
            required=True,
            key="reading",
            help="Sharing: what others answered does not come again. For yourself: it does, so "
            "that your answers and theirs can be compared.",
        )
    return way


def show_examples(run: RunResult, types: Sequence[str], shades: Mapping[str, str]) -> None:
    """Show what the reference calls each type."""
    labels = run.reference.cell_labels
    for name in types:
        cells = np.flatnonzero(labels == name)[:EXAMPLES]
        strip([run.reference.cells[c] for c in cells], [name] * len(cells), shades)


if found := common.taught(here, "Type every cell"):
    if choose(found) == "One by one":
        one_by_one()
    else:
        several()
    with st.expander("What the reference calls each type"):
        show_examples(found.run, common.reference_types(here.id), common.colours(here.id))
    words.following("export", "Go on to the export")
