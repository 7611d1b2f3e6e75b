"""Parts of the report on cells: types, voters, and the readers' answers (3.4)."""

from __future__ import annotations

import html
from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING

from celltransfer_core.outputs.page import Page
from celltransfer_core.outputs.sentences import (
    describe_concordance,
    describe_sample,
    interval,
    missing_transport,
    percent,
)
from celltransfer_core.outputs.tables import differential_table
from celltransfer_core.people.accuracy import (
    cohen_kappa,
    reader_pairs,
    review_progress,
    sample_accuracy,
)
from celltransfer_core.people.reviews import FinalTypes, Review
from celltransfer_core.pipeline.result import RunResult
from celltransfer_core.plots.counts import (
    composition_figure,
    differential_figure,
    review_progress_figure,
)
from celltransfer_core.plots.votes import (
    agreement_figure,
    confusion_figure,
    disagreement_figure,
    transport_gain_figure,
    transport_quality_figure,
)
from celltransfer_core.vocabulary import ARTEFACT, DISPUTED, UNSURE

if TYPE_CHECKING:
    import pandas as pd


def add_composition(
    page: Page, result: RunResult, reviews: Sequence[Review], final: Sequence[str]
) -> None:
    """Add the types of the cells, the differential count of each slide, and the agreement.

    Parameters
    ----------
    page : Page
    result : RunResult
    reviews : sequence of Review
        In the order they were made.
    final : sequence of str, length m
        Final type of each query cell.
    """
    page.heading("Which types there are")
    counts = dict.fromkeys(result.types, 0) | Counter(result.predicted)
    page.figure("composition_figure", composition_figure(counts, page.colours))
    before = differential_table(result)
    after = differential_table(result, final) if reviews else None
    page.figure("differential_figure", differential_figure(before, page.colours, after=after))
    _add_differential(page, before, after)
    page.figure(
        "agreement_figure",
        agreement_figure(result.vote.agreement, result.config.flag_threshold),
    )


def _add_differential(page: Page, before: pd.DataFrame, after: pd.DataFrame | None) -> None:
    """Add the differential count as a table."""

    def percentages(table: pd.DataFrame) -> dict[tuple[str, str], str]:
        return {
            (
                row["slide"],
                row["type"],
            ): f"{row['percent']:.1f} % ({row['low']:.1f}–{row['high']:.1f})"
            for row in table.to_dict("records")
        }

    tables = [percentages(before)] + ([percentages(after)] if after is not None else [])
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


def add_voters(page: Page, result: RunResult) -> None:
    """Add how the voters agree (3.4), and how each transport went (3.3).

    Parameters
    ----------
    page : Page
    result : RunResult
    """
    page.heading("How the voters did")
    names = [voter.name for voter in result.voters]
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
    page: Page, result: RunResult, reviews: Sequence[Review], final: FinalTypes
) -> None:
    """Add the readers' answers: accuracy on the blind sample, agreement, and confusions.

    Parameters
    ----------
    page : Page
    result : RunResult
    reviews : sequence of Review
        In the order they were made.
    final : FinalTypes
    """
    page.heading("What people said")
    if not reviews:
        page.text("No cell has been reviewed: all types are predictions.")
        return
    query, seed = result.query, result.config.seed
    progress = review_progress(query.cells, result.predicted, reviews)
    page.figure("review_progress_figure", review_progress_figure(progress.outcomes, progress.total))
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
    no_type = ("", ARTEFACT, UNSURE, DISPUTED)
    typed = [cell for cell, answer in enumerate(final.reviewed.tolist()) if answer not in no_type]
    if typed:
        page.figure(
            "confusion_figure",
            confusion_figure(
                [result.predicted[cell] for cell in typed],
                [str(final.reviewed[cell]) for cell in typed],
                result.types,
                names=("predicted", "reviewed"),
                title="Prediction against review",
            ),
        )
