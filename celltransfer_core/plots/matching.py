"""TODO celltransfer_core/plots/matching.py."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Literal, get_args

import numpy as np

from celltransfer_core.matching.plane import ClusterPlane
from celltransfer_core.matching.scores import Similarity, match_score
from celltransfer_core.plots.colours import (
    NONE_COLOUR,
    SYMBOLS,
    _shade,
    set_key,
    set_marks,
    symbol,
    text_on,
)
from celltransfer_core.plots.matrix import draw_matrix
from celltransfer_core.plots.style import (
    DIVERGING,
    LINE,
    MIDDLE,
    SEQUENTIAL,
    _number,
    _plain,
    finish,
    short,
)
from celltransfer_core.types import Float64
from celltransfer_core.vocabulary import QUERY, REFERENCE

if TYPE_CHECKING:
    import plotly.graph_objects as go


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
    figure = draw_matrix(
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
    scale = DIVERGING if limits[0] < 0 else SEQUENTIAL
    for row, column in np.argwhere((values == best) & (values > values.min())).tolist():
        figure.add_shape(
            type="rect",
            x0=column - 0.42,
            x1=column + 0.42,
            y0=row - 0.38,
            y1=row + 0.38,
            line={"color": text_on(_shade(scale, values[row, column], limits)), "width": 1.5},
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
        colorscale=((0, MIDDLE), (1, MIDDLE)),
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
        line={"color": LINE, "width": 1},
        hoverinfo="skip",
    )
    figure.add_scatter(
        x=np.full(len(labels), 1.22),
        y=heights,
        mode="text",
        text=[
            f"<span style='color:{colours.get(name, NONE_COLOUR)}'>⬤</span> "
            + (f"{short(clusters[row], 6)} " if cluster is None else "")
            + f"{short(name, 14)} {_number(max(value, 0), 2)}"
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
    figure.add_shape(type="rect", x0=-1.1, x1=1.1, y0=-1.1, y1=1.1, line_color=LINE, line_width=1)
    frame = {"tickvals": [-1, -0.5, 0, 0.5, 1], "showgrid": False, "zeroline": False}
    return finish(
        figure,
        title,
        plot=plot,
        subtitle=("" if cluster is not None else "cluster, ") + "type and match score at the right",
        xaxis={"title": "row score (best type of the cluster)", "range": [-1.1, 2.55], **frame},
        yaxis={"title": "column score (best cluster of the type)", "range": [-1.1, 1.1], **frame},
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
        What the query's clusters are called; their positions by default.

    Returns
    -------
    plotly Figure
    """
    import plotly.graph_objects as go

    marks = set_marks(plane.set_name)
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
            text=[short(word, 16 if known else 5) for word in (names if known else numbers)],
            textposition="top center" if known else "middle center",
            textfont={"size": 11} | ({} if known else {"color": [text_on(c) for c in fills]}),
            cliponaxis=False,
            marker={
                "color": fills,
                "symbol": symbol(SYMBOLS[0], marks[set_name][0]),
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
        "linecolor": LINE,
        "mirror": True,
    }
    return finish(
        figure,
        "Clusters and types, by resemblance",
        plot=380,
        subtitle=set_key(marks),
        xaxis={"title": "t-SNE 1", "range": [low[0] - pad[0], high[0] + pad[0]], **frame},
        yaxis={"title": "t-SNE 2", "range": [low[1] - pad[1], high[1] + pad[1]], **frame},
    )
