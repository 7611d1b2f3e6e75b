"""TODO celltransfer_core/neighbors/knn.py."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils.class_weight import compute_class_weight
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted, validate_data

from celltransfer_core.neighbors.search import NearestIndex
from celltransfer_core.types import Float32, Float64, Ints, Labels

N_NEIGHBORS_GRID = (5, 9, 15, 25)


def normalized_entropy(probabilities: Float64) -> Float64:
    """Compute the entropy of each row, divided by its largest possible value.

    Parameters
    ----------
    probabilities : ndarray of float64, shape (..., n_classes)
        Rows that sum to one.

    Returns
    -------
    ndarray of float64, shape (...)
        0 where one class holds all, 1 where all hold the same.
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
    """Let neighbours vote, with the number of them chosen cell by cell.

    A neighbour at distance d has the weight exp(−(d / d_k)²), d_k being the distance of the
    farthest one counted: never infinite, so that a reference cell which transport laid exactly on
    a query cell (eq. 4 with a permutation) does not decide alone. Of the numbers in the grid the
    one with the lowest entropy is taken; where several are equal, the largest.

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
        What a neighbour of each class counts.

    Returns
    -------
    ndarray of float64, shape (n, n_classes)
        Shares of the vote, each row summing to one.
    """
    rows = np.arange(len(distances))
    best = np.zeros((len(distances), n_classes))
    lowest = np.full(len(distances), np.inf)
    for k in sorted({min(k, distances.shape[1]) for k in grid}, reverse=True):
        reach = distances[:, k - 1 : k].astype(np.float64)
        ratio = np.divide(distances[:, :k], reach, out=np.zeros((len(rows), k)), where=reach > 0)
        votes = np.zeros_like(best)
        np.add.at(votes, (rows[:, None], labels[:, :k]), np.exp(-(ratio**2)))
        votes *= class_weight
        votes /= votes.sum(axis=1, keepdims=True)
        entropy = normalized_entropy(votes)
        better = entropy < lowest
        best[better] = votes[better]
        lowest[better] = entropy[better]
    return best


class EntropyWeightedKNN(ClassifierMixin, BaseEstimator):
    """Adaptive k-NN classifier whose vote knows how clear it is.

    Parameters
    ----------
    n_neighbors_grid : sequence of int
        For each cell the number of neighbours is the one of these with the clearest vote.
    class_weight : {"balanced"} or dict, optional
        What a neighbour of each class counts, as in scikit-learn: the more, the fewer of its class
        are in the gallery, for ``balanced``; evenly by default.

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
        Searches it; says how, and with what recall.

    Notes
    -----
    A vote's weight in the ensemble is ``1 - normalized_entropy(predict_proba(X))``.
    """

    def __init__(
        self,
        n_neighbors_grid: Sequence[int] = N_NEIGHBORS_GRID,
        class_weight: Literal["balanced"] | dict[Any, float] | None = None,
    ) -> None:
        self.n_neighbors_grid = n_neighbors_grid
        self.class_weight = class_weight

    def fit(self, X: Float32, y: Labels) -> EntropyWeightedKNN:
        """Keep the gallery.

        Parameters
        ----------
        X : array-like of float, shape (n, d)
        y : array-like, shape (n,)

        Returns
        -------
        EntropyWeightedKNN
            Itself.

        Raises
        ------
        ValueError
            If the arrays do not fit together, or hold NaN, or the class weight is not known.
        """
        X, y = validate_data(self, X, y, dtype=np.float32)
        check_classification_targets(y)
        self.classes_, self.y_ = np.unique(y, return_inverse=True)
        self.class_weight_ = compute_class_weight(self.class_weight, classes=self.classes_, y=y)
        self.X_ = X
        self.index_ = NearestIndex(X)
        return self

    def kneighbors(self, X: Float32) -> tuple[Float32, Ints]:
        """Find as many neighbours as the largest number in the grid.

        Parameters
        ----------
        X : array-like of float, shape (n, d)

        Returns
        -------
        distances : ndarray of float32, shape (n, k)
            Ascending.
        indices : ndarray of int64, shape (n, k)
            Rows of the gallery.
        """
        check_is_fitted(self)
        X = validate_data(self, X, dtype=np.float32, reset=False)
        return self.index_.search(X, self._most())

    def shares(self, distances: Float32, indices: Ints) -> Float64:
        """Compute the shares of the vote of neighbours that were found.

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

    def predict_proba(self, X: Float32) -> Float64:
        """Compute the shares of the neighbours' vote.

        Parameters
        ----------
        X : array-like of float, shape (n, d)

        Returns
        -------
        ndarray of float64, shape (n, n_classes)
        """
        return self.shares(*self.kneighbors(X))

    def predict(self, X: Float32) -> Labels:
        """Return the class with the largest share.

        Parameters
        ----------
        X : array-like of float, shape (n, d)

        Returns
        -------
        ndarray, shape (n,)
        """
        probabilities = self.predict_proba(X)
        return self.classes_[probabilities.argmax(axis=1)]

    def leave_one_out_proba(self) -> Float64:
        """Let every cell of the gallery be voted on by the others.

        Returns
        -------
        ndarray of float64, shape (n, n_classes)

        Raises
        ------
        ValueError
            If the gallery holds one cell.
        """
        check_is_fitted(self)
        n = len(self.X_)
        if n < 2:
            raise ValueError("Leave-one-out needs two cells at least.")
        k = min(self._most() + 1, n)
        distances, indices = self.index_.search(self.X_, k)
        own = indices == np.arange(n)[:, None]
        own[~own.any(axis=1), -1] = True  # equal rows may crowd a cell out of its own list
        others = (n, k - 1)
        return self.shares(distances[~own].reshape(others), indices[~own].reshape(others))

    def _most(self) -> int:
        return min(max(self.n_neighbors_grid), len(self.X_))
