"""Live counts by type next to the gallery: of the cells shown, and of all answers."""

import html
from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np
import streamlit as st

from celltransfer_core.pipeline import CellFacts
from parts.pictures import chip


def show_counts(
    facts: CellFacts, cells: np.ndarray, types: Sequence[str], shades: Mapping[str, str]
) -> None:
    """Show how many of the chosen cells count as each type, and how many have that answer."""
    here = Counter(facts.final[cells].tolist())
    answered = Counter(facts.answered[facts.answered != ""].tolist())
    shown = [*types, *sorted((here.keys() | answered.keys()) - {*types})]
    rows = "".join(
        f"<tr><th scope='row'>{chip(name, shades)}</th><td>{here[name]:,}</td>"
        f"<td>{answered[name]:,}</td></tr>"
        for name in shown
        if here[name] or answered[name]
    )
    st.html(
        "<style>.counted {width: 100%; border-collapse: collapse; font-size: .85rem}"
        ".counted th, .counted td {padding: 2px 4px; text-align: right; font-weight: 400}"
        ".counted th:first-child {text-align: left; overflow: hidden; text-overflow: ellipsis;"
        "max-width: 0; width: 99%; white-space: nowrap}"
        ".counted tr:last-child > * {border-top: 1px solid #8886; font-weight: 600}"
        # Narrow windows show them on one line above the gallery.
        "@media (max-width: 1150px) {.st-key-cells-counts .counted {display: flex; flex-wrap: wrap;"
        "gap: 0 14px} .st-key-cells-counts .counted :is(thead, tbody) {display: contents}"
        ".st-key-cells-counts .counted tr {display: flex}"
        ".st-key-cells-counts .counted :is(th, td) {width: auto; max-width: none; border: 0}}"
        "</style>"
        "<table class='counted'><thead><tr><th scope='col'>Type</th><th scope='col'>Shown</th>"
        f"<th scope='col'>Answered</th></tr></thead><tbody>{rows}"
        f"<tr><th scope='row'>{html.escape('All')}</th><td>{len(cells):,}</td>"
        f"<td>{sum(answered.values()):,}</td></tr></tbody></table>"
    )
