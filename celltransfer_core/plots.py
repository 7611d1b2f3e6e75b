"""Figures of a run. A cell type has the same colour on every one of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from celltransfer_core.types import Float64

if TYPE_CHECKING:
    import plotly.graph_objects as go

# Okabe and Ito's colours, which colour-blind readers tell apart; grey is for "none".
PALETTE = (
    "#0072B2",
    "#E69F00",
    "#009E73",
    "#CC79A7",
    "#56B4E9",
    "#D55E00",
    "#8C6BB1",
    "#B2A300",
    "#7F5539",
    "#5C946E",
)
NONE_COLOUR = "#8A8A8A"


def type_colours(types: Sequence[str]) -> dict[str, str]:
    """Give every type of the reference its colour.

    Parameters
    ----------
    types : sequence of str
        All types of the reference, kept or not, so that filtering changes no colour.

    Returns
    -------
    dict from str to str
        Hexadecimal colours; ``"none"`` is grey.
    """
    ordered = sorted(types)
    colours = {name: PALETTE[number % len(PALETTE)] for number, name in enumerate(ordered)}
    return {**colours, "none": NONE_COLOUR}


def composition_figure(counts: dict[str, int], colours: dict[str, str]) -> go.Figure:
    """Draw how many cells each predicted type has.

    Parameters
    ----------
    counts : dict from type to cells
    colours : dict from type to colour

    Returns
    -------
    plotly Figure
    """
    import plotly.graph_objects as go

    names = sorted(counts, key=lambda name: (-counts[name], name))
    total = max(sum(counts.values()), 1)
    figure = go.Figure(
        go.Bar(
            x=[counts[name] for name in names],
            y=names,
            orientation="h",
            marker_color=[colours[name] for name in names],
            text=[f"{100 * counts[name] / total:.0f} %" for name in names],
            textposition="outside",
            cliponaxis=False,
            hovertemplate="%{y}: %{x} cells<extra></extra>",
        )
    )
    figure.update_layout(
        title="Predicted composition",
        xaxis_title="cells",
        yaxis={"autorange": "reversed", "title": None},
        showlegend=False,
        margin={"l": 10, "r": 50, "t": 50, "b": 50},
        height=90 + 45 * max(len(names), 3),
    )
    return figure


def agreement_figure(agreement: Float64, threshold: float) -> go.Figure:
    """Draw how far the voters agree, and from where on a cell is flagged.

    Parameters
    ----------
    agreement : ndarray of float64, shape (m,)
    threshold : float

    Returns
    -------
    plotly Figure
    """
    import plotly.graph_objects as go

    edges = np.linspace(0, 1, 21)
    counts = np.histogram(agreement, bins=edges)[0]
    centres = (edges[:-1] + edges[1:]) / 2
    figure = go.Figure()
    # Shades of grey: colours mean cell types.
    for label, shown, colour in (
        ("flagged for review", centres < threshold, "#3B4248"),
        ("not flagged", centres >= threshold, "#B4C0C8"),
    ):
        figure.add_bar(
            x=centres[shown],
            y=counts[shown],
            width=0.045,
            name=label,
            marker_color=colour,
            hovertemplate="agreement %{x:.2f}: %{y} cells<extra></extra>",
        )
    figure.add_vline(x=threshold, line_dash="dash", annotation_text=f"threshold {threshold:g}")
    figure.update_layout(
        title="How far the voters agree",
        xaxis={"title": "agreement (share of the vote)", "range": [0, 1.02]},
        yaxis_title="cells",
        legend={"orientation": "h", "y": -0.3},
        margin={"l": 10, "r": 20, "t": 50, "b": 50},
        height=315,
        barmode="overlay",
    )
    return figure
