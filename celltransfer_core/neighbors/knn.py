"""The entropy-weighted k-NN classifier, which computes vote shares from a gallery (3.4).

The paper cites EWC-FAISS (Kalweit et al., 2024) and gives no formula. This is a reconstruction from
its description: a search by Euclidean distance, a number of neighbours chosen for each cell to make
their vote clearest, and a vote whose weight decreases with its entropy.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
from sklearn.utils.class_weight import compute_class_weight
from sklearn.utils.validation import check_is_fitted, validate_data

from celltransfer_core.neighbors.classifier import ProbabilisticClassifier
from celltransfer_core.neighbors.search import NearestIndex, other_rows
from celltransfer_core.types import Float32, Float64, Ints

N_NEIGHBORS_GRID = (5, 9, 15, 25)
"""Numbers of neighbours from which one is chosen for each cell."""


def normalized_entropy(probabilities: Float64) -> Float64:
    """Compute the entropy of each row, divided by its largest possible value.

    Parameters
    ----------
    probabilities : ndarray of float64, shape (..., n_classes)
        Rows that sum to one.

    Returns
    -------
    ndarray of float64, shape (...)
        0 if one class has probability one, 1 if all classes are equally probable.

    Examples
    --------
    >>> import numpy as np
    >>> normalized_entropy(np.array([[0.5, 0.5], [0.9, 0.1]])).round(3).tolist()
    [1.0, 0.469]
    """
    classes = probabilities.shape[-1]
    if classes < 2:
        return np.zeros(probabilities.shape[:-1])
    logarithms = np.log(probabilities, out=np.zeros_like(probabilities), where=probabilities > 0)
    entropy = -(probabilities * logarithms).sum(axis=-1) / np.log(classes)
    return np.clip(entropy, 0.0, 1.0)


def vote_shares(
    distances: Float32,
    labels: Ints,
    n_classes: int,
    grid: Sequence[int],
    class_weight: Float64,
) -> Float64:
    """Compute the vote of each cell's neighbours, choosing their number for each cell.

    A neighbour at distance d has the weight exp(−(d / d_k)²), where d_k is the distance of the
    farthest neighbour counted. The weight is never infinite, so that a reference cell that
    transport moved exactly onto a query cell (eq. 4 with a permutation) does not decide alone. The
    number in the grid with the lowest entropy is used, and the largest of these if several tie.

    Parameters
    ----------
    distances : ndarray of float32, shape (n, k)
        Ascending in each row.
    labels : ndarray of int64, shape (n, k)
        Class number of each neighbour.
    n_classes : int
    grid : sequence of int
        Numbers of neighbours to choose from; those above ``k`` count as ``k``.
    class_weight : ndarray of float64, shape (n_classes,)
        Factor on the weight of a neighbour of each class.

    Returns
    -------
    ndarray of float64, shape (n, n_classes)
        Shares of the vote, each row summing to one.

    Examples
    --------
    The two nearest neighbours agree, so the vote of two is clearer than the vote of four:

    >>> import numpy as np
    >>> distances = np.array([[0.1, 0.2, 1.0, 1.0]], dtype=np.float32)
    >>> vote_shares(distances, np.array([[0, 0, 1, 1]]), 2, [2, 4], np.ones(2)).tolist()
    [[1.0, 0.0]]
    """
    rows = np.arange(len(distances))
    best = np.zeros((len(distances), n_classes))
    lowest = np.full(len(distances), np.inf)
    for k in sorted({min(k, distances.shape[1]) for k in grid}, reverse=True):
        farthest = distances[:, k - 1 : k].astype(np.float64)
        ratio = np.divide(
            distances[:, :k], farthest, out=np.zeros((len(rows), k)), where=farthest > 0
        )
        votes = np.zeros_like(best)
        np.add.at(votes, (rows[:, None], labels[:, :k]), np.exp(-(ratio**2)))
        votes *= class_weight
        votes /= votes.sum(axis=1, keepdims=True)
        entropy = normalized_entropy(votes)
        better = entropy < lowest
        best[better] = votes[better]
        lowest[better] = entropy[better]
    return best


class EntropyWeightedKNN(ProbabilisticClassifier):
    """k-NN classifier that chooses the number of neighbours for each cell.

    Parameters
    ----------
    n_neighbors_grid : sequence of int
        Numbers of neighbours; for each cell, the one with the clearest vote is used.
    class_weight : {"balanced"} or dict, optional
        Weight of a neighbour of each class, as in scikit-learn: with ``"balanced"`` inversely
        proportional to the number of gallery cells of its class. All classes have equal weight by
        default.

    Attributes
    ----------
    classes_ : ndarray, shape (n_classes,)
        Class labels, sorted.
    X_ : ndarray of float32, shape (n, d)
        The gallery.
    y_ : ndarray of int64, shape (n,)
        Its class numbers.
    class_weight_ : ndarray of float64, shape (n_classes,)
    n_features_in_ : int
    index_ : NearestIndex
        Index that searches the gallery and reports its method and recall.

    Notes
    -----
    A cell's vote has the weight ``1 - normalized_entropy(predict_proba(X))`` in the ensemble.

    Examples
    --------
    >>> import numpy as np
    >>> X = np.array([[0.0], [0.1], [0.2], [5.0], [5.1], [5.2]])
    >>> knn = EntropyWeightedKNN(n_neighbors_grid=(2, 3)).fit(X, ["a", "a", "a", "b", "b", "b"])
    >>> knn.predict([[0.3], [4.0]]).tolist()
    ['a', 'b']
    >>> knn.predict_proba([[0.3]]).tolist()
    [[1.0, 0.0]]
    """

    def __init__(
        self,
        n_neighbors_grid: Sequence[int] = N_NEIGHBORS_GRID,
        class_weight: Literal["balanced"] | dict[Any, float] | None = None,
    ) -> None:
        self.n_neighbors_grid = n_neighbors_grid
        self.class_weight = class_weight

    def _fit(self, X: Float32, numbers: Ints) -> None:
        self.y_ = numbers
        self.class_weight_ = compute_class_weight(
            self.class_weight, classes=self.classes_, y=self.classes_[numbers]
        )
        self.X_ = X
        self.index_ = NearestIndex(X)

    def kneighbors(self, X: Float32) -> tuple[Float32, Ints]:
        """Find the neighbours of each row, as many as the largest number in the grid.

        Parameters
        ----------
        X : array-like of float, shape (n, d)

        Returns
        -------
        distances : ndarray of float32, shape (n, k)
            Ascending.
        indices : ndarray of int64, shape (n, k)
            Rows of the gallery.

        Raises
        ------
        NotFittedError, ValueError
            As for :meth:`predict_proba`.
        """
        check_is_fitted(self)
        return self._search(validate_data(self, X, dtype=np.float32, reset=False))

    def shares(self, distances: Float32, indices: Ints) -> Float64:
        """Compute the vote shares of neighbours that were already found.

        Parameters
        ----------
        distances : ndarray of float32, shape (n, k)
        indices : ndarray of int64, shape (n, k)
            From :meth:`kneighbors`.

        Returns
        -------
        ndarray of float64, shape (n, n_classes)
        """
        return vote_shares(
            distances,
            self.y_[indices],
            len(self.classes_),
            self.n_neighbors_grid,
            self.class_weight_,
        )

    def leave_one_out_proba(self) -> Float64:
        """Classify every cell of the gallery from the others.

        Returns
        -------
        ndarray of float64, shape (n, n_classes)

        Raises
        ------
        NotFittedError
            If ``fit`` was not called before.
        ValueError
            If the gallery contains only one cell.
        """
        check_is_fitted(self)
        n = len(self.X_)
        if n < 2:
            raise ValueError("Leave-one-out needs at least two cells.")
        k = min(self._most() + 1, n)
        distances, indices = self.index_.search(self.X_, k)
        others = other_rows(indices)
        return self.shares(distances[others].reshape(n, k - 1), indices[others].reshape(n, k - 1))

    def _probabilities(self, X: Float32) -> Float64:
        return self.shares(*self._search(X))

    def _search(self, X: Float32) -> tuple[Float32, Ints]:
        return self.index_.search(X, self._most())

    def _most(self) -> int:
        return min(max(self.n_neighbors_grid), len(self.X_))
