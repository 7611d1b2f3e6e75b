"""Inference from answers on drawn cells: share of correct predictions and of each type.

From the vote and the answers, shares are estimated with intervals that account for typing errors.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np

from celltransfer_core.classify.voting import Vote
from celltransfer_core.people.accuracy import cells_needed, wilson_limits
from celltransfer_core.people.active_inference import Draws, Share, draws_of, estimate_share
from celltransfer_core.people.drawing import draw_chances
from celltransfer_core.people.queue import blind_sample_size
from celltransfer_core.people.reviews import Review
from celltransfer_core.people.tally import Tally, tally_answers
from celltransfer_core.people.temperature import scale_types
from celltransfer_core.types import Bools, Float64, Ints

ESTIMATED_FROM = 20
"""Number of drawn cells with an answer required before shares of all cells are estimated; for the
accuracy, the same number of blind cells."""


@dataclass(frozen=True)
class Inference:
    """Inference from the answers for n cells and T types."""

    types: tuple[str, ...]
    """Types of the vote, then other answers, length T."""
    winner: Ints
    """Number of each cell's predicted type, shape (n,)."""
    probabilities: Float64
    """Probabilities of the types, scaled to fit the answers, without a cell's own answer, shape (n,
    T)."""
    draws: Draws
    chances: Float64
    """Probability of drawing each cell, shape (n,)."""
    tally: Tally
    """Use of every answer."""

    @property
    def missing_draws(self) -> int:
        """Number of further drawn cells required to estimate the types."""
        return max(ESTIMATED_FROM - self.tally.drawn, 0)

    @property
    def missing_blind(self) -> int:
        """Number of further blind cells required to estimate the accuracy."""
        return max(ESTIMATED_FROM - self.tally.blind, 0)

    @property
    def most_blind(self) -> int:
        """Maximum number of blind cells: those of the random sample not answered out of turn."""
        return blind_sample_size(len(self.chances)) - self.tally.out_of_sample

    def right(self, among: Bools | None = None) -> Share:
        """Estimate the share of cells that are predicted correctly.

        Parameters
        ----------
        among : ndarray of bool, shape (n,), optional
            Cells to include, such as the unflagged ones; all by default.

        Returns
        -------
        Share
            Accuracy of the vote: a cell's own answer has no part in its prediction.
        """
        answers = np.array([self.types.index(name) for name in self.draws.answers], dtype=np.int64)
        expected = self.probabilities[np.arange(len(self.winner)), self.winner]
        return self._share(self.winner[self.draws.answered] == answers, expected, among)

    def errors(self, among: Bools | None = None) -> Share:
        """Estimate the share of cells that are predicted incorrectly.

        Parameters
        ----------
        among : ndarray of bool, shape (n,), optional

        Returns
        -------
        Share
        """
        found = self.right(among)
        return Share(1 - found.value, 1 - found.high, 1 - found.low, found.draws)

    def of_type(self, name: str, among: Bools | None = None) -> Share:
        """Estimate the share of cells that truly are of a type.

        Parameters
        ----------
        name : str
        among : ndarray of bool, shape (n,), optional
            Cells to include, such as those of one slide; all by default.

        Returns
        -------
        Share
        """
        outcome = np.array([answer == name for answer in self.draws.answers], dtype=bool)
        place = self.types.index(name) if name in self.types else None
        expected = np.zeros(len(self.winner)) if place is None else self.probabilities[:, place]
        return self._share(outcome, expected, among)

    def _share(self, outcome: Bools, expected: Float64, among: Bools | None) -> Share:
        return estimate_share(outcome, expected, self.draws, self.chances, among=among)


def infer(
    cells: Sequence[str],
    types: Sequence[str],
    probabilities: Float64,
    vote: Vote,
    reviews: Sequence[Review],
    *,
    seed: int = 0,
) -> Inference:
    """Infer the types of all cells from the answers.

    Parameters
    ----------
    cells : sequence of str, length n
        Hashes of the query's cells.
    types : sequence of str, length T
    probabilities : ndarray of float64, shape (n, T)
        Probabilities of the vote; those of an answered cell must not use its answer.
    vote : Vote
    reviews : sequence of Review
        Reviews of all readers, in the order they were made.
    seed : int
        Seed of the study, which determines the random sample.

    Returns
    -------
    Inference
    """
    draws = draws_of(cells, reviews, seed=seed)
    every = (*types, *sorted(set(draws.answers) - set(types)))
    padded = np.pad(probabilities, ((0, 0), (0, len(every) - len(types))))
    numbers = [every.index(name) for name in draws.answers]
    chances = draw_chances(vote)
    evenly = float(np.mean(draws.weights == 1)) if len(draws.weights) else 0.0
    return Inference(
        types=every,
        winner=vote.winner,
        probabilities=scale_types(padded, draws.answered, numbers),
        draws=draws,
        chances=evenly / max(len(cells), 1) + (1 - evenly) * chances,
        tally=tally_answers(cells, reviews, draws),
    )


def draws_needed(share: Share, cells: int, half_width: float) -> int:
    """Estimate the number of drawn cells required for a given interval width.

    Parameters
    ----------
    share : Share
        Current estimate of the share.
    cells : int
        Number of query cells.
    half_width : float
        Required half-width, such as 0.05 for ± 5 points.

    Returns
    -------
    int
        Computed from the width of the current interval, which reflects the differences between
        answers and predictions and the uncertainty of few draws; from a share of one half as long
        as nothing is known. At most the number of cells.

    Examples
    --------
    >>> found = Share(0.9, 0.8, 1.0, 50)
    >>> draws_needed(found, 10_000, 0.05), draws_needed(found, 100, 0.05)
    (198, 80)
    """
    if math.isnan(share.value):
        return min(cells_needed(half_width), cells)
    half = (share.high - share.low) / 2
    if share.draws >= cells or half <= half_width:
        return share.draws
    of_one = half**2 / (1 / share.draws - 1 / cells)
    return math.ceil(1 / (half_width**2 / of_one + 1 / cells) - 1e-9)


def with_counting(share: Share, cells: int) -> tuple[float, float]:
    """Combine the uncertainty of typing with that of counting cells of a specimen.

    Parameters
    ----------
    share : Share
        Share among the cells of a slide.
    cells : int
        Number of cells counted on the slide.

    Returns
    -------
    low, high : float
        The slide's cells are a sample of the specimen's. Distances of the limits from the estimate
        are combined as for independent errors (MOVER; Zou & Donner, Stat. Med. 27:1693, 2008), with
        the Wilson interval for counting. From 0 to 1 if the share is unknown.

    Examples
    --------
    >>> low, high = with_counting(Share(0.5, 0.4, 0.6, 50), 100)
    >>> round(low, 2), round(high, 2)
    (0.36, 0.64)
    """
    if math.isnan(share.value):
        return 0.0, 1.0
    counted = wilson_limits(share.value, cells, NormalDist().inv_cdf(0.975))
    low = share.value - math.hypot(share.value - share.low, share.value - counted[0])
    high = share.value + math.hypot(share.high - share.value, counted[1] - share.value)
    return max(low, 0.0), min(high, 1.0)
