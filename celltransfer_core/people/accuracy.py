"""Figures for a review: accuracy of the vote on the random sample, and progress.

In: reviews and predictions. Out: estimates with their intervals.
"""

from __future__ import annotations

import datetime as dt
import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np

from celltransfer_core.people.queue import BLIND_SHARE, random_sample, seen_cells
from celltransfer_core.people.reviews import Review, final_types, last_answers, settle
from celltransfer_core.vocabulary import ARTEFACT, DISPUTED, SKIPPED, UNSURE

_BREAK = 120  # seconds without an answer after which the reader is assumed to be away


@dataclass(frozen=True)
class Estimate:
    """Share of correct predictions and its interval."""

    right: int
    cells: int
    accuracy: float
    """In [0, 1]; NaN without cells."""
    low: float
    high: float


@dataclass(frozen=True)
class SampleAccuracy:
    """Accuracy of the vote on the random sample."""

    overall: Estimate
    by_type: Mapping[str, Estimate]
    """Share of correct predictions among the cells predicted as each type."""
    drawn: int
    """Cells of the sample so far, including those counted below, which enter no estimate."""
    unsure: int
    artefact: int
    skipped: int
    disputed: int


@dataclass(frozen=True)
class ReviewProgress:
    """Progress and speed of a review."""

    outcomes: Mapping[str, int]
    """Numbers of cells that were accepted, changed, artefact, unsure or disputed; they sum to
    ``answered``."""
    answered: int
    skipped: int
    total: int
    cells_per_minute: float
    """NaN until two answers are given without a break between them."""
    minutes_left: float
    """NaN if the speed is."""


def wilson(right: int, cells: int, confidence: float = 0.95) -> Estimate:
    """Estimate a share with its Wilson interval.

    Parameters
    ----------
    right, cells : int
    confidence : float
        Probability that the interval contains the true share.

    Returns
    -------
    Estimate
        The interval is from 0 to 1 if there are no cells.

    Examples
    --------
    >>> found = wilson(9, 10)
    >>> found.accuracy, round(found.low, 3), round(found.high, 3)
    (0.9, 0.596, 0.982)
    """
    if not cells:
        return Estimate(0, 0, math.nan, 0.0, 1.0)
    low, high = wilson_limits(right / cells, cells, NormalDist().inv_cdf((1 + confidence) / 2))
    return Estimate(
        right,
        cells,
        right / cells,
        0.0 if right == 0 else low,
        1.0 if right == cells else high,
    )


def wilson_limits(share: float, cells: float, quantile: float) -> tuple[float, float]:
    """Compute Wilson's interval around a share.

    Parameters
    ----------
    share : float
        In [0, 1].
    cells : float
        Number of evenly drawn cells, or the number that would give the same standard error; above
        zero.
    quantile : float
        Quantile of the standard error's distribution, such as 1.96.

    Returns
    -------
    low, high : float

    Examples
    --------
    >>> [round(limit, 3) for limit in wilson_limits(0.9, 10, 1.96)]
    [0.596, 0.982]
    """
    spread = 1 + quantile**2 / cells
    middle = (share + quantile**2 / (2 * cells)) / spread
    half = share * (1 - share) / cells + quantile**2 / (4 * cells**2)
    half = quantile * math.sqrt(max(half, 0.0)) / spread
    return middle - half, middle + half


def cells_needed(half_width: float, *, accuracy: float = 0.5, confidence: float = 0.95) -> int:
    """Compute the number of cells of the random sample that an interval requires.

    Parameters
    ----------
    half_width : float
        Half-width of the Wilson interval, such as 0.05 for ± 5 points.
    accuracy : float
        Expected accuracy; 0.5 needs the most cells.
    confidence : float

    Returns
    -------
    int
        Number of cells with an answer that counts in the estimate.

    Raises
    ------
    ValueError
        If the half-width is not between 0 and 0.5.

    Examples
    --------
    >>> cells_needed(0.05)
    381
    """
    if not 0 < half_width < 0.5:
        raise ValueError(f"The half-width is {half_width}, not between 0 and 0.5.")
    z = NormalDist().inv_cdf((1 + confidence) / 2)
    # The width as above, solved for u = z² / cells.
    a = half_width**2 - 0.25
    b = 2 * half_width**2 - accuracy * (1 - accuracy)
    u = (-b - math.sqrt(b**2 - 4 * a * half_width**2)) / (2 * a)
    return math.ceil(z**2 / u - 1e-9)


