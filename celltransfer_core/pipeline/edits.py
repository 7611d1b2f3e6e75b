"""Manual edits of clusters (move, split and merge), and helpers for picking cells."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from celltransfer_core.errors import DataError
from celltransfer_core.neighbors.search import nearest
from celltransfer_core.pipeline.clusters import Clusters
from celltransfer_core.types import Bools, Float32, Ints

HASH_DIGITS = 16
"""Hexadecimal digits of a cell's hash that identify it within a set."""


def shorten_hashes(cells: Sequence[str]) -> list[str]:
    """Shorten hashes to the digits that are stored with decisions.

    Parameters
    ----------
    cells : sequence of str

    Returns
    -------
    list of str
    """
    return [cell[:HASH_DIGITS] for cell in cells]


def edit_clusters(
    clusters: Clusters, cells: Sequence[str], edits: Sequence[Mapping[str, Any]]
) -> Clusters:
    """Move cells between clusters as decided by a person.

    Parameters
    ----------
    clusters : Clusters
        Clusters as detected.
    cells : sequence of str, length m
        Hashes.
    edits : sequence of mapping
        Each has ``cells`` (shortened hashes) and ``to`` (the number of a cluster; None for a new
        one). A split moves a part of a cluster to a new one; a merge moves the whole cluster.

    Returns
    -------
    Clusters
        Untouched clusters keep their numbers. Density is NaN for clusters that gained or lost
        cells.
    """
    if not edits:
        return clusters
    place = {cell: index for index, cell in enumerate(shorten_hashes(cells))}
    numbers = clusters.names[clusters.labels]
    touched: set[int] = set()
    highest = int(clusters.names.max())
    for edit in edits:
        moved = [place[cell] for cell in edit["cells"] if cell in place]
        if edit["to"] is None:
            highest += 1
        target = highest if edit["to"] is None else int(edit["to"])
        touched |= {int(number) for number in numbers[moved]} | {target}
        numbers[moved] = target
    names, labels = np.unique(numbers, return_inverse=True)
    known = dict(zip(clusters.names.tolist(), clusters.density.tolist(), strict=True))
    density = [np.nan if n in touched else known[n] for n in names.tolist()]
    return replace(clusters, labels=labels.astype(np.int64), names=names, density=np.array(density))


def central_first(clusters: Clusters, cluster: int) -> Ints:
    """List the cells of a cluster, the most central first.

    Parameters
    ----------
    clusters : Clusters
    cluster : int
        Its position, 0 … C − 1.

    Returns
    -------
    ndarray of int64
    """
    inside = np.flatnonzero(clusters.labels == cluster)
    return inside[np.argsort(-clusters.centrality[inside], kind="stable")]


def split_in_two(X: Float32, *, seed: int = 0) -> Bools:
    """Split the cells of a cluster in two by 2-means.

    Parameters
    ----------
    X : ndarray of float32, shape (k, d)
        Their embeddings.
    seed : int

    Returns
    -------
    ndarray of bool, shape (k,)
        Which cells are in the smaller part; if both are equal, in the part without the first cell.

    Raises
    ------
    DataError
        If there are no two cells that differ.
    """
    from sklearn.cluster import KMeans

    if len(X) < 2 or (X[0] == X).all():
        raise DataError("This cluster cannot be split: its cells are identical for the encoder.")
    part = KMeans(n_clusters=2, n_init=10, random_state=seed).fit_predict(X) == 1
    smaller = part.sum() < len(X) / 2 or (2 * part.sum() == len(X) and not part[0])
    return part if smaller else ~part


def extend_selection(X: Float32, shown: Ints, picked: Ints) -> Ints:
    """Extend a selection made on the map of a sample to nearby cells that are not on the map.

    Parameters
    ----------
    X : ndarray of float32, shape (m, d)
        Embeddings of all cells.
    shown : ndarray of int64, shape (s,)
        Cells on the map.
    picked : ndarray of int64
        Some of them.

    Returns
    -------
    ndarray of int64
        Ascending. A cell that is not on the map follows the nearest one that is.
    """
    hidden = np.setdiff1d(np.arange(len(X)), shown)
    if not len(hidden) or not len(picked):
        return np.sort(picked)
    beside = shown[nearest(X[hidden], X[shown], 1)[1][:, 0]]
    return np.sort(np.concatenate([picked, hidden[np.isin(beside, picked)]]))
