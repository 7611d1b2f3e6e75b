"""Find cells that two sets share, or that one set contains twice.

Matches are byte-identical or nearly identical: saved again, resized, slightly brighter or darker,
or cropped with an offset of a pixel or two. Not in the paper. No labels and no images are read; the
thumbnails are computed when images are imported (:mod:`celltransfer_core.data.looks`).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from celltransfer_core.data.dataset import Dataset
from celltransfer_core.data.looks import BLACK, SIDE, looks_of
from celltransfer_core.neighbors.search import NearestIndex
from celltransfer_core.runtime.batches import in_batches
from celltransfer_core.types import Bools, Float32, Float64, Ints

ALIKE = 0.95
"""Minimum correlation of two coarse thumbnails for a close comparison of their cells."""

SAME = 0.85
"""Share of each thumbnail's fine detail that the other must explain. In six sets
(tests/benchmarks/same_cells.py), no inspected pair of different cells reached 0.78."""

_NEIGHBOURS = 6  # most similar cells that each cell is compared with
_COARSE = SIDE // 2  # rows and columns of the search's thumbnails
_DETAIL = 5  # px: smoother structure is the same in all round cells
_LEAST = 1.0  # grey levels: minimum standard deviation of a usable thumbnail's detail
_ASPECT = 0.1  # maximum difference of the logarithms of two aspect ratios
_WHITE = 250  # minimum grey value of transparent pixels laid over white
_AT_ONCE = 2048  # pairs


@dataclass(frozen=True)
class Overlap:
    """Pairs of cells that are the same."""

    pairs: Ints
    """Shape (k, 2): a cell of the first set and one of the second, ascending by the second, which
    occurs once. Within one set: the first cell of a group, and another cell of the group."""
    identical: Bools
    """Whether their files are byte-identical, shape (k,)."""

    def __len__(self) -> int:
        return len(self.pairs)

    @property
    def how(self) -> str:
        """Number of pairs that are byte-identical, and number that are nearly identical."""
        same = int(self.identical.sum())
        kinds = ((same, "byte for byte"), (len(self) - same, "nearly"))
        return ", ".join(f"{count:,} {what}" for count, what in kinds if count)


def find_shared(first: Dataset, second: Dataset) -> Overlap:
    """Find the cells that two sets share.

    Parameters
    ----------
    first, second : Dataset
        For example the reference and the query; no labels are read.

    Returns
    -------
    Overlap
        Cells without a thumbnail are compared byte by byte only.
    """
    place = {cell: number for number, cell in enumerate(first.cells)}
    same = np.array([place.get(cell, -1) for cell in second.cells], dtype=np.int64)
    identical = same >= 0
    rest = np.flatnonzero(~identical)
    Xs, Xt = _Thumbnails.of(first), _Thumbnails.of(second).take(rest)
    found = _nearest_same(Xt, Xs, min(_NEIGHBOURS, len(Xs)))
    for one, other in found[::-1].tolist():  # the most similar comes first
        same[rest[one]] = other
    cells = np.flatnonzero(same >= 0)
    return Overlap(np.stack([same[cells], cells], axis=1), identical[cells])


def find_repeated(dataset: Dataset) -> Overlap:
    """Find near-duplicate cells within one set; identical files are one cell already.

    Parameters
    ----------
    dataset : Dataset

    Returns
    -------
    Overlap
    """
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    X = _Thumbnails.of(dataset)
    n = len(X)
    pairs = _nearest_same(X, X, min(_NEIGHBOURS + 1, n))
    graph = coo_array((np.ones(len(pairs), bool), (pairs[:, 0], pairs[:, 1])), shape=(n, n))
    _, group = connected_components(graph, directed=False)
    _, first = np.unique(group, return_index=True)
    others = np.setdiff1d(np.arange(n), first)
    return Overlap(
        np.stack([first[group[others]], others], axis=1), np.zeros(len(others), dtype=bool)
    )


@dataclass(frozen=True)
class _Thumbnails:
    """Thumbnails of some cells; blank where there is no record, or where they were enlarged."""

    grey: NDArray[np.uint8]
    """Shape (n, SIDE, SIDE)."""
    aspect: Float64
    """Logarithm of width divided by height, shape (n,)."""

    @classmethod
    def of(cls, dataset: Dataset) -> _Thumbnails:
        table, _ = looks_of(dataset)
        width, height = np.maximum(table["width"], 1.0), np.maximum(table["height"], 1.0)
        small = np.minimum(width, height) < SIDE
        grey = np.where(small[:, None, None], 0, table["thumbnail"]).astype(np.uint8)
        _fill(grey, table["black"] > 0, grey <= BLACK)
        _fill(grey, table["clear"] > 0, grey >= _WHITE)
        return cls(grey, np.log(width / height))

    def __len__(self) -> int:
        return len(self.grey)

    def take(self, cells: Ints) -> _Thumbnails:
        return _Thumbnails(self.grey[cells], self.aspect[cells])

    def coarse(self) -> Float32:
        """Downsample to rows whose dot products are correlations, shape (n, _COARSE²)."""
        shape = (len(self), _COARSE, SIDE // _COARSE, _COARSE, SIDE // _COARSE)
        rows = self.grey.reshape(shape).mean(axis=(2, 4), dtype=np.float32).reshape(len(self), -1)
        rows -= rows.mean(axis=1, keepdims=True)
        norms = np.linalg.norm(rows, axis=1, keepdims=True)
        return np.divide(rows, norms, out=np.zeros_like(rows), where=norms > 0)


def _fill(grey: NDArray[np.uint8], cut_out: Bools, empty: Bools) -> None:
    """Fill cut-out areas with the cell's usual grey, in place: many cells share a mask outline."""
    from scipy.ndimage import binary_dilation

    for cell in np.flatnonzero(cut_out):
        around = binary_dilation(empty[cell], np.ones((3, 3), dtype=bool))
        if not around.all():
            grey[cell][around] = np.median(grey[cell][~around])


