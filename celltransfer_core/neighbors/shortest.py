"""Compiled computation of shortest paths between all nodes of a sparse graph: d_geo of eq. 6.

Instead of node by node with a heap, paths are computed for many start nodes at once. A node takes
the shortest path that its neighbours offer, for all start nodes of a block in one vector operation,
until no offer is shorter.
"""

from __future__ import annotations

import numpy as np

from celltransfer_core.neighbors.compiled import compiled
from celltransfer_core.types import Float32, Ints

_FAR = np.float32(1e30)  # no known path: finite, because zero times infinity is NaN
_ONE = np.float32(1)
_STARTS = 64  # per block, so that its data for 2,000 nodes stay in the processor's cache


@compiled
def _lower(length: Float32, node: int, other: int, weight: float) -> None:
    for start in range(_STARTS):
        offer = length[other, start] + weight
        known = length[node, start]
        # The lower of both, without a branch, so that compilers can vectorise it.
        lower = np.float32(offer < known)
        length[node, start] = lower * offer + (_ONE - lower) * known


@compiled
def shortest_paths(
    indptr: Ints, indices: Ints, weights: Float32, order: Ints, found: Float32
) -> None:
    """Compute the length of the shortest path between every two nodes.

    Parameters
    ----------
    indptr, indices : ndarray of int32 or int64
        The graph in compressed rows, with both directions of every edge.
    weights : ndarray of float32
        Lengths of the edges, none below zero.
    order : ndarray of int64, shape (n,)
        Nodes in an order that keeps neighbours close together. Any order gives the same lengths.
    found : ndarray of float32, shape (n, n)
        Output array with one row per start node; infinite where there is no path.
    """
    n = len(order)
    length = np.empty((n, _STARTS), np.float32)
    before = np.empty(_STARTS, np.float32)
    offered = np.empty(n, np.bool_)
    for first in range(0, n, _STARTS):
        starts = order[first : first + _STARTS]
        length[:] = _FAR
        offered[:] = False
        for place, start in enumerate(starts):
            length[start, place] = 0.0
            for edge in range(indptr[start], indptr[start + 1]):
                offered[indices[edge]] = True
        forward = True
        active = True
        while active:
            active = False
            for step in range(n):
                node = order[step] if forward else order[n - 1 - step]
                if not offered[node]:
                    continue
                offered[node] = False
                before[:] = length[node]
                for edge in range(indptr[node], indptr[node + 1]):
                    _lower(length, node, indices[edge], weights[edge])
                shorter = False
                for place in range(_STARTS):
                    shorter |= length[node, place] != before[place]
                if shorter:
                    active = True
                    for edge in range(indptr[node], indptr[node + 1]):
                        offered[indices[edge]] = True
            forward = not forward
        for place, start in enumerate(starts):
            for node in range(n):
                total = length[node, place]
                found[start, node] = total if total < _FAR else np.inf
