"""Calibration of the updated vote on typed cells: confidence and sets of possible types.

Both show how far the vote of 3.4 can be trusted on cells that were not typed by a person.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from celltransfer_core.people.posteriors import SLIP
from celltransfer_core.people.updated import UpdatedVote
from celltransfer_core.types import Bools, Float64, Ints

CALIBRATED_FROM = 30
"""Number of typed cells required for a calibration."""

COVERAGE = 0.9
"""Probability that a cell's set of types contains its true type, for each type."""

PRIOR_CURVE = (1.5, 0.0)
"""Prior mean of slope and intercept. A weighted mean of voters is underconfident even if each voter
is calibrated (Ranjan & Gneiting, JRSS B 72:71, 2010)."""

PRIOR_VARIANCE = 1.0
"""Prior variance of slope and intercept."""

_LEAST = 1e-3  # confidence is clipped at this distance from 0 and 1 before its odds are taken
_MOST_STEPS = 100  # of the fit


@dataclass(frozen=True)
class NotYet:
    """Number of further typed cells that a figure requires, returned instead of the figure."""

    missing: int
    """Number of cells still to be typed."""
    of_type: str = ""
    """Their type, if one is required."""
    blind: bool = False
    """Whether they have to be in the random sample."""

    def __str__(self) -> str:
        what = f"{self.missing} more cell{'s' if self.missing > 1 else ''}"
        what += f" of type {self.of_type}" if self.of_type else ""
        return f"Not yet: {what} {'of the blind sample ' if self.blind else ''}must be typed."


@dataclass(frozen=True)
class Curve:
    """Curve from the vote's confidence to the probability of a correct prediction.

    Slope and intercept have a normal posterior, which expresses their uncertainty.
    """

    slope: float
    intercept: float
    covariance: Float64
    """Shape (2, 2)."""
    typed: int
    """Number of typed cells to which it was fitted; without any, the curve is the prior."""


@dataclass(frozen=True)
class Calibration:
    """Calibrated confidence of n cells, estimated from N typed cells."""

    slope: float
    intercept: float
    """Slope and intercept of the log odds that a prediction is correct, as a function of the log
    odds of its confidence."""
    confidence: Float64
    """Probability that each cell's predicted type is correct, shape (n,)."""
    typed: Float64
    """The same for each typed cell, estimated from the others, shape (N,)."""
    right: Bools
    """Whether the vote agrees with the answer on each typed cell, shape (N,)."""


def calibrate(updated: UpdatedVote) -> Calibration | NotYet:
    r"""Calibrate the vote's confidence on the typed cells.

    A logistic curve is fitted to the agreement of the vote, without a typed cell's own answer, with
    that answer,

    .. math:: P(\text{agree}) = \epsilon + (1 - s - \epsilon)
        \, \sigma(a \operatorname{logit} c + b)

    where c is the confidence, s = 0.05 the share of wrong answers and :math:`\epsilon` the
    probability that a wrong answer agrees with a wrong vote by chance. Without these, a single
    wrong answer on a cell of high confidence would lower the confidence of all cells. A normal
    prior pulls the slope a and the intercept b towards a curve slightly steeper than the identity,
    so that few cells are enough. Cells of the queue were selected for doubt and are predicted
    correctly less often than others of the same confidence. Calibrated confidence is therefore too
    low rather than too high; the random sample keeps the curve accurate at high confidence.

    Parameters
    ----------
    updated : UpdatedVote

    Returns
    -------
    Calibration or NotYet
        At least :data:`CALIBRATED_FROM` typed cells are needed.
    """
    cells, agrees, by_chance = _agreement(updated)
    if len(cells) < CALIBRATED_FROM:
        return NotYet(CALIBRATED_FROM - len(cells))
    odds = log_odds(updated.vote.confidence)
    whole = curve_of(updated.vote.confidence, updated)
    start = np.array([whole.slope, whole.intercept])
    # With each cell left out, which changes the curve only slightly.
    curves, _ = _logistic(odds[cells], agrees, 1 - np.eye(len(cells)), by_chance, start)
    return Calibration(
        slope=whole.slope,
        intercept=whole.intercept,
        confidence=probability_of(whole.slope * odds + whole.intercept),
        typed=probability_of(curves[:, 0] * odds[cells] + curves[:, 1]),
        right=agrees,
    )


def curve_of(confidence: Float64, updated: UpdatedVote | None) -> Curve:
    """Fit the curve of :func:`calibrate` to any number of typed cells.

    Parameters
    ----------
    confidence : ndarray of float64, shape (n,)
        Confidence of the vote.
    updated : UpdatedVote, optional
        The vote with its typed cells; None if there are none.

    Returns
    -------
    Curve
    """
    cells, agrees, by_chance = np.zeros(0, dtype=np.int64), np.zeros(0, dtype=bool), 0.0
    if updated is not None:
        cells, agrees, by_chance = _agreement(updated)
    curves, precision = _logistic(
        log_odds(confidence[cells]),
        agrees,
        np.ones((1, len(cells))),
        by_chance,
        np.array(PRIOR_CURVE),
    )
    slope, intercept = curves[0].tolist()
    return Curve(slope, intercept, np.linalg.inv(precision[0]), len(cells))


