"""Figures on the agreement of the voters (3.4) and the quality of each transport (3.3)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from celltransfer_core.classify.voting import Vote
from celltransfer_core.config.settings import voter_name
from celltransfer_core.pipeline.result import DISCRIMINANT, Solve, Voter
from celltransfer_core.plots.colours import SET_PALETTE
from celltransfer_core.plots.matrix import draw_matrix
from celltransfer_core.plots.style import (
    DARK,
    MIDDLE,
    PALE,
    empty_figure,
    escape,
    finish_figure,
    name_axis,
    shorten,
    shorten_voter,
    wrap_remarks,
)
from celltransfer_core.types import Float64, Ints

if TYPE_CHECKING:
    import plotly.graph_objects as go


_LEAST_ERROR = 1e-17
"""Marginal errors below this value, including zero, are drawn at it."""


def agreement_figure(agreement: Float64, threshold: float) -> go.Figure:
    """Draw how far the voters agree, and how many cells are below a threshold.

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
        f"under the threshold ({int(below.sum()):,})",
        f"the others ({int((~below).sum()):,})",
    )
    figure = go.Figure()
    for label, cells, colour in (
        (labels[0], agreement[below], DARK),
        (labels[1], agreement[~below], PALE),
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
        line={"dash": "dash", "width": 1.5, "color": MIDDLE},
        annotation={
            "text": f"threshold {threshold:g}",
            "yref": "paper",
            "y": 1,
            "yanchor": "bottom",
            "xanchor": "center",
        },
    )
    return finish_figure(
        figure,
        "How far the voters agree",
        plot=220,
        legend=labels,
        xaxis={"title": "agreement (share of the vote)", "range": [0, 1.02]},
        yaxis={"title": "cells", "rangemode": "tozero"},
        barmode="stack",
    )


