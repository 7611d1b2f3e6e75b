"""Figures of a study. A cell type has the same colour and symbol on every one of them.

Colours mean cell types and nothing else: sets differ by shape, clusters by number, and voters,
thresholds and progress are drawn in greys. Backgrounds are transparent and text takes the page's
own colour, so that a figure stands on light and on dark. Names of types, sets, files and voters
come from users: they are escaped wherever plotly would read them as markup.
"""

from __future__ import annotations

import hashlib
import html
import textwrap
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np

from celltransfer_core.matching import (
    NONE_TYPE,
    QUERY,
    REFERENCE,
    Plane,
    Similarity,
    match_score,
)
from celltransfer_core.pipeline import Solve, Voter, voter_name
from celltransfer_core.types import Float64, Ints
from celltransfer_core.voting import Vote

if TYPE_CHECKING:
    import pandas as pd
    import plotly.graph_objects as go

    from celltransfer_core.evaluation import Curve, Reliability
    from celltransfer_core.reader import Point

# Found by a search for eight colours that stay apart for normal, protan, deutan and tritan eyes
# and each have a contrast of 3 or more with white and with a black page; tests/test_plots.py
# holds them to it.
PALETTE = (
    "#7979FF",
    "#BC1B5E",
    "#5EA179",
    "#A19400",
    "#8643AE",
    "#0D7979",
    "#C979AE",
    "#516B00",
)
SYMBOLS = ("circle", "diamond", "square")
NONE_COLOUR = "#8A8A8A"

# Near-greys: they only part neighbours, a cluster is known by the number at its median.
CLUSTER_PALETTE = ("#66788C", "#94866F", "#5E7D72", "#8B6F80", "#84909B", "#7A6A58")

SET_PALETTE = ("#8B96A1", "#0B6E99", "#94866F", "#8B6F80", "#5E7D72")
_EXTRA_SYMBOLS = (("triangle-up", "▲"), ("star", "★"), ("x", "✕"), ("cross", "✚"))

_LINES = ("#0B6E99", "#C2571A", "#4B7A4F", "#7A4E8A", "#15191D")
"""Lines that stand for ways of working, not for types."""
_DARK, _MIDDLE, _PALE = "#5C6670", "#8B96A1", "#B4C0C8"
_LINE = "rgba(128,128,128,0.55)"
_CLEAR = "rgba(0,0,0,0)"
_DIVERGING = (
    (0.0, "#2166AC"),
    (0.25, "#92C5DE"),
    (0.5, "#F7F7F7"),
    (0.75, "#F4A582"),
    (1, "#B2182B"),
)
_SEQUENTIAL = ((0.0, "#F3F6F8"), (0.5, "#8FA9BC"), (1.0, "#1F4E6B"))

_NARROW = 460
"""Width in px at which every figure must still be read."""

_FEW_COLUMNS = 10
"""Columns of a matrix up to which its values can be written at that width."""

_LEAST_ERROR = 1e-17
"""Marginal errors below, zero among them, are drawn here."""

Matrix = Literal[
    "cosine", "mean_row", "mean_col", "count_row", "count_col", "score_row", "score_col", "p"
]

_MATRICES: Mapping[str, tuple[str, str]] = {
    "cosine": ("Mean cosine", "cosine"),
    "mean_row": ("Scores along rows, mean of encoders", "score"),
    "mean_col": ("Scores along columns, mean of encoders", "score"),
    "count_row": ("Encoders whose best type it is", "encoders"),
    "count_col": ("Encoders whose best cluster it is", "encoders"),
    "score_row": ("Row scores, encoders together", "score"),
    "score_col": ("Column scores, encoders together", "score"),
    "p": ("Match scores", "score"),
}

CAPTIONS: dict[str, str] = {
    "accuracy_figure": (
        "Accuracy of every encoder without alignment (dark), and what aligning adds (blue) or "
        "takes away (striped). The last bar is the ensemble's vote; the line on it is its 95 % "
        "interval, or in a mean of pairs their standard deviation."
    ),
    "agreement_worth_figure": (
        "If you trust the cells of highest agreement and review the rest: how many of the trusted "
        "are right, and how many of all errors are among those you review. The dotted line is what "
        "reviewing at random would catch."
    ),
    "reliability_figure": (
        "Of cells with a given confidence, how many are right. On the diagonal confidence means "
        "what it says; below it the vote is too sure of itself."
    ),
    "reader_figure": (
        "What answers are worth: a reader confirms every cluster, then types cell after cell. The "
        "queue is the one of the Review page, its blind sample included; margin takes the cell "
        "whose two best types are closest. Full lines count all cells, dotted ones those that "
        "nobody typed."
    ),
    "low_label_figure": (
        "The ensemble's accuracy with few labelled reference cells a type; bars show the standard "
        "deviation over repeated draws."
    ),
    "composition_figure": (
        "How many query cells each type got. Percentages are shares of all query cells."
    ),
    "agreement_figure": (
        "Each cell's agreement is the share of the vote that its type won. Cells left of the "
        "dashed line are flagged for you to look at."
    ),
    "types_figure": (
        "How many cells of each type the set holds. Types with few cells are learned less well."
    ),
    "sizes_figure": (
        "How large the images or nuclei are, as shares of each set. Curves that lie apart mean "
        "that the sets were taken at different scales."
    ),
    "map_figure": (
        "Every point is a cell; cells that look alike to the encoder lie close together. Distances "
        "between far groups, and the axes' values, mean nothing. Draw a lasso to pick cells."
    ),
    "similarity_heatmap": (
        "Every row is a cluster of the query, every column a type of the reference: the higher the "
        "number, the more alike they are (red above zero, blue below, where there is both). Frames "
        "mark the best type of each cluster or, where clusters compete, the best cluster of each "
        "type."
    ),
    "score_plane_figure": (
        "Every point is a cluster and a type. Far right: of all types it is the one for this "
        "cluster; far up: of all clusters this is the one for the type. The nearer to the upper "
        "right corner, the surer the match; grey lines join equal match scores."
    ),
    "cluster_plane_figure": (
        "Every point is a whole cluster, placed by how it resembles the reference's types, which "
        "are named. A query cluster whose neighbours are of another type than its own deserves a "
        "look. The axes' values mean nothing."
    ),
    "differential_figure": (
        "The share of each type on every slide. Bars are 95 % intervals: they tell how far chance "
        "in counting reaches, not how many cells are typed wrongly."
    ),
    "confusion_figure": (
        "How two opinions on the same cells compare, in cells; shades are shares of a row. Cells "
        "off the diagonal are typed differently by the two; neither is known to be right."
    ),
    "disagreement_figure": (
        "The share of cells to which two voters give the same type. A voter that agrees with "
        "hardly any other sees something else in the cells, or little at all."
    ),
    "transport_gain_figure": (
        "How far each encoder agrees with the final vote without transport (hollow) and with it "
        "(filled); the number is the share of cells whose type transport changed. It takes part "
        "in that vote itself, so this shows what transport does, not who is right."
    ),
    "transport_quality_figure": (
        "Every point is one transport. A marginal error near 0 means that all cells were carried "
        "as told; the objective compares solves of one encoder only. Crosses mark solves with a "
        "remark from the solver."
    ),
    "review_progress_figure": "What came out for the cells of the queue, and how many are left.",
}
"""How to read each figure, in plain words, by the name of its function."""


