"""Random subsets of the reference and random parts of the query (5.2)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from celltransfer_core.types import Float64, Ints


def draw_reference(
    types: Ints, size: int, rng: np.random.Generator, weights: Float64 | None = None
) -> Ints:
    """Draw a subset of the reference, to given proportions or at random (5.2).

    Parameters
    ----------
    types : ndarray of int64, shape (n,)
        Type number of each reference cell.
    size : int
        Cells to draw.
    rng : numpy.random.Generator
    weights : ndarray of float64, shape (n_types,), optional
        Share of each type in the draw. If a type has too few cells, its cells are drawn about
        equally often. By default, cells are drawn at random without replacement.

    Returns
    -------
    ndarray of int64, shape (size,)
        Positions in ``types``, ascending.
    """
    if weights is None:
        return np.sort(rng.permutation(len(types))[:size])
    drawn = []
    for number, count in enumerate(apportion(size, weights)):
        members = rng.permutation(np.flatnonzero(types == number))
        drawn.append(np.resize(members, count))
    return np.sort(np.concatenate(drawn))


def apportion(size: int, weights: Float64) -> Ints:
    """Divide a number of cells by weight, by largest remainders.

    Parameters
    ----------
    size : int
    weights : ndarray of float64, shape (k,)
        Sums to one.

    Returns
    -------
    ndarray of int64, shape (k,)
        Sums to ``size``.
    """
    exact = np.asarray(weights) * size
    counts = np.floor(exact).astype(np.int64)
    missing = size - int(counts.sum())
    counts[np.argsort(counts - exact, kind="stable")[:missing]] += 1
    return counts


def split_query(n: int, part_size: int, rng: np.random.Generator) -> Sequence[Ints]:
    """Partition the query at random into parts of nearly equal size (5.2).

    Parameters
    ----------
    n : int
        Number of query cells.
    part_size : int
        Maximum number of cells in a part.
    rng : numpy.random.Generator

    Returns
    -------
    sequence of ndarray of int64
        Every cell is in exactly one part; a single part, in order, if all cells fit.
    """
    parts = -(-n // part_size)
    if parts <= 1:
        return [np.arange(n)]
    return [np.sort(part) for part in np.array_split(rng.permutation(n), parts)]
