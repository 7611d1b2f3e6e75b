"""TODO celltransfer_core/classify/nmtune.py."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from celltransfer_core.classify.probe import Probe
from celltransfer_core.errors import CellTransferError
from celltransfer_core.types import Float32, Float64, Ints

if TYPE_CHECKING:
    import torch


CONSISTENCY, COVARIANCE, DOMINANT = 1.0, 0.04, 0.001
"""Weights of NMTune's three losses beside the cross-entropy."""

DOMINANT_VALUES = 5
EPOCHS, BATCH = 30, 64
LEARNING_RATE, WEIGHT_DECAY = 1e-3, 1e-4


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


class NMTune(Probe):
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
