"""Parts of the report on cells: the readers' answers, and the voters (3.4)."""

from __future__ import annotations

import html
import math
from collections.abc import Sequence

from celltransfer_core.outputs.page import Page
from celltransfer_core.outputs.report_counts import add_confusion
from celltransfer_core.outputs.sentences import (
    describe_accuracy,
    describe_concordance,
    describe_left_out,
    describe_reclassification,
    describe_share,
    missing_transport,
)
from celltransfer_core.outputs.votes import voter_label
from celltransfer_core.people.accuracy import review_progress
from celltransfer_core.people.composition import Inference
from celltransfer_core.people.readers import (
    Concordance,
    cohen_kappa,
    reader_pairs,
    reclassification,
)
from celltransfer_core.people.reviews import FinalTypes, Review
from celltransfer_core.pipeline.result import RunResult
from celltransfer_core.plots.counts import review_progress_figure
from celltransfer_core.plots.votes import (
    agreement_figure,
    confusion_figure,
    disagreement_figure,
    transport_gain_figure,
    transport_quality_figure,
)


def add_voters(page: Page, result: RunResult) -> None:
    """Add the agreement of the voters (3.4), and the results of each transport (3.3).

    Parameters
    ----------
    page : Page
    result : RunResult
    """
    page.figure(
        "agreement_figure",
        agreement_figure(result.vote.agreement, result.config.flag_threshold),
    )
    names = [voter_label(voter) for voter in result.voters]
    page.figure("disagreement_figure", disagreement_figure(result.vote.choices, names))
    if result.aligned:
        page.figure("transport_gain_figure", transport_gain_figure(result.voters, result.vote))
        page.figure("transport_quality_figure", transport_quality_figure(result.solves))
    else:
        page.text(missing_transport(result))
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


def add_reviews(
    page: Page,
    result: RunResult,
    reviews: Sequence[Review],
    final: FinalTypes,
    inference: Inference,
) -> None:
    """Add the readers' answers: what they changed, accuracy on drawn cells, and agreement.

    Parameters
    ----------
    page : Page
    result : RunResult
    reviews : sequence of Review
        In the order they were made.
    final : FinalTypes
    inference : Inference
        What the answers say about all cells.
    """
    page.heading("Answers by readers")
    if not reviews:
        page.text("No cell has been reviewed: all types are predictions.")
        return
    query = result.query
    add_confusion(page, result, final, inference)
    page.text(describe_reclassification(reclassification(query.cells, result.predicted, reviews)))
    progress = review_progress(query.cells, result.predicted, reviews)
    page.figure("review_progress_figure", review_progress_figure(progress.outcomes, progress.total))
    _add_accuracy(page, inference)
    for first, second in reader_pairs(reviews):
        _add_readers(page, first, second, cohen_kappa(reviews, first, second))


def _add_accuracy(page: Page, inference: Inference) -> None:
    """Add the accuracy of predictions, or what is needed to estimate it."""
    page.text(f"{describe_accuracy(inference)} {describe_left_out(inference.tally)}".rstrip())
    if inference.missing_blind:
        return
    rows = []
    for number, name in enumerate(inference.types):
        among = inference.winner == number
        found = inference.right(among)
        if among.any():
            rows.append((page.chip(name), f"{found.draws}", describe_share(found)))
    page.table(("Predicted type", "Answers on drawn cells", "Share correct (95 % interval)"), rows)


def _add_readers(page: Page, first: str, second: str, found: Concordance) -> None:
    """Add how far two readers agree, on each type and on each cell."""
    page.text(f"{first} and {second}: {describe_concordance(found)}")
    if not found.cells:
        return
    page.table(
        ("Type", *map(html.escape, (first, second)), "Both", "Cohen's κ"),
        [
            (
                page.chip(name),
                f"{one.first}",
                f"{one.second}",
                f"{one.both}",
                "–" if math.isnan(one.kappa) else f"{one.kappa:.2f}",
            )
            for name, one in found.by_type.items()
        ],
    )
    if not found.disagreements:
        return
    cells = len(found.disagreements)
    page.subheading(
        "The cell on which they disagree"
        if cells == 1
        else f"The {cells:,} cells on which they disagree"
    )
    page.table(
        ("Cell", *map(html.escape, (first, second))),
        [
            (one.cell[:12], page.chip(one.first), page.chip(one.second))
            for one in found.disagreements
        ],
    )
