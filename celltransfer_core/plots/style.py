"""Style shared by all figures: greys, scales, sizes, titles, axes, and escaping of names."""

from __future__ import annotations

import html
import textwrap
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import plotly.graph_objects as go


LINES = ("#0B6E99", "#C2571A", "#4B7A4F", "#7A4E8A", "#7D8791")
"""Colours of lines that stand for methods, not types; visible on light and dark pages."""

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

FRAMED: dict[str, Any] = {
    "showticklabels": False,
    "showgrid": False,
    "zeroline": False,
    "showline": True,
    "linecolor": LINE,
    "mirror": True,
}
"""An axis whose values have no meaning: a line around the plane, and no ticks."""

NARROW = 460
"""Minimum width in px at which every figure must be legible."""

LINE_LETTERS = 22
"""Letters per line of a name on an axis."""

FEW_COLUMNS = 10
"""Maximum columns of a matrix whose values still fit into its cells at that width."""


def escape(text: object) -> str:
    """Escape text so that plotly shows it unchanged, in labels and in hover templates.

    Parameters
    ----------
    text : object
        Turned into a string first.

    Returns
    -------
    str
    """
    # Plotly does not know &quot;, so quotes stay. It fills in %{…} before it decodes entities.
    return html.escape(str(text), quote=False).replace("%{", "%&#123;")


def shorten(text: object, length: int = 30) -> str:
    """Escape text for an axis or a legend, and cut out its middle if it is too long.

    Parameters
    ----------
    text : object
        Turned into a string first.
    length : int
        Most characters.

    Returns
    -------
    str

    Examples
    --------
    >>> shorten("granulocyte, segmented neutrophil", 26)
    'granulocyte, se…neutrophil'
    """
    whole = str(text)
    if len(whole) <= length:
        return escape(whole)
    # Names of types often have the same beginning and differ at the end.
    end = (length - 1) * 2 // 5
    return escape(f"{whole[: length - 1 - end]}…{whole[len(whole) - end :]}")


def wrap(text: object, width: int = LINE_LETTERS) -> str:
    """Break text for an axis into at most two lines, and cut out its middle if it is longer.

    Parameters
    ----------
    text : object
        Turned into a string first.
    width : int
        Maximum number of characters per line.

    Returns
    -------
    str
        Markup.
    """
    lines = textwrap.wrap(str(text), width, break_on_hyphens=False)
    if len(lines) <= 1:
        return shorten(text, width)
    head, tail = lines[0], str(text)[len(lines[0]) :].strip()
    return f"{escape(head)}<br>{shorten(tail, width)}"


def shorten_voter(name: str, length: int = 22) -> str:
    """Shorten a voter's encoder names, so that its alignment, which follows, is kept.

    Parameters
    ----------
    name : str
        Such as ``colour+shape, with transport`` or ``colour+shape:fgw``.
    length : int
        Most characters.

    Returns
    -------
    str
        Not escaped.
    """
    if len(name) <= length:
        return name
    mark = next((one for one in (", ", ":") if one in name), "")
    encoder, _, alignment = name.rpartition(mark) if mark else (name, "", "")
    left = max(length - len(mark) - len(alignment) - 1, 1)
    return f"{encoder[:left]}…{mark}{alignment}"


def _title(title: str, subtitle: str = "") -> str:
    """Break a title into lines that fit a narrow figure; the subtitle is markup."""
    lines = "<br>".join(escape(line) for line in textwrap.wrap(title, 44)[:3])
    if not subtitle:
        return lines
    return f"{lines}<br><span style='font-size:12px;font-weight:400'>{subtitle}</span>"


def finish_figure(
    figure: go.Figure,
    title: str,
    *,
    plot: int,
    subtitle: str = "",
    legend: Sequence[str] = (),
    notes: Sequence[str] = (),
    **layout: Any,
) -> go.Figure:
    """Set a figure's title, margins and, if it has one, the legend below the axis.

    Heights are computed in advance, so that nothing jumps or overlaps.

    Parameters
    ----------
    figure : plotly Figure
        Changed in place.
    title : str
        Plain text.
    plot : int
        Height of the plotting area, px. The height of the title, and of the legend at the minimum
        width, is added to it.
    subtitle : str
        Markup.
    legend : sequence of str
        Entries of the legend; none for no legend.
    notes : sequence of str
        Sentences that apply to this figure in addition to the caption of its kind; see
        :func:`celltransfer_core.plots.captions.caption_of`.
    **layout
        Passed to ``update_layout`` last.

    Returns
    -------
    plotly Figure
        The same.
    """
    text = _title(title, subtitle)
    top = 34 + 20 * (1 + text.count("<br>"))
    widths = [7 * len(name) + 48 for name in legend]
    lines = 0
    if legend:
        room = NARROW - 20
        lines = 1 if sum(widths) < room else -(-len(legend) // max(1, room // max(widths)))
    bottom = 52 + 21 * lines
    figure.update_layout(
        title={"text": text, "x": 0, "xref": "container", "xanchor": "left"},
        height=top + plot + bottom,
        margin={"l": 12, "r": 16, "t": top, "b": bottom, "pad": 0},
        paper_bgcolor=CLEAR,
        plot_bgcolor=CLEAR,
        showlegend=bool(legend),
        meta={"notes": [*notes]},
        hoverlabel={"align": "left", "namelength": -1},
        modebar={"bgcolor": CLEAR, "color": "#6B7780", "activecolor": "#0B82B5"},
    )
    figure.update_layout(
        title={
            # Plotly places multi-line titles higher than single-line ones.
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


def name_axis(names: Sequence[object], *, wrapped: bool = False, **axis: Any) -> dict[str, Any]:
    """Describe an axis with names at positions 0, 1, …, even if names look like numbers.

    Parameters
    ----------
    names : sequence of object
    wrapped : bool
        Whether there is room for long names on two lines.
    **axis
        Further settings of the axis; they replace those made here.

    Returns
    -------
    dict
        For plotly's ``xaxis`` or ``yaxis``.
    """
    return {
        "tickmode": "array",
        "tickvals": list(range(len(names))),
        "ticktext": [wrap(name) if wrapped else shorten(name, 26) for name in names],
        "ticklabelstandoff": 4,
        "range": [-0.5, len(names) - 0.5],
        "showgrid": False,
        "zeroline": False,
        **axis,
    }


def empty_figure(title: str, reason: str) -> go.Figure:
    """Draw a figure without data that shows the reason in its centre.

    Parameters
    ----------
    title, reason : str

    Returns
    -------
    plotly Figure
    """
    import plotly.graph_objects as go

    figure = go.Figure()
    figure.add_annotation(
        text=reason, showarrow=False, x=0.5, y=0.5, xref="paper", yref="paper", font_size=14
    )
    return finish_figure(
        figure, title, plot=120, xaxis={"visible": False}, yaxis={"visible": False}
    )


def format_number(value: float, digits: int) -> str:
    """Write a number with a true minus sign, or nothing if it is not finite.

    Parameters
    ----------
    value : float
    digits : int
        Decimals.

    Returns
    -------
    str
    """
    # Adding zero turns a rounded −0 into 0.
    return (
        f"{round(value, digits) + 0.0:.{digits}f}".replace("-", "−") if np.isfinite(value) else ""
    )


def wrap_remarks(remarks: Sequence[str]) -> list[str]:
    """Break remarks into lines of at most 50 characters.

    Parameters
    ----------
    remarks : sequence of str

    Returns
    -------
    list of str
        Not escaped.
    """
    return [line for remark in remarks for line in textwrap.wrap(remark, 50)]
