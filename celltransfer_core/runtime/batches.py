"""Batches and evenly spaced positions of many items, for tasks and steps of progress."""

from __future__ import annotations

from typing import Any, Protocol, TypeVar

import numpy as np

from celltransfer_core.types import Ints


class Sliceable(Protocol):
    """A list, a tuple or an array."""

    def __len__(self) -> int: ...

    def __getitem__(self, part: slice, /) -> Any: ...


Items = TypeVar("Items", bound=Sliceable)


def in_batches(items: Items, size: int) -> list[Items]:
    """Split items into batches, in order.

    Parameters
    ----------
    items : sequence or ndarray, length n
    size : int
        Items per batch; the last may have fewer.

    Returns
    -------
    list
        Slices of ``items``; empty if there are none.

    Examples
    --------
    >>> in_batches("abcde", 2)
    ['ab', 'cd', 'e']
    """
    return [items[start : start + size] for start in range(0, len(items), size)]


def evenly_spaced(count: int, most: int) -> Ints:
    """Choose positions evenly along a sequence, its first and last among them.

    Parameters
    ----------
    count : int
        Length of the sequence.
    most : int
        Number of positions to choose; all if there are fewer.

    Returns
    -------
    ndarray of int64, shape (min(count, most),)
        Ascending.

    Examples
    --------
    >>> evenly_spaced(10, 4).tolist()
    [0, 3, 6, 9]
    """
    return np.unique(np.linspace(0, count - 1, min(count, most)).astype(np.int64))
