"""Limits of a differential count of a number of cells, as in Rümke's table.

The counts that chance explains are computed from shares: repeated counts of 100 or 200 cells differ
by chance alone, according to the binomial distribution (Rümke, in CLSI H20).
"""

from __future__ import annotations

from scipy.stats import binom, fisher_exact

USUAL_COUNTS = (100, 200)
"""Numbers of cells in a manual differential count."""


def count_limits(
    low: float, high: float, cells: int, *, confidence: float = 0.95
) -> tuple[int, int]:
    """Find the range of counts of a type in a differential of a number of cells.

    Parameters
    ----------
    low, high : float
        Interval of the type's share in the specimen, in [0, 1].
    cells : int
        Number of counted cells.
    confidence : float
        Probability of a count within the limits, for either limit of the share.

    Returns
    -------
    least, most : int
        A count outside these limits is not explained by chance.

    Examples
    --------
    >>> count_limits(0.05, 0.05, 100), count_limits(0.05, 0.05, 200)
    ((1, 10), (4, 16))
    """
    tail = (1 - confidence) / 2
    return int(binom.ppf(tail, cells, low)), int(binom.ppf(1 - tail, cells, high))


def are_compatible(
    first: int, first_cells: int, second: int, second_cells: int, *, confidence: float = 0.95
) -> bool:
    """Check whether chance explains the difference between two counts of a type.

    Parameters
    ----------
    first, first_cells : int
        Cells of the type, and of all types, in one differential.
    second, second_cells : int
        The same for another differential of the same specimen.
    confidence : float

    Returns
    -------
    bool
        Result of Fisher's exact test.

    Examples
    --------
    >>> are_compatible(5, 100, 9, 100), are_compatible(5, 100, 18, 100)
    (True, False)
    """
    table = [[first, first_cells - first], [second, second_cells - second]]
    return bool(fisher_exact(table).pvalue >= 1 - confidence)
