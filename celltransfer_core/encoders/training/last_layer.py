"""A last layer over networks that stay as they are: networks and cells in, a linear map out.

It takes minutes on a processor, where training the networks takes hours: cells are shown through
random microscopes once, and the map learns from their rows. Not in the paper.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from celltransfer_core.encoders.training.batches import Batch, Batches
from celltransfer_core.encoders.training.cells import Cells
from celltransfer_core.encoders.training.losses import contrastive_loss, kinds_loss
from celltransfer_core.encoders.training.recipe import Recipe
from celltransfer_core.runtime.files import read_if_whole, write_whole
from celltransfer_core.types import Progress

if TYPE_CHECKING:
    from torch import nn

    from celltransfer_core.encoders.training.network import CellNetwork


_VIEWS = 12_000  # images, of all cells together
_AT_ONCE = 64  # cells shown
_BATCH = 256  # images of a step
_WIDTH = 256  # numbers that the layer gives
_RATE, _DECAY, _SMOOTHING = 2e-3, 1e-3, 0.1
_SHARPNESS = 10.0  # of cosines as scores of kinds


def train_last(
    networks: Sequence[CellNetwork],
    cells: Cells,
    recipe: Recipe,
    folder: Path,
    progress: Progress,
) -> nn.Linear:
    """Train a last layer to tell kinds apart and to draw cells of a type together.

    Parameters
    ----------
    networks : sequence of CellNetwork
        Trained, on the CPU; they are not changed.
    cells : Cells
    recipe : Recipe
        ``last_steps`` are its steps, over rows of 12,000 images.
    folder : Path
        Keeps the rows, in ``last.npz``.
    progress : callable

    Returns
    -------
    Linear
        From the networks' joined rows to 256 numbers.
    """
    import torch
    from torch import nn
    from torch.nn.functional import normalize

    torch.manual_seed(recipe.seed)
    seen = _rows(networks, cells, recipe, folder, progress)
    rows = seen.images
    last = nn.Linear(rows.shape[1], _WIDTH, bias=False)
    nn.init.orthogonal_(last.weight)
    classify = nn.Linear(_WIDTH, seen.possible.shape[1])
    weights = [*last.parameters(), *classify.parameters()]
    optimiser = torch.optim.AdamW(weights, _RATE, weight_decay=_DECAY)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, _RATE, total_steps=recipe.last_steps)
    for step in range(recipe.last_steps):
        drawn = torch.randint(len(rows), (_BATCH,))
        points = normalize(last(rows[drawn]), dim=1)
        scores = _SHARPNESS * classify(points)
        loss = kinds_loss(scores, seen.possible[drawn], _SMOOTHING)
        loss = loss + contrastive_loss(points, seen.types[drawn])
        optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
        schedule.step()
        progress("training the last layer", step + 1, recipe.last_steps)
    return last.requires_grad_(requires_grad=False)


def _rows(
    networks: Sequence[CellNetwork],
    cells: Cells,
    recipe: Recipe,
    folder: Path,
    progress: Progress,
) -> Batch:
    """Show training cells through random microscopes; give the networks' rows as the images."""
    import torch

    from celltransfer_core.encoders.training.network import Committee

    path = folder / "last.npz"
    kept = read_if_whole(path, lambda file: dict(np.load(file)))
    if kept is None:
        committee = Committee(list(networks)).eval()
        batches = Batches(
            cells,
            _AT_ONCE,
            recipe.seed,
            drawing=np.random.default_rng(recipe.seed),
            microscopes=torch.Generator().manual_seed(recipe.seed),
        )
        parts: list[Batch] = []
        for done in range(0, _VIEWS, _AT_ONCE):
            batch = batches.draw(views=1)
            with torch.inference_mode():
                parts.append(batch._replace(images=committee.join(batch.images)))
            progress("embedding cells", done + _AT_ONCE, _VIEWS)
        kept = {
            name: torch.cat([getattr(part, name) for part in parts]).numpy()
            for name in Batch._fields
        }

        def write(beside: Path) -> None:
            with beside.open("wb") as file:
                np.savez(file, **kept)

        write_whole(path, write)
    return Batch(**{name: torch.from_numpy(kept[name]) for name in Batch._fields})
