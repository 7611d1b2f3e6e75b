"""Train a last linear layer over fixed networks.

This takes minutes on a CPU, whereas training the networks takes hours: cells are shown through
random microscopes once, and the layer is trained on their rows. Not in the paper.
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


_VIEWS = 12_000  # images in total
_AT_ONCE = 64  # cells per batch of images
_BATCH = 256  # images per step
_WIDTH = 256  # outputs of the layer
_RATE, _DECAY, _SMOOTHING = 2e-3, 1e-3, 0.1
_SHARPNESS = 10.0  # scale of cosines as scores of kinds


def train_last(
    networks: Sequence[CellNetwork],
    cells: Cells,
    recipe: Recipe,
    folder: Path,
    progress: Progress,
) -> nn.Linear:
    """Train a last layer to separate kinds and to bring cells of a type together.

    Parameters
    ----------
    networks : sequence of CellNetwork
        Trained networks on the CPU; they are not changed.
    cells : Cells
    recipe : Recipe
        ``last_steps`` is the number of steps, over rows of 12,000 images.
    folder : Path
        Folder that stores the rows, in ``last.npz``.
    progress : callable

    Returns
    -------
    Linear
        Maps the networks' joined rows to 256 values.
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
    """Show training cells through random microscopes; return the networks' rows as images."""
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
