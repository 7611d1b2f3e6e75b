"""Measure the k-NN accuracy of a network on held-out cells through held-out microscopes.

Not in the paper.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from celltransfer_core.encoders.training.cells import SIDE, Cells
from celltransfer_core.encoders.training.held_back import HELD_BACK, held_back_view, plain_view
from celltransfer_core.encoders.training.sampling import split_cells
from celltransfer_core.framing.colour import ColourMap
from celltransfer_core.runtime.batches import in_batches
from celltransfer_core.types import Float32, Ints, Labels, RGBImage

if TYPE_CHECKING:
    import torch


_REFERENCE, _QUERY = 120, 60  # cells per type in the check on held-out microscopes
_NEIGHBOURS = 7


@dataclass(frozen=True)
class Check:
    """Balanced accuracy of k-NN in percent, through one held-out microscope."""

    microscope: str
    plain: float
    centred: float
    """Accuracy after each set is centred."""


def check_on_held_back(network: torch.nn.Module, cells: Cells, seed: int) -> tuple[Check, ...]:
    """Classify held-out cells through held-out microscopes by k-NN.

    Parameters
    ----------
    network : Module
        A ``CellNetwork`` or ``Committee``, on the CPU.
    cells : Cells
        Cells that the network was trained on.
    seed : int
        Seed of the recipe, which determines the held-out cells.

    Returns
    -------
    tuple of Check
        One for each of :data:`~celltransfer_core.encoders.training.held_back.HELD_BACK`. The query
        has at most 60 held-out cells per type, in varying proportions; the reference has at most
        120 training cells per type, and the query's colours are mapped to it, as in a run.
    """
    return _check(partial(embed_images, network), cells, seed)


def check_descriptors(cells: Cells, seed: int) -> tuple[Check, ...]:
    """Classify the same cells through the same microscopes with the built-in descriptors.

    Parameters
    ----------
    cells, seed
        As for :func:`check_on_held_back`.

    Returns
    -------
    tuple of Check
        Baseline that a trained encoder should exceed.
    """
    return _check(_describe_images, cells, seed)


def _describe_images(images: list[RGBImage]) -> Float32:
    from celltransfer_core.encoders.builtin import describe, load_builtin
    from celltransfer_core.encoders.registry import BUILTIN

    unknown = np.full(len(images), np.nan, dtype=np.float32)
    return np.concatenate(describe([load_builtin(s) for s in BUILTIN], images, unknown), axis=1)


def _check(
    embed: Callable[[list[RGBImage]], Float32], cells: Cells, seed: int
) -> tuple[Check, ...]:
    from sklearn.metrics import balanced_accuracy_score
    from sklearn.neighbors import KNeighborsClassifier

    training, held_back = split_cells(
        cells.types, seed, groups=cells.groups, laboratories=cells.laboratories
    )
    rng = np.random.default_rng(seed)
    reference = _draw(cells.types, training, rng, lambda: _REFERENCE)
    shown = [plain_view(cells.crops[cell], SIDE) for cell in reference]
    known, types = embed(shown), cells.types[reference]
    checks = []
    for name in HELD_BACK:
        query = _draw(cells.types, held_back, rng, lambda: int(_QUERY * rng.uniform(0.2, 1)))
        views = [held_back_view(cells.crops[cell], name, SIDE) for cell in query]
        recolour = ColourMap(*_lab_moments(views), *_lab_moments(shown))
        rows = embed([recolour(view) for view in views])
        found = []
        for shift_known, shift_rows in ((0, 0), (known.mean(axis=0), rows.mean(axis=0))):
            knn = KNeighborsClassifier(min(_NEIGHBOURS, len(known)))
            guess = knn.fit(known - shift_known, types).predict(rows - shift_rows)
            found.append(100 * float(balanced_accuracy_score(cells.types[query], guess)))
        checks.append(Check(name, *found))
    return tuple(checks)


def _draw(types: Labels, among: Ints, rng: np.random.Generator, count: Callable[[], int]) -> Ints:
    parts = [rng.permutation(among[types[among] == name]) for name in np.unique(types)]
    return np.concatenate([cells[: max(5, count())] for cells in parts])


def _lab_moments(images: list[RGBImage]) -> tuple[Any, Any]:
    from skimage.color import rgb2lab

    lab = rgb2lab(np.stack(images[:: max(1, len(images) // 200)])).reshape(-1, 3)
    return lab.mean(axis=0), lab.std(axis=0)


def embed_images(network: torch.nn.Module, images: list[RGBImage]) -> Float32:
    """Embed images that have the encoder's input size.

    Parameters
    ----------
    network : Module
        Maps images in 0–1 to rows.
    images : list of ndarray of uint8, each (side, side, 3)

    Returns
    -------
    ndarray of float32, shape (n, dim)
    """
    import torch

    from celltransfer_core.encoders.training.network import CellNetwork

    forward = network.embed if isinstance(network, CellNetwork) else network
    rows = []
    with torch.inference_mode():
        for batch in in_batches(images, 256):
            pixels = torch.from_numpy(np.stack(batch))
            rows.append(forward(pixels.permute(0, 3, 1, 2).float() / 255).numpy())
    return np.concatenate(rows)


def describe_check(checks: tuple[Check, ...]) -> str:
    """Summarise checks in one line, for the log.

    Parameters
    ----------
    checks : tuple of Check

    Returns
    -------
    str
    """
    each = ", ".join(f"{c.microscope} {c.plain:.0f}/{c.centred:.0f}" for c in checks)
    plain, centred = (float(np.mean([getattr(c, n) for c in checks])) for n in ("plain", "centred"))
    return (
        "balanced accuracy on held-out microscopes, uncentred/centred: mean "
        f"{plain:.1f}/{centred:.1f} ({each})"
    )
