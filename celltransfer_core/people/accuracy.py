"""TODO celltransfer_core/people/accuracy.py."""

from __future__ import annotations

import datetime as dt
import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from statistics import NormalDist

import numpy as np

from celltransfer_core.people.queue import BLIND_SHARE, looked_at, random_sample
from celltransfer_core.people.reviews import Review, _words, final_types, settle
from celltransfer_core.vocabulary import ARTEFACT, DISPUTED, SKIPPED, UNSURE

_BREAK = 120  # seconds without an answer after which the reader was away


@dataclass(frozen=True)
class Estimate:
    """A share of right predictions and its interval."""

    right: int
    cells: int
    accuracy: float
    """In [0, 1]; NaN without any cell."""
    low: float
    high: float


@dataclass(frozen=True)
class SampleAccuracy:
    """What the random sample says of the vote."""

    overall: Estimate
    by_type: Mapping[str, Estimate]
    """Of the cells predicted to be of each type, how many are."""
    drawn: int
    """Cells of the sample so far; those below are among them and in no estimate."""
    unsure: int
    artefact: int
    skipped: int
    disputed: int


@dataclass(frozen=True)
class Disagreement:
    """A cell that two readers named differently."""

    cell: str
    first: str
    second: str


@dataclass(frozen=True)
class Concordance:
    """How far two readers agree."""

    cells: int
    """Cells to which both gave a type, or said artefact."""
    agreed: int
    unsure: int
    """Cells that both answered and at least one was unsure of; not among ``cells``."""
    kappa: float
    """Cohen's; NaN without any cell, or where both know but one and the same answer."""
    disagreements: tuple[Disagreement, ...]


@dataclass(frozen=True)
class ReviewProgress:
    """How far a review is, and how fast it goes."""

    outcomes: Mapping[str, int]
    """Cells that were accepted, changed, artefact, unsure, disputed; they sum to ``answered``."""
    answered: int
    skipped: int
    total: int
    cells_per_minute: float
    """NaN until two answers were given without a break between them."""
    minutes_left: float
    """NaN where the speed is."""


def wilson(right: int, cells: int, confidence: float = 0.95) -> Estimate:
    """Estimate a share with Wilson's interval.

    Parameters
    ----------
    right, cells : int
    confidence : float
        Probability that the interval holds the true share.

    Returns
    -------
    Estimate
        From 0 to 1 without any cell.
    """
    if not cells:
        return Estimate(0, 0, math.nan, 0.0, 1.0)
    z = NormalDist().inv_cdf((1 + confidence) / 2)
    p = right / cells
    spread = 1 + z**2 / cells
    middle = (p + z**2 / (2 * cells)) / spread
    half = z * math.sqrt(p * (1 - p) / cells + z**2 / (4 * cells**2)) / spread
    low = 0.0 if right == 0 else middle - half
    high = 1.0 if right == cells else middle + half
    return Estimate(right, cells, p, low, high)


def cells_needed(half_width: float, *, accuracy: float = 0.5, confidence: float = 0.95) -> int:
    """Say how many cells of the random sample an interval needs.

    Parameters
    ----------
    half_width : float
        Half the width that Wilson's interval should have, such as 0.05 for ± 5 points.
    accuracy : float
        What to expect; 0.5 needs the most.
    confidence : float

    Returns
    -------
    int
        Cells with an answer that counts.

    Raises
    ------
    ValueError
        If half the width is not between 0 and 0.5.
    """
    if not 0 < half_width < 0.5:
        raise ValueError(f"Half the width is {half_width}, not between 0 and 0.5.")
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
    """Estimate from the random sample how often the vote is right.

    Parameters
    ----------
    cells : sequence of str, length n
        Hashes of the query's cells.
    predicted : sequence of str, length n
        Must not have learnt from these very reviews.
    reviews : sequence of Review
        Answers of those that are blind count; the others say how far the queue is. Several readers
        of one cell settle it as in :func:`final_types`.
    share : float
    seed : int
        Both as for :func:`review_queue`.
    confidence : float
        Of the intervals.

    Returns
    -------
    SampleAccuracy
        Over :func:`random_sample`. Unsure, artefact, skipped and disputed cells are counted apart.
        An answer that the reference has no type for counts as a wrong prediction. The intervals
        take the query for large.
    """
    sample = random_sample(cells, reviews, share=share, seed=seed)
    blind = [one for one in reviews if one.blind]
    words = _words(blind)
    settled = {cell: settle(words.get(cells[cell], {}).values()) for cell in sample}
    apart = Counter(settled.values())
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
        unsure=apart[UNSURE],
        artefact=apart[ARTEFACT],
        skipped=apart[""],
        disputed=apart[DISPUTED],
    )


