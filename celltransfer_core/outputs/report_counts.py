"""First parts of the report: the differential count, and how review changed it.

Adds tables with counts and percentages to the page, from a run and its answers.
"""

from __future__ import annotations

import html
import math
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from celltransfer_core.outputs.differential import differential_table, with_estimates
from celltransfer_core.outputs.page import Page, heads_look
from celltransfer_core.outputs.sentences import describe_composition, describe_sample
from celltransfer_core.people.composition import Inference
from celltransfer_core.people.counting import USUAL_COUNTS
from celltransfer_core.people.reviews import FinalTypes
from celltransfer_core.pipeline.result import RunResult
from celltransfer_core.plots.counts import differential_figure, types_figure
from celltransfer_core.types import Labels
from celltransfer_core.vocabulary import ARTEFACT, DISPUTED, UNSURE

if TYPE_CHECKING:
    import pandas as pd

_WIDTH = 500  # px of a sheet available to the columns of a matrix
_UPRIGHT = 24  # px: of a column whose name stands upright


def add_differential(
    page: Page, result: RunResult, final: FinalTypes, inference: Inference
) -> None:
    """Add the differential count, before review and after, and the final composition.

    Parameters
    ----------
    page : Page
    result : RunResult
    final : FinalTypes
        Final types of the query cells.
    inference : Inference
        What the answers say about all cells.
    """
    page.heading("Differential count")
    reviewed, types = bool((final.reviewed != "").any()), final.final.tolist()
    # The whole query is treated as one slide.
    whole = replace(result, query=replace(result.query, slide=None, patient=None))
    _add_before_and_after(
        page,
        differential_table(whole),
        differential_table(whole, types) if reviewed else None,
        result.query.n_cells,
    )
    if artefacts := int((final.final == ARTEFACT).sum()):
        are = "1 artefact is" if artefacts == 1 else f"{artefacts:,} artefacts are"
        page.text(f"{are} not counted after review.")
    counts = {name: int((final.final == name).sum()) for name in {*result.types, *types}}
    title = "Final composition" if reviewed else "Composition as predicted"
    page.figure("composition_figure", types_figure(counts, page.colours, title))
    before = differential_table(result)
    after = differential_table(result, types, inference) if reviewed else None
    drawn = None if after is None else with_estimates(after)
    page.figure("differential_figure", differential_figure(before, page.colours, after=drawn))
    page.text(describe_composition(inference))
    if len(set(before["slide"])) > 1 or not inference.missing_draws:
        _add_slides(page, before, after)


def _add_before_and_after(
    page: Page, before: pd.DataFrame, after: pd.DataFrame | None, cells: int
) -> None:
    """Add the counts of each type in the whole query, and what review changed."""
    predicted = before.set_index("type")["cells"]
    total = int(predicted.sum())
    if after is None:
        page.text(f"Of {cells:,} cells. None has been reviewed yet: these are predictions.")
    rows: list[tuple[str, ...]] = []
    for row in (before if after is None else after).to_dict("records"):
        was, now = int(predicted.get(row["type"], 0)), int(row["cells"])
        reviewed = (f"{now:,}", f"{row['percent']:.1f} %", _change(was, now))
        rows.append(
            (
                page.chip(row["type"]),
                f"{was:,}",
                f"{100 * was / total:.1f} %",
                *(() if after is None else reviewed),
                f"{row['low']:.1f} to {row['high']:.1f} %",
            )
        )
    kept = total if after is None else int(after["cells"].sum())
    all_reviewed = (f"{kept:,}", "100.0 %", _change(total, kept))
    page.table(
        (
            "Type",
            "Predicted",
            "Percent",
            *(() if after is None else ("After review", "Percent", "Change")),
            "95 % interval",
        ),
        rows,
        (
            "All cells",
            f"{total:,}",
            "100.0 %",
            *(() if after is None else all_reviewed),
            "–",
        ),
    )


def _change(was: int, now: int) -> str:
    return f"{now - was:+,}".replace("-", "−") if now != was else "0"


