"""Comparison of two methods on the same labelled cells, with a test of significance.

In: predicted types of two methods and the true ones. Out: the cells that only one method types
correctly, overall and by type, with McNemar's exact test and interval.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from celltransfer_core.evaluation.metrics import holm
from celltransfer_core.types import Bools, Labels


@dataclass(frozen=True)
class Pair:
    """How many cells two methods type correctly."""

    cells: int
    both: int
    only_first: int
    only_second: int

    @property
    def first(self) -> int:
        """Cells that the first method types correctly."""
        return self.both + self.only_first

    @property
    def second(self) -> int:
        """Cells that the second method types correctly."""
        return self.both + self.only_second

    @property
    def lead(self) -> int:
        """Number of cells by which the first is ahead; negative if it is behind."""
        return self.only_first - self.only_second

    @property
    def p(self) -> float:
        """P value of McNemar's exact test, two-sided."""
        from scipy.stats import binomtest

        parted = self.only_first + self.only_second
        return float(binomtest(self.only_first, parted).pvalue) if parted else 1.0

    @property
    def interval(self) -> tuple[float, float]:
        """Exact 95 % interval of the lead in percentage points, given the discordant cells.

        Derived from the interval of the share of these cells that the first types correctly
        (Clopper and Pearson).
        """
        from scipy.stats import binomtest

        parted = self.only_first + self.only_second
        if not parted:
            return 0.0, 0.0
        share = binomtest(self.only_first, parted).proportion_ci(method="exact")
        low, high = (100 * (2 * end - 1) * parted / self.cells for end in (share.low, share.high))
        return low, high


@dataclass(frozen=True)
class Comparison:
    """Two methods on the same cells."""

    overall: Pair
    by_type: Mapping[str, Pair] = field(default_factory=dict)
    """By true type, in alphabetical order."""
    p_by_type: Mapping[str, float] = field(default_factory=dict)
    """P value for each type's cells, Holm-corrected over the types."""


def compare(truth: Labels, first: Labels, second: Labels) -> Comparison:
    """Compare two methods cell by cell.

    Parameters
    ----------
    truth, first, second : ndarray of str, shape (m,)
        True types of the cells that count, and those that each method predicts.

    Returns
    -------
    Comparison

    Examples
    --------
    >>> truth = np.array(["a"] * 8 + ["b"] * 8)
    >>> found = compare(truth, truth, np.array(["a"] * 16))
    >>> found.overall.lead, round(found.overall.p, 3), found.by_type["b"].lead
    (8, 0.008, 8)
    """
    right = (first == truth, second == truth)
    names = np.unique(truth).tolist()
    by_type = {name: _pair(*right, truth == name) for name in names}
    corrected = holm([pair.p for pair in by_type.values()])
    return Comparison(
        _pair(*right, np.ones(len(truth), dtype=bool)),
        by_type,
        dict(zip(names, corrected.tolist(), strict=True)),
    )


def _pair(first: Bools, second: Bools, among: Bools) -> Pair:
    return Pair(
        int(among.sum()),
        int((first & second & among).sum()),
        int((first & ~second & among).sum()),
        int((~first & second & among).sum()),
    )


@dataclass(frozen=True)
class Mistake:
    """Cells of one type that a method predicts as another."""

    truth: str
    predicted: str
    cells: tuple[int, ...]
    """Indices of the cells, ascending."""


def mistakes(truth: Labels, predicted: Labels) -> list[Mistake]:
    """List which types a method confuses with which, the most frequent first.

    Parameters
    ----------
    truth, predicted : ndarray of str, shape (m,)
        Cells without a true type (empty) or without a prediction do not count.

    Returns
    -------
    list of Mistake

    Examples
    --------
    >>> found = mistakes(np.array(["a", "b", "b", ""]), np.array(["a", "a", "a", "b"]))
    >>> found
    [Mistake(truth='b', predicted='a', cells=(1, 2))]
    """
    wrong = np.flatnonzero((truth != predicted) & (truth != "") & (predicted != ""))
    of: dict[tuple[str, str], list[int]] = {}
    for cell in wrong.tolist():
        of.setdefault((str(truth[cell]), str(predicted[cell])), []).append(cell)
    ordered = sorted(of.items(), key=lambda item: (-len(item[1]), item[0]))
    return [Mistake(*pair, tuple(cells)) for pair, cells in ordered]
