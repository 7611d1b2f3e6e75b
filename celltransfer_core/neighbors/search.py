"""Nearest-neighbour search by Euclidean distance with FAISS.

Used for the k-NN classifier (3.4), the kNN graph (3.3, A.1) and all comparisons of single cells.
The search is exact except in large galleries.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from celltransfer_core.types import Bools, Float32, Float64, Ints

EXACT = 20_000
"""Number of distinct rows up to which a gallery is searched exactly."""

RECALL = 0.99
"""Share of the true nearest rows that the search of a larger gallery must find, on a sample."""

_SAMPLE = 256
_AT_ONCE = 16  # rows, which fit into a processor's cache together with their neighbours
_BLOCK = 128  # rows of a matrix of distances, which also fit


class NearestIndex:
    """Finds the nearest rows of a gallery.

    If most rows of the gallery are copies of others, as after transport, each distinct row is
    searched once, and its copies are returned in the order of the gallery. Up to :data:`EXACT`
    distinct rows, every distance is computed. Larger galleries use an inverted file of 4 √m lists
    (FAISS, with a fixed seed and one thread), of which only the lists nearest to a row are
    searched: as many as are needed to find :data:`RECALL` of the true neighbours of a sample of the
    rows.

    Parameters
    ----------
    gallery : ndarray of float32, shape (m, d)

    Attributes
    ----------
    cells : int
        Number of lists of the inverted file; 0 if the search is exact.
    recall : float
        Lowest recall measured on a sample in any search so far; 1 if the search is exact.

    Examples
    --------
    >>> import numpy as np
    >>> index = NearestIndex(np.array([[0.0], [1.0], [5.0]], dtype=np.float32))
    >>> distances, indices = index.search(np.array([[4.0]], dtype=np.float32), 2)
    >>> distances.tolist(), indices.tolist()
    ([[1.0, 3.0]], [[2, 1]])
    """

    def __init__(self, gallery: Float32) -> None:
        self.gallery = np.ascontiguousarray(gallery, dtype=np.float32)
        self.recall = 1.0
        self.cells = 0
        self._copies = _copies(self.gallery)
        if self._copies:
            self.gallery = self.gallery[self._copies.first]
        if len(self.gallery) > EXACT:
            self._build_inverted_file()

    def _build_inverted_file(self) -> None:
        import faiss
        from threadpoolctl import threadpool_limits

        d = self.gallery.shape[1]
        self.cells = round(4 * len(self.gallery) ** 0.5)
        self._file = faiss.IndexIVFFlat(faiss.IndexFlatL2(d), d, self.cells)
        self._file.cp.seed = 1
        self._file.cp.max_points_per_centroid = 64
        with threadpool_limits(1):  # the means could depend on the number of threads
            self._file.train(self.gallery)
        self._file.add(self.gallery)

    def search(self, X: Float32, k: int) -> tuple[Float32, Ints]:
        """Find the nearest rows.

        Parameters
        ----------
        X : ndarray of float32, shape (n, d)
        k : int
            Number of neighbours of each row, at most ``m``.

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
        if len(short):  # the searched lists contain fewer rows
            distances[short], indices[short] = self._exactly(X[short], k)
        return distances, indices

    def _exactly(self, X: Float32, k: int) -> tuple[Float32, Ints]:
        import faiss

        squared, indices = faiss.knn(X, self.gallery, k)
        return np.sqrt(np.maximum(squared, 0)), indices


@dataclass(frozen=True)
class _Copies:
    """Groups of equal rows (copies) in a gallery."""

    members: Ints
    """Rows of the gallery, group by group, each group in the order of the gallery."""
    starts: Ints
    """Start of each group in ``members``, followed by the number of rows."""

    @property
    def first(self) -> Ints:
        """The first row of each group."""
        return self.members[self.starts[:-1]]

    def spread(self, distances: Float32, groups: Ints, k: int) -> tuple[Float32, Ints]:
        """Replace the nearest groups, which contain at least k rows, by the k nearest rows."""
        ends = np.diff(self.starts)[groups].cumsum(axis=1)
        rows = np.arange(len(groups))
        shape = (len(groups), k)
        found, indices = np.empty(shape, np.float32), np.empty(shape, np.int64)
        for place in range(k):
            slot = (ends <= place).sum(axis=1)
            group = groups[rows, slot]
            passed = np.where(slot > 0, ends[rows, slot - 1], 0)
            found[:, place] = distances[rows, slot]
            indices[:, place] = self.members[self.starts[group] + place - passed]
        return found, indices


def _copies(gallery: Float32) -> _Copies | None:
    n = len(gallery)
    # Few rows other than copies share their first number: if few do, the rest is not compared.
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
    """Find the nearest rows of a gallery (see :class:`NearestIndex`).

    Parameters
    ----------
    X : ndarray of float32, shape (n, d)
        Rows whose neighbours are searched.
    gallery : ndarray of float32, shape (m, d)
        Rows to search.
    k : int
        Number of neighbours of each row, at most ``m``.

    Returns
    -------
    distances : ndarray of float32, shape (n, k)
        Euclidean, ascending.
    indices : ndarray of int64, shape (n, k)
        Rows of the gallery.
    """
    return NearestIndex(gallery).search(X, k)


