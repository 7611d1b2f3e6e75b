"""A study on one page: a single HTML file that needs nothing else and asks nobody."""

from __future__ import annotations

import html
import json
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from celltransfer_core.about import RESEARCH_USE, __version__
from celltransfer_core.outputs.command import command_line
from celltransfer_core.outputs.manifests import manifest, without_names
from celltransfer_core.outputs.page import Page, data_uri
from celltransfer_core.outputs.pseudonyms import Pseudonyms
from celltransfer_core.outputs.sentences import (
    describe_concordance,
    describe_sample,
    interval,
    percent,
)
from celltransfer_core.outputs.tables import differential_table
from celltransfer_core.people.accuracy import (
    cohen_kappa,
    reader_pairs,
    review_progress,
    sample_accuracy,
)
from celltransfer_core.people.reviews import Review, final_types
from celltransfer_core.pipeline.edits import central_first
from celltransfer_core.pipeline.maps import CellPlane
from celltransfer_core.pipeline.result import RunResult, type_names
from celltransfer_core.plots.colours import type_colours, type_symbols
from celltransfer_core.plots.counts import (
    composition_figure,
    differential_figure,
    review_progress_figure,
)
from celltransfer_core.plots.maps import map_figure
from celltransfer_core.plots.matching import (
    cluster_plane_figure,
    score_plane_figure,
    similarity_heatmap,
)
from celltransfer_core.plots.votes import (
    agreement_figure,
    confusion_figure,
    disagreement_figure,
    transport_gain_figure,
    transport_quality_figure,
)
from celltransfer_core.types import Progress, silent
from celltransfer_core.vocabulary import ARTEFACT, DISPUTED, NONE_TYPE, QUERY, REFERENCE, UNSURE

if TYPE_CHECKING:
    import pandas as pd

    from celltransfer_core.framing.crops import Crops


_PER_CLUSTER = 6
_PER_TYPE = 4
_MOST_CLUSTERS = 80  # with pictures, the largest first: more would make the file slow to open


@dataclass(frozen=True)
class About:
    """What a report says of the study beside its results."""

    study: str
    drawn: bool = False
    signed_by: str = ""
    signed: str = ""
    """When, ISO 8601; empty where nobody has."""


def report_html(
    result: RunResult,
    reviews: Sequence[Review],
    about: About,
    *,
    plane: CellPlane | None = None,
    pseudonyms: Pseudonyms | None = None,
    progress: Progress = silent,
) -> str:
    """Write a study as a self-contained page.

    Parameters
    ----------
    result : RunResult
    reviews : sequence of Review
        In the order they were made.
    about : About
    plane : CellPlane, optional
        Where cells lie on the map.
    pseudonyms : Pseudonyms, optional
        Slides go by them; names of files are left out.
    progress : callable

    Returns
    -------
    str
        HTML with all figures, pictures and the plotting library inside. The same study gives the
        same bytes.

    Raises
    ------
    ImageError
        If an image is gone.
    """
    described = manifest(result)
    if pseudonyms:
        described = without_names(described)
        result = replace(result, query=pseudonyms.dataset(result.query))
    page = Page(type_colours(type_names(result.reference), result.types))
    final = final_types(result.query.cells, result.predicted, reviews)
    _summary(page, result, about, reviews, final.final.tolist())
    _composition(page, result, reviews, final.final.tolist())
    _matches(page, result, progress)
    _similarities(page, result, plane)
    _voters(page, result)
    _reviews(page, result, reviews)
    page.heading("How to repeat it")
    again = command_line(
        result.config, extras=list(result.extras), reviews="reviews.csv" if reviews else None
    )
    page.add(
        "<p>With the same images in the folders <code>reference</code> and <code>query</code>, and "
        "the study's clusters.csv, matches.csv and reviews.csv beside them:</p>"
        f"<pre>{html.escape(again)}</pre>"
        "<details><summary>Manifest: inputs, settings, versions</summary>"
        f"<pre>{html.escape(json.dumps(described, indent=1, ensure_ascii=False))}</pre></details>"
    )
    return page.html(about.study)


