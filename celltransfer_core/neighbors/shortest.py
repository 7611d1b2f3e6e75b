"""Shortest paths between all nodes of a sparse graph, compiled; imported where it is used.

Not node by node with a heap, but for many starts at once: a node takes the least of what its
neighbours offer, for all starts of a block in one vector operation, until no offer is lower.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar, cast

import numba
import numpy as np

from celltransfer_core.types import Float32, Ints

Function = TypeVar("Function", bound=Callable[..., Any])
_FAR = np.float32(1e30)  # no path known: finite, so that nothing times it is nothing
_ONE = np.float32(1)
_STARTS = 64  # a block: what it needs of 2,000 nodes stays in the processor's cache

# No length is NaN.
_FAST = {"nnan", "nsz"}


def _compiled(function: Function) -> Function:
    try:
        return cast("Function", numba.njit(cache=True, nogil=True, fastmath=_FAST)(function))
    except RuntimeError:  # nowhere to keep compiled code: it is compiled in each process
        return cast("Function", numba.njit(nogil=True, fastmath=_FAST)(function))


@_compiled
def _lower(length: Float32, node: int, other: int, weight: float) -> None:
    for start in range(_STARTS):
        offer = length[other, start] + weight
        known = length[node, start]
        # The lower one, said so that compilers do it for several at a time.
        lower = np.float32(offer < known)
        length[node, start] = lower * offer + (_ONE - lower) * known


@_compiled
def shortest_paths(
    indptr: Ints, indices: Ints, weights: Float32, order: Ints, found: Float32
) -> None:
    """Compute the lengths of the shortest paths between all nodes.

    Parameters
    ----------
    indptr, indices : ndarray of int32 or int64
        Of the graph in compressed rows, with both directions of every edge.
    weights : ndarray of float32
        Lengths of the edges, none below zero.
    order : ndarray of int64, shape (n,)
        Nodes in an order in which neighbours stand close together; any gives the same lengths.
    found : ndarray of float32, shape (n, n)
        Is filled: a row a start. Infinite where there is no path.
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
        forth = True
        left = True
        while left:
            left = False
            for step in range(n):
                node = order[step] if forth else order[n - 1 - step]
                if not offered[node]:
                    continue
                offered[node] = False
                before[:] = length[node]
                for edge in range(indptr[node], indptr[node + 1]):
                    _lower(length, node, indices[edge], weights[edge])
                changed = False
                for place in range(_STARTS):
                    changed |= length[node, place] != before[place]
                if changed:
                    left = True
                    for edge in range(indptr[node], indptr[node + 1]):
                        offered[indices[edge]] = True
            forth = not forth
        for place, start in enumerate(starts):
            for node in range(n):
                far = length[node, place]
                found[start, node] = far if far < _FAR else np.inf