def _agreement(updated: UpdatedVote) -> tuple[Ints, Bools, float]:
    """Return the typed cells, whether the vote agrees, and the chance that a wrong answer does."""
    cells = np.array([cell for cell, _ in updated.annotations.cells], dtype=np.int64)
    answers = np.array([name for _, name in updated.annotations.cells], dtype=str)
    agrees = np.array(updated.types)[updated.vote.winner[cells]] == answers
    return cells, agrees, SLIP / max(len(updated.types) - 1, 1)


def log_odds(share: Float64) -> Float64:
    """Return the logarithm of the odds.

    Parameters
    ----------
    share : ndarray of float64
        In [0, 1], clipped slightly inside.

    Returns
    -------
    ndarray of float64
    """
    share = np.clip(share, _LEAST, 1 - _LEAST)
    return np.log(share / (1 - share))


def probability_of(log_odds: Float64) -> Float64:
    """Return the probability that has these odds.

    Parameters
    ----------
    log_odds : ndarray of float64

    Returns
    -------
    ndarray of float64
    """
    return 1 / (1 + np.exp(-log_odds))


def _logistic(
    x: Float64, agrees: Bools, used: Float64, by_chance: float, start: Float64
) -> tuple[Float64, Float64]:
    """Fit slope and intercept by Fisher scoring, with a normal prior.

    Fits several curves at once: each row of ``used``, shape (R, N), marks the cells to which one
    curve is fitted; all start from ``start``, shape (2,). An answer agrees with a correct vote
    unless it is wrong, and with a wrong vote with probability ``by_chance``. Returns the curves,
    shape (R, 2), and the precision of each, shape (R, 2, 2).
    """
    design = np.column_stack([x, np.ones(len(x))])
    products = (design[:, :, None] * design[:, None, :]).reshape(len(x), 4)
    curves = np.tile(start, (len(used), 1))
    span = 1 - SLIP - by_chance
    for _ in range(_MOST_STEPS):
        p = probability_of(curves @ design.T)
        agreement = by_chance + span * p
        per_odds = span * p * (1 - p)
        score = used * per_odds / (agreement * (1 - agreement))
        gradient = (score * (agrees - agreement)) @ design - (curves - PRIOR_CURVE) / PRIOR_VARIANCE
        information = ((score * per_odds) @ products).reshape(-1, 2, 2)
        information = information + np.eye(2) / PRIOR_VARIANCE
        step = np.linalg.solve(information, gradient[:, :, None])[:, :, 0]
        curves = curves + step
        if np.abs(step).max() < 1e-6:
            break
    return curves, information


@dataclass(frozen=True)
class PredictionSets:
    """Sets of types that contain the true type with a chosen probability, for each true type."""

    coverage: float
    holds: Bools
    """Whether each cell's set contains each type, shape (n, T); a type without enough typed cells
    is in every set."""
    missing: Mapping[str, NotYet]
    """Types that need more cells of the random sample before they can be ruled out."""

    def of(self, cell: int, types: Sequence[str]) -> list[str]:
        """List the types in a cell's set, without types with too few typed cells.

        Parameters
        ----------
        cell : int
        types : sequence of str, length T

        Returns
        -------
        list of str
        """
        return [
            name
            for name, held in zip(types, self.holds[cell].tolist(), strict=True)
            if held and name not in self.missing
        ]


def prediction_sets(
    updated: UpdatedVote, sample: Sequence[int], *, coverage: float = COVERAGE
) -> PredictionSets:
    """Find the types of each cell that cannot be ruled out (Mondrian conformal prediction).

    Parameters
    ----------
    updated : UpdatedVote
    sample : sequence of int
        From :func:`~celltransfer_core.people.queue.random_sample`. Other typed cells do not count,
        because they were selected for doubt.
    coverage : float
        Probability that a cell's set contains its type, for the cells of every type.

    Returns
    -------
    PredictionSets
        A type is ruled out if its probability is below the quantile 1 − ``coverage`` of its
        probabilities in the cells of this type in the random sample, each without its own answer.
    """
    answers, chosen = dict(updated.annotations.cells), set(sample)
    holds = np.ones((len(updated.probabilities), len(updated.types)), dtype=bool)
    missing = {}
    needed = int(np.ceil(coverage / (1 - coverage) - 1e-9))
    for number, name in enumerate(updated.types):
        cells = [cell for cell, answer in answers.items() if answer == name and cell in chosen]
        if len(cells) < needed:
            missing[name] = NotYet(needed - len(cells), name, blind=True)
            continue
        scores = np.sort(1 - updated.probabilities[cells, number])
        place = int(np.ceil((len(cells) + 1) * coverage - 1e-9)) - 1
        holds[:, number] = 1 - updated.probabilities[:, number] <= scores[place]
    return PredictionSets(coverage, holds, missing)
