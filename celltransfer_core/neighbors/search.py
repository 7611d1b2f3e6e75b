"""Entropy-weighted adaptive nearest neighbours on FAISS (3.4).

The paper cites EWC-FAISS without a formula. This is a reconstruction from its description:
an L2 search (exact in all but large galleries), a number of neighbours chosen cell by cell where
the vote is clearest, and a vote whose say falls with its entropy.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from celltransfer_core.types import Float32, Ints

EXACT = 20_000
"""Rows of a gallery up to which it is searched exactly."""

RECALL = 0.99
"""Share of the true nearest rows that a search of a larger one must find, on a sample."""

_SAMPLE = 256
_AT_ONCE = 16  # rows: with their neighbours they fit into a processor's cache
_BLOCK = 128  # rows of a matrix of distances, likewise


class NearestIndex:
    """Finds the nearest rows of a gallery.

    A gallery in which most rows are copies, as transport leaves it, is searched once a different
    row; of its copies those that stand first come first. Up to :data:`EXACT` such rows every
    distance is computed. More of them are sorted into cells around 4 √m means (FAISS's inverted
    file, a fixed seed, one thread), and only the cells nearest to a row are searched: so many that
    on a sample of the rows asked for :data:`RECALL` of the true neighbours are found.

    Parameters
    ----------
    gallery : ndarray of float32, shape (m, d)

    Attributes
    ----------
    cells : int
        Of the inverted file; 0 where the search is exact.
    recall : float
        Lowest that was measured on a sample in any search so far; 1 where the search is exact.
    """

    def __init__(self, gallery: Float32) -> None:
        self.gallery = np.ascontiguousarray(gallery, dtype=np.float32)
        self.recall = 1.0
        self.cells = 0
        self._copies = _copies(self.gallery)
        if self._copies:
            self.gallery = self.gallery[self._copies.first]
        if len(self.gallery) > EXACT:
            self._sort()

    def _sort(self) -> None:
        import faiss
        from threadpoolctl import threadpool_limits

        d = self.gallery.shape[1]
        self.cells = round(4 * len(self.gallery) ** 0.5)
        self._file = faiss.IndexIVFFlat(faiss.IndexFlatL2(d), d, self.cells)
        self._file.cp.seed = 1
        self._file.cp.max_points_per_centroid = 64
        with threadpool_limits(1):  # another number of threads could give other means
            self._file.train(self.gallery)
        self._file.add(self.gallery)

    def search(self, X: Float32, k: int) -> tuple[Float32, Ints]:
        """Find the nearest rows.

        Parameters
        ----------
        X : ndarray of float32, shape (n, d)
        k : int
            Neighbours a row, at most ``m``.

        Returns
        -------
        distances : ndarray of float32, shape (n, k)
            Euclidean, ascending.
        indices : ndarray of int64, shape (n, k)
            Rows of the gallery.
        """
        X = np.ascontiguousarray(X, dtype=np.float32)
        if not self._copies:
            return self._search(X, k)
        return self._copies.spread(*self._search(X, min(k, len(self.gallery))), k)

    def _search(self, X: Float32, k: int) -> tuple[Float32, Ints]:
        if not self.cells or not len(X):
            return self._exactly(X, k)
        sample = X[np.unique(np.linspace(0, len(X) - 1, _SAMPLE).astype(int))]
        true = self._exactly(sample, k)[0][:, -1]
        self._file.nprobe = 4
        recall = 0.0
        while recall < RECALL and 2 * self._file.nprobe < self.cells:
            self._file.nprobe *= 2
            # By distance: equal rows are equally good neighbours.
            found = np.sqrt(np.maximum(self._file.search(sample, k)[0], 0))
            recall = float((found <= true[:, None] * (1 + 1e-5)).mean())
        if recall < RECALL:
            return self._exactly(X, k)
        self.recall = min(self.recall, recall)
        squared, indices = self._file.search(X, k)
        distances = np.sqrt(np.maximum(squared, 0))
        short = np.flatnonzero((indices < 0).any(axis=1))
        if len(short):  # the cells that were searched hold fewer rows
            distances[short], indices[short] = self._exactly(X[short], k)
        return distances, indices

    def _exactly(self, X: Float32, k: int) -> tuple[Float32, Ints]:
        import faiss

        squared, indices = faiss.knn(X, self.gallery, k)
        return np.sqrt(np.maximum(squared, 0)), indices


@dataclass(frozen=True)
class _Copies:
    """Which rows of a gallery are equal."""

    members: Ints
    """Rows of the gallery, copies beside each other and in order."""
    starts: Ints
    """Where in ``members`` each different row's copies start, and their number at the end."""

    @property
    def first(self) -> Ints:
        """The first row of each kind."""
        return self.members[self.starts[:-1]]

    def spread(self, distances: Float32, kinds: Ints, k: int) -> tuple[Float32, Ints]:
        """Turn the nearest kinds of rows, at least k copies of them, into the k nearest rows."""
        ends = np.diff(self.starts)[kinds].cumsum(axis=1)
        rows = np.arange(len(kinds))
        found, indices = np.empty((len(kinds), k), np.float32), np.empty((len(kinds), k), np.int64)
        for place in range(k):
            slot = (ends <= place).sum(axis=1)
            kind = kinds[rows, slot]
            passed = np.where(slot > 0, ends[rows, slot - 1], 0)
            found[:, place] = distances[rows, slot]
            indices[:, place] = self.members[self.starts[kind] + place - passed]
        return found, indices


