"""An evaluation as files: tables for programs and for people, figures, manifest."""

from __future__ import annotations

import html
import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from celltransfer_core import RESEARCH_USE, plots
from celltransfer_core.evaluation import Curve, majority_types
from celltransfer_core.export import csv_bytes, inputs_manifest, versions, write_atomically
from celltransfer_core.matching import QUERY, REFERENCE
from celltransfer_core.paper import Printed
from celltransfer_core.protocol import OT, Evaluation, Gain, Row
from celltransfer_core.reader import ANSWERS, Reading, calibration_table, reader_table
from celltransfer_core.report import Page, data_uri

if TYPE_CHECKING:
    import pandas as pd
    from plotly.graph_objects import Figure

SIGNIFICANT = 0.05
LABELS_USED = (
    "The query's own labels were used here, and here alone: no step of the pipeline sees them."
)
OT_NAMES = {
    "none": "no alignment",
    "centre": "centring",
    "coral": "CORAL",
    "linear": "linear transport",
    "sinkhorn": "entropic transport",
    "fgw-paper": "transport as in the paper",
    "fgw": "optimal transport",
}
FILTERING_NAMES = {
    "false": "all types of the reference",
    "true": "types that clusters were matched to",
    "reader": "clusters named by a reader who never errs",
}


def results_table(evaluation: Evaluation) -> pd.DataFrame:
    """Tabulate the figures of every method, in percent.

    Parameters
    ----------
    evaluation : Evaluation

    Returns
    -------
    DataFrame
        First ``method, ot, filtering, accuracy, f1, balanced_accuracy``; then deviations over
        subsets, 95 % intervals, calibration error, what the alignment adds to none and to centring
        with its p value, cells, and the recall of every type.
    """
    import pandas as pd

    gains = {(gain.method, gain.ot, gain.filtering, gain.base): gain for gain in evaluation.gains}
    types = sorted({name for row in evaluation.rows for name in row.recall})
    records = []
    for row in evaluation.rows:
        record: dict[str, Any] = {
            "method": row.method,
            "ot": row.ot,
            "filtering": row.filtering,
            "accuracy": row.accuracy,
            "f1": row.f1,
            "balanced_accuracy": row.balanced_accuracy,
            "accuracy_std": row.deviation[0],
            "f1_std": row.deviation[1],
            "balanced_accuracy_std": row.deviation[2],
            "accuracy_low": row.accuracy_interval[0],
            "accuracy_high": row.accuracy_interval[1],
            "balanced_accuracy_low": row.balanced_interval[0],
            "balanced_accuracy_high": row.balanced_interval[1],
            "calibration_error": row.calibration_error,
        }
        for base in ("none", "centre"):
            gain = gains.get((*row.key, base))
            record[f"gain_over_{base}"] = gain.accuracy if gain else np.nan
            record[f"f1_gain_over_{base}"] = gain.f1 if gain else np.nan
            record[f"balanced_gain_over_{base}"] = gain.balanced_accuracy if gain else np.nan
            record[f"p_over_{base}"] = gain.p if gain else np.nan
        record["cells"] = len(evaluation.scored)
        record |= {f"recall_{name}": row.recall.get(name, np.nan) for name in types}
        records.append(record)
    return pd.DataFrame(records)


def answers_table(evaluation: Evaluation) -> pd.DataFrame:
    """Tabulate what every ensemble says of every cell, beside its true type.

    Parameters
    ----------
    evaluation : Evaluation

    Returns
    -------
    DataFrame
        ``file, true_type``, then a column for each ensemble, alignment and filtering.
    """
    import pandas as pd

    query = evaluation.prepared.query
    columns: dict[str, Any] = {"file": query.first_file, "true_type": evaluation.truth}
    for (method, ot, filtering), answer in evaluation.answers.items():
        if answer.agreement is not None:
            columns[f"{method} {ot} {filtering}"] = answer.predicted
    return pd.DataFrame(columns).sort_values("file", kind="stable")


