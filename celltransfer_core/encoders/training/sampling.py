"""Choose held-out cells and training batches by type, laboratory and group.

Not in the paper.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from celltransfer_core.types import Bools, Ints, Labels

_HELD_BACK, _MOST_HELD_BACK = 0.15, 2500  # share and maximum number of a laboratory's cells
_LEAST_HELD_BACK = 5  # per type
_MOST_OF_A_TYPE = 1 / 3  # that whole groups may take from training
_LEAST_GROUP = 10  # cells; smaller groups are not learned


def split_cells(
    types: Labels,
    seed: int,
    *,
    groups: Labels | None = None,
    laboratories: Ints | None = None,
) -> tuple[Ints, Ints]:
    """Hold out some cells of every type and laboratory from training.

    Parameters
    ----------
    types : ndarray of str, shape (n,)
    seed : int
    groups : ndarray of str, shape (n,), optional
        Days, fields or slides, which are held out as a whole if known, because cells imaged
        together share light and stain.
    laboratories : ndarray of int64, shape (n,), optional
        One laboratory by default.

    Returns
    -------
    training, held_back : ndarray of int64
        Positions of the cells, ascending. 15 % of each type are held out, at least five cells, and
        at most 2,500 per laboratory. Groups are drawn at random until this number is reached,
        except those that would take more than a third of a type.
    """
    held = np.zeros(len(types), dtype=bool)
    laboratories = np.zeros(len(types), dtype=np.int64) if laboratories is None else laboratories
    for laboratory in np.unique(laboratories):
        rng = np.random.default_rng(seed)
        own = np.flatnonzero(laboratories == laboratory)
        share = min(_HELD_BACK, _MOST_HELD_BACK / len(own))
        if groups is not None and (groups[own] != "").any():
            held[own] = _whole_groups(types[own], groups[own], share, rng)
        grouped = held.copy()
        for name in np.unique(types[own]):
            of_type = own[types[own] == name]
            if not grouped[of_type].any():
                cells = rng.permutation(of_type)
                held[cells[: max(_LEAST_HELD_BACK, round(share * len(cells)))]] = True
    return np.flatnonzero(~held), np.flatnonzero(held)


def _whole_groups(types: Labels, groups: Labels, share: float, rng: np.random.Generator) -> Bools:
    held = np.zeros(len(types), dtype=bool)
    names, counts = np.unique(types, return_counts=True)
    of_type = {name: types == name for name in names}
    for name in names[np.argsort(counts, kind="stable")]:
        own = of_type[name]
        wanted = max(_LEAST_HELD_BACK, round(share * own.sum()))
        for group in rng.permutation(np.unique(groups[own & (groups != "")])):
            if held[own].sum() >= wanted:
                break
            more = held | (groups == group)
            if all(more[of_type[one]].mean() <= _MOST_OF_A_TYPE for one in names):
                held = more
    return held


def telling_groups(types: Labels, groups: Labels, laboratories: Ints) -> Bools:
    """Find cells whose day or field reveals their type.

    Parameters
    ----------
    types, groups : ndarray of str, shape (n,)
    laboratories : ndarray of int64, shape (n,)

    Returns
    -------
    ndarray of bool, shape (n,)
        Whether the cell's group has at least ten cells, all of one type.
    """
    telling = np.zeros(len(types), dtype=bool)
    for laboratory in np.unique(laboratories):
        for group in np.unique(groups[(laboratories == laboratory) & (groups != "")]):
            cells = (laboratories == laboratory) & (groups == group)
            if cells.sum() >= _LEAST_GROUP:
                telling[cells] = len(np.unique(types[cells])) == 1
    return telling


def balanced_batches(levels: Sequence[Ints], size: int, rng: np.random.Generator) -> Iterator[Ints]:
    """Draw batches that are balanced at every level of a tree of classes.

    Parameters
    ----------
    levels : sequence of ndarray of int64, each (n,)
        Classes from the coarsest to the finest, such as types, laboratories and kinds. Types are
        equally likely, and so are the laboratories of a type, the kinds of a type in a laboratory,
        and the cells of such a kind.
    size : int
        Number of cells per batch.
    rng : Generator

    Yields
    ------
    ndarray of int64, shape (size,)
        Positions of cells, ascending; the iterator is endless.
    """
    shares = np.ones(len(levels[0]))
    above = np.zeros(len(levels[0]), dtype=np.int64)
    for level in levels:
        pairs, below = np.unique(np.stack([above, level]), axis=1, return_inverse=True)
        shares /= np.bincount(pairs[0])[above]
        above = below.reshape(-1)
    shares /= np.bincount(above)[above]
    shares /= shares.sum()
    while True:
        yield np.sort(rng.choice(len(shares), size, p=shares))
