"""Choice of the cells to review, and of their order."""

from collections.abc import Sequence

import streamlit as st

from celltransfer_core.people import Review, ReviewQueue, review_queue
from celltransfer_core.pipeline import RunResult, select_cells
from celltransfer_core.studies import CurrentRun
from parts import text
from parts.filters import choice_address, link_to_cells
from parts.here import Here

ORDERS = {
    "drawn": "Random and least certain in turn",
    "least certain": "Least certain first",
    "random": "Random",
    "cluster": "Cluster by cluster",
    "type": "Type by type",
    "disagreement": "Most divided voters first",
}
READING = {"shared": "Share the work", "second": "Read all myself"}
ALL = ("all", "")
MUST_FIND = ("must find", "")


def first_choice(run: RunResult) -> tuple[str, str]:
    """Return the cells shown by default: those that must not be missed."""
    return MUST_FIND if run.to_show else ALL


def queue_of(here: Here, run: RunResult, reviews: Sequence[Review]) -> ReviewQueue:
    """Make the queue of cells that the reader chose."""
    second = st.session_state.get("reading") == "second"
    which = st.session_state.get("which", first_choice(run))
    return review_queue(
        run.query.cells,
        run.vote,
        run.clusters.labels,
        [one for one in reviews if one.reader == here.reader or not second],
        order=st.session_state.get("order", "drawn"),
        only=select_cells(run, reviews, here.reader, *which),
        seed=run.config.seed,
    )


def choose(here: Here, current: CurrentRun) -> None:
    """Let the reader choose cells, their order, and how to share the work with other readers."""
    run, reviews = current.run, current.reviews
    others = {one.reader for one in reviews} - {here.reader}
    clusters = run.clusters.names.tolist()
    which = [MUST_FIND] if run.to_show else []
    which += [ALL, ("flagged", "")]
    which += [("type", name) for name in run.types] + [("cluster", n) for n in clusters]
    which += [("unknown", "")] if run.updated and run.updated.unknown.any() else []
    which += [("read", ""), ("disputed", "")] if others else []
    labels = {
        "all": lambda _: "All cells",
        "must find": lambda _: "Must not be missed",
        "flagged": lambda _: f"Flagged cells ({int(run.flagged.sum()):,})",
        "type": lambda name: f"Predicted {name}",
        "cluster": lambda number: f"Cluster {number}",
        "unknown": lambda _: "Unlike all cells named so far",
        "read": lambda _: "Cells that others have read",
        "disputed": lambda _: "Cells on which readers disagree",
    }
    columns = st.columns(4 if others else 3, vertical_alignment="bottom")
    columns[0].selectbox("Cells", which, format_func=lambda w: labels[w[0]](w[1]), key="which")
    columns[1].selectbox(
        "Order",
        list(ORDERS),
        format_func=ORDERS.get,
        key="order",
        help="Random and least certain in turn: a randomly drawn cell, then the least certain "
        "one, and so on. If all cells are chosen, answers on the randomly drawn cells are "
        "a sample of all cells, and so are answers in random order. All other answers "
        "update the vote and set the type of the cells themselves.",
    )
    if others:
        names = text.listed(sorted(others))
        columns[2].selectbox(
            "With other readers",
            list(READING),
            format_func=READING.get,
            key="reading",
            help=f"{names} also read in this study. Share the work: cells that others have "
            "answered are not shown again. Read all myself: they are, so that your "
            "answers and theirs can be compared.",
        )
    with columns[-1]:
        chosen = st.session_state.get("which", first_choice(run))
        link_to_cells("Answer several at once", **choice_address(*chosen))