def low_label_table(evaluation: Evaluation) -> pd.DataFrame:
    """Tabulate the low-label curve.

    Parameters
    ----------
    evaluation : Evaluation

    Returns
    -------
    DataFrame
        ``cells`` a type (``all`` for the whole reference), then figures in percent.
    """
    import pandas as pd

    table = pd.DataFrame([asdict(point) for point in evaluation.low_label])
    if len(table):
        table["cells"] = [str(cells) if cells else "all" for cells in table["cells"]]
    return table


def identification_table(evaluation: Evaluation) -> pd.DataFrame:
    """Tabulate how well shared types were found (Tables 1 and 2).

    Parameters
    ----------
    evaluation : Evaluation

    Returns
    -------
    DataFrame
        One row a way of clustering, before and after the t-SNE vote.
    """
    import pandas as pd

    return pd.DataFrame(
        [
            {
                "clusters": one.clusters,
                "graph": one.graph,
                "correction": one.correction,
                "accuracy": one.found.accuracy,
                "global_accuracy": one.found.global_accuracy,
                "cluster_accuracy": one.found.cluster_accuracy,
                "found": ", ".join(one.found.predicted),
                "n_clusters": one.n_clusters,
            }
            for one in evaluation.identification
        ]
    )


class MatchedCluster(NamedTuple):
    """What a cluster was matched to, and what it is."""

    cluster: int
    cells: int
    matched_type: str
    score: float
    most_are: str
    """Type of most of its labelled cells; empty without any."""
    verdict: str
    """``right``, ``wrong``, or empty without labelled cells."""


def matched_clusters(evaluation: Evaluation) -> list[MatchedCluster]:
    """List what every cluster was matched to, and what most of its cells are.

    Parameters
    ----------
    evaluation : Evaluation

    Returns
    -------
    list of MatchedCluster
        Empty if a reader alone was asked.
    """
    named = evaluation.named.get("true") or evaluation.named.get("false")
    if named is None:
        return []
    majority = majority_types(named.clusters.labels, evaluation.truth)
    return [
        MatchedCluster(
            int(number),
            match.cells,
            match.matched_type,
            match.score,
            truth,
            "" if not truth else ("right" if match.matched_type == truth else "wrong"),
        )
        for number, match, truth in zip(named.clusters.names, named.matches, majority, strict=True)
    ]


def curves_table(evaluation: Evaluation) -> pd.DataFrame:
    """Tabulate what agreement is worth.

    Parameters
    ----------
    evaluation : Evaluation

    Returns
    -------
    DataFrame
        By ensemble: share of the cells kept, their accuracy, errors caught among the others.
    """
    import pandas as pd

    return pd.DataFrame(
        [
            dict(
                zip(
                    (
                        "method",
                        "ot",
                        "filtering",
                        "share_kept",
                        "accuracy_kept",
                        "share_reviewed",
                        "errors_caught",
                    ),
                    (*key, share, kept, 1 - share, caught),
                    strict=True,
                )
            )
            for key, curve in evaluation.curves.items()
            for share, kept, caught in zip(
                curve.share, curve.accuracy_kept, curve.errors_caught, strict=True
            )
        ]
    )


