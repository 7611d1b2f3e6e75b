"""Prepare training cells from labelled sets: crops with types, kinds and origin.

Not in the paper, which uses existing encoders.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from celltransfer_core.data.pooling import pool
from celltransfer_core.data.type_names import same_type
from celltransfer_core.encoders.training.kinds import groups_of, kinds_of
from celltransfer_core.encoders.training.microscopes import FIELD
from celltransfer_core.errors import DataError, OutputError
from celltransfer_core.framing.nuclei import Nuclei, find_nuclei
from celltransfer_core.framing.nucleus import cut
from celltransfer_core.framing.sets import MIN_SHARE_FOUND
from celltransfer_core.runtime.batches import in_batches
from celltransfer_core.runtime.files import read_if_whole, write_atomically
from celltransfer_core.runtime.tasks import run_tasks
from celltransfer_core.types import Ints, Labels, Progress, RGBImage, silent
from celltransfer_core.vocabulary import and_more

if TYPE_CHECKING:
    from celltransfer_core.data.dataset import Dataset
    from celltransfer_core.runtime.cache import Cache


SIDE = 96
"""Input side of a trained encoder, in px."""

_STORED = 144  # px: side of the crops from which views are drawn
_LEAST_CELLS = 10  # per type, including held-out ones


@dataclass(frozen=True)
class Cells:
    """Crops to train on, with their types and kinds."""

    crops: RGBImage
    """Shape (n, 144, 144, 3); may be memory-mapped."""
    types: Labels
    """Shape (n,)."""
    kinds: Labels
    """Finer classes than the types, see
    :func:`~celltransfer_core.encoders.training.kinds.kinds_of`."""
    framed: bool
    """Whether crops are centred on nuclei."""
    laboratories: Ints
    """Number of the source set of each cell, shape (n,)."""
    groups: Labels
    """Groups of cells imaged together, see
    :func:`~celltransfer_core.encoders.training.kinds.groups_of`."""

    def __len__(self) -> int:
        return len(self.types)


def joined(sets: Sequence[Dataset], names: Sequence[str], mapping: Mapping[str, str]) -> Dataset:
    """Join the sets of several laboratories, matching their types by name.

    Parameters
    ----------
    sets : sequence of Dataset
        Labelled sets.
    names : sequence of str
        Names of the sets.
    mapping : mapping from str to str
        New names of types of any set; types mapped to an empty name are left out.

    Returns
    -------
    Dataset

    Raises
    ------
    DataError
        If a type to rename is not in any set.
    """
    if len(sets) == 1 and not mapping:
        return sets[0]
    known = {name for dataset in sets for name in dataset.labels or ()}
    if missing := [name for name in mapping if not same_type(name, known)]:
        raise DataError(
            f"--map renames {', '.join(missing)}, but the types are {and_more(sorted(known))}."
        )
    return pool(sets, [mapping] * len(sets), names if len(sets) > 1 else None)


def pack(
    dataset: Dataset,
    cache: Cache,
    folder: Path,
    *,
    workers: int | None = None,
    progress: Progress = silent,
) -> Cells:
    """Write crops of all cells, framed as for encoders but with a margin, to one file.

    Parameters
    ----------
    dataset : Dataset
        n labelled cells of one set or of several pooled sets. They are framed around their nuclei
        if enough are found in every set, otherwise left whole.
    cache : Cache
        Cache of the nuclei.
    folder : Path
        Folder for ``crops.npy``, 62 kB per cell; the file is reused if it holds the same cells.
    workers : int, optional
        Number of processes; one per processor by default.
    progress : callable

    Returns
    -------
    Cells

    Raises
    ------
    DataError
        If a type has fewer than 10 cells.
    OutputError
        If the file cannot be written.
    """
    counts = Counter(dataset.cell_labels.tolist())
    few = [f"{name} {count}" for name, count in sorted(counts.items()) if count < _LEAST_CELLS]
    if few:
        raise DataError(
            f"An encoder needs at least {_LEAST_CELLS} cells of each type for training; too few: "
            f"{', '.join(few)}."
        )
    nuclei = find_nuclei(dataset, cache, workers=workers, progress=progress)
    sources = dataset.cell_sources
    framed = all(nuclei.found[sources == s].mean() >= MIN_SHARE_FOUND for s in np.unique(sources))
    path, mark = folder / "crops.npy", folder / "crops.json"
    key = {"cells": short_hash("\n".join(dataset.cells)), "framed": framed, "side": _STORED}
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if read_if_whole(mark, lambda kept: json.loads(kept.read_text(encoding="utf-8"))) != key:
            # Removed while crops are written, so that a partial file never counts as complete.
            mark.unlink(missing_ok=True)
            _write_crops(path, dataset, nuclei if framed else None, workers, progress)
            write_atomically(mark, json.dumps(key).encode())
        crops = np.load(path, mmap_mode="r")
    except (OSError, ValueError) as error:
        raise OutputError(
            f"{path} cannot be written or read ({error}); free some space and run again."
        ) from error
    return Cells(
        crops,
        dataset.cell_labels,
        kinds_of(dataset),
        framed,
        dataset.cell_sources,
        groups_of(dataset),
    )


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
