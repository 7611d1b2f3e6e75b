"""Summary of many pairs: figures of each, means and spread over all (Tables 7 and 8)."""

from __future__ import annotations

import html
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from celltransfer_core.about import RESEARCH_USE
from celltransfer_core.benchmark.pairs import PairOutcome
from celltransfer_core.evaluation.report.markdown import markdown_table
from celltransfer_core.evaluation.report.plots import accuracy_figure
from celltransfer_core.evaluation.report.sentences import (
    FILTERING_NAMES,
    LABELS_USED,
    OT_NAMES,
    two_decimals,
)
from celltransfer_core.outputs.formats import csv_bytes
from celltransfer_core.outputs.page import Page
from celltransfer_core.runtime.files import write_atomically

if TYPE_CHECKING:
    import pandas as pd


def summary_table(outcomes: Sequence[PairOutcome]) -> pd.DataFrame:
    """Join the figures of all pairs.

    Parameters
    ----------
    outcomes : sequence of PairOutcome

    Returns
    -------
    DataFrame
        ``pair`` before the columns of ``results.csv``.
    """
    import pandas as pd

    tables = []
    for outcome in outcomes:
        if not outcome.problem:
            table = pd.read_csv(outcome.folder / "results.csv", dtype={"filtering": str})
            table.insert(0, "pair", outcome.pair.name)
            tables.append(table)
    return pd.concat(tables, ignore_index=True) if tables else pd.DataFrame({"pair": []})


_FIGURES = ("accuracy", "f1", "balanced_accuracy")


def mean_table(summary: pd.DataFrame) -> pd.DataFrame:
    """Average over the pairs (Table 7).

    Parameters
    ----------
    summary : DataFrame
        See :func:`summary_table`.

    Returns
    -------
    DataFrame
        By method, alignment and filtering: number of pairs, mean and standard deviation over them.
        Figures that any pair lacks are left out, because means over different pairs cannot be
        compared.
    """
    groups = summary.groupby(["method", "ot", "filtering"], sort=False)[list(_FIGURES)]
    table = groups.mean().join(groups.std(ddof=1).fillna(0.0), rsuffix="_std")
    table.insert(0, "pairs", groups.size())
    return table[table["pairs"] == summary["pair"].nunique()].reset_index()


def summary_markdown(outcomes: Sequence[PairOutcome], summary: pd.DataFrame) -> str:
    """Write means, spread and the ablation over all pairs (Tables 7 and 8).

    Parameters
    ----------
    outcomes : sequence of PairOutcome
    summary : DataFrame

    Returns
    -------
    str
    """
    lines = ["# Benchmark", "", LABELS_USED, ""]
    for outcome in outcomes:
        state = outcome.problem or f"[{outcome.folder.name}]({outcome.folder.name}/results.md)"
        lines.append(f"- {outcome.pair.name}: {state}")
    if summary.empty:
        return "\n".join([*lines, "", "No pair could be measured.", "", RESEARCH_USE, ""])
    means = mean_table(summary)
    for filtering in dict.fromkeys(means["filtering"]):
        part = means[means["filtering"] == filtering]
        lines += ["", f"## {_mean_title(summary, filtering)}", ""]
        lines += ["± standard deviation over the pairs.", "", *_means_markdown(part)]
    ensembles = means[means["method"].str.startswith("ensemble")]
    if len(ensembles):
        lines += ["", "## What filtering and alignment gain (mean of all pairs)", ""]
        lines += _figures_markdown("method", ensembles)
    by_pair = summary[summary["method"] == "ensemble"]
    if len(by_pair):
        lines += ["", "## Ensemble by pair", "", *_figures_markdown("pair", by_pair)]
    return "\n".join([*lines, "", RESEARCH_USE, ""])


def _mean_title(summary: pd.DataFrame, filtering: str) -> str:
    pairs = summary["pair"].nunique()
    return f"Mean of {pairs} pairs, {FILTERING_NAMES.get(filtering, filtering)}"


