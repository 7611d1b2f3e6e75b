"""Counts of cells: types, sizes, differential counts of slides, and the progress of a review.

Draws figures from counts or from the tables of :mod:`celltransfer_core.outputs.tables`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from celltransfer_core.plots.colours import NONE_COLOUR, set_colours, set_order
from celltransfer_core.plots.style import (
    CLEAR,
    DARK,
    MIDDLE,
    empty_figure,
    escape,
    finish_figure,
    name_axis,
    shorten,
)
from celltransfer_core.types import Float64
from celltransfer_core.vocabulary import REFERENCE

if TYPE_CHECKING:
    import pandas as pd
    import plotly.graph_objects as go


_MOST_BARS = 40  # more would be a list rather than a figure


def _bars(counts: Mapping[str, int], colours: Mapping[str, str], title: str) -> go.Figure:
    import plotly.graph_objects as go

    names = sorted(counts, key=lambda name: (-counts[name], name))
    subtitle = ""
    if len(names) > _MOST_BARS:
        rest = sum(counts[name] for name in names[_MOST_BARS:])
        subtitle = (
            f"the {_MOST_BARS} largest of {len(names):,} types; the others have {rest:,} cells"
        )
        names = names[:_MOST_BARS]
    total = max(sum(counts.values()), 1)
    largest = max([*counts.values(), 1])
    figure = go.Figure(
        go.Bar(
            x=[counts[name] for name in names],
            y=list(range(len(names))),
            orientation="h",
            width=0.7,
            marker_color=[colours.get(name, NONE_COLOUR) for name in names],
            text=[f"{counts[name]:,} ({_share(counts[name] / total)})" for name in names],
            textposition="outside",
            cliponaxis=False,
            hovertext=[
                f"{escape(name)}<br>{counts[name]:,} cells, {100 * counts[name] / total:.1f} %"
                for name in names
            ],
            hovertemplate="%{hovertext}<extra></extra>",
        )
    )
    return finish_figure(
        figure,
        title,
        plot=max(90, 30 * len(names)),
        subtitle=subtitle,
        # Room for the numbers next to the longest bar, even at the minimum width.
        xaxis={"title": "cells", "range": [0, 1.42 * largest], "nticks": 6},
        yaxis=name_axis(names, wrapped=True, range=[len(names) - 0.5, -0.5], title="type"),
    )


def _share(share: float) -> str:
    # Few cells must not look like none.
    return f"{100 * share:.1f} %" if share >= 0.0005 or not share else "&lt;0.1 %"


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
    return _bars(counts, colours, "Predicted composition")


def types_figure(
    counts: Mapping[str, int], colours: Mapping[str, str], title: str = "Cells of each type"
) -> go.Figure:
    """Draw how many cells of each type a set has.

    Parameters
    ----------
    counts : mapping from type to cells
    colours : mapping from type to colour
    title : str

    Returns
    -------
    plotly Figure
    """
    return _bars(counts, colours, title)


def sizes_figure(sizes: Mapping[str, Float64], title: str, axis: str) -> go.Figure:
    """Draw the distribution of image sides or nucleus extents in each set.

    Parameters
    ----------
    sizes : mapping from set name to ndarray of float, shape (cells of the set,)
        NaN if nothing was measured.
    title : str
    axis : str
        What is measured, with its unit, such as ``"longer side, px"``.

    Returns
    -------
    plotly Figure
    """
    import plotly.graph_objects as go

    measured = {
        name: np.asarray(values, dtype=np.float64)[np.isfinite(values)]
        for name, values in sizes.items()
    }
    measured = {name: values for name, values in measured.items() if len(values)}
    if not measured:
        return empty_figure(title, "Nothing has been measured.")
    edges = np.histogram_bin_edges(np.concatenate(list(measured.values())), bins=30)
    colours = set_colours(tuple(measured))
    dashes = ("solid", "solid", "dash", "dot", "dashdot")
    names = {
        name: f"{shorten(name)} ({len(measured[name]):,})"
        for name in set_order(tuple(measured))
        if name in measured
    }
    figure = go.Figure()
    for number, (name, label) in enumerate(names.items()):
        counts = np.histogram(measured[name], bins=edges)[0]
        share = 100 * counts / counts.sum()
        figure.add_scatter(
            x=np.repeat(edges, 2),
            y=np.concatenate([[0], np.repeat(share, 2), [0]]),
            mode="lines",
            name=label,
            fill="tozeroy" if name == REFERENCE else None,
            fillcolor="rgba(139,150,161,0.25)",
            line={"color": colours[name], "dash": dashes[number % len(dashes)], "width": 2},
            hovertemplate=f"%{{x:.4g}}: %{{y:.1f}} % of {escape(name)}<extra></extra>",
        )
    return finish_figure(
        figure,
        title,
        plot=220,
        legend=tuple(names.values()),
        xaxis={"title": escape(axis)},
        yaxis={"title": "cells of the set, %", "rangemode": "tozero"},
    )


@dataclass(frozen=True)
class _Rows:
    """Rows of a differential count, from the top, with the slides of each type grouped.

    If there is only one slide, there is one row per type.
    """

    slides: Sequence[str]
    types: Sequence[str]

    @property
    def single(self) -> bool:
        """Whether all cells are from one slide."""
        return len(self.slides) == 1

    @property
    def step(self) -> float:
        """Distance between two types: one row per slide, and an empty row for the name."""
        return 1.0 if self.single else len(self.slides) + 1.0

    def axis(self) -> dict[str, Any]:
        """Describe the axis: slides by name, or the types of the single one."""
        if self.single:
            return name_axis(
                self.types, wrapped=True, range=[len(self.types) - 0.5, -0.5], title="type"
            )
        return {
            "tickvals": [
                number * self.step + place
                for number in range(len(self.types))
                for place in range(len(self.slides))
            ],
            "ticktext": [
                shorten(name or "all cells", 20) for _ in self.types for name in self.slides
            ],
            "title": "slide",
            "range": [self.step * len(self.types) - 1.5, -1.5],
            "showgrid": False,
            "zeroline": False,
        }

    def places(self, table: pd.DataFrame) -> Float64:
        """Find the figure's row for each row of a table, shape (rows of the table,)."""
        slides, types = list(self.slides), list(self.types)
        return (
            table["type"].astype(str).map(types.index).to_numpy() * self.step
            + table["slide"].astype(str).map(slides.index).to_numpy()
        )


