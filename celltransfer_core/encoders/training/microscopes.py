"""Random microscopes that show stored crops in another stain, light, focus and scale.

An encoder is trained through them so that its embeddings are invariant to these. Not in the paper.
"""

from __future__ import annotations

import functools
import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch
    from torch import Generator, Tensor


FIELD = 1.6
"""Side of a stored crop relative to the encoder's input, with room to turn, shift and zoom out."""

# The luminance quantisation table of annex K of the JPEG standard; for colour it is multiplied by
# 1.5.
_QUANTISATION = (
    (16, 11, 10, 16, 24, 40, 51, 61),
    (12, 12, 14, 19, 26, 58, 60, 55),
    (14, 13, 16, 24, 40, 57, 69, 56),
    (14, 17, 22, 29, 51, 87, 80, 62),
    (18, 22, 37, 56, 68, 109, 103, 77),
    (24, 35, 55, 64, 81, 104, 113, 92),
    (49, 64, 78, 87, 103, 121, 120, 101),
    (72, 92, 95, 98, 112, 100, 103, 99),
)
_TO_YCC = ((0.299, 0.587, 0.114), (-0.1687, -0.3313, 0.5), (0.5, -0.4187, -0.0813))
_COMPRESSED = 0.4  # share of images


def random_microscopes(
    crops: Tensor, side: int, generator: Generator, telling: Tensor | None = None
) -> Tensor:
    """Show each cell through a different random microscope.

    Parameters
    ----------
    crops : Tensor of uint8, shape (n, h, h, 3)
        Crops that are :data:`FIELD` times as wide as the encoder's input.
    side : int
        Side of the result; a multiple of 8.
    generator : Generator
        Generator on the device of the crops.
    telling : Tensor of bool, shape (n,), optional
        Cells whose surroundings reveal their type; they always get those of another cell.

    Returns
    -------
    Tensor of float32, shape (n, 3, side, side)
        Values in 0–1.
    """
    images = crops.permute(0, 3, 1, 2).float() / 255
    draw = _Draw(generator, len(images))
    images = _move(images, side, draw)
    images = _surround(images, draw, telling)
    images = _cover(images, draw)
    images = _cut_off(images, draw)
    images = _stain(images, draw)
    images = _focus(images, draw)
    images = _expose(images, draw)
    return _compress(images, draw)


class _Draw:
    """Random numbers, one or more for each of n images."""

    def __init__(self, generator: Generator, n: int) -> None:
        self.generator = generator
        self.n = n

    def uniform(self, low: float, high: float, *shape: int) -> Tensor:
        import torch

        size, device = (self.n, *shape), self.generator.device
        return torch.rand(size, generator=self.generator, device=device) * (high - low) + low

    def normal(self, spread: float, *shape: int) -> Tensor:
        import torch

        size, device = (self.n, *shape), self.generator.device
        return torch.randn(size, generator=self.generator, device=device) * spread

    def gain(self, spread: float, *shape: int) -> Tensor:
        return self.normal(spread, *shape).exp()

    def order(self) -> Tensor:
        import torch

        return torch.randperm(self.n, generator=self.generator, device=self.generator.device)

    def happens(self, share: float) -> Tensor:
        return self.uniform(0, 1) < share


def _wide(values: Tensor) -> Tensor:
    return values[..., None, None]


def _axes(images: Tensor) -> tuple[Tensor, Tensor]:
    import torch

    height, width = images.shape[2:]
    down = torch.linspace(-1, 1, height, device=images.device)
    along = torch.linspace(-1, 1, width, device=images.device)
    return down[:, None], along[None, :]


