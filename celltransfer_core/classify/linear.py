"""The paper's baseline classifiers: the linear probe and NMTune (3.4, 4.2).

The linear probe may vote in the k-NN's place; NMTune is for comparison alone. NMTune wants torch,
which is loaded when it is used and not before.
"""

from __future__ import annotations

import numpy as np

from celltransfer_core.classify.probe import Probe
from celltransfer_core.types import Float32, Float64, Ints

DEAD = 0.01
"""Least spread of a dimension that a linear probe divides by, of the root mean square of all."""


class LinearProbe(Probe):
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

    def _fit(self, X: Float32, numbers: Ints) -> None:
        from sklearn.linear_model import LogisticRegression

        self.mean_ = X.mean(axis=0)
        spread = X.std(axis=0)
        # A dimension that is all but dead in training must not be blown up where it lives again.
        least = DEAD * float(np.sqrt(np.mean(spread**2)))
        self.scale_ = np.maximum(spread, least) if least > 0 else np.ones_like(spread)
        self.logistic_ = LogisticRegression(C=self.C, max_iter=500).fit(self._scaled(X), numbers)

    def _scaled(self, X: Float32) -> Float32:
        return (X - self.mean_) / self.scale_

    def _probabilities(self, X: Float32) -> Float64:
        return self.logistic_.predict_proba(self._scaled(X)).astype(np.float64)
