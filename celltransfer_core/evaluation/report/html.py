"""An evaluation as one page: tables, figures, cells with their neighbours (Figs 4–11)."""

from __future__ import annotations

import html

import numpy as np

from celltransfer_core.about import RESEARCH_USE
from celltransfer_core.evaluation.report.plots import figures, reader_figure
from celltransfer_core.evaluation.report.sentences import (
    FILTERING_NAMES,
    LABELS_USED,
    OT_NAMES,
    describe_reading,
    two_decimals,
)
from celltransfer_core.evaluation.report.tables import matched_clusters
from celltransfer_core.evaluation.result import Evaluation
from celltransfer_core.outputs.page import Page, data_uri
from celltransfer_core.outputs.report_clusters import add_similarities
from celltransfer_core.plots.colours import type_colours
from celltransfer_core.vocabulary import QUERY, REFERENCE


def results_html(evaluation: Evaluation) -> str:
    """Write tables and figures as one self-contained page.

    Parameters
    ----------
    evaluation : Evaluation

    Returns
    -------
    str
    """
    page = Page(type_colours(evaluation.prepared.types))
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
                        two_decimals(row.accuracy),
                        f"{row.accuracy_interval[0]:.1f} to {row.accuracy_interval[1]:.1f}",
                        two_decimals(row.f1),
                        two_decimals(row.balanced_accuracy),
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
                    two_decimals(one.found.accuracy),
                    html.escape(", ".join(one.found.predicted)),
                )
                for one in evaluation.identification
            ],
        )
    if evaluation.reading:
        page.heading("What a reader's answers gain")
        page.figure("reader_figure", reader_figure(evaluation.reading.points))
        page.text(describe_reading(evaluation.reading))
    _clusters_of(page, evaluation)
    _neighbours_of(page, evaluation)
    return page.html("Evaluation")


def _clusters_of(page: Page, evaluation: Evaluation) -> None:
    """Show the basis of the matches (Figs 4, 9–11)."""
    named = evaluation.named.get("true") or evaluation.named.get("false")
    if named is None:
        return
    page.heading("How clusters and types compare")
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
    add_similarities(
        page, named.scores[QUERY], named.plane, named.clusters.names.tolist(), named.votes
    )


def _neighbours_of(page: Page, evaluation: Evaluation) -> None:
    """Show cells next to their nearest neighbours, without and with alignment (Figs 5, 6)."""
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
        page.text("Those that most encoders rank among their five nearest; ✓ if the type is right.")
        for cell in examples:
            truth = str(evaluation.truth[cell])
            tiles = [_tile(data_uri(crops[QUERY], cell), truth, "query")]
            near = [int(one) for one in evaluation.neighbours[ot, filtering][cell] if one >= 0]
            for source, name in enumerate(reference.sources):
                members = [one for one in near if reference.cell_sources[one] == source]
                if name:
                    origin = "from" if members else "none from"
                    tiles.append(f"<span>{origin} {html.escape(name)}</span>")
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
