"""A study as one HTML file that needs nothing else and loads nothing."""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from celltransfer_core.about import RESEARCH_USE, __version__
from celltransfer_core.outputs.command import command_line, shown_channels
from celltransfer_core.outputs.formats import json_bytes
from celltransfer_core.outputs.manifests import manifest, without_names
from celltransfer_core.outputs.page import Page
from celltransfer_core.outputs.pseudonyms import Pseudonyms
from celltransfer_core.outputs.quality import add_quality
from celltransfer_core.outputs.report_cells import add_composition, add_reviews, add_voters
from celltransfer_core.outputs.report_clusters import add_map, add_matches, add_similarities
from celltransfer_core.outputs.sentences import describe_flags
from celltransfer_core.people.accuracy import review_progress
from celltransfer_core.people.reviews import Review, final_types
from celltransfer_core.pipeline.maps import CellMap
from celltransfer_core.pipeline.result import RunResult, type_names
from celltransfer_core.plots.colours import type_colours
from celltransfer_core.types import Progress, silent
from celltransfer_core.vocabulary import QUERY


@dataclass(frozen=True)
class About:
    """What a report needs to know of the study beside its results."""

    study: str
    """Its name."""
    drawn: bool = False
    """Whether its cells are drawn, not photographed."""
    signed_by: str = ""
    signed: str = ""
    """Time of the signature, ISO 8601; empty where the study is not signed."""


def report_html(
    result: RunResult,
    reviews: Sequence[Review],
    about: About,
    *,
    plane: CellMap | None = None,
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
    plane : CellMap, optional
        The map of cells; left out by default.
    pseudonyms : Pseudonyms, optional
        For the names of slides; names of files are left out then.
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
    types = final.final.tolist()
    _add_summary(page, result, about, reviews, types)
    add_composition(page, result, reviews, types)
    add_quality(page, result, progress)
    add_matches(page, result, progress)
    page.heading("How clusters and types compare")
    add_similarities(page, result.scores[QUERY], result.plane, result.clusters.names.tolist())
    if plane:
        add_map(page, result, plane)
    add_voters(page, result)
    add_reviews(page, result, reviews, final)
    _add_command(page, result, described, reviews="reviews.csv" if reviews else None)
    return page.html(about.study)


def _add_summary(
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
    page.text(describe_flags(result.flags))
    if result.filtered:
        left = ", ".join(f"{name} ({count:,})" for name, count in result.filtered.items())
        page.text(f"Types of the reference that no cluster matches, and are left out: {left}.")


def _add_command(
    page: Page, result: RunResult, described: Mapping[str, Any], *, reviews: str | None
) -> None:
    """Add the command that repeats the run, and its manifest."""
    page.heading("How to repeat it")
    extras = {name: extra.scales[0].um_per_px for name, extra in result.extras.items()}
    command = command_line(
        result.config, extras=extras, channels=shown_channels(result), reviews=reviews
    )
    page.add(
        "<p>With the same images in the folders <code>reference</code> and <code>query</code>, and "
        "the study's clusters.csv, matches.csv and reviews.csv beside them:</p>"
        f"<pre>{html.escape(command)}</pre>"
        "<details><summary>Manifest: inputs, settings, versions</summary>"
        f"<pre>{html.escape(json_bytes(described).decode().rstrip())}</pre></details>"
    )
