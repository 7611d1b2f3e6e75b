"""Find faults in the images of query cells by comparing their measures with the reference.

Not in the paper. A different microscope, stain or slide is not a fault of single cells: each cell
is compared with the usual cell of its slide, and differences of a whole slide or set are reported
once. The tolerance is estimated from the reference; no types of the query are used.
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
"""Possible faults of the image of a cell."""


class _Side(NamedTuple):
    """A measure, and the direction in which it indicates a fault."""

    fault: Fault
    measure: str
    sign: int
    least: float
    """Smaller deviations are not faults, however uniform the reference is."""

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
_COMMON = 0.99  # share of the reference within the limit
_NORMAL = 2.326  # standard deviations of a normal distribution with that share
_TAIL = 3.5  # standard deviations that contain nearly all cells, even with longer tails
_SHRINK = 100  # reference cells that weigh as much as the normal distribution
_SLIDE_SHRINK = 10  # cells of a slide that weigh as much as the whole set
_LEAST_SLIDE = 20  # minimum cells of a slide that is reported separately


@dataclass(frozen=True)
class Shift:
    """A difference shared by a whole slide or set, and so not a fault of single cells."""

    fault: Fault
    slide: str
    """Name of the slide; empty for the whole set."""
    cells: int


@dataclass(frozen=True)
class Quality:
    """Faults of the images of n query cells, relative to a reference."""

    severity: Mapping[Fault, Float64]
    """Deviation of each cell in units of the limit, shape (n,), by fault; 0 where it cannot be
    measured."""
    shifts: tuple[Shift, ...]

    @property
    def faults(self) -> dict[Fault, Bools]:
        """Which cells have each fault, shape (n,)."""
        return {fault: severity > 1 for fault, severity in self.severity.items()}

    def worst_first(self, fault: Fault) -> Ints:
        """List the cells with a fault, worst first.

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
    """Compare the image quality of the query with that of the reference.

    Parameters
    ----------
    framing : Framing
        Framing of both sets.
    reference, query : Dataset
        n query cells; labels are not read. In pooled references, each cell is compared with its
        own set.

    Returns
    -------
    Quality or None
        None if no nuclei were searched for. A cell has a fault if it deviates from the usual cell
        of its slide by more than 99 % of the reference cells do (a quantile that is shrunk towards
        that of a normal distribution if the reference is small), and by more than is common in the
        query itself. A cell without a nucleus has no other fault; this counts as a fault unless so
        few nuclei are found that both sets are left whole.
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
    """Usual values in the reference: r cells with a nucleus, each from a source set."""

    def __init__(self, measures: Float64, sources: Ints) -> None:
        usual = {one: np.median(measures[sources == one], axis=0) for one in np.unique(sources)}
        self.usual = np.stack([*usual.values()])
        self.off = measures - np.stack([usual[one] for one in sources])
        self.spread = _spread(self.off)

    def limit(self, side: _Side) -> float:
        """Return the largest deviation from the usual cell that is common in the reference."""
        n = len(self.off)
        counted = np.quantile(side.sign * self.off[:, side.column], _COMMON)
        normal = _NORMAL * self.spread[side.column]
        return float(max(side.least, (n * counted + _SHRINK * normal) / (n + _SHRINK)))


def _spread(off: Float64) -> Float64:
    """Return the standard deviation of each column, estimated from its interquartile range."""
    low, high = np.quantile(off, [0.25, 0.75], axis=0)
    return (high - low) / 1.349


def _centres(measures: Float64, slides: np.ndarray, whole: Float64) -> Float64:
    """Return the usual values of each cell's slide, shrunk towards those of the set."""
    centres = np.empty_like(measures)
    for slide in np.unique(slides):
        of = slides == slide
        weight = of.sum() / (of.sum() + _SLIDE_SHRINK)
        centres[of] = weight * np.median(measures[of], axis=0) + (1 - weight) * whole
    return centres


def _shifts(
    expected: _Expected, measures: Float64, slides: np.ndarray, whole: Float64
) -> Iterator[Shift]:
    """List differences between the set and each reference set, and between slides and the set."""
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
