"""Evidence for a cell's type: similar reference cells, and every voter's prediction."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
import streamlit as st

from celltransfer_core.config import voter_name
from celltransfer_core.outputs import missing_transport, voter_label
from celltransfer_core.people import DECIDERS
from celltransfer_core.pipeline import (
    DISCRIMINANT,
    CellVote,
    RunResult,
    nearest_reference,
    split_by_alignment,
    votes_of_cell,
)
from parts import text
from parts.here import Here
from parts.pictures import typed_tiles

NEIGHBOURS = 10
TILE = 88  # px
ALL = "every voter together"


def show_neighbours(here: Here, run: RunResult, cell: int, shades: Mapping[str, str]) -> None:
    """Show the most similar reference cells, with and without transport."""
    st.header("Most similar in the reference")
    sides = split_by_alignment(run.voters)
    ways = [ALL, *dict.fromkeys(voter_name(run.voters[n].encoders) for n in sides[0])]
    who = st.selectbox("To", ways, key="cells who")
    for column, numbers, heading in zip(
        st.columns(2, gap="medium"),
        sides,
        ("Without transport", "With transport"),
        strict=True,
    ):
        voters = [
            run.voters[number]
            for number in numbers
            if who in (ALL, voter_name(run.voters[number].encoders))
        ]
        with column:
            st.markdown(f"**{heading}**")
            if not voters:
                st.caption(missing_transport(run))
                continue
            show_gallery(here, run, nearest_reference(voters, cell)[:NEIGHBOURS], shades)


def show_gallery(here: Here, run: RunResult, near: np.ndarray, shades: Mapping[str, str]) -> None:
    """Show reference cells with their types, grouped by the set they come from."""
    reference = run.reference
    names, counts = np.unique(reference.cell_labels[near], return_counts=True)
    best = np.argsort(-counts, kind="stable")
    counted = ", ".join(f"{counts[n]} {text.plain(str(names[n]))}" for n in best)
    st.caption(f"Of the {len(near)} nearest: {counted}")
    groups: dict[str, list[int]] = {}
    for one in near.tolist():
        groups.setdefault(reference.sources[reference.cell_sources[one]], []).append(one)
    for source, members in groups.items():
        if len(groups) > 1:
            st.caption(f"From {text.plain(source)}")
        hashes = [reference.cells[one] for one in members]
        types = [str(reference.cell_labels[one]) for one in members]
        typed_tiles(here, hashes, types, shades, TILE)


def name_of(vote: CellVote) -> str:
    """Name a voter without its alignment, which is shown separately."""
    if vote.voter is None:
        return DECIDERS[vote.kind]
    fitted = vote.voter.alignment == DISCRIMINANT
    return voter_label(vote.voter) if fitted else voter_name(vote.voter.encoders)


def show_voters(run: RunResult, cell: int) -> None:
    """Show what every voter predicts for a cell."""
    st.header("Votes of all voters")
    kinds = {"none": "none", "centre": "means only", "fgw": "optimal transport", DISCRIMINANT: ""}
    votes = votes_of_cell(run, cell)
    rows = [
        {
            "Voter": name_of(one),
            "Alignment": kinds[one.voter.alignment] if one.voter else "",
            "Vote": one.type_name,
            "Probability": one.probability,
            "Share of the vote": one.share,
            "Weight": one.weight,
        }
        for one in votes
    ]
    bar: Any = st.column_config.ProgressColumn(min_value=0, max_value=1, format="%.2f")
    st.dataframe(
        pd.DataFrame(rows),
        hide_index=True,
        column_config={
            "Probability": bar,
            "Share of the vote": bar,
            "Weight": st.column_config.NumberColumn(format="%.2f"),
        },
    )
    silent = (
        " Voters with a weight of 0 do not count: voters with transport count in proportion to "
        "the confirmed matches."
    )
    is_fitted = any(one.alignment == DISCRIMINANT for one in run.voters)
    fitted = (
        " The voter fitted to the query uses no reference cells directly, and counts as much as "
        "all voters without transport together."
    )
    st.caption(
        "A voter's share in this cell is its weight times the certainty of its own prediction."
        + (fitted if is_fitted and run.config.vote_weights != "prior" else "")
        + (silent if any(one.weight == 0 for one in votes) else "")
    )
