"""A study as one self-contained HTML file."""

from __future__ import annotations

import html
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from celltransfer_core.about import RESEARCH_USE, __version__
from celltransfer_core.outputs.command import command_line, shown_channels
from celltransfer_core.outputs.drift import add_batches, add_between_slides
from celltransfer_core.outputs.expectation import describe_expected, describe_poor
from celltransfer_core.outputs.formats import json_bytes
from celltransfer_core.outputs.manifests import manifest, without_names
from celltransfer_core.outputs.page import Page
from celltransfer_core.outputs.pseudonyms import Pseudonyms
from celltransfer_core.outputs.quality import add_quality
from celltransfer_core.outputs.report_cells import add_reviews, add_voters
from celltransfer_core.outputs.report_clusters import add_map, add_matches, add_similarities
from celltransfer_core.outputs.report_counts import add_differential
from celltransfer_core.outputs.sentences import describe_flags, describe_ruled_out
from celltransfer_core.people.reviews import FinalTypes, Review, final_types, last_answers
from celltransfer_core.pipeline.between_slides import drift_between_slides
from celltransfer_core.pipeline.expected import expected_accuracy
from celltransfer_core.pipeline.inferred import infer_run
from celltransfer_core.pipeline.maps import CellMap
from celltransfer_core.pipeline.result import RunResult, type_names
from celltransfer_core.pipeline.typed_batch import TypedBatch
from celltransfer_core.plots.colours import type_colours
from celltransfer_core.types import Progress, silent
from celltransfer_core.vocabulary import QUERY


@dataclass(frozen=True)
class About:
    """Facts about a study that a report needs in addition to its results."""

    study: str
    """Name of the study."""
    drawn: bool = False
    """Whether its cells are synthetic."""
    signed_by: str = ""
    signed: str = ""
    """Time of the signature, ISO 8601; empty where the study is not signed."""
    date: str = ""
    """Date of the report, such as ``2026-11-29``, if the study is not signed.

    The caller supplies it. The report of a signed study carries the date of the signature.
    """
    said: Sequence[Mapping[str, str]] = ()
    """Who said which types the query may hold; see :func:`manifest`."""


def report_html(
    result: RunResult,
    reviews: Sequence[Review],
    about: About,
    *,
    plane: CellMap | None = None,
    batches: Mapping[str, TypedBatch] | None = None,
    pseudonyms: Pseudonyms | None = None,
    original: bool = True,
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
    batches : mapping from name to TypedBatch, optional
        Cells added to the study later, in the order in which they were added.
    pseudonyms : Pseudonyms, optional
        Pseudonyms for the names of slides and batches; file names are then left out.
    original : bool
        Whether cells are shown in the camera's original colours, or as encoders see them.
    progress : callable

    Returns
    -------
    str
        HTML with all figures, pictures and the plotting library inside. The same study gives the
        same bytes.

    Raises
    ------
    ImageError
        If an image no longer exists.
    """
    described = manifest(result, reviews, about.said)
    if pseudonyms:
        described = without_names(described)
        result = replace(result, query=pseudonyms.dataset(result.query))
        batches = pseudonyms.batches(batches or {})
    page = Page(type_colours(type_names(result.reference), result.types), original=original)
    final = final_types(result.query.cells, result.predicted, reviews)
    inference = infer_run(result, reviews)
    _add_head(page, result, about, reviews, final)
    add_differential(page, result, final, inference)
    add_reviews(page, result, reviews, final, inference)
    add_matches(page, result, progress)
    add_quality(page, result, progress)
    if drift := drift_between_slides(result, reviews):
        add_between_slides(page, drift)
    if batches:
        add_batches(page, batches)
    page.heading("How the types were found")
    _add_numbers(page, result, about.said)
    add_voters(page, result)
    add_similarities(
        page,
        result.scores[QUERY],
        result.plane,
        result.clusters.names.tolist(),
        result.cluster_votes,
    )
    if plane:
        add_map(page, result, plane)
    _add_command(page, result, described, reviews="reviews.csv" if reviews else None)
    return page.html(about.study)


def _add_head(
    page: Page, result: RunResult, about: About, reviews: Sequence[Review], final: FinalTypes
) -> None:
    """Add the subject and date of the report, who signed it, and the result in one sentence."""
    page.add(f"<h1>{html.escape(about.study)}</h1>")
    day = about.signed[:10] or about.date
    when = f" of {day}" if day else ""
    page.add(f"<p class=quiet>Report{html.escape(when)}, CellTransfer {__version__}</p>")
    signed = f"Signed off by {about.signed_by}, {about.signed[:16].replace('T', ' ')} UTC."
    page.text(signed if about.signed else "Not signed off.")
    page.add(f"<p class=note><strong>{html.escape(RESEARCH_USE)}</strong></p>")
    if about.drawn:
        page.text("The cells of this study are synthetic, not photographed.")
    changed = int((final.final != np.array(result.predicted)).sum())
    known = set(result.query.cells)
    readers = Counter(
        reader for cell, given in last_answers(reviews).items() if cell in known for reader in given
    )
    answered = int((final.reviewed != "").sum())
    by = ", ".join(f"{name} ({count:,})" for name, count in sorted(readers.items()))
    told = (
        (
            f"{answered:,} were reviewed by readers: {by}. {changed:,} got another type than "
            "predicted."
        )
        if answered
        else "None has been reviewed yet."
    )
    lead = f"{result.query.n_cells:,} cells were typed. {told}"
    page.add(f"<p class=lead>{html.escape(lead)}</p>")
    expected = expected_accuracy(result, reviews)
    for told in filter(None, (describe_expected(expected), describe_poor(expected))):
        page.text(told)
    page.text(describe_flags(result.flags))


def _add_numbers(page: Page, result: RunResult, said: Sequence[Mapping[str, str]]) -> None:
    """Add the basis of the types in numbers, and who said which types the query may hold."""
    page.text(
        f"{result.query.n_cells:,} cells of the query were compared with "
        f"{result.reference.n_cells:,} reference cells of {len(type_names(result.reference))} "
        f"types, and grouped into {len(result.clusters.names)} clusters, "
        f"{sum(match.confirmed for match in result.matches)} of which were confirmed by a person."
    )
    absent = result.config.absent
    if expected := result.config.expect:
        page.text(f"Types expected in the query: {', '.join(expected)}.")
    by = dict.fromkeys(absent, "a person")
    by |= {one["type"]: one["reader"] for one in said if one["state"] == "absent"}
    if absent:
        named = ", ".join(f"{name} (by {by[name]})" for name in absent)
        page.text(f"Types ruled out in the query: {named}.")
    for sentence in describe_ruled_out(result, by).values():
        page.text(sentence)
    if left := [f"{n} ({count:,})" for n, count in result.filtered.items() if n not in absent]:
        page.text(
            "Types of the reference that are matched to no cluster and left out: "
            f"{', '.join(left)}."
        )


def _add_command(
    page: Page, result: RunResult, described: Mapping[str, Any], *, reviews: str | None
) -> None:
    """Add the command that repeats the run, and its manifest."""
    page.heading("How to reproduce it")
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