def differential_figure(
    table: pd.DataFrame, colours: Mapping[str, str], *, after: pd.DataFrame | None = None
) -> go.Figure:
    """Draw the differential count of each slide with its intervals.

    Parameters
    ----------
    table : DataFrame
        Columns slide, type, cells, percent, low, high; one row per slide and type; see
        :func:`celltransfer_core.outputs.differential_table`.
    colours : mapping from type to colour
    after : DataFrame, optional
        The same after review, drawn with filled points; predictions are then hollow.

    Returns
    -------
    plotly Figure
    """
    import plotly.graph_objects as go

    if not len(table):
        return empty_figure("Differential count", "No cell has been typed yet.")
    counts = {"predicted": table} if after is None else {"predicted": table, "reviewed": after}
    slides = list(dict.fromkeys(table["slide"].astype(str)))
    types = list(dict.fromkeys(name for one in counts.values() for name in one["type"].astype(str)))
    rows = _Rows(slides, types)
    figure = go.Figure()
    if after is None:
        _add_count(figure, "predicted", table, rows.places(table), colours)
    else:
        _add_count(figure, "predicted", table, rows.places(table) - 0.18, colours, hollow=True)
        _add_count(figure, "reviewed", after, rows.places(after) + 0.18, colours)
    for number, name in enumerate(() if rows.single else types):
        figure.add_annotation(
            x=0,
            xref="paper",
            y=number * rows.step - 0.75,
            text=f"<b>{shorten(name, 44)}</b>",
            showarrow=False,
            xanchor="left",
            font_size=12,
        )
    highest = [float(one["high"].max()) for one in counts.values()]
    top = max([100.0 if len(types) == 1 else 0.0, *highest])
    return finish_figure(
        figure,
        _title_of(slides),
        plot=max(140, int((30 if rows.single else 20) * rows.step * len(types))),
        subtitle="○ predicted &nbsp; ● after review" if after is not None else "",
        notes=[_what_bars_cover(table if after is None else after)],
        xaxis={
            "title": "% of all cells" if slides == [""] else "% of the slide's cells",
            "range": [-1, min(top * 1.04, 101)],
        },
        yaxis=rows.axis(),
    )


