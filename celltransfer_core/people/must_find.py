"""Types that must not be missed, and the additional cells to show for them.

A cell predicted as such a type is seen anyway. Further cells are shown as long as too many cells of
the type are expected among the rest.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.stats import beta

from celltransfer_core.types import Bools, Float64, Ints

MISSED = 0.05
"""Share of the cells of such a type that may be missed."""

_MARGIN = 0.4  # of that share: probabilities are estimates, and the most confident errors show last
_LIKELY = 0.05  # a cell is shown from this probability on in any case
_CONFIDENCE = 0.95
_MOST_DRAWN = 5000  # largest number that is requested


@dataclass(frozen=True)
class Sensitivity:
    """Number of drawn cells of a type that were seen."""

    drawn: int
    seen: int
    low: float
    """At least this share of all cells of the type is seen, with 95 % confidence."""
    missing: int
    """Number of further drawn cells of the type, if all of them are seen, until that share is 95
    %."""


def cells_to_show(probability: Float64, predicted: Bools, typed: Bools) -> Bools:
    r"""Find the cells to show in addition to those predicted as a type.

    Cells are shown in descending order of probability until at most 2 % of the type's cells are
    expected among the others. All cells with a probability of at least 5 % are shown.

    Parameters
    ----------
    probability : ndarray of float64, shape (n,)
        Probability that each cell is of the type.
    predicted : ndarray of bool, shape (n,)
        Cells that are predicted as the type.
    typed : ndarray of bool, shape (n,)
        Cells that a person typed.

    Returns
    -------
    ndarray of bool, shape (n,)

    Examples
    --------
    >>> import numpy as np
    >>> probability = np.array([0.9, 0.8, 0.3, 0.001])
    >>> cells_to_show(probability, probability > 0.5, np.zeros(4, dtype=bool)).tolist()
    [False, False, True, False]
    """
    open_cells = np.flatnonzero(~(predicted | typed))
    order = open_cells[np.argsort(-probability[open_cells], kind="stable")]
    ordered = probability[order]
    unseen = np.cumsum(ordered[::-1])[::-1]  # expected number in each cell and those after it
    shown = (unseen > MISSED * _MARGIN * probability.sum()) | (ordered >= _LIKELY)
    found = np.zeros(len(probability), dtype=bool)
    found[order[shown]] = True
    return found


def sensitivity(seen: Bools, drawn: Ints, answers: Sequence[str], name: str) -> Sensitivity:
    """Estimate from drawn cells the share of a type's cells that are seen.

    Parameters
    ----------
    seen : ndarray of bool, shape (n,)
        Cells that are predicted as the type or shown in addition.
    drawn : ndarray of int64, shape (M,)
        Cells that were drawn at random.
    answers : sequence of str, length M
        Answer on each of them.
    name : str
        Name of the type.

    Returns
    -------
    Sensitivity
        The limit is the Clopper–Pearson limit. Fewer cells are seen among those drawn for doubt
        than among all cells, so that the limit tends to be too low.

    Examples
    --------
    >>> import numpy as np
    >>> found = sensitivity(np.ones(3, dtype=bool), np.arange(3), ["blast"] * 3, "blast")
    >>> round(found.low, 2), found.missing
    (0.37, 56)
    """
    cells = [cell for cell, answer in zip(drawn.tolist(), answers, strict=True) if answer == name]
    count, right = len(cells), int(seen[cells].sum())
    more = np.arange(_MOST_DRAWN)
    limits = beta.ppf(1 - _CONFIDENCE, np.maximum(right + more, 0.5), count - right + 1)
    missing = int(np.searchsorted(limits, 1 - MISSED))
    return Sensitivity(count, right, float(limits[0]) if right else 0.0, missing)
