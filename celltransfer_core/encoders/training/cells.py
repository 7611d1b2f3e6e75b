"""Cells to train an encoder on: a labelled data set in, crops with types and kinds out.

Not in the paper, which takes encoders as they are.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from celltransfer_core.encoders.training.microscopes import FIELD
from celltransfer_core.errors import DataError, OutputError
from celltransfer_core.framing.nuclei import Nuclei, find_nuclei
from celltransfer_core.framing.nucleus import cut
from celltransfer_core.framing.sets import MIN_SHARE_FOUND
from celltransfer_core.runtime.batches import in_batches
from celltransfer_core.runtime.files import read_if_whole, write_atomically
from celltransfer_core.runtime.tasks import run_tasks
from celltransfer_core.types import Ints, Labels, Progress, RGBImage, silent

if TYPE_CHECKING:
    from celltransfer_core.data.dataset import Dataset
    from celltransfer_core.runtime.cache import Cache


SIDE = 96
"""Side of the images that a trained encoder takes, in px."""

_STORED = 144  # px, of the crops to draw views from
_LEAST_CELLS = 10  # of a type, some held back
_LEAST_KIND = 100  # cells; rarer kinds join the commonest of their type
_HELD_BACK, _MOST_HELD_BACK = 0.15, 2500  # share and number of cells kept from training


@dataclass(frozen=True)
class Cells:
    """Crops to train on, with their types and kinds."""

    crops: RGBImage
    """Shape (n, 144, 144, 3); may lie on disk."""
    types: Labels
    """Shape (n,)."""
    kinds: Labels
    """Finer classes than the types, from file names, see :func:`kinds_of`."""
    framed: bool
    """Whether crops are cut around nuclei."""

    def __len__(self) -> int:
        return len(self.types)


def kinds_of(dataset: Dataset) -> Labels:
    """Derive finer kinds than the types from the beginnings of file names.

    Parameters
    ----------
    dataset : Dataset
        n labelled cells.

    Returns
    -------
    ndarray of str, shape (n,)
        ``type/PREFIX``, where the prefix is the name up to the first underscore; for a prefix with
        fewer than 100 cells, the commonest kind of its type.
    """
    prefixes = [Path(name).stem.split("_")[0] for name in dataset.first_file]
    kinds = [f"{a}/{b}" for a, b in zip(dataset.cell_labels, prefixes, strict=True)]
    counts = Counter(kinds)
    commonest: dict[str, str] = {}
    for kind, _ in counts.most_common():
        commonest.setdefault(kind.split("/")[0], kind)
    return np.array(
        [kind if counts[kind] >= _LEAST_KIND else commonest[kind.split("/")[0]] for kind in kinds]
    )


def pack(
    dataset: Dataset,
    cache: Cache,
    folder: Path,
    *,
    workers: int | None = None,
    progress: Progress = silent,
) -> Cells:
    """Cut every cell as encoders see it, with a margin around it, into one file.

    Parameters
    ----------
    dataset : Dataset
        n labelled cells. Framed around their nuclei if enough are found, whole otherwise.
    cache : Cache
        Of the nuclei.
    folder : Path
        Where ``crops.npy`` is written, 62 kB a cell; read again if it holds the same cells.
    workers : int, optional
        Processes; all processors by default.
    progress : callable

    Returns
    -------
    Cells

    Raises
    ------
    DataError
        If there are fewer than 10 cells of a type.
    OutputError
        If it cannot be written.
    """
    counts = Counter(dataset.cell_labels.tolist())
    few = [f"{name} {count}" for name, count in sorted(counts.items()) if count < _LEAST_CELLS]
    if few:
        raise DataError(
            f"An encoder is trained on {_LEAST_CELLS} cells of each type at least; too few: "
            f"{', '.join(few)}."
        )
    nuclei = find_nuclei(dataset, cache, workers=workers, progress=progress)
    framed = bool(nuclei.found.mean() >= MIN_SHARE_FOUND)
    path, mark = folder / "crops.npy", folder / "crops.json"
    key = {"cells": short_hash("\n".join(dataset.cells)), "framed": framed, "side": _STORED}
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if read_if_whole(mark, lambda kept: json.loads(kept.read_text())) != key:
            # Gone while crops are written: an interrupted file is not taken for a whole one.
            mark.unlink(missing_ok=True)
            _write_crops(path, dataset, nuclei if framed else None, workers, progress)
            write_atomically(mark, json.dumps(key).encode())
        crops = np.load(path, mmap_mode="r")
    except (OSError, ValueError) as error:
        raise OutputError(
            f"{path} cannot be written or read ({error}); make room and run again."
        ) from error
    return Cells(crops, dataset.cell_labels, kinds_of(dataset), framed)


def _write_crops(
    path: Path, dataset: Dataset, nuclei: Nuclei | None, workers: int | None, progress: Progress
) -> None:
    shape = (len(dataset), _STORED, _STORED, 3)
    crops = np.lib.format.open_memmap(path, mode="w+", dtype=np.uint8, shape=shape)
    batches = in_batches(np.arange(len(dataset)), 128)
    tasks = [(dataset.take(b), nuclei.take(b) if nuclei is not None else None) for b in batches]
    done = 0
    for index, found in run_tasks(_cut_batch, tasks, workers=workers):
        crops[batches[index]] = found
        done += len(found)
        progress("packing", done, len(dataset))
    crops.flush()


def _cut_batch(task: tuple[Dataset, Nuclei | None]) -> RGBImage:
    from PIL import Image

    dataset, nuclei = task
    crops = np.empty((len(dataset), _STORED, _STORED, 3), dtype=np.uint8)
    for cell in range(len(dataset)):
        image = dataset.read(cell)
        nucleus = nuclei[cell] if nuclei is not None else None
        if nucleus is not None:
            image = cut(image, nucleus._replace(extent=nucleus.extent * FIELD))
        else:
            height, width = (round(side * (FIELD - 1) / 2) for side in image.shape[:2])
            image = np.pad(image, ((height, height), (width, width), (0, 0)), mode="edge")
        size = (_STORED, _STORED)
        crops[cell] = np.asarray(Image.fromarray(image).resize(size, Image.Resampling.BICUBIC))
    return crops


def short_hash(text: str) -> str:
    """Hash a text.

    Parameters
    ----------
    text : str

    Returns
    -------
    str
        16 hexadecimal digits of its SHA-256.
    """
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def split_cells(types: Labels, seed: int) -> tuple[Ints, Ints]:
    """Hold some cells of every type back from training.

    Parameters
    ----------
    types : ndarray of str, shape (n,)
    seed : int

    Returns
    -------
    training, held_back : ndarray of int64
        Positions of the cells, ascending; 15 % of each type are held back, five cells at least and
        2,500 of all types together at most.
    """
    rng = np.random.default_rng(seed)
    share = min(_HELD_BACK, _MOST_HELD_BACK / len(types))
    held = []
    for name in np.unique(types):
        cells = rng.permutation(np.flatnonzero(types == name))
        held.append(cells[: max(5, round(share * len(cells)))])
    held_back = np.sort(np.concatenate(held))
    return np.setdiff1d(np.arange(len(types)), held_back), held_back


def balanced_batches(
    kinds: Ints, types: Ints, size: int, rng: np.random.Generator
) -> Iterator[Ints]:
    """Draw batches with types equally likely, kinds within a type, and cells within a kind.

    Parameters
    ----------
    kinds, types : ndarray of int64, shape (n,)
    size : int
        Cells of a batch.
    rng : Generator

    Yields
    ------
    ndarray of int64, shape (size,)
        Positions of cells, ascending; without end.
    """
    _, first, kind, count = np.unique(
        kinds, return_index=True, return_inverse=True, return_counts=True
    )
    shares = 1 / (np.bincount(types[first])[types] * count[kind])
    shares /= shares.sum()
    while True:
        yield np.sort(rng.choice(len(kinds), size, p=shares))
