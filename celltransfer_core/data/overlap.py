"""Cells that stand in two sets, or twice in one: sets in, pairs of cells that are the same out.

Byte for byte, or nearly: saved again, resized, a little brighter or darker, cut a pixel or two
elsewhere. Not in the paper. No label is read, and no image: thumbnails were taken when the images
came in (:mod:`celltransfer_core.data.looks`).
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
"""Correlation of two coarse thumbnails from which their cells are compared closely."""

SAME = 0.85
"""Share of each thumbnail's fine detail that the other one must explain. Of the pairs of six sets
that were looked at (tests/benchmarks/same_cells.py) none of two different cells reached 0.78."""

_NEIGHBOURS = 6  # most alike cells that each is compared with
_COARSE = SIDE // 2  # rows and columns of the search's thumbnails
_DETAIL = 5  # px: what is smoother than this is the same in all round cells
_LEAST = 1.0  # grey values: a thumbnail whose detail deviates less shows nothing to tell it by
_ASPECT = 0.1  # by which the logarithms of two sides' ratios may differ
_WHITE = 250  # grey values from which transparent pixels, laid over white, begin
_AT_ONCE = 2048  # pairs


@dataclass(frozen=True)
class Overlap:
    """Pairs of cells that are the same."""

    pairs: Ints
    """Shape (k, 2): a cell of the first set and one of the second, ascending by the second, which
    stands here once. Within one set: the first cell of a group, and another one of it."""
    identical: Bools
    """Whether their files are the same byte for byte, shape (k,)."""

    def __len__(self) -> int:
        return len(self.pairs)

    @property
    def how(self) -> str:
        """How many are the same byte for byte, and how many nearly."""
        same = int(self.identical.sum())
        kinds = ((same, "byte for byte"), (len(self) - same, "nearly"))
        return ", ".join(f"{count:,} {what}" for count, what in kinds if count)


def find_shared(first: Dataset, second: Dataset) -> Overlap:
    """Find the cells of one set that are in another one too.

    Parameters
    ----------
    first, second : Dataset
        Such as the reference and the query; no label is read.

    Returns
    -------
    Overlap
        Cells that nobody looked at are compared byte for byte alone.
    """
    place = {cell: number for number, cell in enumerate(first.cells)}
    same = np.array([place.get(cell, -1) for cell in second.cells], dtype=np.int64)
    identical = same >= 0
    rest = np.flatnonzero(~identical)
    Xs, Xt = _Thumbnails.of(first), _Thumbnails.of(second).take(rest)
    found = _nearest_same(Xt, Xs, min(_NEIGHBOURS, len(Xs)))
    for one, other in found[::-1].tolist():  # the most alike comes first
        same[rest[one]] = other
    cells = np.flatnonzero(same >= 0)
    return Overlap(np.stack([same[cells], cells], axis=1), identical[cells])


def find_repeated(dataset: Dataset) -> Overlap:
    """Find the cells that a set holds more than once, nearly: files that are the same are one cell.

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
    """Thumbnails of some cells; blank where nobody looked, and where they were made larger."""

    grey: NDArray[np.uint8]
    """Shape (n, SIDE, SIDE)."""
    aspect: Float64
    """Logarithm of width through height, shape (n,)."""

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
        """Shrink to rows whose products are correlations, shape (n, _COARSE²)."""
        shape = (len(self), _COARSE, SIDE // _COARSE, _COARSE, SIDE // _COARSE)
        rows = self.grey.reshape(shape).mean(axis=(2, 4), dtype=np.float32).reshape(len(self), -1)
        rows -= rows.mean(axis=1, keepdims=True)
        norms = np.linalg.norm(rows, axis=1, keepdims=True)
        return np.divide(rows, norms, out=np.zeros_like(rows), where=norms > 0)


def _fill(grey: NDArray[np.uint8], cut_out: Bools, empty: Bools) -> None:
    """Give what was cut away the cell's usual grey, in place: one mask's edge is many cells'."""
    from scipy.ndimage import binary_dilation

    for cell in np.flatnonzero(cut_out):
        around = binary_dilation(empty[cell], np.ones((3, 3), dtype=bool))
        if not around.all():
            grey[cell][around] = np.median(grey[cell][~around])


def _nearest_same(X: _Thumbnails, gallery: _Thumbnails, k: int) -> Ints:
    """Pair each cell with those of the k most alike ones that are the same, the nearest first."""
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
    """Tell which pairs of thumbnails, each of shape (n, SIDE, SIDE), show the same cell."""
    first, second = A.astype(np.float32), B.astype(np.float32)
    return np.minimum(_explained(first, second), _explained(second, first)) >= SAME


def _explained(A: Float32, B: Float32) -> Float64:
    """Compute how much of B's detail is A's, brightened, moved and zoomed a little.

    To first order the last three are multiples of A, of its slopes, and of its slopes times the
    distance from the middle: one regression finds all of them.
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
    """Take what is smooth away, and the outermost pixels: shape (n, (SIDE - 2)²)."""
    from scipy.ndimage import uniform_filter

    smooth = uniform_filter(images, (0, _DETAIL, _DETAIL), mode="nearest")
    return (images - smooth)[:, 1:-1, 1:-1].reshape(len(images), -1)
