r"""The accuracy to expect of a vote: what the vote lets expect, and what drawn answers say, joined.

A normal distribution of the log odds and an estimated share go in; a range of accuracies comes out,
and how many answers may still be wanted. No label goes in but a person's answers.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np

from celltransfer_core.people.active_inference import Share
from celltransfer_core.types import Float64

WARNED_BELOW = 0.7
"""Accuracy below which a vote is of little use as it is."""

WARNED_FROM = 0.2
"""Probability of less than :data:`WARNED_BELOW` from which a warning is due; see
``tests/benchmarks/expected_accuracy.py``."""

COVERED = 0.8
"""Probability that the range holds the accuracy."""

WANTED = 0.9
"""Accuracy that answers are wanted for."""

LIKELY = 0.75
"""Probability of :data:`WANTED` with the most answers; with the least it is one minus this."""

MOST_ANSWERS = 50
"""Answers up to which it was measured what they are worth."""

_GRID = np.linspace(-7, 7, 1401)  # log odds
_NORMAL = NormalDist()


@dataclass(frozen=True)
class Learning:
    r"""What answers make of a vote: log odds after n answers, given those after k.

    .. math:: b_n = b_k + (a + s\, b_k) \log\frac{n + 10}{k + 10}
    """

    gain: float
    """a"""
    slope: float
    """s, of the log odds before."""
    spread: float
    """Standard deviation after fifty answers from none."""


@dataclass(frozen=True)
class Expected:
    """The accuracy to expect of a vote on all cells, as far as it can be told."""

    value: float
    """Best guess: the median."""
    low: float
    high: float
    """Range that holds it with probability :data:`COVERED`."""
    poor: float
    """Probability that it is below :data:`WARNED_BELOW`."""
    draws: int
    """Answers on drawn cells that it rests on; zero before any."""
    wanted: tuple[int, int] | None
    """Least and most answers still wanted for :data:`WANTED`: (0, 0) where it is likely reached;
    the most is above :data:`MOST_ANSWERS` where as many may not do; None where even the least is,
    so that it cannot be told."""

    @property
    def warns(self) -> bool:
        """Whether a person should do something before going on."""
        return self.poor >= WARNED_FROM


def expect(mean: float, spread: float, learning: Learning, share: Share, typed: int) -> Expected:
    """Join what a vote lets expect with what answers say.

    Parameters
    ----------
    mean, spread : float
        Of the normal distribution of the accuracy's log odds, before answers were looked at.
    learning : Learning
    share : Share
        Of the cells that are predicted rightly, as answers on drawn cells tell; NaN where they do
        not.
    typed : int
        Answers that the vote has learnt from.

    Returns
    -------
    Expected

    Notes
    -----
    The share counts as so many evenly drawn cells as would have its standard error (see
    :func:`~celltransfer_core.people.active_inference.estimate_share`).

    Examples
    --------
    >>> unknown = Share(math.nan, 0.0, 1.0, 0)
    >>> before = expect(1.5, 0.8, Learning(0.5, 0.0, 0.5), unknown, 0)
    >>> told = expect(1.5, 0.8, Learning(0.5, 0.0, 0.5), Share(0.9, 0.82, 0.96, 50), 50)
    >>> [round(100 * one) for one in (before.low, before.value, before.high)]
    [62, 82, 93]
    >>> [round(100 * one) for one in (told.low, told.value, told.high)]
    [85, 89, 93]
    """
    density = _density(mean, spread, share)
    reached = np.cumsum(density)
    beyond = (1 - COVERED) / 2
    low, middle, high = (_accuracy(_quantile(reached, q)) for q in (beyond, 0.5, 1 - beyond))
    poor = float(density[_accuracies(_GRID) < WARNED_BELOW].sum())
    return Expected(middle, low, high, poor, share.draws, _wanted(reached, learning, typed))


def _density(mean: float, spread: float, share: Share) -> Float64:
    """Compute the probability of each log odds of the grid."""
    logs = -0.5 * ((_GRID - mean) / spread) ** 2
    if not math.isnan(share.value):
        # Never 0 or 1 (Agresti & Coull, 1998).
        right = (share.value * share.draws + 2) / (share.draws + 4)
        error = (share.high - share.low) / (2 * _NORMAL.inv_cdf(0.975))
        worth = right * (1 - right) / max(error, 1e-3) ** 2
        accuracy = _accuracies(_GRID)
        logs += worth * (share.value * np.log(accuracy) + (1 - share.value) * np.log1p(-accuracy))
    density = np.exp(logs - logs.max())
    return np.asarray(density / density.sum())


def _wanted(reached: Float64, learning: Learning, typed: int) -> tuple[int, int] | None:
    """Tell after how many more answers the wanted accuracy is possible, and likely."""
    from scipy.special import ndtr

    goal = math.log(WANTED / (1 - WANTED))
    steps = np.arange(MOST_ANSWERS + 1)
    grown = np.log((steps + typed + 10) / (typed + 10))
    after = _GRID[:, None] + (learning.gain + learning.slope * _GRID[:, None]) * grown
    spread = learning.spread * np.sqrt(grown / math.log(6)) + 1e-6
    density = np.diff(reached, prepend=0.0)
    likely = density @ ndtr((after - goal) / spread)
    least, most = (int(np.argmax(likely >= share)) for share in (1 - LIKELY, LIKELY))
    if likely.max() < 1 - LIKELY:
        return None
    return least, most if likely.max() >= LIKELY else MOST_ANSWERS + 1


def _quantile(reached: Float64, share: float) -> float:
    return float(np.interp(share, reached, _GRID))


def _accuracies(log_odds: Float64) -> Float64:
    return np.asarray(1 / (1 + np.exp(-log_odds)))


def _accuracy(log_odds: float) -> float:
    return 1 / (1 + math.exp(-log_odds))