def sample_accuracy(
    cells: Sequence[str],
    predicted: Sequence[str],
    reviews: Sequence[Review],
    *,
    share: float = BLIND_SHARE,
    seed: int = 0,
    confidence: float = 0.95,
) -> SampleAccuracy:
    """Estimate the accuracy of the vote from the random sample.

    Parameters
    ----------
    cells : sequence of str, length n
        Hashes of the query's cells.
    predicted : sequence of str, length n
        Predictions that do not use the answers on the cells themselves.
    reviews : sequence of Review
        Answers of blind reviews count; the others determine the position in the queue. Answers of
        several readers on one cell are settled as in :func:`final_types`.
    share : float
    seed : int
        Both as for :func:`review_queue`.
    confidence : float
        Confidence level of the intervals.

    Returns
    -------
    SampleAccuracy
        Accuracy over :func:`random_sample`. Unsure, artefact, skipped and disputed cells are
        counted separately. A type that the reference lacks counts as a wrong prediction. The
        intervals assume that the query is much larger than the sample.
    """
    sample = random_sample(cells, reviews, share=share, seed=seed)
    blind = [one for one in reviews if one.blind]
    answers = last_answers(blind)
    settled = {cell: settle(answers.get(cells[cell], {}).values()) for cell in sample}
    counts = Counter(settled.values())
    counted = [c for c in sample if settled[c] not in ("", UNSURE, ARTEFACT, DISPUTED)]
    asked = Counter(predicted[cell] for cell in counted)
    right = Counter(predicted[cell] for cell in counted if settled[cell] == predicted[cell])
    return SampleAccuracy(
        overall=wilson(right.total(), asked.total(), confidence),
        by_type={
            name: wilson(right[name], asked[name], confidence)
            for name in sorted({str(name) for name in predicted})
        },
        drawn=len(sample),
        unsure=counts[UNSURE],
        artefact=counts[ARTEFACT],
        skipped=counts[""],
        disputed=counts[DISPUTED],
    )


def review_progress(
    cells: Sequence[str], predicted: Sequence[str], reviews: Sequence[Review], *, last: int = 50
) -> ReviewProgress:
    """Compute the progress and speed of a review.

    Parameters
    ----------
    cells : sequence of str, length n
        Hashes of the query's cells.
    predicted : sequence of str, length n
    reviews : sequence of Review
        The speed is that of all readers together; for the speed of one reader, pass that reader's
        reviews.
    last : int
        Number of most recent answers from which the speed is measured.

    Returns
    -------
    ReviewProgress
        Two minutes without an answer are a break. Breaks and the answers that end them do not
        count, because the time that these answers took is unknown.
    """
    settled = final_types(cells, predicted, reviews).reviewed
    answered = int((settled != "").sum())
    not_types = (ARTEFACT, UNSURE, DISPUTED)
    found = Counter(
        answer if answer in not_types else "accepted" if answer == guess else "changed"
        for answer, guess in zip(settled.tolist(), predicted, strict=True)
        if answer
    )
    known = set(cells)
    # Whole seconds, so that cells answered together share one.
    seconds = [
        math.floor(dt.datetime.fromisoformat(one.time).timestamp())
        for one in reviews
        if one.answer != SKIPPED and one.cell in known
    ][-last:]
    times, counts = np.unique(seconds, return_counts=True)
    gaps = np.diff(times)
    at_work = gaps <= _BREAK
    speed = 60 * float(counts[1:][at_work].sum() / gaps[at_work].sum()) if at_work.any() else None
    return ReviewProgress(
        outcomes={name: found[name] for name in ("accepted", "changed", *not_types)},
        answered=answered,
        skipped=len(seen_cells(cells, reviews)[1]),
        total=len(cells),
        cells_per_minute=speed or math.nan,
        minutes_left=(len(cells) - answered) / speed if speed else math.nan,
    )
