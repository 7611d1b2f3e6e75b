"""Limits of a differential count of so many cells, by the logic of Rümke's table.

Shares go in, counts that chance explains come out: a count of 100 or 200 cells differs from the
next one by chance alone, as the binomial distribution has it (Rümke, in CLSI H20).
"""

from __future__ import annotations

from scipy.stats import binom, fisher_exact

USUAL_COUNTS = (100, 200)
"""Cells that a differential is counted on by eye."""


def count_limits(
    low: float, high: float, cells: int, *, confidence: float = 0.95
) -> tuple[int, int]:
    """Find how many cells of a type a differential of so many cells may count.

    Parameters
    ----------
    low, high : float
        Interval of the type's share in the specimen, in [0, 1].
    cells : int
        That are counted.
    confidence : float
        Probability of a count within the limits, for either limit of the share.

    Returns
    -------
    least, most : int
        A count outside of them is not explained by chance.

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
    """Tell whether chance explains the difference of two counts of a type.

    Parameters
    ----------
    first, first_cells : int
        Cells of the type, and of all types, in one differential.
    second, second_cells : int
        The same in another one of the same specimen.
    confidence : float

    Returns
    -------
    bool
        By Fisher's exact test.

    Examples
    --------
    >>> are_compatible(5, 100, 9, 100), are_compatible(5, 100, 18, 100)
    (True, False)
    """
    table = [[first, first_cells - first], [second, second_cells - second]]
    return bool(fisher_exact(table).pvalue >= 1 - confidence)
