"""Many pairs of sets in one go: each measured, and one summary of all (Tables 7, 8)."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from celltransfer_core import RESEARCH_USE, plots
from celltransfer_core.datasets import Dataset, pool
from celltransfer_core.export import csv_bytes, write_atomically
from celltransfer_core.pairs import Pair, PairsFile, load_set, true_types
from celltransfer_core.report import Page
from celltransfer_core.types import Labels, Progress

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class PairSets:
    """The images of a pair."""

    reference: Dataset
    query: Dataset
    truth: Labels
    """Type of each query cell."""
    extras: dict[str, Dataset]


def load_pair(file: PairsFile, pair: Pair, *, workers: int | None, progress: Progress) -> PairSets:
    """Read the sets of a pair, each with the types that are taken from it.

    Parameters
    ----------
    file : PairsFile
    pair : Pair
    workers : int, optional
    progress : callable

    Returns
    -------
    PairSets
        Query and extra sets are read without types; those tell only which cells are taken.

    Raises
    ------
    DataError
        If a set cannot be read or holds fewer than two types.
    """
    typed = [
        load_set(file.sets[name], labelled=True, workers=workers, progress=progress)
        for name in pair.reference
    ]
    mappings = [
        pair.mapping(name, set(dataset.labels or ()))
        for name, dataset in zip(pair.reference, typed, strict=True)
    ]

    def untyped(name: str) -> tuple[Dataset, Labels]:
        whole = load_set(file.sets[name], labelled=False, workers=workers, progress=progress)
        types = true_types(file.sets[name], workers=workers, progress=progress)
        of_cell = np.array([types.get(first, "") for first in whole.first_file])
        taken = np.flatnonzero([pair.takes(name, cell_type) for cell_type in of_cell])
        return whole.take(taken), of_cell[taken]

    query, truth = untyped(pair.query)
    return PairSets(
        reference=pool(typed, mappings, pair.reference),
        query=query,
        truth=truth,
        extras={name: untyped(name)[0] for name in pair.extra},
    )


def pair_folder(pair: Pair) -> str:
    """Name a pair's folder: its name in plain letters.

    Parameters
    ----------
    pair : Pair

    Returns
    -------
    str
    """
    return re.sub(r"[^A-Za-z0-9]+", "-", pair.name).strip("-").lower() or "pair"


def options_of(pair: Pair, given: Sequence[str]) -> list[str]:
    """Write a pair's settings as options of ``evaluate``; what is given later wins.

    Parameters
    ----------
    pair : Pair
    given : sequence of str
        Options of the command line.

    Returns
    -------
    list of str
    """
    words: list[str] = []
    for name, value in pair.settings.items():
        words.append(f"--{name}")
        if isinstance(value, tuple) and name == "um-per-px":
            words += [str(one) for one in value]
        elif isinstance(value, tuple):
            words.append(",".join(str(one) for one in value))
        else:
            words.append(str(value))
    return [*words, *given]


@dataclass(frozen=True)
class Outcome:
    """What became of a pair."""

    pair: Pair
    folder: Path
    problem: str
    """Why there are no figures; empty if there are."""
    missing: bool
    """Whether that is because a set is not there."""


def run_pairs(
    file: PairsFile,
    folder: Path,
    given: Sequence[str],
    measure: Callable[[Pair, Sequence[str], Path], None],
    say: Callable[[str], None],
) -> list[Outcome]:
    """Measure every pair whose sets are there; pairs that are done are not measured again.

    Parameters
    ----------
    file : PairsFile
    folder : Path
        For the results, one folder a pair.
    given : sequence of str
        Options of ``evaluate`` that win over the file's.
    measure : callable
        ``measure(pair, options, folder)`` writes a pair's results, and raises CellTransferError
        where it cannot: the other pairs go on.
    say : callable

    Returns
    -------
    list of Outcome
    """
    from celltransfer_core.errors import CellTransferError

    outcomes = []
    for number, pair in enumerate(file.pairs, start=1):
        into = folder / pair_folder(pair)
        options = options_of(pair, given)
        missing = file.missing(pair)
        say(f"\n{number} of {len(file.pairs)}: {pair.name}")
        if missing:
            places = ", ".join(f"{name} ({file.sets[name].root})" for name in missing)
            outcomes.append(Outcome(pair, into, f"not there: {places}", missing=True))
            say(f"skipped, {outcomes[-1].problem}")
            continue
        described = {"pair": repr(pair), "sets": _sets(file, pair), "options": options}
        if _done(into, described):
            say(f"done before; delete {into} to measure it again")
            outcomes.append(Outcome(pair, into, "", missing=False))
            continue
        try:
            measure(pair, options, into)
        except CellTransferError as error:
            outcomes.append(Outcome(pair, into, str(error), missing=False))
            say(f"failed: {error}")
            continue
        text = json.dumps(described, indent=1, ensure_ascii=False) + "\n"
        write_atomically(into / "pair.json", text.encode())
        outcomes.append(Outcome(pair, into, "", missing=False))
    return outcomes


def _sets(file: PairsFile, pair: Pair) -> dict[str, str]:
    return {name: repr(file.sets[name]) for name in pair.sets}


def _done(folder: Path, described: dict[str, Any]) -> bool:
    try:
        kept = json.loads((folder / "pair.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return bool(kept == described) and (folder / "results.csv").is_file()


def summary_table(outcomes: Sequence[Outcome]) -> pd.DataFrame:
    """Join the figures of all pairs.

    Parameters
    ----------
    outcomes : sequence of Outcome

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
        What some pair lacks is left out, for means over other pairs do not compare.
    """
    groups = summary.groupby(["method", "ot", "filtering"], sort=False)[list(_FIGURES)]
    table = groups.mean().join(groups.std(ddof=1).fillna(0.0), rsuffix="_std")
    table.insert(0, "pairs", groups.size())
    return table[table["pairs"] == summary["pair"].nunique()].reset_index()


def summary_markdown(outcomes: Sequence[Outcome], summary: pd.DataFrame) -> str:
    """Write means, spread and the ablation over all pairs.

    Parameters
    ----------
    outcomes : sequence of Outcome
    summary : DataFrame

    Returns
    -------
    str
    """
    from celltransfer_core.results import FILTERING_NAMES, LABELS_USED, markdown_table

    lines = ["# Benchmark", "", LABELS_USED, ""]
    for outcome in outcomes:
        state = outcome.problem or f"[{outcome.folder.name}]({outcome.folder.name}/results.md)"
        lines.append(f"- {outcome.pair.name}: {state}")
    if summary.empty:
        return "\n".join([*lines, "", "No pair could be measured.", "", RESEARCH_USE, ""])
    means = mean_table(summary)
    count = summary["pair"].nunique()
    for filtering in dict.fromkeys(means["filtering"]):
        part = means[means["filtering"] == filtering]
        kinds = list(dict.fromkeys(part["ot"]))
        found = {(row.method, row.ot): row for row in part.itertuples()}
        heads = ("Acc. / bal. acc.", *kinds)
        body = [
            (
                method,
                *(
                    f"{row.accuracy:.1f} ± {row.accuracy_std:.1f} / "
                    f"{row.balanced_accuracy:.1f} ± {row.balanced_accuracy_std:.1f}"
                    if (row := found.get((method, ot))) is not None
                    else "–"
                    for ot in kinds
                ),
            )
            for method in dict.fromkeys(part["method"])
        ]
        title = f"## Mean of {count} pairs, {FILTERING_NAMES.get(filtering, filtering)}"
        lines += ["", title, "", "± standard deviation over the pairs.", ""]
        lines += markdown_table(heads, body)
    ensembles = means[means["method"].str.startswith("ensemble")]
    if len(ensembles):
        lines += ["", "## What filtering and alignment are worth (mean of all pairs)", ""]
        lines += markdown_table(
            ("method", "filtering", "OT", "Acc.", "F1", "Bal. acc."),
            [
                (
                    str(row.method),
                    str(row.filtering),
                    str(row.ot),
                    f"{row.accuracy:.2f}",
                    f"{row.f1:.2f}",
                    f"{row.balanced_accuracy:.2f}",
                )
                for row in ensembles.itertuples()
            ],
        )
    by_pair = summary[summary["method"] == "ensemble"]
    if len(by_pair):
        lines += ["", "## Ensemble by pair", ""]
        lines += markdown_table(
            ("pair", "filtering", "OT", "Acc.", "F1", "Bal. acc."),
            [
                (
                    str(row.pair),
                    str(row.filtering),
                    str(row.ot),
                    f"{row.accuracy:.2f}",
                    f"{row.f1:.2f}",
                    f"{row.balanced_accuracy:.2f}",
                )
                for row in by_pair.itertuples()
            ],
        )
    return "\n".join([*lines, "", RESEARCH_USE, ""])


def summary_html(outcomes: Sequence[Outcome], summary: pd.DataFrame) -> str:
    """Write the means as one page with figures, and links to every pair's own page.

    Parameters
    ----------
    outcomes : sequence of Outcome
    summary : DataFrame

    Returns
    -------
    str
    """
    import html

    from celltransfer_core.results import FILTERING_NAMES, LABELS_USED, OT_NAMES

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
        page.heading(
            f"Mean of {summary['pair'].nunique()} pairs, "
            f"{FILTERING_NAMES.get(filtering, filtering)}"
        )
        for ot in dict.fromkeys(part.index.get_level_values("ot")):
            names = [
                method
                for method, of in part.index
                if of == ot
                and (method.startswith("knn:") or method == "ensemble")
                and (method, "none") in part.index
            ]
            if ot == "none" or not names or names[-1] != "ensemble":
                continue
            mean = part.loc[("ensemble", ot)]
            page.figure(
                "accuracy_figure",
                plots.accuracy_figure(
                    [name.removeprefix("knn:") for name in names],
                    [float(part.loc[(name, "none"), "accuracy"]) for name in names],
                    [float(part.loc[(name, ot), "accuracy"]) for name in names],
                    (
                        float(mean["accuracy"] - mean["accuracy_std"]),
                        float(mean["accuracy"] + mean["accuracy_std"]),
                    ),
                    f"{OT_NAMES[ot]}, mean of the pairs",
                ),
            )
        page.table(
            ("method", "OT", "accuracy", "± pairs", "F1", "balanced"),
            [
                (
                    html.escape(method),
                    ot,
                    f"{row['accuracy']:.2f}",
                    f"{row['accuracy_std']:.2f}",
                    f"{row['f1']:.2f}",
                    f"{row['balanced_accuracy']:.2f}",
                )
                for (method, ot), row in part.iterrows()
            ],
        )
    return page.html("Benchmark")


def write_summary(outcomes: Sequence[Outcome], folder: Path) -> list[Path]:
    """Write ``summary.csv``, ``summary.md`` and ``summary.html``.

    Parameters
    ----------
    outcomes : sequence of Outcome
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
