"""The linear probe, a baseline (4.2) that may vote instead of the k-NN (3.4).

In: embeddings of the reference and their types. Out: probabilities of the types.
"""

from __future__ import annotations

import numpy as np

from celltransfer_core.classify.probe import Probe
from celltransfer_core.types import Float32, Float64, Ints

DEAD = 0.01
"""Least standard deviation by which a dimension is divided, as a share of the root mean square of
all dimensions' standard deviations."""


class LinearProbe(Probe):
    r"""Logistic regression on standardised embeddings.

    .. math:: \min_w \; \tfrac{1}{2} \| w \|^2
        - C \sum_i \log \operatorname{softmax}(w^T z_i + b)_{y_i}

    where z are the embeddings, centred and divided by their standard deviation.

    Parameters
    ----------
    C : float
        Inverse strength of the ridge penalty.
    max_cells : int
        Maximum number of training cells, drawn in the classes' proportions.
    random_state : int
        Seed of the draw.

    Attributes
    ----------
    classes_ : ndarray, shape (n_classes,)
        Class labels, sorted.
    mean_, scale_ : ndarray of float32, shape (d,)
        Mean that is subtracted from the embeddings, and divisor.
    logistic_ : sklearn.linear_model.LogisticRegression
    n_features_in_ : int

    Examples
    --------
    >>> import numpy as np
    >>> X = np.array([[0.0, 1.0], [0.2, 1.0], [3.0, 1.2], [3.2, 1.0]])
    >>> probe = LinearProbe().fit(X, ["a", "a", "b", "b"])
    >>> probe.predict([[0.1, 1.1], [3.1, 1.1]]).tolist()
    ['a', 'b']
    """

    def __init__(self, C: float = 0.1, max_cells: int = 5000, random_state: int = 0) -> None:
        self.C = C
        self.max_cells = max_cells
        self.random_state = random_state

    def _train(self, X: Float32, numbers: Ints) -> None:
        from sklearn.linear_model import LogisticRegression

        self.mean_ = X.mean(axis=0)
        spread = X.std(axis=0)
        # A dimension that hardly varies in training must not be magnified when it varies later.
        least = DEAD * float(np.sqrt(np.mean(spread**2)))
        self.scale_ = np.maximum(spread, least) if least > 0 else np.ones_like(spread)
        self.logistic_ = LogisticRegression(C=self.C, max_iter=500).fit(self._scaled(X), numbers)

    def _scaled(self, X: Float32) -> Float32:
        return (X - self.mean_) / self.scale_

    def _probabilities(self, X: Float32) -> Float64:
        return self.logistic_.predict_proba(self._scaled(X)).astype(np.float64)