def confusion_figure(
    first: Sequence[str],
    second: Sequence[str],
    types: Sequence[str],
    *,
    names: tuple[str, str],
    title: str = "Where two votes differ",
) -> go.Figure:
    """Draw how two opinions on the same cells compare: two voters, or vote and matched type.

    Parameters
    ----------
    first, second : sequence of str, length n
        Type of every cell according to each.
    types : sequence of str
        Order of rows and columns; other types are added at the end.
    names : (str, str)
        Names of the two.
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
    return draw_matrix(
        share,
        order,
        order,
        [
            [
                f"{escape(names[0])}: {escape(one)}<br>{escape(names[1])}: {escape(other)}<br>"
                f"{counts[row, column]:.0f} cells"
                for column, other in enumerate(order)
            ]
            for row, one in enumerate(order)
        ],
        f"{title} (same type: {same:.1f} %)",
        limits=(0.0, 100.0),
        unit="% of the row",
        digits=0,
        axes=(shorten(names[0], 40), shorten(names[1], 40)),
        text=[[f"{count:.0f}" if count else "" for count in row] for row in counts],
    )


def disagreement_figure(choices: Ints, names: Sequence[str]) -> go.Figure:
    """Draw the share of cells on which each pair of voters agrees.

    Parameters
    ----------
    choices : ndarray of int64, shape (V, n)
        First choice of each voter; see :class:`celltransfer_core.classify.voting.Vote`.
    names : sequence of str, length V

    Returns
    -------
    plotly Figure
    """
    share = 100 * np.stack([(choices == row).mean(axis=1) for row in choices])
    np.fill_diagonal(share, np.nan)
    others = share[np.isfinite(share)]
    low = float(np.floor(others.min() / 10) * 10) if len(others) else 0.0
    return draw_matrix(
        share,
        [f"{number}  {shorten_voter(name, 20)}" for number, name in enumerate(names, start=1)],
        list(range(1, len(names) + 1)),
        [
            [
                f"{escape(one)}<br>{escape(two)}<br>same type for {share[a, b]:.0f} %"
                if a != b
                else escape(one)
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
    """Draw how each encoder's predictions change with alignment; no labels are needed.

    Parameters
    ----------
    voters : sequence of Voter, length V
        The unaligned voter of each encoder comes before the aligned one; the voter fitted to the
        query is not drawn.
    vote : Vote
        Its ``choices`` are the voters', in the same order.

    Returns
    -------
    plotly Figure
    """
    import plotly.graph_objects as go

    of_encoders: dict[tuple[str, ...], list[int]] = {}
    for number, voter in enumerate(voters):
        if voter.alignment == DISCRIMINANT:
            continue
        of_encoders.setdefault(voter.encoders, []).append(number)
    lines = list(of_encoders.values())
    names = [voter_name(encoders) for encoders in of_encoders]
    agree = 100 * (vote.choices == vote.winner).mean(axis=1)
    kinds = ("without transport", "with transport")
    figure = go.Figure()
    _add_changes(figure, lines, agree, vote)
    for kind, label in enumerate(kinds):
        drawn = [line for line, numbers in enumerate(lines) if len(numbers) > kind]
        shown = [lines[line][kind] for line in drawn]
        figure.add_scatter(
            x=agree[shown],
            y=drawn,
            mode="markers",
            name=label,
            marker={
                "color": (MIDDLE, SET_PALETTE[1])[kind],
                "symbol": ("circle-open", "circle")[kind],
                "size": 12,
                "line": {"width": (2.5, 0)[kind]},
            },
            hovertext=[
                f"{escape(names[line])}, {label}<br>agrees with the vote on "
                f"{agree[number]:.1f} % of the cells"
                for line, number in zip(drawn, shown, strict=True)
            ],
            hovertemplate="%{hovertext}<extra></extra>",
        )
    low = float(np.floor(agree.min() / 10) * 10) - 2
    figure = finish_figure(
        figure,
        "Effect of transport",
        plot=max(110, 34 * len(names)),
        legend=kinds,
        xaxis={"title": "cells typed like the vote, %", "range": [low, 101]},
        yaxis=name_axis(
            [shorten_voter(name) for name in names],
            range=[len(names) - 0.5, -0.5],
            title="encoder",
        ),
    )
    return figure.update_layout(margin={"r": 96})


def _add_changes(
    figure: go.Figure, lines: Sequence[Sequence[int]], agree: Float64, vote: Vote
) -> None:
    """Connect the two voters of each encoder, and write the share of cells that changed."""
    for line, numbers in enumerate(lines):
        if len(numbers) != 2:
            continue
        unaligned, aligned = numbers
        changed = 100 * (vote.choices[unaligned] != vote.choices[aligned]).mean()
        figure.add_shape(
            type="line",
            x0=float(agree[unaligned]),
            x1=float(agree[aligned]),
            y0=line,
            y1=line,
            line={"color": MIDDLE, "width": 3},
            layer="below",
        )
        figure.add_annotation(
            x=1,
            xref="paper",
            y=line,
            text=f"{changed:.1f} % changed",
            showarrow=False,
            xanchor="left",
            xshift=6,
            font_size=12,
        )


def transport_quality_figure(solves: Sequence[Solve]) -> go.Figure:
    """Draw the quality of each transport: marginal error, objective, iterations.

    Parameters
    ----------
    solves : sequence of Solve

    Returns
    -------
    plotly Figure
    """
    from plotly.subplots import make_subplots

    title = "Convergence of the transports"
    if not solves:
        return empty_figure(title, "No transport was computed in this run.")
    voters = list(dict.fromkeys(solve.voter for solve in solves))
    x = _side_by_side(np.array([voters.index(solve.voter) for solve in solves]))
    remarked = [bool(solve.log.remarks) for solve in solves]
    hover = [
        f"{escape(solve.voter)}, part {solve.part + 1}, draw {solve.draw + 1}<br>"
        f"{solve.source:,} onto {solve.target:,} cells<br>"
        f"marginal error {solve.log.marginal_error:.1e}<br>objective {solve.log.objective:.4f}<br>"
        f"{solve.log.iterations} iterations"
        + "".join(f"<br>{escape(line)}" for line in wrap_remarks(solve.log.remarks))
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
            **name_axis([shorten_voter(name) for name in voters], tickangle=-30), row=row, col=1
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
    notes = ["Crosses mark transports with a warning from the solver."] if any(remarked) else []
    return finish_figure(figure, title, plot=390, notes=notes)


def _side_by_side(groups: Ints) -> Float64:
    """Place points around their group's number; a single point is centred."""
    x = groups.astype(np.float64)
    for group in np.unique(groups):
        inside = groups == group
        n = inside.sum()
        x[inside] += (np.arange(n) - (n - 1) / 2) / max(n, 4) * 0.8
    return x
