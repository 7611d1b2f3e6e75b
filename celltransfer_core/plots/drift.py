"""Drift of slides: how far each differs from the training cells or from the other slides."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from celltransfer_core.pipeline.slide_drift import FIGURES, SlideDrift
from celltransfer_core.plots.style import (
    LINES,
    MIDDLE,
    empty_figure,
    escape,
    finish_figure,
    name_axis,
)

if TYPE_CHECKING:
    import plotly.graph_objects as go

_SYMBOLS = ("circle", "square", "diamond", "triangle-up")


def drift_figure(
    batches: Mapping[str, Sequence[SlideDrift]], title: str = "Drift per slide"
) -> go.Figure:
    """Draw how far the slides of batches have drifted, in the order of arrival.

    Parameters
    ----------
    batches : mapping from name to sequence of SlideDrift
    title : str

    Returns
    -------
    plotly Figure
    """
    import plotly.graph_objects as go

    every = [(name, one) for name, drift in batches.items() for one in drift]
    places = list(dict.fromkeys((name, one.slide) for name, one in every))
    if not places:
        return empty_figure(title, "No slides have been added yet.")
    figure = go.Figure()
    for kind, colour, symbol in zip(FIGURES, LINES, _SYMBOLS, strict=False):
        found = [(name, one) for name, one in every if one.figure == kind]
        figure.add_scatter(
            x=[places.index((name, one.slide)) for name, one in found],
            y=[one.distance / one.limit for _, one in found],
            mode="lines+markers",
            name=kind,
            line={"color": colour, "width": 1.5},
            marker={"symbol": symbol, "size": 9, "color": colour},
            hovertext=[
                f"{escape(name)} {escape(one.slide)}<br>{one.cells:,} cells<br>"
                f"{kind}: {one.distance / one.limit:.2f} times the usual limit"
                for name, one in found
            ],
            hovertemplate="%{hovertext}<extra></extra>",
        )
    named = {name for name, slide in places if slide}
    of_cells = [slide or (f"{name}, others" if name in named else name) for name, slide in places]
    figure.add_hline(y=1, line={"color": MIDDLE, "dash": "dot"})
    return finish_figure(
        figure,
        title,
        plot=260,
        legend=FIGURES,
        xaxis=name_axis(of_cells, title="slide"),
        yaxis={"title": "distance (1 = usual limit)", "rangemode": "tozero"},
    )


def between_slides_figure(drift: Sequence[SlideDrift]) -> go.Figure:
    """Draw how far each slide of a set differs from its other slides.

    Parameters
    ----------
    drift : sequence of SlideDrift

    Returns
    -------
    plotly Figure
    """
    return drift_figure({"query": drift}, "Drift between slides")