def results_markdown(evaluation: Evaluation, printed: Sequence[Printed] = ()) -> str:
    """Write the figures in the layout of the paper's tables.

    Parameters
    ----------
    evaluation : Evaluation
    printed : sequence of Printed
        What the paper prints for this pair; stands beside ours.

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
        lines += ["", "## Yardsticks that know the labels", ""]
        lines += markdown_table(
            ("method", "Acc.", "F1", "Bal. acc."),
            [(r.method, _f(r.accuracy), _f(r.f1), _f(r.balanced_accuracy)) for r in yardsticks],
        )
    if evaluation.identification:
        lines += ["", "## Shared types found (eqs 5 and 24)", ""]
        lines += markdown_table(
            ("clusters", "graph", "t-SNE vote", "Acc.", "global", "clusters", "types", "n"),
            [
                (
                    one.clusters,
                    one.graph,
                    "after" if one.correction else "before",
                    _f(one.found.accuracy),
                    _f(one.found.global_accuracy),
                    _f(one.found.cluster_accuracy),
                    ", ".join(one.found.predicted),
                    str(one.n_clusters),
                )
                for one in evaluation.identification
            ],
        )
    lines += _beside_the_paper(evaluation, printed)
    lines += _reading(evaluation.reading)
    lines += _matches(evaluation)
    if evaluation.low_label:
        lines += ["", "## Few labelled reference cells (ensemble)", ""]
        lines += markdown_table(
            ("cells a type", "OT", "filtering", "Acc.", "Bal. acc."),
            [
                (
                    str(p.cells or "all"),
                    p.ot,
                    p.filtering,
                    f"{p.accuracy:.2f} ± {p.deviation:.2f}",
                    _f(p.balanced_accuracy),
                )
                for p in evaluation.low_label
            ],
        )
    return "\n".join([*lines, "", RESEARCH_USE, ""])


def results_html(evaluation: Evaluation) -> str:
    """Write tables and figures as one page that needs nothing else.

    Parameters
    ----------
    evaluation : Evaluation

    Returns
    -------
    str
    """
    page = Page(plots.type_colours(evaluation.prepared.types))
    page.add("<h1>Evaluation</h1>")
    page.add(f"<p class=note>{html.escape(f'{LABELS_USED} {RESEARCH_USE}')}</p>")
    for note in evaluation.notes:
        page.text(note)
    for filtering in evaluation.protocol.filtering:
        rows = [row for row in evaluation.rows if row.filtering == filtering]
        if rows:
            page.heading(f"Accuracy, {FILTERING_NAMES[filtering]}")
            for name, figure in figures(evaluation, filtering):
                page.figure(name, figure)
            page.table(
                ("method", "OT", "accuracy", "95 % interval", "F1", "balanced"),
                [
                    (
                        html.escape(row.method),
                        row.ot,
                        _f(row.accuracy),
                        f"{row.accuracy_interval[0]:.1f} to {row.accuracy_interval[1]:.1f}",
                        _f(row.f1),
                        _f(row.balanced_accuracy),
                    )
                    for row in rows
                ],
            )
    if evaluation.identification:
        page.heading("Shared types found")
        page.table(
            ("clusters", "graph", "t-SNE vote", "accuracy", "types"),
            [
                (
                    one.clusters,
                    one.graph,
                    "after" if one.correction else "before",
                    _f(one.found.accuracy),
                    html.escape(", ".join(one.found.predicted)),
                )
                for one in evaluation.identification
            ],
        )
    if evaluation.reading:
        page.heading("What a person's answers are worth")
        page.figure("reader_figure", plots.reader_figure(evaluation.reading.points))
        page.text(describe_reading(evaluation.reading))
    _clusters_of(page, evaluation)
    _neighbours_of(page, evaluation)
    return page.html("Evaluation")


def _clusters_of(page: Page, evaluation: Evaluation) -> None:
    """Show what the matches rest on (Figs 4, 9–11)."""
    named = evaluation.named.get("true") or evaluation.named.get("false")
    if named is None:
        return
    page.heading("How clusters and types compare")
    scores, names = named.scores[QUERY], named.clusters.names.tolist()
    page.table(
        ("cluster", "cells", "matched type", "score", "most of its cells", ""),
        [
            (
                str(row.cluster),
                str(row.cells),
                page.chip(row.matched_type),
                f"{row.score:.2f}",
                page.chip(row.most_are) if row.most_are else "–",
                {"right": "✓", "wrong": "✗"}.get(row.verdict, ""),
            )
            for row in matched_clusters(evaluation)
        ],
    )
    page.figure("similarity_heatmap", plots.similarity_heatmap(scores, names))
    for encoder in scores.encoders:
        page.figure(
            "similarity_heatmap", plots.similarity_heatmap(scores, names, "cosine", encoder=encoder)
        )
    symbols = plots.type_symbols(list(page.colours))
    page.figure(
        "score_plane_figure", plots.score_plane_figure(scores, names, page.colours, symbols=symbols)
    )
    page.figure(
        "cluster_plane_figure",
        plots.cluster_plane_figure(named.plane, page.colours, clusters=names),
    )


def _neighbours_of(page: Page, evaluation: Evaluation) -> None:
    """Show cells beside their nearest neighbours, without and with alignment (Figs 5, 6)."""
    crops = evaluation.prepared.framing.crops
    reference = evaluation.prepared.reference
    types = reference.cell_labels
    shown = [
        (ot, filtering)
        for ot, filtering in evaluation.neighbours
        if filtering == "true" and ot in {"none", "centre", "fgw-paper", "fgw"}
    ]
    rng = np.random.default_rng(evaluation.prepared.config.seed)
    examples = [
        int(rng.choice(np.flatnonzero(evaluation.truth == name)))
        for name in np.unique(evaluation.truth[evaluation.scored])
    ]
    for ot, filtering in shown:
        page.heading(f"Nearest reference cells, {OT_NAMES[ot]}")
        page.text("Those that most encoders count among their five nearest; ✓ where the type fits.")
        for cell in examples:
            truth = str(evaluation.truth[cell])
            tiles = [_tile(data_uri(crops[QUERY], cell), truth, "query")]
            near = [int(one) for one in evaluation.neighbours[ot, filtering][cell] if one >= 0]
            for source, name in enumerate(reference.sources):
                members = [one for one in near if reference.cell_sources[one] == source]
                if name:
                    said = "from" if members else "none from"
                    tiles.append(f"<span>{said} {html.escape(name)}</span>")
                for one in members:
                    mark = "✓" if types[one] == truth else "✗"
                    tiles.append(_tile(data_uri(crops[REFERENCE], one), str(types[one]), mark))
            page.add(f"<div class=cells>{''.join(tiles)}</div>")


def _tile(picture: str, name: str, mark: str) -> str:
    name = html.escape(name, quote=True)
    return (
        f"<figure style='margin:0 .6rem .4rem 0'><img src='{picture}' alt='{name}'>"
        f"<figcaption>{mark} {name}</figcaption></figure>"
    )


def figures(evaluation: Evaluation, filtering: str) -> list[tuple[str, Figure]]:
    """Draw the figures of one choice of types.

    Parameters
    ----------
    evaluation : Evaluation
    filtering : {"false", "true", "reader"}

    Returns
    -------
    list of (str, plotly Figure)
        Each with its name in :data:`plots.CAPTIONS`.
    """
    drawn: list[tuple[str, Figure]] = []
    rows = {row.key: row for row in evaluation.rows if row.filtering == filtering}
    for ot in evaluation.protocol.ot:
        methods = [
            method
            for method, of, _ in rows
            if of == ot
            and (method, "none", filtering) in rows
            and (method.startswith("knn:") or method == "ensemble")
        ]
        if ot == "none" or not methods or methods[-1] != "ensemble":
            continue
        bars = plots.accuracy_figure(
            [method.removeprefix("knn:") for method in methods],
            [rows[method, "none", filtering].accuracy for method in methods],
            [rows[method, ot, filtering].accuracy for method in methods],
            rows["ensemble", ot, filtering].accuracy_interval,
            OT_NAMES[ot],
        )
        drawn.append(("accuracy_figure", bars))
    shown = [ot for ot in ("none", "centre", "fgw-paper", "fgw") if ot in evaluation.protocol.ot]
    curves: dict[str, Curve] = {
        OT_NAMES[ot]: evaluation.curves["ensemble", ot, filtering]
        for ot in shown
        if ("ensemble", ot, filtering) in evaluation.curves
    }
    if curves:
        drawn.append(("agreement_worth_figure", plots.agreement_worth_figure(curves)))
        found = {
            OT_NAMES[ot]: evaluation.reliability["ensemble", ot, filtering]
            for ot in shown
            if OT_NAMES[ot] in curves
        }
        drawn.append(("reliability_figure", plots.reliability_figure(found)))
    points: dict[str, list[tuple[int, float, float]]] = {}
    for point in evaluation.low_label:
        if point.filtering == filtering:
            of = points.setdefault(OT_NAMES[point.ot], [])
            of.append((point.cells, point.accuracy, point.deviation))
    if points:
        drawn.append(("low_label_figure", plots.low_label_figure(points)))
    return drawn


def write_evaluation(
    evaluation: Evaluation, folder: Path, printed: Sequence[Printed] = ()
) -> list[Path]:
    """Write everything that was measured.

    Parameters
    ----------
    evaluation : Evaluation
    folder : Path
    printed : sequence of Printed
        What the paper prints for this pair.

    Returns
    -------
    list of Path
        ``results.csv`` first.

    Raises
    ------
    OutputError
        If the folder cannot be written to or the disk is full.
    """
    reading = evaluation.reading
    tables = {
        "results": results_table(evaluation),
        "predictions": answers_table(evaluation),
        "identification": identification_table(evaluation),
        "low_label": low_label_table(evaluation),
        "agreement": curves_table(evaluation),
        **(
            {"reader": reader_table(reading), "reader_calibration": calibration_table(reading)}
            if reading
            else {}
        ),
    }
    written = [
        write_atomically(folder / f"{name}.csv", csv_bytes(table))
        for name, table in tables.items()
        if len(table)
    ]
    texts = {
        "results.md": results_markdown(evaluation, printed),
        "results.html": results_html(evaluation),
        "manifest.json": json.dumps(_manifest(evaluation), indent=1, ensure_ascii=False) + "\n",
    }
    return written + [
        write_atomically(folder / name, text.encode()) for name, text in texts.items()
    ]


def describe_reading(reading: Reading) -> str:
    """Say how the reader was played and what confidence was worth in the end.

    Parameters
    ----------
    reading : Reading

    Returns
    -------
    str
    """
    after, before = (
        found.expected_calibration_error for found in (reading.calibration, reading.uncalibrated)
    )
    wrong = f"{100 * reading.errors:g} % of the answers wrong" if reading.errors else "never wrong"
    return (
        f"Means over {reading.repeats} readers, {wrong}. Expected calibration error of cells "
        f"nobody typed, after the last answer of the queue: {after:.1f} % ({before:.1f} % as the "
        "vote has it)."
    )


def _reading(reading: Reading | None) -> list[str]:
    if reading is None:
        return []
    steps = [
        step for step in (0, 10, 20, ANSWERS) if any(p.answers == step for p in reading.points)
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
        "## What a person's answers are worth (balanced accuracy: all cells / those nobody typed)",
        "",
        *markdown_table(("order", *(f"{step} typed" for step in steps)), rows),
        "",
        describe_reading(reading),
    ]


def _manifest(evaluation: Evaluation) -> dict[str, Any]:
    return {
        **inputs_manifest(evaluation.prepared),
        "protocol": asdict(evaluation.protocol),
        "notes": list(evaluation.notes),
        "versions": versions(),
    }


def _overview(rows: Sequence[Row]) -> list[str]:
    """Give accuracy and balanced accuracy of every method under every alignment."""
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
        # Where all parts share one transport their spread is that of few cells, not of the figure.
        low, high = after.accuracy_interval
        spread = f" ± {after.deviation[0]:.2f}" if own_parts else f" ({low:.0f} to {high:.0f})"
        body.append(
            (
                gain.method,
                _f(before.accuracy),
                f"{after.accuracy:.2f}{spread}",
                _f(before.f1),
                _f(after.f1),
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
        f"\\* more than noise at {SIGNIFICANT}: Wilcoxon over the subsets, Holm over this table. "
        + ("± standard deviation over subsets." if own_parts else "In brackets: 95 % interval."),
    ]


def _beside_the_paper(evaluation: Evaluation, printed: Sequence[Printed]) -> list[str]:
    ours = {row.key: row for row in evaluation.rows}
    theirs = {one.key: one for one in printed}
    rows = []
    for method, ot, filtering in dict.fromkeys(key[:3] for key in theirs):
        row = ours.get((method, ot, filtering))
        if row is not None:
            told = (theirs.get((method, ot, filtering, metric)) for metric in ("accuracy", "f1"))
            accuracy, f1 = (_f(one.value) if one else "–" for one in told)
            rows.append((method, ot, accuracy, _f(row.accuracy), f1, _f(row.f1)))
    if not rows:
        return []
    heads = ("method", "OT", "Acc. (paper)", "Acc. (ours)", "F1 (paper)", "F1 (ours)")
    return ["", "## Beside the paper's figures", "", *markdown_table(heads, rows)]


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


def _f(value: float) -> str:
    return f"{value:.2f}"
