"""Matrix of true against predicted types, as counts or shares."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

import numpy as np

from celltransfer_core.plots.matrix import draw_matrix
from celltransfer_core.plots.style import escape
from celltransfer_core.types import Labels

if TYPE_CHECKING:
    import plotly.graph_objects as go

Share = Literal["cells", "true", "predicted"]

_UNITS = {
    "cells": "% of the true type",
    "true": "% of the true type",
    "predicted": "% of the predicted type",
}


def error_matrix_figure(
    truth: Labels, predicted: Labels, types: Sequence[str], share: Share = "cells"
) -> go.Figure:
    """Draw which types a method confuses with which.

    Parameters
    ----------
    truth, predicted : ndarray of str, shape (m,)
        Types of the cells that count.
    types : sequence of str
        Order of rows and columns; those that do not occur are left out, others come last.
    share : {"cells", "true", "predicted"}
        The values: numbers of cells, or percent of the row or of the column.

    Returns
    -------
    plotly Figure
        A row for each true type, a column for each predicted one. Each pair that occurs has a point
        with both types as its ``customdata``, so that users can select it on a page.
    """
    found = {*truth.tolist(), *predicted.tolist()}
    order = [name for name in types if name in found] + sorted(found - {*types})
    rows = [name for name in order if (truth == name).any()]
    counts = np.array(
        [[int(((truth == one) & (predicted == other)).sum()) for other in order] for one in rows],
        dtype=np.float64,
    )
    totals = counts.sum(axis=0 if share == "predicted" else 1, keepdims=True)
    percent = np.divide(100 * counts, totals, out=np.zeros_like(counts), where=totals > 0)
    written = counts if share == "cells" else percent
    digits = 0 if share == "cells" else 1
    right = sum(int((truth[truth == name] == predicted[truth == name]).sum()) for name in rows)
    told = [
        [
            f"true {escape(one)}<br>predicted {escape(other)}<br>"
            f"{counts[row, column]:.0f} cells, {percent[row, column]:.1f} {_UNITS[share]}"
            for column, other in enumerate(order)
        ]
        for row, one in enumerate(rows)
    ]
    figure = draw_matrix(
        percent,
        rows,
        order,
        told,
        f"{right:,} of {len(truth):,} cells right ({100 * right / len(truth):.1f} %)",
        limits=(0.0, 100.0),
        unit=_UNITS[share],
        digits=0,
        axes=("true type", "predicted type"),
        text=[
            [
                f"{written[row, column]:.{digits}f}" if count else ""
                for column, count in enumerate(of)
            ]
            for row, of in enumerate(counts)
        ],
    )
    pairs = np.argwhere(counts > 0).tolist()
    figure.add_scatter(
        x=[column for _, column in pairs],
        y=[row for row, _ in pairs],
        mode="markers",
        marker={"symbol": "square", "size": 22, "opacity": 0},
        customdata=[[rows[row], order[column]] for row, column in pairs],
        hovertext=[told[row][column] for row, column in pairs],
        hovertemplate="%{hovertext}<extra></extra>",
        showlegend=False,
    )
    return figure
