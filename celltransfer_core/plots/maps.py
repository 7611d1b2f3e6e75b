"""Interactive maps of cells in a plane (t-SNE or UMAP)."""

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
from celltransfer_core.plots.labels import label_size, place_labels
from celltransfer_core.plots.style import DARK, FRAMED, NARROW, escape, finish_figure, shorten
from celltransfer_core.types import Float64, Floats, Labels
from celltransfer_core.vocabulary import QUERY, REFERENCE

if TYPE_CHECKING:
    import plotly.graph_objects as go


PLANE = (NARROW - 40, 380)
"""Minimum width of a map's plane, and its height, px."""

_LETTERS = {12: 22, 20: 17}
"""Letters per name, by maximum number of names; with more names, ``_LEAST`` letters."""

_LEAST = 11


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
    """Draw cells in a plane for inspection and lasso selection.

    Parameters
    ----------
    xy : ndarray of float, shape (n, 2)
    groups : sequence of str, length n
        Type, set or cluster of each cell; ``""`` for none.
    colours : mapping from group to colour
        Groups are drawn and listed in this order.
    ids : sequence of int or of str, length n
        Ids returned by a selection, as ``customdata`` of each point.
    title : str
    sets : sequence of str, length n, optional
        Set of each cell: the reference's points are hollow, the query's filled, those of extra
        sets have other shapes.
    symbols : mapping from group to symbol, optional
        See :func:`type_symbols`.
    hover : sequence of str, length n, optional
        Text shown when hovering over each cell; its id by default.
    numbered : bool
        Write each group's name next to the median of its cells instead of in a legend, as for
        clusters. Names are moved apart, and a line connects each to its median.
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
    # The query is drawn on top, because it is of most interest.
    drawn = sorted(markers, key=lambda name: (name == QUERY, name != REFERENCE, name))
    # A group's legend entry looks as in the topmost set that has it.
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
    frame = _frame(xy)
    if numbered:
        named = [name for name in order if name]
        write_names(figure, named, group_places(xy, groups, named), frame)
    return finish_figure(
        figure,
        title,
        plot=PLANE[1],
        subtitle=set_subtitle(markers) if sets is not None else "",
        legend=[shorten(name) for name in listed],
        xaxis={"title": escape(axes[0]), "range": frame[:, 0].tolist(), **FRAMED, "ticks": ""},
        yaxis={"title": escape(axes[1]), "range": frame[:, 1].tolist(), **FRAMED, "ticks": ""},
        dragmode="lasso",
        uirevision="map",
    )


def _group_order(groups: Sequence[str], colours: Mapping[str, str]) -> list[str]:
    """Order the existing groups like their colours; those without a colour come last."""
    present = set(groups)
    order = [name for name in colours if name in present]
    return order + sorted(present - set(order))


def _points(xy: Floats, ids: Labels, text: Labels, belongs_to: Sequence[str]) -> dict[str, Any]:
    """Describe points, whose hover text shows a text and what they belong to."""
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


def _frame(xy: Floats) -> Float64:
    """Return the least and greatest coordinates to show, shape (2, 2)."""
    if not len(xy):
        return np.array([[0.0, 0.0], [1.0, 1.0]])
    low, high = xy.min(axis=0).astype(np.float64), xy.max(axis=0).astype(np.float64)
    pad = 0.04 * np.maximum(high - low, 1e-6)
    return np.stack([low - pad, high + pad])


def group_places(xy: Floats, groups: Sequence[str], names: Sequence[str]) -> Float64:
    """Find the median of each group's cells.

    Parameters
    ----------
    xy : ndarray of float, shape (n, 2)
    groups : sequence of str, length n
        Group of each cell.
    names : sequence of str, length g
        Names of the groups; a group without cells is placed in the middle of all cells.

    Returns
    -------
    ndarray of float64, shape (g, 2)
    """
    of_group = np.array(groups, dtype=object)
    inside = [of_group == name for name in names]
    places = [np.median(xy[some] if some.any() else xy, axis=0) for some in inside]
    return np.array(places, dtype=np.float64).reshape(-1, 2)


def write_names(
    figure: go.Figure,
    names: Sequence[str],
    places: Float64,
    frame: Float64,
    *,
    fixed: Float64 | None = None,
    boxed: bool = True,
) -> None:
    """Write names next to their places without overlaps.

    Parameters
    ----------
    figure : plotly Figure
        Changed in place; its axes show ``frame``.
    names : sequence of str, length n
    places : ndarray of float64, shape (n, 2)
        In the figure's coordinates.
    frame : ndarray of float64, shape (2, 2)
        Least and greatest coordinates that are shown.
    fixed : ndarray of float64, shape (k, 4), optional
        Centre and size, px, of other boxes that must not be covered; see
        :func:`~celltransfer_core.plots.labels.place_labels`.
    boxed : bool
        Whether names have a white background, to be readable on top of points.
    """
    if not len(names):
        return
    length = next((most for few, most in _LETTERS.items() if len(names) <= few), _LEAST)
    cut = [name if len(name) <= length else f"{name[: length - 1]}…" for name in names]
    sizes = np.array([label_size(name) for name in cut])
    scale = np.array(PLANE) / (frame[1] - frame[0])
    moved = place_labels((places - frame[0]) * scale, sizes, PLANE, fixed=fixed)
    box = {
        "font": {"size": 12, "color": "#15191D"},
        "bgcolor": "rgba(255,255,255,0.88)",
        "bordercolor": DARK,
        "borderwidth": 1,
        "borderpad": 2,
    }
    for name, (x, y), (to_x, to_y), size in zip(
        cut, places.tolist(), (moved / scale + frame[0]).tolist(), sizes, strict=True
    ):
        # If a name still covers its place, a line would strike it through.
        led = bool((np.abs((np.array([to_x, to_y]) - [x, y]) * scale) > size / 2 + 2).any())
        line = {"ax": to_x, "ay": to_y, "axref": "x", "ayref": "y", "arrowhead": 0}
        figure.add_annotation(
            x=x if led else to_x,
            y=y if led else to_y,
            text=escape(name),
            showarrow=led,
            **(line | {"arrowwidth": 1, "arrowcolor": DARK} if led else {}),
            **(box if boxed else {"font": {"size": 12}}),
        )