def _nearest_same(X: _Thumbnails, gallery: _Thumbnails, k: int) -> Ints:
    """Pair each cell with those of its k nearest neighbours that are the same, nearest first."""
    if not len(X) or not len(gallery):
        return np.empty((0, 2), dtype=np.int64)
    distances, rows = NearestIndex(gallery.coarse()).search(X.coarse(), k)
    cells = np.repeat(np.arange(len(X)), k)
    pairs = np.stack([cells, rows.ravel()], axis=1)
    alike = distances.ravel() ** 2 <= 2 * (1 - ALIKE)
    alike &= np.abs(X.aspect[pairs[:, 0]] - gallery.aspect[pairs[:, 1]]) <= _ASPECT
    if X is gallery:
        alike &= pairs[:, 0] != pairs[:, 1]
    pairs = pairs[alike]
    same = [
        _are_same(X.grey[some[:, 0]], gallery.grey[some[:, 1]])
        for some in in_batches(pairs, _AT_ONCE)
    ]
    return pairs[np.concatenate([np.zeros(0, dtype=bool), *same])]


def _are_same(A: NDArray[np.uint8], B: NDArray[np.uint8]) -> Bools:
    """Return which pairs of thumbnails, each of shape (n, SIDE, SIDE), show the same cell."""
    first, second = A.astype(np.float32), B.astype(np.float32)
    return np.minimum(_explained(first, second), _explained(second, first)) >= SAME


def _explained(A: Float32, B: Float32) -> Float64:
    """Compute how much of B's detail is A's after a slight brightening, shift and zoom.

    To first order, these three are multiples of A, of its gradients, and of its gradients times the
    distance from the centre, so that one regression finds them all.
    """
    down, right = np.gradient(A, axis=1), np.gradient(A, axis=2)
    place = np.linspace(-1, 1, SIDE, dtype=np.float32)
    zoomed = right * place + down * place[:, None]
    columns = [_detail(image) for image in (A, right, down, zoomed)]
    X, y = np.stack(columns, axis=2).astype(np.float64), _detail(B).astype(np.float64)
    square = np.einsum("nki,nkj->nij", X, X) + 1e-6 * np.eye(len(columns))
    weights = np.linalg.solve(square, np.einsum("nki,nk->ni", X, y)[..., None])[..., 0]
    left = y - np.einsum("nki,ni->nk", X, weights)
    energy = (y**2).sum(axis=1)
    explained = 1 - (left**2).sum(axis=1) / np.maximum(energy, 1e-9)
    shared: Float64 = np.where(energy >= _LEAST**2 * y.shape[1], explained, 0.0)
    return shared


def _detail(images: Float32) -> Float32:
    """Remove smooth structure and the outermost pixels, shape (n, (SIDE - 2)²)."""
    from scipy.ndimage import uniform_filter

    smooth = uniform_filter(images, (0, _DETAIL, _DETAIL), mode="nearest")
    return (images - smooth)[:, 1:-1, 1:-1].reshape(len(images), -1)
