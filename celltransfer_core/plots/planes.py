"""Planes for judging matches: row against column scores (Fig. 11), t-SNE (Fig. 4).

Drawn from a :class:`celltransfer_core.matching.scores.Similarity` or a
:class:`celltransfer_core.matching.plane.ClusterPlane` (A.2).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from celltransfer_core.matching.plane import ClusterPlane
from celltransfer_core.matching.scores import Similarity, match_score
from celltransfer_core.plots.colours import (
    NONE_COLOUR,
    SYMBOLS,
    marker_symbol,
    set_markers,
    set_subtitle,
    text_on,
)
from celltransfer_core.plots.maps import PLANE, write_names
from celltransfer_core.plots.style import (
    FRAMED,
    LINE,
    MIDDLE,
    escape,
    finish_figure,
    format_number,
    shorten,
)
from celltransfer_core.types import Float64, Ints
from celltransfer_core.vocabulary import QUERY, REFERENCE

if TYPE_CHECKING:
    import plotly.graph_objects as go


_POINT = 20.0
"""Side of the box around a point, px."""


def number_of(cluster: object) -> str:
    """Return the number of a cluster that a person has also named.

    Parameters
    ----------
    cluster : object
        Its label, such as ``3 · blasts``.

    Returns
    -------
    str
        Not escaped, at most six characters.

    Examples
    --------
    >>> number_of("3 · blasts")
    '3'
    """
    return str(cluster).split(" · ")[0][:6]


@dataclass(frozen=True)
class _Pairs:
    """Pairs of a cluster and a type, n of them."""

    clusters: Sequence[object]
    """Name of each pair's cluster, length n."""
    types: Sequence[str]
    """Type of each pair, length n."""
    row: Float64
    """Row scores, shape (n,)."""
    column: Float64
    """Column scores, shape (n,)."""
    p: Float64
    """Match scores, shape (n,)."""

    @classmethod
    def of(cls, score: Similarity, clusters: Sequence[object], rows: Ints, columns: Ints) -> _Pairs:
        """Look up pairs by the positions of their clusters and types, shape (n,) each."""
        return cls(
            [clusters[row] for row in rows],
            [score.types[column] for column in columns],
            score.score_row[rows, columns],
            score.score_col[rows, columns],
            score.p[rows, columns],
        )


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
        Names of the clusters.
    colours : mapping from type to colour
    symbols : mapping from type to symbol, optional
    cluster : int, optional
        Position of a single cluster to draw, with all its types labelled, as in the paper. By
        default, all clusters are drawn and the best type of each is labelled.

    Returns
    -------
    plotly Figure
    """
    import plotly.graph_objects as go

    n_clusters, n_types = score.p.shape
    if cluster is None:
        rows, columns = np.indices((n_clusters, n_types)).reshape(2, -1)
        labelled = columns == score.p.argmax(axis=1)[rows]
        title = "Row and column scores of every pair"
    else:
        rows, columns = np.full(n_types, cluster), np.arange(n_types)
        labelled = np.ones(n_types, dtype=bool)
        title = f"Row and column scores of cluster {clusters[cluster]}"
    plain = _Pairs.of(score, clusters, rows[~labelled], columns[~labelled])
    best = _Pairs.of(score, clusters, rows[labelled], columns[labelled])
    plot = max(340, 19 * len(best.types) + 20)

    figure = go.Figure()
    _add_contours(figure)
    _add_labels(figure, best, colours, gap=2.2 * 18 / plot, with_cluster=cluster is None)
    _add_pairs(figure, plain, colours, symbols or {}, size=6, opacity=0.55)
    _add_pairs(figure, best, colours, symbols or {}, size=12, opacity=1.0)
    figure.add_shape(type="rect", x0=-1.1, x1=1.1, y0=-1.1, y1=1.1, line_color=LINE, line_width=1)
    frame = {"tickvals": [-1, -0.5, 0, 0.5, 1], "showgrid": False, "zeroline": False}
    return finish_figure(
        figure,
        title,
        plot=plot,
        subtitle=("" if cluster is not None else "cluster, ") + "type and match score at the right",
        xaxis={"title": "row score (best type of the cluster)", "range": [-1.1, 2.55], **frame},
        yaxis={"title": "column score (best cluster of the type)", "range": [-1.1, 1.1], **frame},
    )


def _add_contours(figure: go.Figure) -> None:
    """Add lines of equal match score (eq. 23)."""
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
        colorscale=((0, MIDDLE), (1, MIDDLE)),
        line={"width": 1, "dash": "dot"},
        showscale=False,
        hoverinfo="skip",
    )


def _add_labels(
    figure: go.Figure,
    pairs: _Pairs,
    colours: Mapping[str, str],
    *,
    gap: float,
    with_cluster: bool,
) -> None:
    """Label pairs in a separate column, because the best ones crowd into one corner."""
    n = len(pairs.types)
    heights = spread_labels(pairs.column, gap, (-1.05, 1.05))
    ends, breaks = np.full(n, 1.2), np.full(n, np.nan)
    figure.add_scatter(
        x=np.column_stack([pairs.row, ends, breaks]).ravel(),
        y=np.column_stack([pairs.column, heights, breaks]).ravel(),
        mode="lines",
        line={"color": LINE, "width": 1},
        hoverinfo="skip",
    )
    figure.add_scatter(
        x=np.full(n, 1.22),
        y=heights,
        mode="text",
        text=[
            f"<span style='color:{colours.get(name, NONE_COLOUR)}'>⬤</span> "
            + (f"{escape(number_of(cluster))} " if with_cluster else "")
            + f"{shorten(name, 18)} {format_number(max(p, 0), 2)}"
            for cluster, name, p in zip(pairs.clusters, pairs.types, pairs.p, strict=True)
        ],
        textposition="middle right",
        textfont={"size": 11},
        cliponaxis=False,
        hoverinfo="skip",
    )


def spread_labels(wanted: Float64, gap: float, limits: tuple[float, float]) -> Float64:
    """Move labels apart along an axis, each as little as possible.

    Parameters
    ----------
    wanted : ndarray of float64, shape (n,)
        Preferred position of each label.
    gap : float
        Minimum distance between two labels, if the limits leave enough room.
    limits : (float, float)
        Minimum and maximum position.

    Returns
    -------
    ndarray of float64, shape (n,)
    """
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


def _add_pairs(
    figure: go.Figure,
    pairs: _Pairs,
    colours: Mapping[str, str],
    symbols: Mapping[str, str],
    *,
    size: int,
    opacity: float,
) -> None:
    figure.add_scatter(
        x=pairs.row,
        y=pairs.column,
        mode="markers",
        marker={
            "color": [colours.get(name, NONE_COLOUR) for name in pairs.types],
            "symbol": [symbols.get(name, SYMBOLS[0]) for name in pairs.types],
            "size": size,
            "opacity": opacity,
        },
        cliponaxis=False,
        hovertext=[
            f"cluster {escape(cluster)}, {escape(name)}<br>match score "
            f"{format_number(max(p, 0), 2)}<br>row {format_number(row, 2)}, "
            f"column {format_number(column, 2)}"
            for cluster, name, p, row, column in zip(
                pairs.clusters, pairs.types, pairs.p, pairs.row, pairs.column, strict=True
            )
        ],
        hovertemplate="%{hovertext}<extra></extra>",
    )


def cluster_plane_figure(
    plane: ClusterPlane,
    colours: Mapping[str, str],
    *,
    clusters: Sequence[object] | None = None,
) -> go.Figure:
    """Draw the clusters of all sets and the reference's types in the t-SNE plane (Fig. 4).

    Parameters
    ----------
    plane : ClusterPlane
    colours : mapping from type to colour
    clusters : sequence of int or str, optional
        Names of the query's clusters; their positions by default.

    Returns
    -------
    plotly Figure
    """
    import plotly.graph_objects as go

    markers = set_markers(plane.set_name)
    figure = go.Figure()
    # The reference's names are drawn on top.
    for set_name in sorted(markers, key=lambda name: (name == REFERENCE, name == QUERY, name)):
        names = clusters if set_name == QUERY else None
        shape = marker_symbol(SYMBOLS[0], markers[set_name][0])
        _add_set(figure, plane, set_name, colours, shape, names)
    low, high = plane.position.min(axis=0), plane.position.max(axis=0)
    pad = np.maximum(high - low, 1e-6) * (0.16, 0.1)
    frame = np.stack([low - pad, high + pad]).astype(np.float64)
    _name_types(figure, plane, frame)
    return finish_figure(
        figure,
        "Clusters and types, by similarity",
        plot=PLANE[1],
        subtitle=set_subtitle(markers),
        xaxis={"title": "t-SNE 1", "range": frame[:, 0].tolist(), **FRAMED},
        yaxis={"title": "t-SNE 2", "range": frame[:, 1].tolist(), **FRAMED},
    )


def _name_types(figure: go.Figure, plane: ClusterPlane, frame: Float64) -> None:
    """Name the reference's types above their points; no name covers a point or another name."""
    known = np.array([name == REFERENCE for name in plane.set_name])
    px = (plane.position - frame[0]) * (np.array(PLANE) / (frame[1] - frame[0]))
    points = np.column_stack([px, np.full((len(px), 2), _POINT)])
    types = [
        name for name, of_reference in zip(plane.type_name, known, strict=True) if of_reference
    ]
    write_names(figure, types, plane.position[known], frame, fixed=points, boxed=False)


