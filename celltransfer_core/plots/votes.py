"""TODO celltransfer_core/plots/votes.py."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from celltransfer_core.classify.voting import Vote
from celltransfer_core.config import voter_name
from celltransfer_core.pipeline.result import Solve, Voter
from celltransfer_core.plots.colours import SET_PALETTE
from celltransfer_core.plots.matrix import draw_matrix
from celltransfer_core.plots.style import (
    DARK,
    MIDDLE,
    PALE,
    _plain,
    _voter,
    finish,
    named,
    nothing,
    short,
    wrapped,
)
from celltransfer_core.types import Float64, Ints

if TYPE_CHECKING:
    import plotly.graph_objects as go


_LEAST_ERROR = 1e-17
"""Marginal errors below, zero among them, are drawn here."""


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
    return finish(
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
    return draw_matrix(
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
        axes=(short(names[0], 40), short(names[1], 40)),
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
    return draw_matrix(
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
                line={"color": MIDDLE, "width": 3},
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
                "color": (MIDDLE, SET_PALETTE[1])[kind],
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
    figure = finish(
        figure,
        "What transport changes",
        plot=max(110, 34 * len(names)),
        legend=kinds,
        xaxis={"title": "cells typed like the vote, %", "range": [low, 101]},
        yaxis=named(
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
        return nothing(title, "No transport was solved in this run.")
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
        + "".join(f"<br>{_plain(line)}" for line in wrapped(solve.log.remarks))
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
            **named([_voter(name) for name in voters], tickangle=-30), row=row, col=1
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
    return finish(figure, title, plot=390)