def _summary(
    page: Page,
    result: RunResult,
    about: About,
    reviews: Sequence[Review],
    final: Sequence[str],
) -> None:
    page.add(f"<h1>{html.escape(about.study)}</h1>")
    page.add(f"<p class=quiet>Report of CellTransfer {__version__}</p>")
    page.add(f"<p class=note><strong>{html.escape(RESEARCH_USE)}</strong></p>")
    if about.drawn:
        page.text("The cells of this study are drawn, not photographed.")
    page.text(
        f"Signed off by {about.signed_by}, {about.signed[:16].replace('T', ' ')} UTC."
        if about.signed
        else "Not signed off."
    )
    answered = review_progress(result.query.cells, result.predicted, reviews).answered
    changed = sum(one != other for one, other in zip(final, result.predicted, strict=True))
    rows = {
        "Query cells": f"{result.query.n_cells:,}",
        "Reference cells": f"{result.reference.n_cells:,}",
        "Types of the reference": f"{len(type_names(result.reference))}",
        "Clusters": f"{len(result.clusters.names)}",
        "Matches that a person confirmed": f"{sum(m.confirmed for m in result.matches)}",
        "Cells flagged for review": f"{int(result.flagged.sum()):,}",
        "Cells that a person reviewed": f"{answered:,}",
        "Cells whose final type is not the predicted one": f"{changed:,}",
    }
    page.table(("", "Count"), [(html.escape(name), value) for name, value in rows.items()])
    if result.filtered:
        left = ", ".join(f"{name} ({count:,})" for name, count in result.filtered.items())
        page.text(f"Types of the reference that no cluster matches, and are left out: {left}.")


def _composition(
    page: Page, result: RunResult, reviews: Sequence[Review], final: Sequence[str]
) -> None:
    page.heading("Which types there are")
    counts = dict.fromkeys(result.types, 0) | Counter(result.predicted)
    page.figure("composition_figure", composition_figure(counts, page.colours))
    before = differential_table(result)
    after = differential_table(result, final) if reviews else None
    page.figure("differential_figure", differential_figure(before, page.colours, after=after))
    _differential(page, before, after)
    page.figure(
        "agreement_figure",
        agreement_figure(result.vote.agreement, result.config.flag_threshold),
    )


def _differential(page: Page, before: pd.DataFrame, after: pd.DataFrame | None) -> None:
    def told(table: pd.DataFrame) -> dict[tuple[str, str], str]:
        return {
            (
                row["slide"],
                row["type"],
            ): f"{row['percent']:.1f} % ({row['low']:.1f}–{row['high']:.1f})"
            for row in table.to_dict("records")
        }

    tables = [told(before)] + ([told(after)] if after is not None else [])
    keys = dict.fromkeys(key for one in tables for key in one)
    heads = ["Slide", "Type", "Predicted"] + (["After review"] if after is not None else [])
    rows = [
        [html.escape(slide) or "all cells", page.chip(name)]
        + [one.get((slide, name), "–") for one in tables]
        for slide, name in keys
    ]
    page.add("<details><summary>The counts as a table</summary>")
    page.table(heads, rows)
    page.add("</details>")


def _matches(page: Page, result: RunResult, progress: Progress) -> None:
    page.heading("What the clusters are")
    page.text(
        "Each cluster of query cells is matched to a type as a whole. Cells on the left are its "
        "most central ones; those on the right are reference cells of the matched type."
    )
    query, reference = result.framing.crops[QUERY], result.framing.crops[REFERENCE]
    order = np.argsort(-result.clusters.sizes, kind="stable").tolist()
    examples: dict[str, str] = {}
    rows = []
    for done, cluster in enumerate(order):
        match = result.matches[cluster]
        name = match.matched_type
        shown = done < _MOST_CLUSTERS
        if shown and name not in examples:
            typed = np.flatnonzero(result.reference.cell_labels == name)
            examples[name] = _pictures(reference, typed[:_PER_TYPE].tolist(), name)
        middle = central_first(result.clusters, cluster)[:_PER_CLUSTER].tolist()
        title = f"cell of cluster {result.clusters.names[cluster]}"
        said = f"confirmed by {match.by}" if match.confirmed else match.reason or "proposed"
        rows.append(
            (
                f"{result.clusters.names[cluster]}",
                f"{match.cells:,}",
                _pictures(query, middle, title) if shown else "",
                page.chip("none of these" if name == NONE_TYPE else name),
                f"{match.score:.2f}",
                f"{html.escape(match.runner_up)} {match.runner_up_score:.2f}",
                html.escape(said),
                examples[name] if shown else "",
            )
        )
        progress("report", done + 1, len(order))
    page.table(
        ("Cluster", "Cells", "", "Matched type", "Score", "Runner-up", "Word", "Reference"), rows
    )
    _without_cluster(page, result)