def _add_set(
    figure: go.Figure,
    plane: ClusterPlane,
    set_name: str,
    colours: Mapping[str, str],
    shape: str,
    clusters: Sequence[object] | None,
) -> None:
    """Add a set's points: those of the reference with names of types, others with numbers."""
    inside = np.flatnonzero(np.array(plane.set_name, dtype=object) == set_name)
    types = [plane.type_name[point] for point in inside]
    numbers = plane.cluster[inside].tolist()
    names = numbers if clusters is None else [clusters[number] for number in numbers]
    fills = [colours.get(name, NONE_COLOUR) for name in types]
    known = set_name == REFERENCE
    figure.add_scatter(
        x=plane.position[inside, 0],
        y=plane.position[inside, 1],
        mode="markers" if known else "markers+text",
        text=None if known else [escape(number_of(name)) for name in names],
        textposition="middle center",
        textfont={"size": 11, "color": [text_on(fill) for fill in fills]},
        cliponaxis=False,
        marker={
            "color": fills,
            "symbol": shape,
            "size": 13 if known else 19,
            "line": {"width": 3 if known else 0},
        },
        hovertext=[
            f"{escape(kind)}<br>reference"
            if known
            else f"{escape(set_name)}, cluster {escape(name)}<br>best: {escape(kind)}"
            f"<br>match score {p:.2f}"
            for kind, name, p in zip(types, names, plane.p[inside], strict=True)
        ],
        hovertemplate="%{hovertext}<extra></extra>",
    )
