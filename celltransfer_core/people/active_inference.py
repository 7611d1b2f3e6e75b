r"""Active statistical inference: shares of all cells from cells drawn with known probabilities.

The share of cells of a set that are predicted correctly, or are of a type, is estimated with its
interval from predictions for all cells and answers on some of them (Zrnic & Candès, arXiv
2403.03208; Angelopoulos et al., PPI++, arXiv 2311.01453).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from celltransfer_core.people.accuracy import wilson_limits
from celltransfer_core.people.queue import random_sample
from celltransfer_core.people.reviews import Review, settled_answers
from celltransfer_core.types import Bools, Float64, Ints
from celltransfer_core.vocabulary import ARTEFACT, DISPUTED, SKIPPED, UNSURE

_OLD_SHARE = 0.1  # share of the random sample in the queue before probabilities were recorded
_EXPECTED = 20.0  # number of draws as which the expected variance of an answer counts


@dataclass(frozen=True)
class Draws:
    """M cells with an answer that were drawn at random from n cells."""

    cells: Ints
    """Cell numbers, shape (M,)."""
    weights: Float64
    """Number of cells that each drawn cell represents, shape (M,): the inverse of the product of
    its probability and the number of cells that were left; 1 for evenly drawn cells."""
    answered: Ints
    """All cells with a valid answer, drawn or not, shape (A,)."""
    answers: tuple[str, ...]
    """Answer on each of ``answered``: a type or ``none``, length A."""
    artefacts: Ints
    """Images that readers marked as artefacts; they count in no share."""


@dataclass(frozen=True)
class Share:
    """An estimated share of cells and its interval."""

    value: float
    low: float
    high: float
    draws: int
    """Number of drawn cells on which the estimate is based."""


def draws_of(cells: Sequence[str], reviews: Sequence[Review], *, seed: int = 0) -> Draws:
    """Collect the randomly drawn cells and all answers.

    Parameters
    ----------
    cells : sequence of str, length n
        Hashes of the query's cells.
    reviews : sequence of Review
        Reviews of all readers, in the order they were made.
    seed : int
        Seed of the study, which determines the random sample.

    Returns
    -------
    Draws
        For reviews made before probabilities were recorded, only :func:`random_sample` was drawn at
        random. Unsure, disputed and skipped cells have no valid answer. For drawn cells, only
        answers given in this study count, because imported answers could be chosen for the intended
        result.
    """
    place = {cell: number for number, cell in enumerate(cells)}
    weights: dict[int, float] = {}
    old = next((at for at, one in enumerate(reviews) if one.chance is not None), len(reviews))
    weights.update(
        dict.fromkeys(random_sample(cells, reviews[:old], share=_OLD_SHARE, seed=seed), 1.0)
    )
    seen = set[int]()
    for review in reviews:
        cell = place.get(review.cell)
        if cell is None or cell in seen:
            continue
        if review.chance and not review.source:
            weights[cell] = 1 / ((len(cells) - len(seen)) * review.chance)
        seen.add(cell)
    settled = {place[c]: name for c, name in settled_answers(reviews).items() if c in place}
    here = settled_answers([one for one in reviews if not one.source])
    settled |= {cell: here.get(cells[cell], SKIPPED) for cell in weights}
    counted = {
        cell: name
        for cell, name in sorted(settled.items())
        if name not in (UNSURE, ARTEFACT, DISPUTED, SKIPPED)
    }
    drawn = [cell for cell in sorted(weights) if cell in counted]
    return Draws(
        np.array(drawn, dtype=np.int64),
        np.array([weights[cell] for cell in drawn], dtype=np.float64),
        np.array(list(counted), dtype=np.int64),
        tuple(counted.values()),
        np.array([c for c, name in sorted(settled.items()) if name == ARTEFACT], dtype=np.int64),
    )


def estimate_share(
    outcome: Bools,
    expected: Float64,
    draws: Draws,
    chances: Float64,
    *,
    among: Bools | None = None,
    confidence: float = 0.95,
) -> Share:
    r"""Estimate the share of cells of a set with a given property.

    Cells with an answer count as answered. The others count as expected, plus the mean difference
    between answer and expectation in the M drawn cells, each weighted by the number of cells that
    it represents:

    .. math:: \hat\theta = \frac1n \Bigl(\sum_{answered} y_i + \sum_{rest} (\mu_i + \hat\delta)
        \Bigr), \quad \hat\delta = \frac{\sum_m w_m (y_m - \mu_m)}{\sum_m w_m}

    The variance of :math:`\hat\delta` is that of the weighted differences. Because few draws hardly
    reveal it, it is pooled with the variance expected from :math:`\mu`, which counts as twenty
    draws. The limits are the outer ones of two intervals, each with Student's quantile for M − 1
    degrees of freedom: :math:`\hat\theta` plus and minus its standard error, and the Wilson
    interval for the number of evenly drawn cells that would give this error, which is skewed for
    shares near 0 and 1. Limits are clipped to the range that the answers leave possible; they
    extend to 0 if none of the draws has the property, or to 1 if all have it.

    Parameters
    ----------
    outcome : ndarray of bool, shape (A,)
        Whether each of ``draws.answered`` has the property.
    expected : ndarray of float64, shape (n,)
        Probability of the property in each cell, without the cell's own answer.
    draws : Draws
    chances : ndarray of float64, shape (n,)
        Probability of drawing each cell, from
        :func:`~celltransfer_core.people.drawing.draw_chances`.
    among : ndarray of bool, shape (n,), optional
        Cells of the set; all cells by default. Artefacts are excluded.
    confidence : float

    Returns
    -------
    Share
        With fewer than two draws in the set, the value is NaN and the interval is from 0 to 1.
    """
    from scipy.stats import t as student

    inside = np.ones(len(expected), dtype=bool) if among is None else among.copy()
    inside[draws.artefacts] = False
    known = np.zeros(len(expected), dtype=bool)
    known[draws.answered] = True
    value = np.zeros(len(expected))
    value[draws.answered] = outcome
    rest, known = inside & ~known, inside & known
    mine = inside[draws.cells]
    drawn, weights = draws.cells[mine], draws.weights[mine]
    count, total = len(drawn), int(inside.sum())
    least, most = value[known].sum(), value[known].sum() + rest.sum()
    if not rest.any() and total:
        return Share(least / total, least / total, least / total, count)
    if count < 2:
        return Share(math.nan, least / max(total, 1), most / total if total else 1.0, count)
    scale = weights / weights.mean()
    difference = value[drawn] - expected[drawn]
    mean = float((scale * difference).mean())
    seen = float(((scale * (difference - mean)) ** 2).sum() / (count - 1))
    spread = expected * (1 - expected)
    # The variance of a weighted difference if cells are drawn with these probabilities.
    foreseen = float((spread[inside] / chances[inside]).sum() * chances[inside].sum() / total**2)
    variance = (count * seen + _EXPECTED * foreseen) / (count + _EXPECTED)
    part = float(rest.sum() / total)
    error = part * math.sqrt(variance / count)
    bounds = least / total, most / total
    middle = float(value[known].sum() + expected[rest].sum()) / total + part * mean
    middle = float(np.clip(middle, *bounds))
    quantile = float(student.ppf((1 + confidence) / 2, count - 1))
    # The share at which the error is computed is never 0 or 1 (Agresti & Coull, 1998).
    towards = (middle * count + 2) / (count + 4)
    skewed = wilson_limits(middle, towards * (1 - towards) / max(error**2, 1e-12), quantile)
    low, high = (
        min(middle - quantile * error, skewed[0]) if value[drawn].any() else 0.0,
        max(middle + quantile * error, skewed[1]) if not value[drawn].all() else 1.0,
    )
    return Share(middle, float(np.clip(low, *bounds)), float(np.clip(high, *bounds)), count)
