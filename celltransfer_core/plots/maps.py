"""TODO celltransfer_core/plots/maps.py."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from celltransfer_core.plots.colours import NONE_COLOUR, SYMBOLS, set_key, set_marks, symbol
from celltransfer_core.plots.style import DARK, LINE, _plain, finish, short
from celltransfer_core.types import Float64
from celltransfer_core.vocabulary import QUERY, REFERENCE

if TYPE_CHECKING:
    import plotly.graph_objects as go


def map_figure(
    xy: Float64,
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
        What to tell of each cell; its id by default.
    numbered : bool
        Write each group's name at the median of its cells instead of listing it in a legend: for
        clusters.
    axes : (str, str)

    Returns
    -------
    plotly Figure
    """
    import plotly.graph_objects as go

    n = len(xy)
    of_group = np.array(groups, dtype=object)
    of_set = np.array(sets if sets is not None else [QUERY] * n, dtype=object)
    lines = hover if hover is not None else [f"cell {i}" for i in ids]
    text = np.array([_plain(line) for line in lines], dtype=object)
    identity = np.array(ids, dtype=object)
    marks = set_marks(tuple(of_set))
    present = set(groups)
    order = [name for name in colours if name in present]
    order += sorted(present - set(order))
    size = float(np.clip(220 / np.sqrt(max(n, 1)), 3.5, 9))
    listed = [] if numbered else [name for name in order if name]
    # The query lies on top, for it is what is looked at.
    drawn = sorted(marks, key=lambda name: (name == QUERY, name != REFERENCE, name))
    # A group stands in the legend as it looks in the topmost set that has it.
    topmost = {name: where for where in drawn for name in of_group[of_set == where]}
    figure = go.Figure()
    for set_name in drawn:
        for name in order:
            inside = np.flatnonzero((of_group == name) & (of_set == set_name))
            if not len(inside):
                continue
            told = [_plain(part) for part in (name, set_name if sets is not None else "") if part]
            figure.add_scattergl(
                x=np.asarray(xy[inside, 0], dtype=np.float32),
                y=np.asarray(xy[inside, 1], dtype=np.float32),
                mode="markers",
                name=short(name),
                legendgroup=str(order.index(name)),
                showlegend=name in listed and topmost[name] == set_name,
                customdata=identity[inside].tolist(),
                text=text[inside].tolist(),
                hovertemplate="<br>".join(["%{text}", *told]) + "<extra></extra>",
                marker={
                    "color": colours.get(name, NONE_COLOUR),
                    "symbol": symbol((symbols or {}).get(name, SYMBOLS[0]), marks[set_name][0]),
                    "size": size,
                    "opacity": 0.85 if name else 0.35,
                },
                unselected={"marker": {"opacity": 0.15}},
            )
    if numbered:
        for name in filter(None, order):
            x, y = np.median(xy[of_group == name], axis=0)
            figure.add_annotation(
                x=float(x),
                y=float(y),
                text=short(name),
                showarrow=False,
                font={"size": 12, "color": "#15191D"},
                bgcolor="rgba(255,255,255,0.88)",
                bordercolor=DARK,
                borderwidth=1,
                borderpad=2,
            )
    blank = {"showticklabels": False, "showgrid": False, "zeroline": False, "showline": True}
    frame = {**blank, "linecolor": LINE, "mirror": True, "ticks": ""}
    return finish(
        figure,
        title,
        plot=380,
        subtitle=set_key(marks) if sets is not None else "",
        legend=[short(name) for name in listed],
        xaxis={"title": _plain(axes[0]), **frame},
        yaxis={"title": _plain(axes[1]), **frame},
        dragmode="lasso",
        uirevision="map",
    )
