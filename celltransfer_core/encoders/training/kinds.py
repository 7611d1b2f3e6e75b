"""What file names say of cells: finer kinds than the types, and cells that were taken together.

In goes a labelled data set; out come a kind and a group for each cell, and which kinds a cell may
be of where laboratories tell kinds apart more or less finely. Not in the paper.
"""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from celltransfer_core.types import Bools, Ints, Labels

if TYPE_CHECKING:
    from celltransfer_core.data.dataset import Dataset


_DATE = re.compile(r"\d{2,4}-\d{1,2}-\d{1,2}(?!\d)")
_LEAST_KIND = 100  # cells; those of rarer kinds are known by their type alone


def kinds_of(dataset: Dataset) -> Labels:
    """Derive finer kinds than the types from the beginnings of file names.

    Parameters
    ----------
    dataset : Dataset
        n labelled cells.

    Returns
    -------
    ndarray of str, shape (n,)
        ``type/PREFIX``, where the prefix is the name up to the first underscore, of letters alone;
        the type where the prefix is none, has fewer than 100 cells of its type and laboratory, or
        is the only one there that has more.
    """
    prefixes = _prefixes(dataset)
    cells = [*zip(dataset.cell_sources.tolist(), dataset.cell_labels.tolist(), strict=True)]
    counts = Counter(
        (*cell, prefix) for cell, prefix in zip(cells, prefixes, strict=True) if prefix.isalpha()
    )
    common = {kind for kind, count in counts.items() if count >= _LEAST_KIND}
    several = Counter((laboratory, name) for laboratory, name, _ in common)
    return np.array(
        [
            f"{cell[1]}/{prefix}" if (*cell, prefix) in common and several[cell] > 1 else cell[1]
            for cell, prefix in zip(cells, prefixes, strict=True)
        ]
    )


def groups_of(dataset: Dataset) -> Labels:
    """Tell which cells were taken together: of one slide, or of one day or field.

    Parameters
    ----------
    dataset : Dataset
        n labelled cells.

    Returns
    -------
    ndarray of str, shape (n,)
        The slide, where a table names it; else the file name up to the first underscore, where
        that holds a digit, as a field's number does, or the date alone that it begins with; else
        nothing.
    """
    slides = dict(zip(dataset.sha256, dataset.slide or (), strict=False))
    return np.array(
        [
            slides.get(cell) or _taken(prefix)
            for cell, prefix in zip(dataset.cells, _prefixes(dataset), strict=True)
        ]
    )


def _taken(prefix: str) -> str:
    date = _DATE.match(prefix)
    return date[0] if date else prefix if any(map(str.isdigit, prefix)) else ""


def _prefixes(dataset: Dataset) -> list[str]:
    parts = [Path(name).stem.partition("_") for name in dataset.first_file]
    return [before if mark else "" for before, mark, _ in parts]


def leaf_kinds(kinds: Labels, types: Labels, laboratories: Ints) -> tuple[Labels, Bools]:
    """Join the kinds of several laboratories to leaves of one tree, below the types.

    A neutrophil of a laboratory that knows no bands may be one: it is not held against it.

    Parameters
    ----------
    kinds, types : ndarray of str, shape (n,)
    laboratories : ndarray of int64, shape (n,)

    Returns
    -------
    leaves : ndarray of str, shape (k,)
        Kinds that no other lies under, sorted.
    possible : ndarray of bool, shape (n, k)
        The leaves that each cell may be of: its own kind, and those of its type that its laboratory
        does not tell apart; all of its type where it has no finer kind.
    """
    known = {*zip(kinds.tolist(), types.tolist(), strict=True)}
    finer = {name for kind, name in known if kind != name}
    leaves = sorted((kind, name) for kind, name in known if kind != name or name not in finer)
    told = {*zip(laboratories.tolist(), kinds.tolist(), strict=True)}
    rows = {
        (laboratory, kind, name): [
            name == above and (kind in (leaf, name) or (laboratory, leaf) not in told)
            for leaf, above in leaves
        ]
        for laboratory, kind, name in {
            *zip(laboratories.tolist(), kinds.tolist(), types.tolist(), strict=True)
        }
    }
    possible = [
        rows[cell]
        for cell in zip(laboratories.tolist(), kinds.tolist(), types.tolist(), strict=True)
    ]
    return np.array([leaf for leaf, _ in leaves]), np.array(possible)
