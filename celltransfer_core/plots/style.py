"""Figures of a study. A cell type has the same colour and symbol on every one of them.

Colours mean cell types and nothing else: sets differ by shape, clusters by number, and voters,
thresholds and progress are drawn in greys. Backgrounds are transparent and text takes the page's
own colour, so that a figure stands on light and on dark. Names of types, sets, files and voters
come from users: they are escaped wherever plotly would read them as markup.
"""

from __future__ import annotations

import html
import textwrap
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import plotly.graph_objects as go


LINES = ("#0B6E99", "#C2571A", "#4B7A4F", "#7A4E8A", "#15191D")
"""Lines that stand for ways of working, not for types."""

DARK, MIDDLE, PALE = "#5C6670", "#8B96A1", "#B4C0C8"
LINE = "rgba(128,128,128,0.55)"
CLEAR = "rgba(0,0,0,0)"
DIVERGING = (
    (0.0, "#2166AC"),
    (0.25, "#92C5DE"),
    (0.5, "#F7F7F7"),
    (0.75, "#F4A582"),
    (1, "#B2182B"),
)
SEQUENTIAL = ((0.0, "#F3F6F8"), (0.5, "#8FA9BC"), (1.0, "#1F4E6B"))

_NARROW = 460
"""Width in px at which every figure must still be read."""

FEW_COLUMNS = 10
"""Columns of a matrix up to which its values can be written at that width."""


def _plain(text: object) -> str:
    """Write text so that plotly shows it as it is, in labels and in hover templates."""
    # Plotly knows no &quot;, so quotes stay. It fills in %{…} before it decodes entities.
    return html.escape(str(text), quote=False).replace("%{", "%&#123;")


def short(text: object, length: int = 30) -> str:
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


def finish(
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
        paper_bgcolor=CLEAR,
        plot_bgcolor=CLEAR,
        showlegend=bool(legend),
        hoverlabel={"align": "left", "namelength": -1},
        modebar={"bgcolor": CLEAR, "color": "#6B7780", "activecolor": "#0B82B5"},
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


def named(names: Sequence[object], **axis: Any) -> dict[str, Any]:
    """Make an axis of names at positions 0, 1, …, whatever the names look like."""
    return {
        "tickmode": "array",
        "tickvals": list(range(len(names))),
        "ticktext": [short(name, 24) for name in names],
        "ticklabelstandoff": 4,
        "range": [-0.5, len(names) - 0.5],
        "showgrid": False,
        "zeroline": False,
        **axis,
    }


def nothing(title: str, reason: str) -> go.Figure:
    """Draw a figure that says why it is empty."""
    import plotly.graph_objects as go

    figure = go.Figure()
    figure.add_annotation(
        text=reason, showarrow=False, x=0.5, y=0.5, xref="paper", yref="paper", font_size=14
    )
    return finish(figure, title, plot=120, xaxis={"visible": False}, yaxis={"visible": False})


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %" if share >= 0.005 or not share else "&lt;1 %"


def _number(value: float, digits: int) -> str:
    # Adding zero turns a rounded −0 into 0.
    return (
        f"{round(value, digits) + 0.0:.{digits}f}".replace("-", "−") if np.isfinite(value) else ""
    )


def wrapped(remarks: Sequence[str]) -> list[str]:
    return [line for remark in remarks for line in textwrap.wrap(remark, 50)]
