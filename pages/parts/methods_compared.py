"""Comparison of two methods: the cells that only one of them types correctly, by type."""

import pandas as pd
import streamlit as st

from celltransfer_core.evaluation import OT, Comparison, Evaluation, compare
from celltransfer_core.evaluation.report import describe_comparison, p_value, prediction_name
from parts import text
from parts.errors_shown import choose_prediction


def show_comparison(found: Evaluation, filtering: str) -> None:
    """Let the user choose two methods, and show their differences."""
    best, other = _first_two(found, filtering)
    left, right = st.columns(2)
    with left:
        first = choose_prediction(found, "First method", "first method", filtering, best)
    with right:
        second = choose_prediction(found, "Second method", "second method", filtering, other)
    if first.key == second.key:
        st.info("Choose two methods.")
        return
    truth, one, two = (
        labels[found.scored] for labels in (found.truth, first.predicted, second.predicted)
    )
    compared = compare(truth, one, two)
    names = (prediction_name(*first.key[:2]), prediction_name(*second.key[:2]))
    st.markdown(text.sentence(describe_comparison(compared, *names)))
    _show_types(compared, names)
    with text.expert():
        st.markdown(
            "p is from McNemar's exact test on the cells that only one of the two methods gets "
            "right; the interval is also exact, given the number of these cells (Clopper and "
            "Pearson). p by type is Holm-corrected over the types. If you choose a pair because "
            "the two differ most, the difference looks more certain than it is."
        )


def _first_two(found: Evaluation, filtering: str) -> tuple[tuple[str, str], tuple[str, str]]:
    """Choose the initial comparison: the most accurate method, and the current vote."""
    rows = [row for row in found.rows if row.filtering == filtering]
    ordered = sorted(rows, key=lambda row: -row.accuracy)
    keys = [(row.method, row.ot) for row in ordered]
    keys = [key for key in keys if key[0] != "majority" and not key[0].startswith("ceiling")]
    vote = ("ensemble", next(ot for ot in reversed(OT) if ot in found.protocol.ot))
    best = keys[0]
    return best, vote if vote in keys and vote != best else keys[min(1, len(keys) - 1)]


def _show_types(compared: Comparison, names: tuple[str, str]) -> None:
    """Show how many cells of each true type each of the two types correctly."""
    table = pd.DataFrame(
        [
            {
                "True type": name,
                "Cells": pair.cells,
                "first": 100 * pair.first / pair.cells,
                "second": 100 * pair.second / pair.cells,
                "only first": pair.only_first,
                "only second": pair.only_second,
                "chance": p_value(compared.p_by_type[name]),
            }
            for name, pair in sorted(compared.by_type.items(), key=lambda item: -abs(item[1].lead))
        ]
    )
    percent = st.column_config.NumberColumn
    st.dataframe(
        table,
        hide_index=True,
        column_config={
            "first": percent("First right", format="%.1f %%", help=names[0]),
            "second": percent("Second right", format="%.1f %%", help=names[1]),
            "only first": percent("Only the first right", help="Cells."),
            "only second": percent("Only the second right", help="Cells."),
            "chance": st.column_config.Column(
                "p", help="Probability of a difference this large by chance alone."
            ),
        },
    )
