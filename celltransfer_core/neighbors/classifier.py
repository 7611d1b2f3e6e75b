"""Base of the classifiers of 3.4 and 4.2: checked input, class numbers, the likeliest class."""

from __future__ import annotations

from typing import Self

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted, validate_data

from celltransfer_core.types import Float32, Float64, Ints, Labels


class ProbabilisticClassifier(ClassifierMixin, BaseEstimator):
    """Base of classifiers that predict the class with the largest probability.

    A subclass defines ``_fit(X, numbers)`` and ``_probabilities(X)``.

    Attributes
    ----------
    classes_ : ndarray, shape (n_classes,)
        Class labels, sorted.
    n_features_in_ : int
    """

    def fit(self, X: Float32, y: Labels) -> Self:
        """Fit the classifier.

        Parameters
        ----------
        X : array-like of float, shape (n, d)
            Embeddings.
        y : array-like, shape (n,)
            Their classes.

        Returns
        -------
        self

        Raises
        ------
        ValueError
            If the arrays do not fit together or hold NaN, or a parameter is out of range.
        CellTransferError
            If a library that the classifier needs is not installed.
        """
        X, y = validate_data(self, X, y, dtype=np.float32)
        check_classification_targets(y)
        self.classes_, numbers = np.unique(y, return_inverse=True)
        self._fit(X, numbers)
        return self

    def predict_proba(self, X: Float32) -> Float64:
        """Compute the probability of every class.

        Parameters
        ----------
        X : array-like of float, shape (n, d)

        Returns
        -------
        ndarray of float64, shape (n, n_classes)
            Rows sum to one; columns are in the order of ``classes_``.

        Raises
        ------
        NotFittedError
            If ``fit`` was not called before.
        ValueError
            If the array has another number of columns than in ``fit``, or holds NaN.
        """
        check_is_fitted(self)
        return self._probabilities(validate_data(self, X, dtype=np.float32, reset=False))

    def predict(self, X: Float32) -> Labels:
        """Predict the class with the largest probability.

        Parameters
        ----------
        X : array-like of float, shape (n, d)

        Returns
        -------
        ndarray, shape (n,)

        Raises
        ------
        NotFittedError, ValueError
            As for :meth:`predict_proba`.
        """
        probabilities = self.predict_proba(X)
        return self.classes_[probabilities.argmax(axis=1)]

    def _fit(self, X: Float32, numbers: Ints) -> None:
        raise NotImplementedError

    def _probabilities(self, X: Float32) -> Float64:
        raise NotImplementedError
