"""The filter bar of the Cells page."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import streamlit as st

from celltransfer_core.people import Calibration
from celltransfer_core.pipeline import CELL_ORDERS, REVIEWED, WHOLE, CellFacts, CellFilter
from celltransfer_core.vocabulary import ARTEFACT, DISPUTED, NONE_TYPE
from parts import text
from parts.filters import WIDGET, View, change_view, keep_view
from parts.here import Here
from parts.quality import NAMES

ORDERS = {
    "least agreement": "Least agreement first",
    "most agreement": "Most agreement first",
    "most divided voters": "Where voters differ most",
    "least confident": "Most divided voters first",
    "most confident": "Most confident first",
    "central first": "Most central of their cluster first",
    "predicted type": "By predicted type",
    "final type": "By final type",
    "cluster": "By cluster",
    "slide": "By slide",
    "patient": "By patient",
    "flagged first": "Flagged first",
    "last answered": "Last answered first",
    "like the pinned": "Most similar to the pinned cell first",
    "by hash": "No order (by hash)",
}
ANSWERED = {
    "any": "All",
    "no": "Not yet",
    "yes": "Reviewed",
    "me": "By me",
    "others": "By others",
}


@dataclass(frozen=True)
class Bar:
    """Data for drawing the filter bar."""

    here: Here
    facts: CellFacts
    view: View
    types: Sequence[str]
    """Types of the study, in its order."""

    def bind(self, field: str, shown: Any, read: Callable[[Any], Any]) -> dict[str, Any]:
        """Return the arguments with which a widget shows and changes a filter."""
        key = WIDGET.format(field)
        st.session_state[key] = shown  # set by an address, a chip or a saved filter
        return {"key": key, "on_change": _change, "args": (self.here, field, key, read)}


def _change(here: Here, field: str, key: str, read: Callable[[Any], Any]) -> None:
    change_view(here, **{field: read(st.session_state[key])})


def show_filters(bar: Bar) -> None:
    """Offer the filters and the order."""
    wanted = bar.view.wanted
    groups = (
        ("Type", "category", _types, wanted.types or wanted.final),
        ("Answers", "how_to_reg", _answers, wanted.changed or wanted.reviewed != "any"),
        ("Certainty", "flag", _doubt, any(label.group == "Certainty" for label in _chips(bar))),
        ("Where", "location_on", _where, any(label.group == "Where" for label in _chips(bar))),
    )
    for name, icon, show, used in groups:
        label = f"{name} ●" if used else name
        with st.popover(
            label, icon=f":material/{icon}:", type="tertiary", key=f"cells filter {name}"
        ):
            show(bar)
    with st.popover("Sort", icon=":material/sort:", type="tertiary", key="cells sort"):
        _order(bar)


def _many(bar: Bar, field: str, label: str, options: Iterable[Any], **how: Any) -> None:
    """Let the user choose several values; unknown values from an address can be removed."""
    chosen = getattr(bar.view.wanted, field)
    st.multiselect(
        label,
        [*dict.fromkeys([*options, *chosen])],
        placeholder="all",
        **bar.bind(field, list(chosen), tuple),
        **how,
    )


def _types(bar: Bar) -> None:
    _many(bar, "types", "Predicted type", bar.types)
    others = [name for name in (NONE_TYPE, ARTEFACT, DISPUTED) if name in set(bar.facts.final)]
    _many(
        bar,
        "final",
        "Final type",
        [*bar.types, *others],
        help="The type that counts: the reader's answer if there is one, otherwise the prediction.",
    )


def _answers(bar: Bar) -> None:
    st.segmented_control(
        "Reviewed",
        REVIEWED,
        format_func=ANSWERED.get,
        required=True,
        **bar.bind("reviewed", bar.view.wanted.reviewed, str),
    )
    st.toggle(
        "Changed by me",
        help="Your answer differs from the prediction.",
        **bar.bind("changed", bar.view.wanted.changed, bool),
    )


def _doubt(bar: Bar) -> None:
    facts, wanted = bar.facts, bar.view.wanted
    for field, label, cells in (
        ("flagged", "Flagged", facts.flagged),
        ("unknown", "Unlike all cells named so far", facts.unknown),
        ("must_find", "May be a type that must not be missed", facts.must_find),
    ):
        if field == "flagged" or cells.any() or getattr(wanted, field):
            st.toggle(
                f"{label} ({int(cells.sum()):,})",
                **bar.bind(field, getattr(wanted, field), bool),
            )
    st.slider(
        "Agreement",
        0.0,
        1.0,
        step=0.01,
        help="Share of the vote for the cell's type.",
        **bar.bind("agreement", wanted.agreement, tuple),
    )
    if isinstance(facts.calibration, Calibration):
        st.slider(
            "Confidence",
            0.0,
            1.0,
            step=0.01,
            help="How often such cells are right, estimated from the cells that readers typed.",
            **bar.bind("confidence", wanted.confidence, tuple),
        )
    else:
        needed = text.count(facts.calibration.missing, "more cell")
        st.caption(
            f"Confidence cannot be filtered yet: {needed} must be typed for its calibration."
        )
    st.slider(
        "Voters differ by at least",
        0,
        100,
        step=5,
        format="%d %%",
        help="Share of the pairs of voters that give the cell different types.",
        **bar.bind("divided", round(100 * wanted.divided), lambda percent: percent / 100),
    )


def _where(bar: Bar) -> None:
    facts, query = bar.facts, bar.facts.query
    _many(bar, "clusters", "Cluster", np.unique(facts.clusters).tolist())
    if query.slide:
        _many(bar, "slides", "Slide", sorted({*query.slide} - {""}))
    if query.patient:
        _many(bar, "patients", "Patient", sorted({*query.patient} - {""}))
    if facts.faults:
        counts = {fault: int(cells.sum()) for fault, cells in facts.faults.items()}
        _many(
            bar,
            "faults",
            "Image quality problem",
            counts,
            format_func=lambda fault: f"{NAMES.get(fault, fault)} ({counts.get(fault, 0):,})",
        )
    st.toggle("Select on the map", key="cells map", help="A lasso selects the cells to show.")
    named = bool(bar.view.wanted.file)
    if named or st.toggle("Search file names (they can reveal types)", key="cells by name"):
        st.text_input("Part of the file name", **bar.bind("file", bar.view.wanted.file, str.strip))


def _order(bar: Bar) -> None:
    query, calibrated = bar.facts.query, isinstance(bar.facts.calibration, Calibration)
    missing = {
        "slide": not query.slide,
        "patient": not query.patient,
        "least confident": not calibrated,
        "most confident": not calibrated,
        "like the pinned": not bar.view.pin,
    }
    st.radio(
        "Order",
        [order for order in CELL_ORDERS if not missing.get(order) or order == bar.view.order],
        format_func=ORDERS.get,
        **bar.bind("order", bar.view.order, str),
    )
    if not bar.view.pin:
        st.caption("Similarity: press P on a cell of the gallery to pin it.")


@dataclass(frozen=True)
class _Chip:
    group: str
    label: str
    without: Mapping[str, Any]
    """Values of the fields without the filter."""


def _chips(bar: Bar) -> list[_Chip]:
    """List the active filters, each with the change that removes it."""
    wanted, bare = bar.view.wanted, CellFilter()
    found = []
    for field, group, label in (
        ("types", "Type", "predicted {}"),
        ("final", "Type", "final type {}"),
        ("clusters", "Where", "cluster {}"),
        ("slides", "Where", "slide {}"),
        ("patients", "Where", "patient {}"),
    ):
        for one in getattr(wanted, field):
            left = tuple(other for other in getattr(wanted, field) if other != one)
            found.append(_Chip(group, label.format(text.plain(str(one))), {field: left}))
    for fault in wanted.faults:
        left = tuple(other for other in wanted.faults if other != fault)
        named = NAMES.get(fault) or f"fault {text.plain(fault)}"
        found.append(_Chip("Where", named.lower(), {"faults": left}))
    for field, group, label in (
        ("reviewed", "Answers", f"reviewed: {ANSWERED[wanted.reviewed].lower()}"),
        ("changed", "Answers", "changed by me"),
        ("flagged", "Certainty", "flagged"),
        ("unknown", "Certainty", "unlike all named cells"),
        ("must_find", "Certainty", "must not be missed"),
        ("agreement", "Certainty", "agreement {:.2f} to {:.2f}".format(*wanted.agreement)),
        ("divided", "Certainty", f"voters differ by {100 * wanted.divided:.0f} % or more"),
        ("file", "Where", f"file name with “{text.plain(wanted.file)}”"),
    ):
        if getattr(wanted, field) != getattr(bare, field):
            found.append(_Chip(group, label, {field: getattr(bare, field)}))
    if wanted.confidence != WHOLE:
        label = "confidence {:.2f} to {:.2f}".format(*wanted.confidence)
        if not isinstance(bar.facts.calibration, Calibration):
            label += " (not yet: too few typed cells)"
        found.append(_Chip("Certainty", label, {"confidence": WHOLE}))
    if bar.view.only:
        found.append(_Chip("Map", "selected cells only", {"only": ""}))
    if bar.view.pin:
        order = View.order if bar.view.order == "like the pinned" else bar.view.order
        pinned = text.plain(bar.view.pin[:6])
        found.append(_Chip("Sort", f"pinned: {pinned}", {"pin": "", "order": order}))
    return found


def show_chips(bar: Bar) -> None:
    """Show the active filters; they can be removed one by one or all at once."""
    chips = _chips(bar)
    for number, chip in enumerate(chips):
        st.button(
            chip.label,
            key=f"cells chip {number}",
            icon=":material/close:",
            icon_position="right",
            type="tertiary",
            help="Remove this filter",
            on_click=change_view,
            args=(bar.here,),
            kwargs=chip.without,
        )
    if len(chips) > 1:
        st.button(
            "Clear all",
            key="cells clear",
            type="tertiary",
            on_click=keep_view,
            args=(bar.here, View(cell=bar.view.cell, blind=bar.view.blind)),
        )
