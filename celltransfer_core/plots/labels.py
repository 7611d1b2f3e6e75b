"""Placement of labels without overlaps: anchors and sizes in, positions out."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from celltransfer_core.types import Float64

_ROUNDS = 400
_GAP = 2.0  # px between two labels
LETTER, LINE_HEIGHT = 6.6, 18.0
"""Width of a letter and height of a line of 12 px text, px."""


def label_size(text: str) -> tuple[float, float]:
    """Estimate the size of a one-line label.

    Parameters
    ----------
    text : str
        Plain text.

    Returns
    -------
    (float, float)
        Width and height, px.
    """
    return LETTER * len(text) + 8, LINE_HEIGHT


def place_labels(
    anchors: Float64,
    sizes: Float64,
    room: tuple[float, float],
    *,
    fixed: Float64 | None = None,
) -> Float64:
    """Move labels apart, each as little as possible.

    Parameters
    ----------
    anchors : ndarray of float64, shape (n, 2)
        Preferred position of each label, px.
    sizes : ndarray of float64, shape (n, 2)
        Width and height, px.
    room : (float, float)
        Width and height of the plane, px; labels stay inside.
    fixed : ndarray of float64, shape (k, 4), optional
        Centre and size of boxes that do not move and must not be covered.

    Returns
    -------
    ndarray of float64, shape (n, 2)
        Centres. If there is not enough room for all, some still touch.

    Examples
    --------
    >>> place_labels(np.array([[50.0, 50.0], [50.0, 52.0]]), np.full((2, 2), 10.0), (100, 100))
    array([[50., 45.],
           [50., 57.]])
    """
    n = len(anchors)
    still = np.empty((0, 4)) if fixed is None else np.asarray(fixed, dtype=np.float64)
    boxes = np.concatenate([sizes, still[:, 2:]])
    moves = np.arange(len(boxes)) < n
    low, high = sizes / 2, np.maximum(np.asarray(room) - sizes / 2, sizes / 2)
    begin = np.clip(_beside(anchors, sizes, still), low, high)
    places = np.concatenate([begin, still[:, :2]]).astype(np.float64)
    for _ in range(_ROUNDS):
        push = _pushes(places, boxes, moves)
        if not push.any():
            break
        places[:n] = np.clip(places[:n] + push[:n], low, high)
    return places[:n]


def _beside(anchors: Float64, sizes: Float64, still: Float64) -> Float64:
    """Start each label where it covers least of the fixed boxes: above, below or beside."""
    if not len(still):
        return anchors
    reach = (sizes[:, None] + still[None, :, 2:].max(axis=1, keepdims=True)) / 2 + _GAP
    ways = np.array([[0, 1], [0, -1], [1, 0], [-1, 0], [0.6, 1], [-0.6, 1], [0.6, -1], [-0.6, -1]])
    tried = anchors[:, None] + ways * reach
    apart = np.abs(tried[:, :, None] - still[None, None, :, :2])
    over = (sizes[:, None, None] + still[None, None, :, 2:]) / 2 - apart
    covered = np.prod(np.clip(over, 0, None), axis=3).sum(axis=2)
    return tried[np.arange(len(anchors)), covered.argmin(axis=1)]


def _pushes(places: Float64, boxes: Float64, moves: NDArray[np.bool_]) -> Float64:
    """Compute each box's move away from boxes that it covers, along the axis of less overlap."""
    apart = places[:, None] - places[None]
    over = (boxes[:, None] + boxes[None]) / 2 + _GAP - np.abs(apart)
    covers = (over > 1e-6).all(axis=2) & ~np.eye(len(boxes), dtype=bool)
    along = over.argmin(axis=2)
    rank = np.arange(len(boxes))
    by_rank = np.where(rank[:, None] < rank[None], -1.0, 1.0)[:, :, None]
    side = np.where(apart == 0, by_rank, np.sign(apart))
    # Each moves half of the way, or all of it if the other one is fixed.
    share = np.where(moves[None], 0.5, 1.0)
    push = np.zeros_like(places)
    for axis in (0, 1):
        mine = covers & (along == axis)
        push[:, axis] = (mine * share * side[:, :, axis] * over[:, :, axis]).sum(axis=1)
    return push / covers.sum(axis=1).clip(1)[:, None] * moves[:, None]
