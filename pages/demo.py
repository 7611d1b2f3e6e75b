"""The demo study: drawn cells, typed."""

from collections import Counter

import numpy as np
import streamlit as st

from celltransfer_core import RESEARCH_USE
from celltransfer_core.demo import DRAWN_NOTICE, demo_study
from celltransfer_core.export import csv_bytes, matches_table, predictions_table
from celltransfer_core.pipeline import RunResult
from celltransfer_core.plots import agreement_figure, composition_figure, type_colours

CELLS_SHOWN = 8

load = st.cache_resource(demo_study, show_spinner="Drawing and typing the demo cells…")


def chip(name: str, colours: dict[str, str]) -> str:
    """Write a type's name with its colour beside it."""
    return (
        f"<span style='white-space:nowrap'><span style='display:inline-block;width:.8em;"
        f"height:.8em;border-radius:50%;background:{colours[name]};margin-right:.4em'></span>"
        f"{name}</span>"
    )


def show_summary(result: RunResult, colours: dict[str, str]) -> None:
    """Show what came out, in numbers and two plots."""
    flagged = int(result.flagged.sum())
    columns = st.columns(4)
    columns[0].metric("Reference cells", f"{result.reference.n_cells}")
    columns[1].metric("Query cells typed", f"{result.query.n_cells}")
    columns[2].metric("Clusters found", len(result.matches))
    columns[3].metric(f"Flagged ({flagged / len(result.predicted):.0%})", flagged)
    left, right = st.columns(2)
    left.plotly_chart(composition_figure(Counter(result.predicted), colours))
    right.plotly_chart(agreement_figure(result.vote.agreement, result.config.flag_threshold))
    st.caption(
        "Left: how many query cells each type got. Right: each cell's agreement is the share of "
        "the vote, over all encoders with and without transport, that its type won. "
        f"{result.framing.reason[0].upper()}{result.framing.reason[1:]}."
    )


def show_clusters(result: RunResult, colours: dict[str, str]) -> None:
    """Show each cluster's most central cells beside cells of the type it was matched to."""
    st.header("Clusters and what they are taken for")
    st.caption(
        "Are the cells on the left of the type on the right? In a study of your own you confirm or "
        "correct each match: it is the minute that counts most. A score near 1 is a clear match, "
        "near 0 a guess."
    )
    crops = result.framing.crops
    labels = result.reference.cell_labels
    for match in result.matches:
        inside = np.flatnonzero(result.clusters.labels == match.cluster)
        central = inside[np.argsort(-result.clusters.centrality[inside], kind="stable")]
        examples = np.flatnonzero(labels == match.matched_type)
        with st.container(border=True):
            text, query, reference = st.columns([2, 5, 5], vertical_alignment="center")
            text.markdown(
                f"**Cluster {match.cluster}** · {match.cells} cells<br>"
                f"{chip(match.matched_type, colours)}<br>score {match.score:.2f}<br>"
                f"<small>runner-up: {match.runner_up} {match.runner_up_score:.2f}</small>",
                unsafe_allow_html=True,
            )
            query.caption("Its most central cells")
            query.image([crops["query"][int(c)] for c in central[:CELLS_SHOWN]], width=64)
            reference.caption(f"Reference: {match.matched_type}")
            reference.image([crops["reference"][int(c)] for c in examples[:CELLS_SHOWN]], width=64)


def show_cells(result: RunResult) -> None:
    """Show the table of predictions, least certain first."""
    st.header("Cells, least certain first")
    table = predictions_table(result).sort_values("agreement", kind="stable", ignore_index=True)
    if st.toggle("Flagged cells only", value=True):
        table = table[table["flagged"]]
    st.dataframe(
        table[
            [
                "file",
                "predicted_type",
                "agreement",
                "confidence",
                "cluster",
                "matched_type",
                "slide",
            ]
        ],
        hide_index=True,
        column_config={
            "agreement": st.column_config.ProgressColumn(
                "agreement", min_value=0, max_value=1, format="%.2f"
            ),
            "confidence": st.column_config.NumberColumn(format="%.2f"),
        },
    )
    with st.container(horizontal=True):
        for name, made in (
            ("predictions.csv", predictions_table(result)),
            ("matches.csv", matches_table(result)),
        ):
            st.download_button(f"Download {name}", csv_bytes(made), name)


st.title("CellTransfer: demo study")
st.markdown(
    "Typed cells of one microscope give types to the cells of another, without any label there."
)
st.info(DRAWN_NOTICE, icon=":material/draw:")
study = load()
type_colour = type_colours(sorted(set(study.reference.cell_labels.tolist())))
show_summary(study, type_colour)
show_clusters(study, type_colour)
show_cells(study)
st.header("Your own cells")
st.markdown(
    "Your own folders run from the command line in this version; the Help page says how.\n"
    "```sh\npython -m celltransfer_core run --reference DIR --query DIR --out DIR\n```"
)
st.caption(RESEARCH_USE)
