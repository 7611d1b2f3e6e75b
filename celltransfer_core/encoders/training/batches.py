"""Draw the batches of training: images of cells seen through random microscopes.

Not in the paper.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from celltransfer_core.encoders.training.cells import SIDE, Cells
from celltransfer_core.encoders.training.kinds import leaf_kinds
from celltransfer_core.encoders.training.microscopes import random_microscopes
from celltransfer_core.encoders.training.sampling import (
    balanced_batches,
    split_cells,
    telling_groups,
)
from celltransfer_core.types import Ints, RGBImage

if TYPE_CHECKING:
    import torch
    from torch import Generator, Tensor


class Batch(NamedTuple):
    """Images of a training step with their labels; cells occur once per view."""

    images: Tensor
    """Shape (n, 3, side, side), in 0–1."""
    possible: Tensor
    """Possible kinds of each cell, shape (n, kinds), bool."""
    types: Tensor
    """Type numbers, shape (n,)."""


class Batches:
    """Draw training batches of cells seen through random microscopes.

    With several laboratories, cells also swap stains.

    Parameters
    ----------
    cells : Cells
    size : int
        Number of cells per batch.
    seed : int
        Seed of the recipe, which determines the held-out cells.
    drawing : numpy.random.Generator
        Draws the cells.
    microscopes : torch.Generator
        Draws the microscopes, on the device of the images.
    """

    def __init__(
        self,
        cells: Cells,
        size: int,
        seed: int,
        *,
        drawing: np.random.Generator,
        microscopes: Generator,
    ) -> None:
        import torch

        from celltransfer_core.encoders.training.stains import measure_stains

        self.microscopes, self.device = microscopes, microscopes.device
        groups, laboratories = cells.groups, cells.laboratories
        self.training, _ = split_cells(cells.types, seed, groups=groups, laboratories=laboratories)
        types, kinds = (
            np.unique(labels, return_inverse=True)[1] for labels in (cells.types, cells.kinds)
        )
        levels = [level[self.training] for level in (types, laboratories, kinds)]
        self.drawn = balanced_batches(levels, size, drawing)
        self.crops = _crops_on(self.device, cells.crops, self.training)
        leaves, possible = leaf_kinds(cells.kinds, cells.types, laboratories)
        self.kinds = len(leaves)
        self.possible = torch.from_numpy(possible).to(self.device)
        self.types = torch.from_numpy(types).to(self.device)
        telling = telling_groups(cells.types, groups, laboratories)
        self.telling = torch.from_numpy(telling).to(self.device)
        self.stains = (
            measure_stains(cells.crops, groups, laboratories, self.device)
            if len(np.unique(laboratories)) > 1
            else None
        )

    def draw(self, views: int = 2) -> Batch:
        """Draw the next batch.

        Parameters
        ----------
        views : int
            Number of microscopes per cell.

        Returns
        -------
        Batch
            All cells through their first microscope, then all through their second, and so on.
        """
        import torch

        drawn = next(self.drawn)
        cells = _send(torch.from_numpy(self.training[drawn]), self.device)
        with torch.no_grad():
            crops = self.crops(drawn)
            shown = [self._through_microscopes(crops, cells) for _ in range(views)]
            images = torch.cat(shown).contiguous(memory_format=torch.channels_last)
        cells = cells.repeat(views)
        return Batch(images, self.possible[cells], self.types[cells])

    def _through_microscopes(self, crops: Tensor, cells: Tensor) -> Tensor:
        from celltransfer_core.encoders.training.stains import swap_stains

        if self.stains is not None:
            crops = swap_stains(crops, cells, self.stains, self.microscopes)
        return random_microscopes(crops, SIDE, self.microscopes, self.telling[cells])


def _crops_on(device: torch.device, crops: RGBImage, training: Ints) -> Callable[[Ints], Tensor]:
    """Return a function that sends drawn crops to a device; a GPU stores all crops if they fit."""
    import torch

    if device.type == "cuda":
        room, _ = torch.cuda.mem_get_info(device)
        if len(training) * crops[0].nbytes < room / 2:
            held = torch.from_numpy(crops[training]).to(device)
            return lambda drawn: held[_send(torch.from_numpy(drawn), device)]
    return lambda drawn: _send(torch.from_numpy(crops[training[drawn]]), device)


def _send(values: Tensor, device: torch.device) -> Tensor:
    if device.type == "cuda":
        values = values.pin_memory()  # copies from unpinned memory wait for all earlier work
    return values.to(device, non_blocking=True)
