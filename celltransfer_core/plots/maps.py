"""Cells in a plane (t-SNE or UMAP): positions and groups in, an interactive map out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import product
from typing import TYPE_CHECKING, Any

import numpy as np

from celltransfer_core.plots.colours import (
    NONE_COLOUR,
    SYMBOLS,
    marker_symbol,
    set_markers,
    set_subtitle,
)
from celltransfer_core.plots.style import DARK, FRAMED, escape, finish_figure, shorten
from celltransfer_core.types import Floats, Labels
from celltransfer_core.vocabulary import QUERY, REFERENCE

if TYPE_CHECKING:
    import plotly.graph_objects as go


def map_figure(
    xy: Floats,
    groups: Sequence[str],
    colours: Mapping[str, str],
    ids: Sequence[int] | Sequence[str],
    title: str,
    *,
    sets: Sequence[str] | None = None,
    symbols: Mapping[str, str] | None = None,
    hover: Sequence[str] | None = None,
    numbered: bool = False,
    axes: tuple[str, str] = ("t-SNE 1", "t-SNE 2"),
) -> go.Figure:
    """Draw cells in a plane, to be looked at and picked with a lasso.

    Parameters
    ----------
    xy : ndarray of float, shape (n, 2)
    groups : sequence of str, length n
        Type, set or cluster of each cell; ``""`` for none.
    colours : mapping from group to colour
        Groups are drawn and listed in its order.
    ids : sequence of int or of str, length n
        What a selection gives back, as ``customdata`` of each point.
    title : str
    sets : sequence of str, length n, optional
        Set of each cell: the reference's points are hollow, the query's filled, those of extra
        sets have other shapes.
    symbols : mapping from group to symbol, optional
        See :func:`type_symbols`.
    hover : sequence of str, length n, optional
        What to show of each cell under the pointer; its id by default.
    numbered : bool
        Write each group's name at the median of its cells instead of listing it in a legend: for
        clusters.
    axes : (str, str)

    Returns
    -------
    plotly Figure
    """
    import plotly.graph_objects as go

    of_group = np.array(groups, dtype=object)
    of_set = np.array(sets if sets is not None else [QUERY] * len(xy), dtype=object)
    lines = [f"cell {i}" for i in ids] if hover is None else hover
    text = np.array([escape(line) for line in lines], dtype=object)
    identity = np.array(ids, dtype=object)
    markers = set_markers(tuple(of_set))
    size = float(np.clip(220 / np.sqrt(max(len(xy), 1)), 3.5, 9))
    order = _group_order(groups, colours)
    listed = [] if numbered else [name for name in order if name]
    # The query lies on top, because it is what people look at.
    drawn = sorted(markers, key=lambda name: (name == QUERY, name != REFERENCE, name))
    # A group stands in the legend as it looks in the topmost set that has it.
    topmost = {name: where for where in drawn for name in of_group[of_set == where]}
    figure = go.Figure()
    for set_name, (number, name) in product(drawn, enumerate(order)):
        inside = np.flatnonzero((of_group == name) & (of_set == set_name))
        if not len(inside):
            continue
        belongs_to = [name, set_name] if sets is not None else [name]
        type_symbol = (symbols or {}).get(name, SYMBOLS[0])
        figure.add_scattergl(
            **_points(xy[inside], identity[inside], text[inside], belongs_to),
            name=shorten(name),
            legendgroup=str(number),
            showlegend=name in listed and topmost[name] == set_name,
            marker={
                "color": colours.get(name, NONE_COLOUR),
                "symbol": marker_symbol(type_symbol, markers[set_name][0]),
                "size": size,
                "opacity": 0.85 if name else 0.35,
            },
        )
    if numbered:
        _write_names(figure, xy, of_group, order)
    return finish_figure(
        figure,
        title,
        plot=380,
        subtitle=set_subtitle(markers) if sets is not None else "",
        legend=[shorten(name) for name in listed],
        xaxis={"title": escape(axes[0]), **FRAMED, "ticks": ""},
        yaxis={"title": escape(axes[1]), **FRAMED, "ticks": ""},
        dragmode="lasso",
        uirevision="map",
    )


def _group_order(groups: Sequence[str], colours: Mapping[str, str]) -> list[str]:
    """Order the groups that are there as their colours are; those without one come last."""
    present = set(groups)
    order = [name for name in colours if name in present]
    return order + sorted(present - set(order))


def _points(xy: Floats, ids: Labels, text: Labels, belongs_to: Sequence[str]) -> dict[str, Any]:
    """Describe points, which show their own text and what they belong to under the pointer."""
    parts = ["%{text}", *(escape(part) for part in belongs_to if part)]
    return {
        "mode": "markers",
        "x": np.asarray(xy[:, 0], dtype=np.float32),
        "y": np.asarray(xy[:, 1], dtype=np.float32),
        "customdata": ids.tolist(),
        "text": text.tolist(),
        "hovertemplate": "<br>".join(parts) + "<extra></extra>",
        "unselected": {"marker": {"opacity": 0.15}},
    }


def _write_names(figure: go.Figure, xy: Floats, of_group: Labels, names: Sequence[str]) -> None:
    """Write each group's name at the median of its cells."""
    for name in filter(None, names):
        x, y = np.median(xy[of_group == name], axis=0)
        figure.add_annotation(
            x=float(x),
            y=float(y),
            text=shorten(name),
            showarrow=False,
            font={"size": 12, "color": "#15191D"},
            bgcolor="rgba(255,255,255,0.88)",
            bordercolor=DARK,
            borderwidth=1,
            borderpad=2,
        )
