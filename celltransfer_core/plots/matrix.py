"""A matrix as a heat map: similarity scores (A.2), confusions, agreement of voters."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from celltransfer_core.plots.colours import scale_colour, text_on
from celltransfer_core.plots.style import (
    DIVERGING,
    FEW_COLUMNS,
    LINE_LETTERS,
    SEQUENTIAL,
    finish_figure,
    format_number,
    name_axis,
)
from celltransfer_core.types import Float64

if TYPE_CHECKING:
    import plotly.graph_objects as go


def draw_matrix(
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
    notes: Sequence[str] = (),
) -> go.Figure:
    """Draw a matrix, with its values written in the cells if the columns are wide enough.

    Parameters
    ----------
    values : ndarray of float64, shape (R, C)
        NaN for empty cells.
    rows, columns : sequence of object, length R and C
        Names.
    hover : sequence of sequence of str, shape (R, C)
        Hover text of each cell, as markup.
    title : str
    limits : (float, float)
        Values at the ends of the colour scale, which is diverging if the first is negative.
    unit : str
        Title of the colour bar.
    digits : int
        Decimals of the values.
    axes : (str, str)
        Titles of the rows and of the columns.
    text : sequence of sequence of str, shape (R, C), optional
        What to write instead of the values.
    notes : sequence of str
        Sentences that follow the caption.

    Returns
    -------
    plotly Figure
    """
    import plotly.graph_objects as go

    scale = colour_scale(limits)
    few = len(columns) <= FEW_COLUMNS
    wrapped = any(len(str(name)) > LINE_LETTERS for name in rows)
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
        written = text or [[format_number(value, digits) for value in row] for row in values]
        _write_values(figure, values, written, limits)
    signs = ["Red is above zero, blue below."] if limits[0] < 0 else []
    return finish_figure(
        figure,
        title,
        notes=[*signs, *notes],
        plot=max(150, (34 if wrapped else 26) * len(rows)),
        xaxis=name_axis(
            columns,
            title=axes[1],
            tickangle=-40 if few else -90,
            tickfont={"size": 12 if few else 10},
        ),
        yaxis=name_axis(rows, wrapped=wrapped, title=axes[0], range=[len(rows) - 0.5, -0.5]),
    )


def colour_scale(limits: tuple[float, float]) -> tuple[tuple[float, str], ...]:
    """Choose a diverging scale if values may be negative, a sequential one otherwise.

    Parameters
    ----------
    limits : (float, float)
        Least and greatest value.

    Returns
    -------
    tuple of (float, str)
        Places from 0 to 1, each with its hexadecimal colour.
    """
    return DIVERGING if limits[0] < 0 else SEQUENTIAL


def _write_values(
    figure: go.Figure,
    values: Float64,
    text: Sequence[Sequence[str]],
    limits: tuple[float, float],
) -> None:
    # The heat map's built-in text is grey, which is hard to read on medium shades.
    known = np.argwhere(np.isfinite(values)).tolist()
    scale = colour_scale(limits)
    shades = [scale_colour(scale, values[row, column], limits) for row, column in known]
    figure.add_scatter(
        x=[column for _, column in known],
        y=[row for row, _ in known],
        mode="text",
        text=[text[row][column] for row, column in known],
        textfont={"size": 11, "color": [text_on(shade) for shade in shades]},
        hoverinfo="skip",
    )