def _add_slides(page: Page, before: pd.DataFrame, after: pd.DataFrame | None) -> None:
    """Add the differential count of each slide with its intervals."""

    def told(row: Mapping[Hashable, Any], value: str, low: str, high: str) -> str:
        if math.isnan(row[value]):
            return "–"
        return f"{row[low]:.1f} to {row[high]:.1f} % ({row[value]:.1f})"

    counts = {"Predicted": before} | ({} if after is None else {"After review": after})
    cells: dict[tuple[str, str], dict[str, str]] = {}
    for head, table in counts.items():
        for row in table.to_dict("records"):
            mine = cells.setdefault((row["slide"], row["type"]), {})
            mine[head] = told(row, "percent", "low", "high")
            if head == "Predicted":
                continue
            mine["Corrected by answers"] = told(row, "estimate", "estimate_low", "estimate_high")
            for count in USUAL_COUNTS:
                low, high = row[f"count_{count}_low"], row[f"count_{count}_high"]
                mine[f"In {count} cells"] = "–" if math.isnan(low) else f"{low:.0f} to {high:.0f}"
    heads = dict.fromkeys(head for mine in cells.values() for head in mine)
    page.subheading("By slide, with intervals")
    page.table(
        ("Slide", "Type", *heads),
        [
            (html.escape(slide) or "all cells", page.chip(name), *(m.get(h, "–") for h in heads))
            for (slide, name), m in cells.items()
        ],
    )
    page.text(
        "Percent with 95 % intervals. Predicted and after review: intervals of counting alone. "
        "Corrected by answers: of counting and typing. In 100 and 200 cells: the range that a "
        "manual count may give (Rümke); a count outside it is not explained by chance."
    )


def add_confusion(page: Page, result: RunResult, final: FinalTypes, inference: Inference) -> None:
    """Add which predicted types people changed, to which types, and which cells they looked at.

    Parameters
    ----------
    page : Page
    result : RunResult
    final : FinalTypes
        Final types of the query cells.
    inference : Inference
    """
    page.subheading("Predicted and reviewed types")
    page.text(describe_sample(inference.tally, result.query.n_cells))
    told = (final.reviewed != "") & (final.reviewed != UNSURE)
    if not told.any():
        return
    predicted, reviewed = np.array(result.predicted)[told], final.reviewed[told]
    rows = _in_order(result.types, predicted)
    columns = _in_order((*result.types, ARTEFACT, DISPUTED), reviewed)
    counts = {
        (one, other): int(((predicted == one) & (reviewed == other)).sum())
        for one in rows
        for other in columns
    }
    _add_matrix(page, rows, columns, counts)
    page.text("Rows: predicted type. Columns: readers' answer. Blue: the same.")


def _in_order(order: Sequence[str], names: Labels) -> list[str]:
    """List the names that occur, in a given order; others come last."""
    found = set(names.tolist())
    return [name for name in order if name in found] + sorted(found - set(order))


def _add_matrix(
    page: Page, rows: Sequence[str], columns: Sequence[str], counts: Mapping[tuple[str, str], int]
) -> None:
    """Add a table of counts; entries with the same type in row and column are marked."""

    def cell(row: str, column: str) -> str:
        count = counts[row, column]
        marked = " same" if row == column else " other" if count else ""
        return f"<td class='n{marked}'>{count or ''}</td>"

    heads = "".join(f"<th class=n>{html.escape(name)}</th>" for name in columns)
    body = "".join(
        f"<tr><td>{page.chip(row)}</td>{''.join(cell(row, column) for column in columns)}"
        f"<td class=n>{sum(counts[row, column] for column in columns)}</td></tr>"
        for row in rows
    )
    look = heads_look(columns, _WIDTH)
    fit = min(1.0, _WIDTH / (_UPRIGHT * len(columns))) if look else 1.0
    page.add(
        f"<div class=scroll style='--fit:{fit:.2f}'><table{look}><thead><tr><th>Predicted</th>"
        f"{heads}<th class=n>Cells</th></tr></thead>{body}</table></div>"
    )
