"""Drift: how far the slides of a batch lie from those that a classifier was taught on.

Four figures of each cell go in, and the slide that it is of; out comes how far each slide's mean
lies from the usual one, and how far it may. What is usual, the cells that taught decide: how their
slides differ, or, of a single slide, how its cells do. Not in the paper.
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
"""What drifts: the colour of the nuclei, the background's light, the share of each type, and the
share of cells unlike all types."""

CellFigures = Mapping[Figure, Float64]
"""By figure, numbers of n cells, shape (n, k); NaN where a cell has none."""

LEAST_SLIDE = 20
"""Cells from which a slide is told of by itself; those of smaller ones are told of together."""

LEAST_SLIDES = 3
"""Slides from which they tell how far slides differ."""

_MEASURES: Mapping[Figure, tuple[str, ...]] = {
    "stain": ("red stain", "blue stain"),
    "light": ("light",),
}
_CHANCE = 0.01  # of a slide like the others that it is called drifted, for each figure
_NORMAL = 2.576  # standard errors within which the mean of a sample lies but for that chance


@dataclass(frozen=True)
class Usual:
    """One figure, with k numbers a cell, among the cells that taught a classifier."""

    mean: tuple[float, ...]
    spread: tuple[float, ...]
    """Standard deviation of the cells."""
    of_cells: float
    """How far half of the cells lie from the mean, at least."""
    of_slides: tuple[float, ...]
    """How far each slide lies from the others; none of fewer than :data:`LEAST_SLIDES`."""

    def limit(self, figure: Figure, cells: int) -> float:
        """Return how far a slide may lie from the mean.

        Parameters
        ----------
        figure : str
        cells : int
            Of that slide, one at least.

        Returns
        -------
        float
            As far as one slide more would, but for a chance of 1 % (of their distances, by
            Student's t); of too few slides, as far as half of the cells do. Never less than what
            the chance of drawing so few cells makes.
        """
        if figure == "unknown cells":  # few of few: no normal distribution
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
    """How far one slide lies off in one figure."""

    figure: Figure
    slide: str
    """Empty for all cells whose slide is not named or small."""
    cells: int
    distance: float
    """Of stain and light, in standard deviations of the cells that taught; of proportions, the
    share of cells that would have to be of other types; of unknown cells, how much larger their
    share is."""
    limit: float
    """How far it may lie off."""

    @property
    def drifted(self) -> bool:
        """Whether it lies farther off than is usual."""
        return self.distance > self.limit


def cell_figures(nuclei: Nuclei | None, types: Ints, of: int, unknown: Bools) -> CellFigures:
    """Collect what drift is told by.

    Parameters
    ----------
    nuclei : Nuclei, optional
        Of n cells; without, stain and light are not told.
    types : ndarray of int64, shape (n,)
        Number of each cell's likeliest type.
    of : int
        How many types there are.
    unknown : ndarray of bool, shape (n,)
        Cells unlike all of them.

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
    found["unknown cells"] = unknown[:, None].astype(np.float64)
    return found


def usual_figures(figures: CellFigures, slides: Labels) -> dict[Figure, Usual]:
    """Tell what is usual among the cells that taught a classifier.

    Parameters
    ----------
    figures : mapping
        Of n cells, see :data:`CellFigures`.
    slides : ndarray of str, shape (n,)
        Slide of each, empty where no table names it.

    Returns
    -------
    dict from figure to Usual
        Without those that fewer than two cells have.
    """
    usual = {}
    for figure, numbers in figures.items():
        known = ~np.isnan(numbers).any(axis=1)
        X, of = numbers[known], slides[known]
        if len(X) < 2:
            continue
        mean = X.mean(axis=0)
        spread = np.maximum(X.std(axis=0), 1e-6)
        apart = _distances(figure, X, mean, spread, signed=False)
        names = [name for name, cells in _told_apart(of) if name]
        slides_apart = [
            float(
                _distances(figure, X[of == name].mean(axis=0), X[of != name].mean(axis=0), spread)
            )
            for name in names
        ]
        usual[figure] = Usual(
            tuple(mean.tolist()),
            tuple(spread.tolist()),
            float(np.median(apart)),
            tuple(slides_apart) if len(slides_apart) >= LEAST_SLIDES else (),
        )
    return usual


def find_drift(
    figures: CellFigures, slides: Labels, usual: Mapping[Figure, Usual]
) -> tuple[SlideDrift, ...]:
    """Tell how far the slides of a batch lie from what is usual.

    Parameters
    ----------
    figures : mapping
        Of the n cells of the batch.
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


def _told_apart(slides: Labels) -> Iterator[tuple[str, Bools]]:
    """Go through the slides that are told of: those with a name and enough cells, then the rest."""
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
    """Measure how far rows, or one, lie from a mean; fewer unknown cells are no distance."""
    off = X - mean
    if figure == "proportions":
        return np.asarray(np.abs(off).sum(axis=-1) / 2)
    if figure == "unknown cells":
        return np.asarray((np.maximum(off, 0) if signed else np.abs(off)).sum(axis=-1))
    return np.asarray(np.sqrt(((off / spread) ** 2).mean(axis=-1)))
