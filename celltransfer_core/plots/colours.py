"""Colours and symbols of types, clusters and sets, the same in every figure of a study.

Maps names to hexadecimal colours and to plotly's symbols. A type keeps its colour when other types
are filtered out.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence

import numpy as np

from celltransfer_core.plots.style import shorten
from celltransfer_core.types import Floats
from celltransfer_core.vocabulary import NONE_TYPE, QUERY, REFERENCE

# Found by a search for colours with a contrast of 3 to white and to a dark page: eight that are
# distinct for normal, protan, deutan and tritan vision, then sixteen as far as possible from all
# before them. From the ninth on, types also have a different symbol. tests/plots checks this.
PALETTE = (
    *("#7979FF", "#BC1B5E", "#5EA179", "#A19400", "#8643AE", "#0D7979", "#C979AE", "#516B00"),
    *("#B86850", "#F85070", "#18A0D0", "#0050F8", "#D00028", "#8870A0", "#886038", "#3080D0"),
    *("#B08848", "#F810C0", "#985878", "#3098A0", "#B81090", "#B05860", "#287050", "#688048"),
)
_BLOCK = 8  # colours that share a symbol
SYMBOLS = ("circle", "diamond", "square")
NONE_COLOUR = "#8A8A8A"

# Paler than those of types: clusters are identified by number; colours only separate neighbours.
CLUSTER_PALETTE = ("#A08890", "#606848", "#406888", "#909870", "#7098B8", "#786068")
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
        Positions from 0 to 1, ascending, each with its hexadecimal colour. value : float limits :
        (float, float)
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
    """Order the slots of a block by a hash of each slot and a name."""
    return sorted(
        range(_BLOCK),
        key=lambda place: hashlib.sha256(f"{place} {name}".encode()).digest(),
    )


def _slots(types: Sequence[str], named: Sequence[str] = ()) -> dict[str, int]:
    """Give every type a slot in the palette; each block of eight is filled before the next.

    Every name takes the first free slot in an order derived from the name, so that adding or
    removing a type leaves most other types unchanged. New types come after those of the reference
    and move none of them.
    """
    slots: dict[str, int] = {}
    own = sorted(set(types) - {NONE_TYPE})
    for number, name in enumerate([*own, *(n for n in dict.fromkeys(named) if n not in own)]):
        first = number // _BLOCK * _BLOCK
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
        Hexadecimal colours, the same for the same types in any order; ``"none"`` is grey. Up to 24
        types have distinct colours; after that, colours repeat.
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
        Names of plotly's symbols. Up to eight types, all are circles; with more, symbols differ, so
        that nobody has to distinguish more than eight colours by colour alone.
    """
    symbols = {name: SYMBOLS[slot // _BLOCK % len(SYMBOLS)] for name, slot in _slots(types).items()}
    return {**symbols, NONE_TYPE: SYMBOLS[0]}


def cluster_colours(clusters: Sequence[str], places: Floats | None = None) -> dict[str, str]:
    """Give clusters pale colours, which cannot be confused with the colours of types.

    Parameters
    ----------
    clusters : sequence of str
        Names of all clusters, in order; ``map_figure(..., numbered=True)`` writes them on the map.
    places : ndarray of float, shape (len(clusters), 2), optional
        Position of each cluster on the map; see :func:`celltransfer_core.plots.maps.group_places`.
        Neighbours get very different colours; without places, six colours alternate.

    Returns
    -------
    dict from str to str
        Hexadecimal colours.
    """
    if places is None:
        return {
            name: CLUSTER_PALETTE[number % len(CLUSTER_PALETTE)]
            for number, name in enumerate(clusters)
        }
    channels = np.array([[int(c[i : i + 2], 16) for i in (1, 3, 5)] for c in CLUSTER_PALETTE])
    unlike = np.linalg.norm(channels[:, None] - channels[None], axis=2)
    chosen = np.zeros(len(clusters), dtype=np.int64)
    for number in range(len(clusters)):
        apart = np.linalg.norm(places[:number] - places[number], axis=1)
        near = np.argsort(apart, kind="stable")[: len(CLUSTER_PALETTE) - 1]
        # The nearest clusters count most; a neighbour with the same colour rules that colour out.
        closeness = 1.0 / (1.0 + np.arange(len(near)))
        alike = (1.0 / (1.0 + unlike[:, chosen[near]])) @ closeness
        chosen[number] = int(alike.argmin())
    return {name: CLUSTER_PALETTE[colour] for name, colour in zip(clusters, chosen, strict=True)}


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
        Always includes the reference and the query.
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
        The query's symbol is empty, because its points have the symbol of their type; the
        reference's is a suffix that makes the type's symbol hollow.
    """
    markers = {REFERENCE: ("-open", "○"), QUERY: ("", "●")}
    for number, name in enumerate(set_order(sets)[2:]):
        markers[name] = _EXTRA_SYMBOLS[number % len(_EXTRA_SYMBOLS)]
    present = set(sets)
    return {name: marker for name, marker in markers.items() if name in present}


def marker_symbol(of_type: str, of_set: str) -> str:
    """Combine the symbols of a type and a set into the symbol of a point.

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
    """Write a subtitle that explains which marker stands for which set.

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
