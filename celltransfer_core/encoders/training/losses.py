"""TODO celltransfer_core/encoders/training/losses.py."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor


CONTRAST, _TEMPERATURE = 0.5, 0.1  # of the loss that draws types together
_SOFTENING = 2.0  # of what teachers say of kinds


def contrastive_loss(points: Tensor, types: Tensor) -> Tensor:
    """Supervised contrastive loss (Khosla et al. 2020, arXiv 2004.11362, their L_out).

    Parameters
    ----------
    points : Tensor of float32, shape (n, d)
        On the unit sphere.
    types : Tensor of int64, shape (n,)

    Returns
    -------
    Tensor
        Mean over the points.
    """
    import torch

    own = torch.eye(len(points), dtype=torch.bool, device=points.device)
    similar = (points @ points.T / _TEMPERATURE).masked_fill(own, -1e9)
    log_shares = similar - similar.logsumexp(1, keepdim=True)
    alike = (types[:, None] == types[None, :]) & ~own
    return -((log_shares * alike).sum(1) / alike.sum(1).clamp_min(1)).mean()


def distillation_loss(scores: Tensor, told: Sequence[Tensor]) -> Tensor:
    """Tell how far what a network says of the kinds is from what its teachers say.

    Parameters
    ----------
    scores : Tensor of float32, shape (n, kinds)
    told : sequence of Tensor of float32, each (n, kinds)
        Of each teacher, of the same pictures.

    Returns
    -------
    Tensor
        Mean Kullback–Leibler divergence from the teachers' mean shares, both softened (Hinton et
        al. 2015, arXiv 1503.02531).
    """
    import torch
    from torch.nn.functional import kl_div

    shares = (torch.stack(list(told)) / _SOFTENING).softmax(2).mean(0)
    own = (scores / _SOFTENING).log_softmax(1)
    return _SOFTENING**2 * kl_div(own, shares, reduction="batchmean")


def relation_loss(rows: Tensor, taught: Sequence[Tensor]) -> Tensor:
    """Tell how far the neighbours of each row are from those that teachers see.

    They are what a k-NN reads of an embedding.

    Parameters
    ----------
    rows : Tensor of float32, shape (n, d)
    taught : sequence of Tensor of float32, each (n, e)
        Of each teacher, of the same pictures.

    Returns
    -------
    Tensor
        Mean over the rows of the Kullback–Leibler divergence between the shares of all others in a
        row's neighbourhood, as the teachers' cosines on average give it, and as its own do (softmax
        over 0.1).
    """
    import torch
    from torch.nn.functional import kl_div, normalize

    own = torch.eye(len(rows), dtype=torch.bool, device=rows.device)

    def shares(cosines: Tensor) -> Tensor:
        return (cosines / _TEMPERATURE).masked_fill(own, -1e9).log_softmax(1)

    unit, *units = (normalize(some, dim=1) for some in (rows, *taught))
    truth = torch.stack([some @ some.T for some in units]).mean(0)
    return kl_div(shares(unit @ unit.T), shares(truth), reduction="batchmean", log_target=True)
