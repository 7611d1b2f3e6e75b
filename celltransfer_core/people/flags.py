r"""Flags: which cells want a look, and how many of the others are expected to be wrong (after 3.4).

The vote and its answers in; flags, and an expected number of errors with its interval, out.
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
"""Probability that an interval of errors holds their number."""

NOT_KNOWN = Curve(1.5, 0.5, np.diag([2.0, 3.0]), typed=0)
"""The curve before enough cells are typed: as wide as it varied between pairs of laboratories."""

_NODES = 9  # of a quadrature over slope, and over intercept


@dataclass(frozen=True)
class Errors:
    """The number of wrong predictions to expect among some cells."""

    cells: int
    expected: float
    low: int
    high: int

    @property
    def share(self) -> float:
        """Of the cells, in [0, 1]; zero without any."""
        return self.expected / max(self.cells, 1)


@dataclass(frozen=True)
class Flags:
    """Which of n cells want a look."""

    flagged: Bools
    """Shape (n,); typed cells too, by the vote without their own answer."""
    typed: Bools
    """Cells that a person typed, shape (n,)."""
    missing: NotYet | None
    """The answers that flags by calibrated confidence still need; until then they go by agreement.
    """
    error: float
    """Share of the cells without a flag that may be wrong."""
    agreement: float
    """Less agreement than this is flagged while answers are missing."""
    errors: Errors
    """Among the cells that are neither flagged nor typed by a person."""


def find_flags(
    vote: Vote,
    updated: UpdatedVote | None,
    always: Bools,
    *,
    error: float,
    agreement: float,
) -> Flags:
    """Find the cells that want a look.

    Parameters
    ----------
    vote : Vote
        Of n cells: updated with answers, or the ensemble's.
    updated : UpdatedVote, optional
        What answers made of it.
    always : ndarray of bool, shape (n,)
        Cells that are flagged whatever the vote says, such as those of clusters without a type.
    error : float
        Share of the cells without a flag that may be wrong, in [0, 1]. As many cells as possible
        are left without a flag, by the mean over the posterior of the curve: as long as few
        answers tell of it, more cells are flagged.
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
        curve = NOT_KNOWN  # so few doubtful cells would mislead
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
    """Find the largest chance of an error up to which cells have a mean chance of ``error``."""
    ordered = np.sort(chances)
    means = np.cumsum(ordered) / np.arange(1, len(ordered) + 1)
    # Where chances are equal, all of these cells are flagged or none is.
    last = np.append(ordered[1:] > ordered[:-1], True)
    within = np.flatnonzero((means <= error) & last[: len(means)])
    return float(ordered[within[-1]]) if len(within) else -1.0


def expected_errors(curve: Curve, confidence: Float64, *, interval: float = INTERVAL) -> Errors:
    r"""Estimate how many predictions are wrong.

    Parameters
    ----------
    curve : Curve
        From confidence to the probability of being right; how far it is known counts.
    confidence : ndarray of float64, shape (k,)
        Of the vote, for the cells in question.
    interval : float
        Probability that the interval holds the number.

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
    """Return curves and their weights, in place of the posterior (Gauss–Hermite quadrature)."""
    places, weights = np.polynomial.hermite_e.hermegauss(_NODES)
    both = np.array([(one, other) for one in places for other in places])
    spread = np.linalg.cholesky(curve.covariance)
    found = np.array([curve.slope, curve.intercept]) + both @ spread.T
    shares = np.outer(weights, weights).ravel()
    return found, shares / shares.sum()
