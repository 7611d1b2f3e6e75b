r"""Flags for cells that need review, and the expected errors among the others (after 3.4).

In: the vote and its answers. Out: flags, and the expected number of errors with its interval.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.stats import poisson

from celltransfer_core.classify.voting import Vote
from celltransfer_core.people.calibration import (
    CALIBRATED_FROM,
    Curve,
    NotYet,
    curve_of,
    log_odds,
    probability_of,
)
from celltransfer_core.people.updated import UpdatedVote
from celltransfer_core.types import Bools, Float64

INTERVAL = 0.95
"""Probability that an interval contains the number of errors."""

NOT_KNOWN = Curve(1.5, 0.5, np.diag([2.0, 3.0]), typed=0)
"""The curve used until enough cells are typed, as uncertain as it varied between pairs of
laboratories."""

_NODES = 9  # of the quadrature over slope and over intercept


@dataclass(frozen=True)
class Errors:
    """Expected number of wrong predictions among some cells."""

    cells: int
    expected: float
    low: int
    high: int

    @property
    def share(self) -> float:
        """Expected share of wrong predictions, in [0, 1]; zero without cells."""
        return self.expected / max(self.cells, 1)


@dataclass(frozen=True)
class Flags:
    """Flags of n cells."""

    flagged: Bools
    """Whether each cell needs review, shape (n,); typed cells are judged by the vote without their
    own answer."""
    typed: Bools
    """Cells that a person typed, shape (n,)."""
    missing: NotYet | None
    """Answers still missing for flags by calibrated confidence; until then, flags follow agreement.
    """
    error: float
    """Accepted share of wrong predictions among the cells without a flag."""
    agreement: float
    """Agreement below which cells are flagged while answers are missing."""
    errors: Errors
    """Errors among the cells that are neither flagged nor typed by a person."""


def find_flags(
    vote: Vote,
    updated: UpdatedVote | None,
    always: Bools,
    *,
    error: float,
    agreement: float,
) -> Flags:
    """Find the cells that need review.

    Parameters
    ----------
    vote : Vote
        Vote on n cells: updated with answers, or that of the ensemble.
    updated : UpdatedVote, optional
        The update of the vote with answers.
    always : ndarray of bool, shape (n,)
        Cells that are flagged regardless of the vote, such as those of clusters without a type.
    error : float
        Accepted share of wrong predictions among the cells without a flag, in [0, 1]. As many cells
        as possible are left without a flag, based on the mean over the posterior of the curve:
        while there are few answers, more cells are flagged.
    agreement : float
        While there are fewer than :data:`~celltransfer_core.people.calibration.CALIBRATED_FROM`
        typed cells, cells of less agreement are flagged instead.

    Returns
    -------
    Flags
        A typed cell is flagged like any other, by the vote without its own answer; see
        :func:`expected_errors` for the interval.
    """
    typed = np.zeros(len(vote.winner), dtype=bool) if updated is None else updated.typed
    few = CALIBRATED_FROM - int(typed.sum())
    if few > 0:
        curve = NOT_KNOWN  # a few doubtful cells would mislead
        flagged = always | (vote.agreement < agreement)
    else:
        curve = curve_of(vote.confidence, updated)
        chances = _chances_of_error(curve, vote.confidence)
        flagged = always | (chances > _limit(chances[~(always | typed)], error))
    return Flags(
        flagged,
        typed,
        NotYet(few) if few > 0 else None,
        error,
        agreement,
        expected_errors(curve, vote.confidence[~(flagged | typed)]),
    )


def _limit(chances: Float64, error: float) -> float:
    """Find the largest error probability up to which the mean over cells is at most ``error``."""
    ordered = np.sort(chances)
    means = np.cumsum(ordered) / np.arange(1, len(ordered) + 1)
    # Of cells with equal probabilities, either all are flagged or none is.
    last = np.append(ordered[1:] > ordered[:-1], True)
    within = np.flatnonzero((means <= error) & last[: len(means)])
    return float(ordered[within[-1]]) if len(within) else -1.0


def expected_errors(curve: Curve, confidence: Float64, *, interval: float = INTERVAL) -> Errors:
    r"""Estimate the number of wrong predictions.

    Parameters
    ----------
    curve : Curve
        Curve from confidence to the probability of a correct prediction, including its uncertainty.
    confidence : ndarray of float64, shape (k,)
        Confidence of the vote in the cells in question.
    interval : float
        Probability that the interval contains the number.

    Returns
    -------
    Errors
        The number has a Poisson distribution with the mean :math:`\sum_i 1 - \sigma(a
        \operatorname{logit} c_i + b)`, mixed over the posterior of the curve (a, b).
    """
    cells = len(confidence)
    if not cells:
        return Errors(0, 0.0, 0, 0)
    curves, weights = _curves(curve)
    means = _wrong(curves, confidence).sum(axis=1)
    reached = weights @ poisson.cdf(np.arange(cells + 1), means[:, None])
    low, high = np.searchsorted(reached, [(1 - interval) / 2, (1 + interval) / 2])
    return Errors(cells, float(weights @ means), int(low), int(min(high, cells)))


def _chances_of_error(curve: Curve, confidence: Float64) -> Float64:
    curves, weights = _curves(curve)
    return np.asarray(weights @ _wrong(curves, confidence), dtype=np.float64)


def _wrong(curves: Float64, confidence: Float64) -> Float64:
    return 1 - probability_of(curves[:, :1] * log_odds(confidence) + curves[:, 1:])


def _curves(curve: Curve) -> tuple[Float64, Float64]:
    """Return curves and weights that represent the posterior (Gauss–Hermite quadrature)."""
    places, weights = np.polynomial.hermite_e.hermegauss(_NODES)
    both = np.array([(one, other) for one in places for other in places])
    spread = np.linalg.cholesky(curve.covariance)
    found = np.array([curve.slope, curve.intercept]) + both @ spread.T
    shares = np.outer(weights, weights).ravel()
    return found, shares / shares.sum()
