"""What the Cells page shows, as parameters of its address; other pages link to it.

=============  ==================================================================================
parameter      meaning
=============  ==================================================================================
``type``       predicted type; once for each, as ``final``, ``slide``, ``patient``, ``cluster``
``final``      what cells count as: a type, ``none``, ``artefact`` or ``disputed``
``reviewed``   ``no``, ``yes``, ``me`` or ``others``
``changed``    ``1``: the reader's own answer is another type than the prediction
``flagged``    ``1``; also ``unknown``, and ``must-find``: may be a type that must not be missed
``cluster``    number of the cluster
``slide``      as in the tables of the study; also ``patient``
``agreement``  from and to, such as ``0.2-0.6``
``confidence`` likewise, calibrated
``divided``    minimum percentage of the pairs of voters that differ
``fault``      fault of the image
``file``       part of the file name; names can reveal types
``only``       only some cells, packed by :func:`pack_cells`: a lasso on the map, or any choice
``blind``      ``1``: cells that wait for a blind answer are shown too
``sort``       one of ``CELL_ORDERS``
``pin``        the cell that others are compared with, by the first letters of its hash
``cell``       the open cell, likewise
=============  ==================================================================================
"""

import base64
import zlib
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, fields, replace
from typing import Any
from urllib.parse import urlencode

import numpy as np
import streamlit as st

from celltransfer_core.pipeline import CELL_ORDERS, REVIEWED, WHOLE, CellFilter, CellOrder
from parts.chosen import cluster_number
from parts.here import Here

PAGE = "cells"
LETTERS = 16  # letters of a cell's hash in an address
WIDGET = "cells {}"
"""Key of the widget that shows a field of the filter."""

_KEPT = "cells view"

_NAMES = {
    "type": "types",
    "final": "final",
    "slide": "slides",
    "patient": "patients",
    "fault": "faults",
}
_SWITCHES = {
    "changed": "changed",
    "flagged": "flagged",
    "unknown": "unknown",
    "must-find": "must_find",
}
_RANGES = ("agreement", "confidence")


@dataclass(frozen=True)
class View:
    """The cells shown, their order, and the open cell."""

    wanted: CellFilter = field(default_factory=CellFilter)
    only: str = ""
    """Only some cells, see :func:`pack_cells`."""
    blind: bool = False
    """Whether cells that wait for a blind answer are shown too."""
    order: CellOrder = "least agreement"
    pin: str = ""
    """First letters of the hash of the cell that others are compared with."""
    cell: str = ""
    """First letters of the hash of the cell that is open."""

    @property
    def choice(self) -> "View":
        """The same without the open cell: all that determines the list of cells."""
        return replace(self, cell="")


def write_view(view: View) -> dict[str, list[str]]:
    """Write the view as parameters of an address; filters without effect are left out."""
    wanted = view.wanted
    found: dict[str, list[str]] = {name: list(getattr(wanted, of)) for name, of in _NAMES.items()}
    found["cluster"] = [str(number) for number in wanted.clusters]
    found["reviewed"] = [wanted.reviewed] if wanted.reviewed != "any" else []
    found |= {name: ["1"] if getattr(wanted, of) else [] for name, of in _SWITCHES.items()}
    for name in _RANGES:
        low, high = getattr(wanted, name)
        found[name] = [f"{low:g}-{high:g}"] if (low, high) != WHOLE else []
    found["divided"] = [f"{100 * wanted.divided:g}"] if wanted.divided else []
    found["sort"] = [view.order] if view.order != View.order else []
    found["blind"] = ["1"] if view.blind else []
    given = {"file": wanted.file, "only": view.only, "pin": view.pin, "cell": view.cell}
    found |= {name: [value] if value else [] for name, value in given.items()}
    return {name: values for name, values in found.items() if values}


def read_view(address: Mapping[str, Sequence[str]]) -> View:
    """Read the view from parameters of an address; unreadable parameters are ignored."""

    def last(name: str) -> str:
        return [*(address.get(name) or [""])][-1]

    wanted: dict[str, Any] = {
        of: tuple(dict.fromkeys(filter(None, address.get(name, ())))) for name, of in _NAMES.items()
    }
    numbers = [cluster_number(number) for number in address.get("cluster", ())]
    wanted["clusters"] = tuple(dict.fromkeys(one for one in numbers if one is not None))
    wanted |= {of: last(name) == "1" for name, of in _SWITCHES.items()}
    for name in _RANGES:
        with suppress(ValueError):
            low, high = (float(end) for end in last(name).split("-"))
            if 0 <= low <= high <= 1:
                wanted[name] = (low, high)
    with suppress(ValueError):
        percent = float(last("divided"))
        wanted["divided"] = percent / 100 if 0 <= percent <= 100 else 0.0
    if (reviewed := last("reviewed")) in REVIEWED:
        wanted["reviewed"] = reviewed
    order = last("sort")
    return View(
        CellFilter(**wanted, file=last("file")),
        only=last("only"),
        blind=last("blind") == "1",
        order=order if order in CELL_ORDERS else View.order,
        pin=last("pin"),
        cell=last("cell"),
    )


