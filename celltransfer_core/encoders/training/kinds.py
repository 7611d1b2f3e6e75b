"""Derive finer kinds than the types, and groups of cells imaged together, from file names.

The result is a kind and a group for each cell of a labelled data set, and the possible kinds of
each cell where laboratories distinguish kinds at different levels of detail. Not in the paper.
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
_LEAST_KIND = 100  # cells; for rarer kinds only the type is used


def kinds_of(dataset: Dataset) -> Labels:
    """Derive finer kinds than the types from file name prefixes.

    Parameters
    ----------
    dataset : Dataset
        n labelled cells.

    Returns
    -------
    ndarray of str, shape (n,)
        ``type/PREFIX``, where the prefix is the name up to the first underscore, if it consists of
        letters only. Otherwise the type, also if the prefix has fewer than 100 cells of its type
        and laboratory, or is the only one there with more.
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
    """Find cells that were imaged together: on one slide, on one day or in one field.

    Parameters
    ----------
    dataset : Dataset
        n labelled cells.

    Returns
    -------
    ndarray of str, shape (n,)
        The slide, if a table gives it; otherwise the file name up to the first underscore if that
        contains a digit, such as a field number, or only the date at its start; otherwise empty.
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
    """Join the kinds of several laboratories as leaves of one tree below the types.

    A neutrophil from a laboratory that does not distinguish bands may be a band, so predicting one
    is not penalised.

    Parameters
    ----------
    kinds, types : ndarray of str, shape (n,)
    laboratories : ndarray of int64, shape (n,)

    Returns
    -------
    leaves : ndarray of str, shape (k,)
        Kinds without sub-kinds, sorted.
    possible : ndarray of bool, shape (n, k)
        Possible leaves of each cell: its own kind, and those of its type that its laboratory does
        not distinguish; all leaves of its type if it has no finer kind.
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