def _copies(gallery: Float32) -> _Copies | None:
    n = len(gallery)
    # Told by one number a row, which hardly any but copies share, whether it is worth looking.
    order = np.argsort(gallery[:, 0], kind="stable")
    new = np.diff(gallery[order, 0], prepend=np.nan) != 0
    if 2 * np.count_nonzero(new) > n:
        return None
    for start in range(0, n, _BLOCK):
        rows = gallery[order[max(start - 1, 0) : start + _BLOCK]]
        new[max(start, 1) : start + _BLOCK] |= (rows[1:] != rows[:-1]).any(axis=1)
    starts = np.append(np.flatnonzero(new), n)
    return _Copies(order, starts) if 2 * (len(starts) - 1) <= n else None


def nearest(X: Float32, gallery: Float32, k: int) -> tuple[Float32, Ints]:
    """Find the nearest rows of a gallery: exactly up to :data:`EXACT` rows, see NearestIndex.

    Parameters
    ----------
    X : ndarray of float32, shape (n, d)
        Rows to find neighbours for.
    gallery : ndarray of float32, shape (m, d)
        Rows to search.
    k : int
        Neighbours a row, at most ``m``.

    Returns
    -------
    distances : ndarray of float32, shape (n, k)
        Euclidean, ascending.
    indices : ndarray of int64, shape (n, k)
        Rows of the gallery.
    """
    return NearestIndex(gallery).search(X, k)


def distances(Xs: Float32, Xt: Float32) -> Float32:
    """Compute the Euclidean distances between all rows of two sets.

    Parameters
    ----------
    Xs, Xt : ndarray of float32, shape (n, d) and (m, d)

    Returns
    -------
    ndarray of float32, shape (n, m)
        Right to about 1e-6 of the largest; exactly zero between equal rows.
    """
    # By one product in single precision, fifteen times faster than pair by pair at 3,000 columns.
    # It cancels where rows are near each other, less so around the mean: those few pairs are
    # computed for themselves.
    centre = Xt.mean(axis=0)
    source = Xs - centre
    target = source if Xt is Xs else Xt - centre  # half a product then
    found = source @ target.T
    of_source, of_target = (source**2).sum(axis=1), (target**2).sum(axis=1)
    for first in range(0, len(found), _BLOCK):
        squared = found[first : first + _BLOCK]
        norms = of_source[first : first + _BLOCK, None] + of_target
        squared *= -2
        squared += norms
        norms *= 1e-3
        rows, columns = np.divmod(np.flatnonzero(squared < norms), squared.shape[1])
        for some in range(0, len(rows), 4096):
            i, j = rows[some : some + 4096], columns[some : some + 4096]
            squared[i, j] = ((Xs[first + i] - Xt[j]) ** 2).sum(axis=1)
        np.sqrt(np.maximum(squared, 0, out=squared), out=squared)
    return found


def nearest_others(X: Float32, k: int, apart: Float32 | None = None) -> tuple[Float32, Ints]:
    """Find the nearest other rows of each row, see :func:`nearest`.

    Parameters
    ----------
    X : ndarray of float32, shape (n, d)
    k : int
        Below n.
    apart : ndarray of float32, shape (n, n), optional
        From :func:`distances`, where they are known.

    Returns
    -------
    distances : ndarray of float32, shape (n, k)
        Euclidean, of the pairs themselves: equal rows are at zero, and both ends agree.
    indices : ndarray of int64, shape (n, k)
        By ascending distance if they are not known, else in no order.
    """
    n = len(X)
    if apart is not None:
        own = np.diag_indices(n)
        apart = apart.copy()
        apart[own] = np.inf
        indices = np.argpartition(apart, k - 1, axis=1)[:, :k]
    else:
        # Searched around the mean: squares that cancel are small there.
        centred = X - X.mean(axis=0)
        indices = nearest(centred, centred, k + 1)[1]
        itself = indices == np.arange(n)[:, None]
        itself[~itself.any(axis=1), -1] = True  # equal rows may crowd a row out of its own list
        indices = indices[~itself].reshape(n, k)
    found = np.empty((n, k), dtype=np.float32)
    for start in range(0, n, _AT_ONCE):
        rows = slice(start, start + _AT_ONCE)
        between = X[rows, None] - X[indices[rows]]
        found[rows] = np.sqrt(np.einsum("nkd,nkd->nk", between, between))
    return found, indices
