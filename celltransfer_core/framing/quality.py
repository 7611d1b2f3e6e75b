"""Quality of the query's pictures against the reference: measured cells in, faults of each out.

Not in the paper. A microscope, a stain or a slide of its own is no fault of single cells: each
cell is compared with the usual one of its slide, and what a whole slide or set has is told once.
How far a cell may lie from it, the reference decides; no type of the query is looked at.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal, NamedTuple, get_args

import numpy as np

from celltransfer_core.data.dataset import Dataset
from celltransfer_core.framing.measures import MEASURES
from celltransfer_core.framing.sets import MIN_SHARE_FOUND, Framing
from celltransfer_core.types import Bools, Float64, Ints
from celltransfer_core.vocabulary import QUERY, REFERENCE

Fault = Literal["no nucleus", "blurred", "dark", "bright", "stain", "cut off", "several nuclei"]
FAULTS: tuple[Fault, ...] = get_args(Fault)
"""What can be wrong with the picture of a cell."""


class _Side(NamedTuple):
    """A measure, and the side of it on which a fault lies."""

    fault: Fault
    measure: str
    sign: int
    least: float
    """Deviations under this are no fault, however alike the cells of the reference are."""

    @property
    def column(self) -> int:
        return MEASURES.index(self.measure)


_SIDES = (
    _Side("blurred", "blur", 1, 0.2),
    _Side("dark", "light", -1, 0.1),
    _Side("bright", "light", 1, 0.06),
    _Side("stain", "red stain", 1, 0.06),
    _Side("stain", "red stain", -1, 0.06),
    _Side("stain", "blue stain", 1, 0.03),
    _Side("stain", "blue stain", -1, 0.03),
    _Side("cut off", "border", 1, 0.2),
    _Side("several nuclei", "others", 1, 0.3),
)
_COMMON = 0.99  # share of the reference that lies within the limit
_NORMAL = 2.326  # spreads of a normal distribution within which that share lies
_TAIL = 3.5  # spreads within which nearly all cells lie, of distributions with longer tails too
_SHRINK = 100  # cells of the reference that count as much as the normal distribution
_SLIDE_SHRINK = 10  # cells of a slide that count as much as the whole set
_LEAST_SLIDE = 20  # cells from which a slide is told of by itself


@dataclass(frozen=True)
class Shift:
    """What all cells of a slide, or of the whole set, have: no fault of single cells."""

    fault: Fault
    slide: str
    """Empty for the whole set."""
    cells: int


@dataclass(frozen=True)
class Quality:
    """Faults of the pictures of n query cells, measured against a reference."""

    severity: Mapping[Fault, Float64]
    """By fault: how far each cell lies off, in units of the limit, shape (n,). 0 where it cannot
    be told."""
    shifts: tuple[Shift, ...]

    @property
    def faults(self) -> dict[Fault, Bools]:
        """Which cells have each fault, shape (n,)."""
        return {fault: severity > 1 for fault, severity in self.severity.items()}

    def worst_first(self, fault: Fault) -> Ints:
        """List the cells that have a fault.

        Parameters
        ----------
        fault : str
            One of :data:`FAULTS`.

        Returns
        -------
        ndarray of int64
        """
        cells = np.flatnonzero(self.severity[fault] > 1)
        return cells[np.argsort(-self.severity[fault][cells], kind="stable")]


def judge_quality(framing: Framing, reference: Dataset, query: Dataset) -> Quality | None:
    """Compare the pictures of the query with those of the reference.

    Parameters
    ----------
    framing : Framing
        Of both.
    reference, query : Dataset
        n query cells; labels are not read. Of pooled references each cell is compared with its
        own set.

    Returns
    -------
    Quality or None
        None where no nuclei were searched. A cell has a fault if it lies farther from the usual
        cell of its slide than 99 % of the reference's cells lie from theirs (a quantile that is
        drawn towards a normal distribution's where the reference is small), and by more than what
        is common in the query itself. A cell without a nucleus has no other fault; it counts as one
        unless so few are found that both sets are left whole.
    """
    if QUERY not in framing.nuclei:
        return None
    known, seen = framing.nuclei[REFERENCE], framing.nuclei[QUERY]
    found = seen.found
    severity: dict[Fault, Float64] = {fault: np.zeros(len(found)) for fault in FAULTS}
    if found.mean() >= MIN_SHARE_FOUND:
        severity["no nucleus"] = np.where(found, 0.0, np.inf)
    if not (found.any() and known.found.any()):
        return Quality(severity, ())
    expected = _Expected(
        known.measures[known.found].astype(np.float64), reference.cell_sources[known.found]
    )
    measures, slides = seen.measures[found].astype(np.float64), query.cell_slides[found]
    whole = np.median(measures, axis=0)
    centres = _centres(measures, slides, whole)
    spread = _spread(measures - centres)
    for side in _SIDES:
        limit = np.maximum(expected.limit(side), _TAIL * spread[side.column])
        off = side.sign * (measures - centres)[:, side.column] / limit
        severity[side.fault][found] = np.maximum(severity[side.fault][found], off)
    shifts = dict.fromkeys(_shifts(expected, measures, slides, whole))
    return Quality(severity, tuple(sorted(shifts, key=lambda s: (s.slide, FAULTS.index(s.fault)))))


class _Expected:
    """What is usual in the reference: r cells that have a nucleus, each from a set."""

    def __init__(self, measures: Float64, sources: Ints) -> None:
        usual = {one: np.median(measures[sources == one], axis=0) for one in np.unique(sources)}
        self.usual = np.stack([*usual.values()])
        self.off = measures - np.stack([usual[one] for one in sources])
        self.spread = _spread(self.off)

    def limit(self, side: _Side) -> float:
        """Return how far cells of the reference commonly lie from their usual one."""
        n = len(self.off)
        counted = np.quantile(side.sign * self.off[:, side.column], _COMMON)
        normal = _NORMAL * self.spread[side.column]
        return float(max(side.least, (n * counted + _SHRINK * normal) / (n + _SHRINK)))


def _spread(off: Float64) -> Float64:
    """Return the standard deviation of each column that its middle half tells."""
    low, high = np.quantile(off, [0.25, 0.75], axis=0)
    return (high - low) / 1.349


def _centres(measures: Float64, slides: np.ndarray, whole: Float64) -> Float64:
    """Return the usual values of each cell's slide; of few cells, drawn towards the set's."""
    centres = np.empty_like(measures)
    for slide in np.unique(slides):
        of = slides == slide
        weight = of.sum() / (of.sum() + _SLIDE_SHRINK)
        centres[of] = weight * np.median(measures[of], axis=0) + (1 - weight) * whole
    return centres


def _shifts(
    expected: _Expected, measures: Float64, slides: np.ndarray, whole: Float64
) -> Iterator[Shift]:
    """List what the set has against each set of the reference, and a slide against the set."""
    names, counts = np.unique(slides, return_counts=True)
    for side in _SIDES:
        limit = expected.limit(side)
        away = side.sign * (whole - expected.usual)[:, side.column]
        if away.min() > limit:
            yield Shift(side.fault, "", len(measures))
        for slide, count in zip(names.tolist(), counts.tolist(), strict=True):
            if count < _LEAST_SLIDE or len(names) == 1:
                continue
            usual = np.median(measures[slides == slide], axis=0)
            if side.sign * (usual - whole)[side.column] > limit:
                yield Shift(side.fault, slide, count)
