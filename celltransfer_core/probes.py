"""The paper's baseline classifiers: the linear probe and NMTune (3.4, 4.2).

The linear probe may vote in the k-NN's place; NMTune is for comparison alone. NMTune wants torch,
which is loaded when it is used and not before.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted, validate_data

from celltransfer_core.errors import CellTransferError
from celltransfer_core.types import Float32, Float64, Ints, Labels

if TYPE_CHECKING:
    import torch

CONSISTENCY, COVARIANCE, DOMINANT = 1.0, 0.04, 0.001
"""Weights of NMTune's three losses beside the cross-entropy."""
DOMINANT_VALUES = 5
EPOCHS, BATCH = 30, 64
DEAD = 0.01
"""Least spread of a dimension that a linear probe divides by, of the root mean square of all."""
LEARNING_RATE, WEIGHT_DECAY = 1e-3, 1e-4
SHRINKAGE, WIDE, MOST_CELLS = 0.3, 300, 5000
"""Of the discriminant: shrinkage, principal components and cells it is found with at most."""


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


def discriminant(Xs: Float32, Xt: Float32, types: Ints) -> tuple[Float32, Float32]:
    """Project two sets onto the directions in which the types of one differ.

    Fisher's linear discriminant: the ratio of the scatter between types to that within is largest
    there. The scatter within is shrunk towards a multiple of the identity.

    Parameters
    ----------
    Xs, Xt : ndarray of float32, shape (n, d) and (m, d)
        Each centred.
    types : ndarray of int64, shape (n,)
        Of the rows of Xs.

    Returns
    -------
    Xs, Xt : ndarray of float32, shape (n, r) and (m, r)
        Each centred; r is at most the number of types less one, and none where there are not more
        cells than types, or all cells of each type are alike. Rows of more than :data:`WIDE`
        numbers are first reduced to so many principal components.
    """
    from sklearn.decomposition import PCA
    from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

    drawn = draw_cells(types, MOST_CELLS, 0)
    X = Xs[drawn].astype(np.float64)
    kinds, place = np.unique(types[drawn], return_inverse=True)
    means = np.stack([X[place == kind].mean(axis=0) for kind in range(len(kinds))])
    if not 1 < len(kinds) < len(X) or np.allclose(X, means[place]):
        return np.zeros((len(Xs), 0), np.float32), np.zeros((len(Xt), 0), np.float32)
    reduced = PCA(min(WIDE, *X.shape), random_state=0).fit(X)
    rows = reduced.transform(X)
    found = LinearDiscriminantAnalysis(solver="eigen", shrinkage=SHRINKAGE)
    found.fit(rows, types[drawn])

    def project(Y: Float32) -> Float32:
        projected = found.transform(reduced.transform(Y.astype(np.float64)))
        return (projected - projected.mean(axis=0)).astype(np.float32)

    return project(Xs), project(Xt)


class _Probe(ClassifierMixin, BaseEstimator):
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


class LinearProbe(_Probe):
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


def consistency_loss(features: torch.Tensor, frozen: torch.Tensor) -> torch.Tensor:
    """Compute how far features have moved from the frozen ones, both at length one.

    Parameters
    ----------
    features, frozen : Tensor, shape (n, d)

    Returns
    -------
    Tensor, shape ()
        Mean squared difference over cells and dimensions.
    """
    from torch.nn.functional import mse_loss, normalize

    return mse_loss(normalize(features, dim=1), normalize(frozen, dim=1))


def covariance_loss(features: torch.Tensor) -> torch.Tensor:
    """Compute how far the dimensions of the features go together.

    Parameters
    ----------
    features : Tensor, shape (n, d)
        Two cells at least.

    Returns
    -------
    Tensor, shape ()
        Sum of the squared covariances of different dimensions, over ``d``.
    """
    centred = features - features.mean(dim=0)
    covariance = centred.T @ centred / (len(features) - 1)
    return (covariance.square().sum() - covariance.diagonal().square().sum()) / features.shape[1]


def dominant_singular_loss(features: torch.Tensor) -> torch.Tensor:
    """Compute how little the largest singular values stand out; the lower, the more they do.

    Parameters
    ----------
    features : Tensor, shape (n, d)

    Returns
    -------
    Tensor, shape ()
        Minus the share of the five largest in the sum of all singular values.
    """
    import torch

    values = torch.linalg.svdvals(features)
    return -values[:DOMINANT_VALUES].sum() / values.sum().clamp_min(torch.finfo(values.dtype).tiny)


class NMTune(_Probe):
    """NMTune (Chen et al., 2024): a small network that reshapes frozen embeddings (4.2).

    Two layers (D → 4D, ReLU, 4D → D) make new features, a third the classes. Beside the
    cross-entropy the features are to stay near the frozen ones, to be uncorrelated, and to be led
    by their largest singular values.

    Parameters
    ----------
    max_cells : int
        Train on at most so many cells, drawn to the classes' proportions.
    epochs : int
    batch_size : int
    random_state : int
        Decides which cells, their order and the first weights.

    Attributes
    ----------
    classes_ : ndarray, shape (n_classes,)
    features_, head_ : torch Module
        From embeddings to new features, and from these to the classes' scores.
    n_features_in_ : int
    """

    def __init__(
        self,
        max_cells: int = 5000,
        epochs: int = EPOCHS,
        batch_size: int = BATCH,
        random_state: int = 0,
    ) -> None:
        self.max_cells = max_cells
        self.epochs = epochs
        self.batch_size = batch_size
        self.random_state = random_state

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        # A few hundred cells make too few steps of the published schedule to learn from.
        tags.classifier_tags.poor_score = True
        return tags

    def _fit(self, X: Float32, numbers: Ints) -> None:
        torch = _torch()
        # With the state put back afterwards: a caller's own draws go on as if we had made none.
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(self.random_state)
            self._train(torch.from_numpy(X), torch.from_numpy(numbers))

    def _train(self, frozen: torch.Tensor, numbers: torch.Tensor) -> None:
        import torch
        from torch import nn

        n, d = frozen.shape
        features = nn.Sequential(nn.Linear(d, 4 * d), nn.ReLU(), nn.Linear(4 * d, d))
        head = nn.Linear(d, len(self.classes_))
        optimiser = torch.optim.AdamW(
            [*features.parameters(), *head.parameters()],
            lr=LEARNING_RATE,
            weight_decay=WEIGHT_DECAY,
        )
        schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, self.epochs)
        for _ in range(self.epochs):
            for batch in torch.split(torch.randperm(n), self.batch_size):
                if len(batch) < 2:  # one cell has no covariance
                    continue
                made = features(frozen[batch])
                loss = (
                    nn.functional.cross_entropy(head(made), numbers[batch])
                    + CONSISTENCY * consistency_loss(made, frozen[batch])
                    + COVARIANCE * covariance_loss(made)
                    + DOMINANT * dominant_singular_loss(made)
                )
                optimiser.zero_grad()
                torch.autograd.backward(loss)
                optimiser.step()
            schedule.step()
        self.features_, self.head_ = features.eval(), head.eval()

    def _probabilities(self, X: Float32) -> Float64:
        torch = _torch()
        with torch.inference_mode():
            scores = self.head_(self.features_(torch.from_numpy(X))).double()
            return scores.softmax(dim=1).numpy()


def _torch() -> Any:
    try:
        import torch
    except ImportError as error:
        raise CellTransferError(
            "NMTune needs torch: pip install torch, or leave it out."
        ) from error
    return torch
