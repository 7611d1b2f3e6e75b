"""Heat maps of what clusters are named by: the paper's scores (A.2; Figs 9, 10), and votes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Literal, get_args

import numpy as np

from celltransfer_core.matching.scores import Similarity
from celltransfer_core.plots.colours import scale_colour, text_on
from celltransfer_core.plots.matrix import colour_scale, draw_matrix
from celltransfer_core.plots.style import escape, format_number
from celltransfer_core.types import Float64

if TYPE_CHECKING:
    import plotly.graph_objects as go


Matrix = Literal[
    "cosine", "mean_row", "mean_col", "count_row", "count_col", "score_row", "score_col", "p"
]
_MATRICES: Mapping[str, tuple[str, str]] = {
    "cosine": ("Mean cosine", "cosine"),
    "mean_row": ("Scores along rows, mean of encoders", "score"),
    "mean_col": ("Scores along columns, mean of encoders", "score"),
    "count_row": ("Encoders that rank the type first", "encoders"),
    "count_col": ("Encoders that rank the cluster first", "encoders"),
    "score_row": ("Row scores, encoders combined", "score"),
    "score_col": ("Column scores, encoders combined", "score"),
    "p": ("Scores of the paper (A.2)", "score"),
}


def similarity_heatmap(
    score: Similarity,
    clusters: Sequence[object],
    which: Matrix = "p",
    *,
    encoder: str | None = None,
) -> go.Figure:
    """Draw one of the matrices of the paper's scores (Figs 9, 10).

    Parameters
    ----------
    score : Similarity
    clusters : sequence of int or str, length C
        Names of the clusters.
    which : str
        ``"cosine"`` of one encoder (Fig. 9a), ``"count_row"``, ``"count_col"`` (Fig. 9b),
        ``"mean_row"``, ``"mean_col"`` (Fig. 10a), ``"score_row"``, ``"score_col"``, or the scores
        ``"p"`` of A.2.
    encoder : str, optional
        Encoder of the cosines; needed only for ``"cosine"``.

    Returns
    -------
    plotly Figure

    Raises
    ------
    ValueError
        If there is no such matrix or encoder.
    """
    if which not in get_args(Matrix):
        raise ValueError(
            f"There is no matrix {which!r}; the matrices are {', '.join(get_args(Matrix))}."
        )
    title, unit = _MATRICES[which]
    if which == "cosine":
        if encoder not in score.encoders:
            raise ValueError(
                f"There is no encoder {encoder!r}; the encoders are {', '.join(score.encoders)}."
            )
        number = score.encoders.index(encoder)
        values = score.cosine[number]
        title = f"{title}: {encoder}{'' if score.kept[number] else ' (not counted)'}"
    else:
        values = getattr(score, which)
    values = np.asarray(values, dtype=np.float64)
    if which == "p":
        values = np.clip(values, 0, 1)
    return _clusters_and_types(
        values,
        clusters,
        score.types,
        title,
        unit,
        limits=_limits(which, values, int(score.kept.sum())),
        digits=0 if which.startswith("count") else 2,
        by_column=which.endswith("_col"),
    )


def votes_heatmap(votes: Float64, clusters: Sequence[object], types: Sequence[str]) -> go.Figure:
    """Draw the share of votes that each cluster gives to each type.

    Parameters
    ----------
    votes : ndarray of float64, shape (C, T)
        See :func:`~celltransfer_core.pipeline.cell_votes.cluster_votes`.
    clusters : sequence of int or str, length C
        Names of the clusters.
    types : sequence of str, length T

    Returns
    -------
    plotly Figure
    """
    return _clusters_and_types(
        votes, clusters, types, "Votes of the clusters", "share", limits=(0.0, 1.0)
    )


def _clusters_and_types(
    values: Float64,
    clusters: Sequence[object],
    types: Sequence[str],
    title: str,
    unit: str,
    *,
    limits: tuple[float, float],
    digits: int = 2,
    by_column: bool = False,
) -> go.Figure:
    """Draw a matrix of clusters and types, with the best of each row or column framed."""
    best = "cluster of each type" if by_column else "type of each cluster"
    figure = draw_matrix(
        values,
        clusters,
        types,
        [
            [
                f"cluster {escape(cluster)}<br>{escape(name)}<br>"
                f"{unit} {format_number(value, digits)}"
                for name, value in zip(types, row, strict=True)
            ]
            for cluster, row in zip(clusters, values, strict=True)
        ],
        title,
        limits=limits,
        unit=unit,
        digits=digits,
        axes=("cluster", "type of the reference"),
        notes=[f"Frames mark the best {best}."],
    )
    _frame_best(figure, values, limits, by_column=by_column)
    return figure


def _limits(which: Matrix, values: Float64, n_encoders: int) -> tuple[float, float]:
    """Choose the values at the ends of a matrix's colour scale."""
    if which == "p":
        return 0.0, 1.0
    if which.startswith("count"):
        return 0.0, float(max(n_encoders, 1))
    if which == "cosine":
        largest = float(max(np.abs(values).max(), 1e-6))
        if values.min() < 0:
            return -largest, largest
        return min(float(values.min()), largest - 1e-6), largest
    return -1.0, 1.0


def _frame_best(
    figure: go.Figure, values: Float64, limits: tuple[float, float], *, by_column: bool
) -> None:
    """Frame the greatest value of each row, or of each column."""
    best = values.max(axis=0 if by_column else 1, keepdims=True)
    scale = colour_scale(limits)
    for row, column in np.argwhere((values == best) & (values > values.min())).tolist():
        shade = scale_colour(scale, values[row, column], limits)
        figure.add_shape(
            type="rect",
            x0=column - 0.42,
            x1=column + 0.42,
            y0=row - 0.38,
            y1=row + 0.38,
            line={"color": text_on(shade), "width": 1.5},
        )