def pack_cells(cells: Iterable[int], n: int) -> str:
    """Encode some of n cells briefly enough for an address."""
    chosen = np.zeros(n, dtype=bool)
    chosen[[*cells]] = True
    packed = zlib.compress(np.packbits(chosen).tobytes(), 9)
    return f"{n}.{base64.urlsafe_b64encode(packed).decode().rstrip('=')}"


def unpack_cells(text: str, n: int) -> np.ndarray | None:
    """Read which of n cells were packed; None if unreadable or made for other cells."""
    count, _, packed = text.partition(".")
    if count != str(n):
        return None
    size = -(-n // 8)
    try:
        bits = base64.urlsafe_b64decode(packed + "=" * (-len(packed) % 4))
        held = zlib.decompressobj().decompress(bits, size + 1)
    except (ValueError, zlib.error):
        return None
    if len(held) != size:
        return None
    return np.unpackbits(np.frombuffer(held, np.uint8), count=n).astype(bool)


def choice_address(kind: str, value: object = "") -> dict[str, list[str]]:
    """Write a choice of cells of the Review page as parameters of an address."""
    return {
        "flagged": {"flagged": ["1"]},
        "must find": {"must-find": ["1"]},
        "unknown": {"unknown": ["1"]},
        "type": {"type": [str(value)]},
        "cluster": {"cluster": [str(value)]},
        "read": {"reviewed": ["others"]},
        "disputed": {"final": ["disputed"]},
    }.get(kind, {"reviewed": ["no"]})


def _parameters(filters: Mapping[str, Any]) -> dict[str, list[str]]:
    """Write filters given by other pages as a value, several values, or True."""
    written = {}
    for name, value in filters.items():
        several = value if isinstance(value, list | tuple) else [value]
        found = [
            "1" if one is True else str(one) for one in several if one is not False and one != ""
        ]
        if found:
            written[name.replace("_", "-")] = found
    return written


def cells_address(here: Here, **filters: Any) -> str:
    """Return the address of the Cells page with some filters, relative to the pages.

    ``filters`` are named as in the address, such as ``type="blast"`` or ``cell=hash``.
    """
    return f"{PAGE}?{urlencode({'study': here.id, **_parameters(filters)}, doseq=True)}"


def link_to_cells(label: str, **filters: Any) -> None:
    """Link to the Cells page with some filters; see :func:`cells_address`."""
    address = {"study": [str(st.session_state.get("study", ""))], **_parameters(filters)}
    st.page_link(f"{PAGE}.py", label=label, icon=":material/grid_view:", query_params=address)


_PARAMETERS = {"cluster", "reviewed", "divided", "sort", "blind", "file", "only", "pin", "cell"}
_PARAMETERS |= {*_NAMES, *_SWITCHES, *_RANGES}


def view_of(here: Here) -> View:
    """Return the view given by the address or, on a return to the page, the last view."""
    asked = {name: st.query_params.get_all(name) for name in _PARAMETERS if name in st.query_params}
    study, view = st.session_state.get(_KEPT, (here.id, View()))
    # Streamlit forgets the widgets of a page once it is left.
    stayed = WIDGET.format("agreement") in st.session_state
    if asked or stayed:
        view = read_view(asked)
    elif study != here.id:
        view = View()
    keep_view(here, view)
    return view


def keep_view(here: Here, view: View) -> None:
    """Change the view and update the address."""
    st.session_state[_KEPT] = (here.id, view)
    address = {"study": [here.id], **write_view(view)}
    now = {name: st.query_params.get_all(name) for name in st.query_params}
    if now != address:
        st.query_params.from_dict(address)


def change_view(here: Here, **changes: Any) -> None:
    """Change parts of the view: fields of :class:`View`, or of its filter."""
    _, view = st.session_state[_KEPT]
    own = {one.name for one in fields(View)}
    of_filter = {name: value for name, value in changes.items() if name not in own}
    changed = {name: value for name, value in changes.items() if name in own}
    keep_view(here, replace(view, wanted=replace(view.wanted, **of_filter), **changed))
