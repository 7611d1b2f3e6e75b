"""Evidence for proposals: votes of cells, the paper's heat maps and score plane, all sets."""

from collections.abc import Sequence

import streamlit as st

from celltransfer_core.plots import (
    cluster_plane_figure,
    score_plane_figure,
    similarity_heatmap,
    type_symbols,
    votes_heatmap,
)
from parts import maps, text
from parts.matched import Matched

VOTES = "Cluster votes, on which proposals are based"
MATRICES = {
    "p": "Score of the paper (A.2), all encoders combined",
    "score_row": "Row score: which type fits this cluster best (Fig. 10)",
    "score_col": "Column score: which cluster fits this type best (Fig. 10)",
    "mean_row": "Row scores without the number of encoders (Fig. 10)",
    "mean_col": "Column scores without the number of encoders (Fig. 10)",
    "count_row": "How many encoders rank the type first for the cluster (Fig. 9)",
    "count_col": "How many encoders rank the cluster first for the type (Fig. 9)",
}


def show_evidence(matched: Matched, position: int) -> None:
    """Show the evidence for the proposals in a collapsed section."""
    with text.expert("Expert: what the proposals are based on"):
        show_kinds(matched, position)


def show_kinds(matched: Matched, position: int) -> None:
    """Show one of the figures."""
    labels = [matched.label(one) for one in range(len(matched.matches))]
    kinds = {
        "heat": "Votes, heat maps (Figs 9, 10)",
        "plane": "Score plane (Fig. 11)",
        "sets": "All sets (Fig. 4)",
    }
    kind = st.segmented_control(
        "Evidence",
        list(kinds),
        default="heat",
        format_func=kinds.get,
        key="evidence",
        required=True,
        label_visibility="collapsed",
    )
    if kind == "heat":
        show_heat(matched, labels)
    elif kind == "plane":
        alone = st.toggle(f"Only cluster {text.plain(labels[position])}", value=True)
        maps.figure(
            score_plane_figure(
                matched.scores,
                labels,
                matched.shades,
                symbols=type_symbols(matched.types),
                cluster=position if alone else None,
            ),
            "score_plane_figure",
        )
    else:
        maps.figure(
            cluster_plane_figure(matched.named.plane, matched.shades, clusters=labels),
            "cluster_plane_figure",
        )
        if matched.named.refinements is None:
            st.caption(
                "With additional unlabelled sets (Data page, Extra sets) their clusters are taken "
                "into account here, and the proposals become more reliable."
            )


def show_heat(matched: Matched, labels: Sequence[str]) -> None:
    """Show the votes of clusters, or one of the matrices behind the paper's scores."""
    scores, votes = matched.scores, matched.named.votes
    cosines = {f"cosine {n}": f"Similarity for the encoder {n} (Fig. 9)" for n in scores.encoders}
    first = {} if votes is None else {"votes": VOTES}
    shown = {**first, **MATRICES, **cosines}
    which = st.selectbox("What to show", [*shown], format_func=shown.get, key="matrix")
    if which == "votes":
        maps.figure(votes_heatmap(votes, labels, scores.types), "votes_heatmap")
        return
    if which in MATRICES:
        figure = similarity_heatmap(scores, labels, which)
    else:
        encoder = which.removeprefix("cosine ")
        figure = similarity_heatmap(scores, labels, "cosine", encoder=encoder)
        number = scores.encoders.index(encoder)
        part = (
            "counts" if scores.kept[number] else "is left out because it hardly separates the cells"
        )
        st.caption(
            f"{text.plain(encoder)} {part} (signal-to-noise ratio {scores.snr[number]:.2f})."
        )
    maps.figure(figure, "similarity_heatmap")
