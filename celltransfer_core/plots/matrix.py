"""TODO celltransfer_core/plots/matrix.py."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from celltransfer_core.plots.colours import _shade, text_on
from celltransfer_core.plots.style import (
    DIVERGING,
    FEW_COLUMNS,
    SEQUENTIAL,
    _number,
    finish,
    named,
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
) -> go.Figure:
    """Draw a matrix, its values written out where the columns are wide enough."""
    import plotly.graph_objects as go

    scale = DIVERGING if limits[0] < 0 else SEQUENTIAL
    few = len(columns) <= FEW_COLUMNS
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
            textfont={"size": 11, "color": [text_on(shade) for shade in shades]},
            hoverinfo="skip",
        )
    return finish(
        figure,
        title,
        plot=max(150, 26 * len(rows)),
        xaxis=named(
            columns,
            title=axes[1],
            tickangle=-40 if few else -90,
            tickfont={"size": 12 if few else 10},
        ),
        yaxis=named(rows, title=axes[0], range=[len(rows) - 0.5, -0.5]),
    )