def _move(images: Tensor, side: int, draw: _Draw) -> Tensor:
    """Rotate, mirror, shift, stretch and zoom, some by up to a factor of four; bend some."""
    import torch
    from torch.nn.functional import affine_grid, grid_sample, interpolate

    angle = draw.uniform(0, 2 * math.pi)
    usual = draw.uniform(math.log(0.75), math.log(1.35))
    far = draw.uniform(math.log(0.45), math.log(1.8))
    shown = 1 / (FIELD * torch.where(draw.happens(0.3), far, usual).exp())
    stretch = draw.gain(0.08)
    mirror = torch.where(draw.happens(0.5), 1.0, -1.0)
    shift = draw.normal(0.08, 2)
    cos, sin = angle.cos() * shown, angle.sin() * shown
    rows = [
        torch.stack([cos * stretch * mirror, -sin / stretch, shift[:, 0]], 1),
        torch.stack([sin * stretch * mirror, cos / stretch, shift[:, 1]], 1),
    ]
    grid = affine_grid(torch.stack(rows, 1), [len(images), 3, side, side], align_corners=False)
    bent = torch.where(draw.happens(0.3), draw.uniform(0, 0.06), 0.0)
    waves = draw.normal(1.0, 2, 5, 5) * bent[:, None, None, None]
    waves = interpolate(waves, (side, side), mode="bicubic", align_corners=True)
    grid = grid + waves.permute(0, 2, 3, 1)
    return grid_sample(images, grid, padding_mode="border", align_corners=False)


def _surround(images: Tensor, draw: _Draw, telling: Tensor | None) -> Tensor:
    """Replace the surroundings of some cells by those of another cell, of others by background."""
    import torch

    down, along = _axes(images)
    far = (along**2 + down**2).sqrt() > _wide(draw.uniform(0.8, 1.2))
    other, kind = images[draw.order()], draw.uniform(0, 1)
    alone = _wide(background(images)).expand_as(images)
    replaced = kind < 0.3 if telling is None else (kind < 0.3) | telling
    images = torch.where((far & _wide(replaced))[:, None], other, images)
    return torch.where((far & _wide(kind > 0.9))[:, None], alone, images)


def _cover(images: Tensor, draw: _Draw) -> Tensor:
    """Cover some cells with an ellipse, in a colour between another cell's and a random one."""
    import torch

    down, along = _axes(images)
    x, y = _wide(draw.uniform(-1, 1)), _wide(draw.uniform(-1, 1))
    across, high = _wide(draw.uniform(0.1, 0.45)), _wide(draw.uniform(0.1, 0.45))
    inside = ((along - x) / across) ** 2 + ((down - y) / high) ** 2 < 1
    inside &= _wide(draw.happens(0.3))
    middle = images.shape[2] // 2
    colour = (images[draw.order(), :, middle, middle] + draw.uniform(0.2, 1, 3)) / 2
    return torch.where(inside[:, None], _wide(colour), images)


def _cut_off(images: Tensor, draw: _Draw) -> Tensor:
    """Cut some cells off at an image edge; framing fills the outside with background."""
    import torch

    down, along = _axes(images)
    outside = torch.zeros_like(images[:, 0], dtype=torch.bool)
    for place in (along, -along, down, -down):
        outside |= (place > _wide(draw.uniform(0.25, 1))) & _wide(draw.happens(0.06))
    return torch.where(outside[:, None], _wide(background(images)), images)


def background(images: Tensor) -> Tensor:
    """Estimate the background colour of each image.

    Parameters
    ----------
    images : Tensor of float32, shape (n, 3, h, w)

    Returns
    -------
    Tensor of float32, shape (n, 3)
        Value that 8 % of the pixels exceed, for each channel.
    """
    # Every fourth row and column gives as good a quantile in a sixteenth of the time.
    some = images[:, :, ::4, ::4].flatten(2)
    return some.kthvalue(math.ceil(0.92 * some.shape[2]), dim=2).values


def _stain(images: Tensor, draw: _Draw) -> Tensor:
    """Mix the stains and change the colour of the light, in optical density."""
    import torch

    light = density(background(images))
    stained = density(images) - _wide(light)
    own = torch.eye(3, device=images.device)
    mixing = own + draw.normal(0.18, 3, 3) * (1 - own)
    mixing = mixing * (draw.gain(0.3, 3) * draw.gain(0.3, 1))[:, :, None]
    # Products of densities, because dense stain changes hue differently from thin stain.
    products = [stained[:, i] * stained[:, j] for i in range(3) for j in range(i, 3)]
    bending = draw.normal(0.12, 3, 6)
    stained = torch.einsum("nij,njhw->nihw", mixing, stained) + torch.einsum(
        "nij,njhw->nihw", bending, torch.stack(products, 1)
    )
    stained = stained.sign() * stained.abs().clamp_min(1e-4) ** _wide(draw.gain(0.2, 1))
    cast = draw.uniform(0, 0.25, 1) + draw.uniform(0, 0.25, 3)
    light = torch.where(draw.happens(0.5)[:, None], cast, light)
    down, along = _axes(images)
    slope = draw.normal(0.06, 2)
    shade = _wide(slope[:, 0]) * down + _wide(slope[:, 1]) * along
    return (-(stained + _wide(light) + shade[:, None])).exp().clamp(0, 1)