def _plain(text: object) -> str:
    """Write text so that plotly shows it as it is, in labels and in hover templates."""
    # Plotly knows no &quot;, so quotes stay. It fills in %{…} before it decodes entities.
    return html.escape(str(text), quote=False).replace("%{", "%&#123;")


def _short(text: object, length: int = 30) -> str:
    """Write text for an axis or a legend: escaped, and cut where too long."""
    word = str(text)
    return _plain(word if len(word) <= length else f"{word[: length - 1]}…")


def _voter(name: str, length: int = 22) -> str:
    """Cut a voter's name before its colon: what follows tells how it is aligned."""
    if len(name) <= length:
        return name
    encoder, colon, alignment = name.rpartition(":")
    if not colon:
        return f"{name[: length - 1]}…"
    return f"{encoder[: max(length - len(alignment) - 2, 1)]}…:{alignment}"


def _title(title: str, subtitle: str = "") -> str:
    """Write a title in lines that a narrow figure can hold; the subtitle is markup."""
    lines = "<br>".join(_plain(line) for line in textwrap.wrap(title, 44)[:3])
    if not subtitle:
        return lines
    return f"{lines}<br><span style='font-size:12px;font-weight:400'>{subtitle}</span>"


def _finish(
    figure: go.Figure,
    title: str,
    *,
    plot: int,
    subtitle: str = "",
    legend: Sequence[str] = (),
    **layout: Any,
) -> go.Figure:
    """Give a figure its title, its margins and, where it has one, a legend below the axis.

    Heights are in px and known beforehand, so that nothing jumps or overlaps: ``plot`` is that of
    the plotting area, and as many lines are added as the legend needs at the least width.
    """
    text = _title(title, subtitle)
    top = 34 + 20 * (1 + text.count("<br>"))
    widths = [7 * len(name) + 48 for name in legend]
    lines = 0
    if legend:
        room = _NARROW - 20
        lines = 1 if sum(widths) < room else -(-len(legend) // max(1, room // max(widths)))
    bottom = 52 + 21 * lines
    figure.update_layout(
        title={"text": text, "x": 0, "xref": "container", "xanchor": "left"},
        height=top + plot + bottom,
        margin={"l": 12, "r": 16, "t": top, "b": bottom, "pad": 0},
        paper_bgcolor=_CLEAR,
        plot_bgcolor=_CLEAR,
        showlegend=bool(legend),
        hoverlabel={"align": "left", "namelength": -1},
        modebar={"bgcolor": _CLEAR, "color": "#6B7780", "activecolor": "#0B82B5"},
    )
    figure.update_layout(
        title={
            # Plotly sets titles of several lines higher than those of one.
            "y": 1 - (26 if "<br>" in text else 14) / (top + plot + bottom),
            "yref": "container",
            "yanchor": "top",
            "pad": {"l": 12},
            "font": {"size": 16},
        },
        legend={
            "orientation": "h",
            "x": 0,
            "xanchor": "left",
            "y": -50 / plot,
            "yanchor": "top",
            "itemsizing": "constant",
            "traceorder": "normal",
            "title": {"text": ""},
            "font": {"size": 12},
        },
    )
    figure.update_xaxes(automargin=True)
    figure.update_yaxes(automargin=True)
    return figure.update_layout(**layout)


def _named(names: Sequence[object], **axis: Any) -> dict[str, Any]:
    """Make an axis of names at positions 0, 1, …, whatever the names look like."""
    return {
        "tickmode": "array",
        "tickvals": list(range(len(names))),
        "ticktext": [_short(name, 24) for name in names],
        "ticklabelstandoff": 4,
        "range": [-0.5, len(names) - 0.5],
        "showgrid": False,
        "zeroline": False,
        **axis,
    }


def _nothing(title: str, reason: str) -> go.Figure:
    """Draw a figure that says why it is empty."""
    import plotly.graph_objects as go

    figure = go.Figure()
    figure.add_annotation(
        text=reason, showarrow=False, x=0.5, y=0.5, xref="paper", yref="paper", font_size=14
    )
    return _finish(figure, title, plot=120, xaxis={"visible": False}, yaxis={"visible": False})


def _luminance(colour: str) -> float:
    channels = np.array([int(colour[start : start + 2], 16) for start in (1, 3, 5)]) / 255
    linear = np.where(channels <= 0.04045, channels / 12.92, ((channels + 0.055) / 1.055) ** 2.4)
    return float(linear @ (0.2126, 0.7152, 0.0722))


def _text_on(colour: str) -> str:
    """Choose black or white for text on a colour, whichever has the better contrast."""
    return "#000000" if (_luminance(colour) + 0.05) ** 2 > 0.05 * 1.05 else "#FFFFFF"


def _shade(scale: Sequence[tuple[float, str]], value: float, limits: tuple[float, float]) -> str:
    """Find the colour that a scale gives a value."""
    place = (value - limits[0]) / (limits[1] - limits[0])
    channels = [
        int(np.interp(place, [at for at, _ in scale], [int(c[i : i + 2], 16) for _, c in scale]))
        for i in (1, 3, 5)
    ]
    return "#" + "".join(f"{channel:02X}" for channel in channels)


def _preferences(name: str) -> list[int]:
    """List the palette's places in the order that a name wants them, by hash."""
    return sorted(
        range(len(PALETTE)),
        key=lambda place: hashlib.sha256(f"{place} {name}".encode()).digest(),
    )


def _slots(types: Sequence[str], named: Sequence[str] = ()) -> dict[str, int]:
    """Give every type a place: palette first, then the palette again with the next symbol.

    Every name takes the first free place it wants, so that adding or dropping a type leaves most
    of the others as they were; types that people named come after the reference's and move none.
    """
    slots: dict[str, int] = {}
    own = sorted(set(types) - {NONE_TYPE})
    for number, name in enumerate([*own, *(n for n in dict.fromkeys(named) if n not in own)]):
        first = number // len(PALETTE) * len(PALETTE)
        taken = set(slots.values())
        slots[name] = next(
            first + place for place in _preferences(name) if first + place not in taken
        )
    return slots


def type_colours(types: Sequence[str], named: Sequence[str] = ()) -> dict[str, str]:
    """Give every type its colour.

    Parameters
    ----------
    types : sequence of str
        All types of the reference, kept or not, so that filtering changes no colour.
    named : sequence of str
        Types that people named beside them, in the order they were first named.

    Returns
    -------
    dict from str to str
        Hexadecimal colours, the same for the same types in any order; ``"none"`` is grey. Beyond
        eight types colours come again, with another symbol: see :func:`type_symbols`.
    """
    colours = {name: PALETTE[slot % len(PALETTE)] for name, slot in _slots(types, named).items()}
    return {**colours, NONE_TYPE: NONE_COLOUR}


def type_symbols(types: Sequence[str]) -> dict[str, str]:
    """Give every type of the reference its marker.

    Parameters
    ----------
    types : sequence of str
        The same as for :func:`type_colours`.

    Returns
    -------
    dict from str to str
        Names of plotly's symbols. All are circles up to eight types; colour and symbol together
        are unique up to 24.
    """
    symbols = {
        name: SYMBOLS[slot // len(PALETTE) % len(SYMBOLS)] for name, slot in _slots(types).items()
    }
    return {**symbols, NONE_TYPE: SYMBOLS[0]}


def cluster_colours(clusters: Sequence[str]) -> dict[str, str]:
    """Give clusters near-greys, which nobody takes for the colours of types.

    Parameters
    ----------
    clusters : sequence of str
        Names of all clusters, in order. Six colours take turns: they only part neighbours, and
        ``map_figure(..., numbered=True)`` writes each name at its cluster's median.

    Returns
    -------
    dict from str to str
        Hexadecimal colours.
    """
    return {
        name: CLUSTER_PALETTE[number % len(CLUSTER_PALETTE)] for number, name in enumerate(clusters)
    }


def set_colours(sets: Sequence[str]) -> dict[str, str]:
    """Give the reference, the query and extra sets their colours.

    Parameters
    ----------
    sets : sequence of str

    Returns
    -------
    dict from str to str
        Hexadecimal colours: grey for the reference, the page's blue for the query.
    """
    return {
        name: SET_PALETTE[number % len(SET_PALETTE)] for number, name in enumerate(_set_order(sets))
    }


def _set_order(sets: Sequence[str]) -> list[str]:
    present = set(sets) | {REFERENCE, QUERY}
    return [REFERENCE, QUERY, *sorted(present - {REFERENCE, QUERY})]


def _set_marks(sets: Sequence[str]) -> dict[str, tuple[str, str]]:
    """Give every set a symbol and the character that stands for it in a subtitle.

    The query's symbol is empty: its points wear their type's own.
    """
    marks = {REFERENCE: ("-open", "○"), QUERY: ("", "●")}
    for number, name in enumerate(_set_order(sets)[2:]):
        marks[name] = _EXTRA_SYMBOLS[number % len(_EXTRA_SYMBOLS)]
    present = set(sets)
    return {name: mark for name, mark in marks.items() if name in present}


def _symbol(of_type: str, of_set: str) -> str:
    return of_type + of_set if of_set.startswith("-") or not of_set else of_set


def _set_key(marks: Mapping[str, tuple[str, str]]) -> str:
    return " &nbsp; ".join(f"{mark} {_short(name)}" for name, (_, mark) in marks.items())


def _bars(counts: Mapping[str, int], colours: Mapping[str, str], title: str) -> go.Figure:
    import plotly.graph_objects as go

    names = sorted(counts, key=lambda name: (-counts[name], name))
    total = max(sum(counts.values()), 1)
    largest = max([*counts.values(), 1])
    figure = go.Figure(
        go.Bar(
            x=[counts[name] for name in names],
            y=list(range(len(names))),
            orientation="h",
            width=0.7,
            marker_color=[colours.get(name, NONE_COLOUR) for name in names],
            text=[f"{counts[name]:,} ({_percent(counts[name] / total)})" for name in names],
            textposition="outside",
            cliponaxis=False,
            hovertext=[
                f"{_plain(name)}<br>{counts[name]:,} cells, {100 * counts[name] / total:.1f} %"
                for name in names
            ],
            hovertemplate="%{hovertext}<extra></extra>",
        )
    )
    return _finish(
        figure,
        title,
        plot=max(90, 30 * len(names)),
        # Room for the figures beside the longest bar, also at the least width.
        xaxis={"title": "cells", "range": [0, 1.42 * largest], "nticks": 6},
        yaxis=_named(names, range=[len(names) - 0.5, -0.5], title="type"),
    )


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
    centres = (edges[:-1] + edges[1:]) / 2
    below = agreement < threshold
    labels = (
        f"flagged for review ({int(below.sum()):,})",
        f"not flagged ({int((~below).sum()):,})",
    )
    figure = go.Figure()
    for label, cells, colour in (
        (labels[0], agreement[below], _DARK),
        (labels[1], agreement[~below], _PALE),
    ):
        figure.add_bar(
            x=centres,
            y=np.histogram(cells, bins=edges)[0],
            width=0.045,
            name=label,
            marker_color=colour,
            hovertemplate="agreement %{x:.2f}: %{y} cells<extra></extra>",
        )
    figure.add_vline(
        x=threshold,
        line={"dash": "dash", "width": 1.5, "color": _MIDDLE},
        annotation={
            "text": f"threshold {threshold:g}",
            "yref": "paper",
            "y": 1,
            "yanchor": "bottom",
            "xanchor": "center",
        },
    )
    return _finish(
        figure,
        "How far the voters agree",
        plot=220,
        legend=labels,
        xaxis={"title": "agreement (share of the vote)", "range": [0, 1.02]},
        yaxis={"title": "cells", "rangemode": "tozero"},
        barmode="stack",
    )


def sizes_figure(sizes: Mapping[str, Float64], title: str, axis: str) -> go.Figure:
    """Draw how image sides or nucleus extents spread in each set.

    Parameters
    ----------
    sizes : mapping from set name to ndarray of float, shape (cells of the set,)
        NaN where nothing was measured.
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
        return _nothing(title, "Nothing was measured.")
    edges = np.histogram_bin_edges(np.concatenate(list(measured.values())), bins=30)
    colours = set_colours(tuple(measured))
    dashes = ("solid", "solid", "dash", "dot", "dashdot")
    names = {
        name: f"{_short(name)} ({len(measured[name]):,})"
        for name in _set_order(tuple(measured))
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
            hovertemplate=f"%{{x:.4g}}: %{{y:.1f}} % of {_plain(name)}<extra></extra>",
        )
    return _finish(
        figure,
        title,
        plot=220,
        legend=tuple(names.values()),
        xaxis={"title": _plain(axis)},
        yaxis={"title": "cells of the set, %", "rangemode": "tozero"},
    )


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
    marks = _set_marks(tuple(of_set))
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
                name=_short(name),
                legendgroup=str(order.index(name)),
                showlegend=name in listed and topmost[name] == set_name,
                customdata=identity[inside].tolist(),
                text=text[inside].tolist(),
                hovertemplate="<br>".join(["%{text}", *told]) + "<extra></extra>",
                marker={
                    "color": colours.get(name, NONE_COLOUR),
                    "symbol": _symbol((symbols or {}).get(name, SYMBOLS[0]), marks[set_name][0]),
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
                text=_short(name),
                showarrow=False,
                font={"size": 12, "color": "#15191D"},
                bgcolor="rgba(255,255,255,0.88)",
                bordercolor=_DARK,
                borderwidth=1,
                borderpad=2,
            )
    blank = {"showticklabels": False, "showgrid": False, "zeroline": False, "showline": True}
    frame = {**blank, "linecolor": _LINE, "mirror": True, "ticks": ""}
    return _finish(
        figure,
        title,
        plot=380,
        subtitle=_set_key(marks) if sets is not None else "",
        legend=[_short(name) for name in listed],
        xaxis={"title": _plain(axes[0]), **frame},
        yaxis={"title": _plain(axes[1]), **frame},
        dragmode="lasso",
        uirevision="map",
    )


def _matrix_figure(
    values: Float64,
    rows: Sequence[object],
    columns: Sequence[object],
    hover: Sequence[Sequence[str]],
    title: str,
    *,
    limits: tuple[float, float],
    unit: str,
    digits: int,
    axes: tuple[str, str],
    text: Sequence[Sequence[str]] | None = None,
) -> go.Figure:
    """Draw a matrix, its values written out where the columns are wide enough."""
    import plotly.graph_objects as go

    scale = _DIVERGING if limits[0] < 0 else _SEQUENTIAL
    few = len(columns) <= _FEW_COLUMNS
    figure = go.Figure(
        go.Heatmap(
            z=values,
            zmin=limits[0],
            zmax=limits[1],
            colorscale=scale,
            xgap=1,
            ygap=1,
            hovertext=hover,
            hovertemplate="%{hovertext}<extra></extra>",
            colorbar={
                "title": {"text": unit, "side": "right"},
                "thickness": 10,
                "outlinewidth": 0,
                "nticks": 5,
                "xpad": 6,
                **({"dtick": 1} if digits == 0 and limits[1] < 5 else {}),
            },
        )
    )
    if few:
        # Not the heat map's own text, whose grey is hard to read on middle shades.
        known = np.argwhere(np.isfinite(values)).tolist()
        shades = [_shade(scale, values[row, column], limits) for row, column in known]
        figure.add_scatter(
            x=[column for _, column in known],
            y=[row for row, _ in known],
            mode="text",
            text=[
                text[row][column] if text else _number(values[row, column], digits)
                for row, column in known
            ],
            textfont={"size": 11, "color": [_text_on(shade) for shade in shades]},
            hoverinfo="skip",
        )
    return _finish(
        figure,
        title,
        plot=max(150, 26 * len(rows)),
        xaxis=_named(
            columns,
            title=axes[1],
            tickangle=-40 if few else -90,
            tickfont={"size": 12 if few else 10},
        ),
        yaxis=_named(rows, title=axes[0], range=[len(rows) - 0.5, -0.5]),
    )


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %" if share >= 0.005 or not share else "&lt;1 %"


def _number(value: float, digits: int) -> str:
    # Adding zero turns a rounded −0 into 0.
    return (
        f"{round(value, digits) + 0.0:.{digits}f}".replace("-", "−") if np.isfinite(value) else ""
    )


def similarity_heatmap(
    score: Similarity,
    clusters: Sequence[object],
    which: Matrix = "p",
    *,
    encoder: str | None = None,
) -> go.Figure:
    """Draw one of the matrices that matches are made from (Figs 9, 10).

    Parameters
    ----------
    score : Similarity
    clusters : sequence of int or str, length C
        What the clusters are called.
    which : str
        ``"cosine"`` of one encoder (Fig. 9a), ``"count_row"``, ``"count_col"`` (Fig. 9b),
        ``"mean_row"``, ``"mean_col"`` (Fig. 10a), ``"score_row"``, ``"score_col"``, or the match
        scores ``"p"``.
    encoder : str, optional
        Whose cosines; wanted for ``"cosine"`` alone.

    Returns
    -------
    plotly Figure

    Raises
    ------
    ValueError
        If there is no such matrix or encoder.
    """
    if which not in get_args(Matrix):
        raise ValueError(f"There is no matrix {which!r}; there are {', '.join(get_args(Matrix))}.")
    title, unit = _MATRICES[which]
    if which == "cosine":
        if encoder not in score.encoders:
            raise ValueError(f"No encoder {encoder!r}; there are {', '.join(score.encoders)}.")
        number = score.encoders.index(encoder)
        values = score.cosine[number]
        title = f"{title}: {encoder}{'' if score.kept[number] else ' (not counted)'}"
    else:
        values = getattr(score, which)
    values = np.asarray(values, dtype=np.float64)
    digits, limits = 2, (-1.0, 1.0)
    if which == "p":
        values, limits = np.clip(values, 0, 1), (0.0, 1.0)
    elif which.startswith("count"):
        digits, limits = 0, (0.0, float(max(score.kept.sum(), 1)))
    elif which == "cosine":
        reach = float(max(np.abs(values).max(), 1e-6))
        limits = (
            (-reach, reach) if values.min() < 0 else (min(float(values.min()), reach - 1e-6), reach)
        )
    figure = _matrix_figure(
        values,
        clusters,
        score.types,
        [
            [
                f"cluster {_plain(cluster)}<br>{_plain(name)}<br>{unit} {_number(value, digits)}"
                for name, value in zip(score.types, row, strict=True)
            ]
            for cluster, row in zip(clusters, values, strict=True)
        ],
        title,
        limits=limits,
        unit=unit,
        digits=digits,
        axes=("cluster", "type of the reference"),
    )
    by_column = which.endswith("_col")
    best = values.max(axis=0 if by_column else 1, keepdims=True)
    scale = _DIVERGING if limits[0] < 0 else _SEQUENTIAL
    for row, column in np.argwhere((values == best) & (values > values.min())).tolist():
        figure.add_shape(
            type="rect",
            x0=column - 0.42,
            x1=column + 0.42,
            y0=row - 0.38,
            y1=row + 0.38,
            line={"color": _text_on(_shade(scale, values[row, column], limits)), "width": 1.5},
        )
    return figure


def _spread(wanted: Float64, gap: float, limits: tuple[float, float]) -> Float64:
    """Move labels apart: as near to where they are wanted as ``gap`` and the limits allow."""
    order = np.argsort(-wanted, kind="stable")
    places = np.empty(len(wanted))
    ceiling = limits[1]
    for place in order:
        places[place] = ceiling = min(wanted[place], ceiling)
        ceiling -= gap
    floor = limits[0]
    for place in order[::-1]:
        places[place] = floor = max(places[place], floor)
        floor += gap
    return places


def score_plane_figure(
    score: Similarity,
    clusters: Sequence[object],
    colours: Mapping[str, str],
    *,
    symbols: Mapping[str, str] | None = None,
    cluster: int | None = None,
) -> go.Figure:
    """Draw row against column score of every cluster and type, with lines of equal p (Fig. 11).

    Parameters
    ----------
    score : Similarity
    clusters : sequence of int or str, length C
        What the clusters are called.
    colours : mapping from type to colour
    symbols : mapping from type to symbol, optional
    cluster : int, optional
        Position of one cluster to draw alone, with all its types labelled, as in the paper.
        Without it the best type of each cluster is labelled.

    Returns
    -------
    plotly Figure
    """
    import plotly.graph_objects as go

    n_clusters, n_types = score.p.shape
    rows, columns = np.indices((n_clusters, n_types)).reshape(2, -1)
    best = score.p.argmax(axis=1)
    if cluster is None:
        told = columns == best[rows]
        title = "Row and column scores of every pair"
    else:
        rows, columns = np.full(n_types, cluster), np.arange(n_types)
        told = np.ones(n_types, dtype=bool)
        title = f"Row and column scores of cluster {clusters[cluster]}"
    x, y, p = score.score_row[rows, columns], score.score_col[rows, columns], score.p[rows, columns]

    figure = go.Figure()
    axis = np.linspace(-1, 1, 81)
    figure.add_contour(
        x=axis,
        y=axis,
        z=match_score(*np.meshgrid(axis, axis)),
        contours={
            "coloring": "lines",
            "start": 0,
            "end": 0.8,
            "size": 0.2,
            "showlabels": True,
            "labelfont": {"size": 11},
            "labelformat": ".1f",
        },
        colorscale=((0, _MIDDLE), (1, _MIDDLE)),
        line={"width": 1, "dash": "dot"},
        showscale=False,
        hoverinfo="skip",
    )
    plot = max(340, 19 * int(told.sum()) + 20)
    labels = np.flatnonzero(told)
    # Labels stand in a column of their own, for the best pairs crowd into one corner.
    heights = _spread(y[labels], 2.2 * 18 / plot, (-1.05, 1.05))
    figure.add_scatter(
        x=np.column_stack(
            [x[labels], np.full(len(labels), 1.2), np.full(len(labels), np.nan)]
        ).ravel(),
        y=np.column_stack([y[labels], heights, np.full(len(labels), np.nan)]).ravel(),
        mode="lines",
        line={"color": _LINE, "width": 1},
        hoverinfo="skip",
    )
    figure.add_scatter(
        x=np.full(len(labels), 1.22),
        y=heights,
        mode="text",
        text=[
            f"<span style='color:{colours.get(name, NONE_COLOUR)}'>⬤</span> "
            + (f"{_short(clusters[row], 6)} " if cluster is None else "")
            + f"{_short(name, 14)} {_number(max(value, 0), 2)}"
            for row, name, value in (
                (rows[at], score.types[columns[at]], p[at]) for at in labels.tolist()
            )
        ],
        textposition="middle right",
        textfont={"size": 11},
        cliponaxis=False,
        hoverinfo="skip",
    )
    for shown, size, opacity in ((~told, 6, 0.55), (told, 12, 1.0)):
        names = [score.types[column] for column in columns[shown]]
        figure.add_scatter(
            x=x[shown],
            y=y[shown],
            mode="markers",
            marker={
                "color": [colours.get(name, NONE_COLOUR) for name in names],
                "symbol": [(symbols or {}).get(name, SYMBOLS[0]) for name in names],
                "size": size,
                "opacity": opacity,
            },
            cliponaxis=False,
            hovertext=[
                f"cluster {_plain(clusters[row])}, {_plain(name)}<br>match score "
                f"{_number(max(value, 0), 2)}<br>row {_number(a, 2)}, column {_number(b, 2)}"
                for row, name, value, a, b in zip(
                    rows[shown], names, p[shown], x[shown], y[shown], strict=True
                )
            ],
            hovertemplate="%{hovertext}<extra></extra>",
        )
    figure.add_shape(type="rect", x0=-1.1, x1=1.1, y0=-1.1, y1=1.1, line_color=_LINE, line_width=1)
    frame = {"tickvals": [-1, -0.5, 0, 0.5, 1], "showgrid": False, "zeroline": False}
    return _finish(
        figure,
        title,
        plot=plot,
        subtitle=("" if cluster is not None else "cluster, ") + "type and match score at the right",
        xaxis={"title": "row score (best type of the cluster)", "range": [-1.1, 2.55], **frame},
        yaxis={"title": "column score (best cluster of the type)", "range": [-1.1, 1.1], **frame},
    )


def cluster_plane_figure(
    plane: Plane,
    colours: Mapping[str, str],
    *,
    clusters: Sequence[object] | None = None,
) -> go.Figure:
    """Draw the clusters of all sets and the reference's types in the t-SNE plane (Fig. 4).

    Parameters
    ----------
    plane : Plane
    colours : mapping from type to colour
    clusters : sequence of int or str, optional
        What the query's clusters are called; their positions by default.

    Returns
    -------
    plotly Figure
    """
    import plotly.graph_objects as go

    marks = _set_marks(plane.set_name)
    of_set = np.array(plane.set_name, dtype=object)
    figure = go.Figure()
    # The reference's names lie on top.
    for set_name in sorted(marks, key=lambda name: (name == REFERENCE, name == QUERY, name)):
        inside = np.flatnonzero(of_set == set_name)
        names = [plane.type_name[point] for point in inside]
        numbers = [
            clusters[number] if clusters is not None and set_name == QUERY else number
            for number in plane.cluster[inside].tolist()
        ]
        fills = [colours.get(name, NONE_COLOUR) for name in names]
        known = set_name == REFERENCE
        figure.add_scatter(
            x=plane.position[inside, 0],
            y=plane.position[inside, 1],
            mode="markers+text",
            text=[_short(word, 16 if known else 5) for word in (names if known else numbers)],
            textposition="top center" if known else "middle center",
            textfont={"size": 11} | ({} if known else {"color": [_text_on(c) for c in fills]}),
            cliponaxis=False,
            marker={
                "color": fills,
                "symbol": _symbol(SYMBOLS[0], marks[set_name][0]),
                "size": 13 if known else 19,
                "line": {"width": 3 if known else 0},
            },
            hovertext=[
                f"{_plain(name)}<br>reference"
                if known
                else f"{_plain(set_name)}, cluster {_plain(number)}<br>best: {_plain(name)}"
                f"<br>match score {p:.2f}"
                for name, number, p in zip(names, numbers, plane.p[inside], strict=True)
            ],
            hovertemplate="%{hovertext}<extra></extra>",
        )
    low, high = plane.position.min(axis=0), plane.position.max(axis=0)
    pad = np.maximum(high - low, 1e-6) * (0.16, 0.1)
    frame = {
        "showticklabels": False,
        "showgrid": False,
        "zeroline": False,
        "showline": True,
        "linecolor": _LINE,
        "mirror": True,
    }
    return _finish(
        figure,
        "Clusters and types, by resemblance",
        plot=380,
        subtitle=_set_key(marks),
        xaxis={"title": "t-SNE 1", "range": [low[0] - pad[0], high[0] + pad[0]], **frame},
        yaxis={"title": "t-SNE 2", "range": [low[1] - pad[1], high[1] + pad[1]], **frame},
    )


def differential_figure(
    table: pd.DataFrame, colours: Mapping[str, str], *, after: pd.DataFrame | None = None
) -> go.Figure:
    """Draw the differential count of every slide with its intervals.

    Parameters
    ----------
    table : DataFrame
        Columns slide, type, cells, percent, low, high; one row a slide and type: see
        :func:`celltransfer_core.export.differential_table`.
    colours : mapping from type to colour
    after : DataFrame, optional
        The same after review: drawn filled, and what was predicted hollow.

    Returns
    -------
    plotly Figure
    """
    import plotly.graph_objects as go

    if not len(table):
        return _nothing("Differential count", "No cell has been typed yet.")
    tables = (
        [("predicted", table)] if after is None else [("predicted", table), ("reviewed", after)]
    )
    slides = list(dict.fromkeys(table["slide"].astype(str)))
    types = list(dict.fromkeys(name for _, one in tables for name in one["type"].astype(str)))
    several = len(slides) > 1
    # Types are apart by a line's width, so that a type's slides stand together.
    step = len(slides) + 1.0
    lines = [
        (type_number * step + slide_number, _short(slide or "all cells", 18))
        for type_number in range(len(types))
        for slide_number, slide in enumerate(slides)
    ]
    figure = go.Figure()
    for number, (word, one) in enumerate(tables):
        y = (
            one["type"].astype(str).map(types.index).to_numpy() * step
            + one["slide"].astype(str).map(slides.index).to_numpy()
            + (0 if after is None else (-0.18, 0.18)[number])
        )
        hollow = after is not None and number == 0
        tints = [colours.get(name, NONE_COLOUR) for name in one["type"].astype(str)]
        percent, low, high = (
            one[name].to_numpy(dtype=float) for name in ("percent", "low", "high")
        )
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
                f"{_plain(row.type)}<br>{_plain(row.slide or 'all cells')}, {word}<br>"
                f"{row.cells} cells: {row.percent:.1f} % ({row.low:.1f} to {row.high:.1f})"
                for row in one.itertuples()
            ],
            hovertemplate="%{hovertext}<extra></extra>",
        )
    for number, name in enumerate(types):
        figure.add_annotation(
            x=0,
            xref="paper",
            y=number * step - 0.75,
            text=f"<b>{_short(name)}</b>",
            showarrow=False,
            xanchor="left",
            font_size=12,
        )
    top = max([100.0 if len(types) == 1 else 0.0, *(float(one["high"].max()) for _, one in tables)])
    return _finish(
        figure,
        "Differential count by slide" if several else "Differential count",
        plot=max(140, int(20 * step * len(types))),
        subtitle="○ predicted &nbsp; ● after review" if after is not None else "",
        xaxis={"title": "% of the slide's cells", "range": [-1, min(top * 1.04, 101)]},
        yaxis={
            "tickvals": [at for at, _ in lines],
            "ticktext": [name for _, name in lines],
            "title": "slide",
            "range": [step * len(types) - 1.5, -1.5],
            "showgrid": False,
            "zeroline": False,
        },
    )


def confusion_figure(
    first: Sequence[str],
    second: Sequence[str],
    types: Sequence[str],
    *,
    names: tuple[str, str],
    title: str = "Where two opinions part",
) -> go.Figure:
    """Draw how two opinions on the same cells compare: two voters, or vote and matched type.

    Parameters
    ----------
    first, second : sequence of str, length n
        What each says of every cell.
    types : sequence of str
        Order of rows and columns; what is not among them is added at the end.
    names : (str, str)
        Who says so.
    title : str

    Returns
    -------
    plotly Figure
    """
    order = list(dict.fromkeys([*types, *sorted({*first, *second})]))
    place = {name: number for number, name in enumerate(order)}
    counts = np.zeros((len(order), len(order)))
    np.add.at(counts, ([place[name] for name in first], [place[name] for name in second]), 1)
    totals = counts.sum(axis=1, keepdims=True)
    share = np.divide(100 * counts, totals, out=np.full_like(counts, np.nan), where=totals > 0)
    same = 100 * np.trace(counts) / max(counts.sum(), 1)
    return _matrix_figure(
        share,
        order,
        order,
        [
            [
                f"{_plain(names[0])}: {_plain(one)}<br>{_plain(names[1])}: {_plain(other)}<br>"
                f"{counts[row, column]:.0f} cells"
                for column, other in enumerate(order)
            ]
            for row, one in enumerate(order)
        ],
        f"{title} (same type: {same:.0f} %)",
        limits=(0.0, 100.0),
        unit="% of the row",
        digits=0,
        axes=(_short(names[0], 40), _short(names[1], 40)),
        text=[[f"{count:.0f}" if count else "" for count in row] for row in counts],
    )


def disagreement_figure(choices: Ints, names: Sequence[str]) -> go.Figure:
    """Draw on what share of the cells each two voters agree.

    Parameters
    ----------
    choices : ndarray of int64, shape (V, n)
        First choice of each voter, see :class:`celltransfer_core.voting.Vote`.
    names : sequence of str, length V

    Returns
    -------
    plotly Figure
    """
    share = 100 * np.stack([(choices == row).mean(axis=1) for row in choices])
    np.fill_diagonal(share, np.nan)
    others = share[np.isfinite(share)]
    low = float(np.floor(others.min() / 10) * 10) if len(others) else 0.0
    return _matrix_figure(
        share,
        [f"{number}  {_voter(name, 20)}" for number, name in enumerate(names, start=1)],
        list(range(1, len(names) + 1)),
        [
            [
                f"{_plain(one)}<br>{_plain(two)}<br>same type for {share[a, b]:.0f} %"
                if a != b
                else _plain(one)
                for b, two in enumerate(names)
            ]
            for a, one in enumerate(names)
        ],
        "How often two voters agree",
        limits=(min(low, 90.0), 100.0),
        unit="% of cells",
        digits=0,
        axes=("voter", "voter, by number"),
    ).update_xaxes(tickangle=0)


def transport_gain_figure(voters: Sequence[Voter], vote: Vote) -> go.Figure:
    """Draw how each encoder's predictions change when the sets are aligned; no label is needed.

    Parameters
    ----------
    voters : sequence of Voter, length V
        The unaligned voter of each encoder comes before the aligned one.
    vote : Vote
        Its ``choices`` are the voters', in the same order.

    Returns
    -------
    plotly Figure
    """
    import plotly.graph_objects as go

    pairs: dict[tuple[str, ...], list[int]] = {}
    for number, voter in enumerate(voters):
        pairs.setdefault(voter.encoders, []).append(number)
    agree = 100 * (vote.choices == vote.winner).mean(axis=1)
    kinds = ("without transport", "with transport")
    names = [voter_name(encoders) for encoders in pairs]
    figure = go.Figure()
    for line, numbers in enumerate(pairs.values()):
        if len(numbers) == 2:
            changed = 100 * (vote.choices[numbers[0]] != vote.choices[numbers[1]]).mean()
            figure.add_shape(
                type="line",
                x0=float(agree[numbers[0]]),
                x1=float(agree[numbers[1]]),
                y0=line,
                y1=line,
                line={"color": _MIDDLE, "width": 3},
                layer="below",
            )
            figure.add_annotation(
                x=1,
                xref="paper",
                y=line,
                text=f"{changed:.0f} % changed",
                showarrow=False,
                xanchor="left",
                xshift=6,
                font_size=12,
            )
    for kind, label in enumerate(kinds):
        lines = [line for line, numbers in enumerate(pairs.values()) if len(numbers) > kind]
        shown = [list(pairs.values())[line][kind] for line in lines]
        figure.add_scatter(
            x=agree[shown],
            y=lines,
            mode="markers",
            name=label,
            marker={
                "color": (_MIDDLE, SET_PALETTE[1])[kind],
                "symbol": ("circle-open", "circle")[kind],
                "size": 12,
                "line": {"width": (2.5, 0)[kind]},
            },
            hovertext=[
                f"{_plain(names[line])}, {label}<br>agrees with the vote on "
                f"{agree[number]:.1f} % of the cells"
                for line, number in zip(lines, shown, strict=True)
            ],
            hovertemplate="%{hovertext}<extra></extra>",
        )
    low = float(np.floor(agree.min() / 10) * 10) - 2
    figure = _finish(
        figure,
        "What transport changes",
        plot=max(110, 34 * len(names)),
        legend=kinds,
        xaxis={"title": "cells typed like the vote, %", "range": [low, 101]},
        yaxis=_named(
            [_voter(name) for name in names], range=[len(names) - 0.5, -0.5], title="encoder"
        ),
    )
    return figure.update_layout(margin={"r": 96})


def transport_quality_figure(solves: Sequence[Solve]) -> go.Figure:
    """Draw how well each transport did: marginal error, objective, iterations.

    Parameters
    ----------
    solves : sequence of Solve

    Returns
    -------
    plotly Figure
    """
    from plotly.subplots import make_subplots

    title = "How each transport went"
    if not solves:
        return _nothing(title, "No transport was solved in this run.")
    voters = list(dict.fromkeys(solve.voter for solve in solves))
    of_voter = np.array([voters.index(solve.voter) for solve in solves])
    x = of_voter.astype(float)
    for number in range(len(voters)):
        inside = of_voter == number
        # Side by side within a voter; one solve alone stands in the middle.
        x[inside] += (np.arange(inside.sum()) - (inside.sum() - 1) / 2) / max(inside.sum(), 4) * 0.8
    remarked = [bool(solve.log.remarks) for solve in solves]
    hover = [
        f"{_plain(solve.voter)}, part {solve.part + 1}, draw {solve.draw + 1}<br>"
        f"{solve.source:,} onto {solve.target:,} cells<br>"
        f"marginal error {solve.log.marginal_error:.1e}<br>objective {solve.log.objective:.4f}<br>"
        f"{solve.log.iterations} iterations"
        + "".join(f"<br>{_plain(line)}" for line in _wrapped(solve.log.remarks))
        for solve in solves
    ]
    figure = make_subplots(rows=3, cols=1, shared_xaxes=True, vertical_spacing=0.07)
    for row, (name, values) in enumerate(
        (
            ("marginal error", [max(solve.log.marginal_error, _LEAST_ERROR) for solve in solves]),
            ("objective", [solve.log.objective for solve in solves]),
            ("iterations", [solve.log.iterations for solve in solves]),
        ),
        start=1,
    ):
        figure.add_scatter(
            row=row,
            col=1,
            x=x,
            y=values,
            mode="markers",
            marker={
                "color": SET_PALETTE[1],
                "size": 9,
                "symbol": ["x" if odd else "circle" for odd in remarked],
            },
            hovertext=hover,
            hovertemplate="%{hovertext}<extra></extra>",
        )
        figure.update_yaxes(title_text=name, rangemode="tozero", nticks=4, row=row, col=1)
        figure.update_xaxes(
            **_named([_voter(name) for name in voters], tickangle=-30), row=row, col=1
        )
    figure.update_yaxes(
        type="log",
        range=[np.log10(_LEAST_ERROR) - 1, 0.7],
        tickvals=[1e-15, 1e-10, 1e-5, 1],
        ticktext=["10<sup>−15</sup>", "10<sup>−10</sup>", "10<sup>−5</sup>", "1"],
        row=1,
        col=1,
    )
    figure.update_xaxes(title_text="encoder", row=3, col=1)
    return _finish(figure, title, plot=390)


def _wrapped(remarks: Sequence[str]) -> list[str]:
    return [line for remark in remarks for line in textwrap.wrap(remark, 50)]


def review_progress_figure(outcomes: Mapping[str, int], total: int) -> go.Figure:
    """Draw how much of the queue is done, and what came out.

    Parameters
    ----------
    outcomes : mapping from outcome to cells
        Such as accepted, changed, unsure, artefact; in the order to draw.
    total : int
        Cells of the queue, done and left.

    Returns
    -------
    plotly Figure
    """
    import plotly.graph_objects as go

    done = sum(outcomes.values())
    parts = {**{name: n for name, n in outcomes.items() if n}, "left": max(total - done, 0)}
    shades = ("#0B6E99", _DARK, _MIDDLE, "#94866F", "#8B6F80", "#5E7D72")
    figure = go.Figure()
    names = []
    for number, (name, cells) in enumerate(parts.items()):
        names.append(f"{_short(name)} ({cells:,})")
        figure.add_bar(
            x=[cells],
            y=[0],
            orientation="h",
            name=names[-1],
            marker={
                "color": _CLEAR if name == "left" else shades[number % len(shades)],
                "line": {"color": _MIDDLE, "width": 1},
            },
            hovertemplate=f"{_plain(name)}: {cells:,} of {total:,} cells<extra></extra>",
        )
    return _finish(
        figure,
        f"Reviewed: {done:,} of {total:,} cells",
        plot=60,
        legend=names,
        xaxis={"title": "cells", "range": [0, max(total, done, 1)], "showgrid": False},
        yaxis={"visible": False},
        barmode="stack",
    )


def accuracy_figure(
    names: Sequence[str],
    plain: Sequence[float],
    aligned: Sequence[float],
    interval: tuple[float, float],
    alignment: str,
) -> go.Figure:
    """Draw what an alignment does to every encoder's accuracy (Fig. 7 of the paper).

    Parameters
    ----------
    names : sequence of str, length V
        Encoders, and the ensemble last.
    plain, aligned : sequence of float, length V
        Accuracy without and with the alignment, in percent.
    interval : tuple of float
        Of the ensemble, aligned.
    alignment : str
        Its name.

    Returns
    -------
    plotly Figure
    """
    import plotly.graph_objects as go

    before, after = np.array(plain), np.array(aligned)
    figure = go.Figure()
    bars = (
        ("kept", np.minimum(before, after), _DARK, "", "without alignment"),
        ("gain", np.maximum(after - before, 0), SET_PALETTE[1], "", "gained"),
        ("loss", np.maximum(before - after, 0), "#FFFFFF", "/", "lost"),
    )
    for _, lengths, colour, pattern, label in bars:
        figure.add_bar(
            y=list(range(len(names))),
            x=lengths,
            orientation="h",
            name=label,
            marker={
                "color": colour,
                "line": {"color": _DARK, "width": 1},
                "pattern": {"shape": pattern, "fgcolor": _DARK, "size": 6},
            },
            hovertext=[
                f"{_plain(name)}<br>without {first:.1f} %, with {second:.1f} %"
                for name, first, second in zip(names, before, after, strict=True)
            ],
            hovertemplate="%{hovertext}<extra></extra>",
        )
    figure.add_scatter(
        x=[after[-1]],
        y=[len(names) - 1],
        mode="markers",
        name="interval",
        marker={"color": "#15191D", "size": 5},
        error_x={
            "type": "data",
            "symmetric": False,
            "array": [interval[1] - after[-1]],
            "arrayminus": [after[-1] - interval[0]],
            "color": "#15191D",
        },
        hoverinfo="skip",
        showlegend=False,
    )
    return _finish(
        figure,
        f"Accuracy with and without {alignment}",
        plot=max(120, 30 * len(names)),
        legend=[label for *_, label in bars],
        barmode="stack",
        xaxis={"title": "accuracy, %", "range": [0, 100]},
        yaxis=_named(
            [_voter(name) for name in names], range=[len(names) - 0.5, -0.5], title="encoder"
        ),
    )


def agreement_worth_figure(curves: Mapping[str, Curve]) -> go.Figure:
    """Draw accuracy against cells trusted, and errors caught against cells reviewed.

    Parameters
    ----------
    curves : mapping from name to Curve

    Returns
    -------
    plotly Figure
    """
    import plotly.graph_objects as go

    figure = go.Figure()
    for number, (name, curve) in enumerate(curves.items()):
        colour = _LINES[number % len(_LINES)]
        dash = ("solid", "dash", "dot")[number // len(_LINES) % 3]
        figure.add_scatter(
            x=100 * (1 - curve.share),
            y=curve.accuracy_kept,
            name=f"{_short(name)}: right of the trusted",
            mode="lines",
            line={"color": colour, "dash": dash, "width": 2.5},
        )
        figure.add_scatter(
            x=100 * (1 - curve.share),
            y=curve.errors_caught,
            name=f"{_short(name)}: errors caught",
            mode="lines+markers",
            marker={"symbol": SYMBOLS[number % len(SYMBOLS)], "size": 6},
            line={"color": colour, "dash": dash, "width": 1.5},
        )
    figure.add_scatter(
        x=[0, 100],
        y=[0, 100],
        name="caught at random",
        mode="lines",
        line={"color": _MIDDLE, "dash": "dot", "width": 1},
    )
    return _finish(
        figure,
        "What agreement is worth",
        plot=300,
        legend=[str(trace.name) for trace in figure.data],
        xaxis={"title": "cells reviewed, lowest agreement first, %", "range": [0, 100]},
        yaxis={"title": "percent", "range": [0, 102]},
    )


def reliability_figure(found: Mapping[str, Reliability]) -> go.Figure:
    """Draw accuracy against confidence.

    Parameters
    ----------
    found : mapping from name to Reliability

    Returns
    -------
    plotly Figure
    """
    import plotly.graph_objects as go

    figure = go.Figure()
    figure.add_scatter(
        x=[0, 100],
        y=[0, 100],
        name="as it should be",
        mode="lines",
        line={"color": _MIDDLE, "dash": "dot", "width": 1},
    )
    names = []
    for number, (name, one) in enumerate(found.items()):
        names.append(f"{_short(name)} (ECE {one.expected_calibration_error:.1f})")
        filled = one.cells > 0
        figure.add_scatter(
            x=one.confidence[filled],
            y=one.accuracy[filled],
            name=names[-1],
            mode="lines+markers",
            cliponaxis=False,  # points at 100 % are whole
            marker={
                "symbol": SYMBOLS[number % len(SYMBOLS)],
                "size": 6 + 14 * np.sqrt(one.cells[filled] / one.cells.sum()),
                "color": _LINES[number % len(_LINES)],
            },
            line={"color": _LINES[number % len(_LINES)], "width": 1.5},
            hovertext=[f"{cells:,} cells" for cells in one.cells[filled]],
        )
    return _finish(
        figure,
        "What confidence is worth",
        plot=320,
        legend=["as it should be", *names],
        xaxis={"title": "confidence, %", "range": [0, 102]},
        yaxis={"title": "right, %", "range": [0, 102]},
    )


def low_label_figure(points: Mapping[str, Sequence[tuple[int, float, float]]]) -> go.Figure:
    """Draw accuracy against the number of labelled reference cells a type.

    Parameters
    ----------
    points : mapping from name to sequence of (cells, accuracy, deviation)
        In percent; 0 cells stands for all.

    Returns
    -------
    plotly Figure
    """
    import plotly.graph_objects as go

    steps = sorted({cells for of in points.values() for cells, *_ in of}, key=lambda c: c or 10**9)
    figure = go.Figure()
    for number, (name, of) in enumerate(points.items()):
        colour = _LINES[number % len(_LINES)]
        figure.add_scatter(
            x=[steps.index(cells) for cells, *_ in of],
            y=[accuracy for _, accuracy, _ in of],
            error_y={"type": "data", "array": [deviation for *_, deviation in of]},
            name=_short(name),
            mode="lines+markers",
            marker={"symbol": SYMBOLS[number % len(SYMBOLS)], "size": 8},
            line={"color": colour, "dash": ("solid", "dash", "dot")[number // len(_LINES) % 3]},
        )
    ticks = [str(cells) if cells else "all" for cells in steps]
    return _finish(
        figure,
        "Few labelled reference cells",
        plot=300,
        legend=list(points),
        xaxis=_named(ticks, title="labelled cells a type"),
        yaxis={"title": "accuracy, %", "range": [0, 102]},
    )


def reader_figure(points: Sequence[Point]) -> go.Figure:
    """Draw balanced accuracy against the number of a reader's answers.

    Parameters
    ----------
    points : sequence of Point

    Returns
    -------
    plotly Figure
    """
    import plotly.graph_objects as go

    figure = go.Figure()
    orders = list(dict.fromkeys(point.order for point in points))
    shown = [point.balanced_accuracy for point in points]
    shown += [point.balanced_accuracy_untyped for point in points]
    least = min((value for value in shown if not np.isnan(value)), default=0.0)
    names = []
    for number, order in enumerate(orders):
        of = [point for point in points if point.order == order]
        for whole in (True, False):
            names.append(f"{order}, {'all cells' if whole else 'untyped'}")
            figure.add_scatter(
                x=[point.answers for point in of],
                y=[
                    point.balanced_accuracy if whole else point.balanced_accuracy_untyped
                    for point in of
                ],
                name=names[-1],
                mode="lines+markers",
                marker={"symbol": SYMBOLS[number % len(SYMBOLS)], "size": 7},
                line={
                    "color": _LINES[number % len(_LINES)],
                    "dash": "solid" if whole else "dot",
                },
            )
    return _finish(
        figure,
        "What answers are worth",
        plot=300,
        legend=names,
        xaxis={"title": "cells typed after the clusters were confirmed"},
        # From the ten below on: all that matters happens in the upper part.
        yaxis={"title": "balanced accuracy, %", "range": [10 * (least // 10), 101]},
    )
