"""An evaluation in Markdown, in the layout of the paper's tables (Tables 1–23)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from celltransfer_core.about import RESEARCH_USE
from celltransfer_core.evaluation.paper import Printed
from celltransfer_core.evaluation.protocol import OT
from celltransfer_core.evaluation.report.sentences import (
    FILTERING_NAMES,
    LABELS_USED,
    SIGNIFICANT,
    describe_reading,
    two_decimals,
)
from celltransfer_core.evaluation.report.tables import matched_clusters
from celltransfer_core.evaluation.result import Evaluation, Gain, Reading, Row
from celltransfer_core.evaluation.simulated_reader import MOST_ANSWERS


def results_markdown(evaluation: Evaluation, printed: Sequence[Printed] = ()) -> str:
    """Write the figures in the layout of the paper's tables.

    Parameters
    ----------
    evaluation : Evaluation
    printed : sequence of Printed
        The paper's figures for this pair, shown next to the measured ones.

    Returns
    -------
    str
    """
    lines = ["# Evaluation", "", LABELS_USED, ""]
    lines += [f"- {note}" for note in evaluation.notes]
    for filtering in evaluation.protocol.filtering:
        rows = [row for row in evaluation.rows if row.filtering == filtering]
        if not rows:
            continue
        lines += ["", f"## {FILTERING_NAMES[filtering].capitalize()}", "", *_overview(rows)]
        for ot in evaluation.protocol.ot:
            gains = [g for g in evaluation.gains if (g.ot, g.filtering) == (ot, filtering)]
            for base in ("none", "centre"):
                family = [gain for gain in gains if gain.base == base]
                if family:
                    lines += ["", *_comparison(rows, family, ot, base, evaluation.own_parts)]
    yardsticks = [r for r in evaluation.rows if r.method.startswith(("majority", "ceiling"))]
    if yardsticks:
        lines += ["", "## Baselines that use the labels", ""]
        lines += markdown_table(
            ("method", "Acc.", "F1", "Bal. acc."),
            [
                (
                    r.method,
                    two_decimals(r.accuracy),
                    two_decimals(r.f1),
                    two_decimals(r.balanced_accuracy),
                )
                for r in yardsticks
            ],
        )
    lines += _identification(evaluation)
    lines += _beside_the_paper(evaluation, printed)
    lines += _reading(evaluation.reading)
    lines += _matches(evaluation)
    lines += _low_label(evaluation)
    return "\n".join([*lines, "", RESEARCH_USE, ""])


def _identification(evaluation: Evaluation) -> list[str]:
    if not evaluation.identification:
        return []
    lines = ["", "## Shared types found (eqs 5 and 24)", ""]
    lines += markdown_table(
        ("clusters", "graph", "t-SNE vote", "Acc.", "global", "clusters", "types", "n"),
        [
            (
                one.clusters,
                one.graph,
                "after" if one.correction else "before",
                two_decimals(one.found.accuracy),
                two_decimals(one.found.global_accuracy),
                two_decimals(one.found.cluster_accuracy),
                ", ".join(one.found.predicted),
                str(one.n_clusters),
            )
            for one in evaluation.identification
        ],
    )
    return lines


def _low_label(evaluation: Evaluation) -> list[str]:
    if not evaluation.low_label:
        return []
    lines = ["", "## Few labelled reference cells (ensemble)", ""]
    lines += markdown_table(
        ("cells per type", "OT", "filtering", "Acc.", "Bal. acc."),
        [
            (
                str(p.cells or "all"),
                p.ot,
                p.filtering,
                f"{p.accuracy:.2f} ± {p.deviation:.2f}",
                two_decimals(p.balanced_accuracy),
            )
            for p in evaluation.low_label
        ],
    )
    return lines


def _reading(reading: Reading | None) -> list[str]:
    if reading is None:
        return []
    steps = [
        step for step in (0, 10, 20, MOST_ANSWERS) if any(p.answers == step for p in reading.points)
    ]
    found = {(point.order, point.answers): point for point in reading.points}
    rows = [
        (
            order,
            *(
                f"{found[order, step].balanced_accuracy:.1f} / "
                f"{found[order, step].balanced_accuracy_untyped:.1f}"
                for step in steps
            ),
        )
        for order in dict.fromkeys(point.order for point in reading.points)
    ]
    return [
        "",
        "## What a reader's answers gain (balanced accuracy: all cells / those without an answer)",
        "",
        *markdown_table(("order", *(f"{step} typed" for step in steps)), rows),
        "",
        describe_reading(reading),
    ]


def _overview(rows: Sequence[Row]) -> list[str]:
    """Write accuracy and balanced accuracy of every method with every alignment."""
    kinds = [ot for ot in OT if any(row.ot == ot for row in rows)]
    found = {(row.method, row.ot): row for row in rows}
    methods = [
        method
        for method in dict.fromkeys(row.method for row in rows)
        if not method.startswith(("majority", "ceiling"))
    ]

    def cell(method: str, ot: str) -> str:
        row = found.get((method, ot))
        return f"{row.accuracy:.1f} / {row.balanced_accuracy:.1f}" if row else "–"

    table = markdown_table(
        ("Acc. / bal. acc.", *kinds),
        [(method, *(cell(method, ot) for ot in kinds)) for method in methods],
    )
    return table if methods else []


def _comparison(
    rows: Sequence[Row], family: Sequence[Gain], ot: str, base: str, own_parts: bool
) -> list[str]:
    found = {(row.method, row.ot): row for row in rows}
    plain = "×" if base == "none" else base
    heads = ("", f"Acc. ({plain})", f"Acc. ({ot})", f"F1 ({plain})", f"F1 ({ot})")
    body = []
    for gain in family:
        before, after = found[gain.method, base], found[gain.method, ot]
        # If all parts share one transport, their spread reflects small parts, not the figure.
        low, high = after.accuracy_interval
        spread = f" ± {after.deviation[0]:.2f}" if own_parts else f" ({low:.0f} to {high:.0f})"
        body.append(
            (
                gain.method,
                two_decimals(before.accuracy),
                f"{after.accuracy:.2f}{spread}",
                two_decimals(before.f1),
                two_decimals(after.f1),
                f"{gain.accuracy:+.2f}",
                f"{gain.f1:+.2f}",
                f"{gain.p:.3f}{' *' if gain.p < SIGNIFICANT else ''}",
            )
        )
    mean = [float(np.mean([getattr(gain, name) for gain in family])) for name in ("accuracy", "f1")]
    body.append(("mean", "", "", "", "", f"{mean[0]:+.2f}", f"{mean[1]:+.2f}", ""))
    return [
        f"### {ot} against {base}",
        "",
        *markdown_table((*heads, "Δ Acc.", "Δ F1", "p (Holm)"), body),
        "",
        f"\\* significant at {SIGNIFICANT}: Wilcoxon over the subsets, Holm over this table. "
        + ("± standard deviation over subsets." if own_parts else "In brackets: 95 % interval."),
    ]


def _beside_the_paper(evaluation: Evaluation, printed: Sequence[Printed]) -> list[str]:
    ours = {row.key: row for row in evaluation.rows}
    theirs = {one.key: one for one in printed}
    rows = []
    for method, ot, filtering in dict.fromkeys(key[:3] for key in theirs):
        row = ours.get((method, ot, filtering))
        if row is not None:
            key = method, ot, filtering
            figures = (theirs.get((*key, metric)) for metric in ("accuracy", "f1"))
            accuracy, f1 = (two_decimals(one.value) if one else "–" for one in figures)
            rows.append(
                (method, ot, accuracy, two_decimals(row.accuracy), f1, two_decimals(row.f1))
            )
    if not rows:
        return []
    heads = ("method", "OT", "Acc. (paper)", "Acc. (ours)", "F1 (paper)", "F1 (ours)")
    return ["", "## Comparison with the paper's figures", "", *markdown_table(heads, rows)]


def _matches(evaluation: Evaluation) -> list[str]:
    rows = [
        (
            str(row.cluster),
            str(row.cells),
            row.matched_type,
            f"{row.score:.2f}",
            row.most_are or "–",
            row.verdict,
        )
        for row in matched_clusters(evaluation)
    ]
    if not rows:
        return []
    heads = ("cluster", "cells", "matched type", "score", "most of its cells", "")
    return ["", "## Clusters and their types", "", *markdown_table(heads, rows)]


def markdown_table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """Write a table in Markdown.

    Parameters
    ----------
    heads : sequence of str
    rows : sequence of sequence of str

    Returns
    -------
    list of str
        Its lines.
    """

    def line(cells: Sequence[str]) -> str:
        return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"

    return [line(heads), "|" + "---|" * len(heads), *map(line, rows)]
