"""Cells to train an encoder on: labelled sets in, crops with types, kinds and origin out.

Not in the paper, which takes encoders as they are.
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
"""Side of the images that a trained encoder takes, in px."""

_STORED = 144  # px, of the crops to draw views from
_LEAST_CELLS = 10  # of a type, some held back


@dataclass(frozen=True)
class Cells:
    """Crops to train on, with their types and kinds."""

    crops: RGBImage
    """Shape (n, 144, 144, 3); may lie on disk."""
    types: Labels
    """Shape (n,)."""
    kinds: Labels
    """Finer classes than the types, see
    :func:`~celltransfer_core.encoders.training.kinds.kinds_of`."""
    framed: bool
    """Whether crops are cut around nuclei."""
    laboratories: Ints
    """Number of the set that each is from, shape (n,)."""
    groups: Labels
    """Cells that were taken together, see
    :func:`~celltransfer_core.encoders.training.kinds.groups_of`."""

    def __len__(self) -> int:
        return len(self.types)


def joined(sets: Sequence[Dataset], names: Sequence[str], mapping: Mapping[str, str]) -> Dataset:
    """Join the sets of several laboratories, their types by name.

    Parameters
    ----------
    sets : sequence of Dataset
        Labelled.
    names : sequence of str
        Of the sets.
    mapping : mapping from str to str
        What types of any set are called; those renamed to nothing are left out.

    Returns
    -------
    Dataset

    Raises
    ------
    DataError
        If no set has a type that is to be renamed.
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
    """Cut every cell as encoders see it, with a margin around it, into one file.

    Parameters
    ----------
    dataset : Dataset
        n labelled cells, of one set or several that were pooled. Framed around their nuclei if
        enough are found in every set, whole otherwise.
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
            # Gone while crops are written: an interrupted file is not taken for a whole one.
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