def _title_of(slides: Sequence[str]) -> str:
    if len(slides) > 1:
        return "Differential count by slide"
    return f"Differential count of {shorten(slides[0])}" if slides[0] else "Differential count"


def _what_bars_cover(table: pd.DataFrame) -> str:
    """Describe whether intervals include typing errors: only if answers corrected a share."""
    drawn = table.get("estimate")
    if drawn is None or drawn.isna().all():
        return "The bars cover only chance in counting."
    some = "" if drawn.notna().all() else " where enough cells of a type were drawn"
    return (
        f"Shares are corrected{some} by the answers on cells drawn at random, and the bars then "
        "cover errors of counting and of typing."
    )


def _add_count(
    figure: go.Figure,
    when: str,
    table: pd.DataFrame,
    y: Float64,
    colours: Mapping[str, str],
    *,
    hollow: bool = False,
) -> None:
    """Add a differential count: a line for each interval, and a point for each percentage."""
    tints = [colours.get(name, NONE_COLOUR) for name in table["type"].astype(str)]
    percent, low, high = (table[name].to_numpy(dtype=float) for name in ("percent", "low", "high"))
    for at, (left, right) in enumerate(zip(low, high, strict=True)):
        figure.add_shape(
            type="line",
            x0=float(left),
            x1=float(right),
            y0=float(y[at]),
            y1=float(y[at]),
            line={"color": tints[at], "width": 1.5 if hollow else 3},
        )
    figure.add_scatter(
        x=percent,
        y=y,
        mode="markers",
        marker={
            "color": tints,
            "size": 10,
            "symbol": "circle-open" if hollow else "circle",
            "line": {"width": 2 if hollow else 0},
        },
        hovertext=[
            f"{escape(row.type)}<br>{escape(row.slide or 'all cells')}, {when}<br>"
            f"{row.cells} cells: {row.percent:.1f} % ({row.low:.1f} to {row.high:.1f})"
            for row in table.itertuples()
        ],
        hovertemplate="%{hovertext}<extra></extra>",
    )


def review_progress_figure(outcomes: Mapping[str, int], total: int) -> go.Figure:
    """Draw how much of the queue is done, by outcome.

    Parameters
    ----------
    outcomes : mapping from outcome to cells
        Outcomes such as accepted, changed, unsure, artefact, in drawing order.
    total : int
        Cells of the queue, done and left.

    Returns
    -------
    plotly Figure
    """
    import plotly.graph_objects as go

    done = sum(outcomes.values())
    parts = {**{name: n for name, n in outcomes.items() if n}, "left": max(total - done, 0)}
    shades = ("#0B6E99", DARK, MIDDLE, "#94866F", "#8B6F80", "#5E7D72")
    figure = go.Figure()
    names = []
    for number, (name, cells) in enumerate(parts.items()):
        names.append(f"{shorten(name)} ({cells:,})")
        figure.add_bar(
            x=[cells],
            y=[0],
            orientation="h",
            name=names[-1],
            marker={
                "color": CLEAR if name == "left" else shades[number % len(shades)],
                "line": {"color": MIDDLE, "width": 1},
            },
            hovertemplate=f"{escape(name)}: {cells:,} of {total:,} cells<extra></extra>",
        )
    return finish_figure(
        figure,
        f"Reviewed: {done:,} of {total:,} cells",
        plot=60,
        legend=names,
        xaxis={"title": "cells", "range": [0, max(total, done, 1)], "showgrid": False},
        yaxis={"visible": False},
        barmode="stack",
    )
