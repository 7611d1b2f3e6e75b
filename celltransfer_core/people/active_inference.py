r"""Active statistical inference: from cells drawn with known probabilities to shares of all cells.

Predictions of all cells and answers on some of them go in; how many cells of a set are right, or of
a type, comes out with its interval (Zrnic & Candès, arXiv 2403.03208; Angelopoulos et al., PPI++,
arXiv 2311.01453).
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

_OLD_SHARE = 0.1  # of the queue that was the random sample before chances were kept
_EXPECTED = 20.0  # draws that the expected variance of an answer counts as


@dataclass(frozen=True)
class Draws:
    """M cells with an answer that were drawn by chance, among n cells."""

    cells: Ints
    """Cell numbers, shape (M,)."""
    weights: Float64
    """How many cells each stands for: one over its chance and the number of cells that were left,
    1 for cells drawn evenly, shape (M,)."""
    answered: Ints
    """All cells with an answer that counts, drawn or not, shape (A,)."""
    answers: tuple[str, ...]
    """On each of ``answered``: a type or none of them, length A."""
    artefacts: Ints
    """Cells that readers found to be none; they are no part of any share."""


@dataclass(frozen=True)
class Share:
    """An estimated share of cells and its interval."""

    value: float
    low: float
    high: float
    draws: int
    """Drawn cells that it rests on."""


def draws_of(cells: Sequence[str], reviews: Sequence[Review], *, seed: int = 0) -> Draws:
    """Collect the cells that were drawn by chance, and all answers.

    Parameters
    ----------
    cells : sequence of str, length n
        Hashes of the query's cells.
    reviews : sequence of Review
        In the order they were made, of all readers.
    seed : int
        Of the random sample; the study's.

    Returns
    -------
    Draws
        Of reviews from before chances were kept, :func:`random_sample` alone was drawn by chance.
        Unsure, disputed and skipped cells have no answer that counts. Of a drawn cell those count
        that were given here: one that was brought in could be anything that was to be proven.
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
    r"""Estimate in how many cells of a set something is so.

    Cells with an answer count as answered. The others count as expected, plus the mean difference
    of answer and expectation in the M drawn cells, each weighted by how many cells it stands for:

    .. math:: \hat\theta = \frac1n \Bigl(\sum_{answered} y_i + \sum_{rest} (\mu_i + \hat\delta)
        \Bigr), \quad \hat\delta = \frac{\sum_m w_m (y_m - \mu_m)}{\sum_m w_m}

    The variance of :math:`\hat\delta` is that of the weighted differences, and as few draws
    hardly show it, joined with the one that :math:`\mu` leads to expect, which counts as twenty
    draws. Of two intervals, each with Student's quantile for M − 1 degrees of freedom, the outer
    limits count: :math:`\hat\theta` plus and minus its standard error, and Wilson's for as many
    cells drawn evenly as would give this error, which is skewed as shares near 0 and 1 are. Limits
    are cut to what the answers leave possible, and reach 0 where none of the draws is so, or 1
    where all are.

    Parameters
    ----------
    outcome : ndarray of bool, shape (A,)
        Whether it is so in each of ``draws.answered``.
    expected : ndarray of float64, shape (n,)
        Its probability in each cell, where the cell's own answer has no part.
    draws : Draws
    chances : ndarray of float64, shape (n,)
        Of drawing each cell, as :func:`~celltransfer_core.people.drawing.draw_chances` has it.
    among : ndarray of bool, shape (n,), optional
        The set; all cells by default. Artefacts are no part of it.
    confidence : float

    Returns
    -------
    Share
        NaN, and from 0 to 1, with fewer than two draws in the set.
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
    # The variance of a weighted difference if cells are drawn with these chances.
    foreseen = float((spread[inside] / chances[inside]).sum() * chances[inside].sum() / total**2)
    variance = (count * seen + _EXPECTED * foreseen) / (count + _EXPECTED)
    part = float(rest.sum() / total)
    error = part * math.sqrt(variance / count)
    bounds = least / total, most / total
    middle = float(value[known].sum() + expected[rest].sum()) / total + part * mean
    middle = float(np.clip(middle, *bounds))
    quantile = float(student.ppf((1 + confidence) / 2, count - 1))
    # The share that the error is taken at is never 0 or 1 (Agresti & Coull, 1998).
    towards = (middle * count + 2) / (count + 4)
    skewed = wilson_limits(middle, towards * (1 - towards) / max(error**2, 1e-12), quantile)
    low, high = (
        min(middle - quantile * error, skewed[0]) if value[drawn].any() else 0.0,
        max(middle + quantile * error, skewed[1]) if not value[drawn].all() else 1.0,
    )
    return Share(middle, float(np.clip(low, *bounds)), float(np.clip(high, *bounds)), count)
