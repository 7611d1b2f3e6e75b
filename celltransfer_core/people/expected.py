"""The expected accuracy of a vote, from a prediction and answers on drawn cells.

A range of accuracies and the number of further answers required are computed from a normal
distribution of the log odds and an estimated share. The only labels used are a person's answers.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np

from celltransfer_core.people.active_inference import Share
from celltransfer_core.types import Float64

WARNED_BELOW = 0.7
"""Accuracy below which a vote is of little use without further answers."""

WARNED_FROM = 0.2
"""Probability of less than :data:`WARNED_BELOW` from which a warning is due; see
``tests/benchmarks/expected_accuracy.py``."""

COVERED = 0.8
"""Probability that the range contains the accuracy."""

WANTED = 0.9
"""Accuracy to be reached with further answers."""

LIKELY = 0.75
"""Probability of reaching :data:`WANTED` with the largest number of answers; with the smallest, it
is one minus this value."""

MOST_ANSWERS = 50
"""Largest number of answers for which their effect was measured."""

_GRID = np.linspace(-7, 7, 1401)  # log odds
_NORMAL = NormalDist()


@dataclass(frozen=True)
class Learning:
    r"""Effect of answers on a vote's accuracy, as log odds b.

    The log odds move from their start towards a plateau, more slowly as answers accumulate: with
    :math:`g = \log(1 + n / 10)` after n answers,

    .. math:: b_n = p + (b_0 - p)\, e^{-r g} + \varepsilon, \qquad
        \operatorname{var} \varepsilon = s^2 (1 - e^{-2 r g})
    """

    plateau: float
    """p"""
    rate: float
    """r"""
    spread: float
    """s, the standard deviation between votes on the plateau."""

    def after(self, start: Float64 | float, answers: float, more: Float64 | float) -> Float64:
        """Compute the expected log odds after more answers.

        Parameters
        ----------
        start : float or ndarray of float64
            Log odds with the answers so far.
        answers : float
            Number of answers so far.
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
            Standard deviation with the answers so far.
        answers : float
            Number of answers so far.
        more : float or ndarray of float64

        Returns
        -------
        ndarray of float64
        """
        left = self._left(answers, more) ** 2
        return np.sqrt(spread**2 * left + self.spread**2 * (1 - left))

    def _left(self, answers: float, more: Float64 | float) -> Float64:
        """Compute the remaining share of the distance from the plateau."""
        return np.asarray(((answers + more + 10) / (answers + 10)) ** -self.rate)


@dataclass(frozen=True)
class Expected:
    """Estimate of the accuracy of a vote on all cells."""

    value: float
    """Best guess: the median."""
    low: float
    high: float
    """Range that contains the accuracy with probability :data:`COVERED`."""
    poor: float
    """Probability that the accuracy is below :data:`WARNED_BELOW`."""
    draws: int
    """Number of answers on drawn cells on which the estimate is based."""
    wanted: tuple[int, int] | None
    """Smallest and largest number of further answers required for :data:`WANTED`: (0, 0) if it is
    probably reached; the largest is above :data:`MOST_ANSWERS` if that number may not be enough;
    None if even the smallest is above it, so that no number can be given."""

    @property
    def warns(self) -> bool:
        """Whether a person should improve the vote before continuing."""
        return self.poor >= WARNED_FROM


def expect(
    mean: float, spread: float, learning: Learning, answers: float, share: Share
) -> Expected:
    """Combine the prediction for a vote with the results of answers.

    Parameters
    ----------
    mean, spread : float
        Mean and standard deviation of the normal distribution of the accuracy's log odds, without
        any answer.
    learning : Learning
    answers : float
        Number of answers from which the vote has learned.
    share : Share
        Share of correctly predicted cells according to answers on drawn cells; NaN without an
        estimate.

    Returns
    -------
    Expected

    Notes
    -----
    The share counts as the number of evenly drawn cells that would have its standard error (see
    :func:`~celltransfer_core.people.active_inference.estimate_share`), but no answer counts as more
    than one cell: a few answers that all agree with the vote prove little.

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
    """Compute after how many further answers the required accuracy is possible and likely."""
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
