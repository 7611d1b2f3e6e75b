"""Colours and symbols of types, clusters and sets, the same in every figure of a study.

Names go in, hexadecimal colours and names of plotly's symbols come out. A type keeps its colour
when other types are filtered out.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence

import numpy as np

from celltransfer_core.plots.style import shorten
from celltransfer_core.vocabulary import NONE_TYPE, QUERY, REFERENCE

# Found by a search for eight colours that stay apart for normal, protan, deutan and tritan eyes
# and each have a contrast of 3 or more with white and with a black page; tests/plots holds them
# to it.
PALETTE = (
    "#7979FF",
    "#BC1B5E",
    "#5EA179",
    "#A19400",
    "#8643AE",
    "#0D7979",
    "#C979AE",
    "#516B00",
)
SYMBOLS = ("circle", "diamond", "square")
NONE_COLOUR = "#8A8A8A"

# Near-greys: they only tell neighbours apart, a cluster is known by the number at its median.
CLUSTER_PALETTE = ("#66788C", "#94866F", "#5E7D72", "#8B6F80", "#84909B", "#7A6A58")
SET_PALETTE = ("#8B96A1", "#0B6E99", "#94866F", "#8B6F80", "#5E7D72")
_EXTRA_SYMBOLS = (("triangle-up", "▲"), ("star", "★"), ("x", "✕"), ("cross", "✚"))


def _luminance(colour: str) -> float:
    channels = np.array([int(colour[start : start + 2], 16) for start in (1, 3, 5)]) / 255
    linear = np.where(channels <= 0.04045, channels / 12.92, ((channels + 0.055) / 1.055) ** 2.4)
    return float(linear @ (0.2126, 0.7152, 0.0722))


def text_on(colour: str) -> str:
    """Choose black or white for text on a colour, whichever has the better contrast.

    Parameters
    ----------
    colour : str
        Hexadecimal.

    Returns
    -------
    str
        Hexadecimal.
    """
    return "#000000" if (_luminance(colour) + 0.05) ** 2 > 0.05 * 1.05 else "#FFFFFF"


def scale_colour(
    scale: Sequence[tuple[float, str]], value: float, limits: tuple[float, float]
) -> str:
    """Find the colour that a scale gives to a value.

    Parameters
    ----------
    scale : sequence of (float, str)
        Places from 0 to 1, ascending, each with its hexadecimal colour.
    value : float
    limits : (float, float)
        Values at places 0 and 1.

    Returns
    -------
    str
        Hexadecimal.
    """
    place = (value - limits[0]) / (limits[1] - limits[0])
    channels = [
        int(np.interp(place, [at for at, _ in scale], [int(c[i : i + 2], 16) for _, c in scale]))
        for i in (1, 3, 5)
    ]
    return "#" + "".join(f"{channel:02X}" for channel in channels)


def _preferences(name: str) -> list[int]:
    """Order the palette's places by a hash of each place and a name."""
    return sorted(
        range(len(PALETTE)),
        key=lambda place: hashlib.sha256(f"{place} {name}".encode()).digest(),
    )


def _slots(types: Sequence[str], named: Sequence[str] = ()) -> dict[str, int]:
    """Give every type a place: palette first, then the palette again with the next symbol.

    Every name takes the first free place in its own order, so that adding or dropping a type
    leaves most of the others as they were. New types come after the reference's and move none.
    """
    slots: dict[str, int] = {}
    own = sorted(set(types) - {NONE_TYPE})
    for number, name in enumerate([*own, *(n for n in dict.fromkeys(named) if n not in own)]):
        first = number // len(PALETTE) * len(PALETTE)
        taken = set(slots.values())
        slots[name] = next(
            first + place for place in _preferences(name) if first + place not in taken
        )
    return slots


