"""Show cells in the light and stain of another laboratory.

Not in the paper. The optical density of each channel above that of the light is scaled, as Reinhard
et al. (2001) do in another colour space. Whole days are measured instead of single cells, so that
colour differences between types are preserved.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from celltransfer_core.encoders.training.microscopes import background, density
from celltransfer_core.runtime.batches import evenly_spaced
from celltransfer_core.types import Ints, Labels, RGBImage

if TYPE_CHECKING:
    import torch
    from torch import Generator, Tensor


_LEAST_DAY = 20  # cells; smaller groups use the stain of the rest of their laboratory
_MEASURED = 100  # cells per day
_SWAPPED = 0.5  # share of cells


@dataclass(frozen=True)
class Stains:
    """Light and stain of each day of each laboratory."""

    light: Tensor
    """Optical density of the background, shape (d, 3)."""
    strength: Tensor
    """Root mean square of the density above the background, shape (d, 3)."""
    laboratory: Tensor
    """Laboratory of each day, shape (d,)."""
    day: Tensor
    """Day of each cell, shape (n,)."""


def measure_stains(
    crops: RGBImage, groups: Labels, laboratories: Ints, device: torch.device
) -> Stains:
    """Measure the light and stain of each day in several laboratories.

    Parameters
    ----------
    crops : ndarray of uint8, shape (n, h, h, 3)
    groups : ndarray of str, shape (n,)
        Days, fields or slides; empty where unknown.
    laboratories : ndarray of int64, shape (n,)
    device : device
        Device of the result.

    Returns
    -------
    Stains
        At most 100 cells per day are measured; groups of fewer than 20 cells count as one day.
    """
    import torch

    days = _number_days(groups, laboratories)
    light, strength, owners = [], [], []
    for day in range(int(days.max()) + 1):
        cells = np.flatnonzero(days == day)
        shown = np.stack([crops[cell] for cell in cells[evenly_spaced(len(cells), _MEASURED)]])
        images = torch.from_numpy(shown).permute(0, 3, 1, 2).float() / 255
        around = density(background(images))
        stained = density(images) - around[..., None, None]
        light.append(around.mean(0))
        strength.append((stained**2).mean((0, 2, 3)).sqrt())
        owners.append(int(laboratories[cells[0]]))
    return Stains(
        torch.stack(light).to(device),
        torch.stack(strength).to(device),
        torch.tensor(owners, device=device),
        torch.from_numpy(days).to(device),
    )


def _number_days(groups: Labels, laboratories: Ints) -> Ints:
    names = np.array([f"{a}/{b}" for a, b in zip(laboratories, groups, strict=True)])
    _, number, count = np.unique(names, return_inverse=True, return_counts=True)
    few = count[number] < _LEAST_DAY
    names[few] = [f"{laboratory}/" for laboratory in laboratories[few]]
    return np.unique(names, return_inverse=True)[1]


def swap_stains(crops: Tensor, cells: Tensor, stains: Stains, generator: Generator) -> Tensor:
    """Show half of the cells in the light and stain of a day of another laboratory.

    Parameters
    ----------
    crops : Tensor of uint8, shape (b, h, h, 3)
    cells : Tensor of int64, shape (b,)
        Positions among the measured cells.
    stains : Stains
        Stains of at least two laboratories.
    generator : Generator
        Generator on the device of the crops.

    Returns
    -------
    Tensor of uint8, shape (b, h, h, 3)
        Laboratories are equally likely, and so are the days within a laboratory.
    """
    import torch

    n, device = len(crops), crops.device
    own, theirs = stains.day[cells], stains.laboratory
    days_of_one = torch.bincount(theirs)
    other = theirs[None, :] != theirs[own][:, None]
    day = torch.multinomial(other / days_of_one[theirs], 1, generator=generator)[:, 0]
    swapped = torch.rand(n, generator=generator, device=device) < _SWAPPED
    day = torch.where(swapped, day, own)
    images = density(crops.float() / 255)
    gain = stains.strength[day] / stains.strength[own]
    wide = (slice(None), None, None, slice(None))
    images = (images - stains.light[own][wide]) * gain[wide] + stains.light[day][wide]
    return ((-images).exp() * 255).round().clamp(0, 255).to(torch.uint8)
