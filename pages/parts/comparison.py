"""Two runs side by side: which cells changed type, and the evidence for each change."""

from collections.abc import Sequence

import pandas as pd
import streamlit as st

from celltransfer_core.outputs import (
    Change,
    ComparedRuns,
    ReviewedRun,
    compare_runs,
    csv_bytes,
)
from celltransfer_core.pipeline import type_names
from celltransfer_core.plots import type_colours
from celltransfer_core.studies import NOW, StudyRun, Workspace, reviewed_run, study_runs
from parts import text
from parts.gallery import gallery
from parts.here import Here
from parts.pictures import large_chip, picture_url

SIDES = ("first", "second")
"""Parameters of the address; each is a study's id, and after ``@`` the key of an earlier run."""

_PICTURE = 150  # px
_FLOWS = 40  # changes of type offered in the filter
_ROWS, _TABLE = 7, 285  # visible rows of a table, and its height in px


def run_label(run: StudyRun) -> str:
    """Name a run of a study."""
    if run.key == NOW:
        return "Current state"
    return f"As computed {text.when(run.written)}"


def choose_side(space: Workspace, side: str) -> tuple[str, str] | None:
    """Let the user choose a study and one of its runs; the address contains both."""
    names = {study.id: study.name for study in space.studies()}
    asked, _, run = st.query_params.get(side, "").partition("@")
    title = side.capitalize()
    studies = [*names]
    one, other = st.columns([3, 2])
    study = one.selectbox(
        f"{title} study",
        studies,
        index=studies.index(asked) if asked in names else None,
        format_func=lambda one: names.get(one, one),
        placeholder="Choose a study",
        key=f"compare {side}",
    )
    if study is None:
        return None
    runs = {one.key: one for one in study_runs(space, study)}
    if not runs:
        st.info("Its cells have not been typed yet.")
        return None
    keys = [*runs]
    chosen = other.selectbox(
        f"{title} run",
        keys,
        index=keys.index(run) if study == asked and run in runs else 0,
        format_func=lambda key: run_label(runs[key]),
        key=f"compare {side} run {study}",
    )
    st.query_params[side] = study if chosen == NOW else f"{study}@{chosen}"
    return study, chosen


@st.cache_resource(max_entries=6, show_spinner="Comparing…")
def compared(
    _space: Workspace,
    sides: tuple[tuple[str, str], tuple[str, str]],
    state: tuple[str, ...],  # noqa: ARG001
) -> ComparedRuns:
    """Compare two runs, once per state of their studies."""
    return compare_runs(*(_reviewed(_space, *side, both=sides) for side in sides))


def _reviewed(
    space: Workspace, study: str, run: str, both: Sequence[tuple[str, str]]
) -> ReviewedRun:
    name = space.study(study).name
    names = {space.study(one).name for one, _ in both}
    if len(names) < len(both):  # the same name twice is uninformative
        labels = {one.key: run_label(one) for one in study_runs(space, study)}
        same = len({one for one, _ in both}) < len(both)
        name = labels.get(run, run) if same else f"{name} ({study[:4]})"
    return reviewed_run(space, study, run, name=name)


def show_comparison(here: Here, found: ComparedRuns) -> None:
    """Show changed cells and other differences; ``here`` is the first study."""
    changed = text.count(len(found.changes), "cell")
    st.subheader(f"{changed} of {found.shared:,} changed type")
    flows, why = st.columns([2, 3])
    with flows:
        st.markdown("**Changes of type**")
        if found.changes:
            told = [{"From": a, "To": b, "Cells": n} for (a, b), n in found.flows.items()]
            st.dataframe(told, hide_index=True, height=_TABLE if len(told) > _ROWS else "auto")
        else:
            st.markdown("All shared cells have the same type in both.")
    with why:
        st.markdown("**Other differences**")
        _show_differences(found)
    if found.changes:
        _show_changes(here, found)


def _show_differences(found: ComparedRuns) -> None:
    if not found.differences:
        st.markdown("None: settings, reference, query, matches and answers are the same.")
        return
    rows = [
        {
            "What": text.plain(one.what),
            "First": text.plain(one.first or "–"),
            "Second": text.plain(one.second or "–"),
        }
        for one in found.differences
    ]
    st.table(pd.DataFrame(rows).set_index("What"))


def _show_changes(here: Here, found: ComparedRuns) -> None:
    flows, shades = found.flows, _shades(found)
    labels = {flow: f"{flow[0]} → {flow[1]} ({n:,})" for flow, n in flows.items()}
    with st.container(horizontal=True, vertical_alignment="bottom"):
        flow = st.selectbox(
            "Cells to show",
            [*flows][:_FLOWS],
            index=None,
            format_func=labels.get,
            placeholder=f"all changed cells ({len(found.changes):,})",
            width=360,
            key="compare flow",
        )
        st.download_button(
            "All changed cells (CSV)",
            lambda: csv_bytes(found.table()),
            "changed-cells.csv",
            key="compare csv",
            icon=":material/download:",
            on_click="ignore",
        )
    shown = [one for one in found.changes if flow is None or (one.before, one.after) == flow]
    names = sorted({one.after for one in shown})
    opened = st.session_state.get("compare cell")
    cell = next((one for one in shown if one.cell == opened), shown[0])
    cells, why = st.columns([3, 2])
    with cells:
        gallery(
            here,
            "changed",
            [one.first for one in shown],
            names=names,
            of=[names.index(one.after) for one in shown],
            notes=[f"was {one.before}" for one in shown],
            shades=shades,
            label="Cells that changed type",
            dataset=found.first.run.query,
            cursor=cell.first,
            on_open=lambda number: _open(found, number),
        )
    with why.container(border=True):
        _show_why(here, found, cell, shades)


def _open(found: ComparedRuns, number: int) -> None:
    st.session_state["compare cell"] = found.first.run.query.cells[number]


def _show_why(here: Here, found: ComparedRuns, change: Change, shades: dict[str, str]) -> None:
    """Show one cell, and the evidence for its change."""
    url = picture_url(here, change.cell, 2 * _PICTURE)
    st.html(
        f"<img src='{url}' width='{_PICTURE}' alt='The open cell' "
        "style='border-radius:6px;max-width:100%'>"
    )
    large_chip(change.after, shades, rem=1.1)
    said = "\n".join(f"- {text.sentence(reason)}" for reason in change.reasons)
    st.markdown(f"It was {text.plain(change.before)} in the first. Evidence for it:\n\n{said}")
    told = pd.DataFrame(found.evidence(change), columns=["", "First", "Second"])
    told["Changed"] = told["First"] != told["Second"]
    st.dataframe(told.replace("", "–"), hide_index=True)


def _shades(found: ComparedRuns) -> dict[str, str]:
    known = type_names(found.first.run.reference)
    named = {one.before for one in found.changes} | {one.after for one in found.changes}
    return dict(type_colours(known, sorted(named - {*known})))
