"""Drawing of cells with known probabilities that depend on the vote.

Active statistical inference (Zrnic & Candès, arXiv 2403.03208): doubtful cells are drawn more
often, but every cell can be drawn. Because the probabilities are known, the drawn cells allow
inference on all cells.
"""

from __future__ import annotations

import hashlib

import numpy as np

from celltransfer_core.classify.voting import Vote
from celltransfer_core.types import Bools, Float64, Ints

DRAWN_AHEAD = 100
"""Number of places of the queue that are drawn in advance; the other cells follow by
probability."""

_EVENLY = 0.15  # share of the probability divided evenly, so that no cell's is near zero
_BY_TYPE = 0.25  # of the rest, share divided evenly among predicted types, to include rare types
_SHARPNESS = 3.0  # exponent of the doubt
_LEAST = 1e-9  # doubt of a cell with a certain vote


def draw_chances(vote: Vote, left: Bools | None = None) -> Float64:
    """Compute the probability that each cell is drawn next.

    Parameters
    ----------
    vote : Vote
    left : ndarray of bool, shape (n,), optional
        The cells that can be drawn; all by default.

    Returns
    -------
    ndarray of float64, shape (n,)
        Sums to one over the cells that are left, and is zero elsewhere. 15 % are divided evenly,
        the rest by doubt, which is the third power of one minus the margin; for a quarter of the
        rest, each predicted type has the same total.

    Examples
    --------
    >>> import numpy as np
    >>> from celltransfer_core.classify import weighted_vote
    >>> vote = weighted_vote(np.array([[[0.9, 0.1], [0.6, 0.4]]]), np.ones(1))
    >>> draw_chances(vote).round(2).tolist()
    [0.09, 0.91]
    """
    left = np.ones(len(vote.margin), dtype=bool) if left is None else left
    if not left.any():
        return np.zeros(len(left))
    doubt = np.where(left, np.clip(1 - vote.margin, _LEAST, 1) ** _SHARPNESS, 0.0)
    of_type = np.bincount(vote.winner, weights=doubt)
    types = of_type > 0
    by_type = np.where(left, doubt / np.where(types, of_type, 1)[vote.winner] / types.sum(), 0.0)
    doubtful = (1 - _BY_TYPE) * doubt / doubt.sum() + _BY_TYPE * by_type
    return np.asarray(_EVENLY * left / left.sum() + (1 - _EVENLY) * doubtful, dtype=np.float64)


def draw_cell(chances: Float64, order: Ints, seed: int, place: int) -> int:
    """Draw the cell of one place of the queue.

    Parameters
    ----------
    chances : ndarray of float64, shape (n,)
        At least one above zero.
    order : ndarray of int64, shape (n,)
        All cells in an order that is unrelated to their properties.
    seed, place : int
        Equal values draw the same cell from the same probabilities.

    Returns
    -------
    int
        Number of the cell.

    Examples
    --------
    >>> import numpy as np
    >>> draw_cell(np.array([0.0, 1.0]), np.array([1, 0]), seed=0, place=0)
    1
    """
    drawn = hashlib.sha256(f"{seed}/place {place}".encode()).digest()
    upto = np.cumsum(chances[order])
    at = int.from_bytes(drawn[:8], "big") / 2**64 * upto[-1]
    return int(order[np.searchsorted(upto, at, side="right")])
