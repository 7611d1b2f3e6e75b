"""The answers and votes that decided a cell's type."""

import streamlit as st

from celltransfer_core.people import DECIDERS, KINDS
from celltransfer_core.pipeline import RunResult


def show_deciders(run: RunResult, cell: int) -> None:
    """Show what decided a cell's type, and its distance from all annotated cells."""
    if run.updated is None:
        return
    shares = dict(zip(KINDS, run.updated.cell_weights[cell].tolist(), strict=True))
    listed = ", ".join(
        f"{100 * share:.1f} % {DECIDERS[kind]}"
        for kind, share in sorted(shares.items(), key=lambda item: -item[1])
        if share >= 0.0005
    )
    st.caption(f"Who decided: {listed}.")
    distance = run.updated.distance[cell]
    if run.updated.unknown[cell]:
        st.markdown(
            ":red-badge[:material/help: unlike all named cells] Its nearest named cell is "
            f"{distance:.1f} times as far away as neighbours usually are; the mark is shown from "
            f"{run.updated.unknown_above:.1f} times on. Is it a type that the reference does not "
            "have?"
        )