def density(images: Tensor) -> Tensor:
    """Convert intensity to optical density.

    Parameters
    ----------
    images : Tensor of float32
        Values in 0–1.

    Returns
    -------
    Tensor of float32
        Of the same shape; 0 for white, 4.6 for black.
    """
    return -(images.clamp(0, 1) * 0.99 + 0.01).log()


def _focus(images: Tensor, draw: _Draw) -> Tensor:
    """Blur some and sharpen others."""
    import torch

    spread = torch.where(draw.happens(0.5), draw.uniform(0.3, 2.2), 0.05)
    down, along = (_smoother(spread, length)[:, None] for length in images.shape[2:])
    smooth = down @ images @ along.transpose(2, 3)
    sharper = torch.where(draw.happens(0.2), draw.uniform(0, 1.2), 0.0)
    return smooth + (images - smooth) * _wide(sharper[:, None])


def _smoother(spread: Tensor, length: int) -> Tensor:
    """Return the matrices, shape (n, length, length), that smooth a column by a Gaussian."""
    import torch

    place = torch.arange(length, device=spread.device)
    apart = (place[:, None] - place[None]) ** 2
    weights = (-apart / (2 * _wide(spread) ** 2)).exp()
    return weights / weights.sum(2, keepdim=True)


def _expose(images: Tensor, draw: _Draw) -> Tensor:
    """Change saturation, contrast and brightness, and add sensor noise."""
    import torch

    grey = images.mean(1, keepdim=True)
    saturation = torch.where(draw.happens(0.06), 0.0, draw.gain(0.35))
    images = grey + (images - grey) * _wide(saturation[:, None])
    mean = images.mean((1, 2, 3), keepdim=True)
    images = mean + (images - mean) * _wide(draw.gain(0.18, 1)) + _wide(draw.normal(0.06, 1))
    spread = torch.where(draw.happens(0.5), draw.uniform(0, 0.06), 0.0)
    noise = draw.normal(1.0, *images.shape[1:])
    return (images + noise * _wide(spread[:, None])).clamp(0, 1)


def _compress(images: Tensor, draw: _Draw) -> Tensor:
    """Quantise the cosine transform of 8 px blocks of some images, as JPEG does."""
    import torch

    n, height, width = len(images), *images.shape[2:]
    chosen = draw.order()[: round(_COMPRESSED * n)]  # a mask would force a GPU synchronisation
    strength = draw.uniform(math.log(0.4), math.log(5)).exp()[chosen]
    to_ycc, to_rgb, cosines, quantisation = _jpeg_tables(images.device)
    part = images[chosen]
    planes = torch.einsum("ij,njhw->nihw", to_ycc, part * 255 - 128)
    blocks = planes.reshape(-1, 3, height // 8, 8, width // 8, 8).permute(0, 1, 2, 4, 3, 5)
    steps = quantisation * strength.reshape(-1, 1, 1, 1, 1, 1)
    waves = cosines @ blocks @ cosines.T
    blocks = cosines.T @ ((waves / steps).round() * steps) @ cosines
    planes = blocks.permute(0, 1, 2, 4, 3, 5).reshape(part.shape)
    poor = (torch.einsum("ij,njhw->nihw", to_rgb, planes) + 128) / 255
    return images.index_copy(0, chosen, poor.clamp(0, 1))


@functools.cache
def _jpeg_tables(device: torch.device) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Return the matrices to and from YCbCr, the cosines, and steps of shape (3, 1, 1, 8, 8)."""
    import torch

    turn = torch.tensor(_TO_YCC)
    place = torch.arange(8)
    cosines = 0.5 * torch.cos((2 * place[None] + 1) * place[:, None] * math.pi / 16)
    cosines[0] = math.sqrt(1 / 8)
    rough = torch.tensor([1.0, 1.5, 1.5]).reshape(3, 1, 1, 1, 1)
    steps = torch.tensor(_QUANTISATION) * rough
    return (
        turn.to(device),
        torch.linalg.inv(turn).to(device),
        cosines.to(device),
        steps.to(device),
    )