def cohen_kappa(reviews: Sequence[Review], first: str, second: str) -> Concordance:
    """Compare two readers.

    Parameters
    ----------
    reviews : sequence of Review
    first, second : str
        Readers.

    Returns
    -------
    Concordance
        Over the last answer of each on the cells that both answered. Artefact is an answer like a
        type; cells that one of them is unsure of are counted apart.
    """
    from sklearn.metrics import cohen_kappa_score

    both = {
        cell: (said[first].answer, said[second].answer)
        for cell, said in _words(reviews).items()
        if first in said and second in said
    }
    certain = {cell: pair for cell, pair in both.items() if UNSURE not in pair}
    pairs = list(certain.values())
    several = len({answer for pair in pairs for answer in pair}) > 1
    return Concordance(
        cells=len(pairs),
        agreed=sum(one == other for one, other in pairs),
        unsure=len(both) - len(certain),
        kappa=float(cohen_kappa_score(*zip(*pairs, strict=True))) if several else math.nan,
        disagreements=tuple(
            Disagreement(cell, *pair) for cell, pair in certain.items() if pair[0] != pair[1]
        ),
    )


def reader_pairs(reviews: Sequence[Review]) -> list[tuple[str, str]]:
    """List the pairs of readers who answered at least one cell both.

    Parameters
    ----------
    reviews : sequence of Review

    Returns
    -------
    list of (str, str)
        Those with the most cells in common first.
    """
    together: Counter[tuple[str, str]] = Counter()
    for said in _words(reviews).values():
        together.update(combinations(sorted(said), 2))
    return sorted(together, key=lambda pair: (-together[pair], pair))


def review_progress(
    cells: Sequence[str], predicted: Sequence[str], reviews: Sequence[Review], *, last: int = 50
) -> ReviewProgress:
    """Say how far a review is and how fast it goes.

    Parameters
    ----------
    cells : sequence of str, length n
        Hashes of the query's cells.
    predicted : sequence of str, length n
    reviews : sequence of Review
        Speed is that of all readers together; hand in one reader's for theirs.
    last : int
        Answers that speed is measured on.

    Returns
    -------
    ReviewProgress
        Two minutes without an answer are a break and do not count, nor do the answers that end it:
        how long they took is not known.
    """
    settled = final_types(cells, predicted, reviews).reviewed
    answered = int((settled != "").sum())
    apart = (ARTEFACT, UNSURE, DISPUTED)
    found = Counter(
        word if word in apart else "accepted" if word == guess else "changed"
        for word, guess in zip(settled.tolist(), predicted, strict=True)
        if word
    )
    known = set(cells)
    # Whole seconds, so that several cells answered at one stroke share one.
    seconds = [
        math.floor(dt.datetime.fromisoformat(one.time).timestamp())
        for one in reviews
        if one.answer != SKIPPED and one.cell in known
    ][-last:]
    strokes, counts = np.unique(seconds, return_counts=True)
    gaps = np.diff(strokes)
    at_work = gaps <= _BREAK
    speed = 60 * float(counts[1:][at_work].sum() / gaps[at_work].sum()) if at_work.any() else None
    return ReviewProgress(
        outcomes={name: found[name] for name in ("accepted", "changed", *apart)},
        answered=answered,
        skipped=len(looked_at(cells, reviews)[1]),
        total=len(cells),
        cells_per_minute=speed or math.nan,
        minutes_left=(len(cells) - answered) / speed if speed else math.nan,
    )
