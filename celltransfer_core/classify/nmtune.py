"""NMTune (Chen et al., arXiv 2309.17002), a baseline (4.2): a network that reshapes embeddings.

In: embeddings of the reference and their types. Out: probabilities of the types. It is for
comparison only and needs torch, which is loaded on use.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from celltransfer_core.classify.probe import Probe
from celltransfer_core.errors import CellTransferError
from celltransfer_core.runtime.extras import need
from celltransfer_core.types import Float32, Float64, Ints

if TYPE_CHECKING:
    import torch


CONSISTENCY, COVARIANCE, DOMINANT = 1.0, 0.04, 0.001
"""Weights of NMTune's three losses in addition to the cross-entropy."""

DOMINANT_VALUES = 5
"""Number of largest singular values in the loss."""

EPOCHS, BATCH = 30, 64
"""Passes over the cells, and cells per step."""

LEARNING_RATE, WEIGHT_DECAY = 1e-3, 1e-4
"""Parameters of AdamW; the learning rate follows a cosine decay."""


def consistency_loss(features: torch.Tensor, frozen: torch.Tensor) -> torch.Tensor:
    """Compute the mean squared difference of features and frozen features, both at unit length.

    Parameters
    ----------
    features, frozen : Tensor, shape (n, d)

    Returns
    -------
    Tensor, shape ()
        Mean over cells and dimensions.
    """
    from torch.nn.functional import mse_loss, normalize

    return mse_loss(normalize(features, dim=1), normalize(frozen, dim=1))


def covariance_loss(features: torch.Tensor) -> torch.Tensor:
    """Compute the sum of the squared covariances between dimensions, divided by their number.

    Parameters
    ----------
    features : Tensor, shape (n, d)
        Features of at least two cells.

    Returns
    -------
    Tensor, shape ()
    """
    centred = features - features.mean(dim=0)
    covariance = centred.T @ centred / (len(features) - 1)
    return (covariance.square().sum() - covariance.diagonal().square().sum()) / features.shape[1]


def dominant_singular_loss(features: torch.Tensor) -> torch.Tensor:
    """Compute the negative share of the five largest singular values in the sum of all.

    Parameters
    ----------
    features : Tensor, shape (n, d)

    Returns
    -------
    Tensor, shape ()
        In [−1, 0].
    """
    import torch

    values = torch.linalg.svdvals(features)
    return -values[:DOMINANT_VALUES].sum() / values.sum().clamp_min(torch.finfo(values.dtype).tiny)


class NMTune(Probe):
    r"""NMTune (Chen et al., 2024): a small network that reshapes frozen embeddings (4.2).

    Two layers (D → 4D, ReLU, 4D → D) compute new features Z from the embeddings X, and a third
    layer computes the scores of the classes. They minimise

    .. math:: L_{CE} + \frac{1}{n D} \| \hat Z - \hat X \|_F^2
        + \frac{0.04}{D} \sum_{i \neq j} \operatorname{cov}(Z)_{ij}^2
        - 0.001 \frac{\sum_{k \le 5} \sigma_k(Z)}{\sum_k \sigma_k(Z)}

    where hats denote rows of unit length and :math:`\sigma_k` the singular values, the largest
    first.

    Parameters
    ----------
    max_cells : int
        Maximum number of training cells, drawn in the classes' proportions.
    epochs : int
    batch_size : int
    random_state : int
        Seed of the draw, the order of the cells and the initial weights.

    Attributes
    ----------
    classes_ : ndarray, shape (n_classes,)
        Class labels, sorted.
    features_, head_ : torch Module
        Layers that map embeddings to new features, and these to the classes' scores.
    n_features_in_ : int

    Examples
    --------
    >>> import numpy as np
    >>> X = np.random.default_rng(0).normal(size=(200, 8))
    >>> X[100:] += 3
    >>> nmtune = NMTune().fit(X, ["a"] * 100 + ["b"] * 100)
    >>> nmtune.predict([[0.0] * 8, [3.0] * 8]).tolist()
    ['a', 'b']
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
        # With a few hundred cells, the published schedule has too few steps to learn.
        tags.classifier_tags.poor_score = True
        return tags

    def _train(self, X: Float32, numbers: Ints) -> None:
        need("encoders", "NMTune", CellTransferError, "torch")
        import torch

        # The state of the generator is restored, so that the caller's own draws are not affected.
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(self.random_state)
            self._optimise(torch.from_numpy(X), torch.from_numpy(numbers))

    def _optimise(self, frozen: torch.Tensor, numbers: torch.Tensor) -> None:
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
                moved = features(frozen[batch])
                loss = (
                    nn.functional.cross_entropy(head(moved), numbers[batch])
                    + CONSISTENCY * consistency_loss(moved, frozen[batch])
                    + COVARIANCE * covariance_loss(moved)
                    + DOMINANT * dominant_singular_loss(moved)
                )
                optimiser.zero_grad()
                torch.autograd.backward(loss)
                optimiser.step()
            schedule.step()
        self.features_, self.head_ = features.eval(), head.eval()

    def _probabilities(self, X: Float32) -> Float64:
        import torch

        with torch.inference_mode():
            scores = self.head_(self.features_(torch.from_numpy(X))).double()
            return scores.softmax(dim=1).numpy()
