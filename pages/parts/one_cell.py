"""One cell to review: its prediction, and cells of the reference."""

from collections.abc import Mapping, Sequence

import numpy as np
import streamlit as st

from celltransfer_core.outputs import describe_votes
from celltransfer_core.pipeline import DISCRIMINANT, RunResult
from celltransfer_core.vocabulary import NONE_TYPE
from parts import text
from parts.deciders import show_deciders
from parts.here import Here
from parts.pictures import large_chip, typed_tiles

TILE = 92  # px
NEIGHBOURS = 6
EXAMPLES = 5


def show_prediction(run: RunResult, cell: int, shades: Mapping[str, str]) -> None:
    """Show the prediction and its confidence."""
    match = run.matches[run.clusters.labels[cell]]
    large_chip(run.predicted[cell], shades, rem=1.25, weight=600)
    matched = "none of the types" if match.matched_type == NONE_TYPE else match.matched_type
    flag = " :orange-badge[flagged]" if run.flagged[cell] else ""
    st.markdown(
        f"Predicted. {text.plain(describe_votes(run, cell))}{flag}  "
        f"\nCluster {run.clusters.names[run.clusters.labels[cell]]}, matched to "
        f"{text.plain(matched)}."
    )


def show_why(here: Here, run: RunResult, cell: int, shades: Mapping[str, str]) -> None:
    """Show who decided, and the most similar reference cells."""
    show_deciders(run, cell)
    with_neighbours = [one for one in run.voters if one.alignment != DISCRIMINANT]
    voter = max(with_neighbours, key=lambda one: one.weight)
    st.caption("Most similar in the reference")
    near = [int(one) for one in voter.neighbours[cell][:NEIGHBOURS] if one >= 0]
    show_reference(here, run, near, shades)


def show_reference(
    here: Here, run: RunResult, cells: Sequence[int], shades: Mapping[str, str]
) -> None:
    """Show reference cells with their types below."""
    labels = run.reference.cell_labels
    hashes = [run.reference.cells[cell] for cell in cells]
    typed_tiles(here, hashes, [str(labels[cell]) for cell in cells], shades, TILE)


def show_examples(
    here: Here, run: RunResult, types: Sequence[str], shades: Mapping[str, str]
) -> None:
    """Show reference cells of each type."""
    for name in types:
        cells = np.flatnonzero(run.reference.cell_labels == name)[:EXAMPLES]
        show_reference(here, run, cells.tolist(), shades)
