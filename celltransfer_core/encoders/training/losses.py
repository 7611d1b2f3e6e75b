"""Training losses of a batch: supervised contrastive loss and distillation from teachers.

Not in the paper.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor


CONTRAST = 0.5
"""Weight of the contrastive loss."""

_TEMPERATURE = 0.1  # of cosines
_SOFTENING = 2.0  # temperature of the scores of kinds, in distillation


def contrastive_loss(points: Tensor, types: Tensor) -> Tensor:
    """Compute the supervised contrastive loss (Khosla et al. 2020, arXiv 2004.11362, their L_out).

    Parameters
    ----------
    points : Tensor of float32, shape (n, d)
        Points on the unit sphere.
    types : Tensor of int64, shape (n,)

    Returns
    -------
    Tensor
        Mean over the points.
    """
    own = _diagonal(points)
    similar = (points @ points.T / _TEMPERATURE).masked_fill(own, -1e9)
    log_shares = similar - similar.logsumexp(1, keepdim=True)
    alike = (types[:, None] == types[None, :]) & ~own
    return -((log_shares * alike).sum(1) / alike.sum(1).clamp_min(1)).mean()


def kinds_loss(scores: Tensor, possible: Tensor, smoothing: float) -> Tensor:
    """Compute the cross-entropy of cells that may be of several kinds.

    Parameters
    ----------
    scores : Tensor of float32, shape (n, kinds)
    possible : Tensor of bool, shape (n, kinds)
        Possible kinds of each cell, at least one.
    smoothing : float
        Weight of the mean over all kinds, as in PyTorch's ``label_smoothing``.

    Returns
    -------
    Tensor
        Mean over the cells of the negative logarithm of the possible kinds' total probability.
    """
    log_shares = scores.log_softmax(1)
    own = log_shares.masked_fill(~possible, -1e9).logsumexp(1)
    return -((1 - smoothing) * own + smoothing * log_shares.mean(1)).mean()


def distillation_loss(scores: Tensor, teacher_scores: Sequence[Tensor]) -> Tensor:
    """Compute the divergence of the predicted kinds from those of the teachers.

    Parameters
    ----------
    scores : Tensor of float32, shape (n, kinds)
    teacher_scores : sequence of Tensor of float32, each (n, kinds)
        Outputs of each teacher for the same images.

    Returns
    -------
    Tensor
        Mean Kullback–Leibler divergence from the teachers' mean probabilities, both softened
        (Hinton et al. 2015, arXiv 1503.02531).
    """
    import torch
    from torch.nn.functional import kl_div

    shares = (torch.stack(list(teacher_scores)) / _SOFTENING).softmax(2).mean(0)
    own = (scores / _SOFTENING).log_softmax(1)
    return _SOFTENING**2 * kl_div(own, shares, reduction="batchmean")


def relation_loss(rows: Tensor, teacher_rows: Sequence[Tensor]) -> Tensor:
    """Compute the divergence of the rows' neighbourhoods from those of the teachers' rows.

    A k-NN classifier depends only on neighbourhoods.

    Parameters
    ----------
    rows : Tensor of float32, shape (n, d)
    teacher_rows : sequence of Tensor of float32, each (n, e)
        Outputs of each teacher for the same images.

    Returns
    -------
    Tensor
        Mean over the rows of the Kullback–Leibler divergence between two distributions over all
        other rows: the softmax of the teachers' mean cosines, and that of the row's own (both at a
        temperature of 0.1).
    """
    import torch
    from torch.nn.functional import kl_div, normalize

    own = _diagonal(rows)

    def shares(cosines: Tensor) -> Tensor:
        return (cosines / _TEMPERATURE).masked_fill(own, -1e9).log_softmax(1)

    unit, *units = (normalize(some, dim=1) for some in (rows, *teacher_rows))
    truth = torch.stack([some @ some.T for some in units]).mean(0)
    return kl_div(shares(unit @ unit.T), shares(truth), reduction="batchmean", log_target=True)


def _diagonal(rows: Tensor) -> Tensor:
    import torch

    return torch.eye(len(rows), dtype=torch.bool, device=rows.device)
