"""TODO celltransfer_core/people/calibration.py."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from celltransfer_core.people.posteriors import SLIP
from celltransfer_core.people.updated import UpdatedVote
from celltransfer_core.types import Bools, Float64

CALIBRATED_FROM = 30
"""Typed cells that a calibration needs."""

COVERAGE = 0.9
"""Of the cells of each type, those whose set of types is to hold it."""

PRIOR_CURVE = (1.5, 0.0)
"""Slope and intercept that a calibration is drawn towards. A weighted mean of voters is too modest
even where each of them is right about itself (Ranjan & Gneiting, JRSS B 72:71, 2010)."""

PRIOR_VARIANCE = 1.0
"""Of slope and intercept about these."""

_LEAST = 1e-3  # confidence is cut at this distance from 0 and 1 before its odds are taken
_MOST_STEPS = 100  # of the fit of a calibration


@dataclass(frozen=True)
class NotYet:
    """What is missing before a figure can be trusted; no figure stands in for it."""

    missing: int
    """Cells that have to be typed,"""
    of_type: str = ""
    """of this type, where one is meant,"""
    blind: bool = False
    """and in the random sample, where that counts."""

    def __str__(self) -> str:
        what = f"{self.missing} more cell{'s' if self.missing > 1 else ''}"
        what += f" of type {self.of_type}" if self.of_type else ""
        return f"Not yet: {what} {'of the blind sample ' if self.blind else ''}must be typed."


@dataclass(frozen=True)
class Calibration:
    """What the vote's confidence is worth, from the cells that people typed."""

    slope: float
    intercept: float
    """Of the log odds of being right on those of the confidence."""
    confidence: Float64
    """Of each cell that its predicted type is right, shape (n,)."""
    typed: Float64
    """The same of the typed cells, each by the others, shape (N,)."""
    right: Bools
    """Whether the vote agrees there with what people said, shape (N,)."""


def calibrate(taught: UpdatedVote) -> Calibration | NotYet:
    """Learn from typed cells what confidence is worth.

    A logistic curve of two parameters is fitted to whether the vote, which does not know a typed
    cell's own word, agrees with that word. One word in twenty is taken for a slip, another type by
    chance: otherwise a single slip on a cell that the vote is sure of would make all cells look
    doubtful. The curve is drawn towards one that is a little steeper than the identity, so that it
    needs few cells. Cells of the queue were picked for their doubt, and of cells of one confidence
    they are those that are right less often, which makes the curve rather too modest than too sure;
    the random sample holds it where the vote is sure.

    Parameters
    ----------
    taught : UpdatedVote

    Returns
    -------
    Calibration or NotYet
        At least :data:`CALIBRATED_FROM` typed cells are needed.
    """
    cells = np.array([cell for cell, _ in taught.words.cells], dtype=np.int64)
    if len(cells) < CALIBRATED_FROM:
        return NotYet(CALIBRATED_FROM - len(cells))
    said = np.array([name for _, name in taught.words.cells])
    agrees = np.array(taught.types)[taught.vote.winner[cells]] == said
    odds = _log_odds(taught.vote.confidence)
    by_chance = SLIP / max(len(taught.types) - 1, 1)
    everything = np.ones((1, len(cells)))
    whole = _logistic(odds[cells], agrees, everything, by_chance, np.array(PRIOR_CURVE))[0]
    # Then with each left out, which moves the curve but little.
    curves = _logistic(odds[cells], agrees, 1 - np.eye(len(cells)), by_chance, whole)
    slope, intercept = whole.tolist()
    return Calibration(
        slope=slope,
        intercept=intercept,
        confidence=_probability(slope * odds + intercept),
        typed=_probability(curves[:, 0] * odds[cells] + curves[:, 1]),
        right=agrees,
    )


def _log_odds(share: Float64) -> Float64:
    share = np.clip(share, _LEAST, 1 - _LEAST)
    return np.log(share / (1 - share))


def _probability(log_odds: Float64) -> Float64:
    return 1 / (1 + np.exp(-log_odds))


def _logistic(
    x: Float64, agrees: Bools, heard: Float64, by_chance: float, start: Float64
) -> Float64:
    """Fit slope and intercept by Fisher's scoring, drawn towards a normal prior.

    Several curves at once: a row of ``heard``, shape (R, N), says which cells one is fitted to,
    ``start``, shape (2,), where all begin. A word agrees with a right vote unless it is a slip, and
    with a wrong one ``by_chance``.
    """
    design = np.column_stack([x, np.ones(len(x))])
    products = (design[:, :, None] * design[:, None, :]).reshape(len(x), 4)
    curves = np.tile(start, (len(heard), 1))
    reach = 1 - SLIP - by_chance
    for _ in range(_MOST_STEPS):
        p = _probability(curves @ design.T)
        agreement = by_chance + reach * p
        per_odds = reach * p * (1 - p)
        told = heard * per_odds / (agreement * (1 - agreement))
        slope = (told * (agrees - agreement)) @ design - (curves - PRIOR_CURVE) / PRIOR_VARIANCE
        bend = ((told * per_odds) @ products).reshape(-1, 2, 2) + np.eye(2) / PRIOR_VARIANCE
        step = np.linalg.solve(bend, slope[:, :, None])[:, :, 0]
        curves = curves + step
        if np.abs(step).max() < 1e-6:
            break
    return curves


@dataclass(frozen=True)
class PredictionSets:
    """Sets of types that hold the right one with a chosen probability, type by type."""

    coverage: float
    holds: Bools
    """Whether each cell's set holds each type, shape (n, T); a type without enough typed cells is
    in every set, for nothing is known against it."""
    missing: Mapping[str, NotYet]
    """Types that need more cells of the blind sample before they can be left out."""

    def of(self, cell: int, types: Sequence[str]) -> list[str]:
        """List the types in a cell's set, those aside of which too little is known."""
        return [
            name
            for name, held in zip(types, self.holds[cell].tolist(), strict=True)
            if held and name not in self.missing
        ]


def prediction_sets(
    taught: UpdatedVote, sample: Sequence[int], *, coverage: float = COVERAGE
) -> PredictionSets:
    """Give each cell the types that cannot be ruled out (Mondrian conformal prediction).

    Parameters
    ----------
    taught : UpdatedVote
    sample : sequence of int
        From :func:`celltransfer_core.review.random_sample`; other typed cells do not count, for
        they were picked because they are doubtful.
    coverage : float
        Probability, for the cells of every type, that the set holds it.

    Returns
    -------
    PredictionSets
        A type is left out where its probability is among the lowest that cells of this type have
        in the random sample, each voted on without its own word.
    """
    words, chosen = dict(taught.words.cells), set(sample)
    holds = np.ones((len(taught.probabilities), len(taught.types)), dtype=bool)
    missing = {}
    needed = int(np.ceil(coverage / (1 - coverage) - 1e-9))
    for number, name in enumerate(taught.types):
        cells = [cell for cell, said in words.items() if said == name and cell in chosen]
        if len(cells) < needed:
            missing[name] = NotYet(needed - len(cells), name, blind=True)
            continue
        scores = np.sort(1 - taught.probabilities[cells, number])
        place = int(np.ceil((len(cells) + 1) * coverage - 1e-9)) - 1
        holds[:, number] = 1 - taught.probabilities[:, number] <= scores[place]
    return PredictionSets(coverage, holds, missing)