def _means_markdown(part: pd.DataFrame) -> list[str]:
    """Write the means of one filtering: one row per method, one column per alignment."""
    kinds = list(dict.fromkeys(part["ot"]))
    found = {(row.method, row.ot): row for row in part.itertuples()}

    def cell(method: str, ot: str) -> str:
        row = found.get((method, ot))
        if row is None:
            return "–"
        return (
            f"{row.accuracy:.1f} ± {row.accuracy_std:.1f} / "
            f"{row.balanced_accuracy:.1f} ± {row.balanced_accuracy_std:.1f}"
        )

    return markdown_table(
        ("Acc. / bal. acc.", *kinds),
        [(method, *(cell(method, ot) for ot in kinds)) for method in dict.fromkeys(part["method"])],
    )


def _figures_markdown(first: str, table: pd.DataFrame) -> list[str]:
    """Write figures row by row, next to the column of row names."""
    return markdown_table(
        (first, "filtering", "OT", "Acc.", "F1", "Bal. acc."),
        [
            (
                str(getattr(row, first)),
                str(row.filtering),
                str(row.ot),
                f"{row.accuracy:.2f}",
                f"{row.f1:.2f}",
                f"{row.balanced_accuracy:.2f}",
            )
            for row in table.itertuples()
        ],
    )


def summary_html(outcomes: Sequence[PairOutcome], summary: pd.DataFrame) -> str:
    """Write the means as one page with figures, and links to every pair's own page.

    Parameters
    ----------
    outcomes : sequence of PairOutcome
    summary : DataFrame

    Returns
    -------
    str
    """
    page = Page({})
    page.add("<h1>Benchmark</h1>")
    page.add(f"<p class=note>{html.escape(f'{LABELS_USED} {RESEARCH_USE}')}</p><ul>")
    for outcome in outcomes:
        name = html.escape(outcome.pair.name)
        link = f"<a href='{outcome.folder.name}/results.html'>{name}</a>"
        page.add(f"<li>{f'{name}: {html.escape(outcome.problem)}' if outcome.problem else link}")
    page.add("</ul>")
    if summary.empty:
        return page.html("Benchmark")
    means = mean_table(summary)
    for filtering in dict.fromkeys(means["filtering"]):
        part = means[means["filtering"] == filtering].set_index(["method", "ot"])
        page.heading(_mean_title(summary, filtering))
        for ot in dict.fromkeys(part.index.get_level_values("ot")):
            _add_accuracy(page, part, ot)
        page.table(
            ("method", "OT", "accuracy", "± pairs", "F1", "balanced"),
            [
                (
                    html.escape(method),
                    ot,
                    two_decimals(row["accuracy"]),
                    two_decimals(row["accuracy_std"]),
                    two_decimals(row["f1"]),
                    two_decimals(row["balanced_accuracy"]),
                )
                for (method, ot), row in part.iterrows()
            ],
        )
    return page.html("Benchmark")


def _add_accuracy(page: Page, part: pd.DataFrame, ot: str) -> None:
    """Draw mean accuracies with and without an alignment side by side, if both exist."""
    names = [
        method
        for method, of in part.index
        if of == ot
        and (method.startswith("knn:") or method == "ensemble")
        and (method, "none") in part.index
    ]
    if ot == "none" or not names or names[-1] != "ensemble":
        return
    row: Any = part.loc[("ensemble", ot)]
    mean, spread = float(row["accuracy"]), float(row["accuracy_std"])
    page.figure(
        "accuracy_figure",
        accuracy_figure(
            [name.removeprefix("knn:") for name in names],
            [float(part.loc[(name, "none"), "accuracy"]) for name in names],
            [float(part.loc[(name, ot), "accuracy"]) for name in names],
            (mean - spread, mean + spread),
            f"{OT_NAMES[ot]}, mean of the pairs",
        ),
    )


def write_summary(outcomes: Sequence[PairOutcome], folder: Path) -> list[Path]:
    """Write ``summary.csv``, ``summary.md`` and ``summary.html``.

    Parameters
    ----------
    outcomes : sequence of PairOutcome
    folder : Path

    Returns
    -------
    list of Path

    Raises
    ------
    OutputError
        If the folder cannot be written to or the disk is full.
    """
    summary = summary_table(outcomes)
    return [
        write_atomically(folder / "summary.csv", csv_bytes(summary)),
        write_atomically(folder / "summary.md", summary_markdown(outcomes, summary).encode()),
        write_atomically(folder / "summary.html", summary_html(outcomes, summary).encode()),
    ]
