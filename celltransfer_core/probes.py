"""Linear probe: the paper's baseline classifier, which may vote in the k-NN's place (3.4, 4.2)."""

from __future__ import annotations

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted, validate_data

from celltransfer_core.types import Float32, Float64, Labels


class LinearProbe(ClassifierMixin, BaseEstimator):
    """Logistic regression on standardised embeddings.

    Parameters
    ----------
    C : float
        Inverse strength of the ridge penalty.
    max_cells : int
        Train on at most so many cells, drawn to the classes' proportions.
    random_state : int
        Decides which.

    Attributes
    ----------
    classes_ : ndarray, shape (n_classes,)
    n_features_in_ : int
    """

    def __init__(self, C: float = 0.1, max_cells: int = 5000, random_state: int = 0) -> None:
        self.C = C
        self.max_cells = max_cells
        self.random_state = random_state

    def fit(self, X: Float32, y: Labels) -> LinearProbe:
        """Train the probe.

        Parameters
        ----------
        X : array-like of float, shape (n, d)
        y : array-like, shape (n,)

        Returns
        -------
        LinearProbe
            Itself.

        Raises
        ------
        ValueError
            If the arrays do not fit together, hold NaN, or hold one class.
        """
        from sklearn.linear_model import LogisticRegression
        from sklearn.pipeline import make_pipeline
        from sklearn.preprocessing import StandardScaler

        X, y = validate_data(self, X, y, dtype=np.float32)
        check_classification_targets(y)
        self.classes_, numbers = np.unique(y, return_inverse=True)
        if len(self.classes_) < 2:
            raise ValueError("Classifier can't train when only one class is present.")
        if len(X) > self.max_cells:
            kept = self._draw(numbers)
            X, numbers = X[kept], numbers[kept]
        self.pipeline_ = make_pipeline(StandardScaler(), LogisticRegression(C=self.C, max_iter=500))
        self.pipeline_.fit(X, numbers)
        return self

    def _draw(self, numbers: Labels) -> Labels:
        # Round robin in a random order: every class keeps its share, and none is lost.
        rng = np.random.default_rng(self.random_state)
        order = rng.permutation(len(numbers))
        share = np.empty(len(numbers))
        for number in range(len(self.classes_)):
            members = order[numbers[order] == number]
            share[members] = np.arange(len(members)) / len(members)
        return np.sort(np.argsort(share, kind="stable")[: self.max_cells])

    def predict_proba(self, X: Float32) -> Float64:
        """Compute class probabilities.

        Parameters
        ----------
        X : array-like of float, shape (n, d)

        Returns
        -------
        ndarray of float64, shape (n, n_classes)
        """
        check_is_fitted(self)
        X = validate_data(self, X, dtype=np.float32, reset=False)
        return self.pipeline_.predict_proba(X).astype(np.float64)

    def predict(self, X: Float32) -> Labels:
        """Return the most probable class.

        Parameters
        ----------
        X : array-like of float, shape (n, d)

        Returns
        -------
        ndarray, shape (n,)
        """
        probabilities = self.predict_proba(X)
        return self.classes_[probabilities.argmax(axis=1)]