def euclidean_distances(Xs: Float32, Xt: Float32) -> Float32:
    """Compute the Euclidean distances between all rows of two sets.

    Parameters
    ----------
    Xs, Xt : ndarray of float32, shape (n, d) and (m, d)

    Returns
    -------
    ndarray of float32, shape (n, m)
        With errors of about 1e-6 of the largest distance; exactly zero between equal rows.

    Examples
    --------
    >>> import numpy as np
    >>> X = np.array([[0.0, 0.0], [3.0, 4.0]], dtype=np.float32)
    >>> euclidean_distances(X, X).tolist()
    [[0.0, 5.0], [5.0, 0.0]]
    """
    # One product in single precision is fifteen times faster than pairwise computation at 3,000
    # columns. It loses precision for nearby rows, less so if they are centred on the mean: the
    # squared differences of these few pairs are summed one by one.
    centre = Xt.mean(axis=0)
    source = Xs - centre
    target = source if Xt is Xs else Xt - centre  # half a product in this case
    found = source @ target.T
    source_norms, target_norms = (source**2).sum(axis=1), (target**2).sum(axis=1)
    for first in range(0, len(found), _BLOCK):
        squared = found[first : first + _BLOCK]
        norms = source_norms[first : first + _BLOCK, None] + target_norms
        squared *= -2
        squared += norms
        norms *= 1e-3
        rows, columns = np.divmod(np.flatnonzero(squared < norms), squared.shape[1])
        for some in range(0, len(rows), 4096):
            i, j = rows[some : some + 4096], columns[some : some + 4096]
            squared[i, j] = ((Xs[first + i] - Xt[j]) ** 2).sum(axis=1)
        np.sqrt(np.maximum(squared, 0, out=squared), out=squared)
    return found


def other_rows(indices: Ints) -> Bools:
    """Mark the neighbours of each row except the row itself.

    Parameters
    ----------
    indices : ndarray of int64, shape (n, k)
        Neighbours of each row of a set among all n rows of the same set.

    Returns
    -------
    ndarray of bool, shape (n, k)
        k − 1 neighbours per row. If equal rows displace a row from its own list, the last neighbour
        is not marked.

    Examples
    --------
    >>> import numpy as np
    >>> other_rows(np.array([[0, 1], [0, 2], [1, 2]])).tolist()
    [[False, True], [True, False], [True, False]]
    """
    own = indices == np.arange(len(indices))[:, None]
    own[~own.any(axis=1), -1] = True
    return ~own


def nearest_others(X: Float32, k: int, known: Float32 | None = None) -> tuple[Float32, Ints]:
    """Find the nearest other rows of each row (see :func:`nearest`).

    Parameters
    ----------
    X : ndarray of float32, shape (n, d)
    k : int
        Below n.
    known : ndarray of float32, shape (n, n), optional
        Distances from :func:`euclidean_distances`, if already computed.

    Returns
    -------
    distances : ndarray of float32, shape (n, k)
        Euclidean, computed pairwise: zero between equal rows, and the same for both rows of a pair.
    indices : ndarray of int64, shape (n, k)
        By ascending distance; unordered if the distances are known.

    Examples
    --------
    >>> import numpy as np
    >>> distances, indices = nearest_others(np.array([[0.0], [1.0], [5.0]], dtype=np.float32), 1)
    >>> distances.ravel().tolist(), indices.ravel().tolist()
    ([1.0, 1.0, 4.0], [1, 0, 1])
    """
    n = len(X)
    if known is not None:
        own = np.diag_indices(n)
        known = known.copy()
        known[own] = np.inf
        indices = np.argpartition(known, k - 1, axis=1)[:, :k]
    else:
        # Centred on the mean, where the cancelling squares are small.
        centred = X - X.mean(axis=0)
        indices = nearest(centred, centred, k + 1)[1]
        indices = indices[other_rows(indices)].reshape(n, k)
    found = np.empty((n, k), dtype=np.float32)
    for start in range(0, n, _AT_ONCE):
        rows = slice(start, start + _AT_ONCE)
        between = X[rows, None] - X[indices[rows]]
        found[rows] = np.sqrt(np.einsum("nkd,nkd->nk", between, between))
    return found, indices


def distance_to_marked(X: Float32, marked: Bools, distances: Float32, neighbors: Ints) -> Float64:
    """Compute the distance of each row to the nearest other marked row.

    Parameters
    ----------
    X : ndarray of float32, shape (n, d)
    marked : ndarray of bool, shape (n,)
        Whether each row is marked.
    distances : ndarray of float32, shape (n, k)
    neighbors : ndarray of int64, shape (n, k)
        Nearest other rows of each row from :func:`nearest_others`; rows with a marked row among
        them need no search.

    Returns
    -------
    ndarray of float64, shape (n,)
        Infinite if no other row is marked.

    Examples
    --------
    >>> import numpy as np
    >>> X = np.array([[0.0], [1.0], [5.0]], dtype=np.float32)
    >>> distance_to_marked(X, np.array([True, False, False]), *nearest_others(X, 1)).tolist()
    [inf, 1.0, 5.0]
    """
    found = marked[neighbors]
    distance = np.full(len(X), np.inf)
    rows = np.flatnonzero(found.any(axis=1))
    distance[rows] = distances[rows, found[rows].argmax(axis=1)]
    rest = np.flatnonzero(~found.any(axis=1))
    places = np.flatnonzero(marked)
    if len(rest) and len(places):
        lengths, indices = nearest(X[rest], X[places], min(2, len(places)))
        itself = places[indices] == rest[:, None]
        distance[rest] = np.where(itself, np.inf, lengths).min(axis=1)
    return distance
