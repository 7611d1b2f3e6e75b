"""Figures of an evaluation (Fig. 7 of the paper, and others), drawn with Plotly."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from celltransfer_core.evaluation.metrics import Curve
from celltransfer_core.evaluation.report.comparisons import encoders_name, method_name
from celltransfer_core.evaluation.report.sentences import OT_NAMES
from celltransfer_core.evaluation.result import Evaluation
from celltransfer_core.plots.colours import SET_PALETTE, SYMBOLS
from celltransfer_core.plots.style import (
    DARK,
    LINES,
    MIDDLE,
    escape,
    finish_figure,
    name_axis,
    shorten,
)

if TYPE_CHECKING:
    import plotly.graph_objects as go
    from plotly.graph_objects import Figure

    from celltransfer_core.evaluation.metrics import Reliability
    from celltransfer_core.evaluation.result import Point


def accuracy_figure(
    names: Sequence[str],
    plain: Sequence[float],
    aligned: Sequence[float],
    interval: tuple[float, float],
    alignment: str,
) -> go.Figure:
    """Draw every encoder's accuracy with and without an alignment (Fig. 7 of the paper).

    Parameters
    ----------
    names : sequence of str, length V
        Encoders, and the ensemble last.
    plain, aligned : sequence of float, length V
        Accuracy without and with the alignment, in percent.
    interval : tuple of float
        Interval of the aligned ensemble.
    alignment : str
        Name of the alignment.

    Returns
    -------
    plotly Figure
    """
    import plotly.graph_objects as go

    before, after = np.array(plain), np.array(aligned)
    figure = go.Figure()
    bars = (
        ("kept", np.minimum(before, after), DARK, "", "without alignment"),
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
                "line": {"color": DARK, "width": 1},
                "pattern": {"shape": pattern, "fgcolor": DARK, "size": 6},
            },
            hovertext=[
                f"{escape(name)}<br>without {first:.1f} %, with {second:.1f} %"
                for name, first, second in zip(names, before, after, strict=True)
            ],
            hovertemplate="%{hovertext}<extra></extra>",
        )
    figure.add_scatter(
        x=[after[-1]],
        y=[len(names) - 1],
        mode="markers",
        name="interval",
        marker={"color": LINES[1], "size": 5},
        error_x={
            "type": "data",
            "symmetric": False,
            "array": [interval[1] - after[-1]],
            "arrayminus": [after[-1] - interval[0]],
            "color": LINES[1],
        },
        hoverinfo="skip",
        showlegend=False,
    )
    return finish_figure(
        figure,
        f"Accuracy with and without {alignment}",
        plot=max(120, 30 * len(names)),
        legend=[label for *_, label in bars],
        barmode="stack",
        xaxis={"title": "accuracy, %", "range": [0, 100]},
        yaxis=name_axis(names, wrapped=True, range=[len(names) - 0.5, -0.5], title="encoder"),
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
        colour = LINES[number % len(LINES)]
        dash = ("solid", "dash", "dot")[number // len(LINES) % 3]
        figure.add_scatter(
            x=100 * (1 - curve.share),
            y=curve.accuracy_kept,
            name=f"{shorten(name)}: right of the trusted",
            mode="lines",
            line={"color": colour, "dash": dash, "width": 2.5},
        )
        figure.add_scatter(
            x=100 * (1 - curve.share),
            y=curve.errors_caught,
            name=f"{shorten(name)}: errors caught",
            mode="lines+markers",
            marker={"symbol": SYMBOLS[number % len(SYMBOLS)], "size": 6},
            line={"color": colour, "dash": dash, "width": 1.5},
        )
    _add_diagonal(figure, "caught at random")
    return finish_figure(
        figure,
        "Accuracy by agreement",
        plot=300,
        legend=[str(trace.name) for trace in figure.data],
        xaxis={"title": "cells reviewed, lowest agreement first, %", "range": [0, 100]},
        yaxis={"title": "percent", "range": [0, 102]},
    )


def _add_diagonal(figure: go.Figure, name: str) -> None:
    figure.add_scatter(
        x=[0, 100],
        y=[0, 100],
        name=name,
        mode="lines",
        line={"color": MIDDLE, "dash": "dot", "width": 1},
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
    _add_diagonal(figure, "perfect calibration")
    names = []
    for number, (name, one) in enumerate(found.items()):
        names.append(f"{shorten(name)} ({one.expected_calibration_error:.1f} points off)")
        filled = one.cells > 0
        figure.add_scatter(
            x=one.confidence[filled],
            y=one.accuracy[filled],
            name=names[-1],
            mode="lines+markers",
            cliponaxis=False,  # points at 100 % are not cut off
            marker={
                "symbol": SYMBOLS[number % len(SYMBOLS)],
                "size": 6 + 14 * np.sqrt(one.cells[filled] / one.cells.sum()),
                "color": LINES[number % len(LINES)],
            },
            line={"color": LINES[number % len(LINES)], "width": 1.5},
            hovertext=[f"{cells:,} cells" for cells in one.cells[filled]],
        )
    return finish_figure(
        figure,
        "Accuracy by confidence",
        plot=320,
        legend=["perfect calibration", *names],
        xaxis={"title": "confidence, %", "range": [0, 102]},
        yaxis={"title": "right, %", "range": [0, 102]},
    )


def low_label_figure(points: Mapping[str, Sequence[tuple[int, float, float]]]) -> go.Figure:
    """Draw accuracy against the number of labelled reference cells per type.

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
        colour = LINES[number % len(LINES)]
        figure.add_scatter(
            x=[steps.index(cells) for cells, *_ in of],
            y=[accuracy for _, accuracy, _ in of],
            error_y={"type": "data", "array": [deviation for *_, deviation in of]},
            name=shorten(name),
            mode="lines+markers",
            marker={"symbol": SYMBOLS[number % len(SYMBOLS)], "size": 8},
            line={"color": colour, "dash": ("solid", "dash", "dot")[number // len(LINES) % 3]},
        )
    ticks = [str(cells) if cells else "all" for cells in steps]
    return finish_figure(
        figure,
        "Few labelled reference cells",
        plot=300,
        legend=list(points),
        xaxis=name_axis(ticks, title="labelled cells a type"),
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
                    "color": LINES[number % len(LINES)],
                    "dash": "solid" if whole else "dot",
                },
            )
    return finish_figure(
        figure,
        "What answers gain",
        plot=300,
        legend=names,
        xaxis={"title": "cells typed after the clusters were confirmed"},
        # Starts at the next lower multiple of ten: only the upper part is of interest.
        yaxis={"title": "balanced accuracy, %", "range": [10 * (least // 10), 101]},
    )


def _voter(method: str) -> str:
    kind, _, encoders = method.partition(":")
    return encoders_name(encoders) if kind == "knn" else method_name(method)


def figures(evaluation: Evaluation, filtering: str) -> list[tuple[str, Figure]]:
    """Draw the figures of one filtering.

    Parameters
    ----------
    evaluation : Evaluation
    filtering : {"false", "true", "reader"}

    Returns
    -------
    list of (str, plotly Figure)
        Each with its name in :data:`~celltransfer_core.plots.captions.CAPTIONS`.
    """
    drawn: list[tuple[str, Figure]] = []
    rows = {row.key: row for row in evaluation.rows if row.filtering == filtering}
    for ot in evaluation.protocol.ot:
        methods = [
            method
            for method, of, _ in rows
            if of == ot
            and (method, "none", filtering) in rows
            and (method.startswith("knn:") or method == "ensemble")
        ]
        if ot == "none" or not methods or methods[-1] != "ensemble":
            continue
        bars = accuracy_figure(
            [_voter(method) for method in methods],
            [rows[method, "none", filtering].accuracy for method in methods],
            [rows[method, ot, filtering].accuracy for method in methods],
            rows["ensemble", ot, filtering].accuracy_interval,
            OT_NAMES[ot],
        )
        drawn.append(("accuracy_figure", bars))
    shown = [ot for ot in ("none", "centre", "fgw-paper", "fgw") if ot in evaluation.protocol.ot]
    curves: dict[str, Curve] = {
        OT_NAMES[ot]: evaluation.curves["ensemble", ot, filtering]
        for ot in shown
        if ("ensemble", ot, filtering) in evaluation.curves
    }
    if curves:
        drawn.append(("agreement_worth_figure", agreement_worth_figure(curves)))
        found = {
            OT_NAMES[ot]: evaluation.reliability["ensemble", ot, filtering]
            for ot in shown
            if OT_NAMES[ot] in curves
        }
        drawn.append(("reliability_figure", reliability_figure(found)))
    points: dict[str, list[tuple[int, float, float]]] = {}
    for point in evaluation.low_label:
        if point.filtering == filtering:
            of = points.setdefault(OT_NAMES[point.ot], [])
            of.append((point.cells, point.accuracy, point.deviation))
    if points:
        drawn.append(("low_label_figure", low_label_figure(points)))
    return drawn
