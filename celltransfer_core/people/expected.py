"""The accuracy to expect of a vote: what the vote lets expect, and what drawn answers say, joined.

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
    r"""What answers make of a vote's accuracy, as log odds b.

    They go from where they were towards a plateau, the more slowly the more was answered: with
    :math:`g = \log(1 + n / 10)` after n answers,

    .. math:: b_n = p + (b_0 - p)\, e^{-r g} + \varepsilon, \qquad
        \operatorname{var} \varepsilon = s^2 (1 - e^{-2 r g})
    """

    plateau: float
    """p"""
    rate: float
    """r"""
    spread: float
    """s, of vote from vote on the plateau."""

    def after(self, start: Float64 | float, answers: float, more: Float64 | float) -> Float64:
        """Compute the expected log odds after more answers.

        Parameters
        ----------
        start : float or ndarray of float64
            Log odds with the answers so far.
        answers : float
            So far.
        more : float or ndarray of float64

        Returns
        -------
        ndarray of float64

        Examples
        --------
        >>> Learning(2.0, 1.0, 0.5).after(0.0, 0, np.array([0, 10, 90])).tolist()
        [0.0, 1.0, 1.8]
        """
        return np.asarray(self.plateau + (start - self.plateau) * self._left(answers, more))

    def spread_after(self, spread: float, answers: float, more: Float64 | float) -> Float64:
        """Compute the standard deviation of the log odds after more answers.

        Parameters
        ----------
        spread : float
            With the answers so far.
        answers : float
            So far.
        more : float or ndarray of float64

        Returns
        -------
        ndarray of float64
        """
        left = self._left(answers, more) ** 2
        return np.sqrt(spread**2 * left + self.spread**2 * (1 - left))

    def _left(self, answers: float, more: Float64 | float) -> Float64:
        """Compute how much of the distance from the plateau is left."""
        return np.asarray(((answers + more + 10) / (answers + 10)) ** -self.rate)


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


def expect(
    mean: float, spread: float, learning: Learning, answers: float, share: Share
) -> Expected:
    """Join what a vote lets expect with what answers say.

    Parameters
    ----------
    mean, spread : float
        Of the normal distribution of the accuracy's log odds, before anybody has said a word.
    learning : Learning
    answers : float
        That the vote has learnt from.
    share : Share
        Of the cells that are predicted rightly, as answers on drawn cells tell; NaN where they do
        not.

    Returns
    -------
    Expected

    Notes
    -----
    The share counts as so many evenly drawn cells as would have its standard error (see
    :func:`~celltransfer_core.people.active_inference.estimate_share`), but no answer as more than
    one: few answers that all agree with the vote prove little.

    Examples
    --------
    >>> unknown, told = Share(math.nan, 0.0, 1.0, 0), Share(0.9, 0.82, 0.96, 50)
    >>> learning = Learning(2.0, 0.5, 0.5)
    >>> before = expect(1.0, 0.8, learning, 0, unknown)
    >>> after = expect(1.0, 0.8, learning, 50, told)
    >>> [round(100 * one) for one in (before.low, before.value, before.high)]
    [49, 73, 88]
    >>> [round(100 * one) for one in (after.low, after.value, after.high)]
    [82, 88, 92]
    """
    now = float(learning.after(mean, 0, answers))
    density = _density(now, float(learning.spread_after(spread, 0, answers)), share)
    reached = np.cumsum(density)
    beyond = (1 - COVERED) / 2
    low, middle, high = (_accuracy(_quantile(reached, q)) for q in (beyond, 0.5, 1 - beyond))
    poor = float(density[_accuracies(_GRID) < WARNED_BELOW].sum())
    return Expected(middle, low, high, poor, share.draws, _wanted(density, learning, answers))


def _density(mean: float, spread: float, share: Share) -> Float64:
    """Compute the probability of each log odds of the grid."""
    logs = -0.5 * ((_GRID - mean) / spread) ** 2
    if not math.isnan(share.value):
        # Never 0 or 1 (Agresti & Coull, 1998).
        right = (share.value * share.draws + 2) / (share.draws + 4)
        error = (share.high - share.low) / (2 * _NORMAL.inv_cdf(0.975))
        worth = min(right * (1 - right) / max(error, 1e-3) ** 2, share.draws)
        accuracy = _accuracies(_GRID)
        logs += worth * (share.value * np.log(accuracy) + (1 - share.value) * np.log1p(-accuracy))
    density = np.exp(logs - logs.max())
    return np.asarray(density / density.sum())


def _wanted(density: Float64, learning: Learning, answers: float) -> tuple[int, int] | None:
    """Tell after how many more answers the wanted accuracy is possible, and likely."""
    from scipy.special import ndtr

    goal = math.log(WANTED / (1 - WANTED))
    more = np.arange(MOST_ANSWERS + 1.0)
    later = learning.after(_GRID[:, None], answers, more)
    likely = density @ ndtr((later - goal) / (learning.spread_after(0, answers, more) + 1e-6))
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
