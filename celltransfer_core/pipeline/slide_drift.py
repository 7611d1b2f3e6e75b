"""Drift: distance of the slides of a batch from those on which a classifier was trained.

For each of four figures, the distance of each slide's mean from the mean of the training cells is
compared with a limit. The limit is estimated from the differences between the slides of the
training cells or, with too few slides, between the cells themselves. Not in the paper.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
from scipy.stats import binom, t

from celltransfer_core.framing.measures import MEASURES
from celltransfer_core.framing.nuclei import Nuclei
from celltransfer_core.types import Bools, Float64, Ints, Labels

Figure = Literal["stain", "light", "proportions", "unknown cells"]
FIGURES: tuple[Figure, ...] = get_args(Figure)
"""Figures that may drift: the colour of the nuclei, the brightness of the background, the share of
each type, and the share of cells unlike all types."""

CellFigures = Mapping[Figure, Float64]
"""Values of n cells by figure, shape (n, k); NaN where a cell has none."""

LEAST_SLIDE = 20
"""Fewest cells for which a slide is reported separately; smaller slides are reported together."""

LEAST_SLIDES = 3
"""Fewest slides from which differences between slides are estimated."""

_MEASURES: Mapping[Figure, tuple[str, ...]] = {
    "stain": ("red stain", "blue stain"),
    "light": ("light",),
}
_CHANCE = 0.01  # false alarm rate of each figure for a slide like the others
_NORMAL = 2.576  # standard errors from the mean that a sample mean exceeds at that rate


@dataclass(frozen=True)
class Usual:
    """One figure, with k values per cell, over the training cells of a classifier."""

    mean: tuple[float, ...]
    spread: tuple[float, ...]
    """Standard deviation of the cells."""
    of_cells: float
    """Median distance of the cells from the mean."""
    of_slides: tuple[float, ...]
    """Distance of each slide from the others; empty with fewer than :data:`LEAST_SLIDES` slides."""

    def limit(self, figure: Figure, cells: int) -> float:
        """Return the greatest usual distance of a slide from the mean.

        Parameters
        ----------
        figure : str
        cells : int
            Number of cells of that slide, at least one.

        Returns
        -------
        float
            Distance that a further slide exceeds with a probability of 1 % (from the distances of
            slides, by Student's t); with too few slides, the median distance of the cells. Never
            less than the distance that chance explains for this number of cells.
        """
        if figure == "unknown cells":  # small counts are not normally distributed
            (share,) = self.mean
            chance = (binom.ppf(1 - _CHANCE, cells, share) + 0.5) / cells - share
        else:
            apart = sum(self.spread) / 2 if figure == "proportions" else 1.0
            chance = _NORMAL * apart / np.sqrt(cells)
        return float(max(chance, self._among_slides()))

    def _among_slides(self) -> float:
        count = len(self.of_slides)
        if count < LEAST_SLIDES:
            return self.of_cells
        reach = t.ppf(1 - _CHANCE, count - 1) * np.std(self.of_slides, ddof=1)
        return float(np.mean(self.of_slides) + reach * np.sqrt(1 + 1 / count))


@dataclass(frozen=True)
class SlideDrift:
    """Drift of one slide in one figure."""

    figure: Figure
    slide: str
    """Empty for all cells whose slide is unnamed or small."""
    cells: int
    distance: float
    """For stain and light, in standard deviations of the training cells; for proportions, the share
    of cells that would have to be of other types; for unknown cells, the increase in their
    share."""
    limit: float
    """Greatest usual distance."""

    @property
    def drifted(self) -> bool:
        """Whether the distance exceeds the limit."""
        return self.distance > self.limit


def cell_figures(nuclei: Nuclei | None, types: Ints, of: int, unknown: Bools | None) -> CellFigures:
    """Collect the figures by which drift is measured.

    Parameters
    ----------
    nuclei : Nuclei, optional
        Nuclei of n cells; without them, stain and light are omitted.
    types : ndarray of int64, shape (n,)
        Number of each cell's likeliest type.
    of : int
        Number of types.
    unknown : ndarray of bool, shape (n,), optional
        Cells unlike all of them; without it, this figure is omitted.

    Returns
    -------
    mapping
        See :data:`CellFigures`.
    """
    found: dict[Figure, Float64] = {}
    if nuclei is not None:
        for figure, names in _MEASURES.items():
            columns = nuclei.measures[:, [MEASURES.index(name) for name in names]]
            found[figure] = np.where(nuclei.found[:, None], columns, np.nan).astype(np.float64)
    found["proportions"] = np.eye(of)[types]
    if unknown is not None:
        found["unknown cells"] = unknown[:, None].astype(np.float64)
    return found


def usual_figures(figures: CellFigures, slides: Labels) -> dict[Figure, Usual]:
    """Compute the usual figures from the training cells of a classifier.

    Parameters
    ----------
    figures : mapping
        Of n cells, see :data:`CellFigures`.
    slides : ndarray of str, shape (n,)
        Slide of each, empty where no table names it.

    Returns
    -------
    dict from figure to Usual
        Figures known for fewer than two cells are omitted.
    """
    names, numbers = np.unique(slides, return_inverse=True)
    return _usual(figures, numbers, names != "")


def _usual(figures: CellFigures, slides: Ints, named: Bools) -> dict[Figure, Usual]:
    """Compute the usual figures, given the number of each cell's slide."""
    usual = {}
    for figure, values in figures.items():
        known = ~np.isnan(values).any(axis=1)
        X, of = values[known], slides[known]
        if len(X) < 2:
            continue
        mean = X.mean(axis=0)
        spread = np.maximum(X.std(axis=0), 1e-6)
        apart = _distances(figure, X, mean, spread, signed=False)
        cells = np.bincount(of, minlength=len(named))
        large = named & (cells >= LEAST_SLIDE)
        of_slides = np.empty(0)
        if large.sum() >= LEAST_SLIDES:
            sums = np.stack([np.bincount(of, column, len(named)) for column in X.T], axis=1)[large]
            count = cells[large, None]
            others = (X.sum(axis=0) - sums) / (len(X) - count)
            of_slides = _distances(figure, sums / count, others, spread)
        usual[figure] = Usual(
            tuple(mean.tolist()),
            tuple(spread.tolist()),
            float(np.median(apart)),
            tuple(of_slides.tolist()),
        )
    return usual


def find_drift(
    figures: CellFigures, slides: Labels, usual: Mapping[Figure, Usual]
) -> tuple[SlideDrift, ...]:
    """Measure the drift of the slides of a batch from the usual figures.

    Parameters
    ----------
    figures : mapping
        Figures of the n cells of the batch.
    slides : ndarray of str, shape (n,)
        Slide of each, empty where no table names it.
    usual : mapping from figure to Usual

    Returns
    -------
    tuple of SlideDrift
        By slide, in the order of their names, and then by figure.
    """
    found = []
    for name, of in _told_apart(slides):
        for figure in FIGURES:
            if figure not in usual or figure not in figures:
                continue
            X = figures[figure][of]
            X = X[~np.isnan(X).any(axis=1)]
            if not len(X):
                continue
            known = usual[figure]
            mean, spread = np.array(known.mean), np.array(known.spread)
            distance = float(_distances(figure, X.mean(axis=0), mean, spread))
            limit = known.limit(figure, len(X))
            found.append(SlideDrift(figure, name, int(of.sum()), distance, limit))
    return tuple(found)


def compare_slides(figures: CellFigures, slides: Labels) -> tuple[SlideDrift, ...]:
    """Measure the drift of each slide of one set from the other slides.

    Parameters
    ----------
    figures : mapping
        Figures of n cells.
    slides : ndarray of str, shape (n,)
        Slide of each, empty where no table names it.

    Returns
    -------
    tuple of SlideDrift
        As :func:`find_drift`, for the slides of :func:`slides_apart`; empty with fewer than
        :data:`LEAST_SLIDES` of them.
    """
    apart = slides_apart(slides)
    names, numbers = np.unique(slides, return_inverse=True)
    found: list[SlideDrift] = []
    for number in np.searchsorted(names, apart) if len(apart) >= LEAST_SLIDES else ():
        of = numbers == number
        others = {kind: X[~of] for kind, X in figures.items()}
        usual = _usual(others, numbers[~of], names != "")
        found += find_drift({kind: X[of] for kind, X in figures.items()}, slides[of], usual)
    return tuple(found)


def slides_apart(slides: Labels) -> tuple[str, ...]:
    """List the slides that are reported separately: with a name and enough cells.

    Parameters
    ----------
    slides : ndarray of str, shape (n,)
        Slide of each cell, empty where no table names it.

    Returns
    -------
    tuple of str
    """
    return tuple(name for name, _ in _told_apart(slides) if name)


def _told_apart(slides: Labels) -> Iterator[tuple[str, Bools]]:
    """Iterate over the slides to report: those with a name and enough cells, then the rest."""
    rest = np.ones(len(slides), dtype=bool)
    for name in np.unique(slides).tolist():
        of = slides == name
        if name and of.sum() >= LEAST_SLIDE:
            rest &= ~of
            yield name, of
    if rest.any():
        yield "", rest


def _distances(
    figure: Figure, X: Float64, mean: Float64, spread: Float64, *, signed: bool = True
) -> Float64:
    """Measure the distance of rows from a mean; a lower share of unknown cells counts as zero."""
    off = X - mean
    if figure == "proportions":
        return np.asarray(np.abs(off).sum(axis=-1) / 2)
    if figure == "unknown cells":
        return np.asarray((np.maximum(off, 0) if signed else np.abs(off)).sum(axis=-1))
    return np.asarray(np.sqrt(((off / spread) ** 2).mean(axis=-1)))
