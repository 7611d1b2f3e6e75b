"""Parts of the report on cells: types, voters, and the readers' answers (3.4)."""

from __future__ import annotations

import html
import math
from collections import Counter
from collections.abc import Hashable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from celltransfer_core.outputs.differential import differential_table, with_estimates
from celltransfer_core.outputs.page import Page
from celltransfer_core.outputs.sentences import (
    describe_accuracy,
    describe_composition,
    describe_concordance,
    describe_left_out,
    describe_reclassification,
    describe_share,
    missing_transport,
)
from celltransfer_core.people.accuracy import review_progress
from celltransfer_core.people.composition import Inference
from celltransfer_core.people.counting import USUAL_COUNTS
from celltransfer_core.people.readers import (
    Concordance,
    cohen_kappa,
    reader_pairs,
    reclassification,
)
from celltransfer_core.people.reviews import FinalTypes, Review
from celltransfer_core.pipeline.inferred import infer_run
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
    inference = infer_run(result, reviews)
    before = differential_table(result)
    after = differential_table(result, final, inference) if reviews else None
    drawn = None if after is None else with_estimates(after)
    page.figure("differential_figure", differential_figure(before, page.colours, after=drawn))
    page.text(describe_composition(inference))
    _add_differential(page, before, after)
    page.figure(
        "agreement_figure",
        agreement_figure(result.vote.agreement, result.config.flag_threshold),
    )


def _add_differential(page: Page, before: pd.DataFrame, after: pd.DataFrame | None) -> None:
    """Add the differential count as a table."""

    def told(row: Mapping[Hashable, Any], value: str, low: str, high: str) -> str:
        if math.isnan(row[value]):
            return "–"
        return f"{row[low]:.1f} to {row[high]:.1f} % ({row[value]:.1f})"

    counts = {"Predicted": before} | ({} if after is None else {"After review": after})
    cells: dict[tuple[str, str], dict[str, str]] = {}
    for head, table in counts.items():
        for row in table.to_dict("records"):
            mine = cells.setdefault((row["slide"], row["type"]), {})
            mine[head] = told(row, "percent", "low", "high")
            if head == "Predicted":
                continue
            mine["Corrected by answers"] = told(row, "estimate", "estimate_low", "estimate_high")
            for count in USUAL_COUNTS:
                low, high = row[f"count_{count}_low"], row[f"count_{count}_high"]
                mine[f"In {count} cells"] = "–" if math.isnan(low) else f"{low:.0f} to {high:.0f}"
    heads = dict.fromkeys(head for mine in cells.values() for head in mine)
    page.add("<details><summary>The counts as a table</summary>")
    page.table(
        ("Slide", "Type", *heads),
        [
            (html.escape(slide) or "all cells", page.chip(name), *(m.get(h, "–") for h in heads))
            for (slide, name), m in cells.items()
        ],
    )
    page.text(
        "Percent with 95 % intervals. Predicted and after review: of counting alone. Corrected by "
        "answers: of counting and typing. In 100 and 200 cells: what a count by eye may find "
        "(Rümke); a count outside of it is not explained by chance."
    )
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
    query = result.query
    progress = review_progress(query.cells, result.predicted, reviews)
    page.figure("review_progress_figure", review_progress_figure(progress.outcomes, progress.total))
    _add_accuracy(page, infer_run(result, reviews))
    page.text(describe_reclassification(reclassification(query.cells, result.predicted, reviews)))
    for first, second in reader_pairs(reviews):
        _add_readers(page, first, second, cohen_kappa(reviews, first, second))
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


def _add_accuracy(page: Page, inference: Inference) -> None:
    """Add how often predictions are right, or what is missing to know."""
    page.text(f"{describe_accuracy(inference)} {describe_left_out(inference.tally)}".rstrip())
    if inference.missing_blind:
        return
    rows = []
    for number, name in enumerate(inference.types):
        among = inference.winner == number
        found = inference.right(among)
        if among.any():
            rows.append((page.chip(name), f"{found.draws}", describe_share(found)))
    page.table(("Predicted type", "Answers drawn", "Share right (95 % interval)"), rows)


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
    page.add(f"<details><summary>The {len(found.disagreements)} cells they dispute</summary>")
    page.table(
        ("Cell", *map(html.escape, (first, second))),
        [
            (one.cell[:12], page.chip(one.first), page.chip(one.second))
            for one in found.disagreements
        ],
    )
    page.add("</details>")
