"""The small convolutional network that ``encoders train`` trains to embed images.

Not in the paper.
"""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn

View = Literal["colour", "standardised", "grey"]

VIEWS: tuple[View, ...] = ("colour", "standardised", "grey")
"""Inputs of a network: the original colours; each channel standardised per image; the mean of the
channels, standardised per image."""

ROWS_BESIDE = 0.6
"""Length of the networks' rows when joined with the output of a last layer, whose length is 1."""

_MIX = 0.5  # share of images whose channel statistics are mixed with another's


class MixStyle(nn.Module):
    """Mix the mean and spread of an image's feature maps with those of another, in training.

    They reflect stain and camera more than type (Zhou et al., ICLR 2021, arXiv 2104.02008).
    """

    def forward(self, maps: Tensor) -> Tensor:
        """Mix the maps; input and output have shape (n, channels, h, w)."""
        if not self.training:
            return maps
        n, device = len(maps), maps.device
        mean = maps.mean((2, 3), keepdim=True).detach()
        spread = maps.std((2, 3), keepdim=True).detach() + 1e-5
        other = torch.randperm(n, device=device)
        # Samples of Beta(1/2, 1/2), mostly near 0 or 1.
        own = torch.sin(torch.rand(n, device=device) * torch.pi / 2) ** 2
        own = torch.where(torch.rand(n, device=device) < _MIX, own, 1.0).reshape(n, 1, 1, 1)
        mixed_spread = own * spread + (1 - own) * spread[other]
        mixed_mean = own * mean + (1 - own) * mean[other]
        return (maps - mean) / spread * mixed_spread + mixed_mean


class HalfInstanceNorm(nn.Module):
    """Normalise half of the maps per image, the others over the batch.

    The mean and spread of an image reflect its appearance: stain, light and contrast (Pan et al.,
    ECCV 2018, arXiv 1807.09441).

    Parameters
    ----------
    channels : int
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.own = nn.InstanceNorm2d(channels // 2, affine=True)
        self.shared = nn.BatchNorm2d(channels - channels // 2)

    def forward(self, maps: Tensor) -> Tensor:
        """Normalise the maps; input and output have shape (n, channels, h, w)."""
        own, shared = maps.tensor_split([self.own.num_features], 1)
        return torch.cat([self.own(own), self.shared(shared)], 1)


def _convolution(
    inputs: int, outputs: int, size: int, stride: int = 1, *, half: bool = False
) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, size, stride, size // 2, bias=False),
        HalfInstanceNorm(outputs) if half else nn.BatchNorm2d(outputs),
    )


class Block(nn.Module):
    """Residual block of two convolutions (He et al. 2016); halves the maps if ``stride`` is 2.

    Parameters
    ----------
    inputs, outputs : int
        Channels.
    stride : int
    half : bool
        Whether half of the maps between the convolutions are normalised per image.
    """

    def __init__(self, inputs: int, outputs: int, stride: int, *, half: bool = False) -> None:
        super().__init__()
        self.first = _convolution(inputs, outputs, 3, stride, half=half)
        self.second = _convolution(outputs, outputs, 3)
        short: list[nn.Module] = [nn.AvgPool2d(2)] if stride == 2 else []
        self.short = nn.Sequential(
            *short, *([_convolution(inputs, outputs, 1)] if inputs != outputs else [])
        )

    def forward(self, maps: Tensor) -> Tensor:
        """Map shape (n, inputs, h, w) to (n, outputs, h / stride, w / stride)."""
        return torch.relu(self.second(torch.relu(self.first(maps))) + self.short(maps))


class CellNetwork(nn.Module):
    """A small convolutional network with about a million weights at a width of 24.

    Parameters
    ----------
    kinds : int
        Number of kinds to classify.
    view : {'colour', 'standardised', 'grey'}
    width : int
        Number of channels of the first layer.
    """

    def __init__(self, kinds: int, view: View, width: int = 24) -> None:
        super().__init__()
        self.view = view
        self.dim = 12 * width
        self.stem = _convolution(1 if view == "grey" else 3, width, 5, 2, half=True)
        self.early = Block(width, 2 * width, 2, half=True)
        self.middle = nn.Sequential(
            Block(2 * width, 4 * width, 2, half=True), Block(4 * width, 4 * width, 1)
        )
        self.late = Block(4 * width, 8 * width, 2)
        self.mix = MixStyle()
        self.classify = nn.Linear(self.dim, kinds)
        self.project = nn.Sequential(nn.Linear(self.dim, 256), nn.ReLU(), nn.Linear(256, 128))

    def look(self, images: Tensor) -> Tensor:
        """Prepare images for the network's view.

        Parameters
        ----------
        images : Tensor of float32, shape (n, 3, side, side)
            Values in 0–1.

        Returns
        -------
        Tensor of float32, shape (n, 1 or 3, side, side)
        """
        if self.view == "colour":
            return (images - 0.6) / 0.25
        if self.view == "grey":
            images = images.mean(1, keepdim=True)
        mean = images.mean((2, 3), keepdim=True)
        spread = ((images - mean) ** 2).mean((2, 3), keepdim=True).sqrt()
        return (images - mean) / (spread + 0.02)

    def embed(self, images: Tensor) -> Tensor:
        """Embed images.

        Parameters
        ----------
        images : Tensor of float32, shape (n, 3, side, side)
            Values in 0–1.

        Returns
        -------
        Tensor of float32, shape (n, dim)
            Means of the maps at two resolutions.
        """
        maps = self.mix(torch.relu(self.stem(self.look(images))))
        maps = self.middle(self.mix(self.early(maps)))
        return torch.cat([maps.mean((2, 3)), self.late(maps).mean((2, 3))], 1)

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Embed and classify images.

        Parameters
        ----------
        images : Tensor of float32, shape (n, 3, side, side)
            Values in 0–1.

        Returns
        -------
        rows : Tensor of float32, shape (n, dim)
        scores : Tensor of float32, shape (n, kinds)
        points : Tensor of float32, shape (n, 128)
            On the unit sphere, for the contrastive loss.
        """
        found = self.embed(images)
        points = nn.functional.normalize(self.project(found), dim=1)
        return found, self.classify(found), points


class Committee(nn.Module):
    """Networks with several views as one encoder that joins their rows.

    Parameters
    ----------
    members : list of CellNetwork
    last : Linear, optional
        Last layer over the joined rows. Its output comes first, on the unit sphere, followed by the
        rows themselves, scaled to a length of :data:`ROWS_BESIDE`.
    """

    def __init__(self, members: list[CellNetwork], last: nn.Linear | None = None) -> None:
        super().__init__()
        self.members = nn.ModuleList(members)
        self.last = last
        self.dim = sum(member.dim for member in members) + (last.out_features if last else 0)

    def join(self, images: Tensor) -> Tensor:
        """Join the rows of all networks, from shape (n, 3, side, side) in 0–1 to (n, joined)."""
        parts = [member.embed(images) for member in self.members]  # type: ignore[operator]
        return torch.cat([nn.functional.normalize(part, dim=1) for part in parts], 1)

    def forward(self, images: Tensor) -> Tensor:
        """Embed images of shape (n, 3, side, side) in 0–1 as rows of shape (n, dim)."""
        rows = self.join(images)
        if self.last is None:
            return rows
        told = nn.functional.normalize(self.last(rows), dim=1)
        return torch.cat([told, rows * (ROWS_BESIDE / len(self.members) ** 0.5)], 1)
