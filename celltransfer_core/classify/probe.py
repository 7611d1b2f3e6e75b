"""TODO celltransfer_core/classify/probe.py."""

from __future__ import annotations

from typing import Self

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted, validate_data

from celltransfer_core.types import Float32, Float64, Ints, Labels


def draw_cells(numbers: Ints, n_cells: int, seed: int) -> Ints:
    """Draw cells so that every class keeps its share, and none is lost.

    Parameters
    ----------
    numbers : ndarray of int64, shape (n,)
        Class of each cell, 0, 1, …
    n_cells : int
    seed : int

    Returns
    -------
    ndarray of int64
        Positions, ascending; all where there are no more than ``n_cells``.
    """
    if len(numbers) <= n_cells:
        return np.arange(len(numbers))
    # Round robin in a random order.
    order = np.random.default_rng(seed).permutation(len(numbers))
    share = np.empty(len(numbers))
    for number in np.unique(numbers):
        members = order[numbers[order] == number]
        share[members] = np.arange(len(members)) / len(members)
    return np.sort(np.argsort(share, kind="stable")[:n_cells])


class Probe(ClassifierMixin, BaseEstimator):
    """A classifier that is trained on ``max_cells`` at most, drawn by ``random_state``."""

    max_cells: int
    random_state: int

    def fit(self, X: Float32, y: Labels) -> Self:
        """Train the probe.

        Parameters
        ----------
        X : array-like of float, shape (n, d)
        y : array-like, shape (n,)

        Returns
        -------
        Self

        Raises
        ------
        ValueError
            If the arrays do not fit together, hold NaN, or hold one class.
        CellTransferError
            If a library it needs is not installed.
        """
        X, y = validate_data(self, X, y, dtype=np.float32)
        check_classification_targets(y)
        self.classes_, numbers = np.unique(y, return_inverse=True)
        if len(self.classes_) < 2:
            raise ValueError("Classifier can't train when only one class is present.")
        kept = draw_cells(numbers, self.max_cells, self.random_state)
        self._fit(X[kept], numbers[kept])
        return self

    def predict_proba(self, X: Float32) -> Float64:
        """Compute class probabilities.

        Parameters
        ----------
        X : array-like of float, shape (n, d)

        Returns
        -------
        ndarray of float64, shape (n, n_classes)

        Raises
        ------
        NotFittedError
            If it has not been trained.
        ValueError
            If the array has other dimensions than in ``fit``, or holds NaN.
        """
        check_is_fitted(self)
        return self._probabilities(validate_data(self, X, dtype=np.float32, reset=False))

    def predict(self, X: Float32) -> Labels:
        """Return the most probable class.

        Parameters
        ----------
        X : array-like of float, shape (n, d)

        Returns
        -------
        ndarray, shape (n,)

        Raises
        ------
        NotFittedError, ValueError
            As :meth:`predict_proba`.
        """
        probabilities = self.predict_proba(X)
        return self.classes_[probabilities.argmax(axis=1)]

    def _fit(self, X: Float32, numbers: Ints) -> None:
        raise NotImplementedError

    def _probabilities(self, X: Float32) -> Float64:
        raise NotImplementedError