def type_colours(types: Sequence[str], named: Sequence[str] = ()) -> dict[str, str]:
    """Give every type its colour.

    Parameters
    ----------
    types : sequence of str
        All types of the reference, kept or not, so that filtering changes no colour.
    named : sequence of str
        New types that people gave to cells or clusters, in the order they were first named.

    Returns
    -------
    dict from str to str
        Hexadecimal colours, the same for the same types in any order; ``"none"`` is grey. Beyond
        eight types colours come again, with another symbol: see :func:`type_symbols`.
    """
    colours = {name: PALETTE[slot % len(PALETTE)] for name, slot in _slots(types, named).items()}
    return {**colours, NONE_TYPE: NONE_COLOUR}


def type_symbols(types: Sequence[str]) -> dict[str, str]:
    """Give every type of the reference its marker.

    Parameters
    ----------
    types : sequence of str
        The same as for :func:`type_colours`.

    Returns
    -------
    dict from str to str
        Names of plotly's symbols. All are circles up to eight types; colour and symbol together
        are unique up to 24.
    """
    symbols = {
        name: SYMBOLS[slot // len(PALETTE) % len(SYMBOLS)] for name, slot in _slots(types).items()
    }
    return {**symbols, NONE_TYPE: SYMBOLS[0]}


def cluster_colours(clusters: Sequence[str]) -> dict[str, str]:
    """Give clusters near-greys, which cannot be taken for the colours of types.

    Parameters
    ----------
    clusters : sequence of str
        Names of all clusters, in order. Six colours take turns: they only tell neighbours apart,
        and ``map_figure(..., numbered=True)`` writes each name at its cluster's median.

    Returns
    -------
    dict from str to str
        Hexadecimal colours.
    """
    return {
        name: CLUSTER_PALETTE[number % len(CLUSTER_PALETTE)] for number, name in enumerate(clusters)
    }


def set_colours(sets: Sequence[str]) -> dict[str, str]:
    """Give the reference, the query and extra sets their colours.

    Parameters
    ----------
    sets : sequence of str

    Returns
    -------
    dict from str to str
        Hexadecimal colours: grey for the reference, the page's blue for the query.
    """
    return {
        name: SET_PALETTE[number % len(SET_PALETTE)] for number, name in enumerate(set_order(sets))
    }


def set_order(sets: Sequence[str]) -> list[str]:
    """Order sets: the reference, the query, then the extra sets by name.

    Parameters
    ----------
    sets : sequence of str

    Returns
    -------
    list of str
        With the reference and the query, even where they are not among ``sets``.
    """
    present = set(sets) | {REFERENCE, QUERY}
    return [REFERENCE, QUERY, *sorted(present - {REFERENCE, QUERY})]


def set_markers(sets: Sequence[str]) -> dict[str, tuple[str, str]]:
    """Give every set a symbol, and a character for that symbol in a subtitle.

    Parameters
    ----------
    sets : sequence of str

    Returns
    -------
    dict from set to (str, str)
        The query's symbol is empty, because its points have their type's own; the reference's is
        a suffix that makes the type's symbol hollow.
    """
    markers = {REFERENCE: ("-open", "○"), QUERY: ("", "●")}
    for number, name in enumerate(set_order(sets)[2:]):
        markers[name] = _EXTRA_SYMBOLS[number % len(_EXTRA_SYMBOLS)]
    present = set(sets)
    return {name: marker for name, marker in markers.items() if name in present}


def marker_symbol(of_type: str, of_set: str) -> str:
    """Join a type's symbol and a set's to the symbol of a point.

    Parameters
    ----------
    of_type : str
        See :func:`type_symbols`.
    of_set : str
        See :func:`set_markers`.

    Returns
    -------
    str
        Name of one of plotly's symbols.
    """
    return of_type + of_set if of_set.startswith("-") or not of_set else of_set


def set_subtitle(markers: Mapping[str, tuple[str, str]]) -> str:
    """Write a subtitle that tells which marker stands for which set.

    Parameters
    ----------
    markers : mapping from set to (str, str)
        See :func:`set_markers`.

    Returns
    -------
    str
        Markup.
    """
    return " &nbsp; ".join(
        f"{character} {shorten(name)}" for name, (_, character) in markers.items()
    )
