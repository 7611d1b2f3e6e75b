"""Drift of slides: how far each differs from the training cells or from the other slides."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from celltransfer_core.pipeline.slide_drift import FIGURES, SlideDrift
from celltransfer_core.plots.style import (
    LINES,
    MIDDLE,
    empty_figure,
    escape,
    finish_figure,
    name_axis,
    shorten,
)

if TYPE_CHECKING:
    import plotly.graph_objects as go

_SYMBOLS = ("circle", "square", "diamond", "triangle-up")
_MOST_NAMES = 24  # of more slides, only the batches are named, and of more batches, some
_MOST_LEVEL = 6  # more names are slanted
_LONGEST = 26  # characters


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
    figure.add_hline(y=1, line={"color": MIDDLE, "dash": "dot"})
    finish_figure(
        figure,
        title,
        plot=300,
        xaxis=_axis_of(places),
        yaxis={"title": "distance (1 = usual limit)", "rangemode": "tozero"},
        showlegend=True,
    )
    # Above, because the names below may be long and slanted.
    return figure.update_layout(
        legend={"y": 1.02, "yanchor": "bottom"}, margin_t=figure.layout.margin.t + 26
    )


def _axis_of(places: Sequence[tuple[str, str]]) -> dict[str, Any]:
    """Name the slides or, of many, the batches; ``places`` are pairs of a batch and a slide."""
    if len(places) <= _MOST_NAMES:
        apart = {batch for batch, slide in places if slide}
        often = Counter(slide for _, slide in places)
        names = [
            (slide if often[slide] == 1 else f"{slide}, {batch}")
            if slide
            else (f"others, {batch}" if batch in apart else batch)
            for batch, slide in places
        ]
        return name_axis(names, title="slide", tickangle=-35 if len(names) > _MOST_LEVEL else None)
    batches = [batch for batch, _ in places]
    starts = [batches.index(batch) for batch in dict.fromkeys(batches)]
    shown = starts[:: -(-len(starts) // _MOST_NAMES)]
    names = [shorten(batches[start], _LONGEST) for start in shown]
    return name_axis(batches, title="batch", tickvals=shown, ticktext=names, tickangle=-35)


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
