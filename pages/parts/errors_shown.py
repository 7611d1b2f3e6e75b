"""Errors of a method: true against predicted types, and the cells of each pair of types."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import streamlit as st

from celltransfer_core.evaluation import Evaluation, Mistake, Prediction, mistakes
from celltransfer_core.evaluation.report import error_matrix_figure, prediction_name
from celltransfer_core.plots import CAPTIONS
from parts import maps, text
from parts.gallery import gallery
from parts.here import Here

WRITTEN = {
    "cells": "Cells",
    "true": "% of the true type",
    "predicted": "% of the predicted type",
}
ALL = -1


def choose_prediction(
    found: Evaluation, label: str, key: str, filtering: str, default: tuple[str, str]
) -> Prediction:
    """Let the user choose a method by name, the most accurate first."""
    rows = {
        row.key: row.accuracy
        for row in found.rows
        if row.filtering == filtering or row.method.partition(":")[0] in {"majority", "ceiling"}
    }
    keys = sorted(rows, key=lambda one: -rows[one])
    chosen = st.selectbox(
        label,
        keys,
        index=next((n for n, one in enumerate(keys) if one[:2] == default), 0),
        format_func=lambda one: f"{prediction_name(*one[:2])}: {rows[one]:.1f} %",
        key=f"{key} {filtering}",
    )
    return found.predictions[chosen]


def show_errors(
    here: Here, found: Evaluation, shades: Mapping[str, str], prediction: Prediction
) -> None:
    """Show which types a method confuses, and the cells of a pair."""
    name = " ".join(prediction.key)
    written = st.segmented_control(
        "In the matrix",
        list(WRITTEN),
        default="cells",
        format_func=WRITTEN.__getitem__,
        required=True,
        key="written",
    )
    truth, predicted = found.truth[found.scored], prediction.predicted[found.scored]
    matrix = error_matrix_figure(truth, predicted, found.prepared.types, written)
    wrong = mistakes(found.truth, prediction.predicted)
    key = f"pair {name}"
    _show_matrix(matrix, key, {(one.truth, one.predicted): n for n, one in enumerate(wrong)})
    if not wrong:
        st.success("No cell is wrong.")
        return
    number = st.selectbox(
        "Errors to look at",
        [ALL, *range(len(wrong))],
        format_func=lambda one: _pair(wrong, one),
        key=key,
    )
    shown = wrong if number == ALL else [wrong[number]]
    _show_cells(here, found, shades, prediction, shown)


def _show_matrix(matrix: Any, key: str, pairs: Mapping[tuple[str, str], int]) -> None:
    """Show the matrix; a click on one of the ``pairs`` stores it under ``key``."""
    serial = f"{key} clicks"
    # A new chart after each click: a square that stays selected would fade the others.
    chart = f"matrix {key} {st.session_state.setdefault(serial, 0)}"

    def choose() -> None:
        points = st.session_state[chart]["selection"]["points"]
        clicked = [pairs.get(tuple(one["customdata"])) for one in points if "customdata" in one]
        if clicked and clicked[-1] is not None:
            st.session_state[key] = clicked[-1]
        st.session_state[serial] += 1

    alt = CAPTIONS["error_matrix_figure"]
    st.plotly_chart(
        matrix,
        key=chart,
        config=maps.CHART,
        alt=alt,
        on_select=choose,
        selection_mode="points",
    )
    st.caption(f"{alt} Click a square to see its cells.")


def _pair(wrong: Sequence[Mistake], number: int) -> str:
    if number == ALL:
        return f"All {text.count(sum(len(one.cells) for one in wrong), 'error')}"
    one = wrong[number]
    return f"{one.truth} predicted as {one.predicted}: {text.count(len(one.cells), 'cell')}"


def _show_cells(
    here: Here,
    found: Evaluation,
    shades: Mapping[str, str],
    prediction: Prediction,
    shown: Sequence[Mistake],
) -> None:
    """Show the cells of some mistakes, those of highest confidence first."""
    cells = np.array([cell for one in shown for cell in one.cells])
    surest = prediction.confidence if prediction.confidence is not None else prediction.agreement
    if surest is not None:
        cells = cells[np.argsort(-surest[cells], kind="stable")]
    names = sorted({one.predicted for one in shown})
    gallery(
        here,
        f"errors {' '.join(prediction.key)}",
        cells.tolist(),
        names=names,
        of=[names.index(str(prediction.predicted[cell])) for cell in cells],
        shades=shades,
        notes=[_note(found, prediction, int(cell)) for cell in cells],
        label="Wrongly predicted cells",
        dataset=found.prepared.query,
    )
    st.caption(
        "Each cell is labelled with its predicted type; its true type appears when you point at "
        "it." + (" The most confident errors come first." if surest is not None else "")
    )


def _note(found: Evaluation, prediction: Prediction, cell: int) -> str:
    note = f"true type {found.truth[cell]}"
    if prediction.confidence is not None:
        note += f", confidence {100 * prediction.confidence[cell]:.1f} %"
    return note