def _without_cluster(page: Page, result: RunResult) -> None:
    """Show what a type that no cluster is called would look like, were it there."""
    called = {match.matched_type for match in result.matches}
    query, reference = result.framing.crops[QUERY], result.framing.crops[REFERENCE]
    rows = []
    for name, alike in zip(type_names(result.reference), result.alike, strict=True):
        kept = name in result.config.keep
        if name in called or not (kept or name in result.filtered):
            continue
        typed = np.flatnonzero(result.reference.cell_labels == name)
        rows.append(
            (
                page.chip(name),
                "kept by a person" if kept else "left out",
                _pictures(query, alike.tolist(), f"query cell most like {name}"),
                _pictures(reference, typed[:_PER_TYPE].tolist(), name),
            )
        )
    if rows:
        page.text(
            "No cluster is called one of these types. No cell can be typed as one that is left "
            "out; a rare type may still lie among the cells of another."
        )
        page.table(("Type", "Word", "Query cells most like it", "Reference"), rows)


def _pictures(crops: Crops, cells: Sequence[int], title: str) -> str:
    alt = html.escape(title, quote=True)
    tiles = "".join(f'<img src="{data_uri(crops, cell)}" alt="{alt}">' for cell in cells)
    return f"<div class=cells>{tiles}</div>"


def _similarities(page: Page, result: RunResult, plane: CellPlane | None) -> None:
    page.heading("How clusters and types compare")
    scores, names = result.scores[QUERY], result.clusters.names.tolist()
    symbols = type_symbols(list(page.colours))
    page.figure("similarity_heatmap", similarity_heatmap(scores, names))
    for encoder in scores.encoders:
        page.figure(
            "similarity_heatmap",
            similarity_heatmap(scores, names, "cosine", encoder=encoder),
        )
    page.figure(
        "score_plane_figure", score_plane_figure(scores, names, page.colours, symbols=symbols)
    )
    page.figure(
        "cluster_plane_figure",
        cluster_plane_figure(result.plane, page.colours, clusters=names),
    )
    if plane is None:
        return
    labels = result.reference.cell_labels
    of_cell: dict[str, Callable[[int], str]] = {
        REFERENCE: lambda cell: str(labels[cell]),
        QUERY: lambda cell: result.predicted[cell],
    }
    groups = [of_cell[s](c) for s, c in zip(plane.sets, plane.cells.tolist(), strict=True)]
    page.figure(
        "map_figure",
        map_figure(
            plane.xy,
            groups,
            page.colours,
            list(range(len(groups))),
            "Reference cells by type, query cells by predicted type",
            sets=plane.sets,
            symbols=symbols,
            hover=[f"{s}: {group}" for s, group in zip(plane.sets, groups, strict=True)],
        ),
    )


def _voters(page: Page, result: RunResult) -> None:
    page.heading("How the voters did")
    names = [voter.name for voter in result.voters]
    page.figure("disagreement_figure", disagreement_figure(result.vote.choices, names))
    page.figure("transport_gain_figure", transport_gain_figure(result.voters, result.vote))
    page.figure("transport_quality_figure", transport_quality_figure(result.solves))
    page.figure(
        "confusion_figure",
        confusion_figure(
            result.predicted,
            result.matched,
            result.types,
            names=("predicted", "matched"),
            title="Vote against the cluster's match",
        ),
    )


def _reviews(page: Page, result: RunResult, reviews: Sequence[Review]) -> None:
    page.heading("What people said")
    if not reviews:
        page.text("No cell has been reviewed: all types are predictions.")
        return
    query, seed = result.query, result.config.seed
    reached = review_progress(query.cells, result.predicted, reviews)
    page.figure("review_progress_figure", review_progress_figure(reached.outcomes, reached.total))
    blind = sample_accuracy(query.cells, result.predicted, reviews, seed=seed)
    page.text(describe_sample(blind.overall))
    page.table(
        ("Predicted type", "Blind cells", "Right", "Share right (95 % interval)"),
        [
            (
                page.chip(name),
                f"{one.cells}",
                f"{one.right}",
                "–" if not one.cells else f"{percent(one.accuracy)} ({interval(one)})",
            )
            for name, one in blind.by_type.items()
        ],
    )
    pairs = [(*pair, cohen_kappa(reviews, *pair)) for pair in reader_pairs(reviews)]
    for first, second, found in pairs:
        page.text(f"{first} and {second}: {describe_concordance(found)}")
    final = final_types(query.cells, result.predicted, reviews)
    no_type = ("", ARTEFACT, UNSURE, DISPUTED)
    looked = [n for n, word in enumerate(final.reviewed.tolist()) if word not in no_type]
    if looked:
        page.figure(
            "confusion_figure",
            confusion_figure(
                [result.predicted[cell] for cell in looked],
                [str(final.reviewed[cell]) for cell in looked],
                result.types,
                names=("predicted", "reviewed"),
                title="Prediction against review",
            ),
        )
