"""TODO celltransfer_core/framing/nuclei.py."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from celltransfer_core.data.dataset import Dataset
from celltransfer_core.framing.nucleus import VERSION, Nucleus, find_nucleus
from celltransfer_core.runtime.cache import Cache
from celltransfer_core.runtime.tasks import run_tasks
from celltransfer_core.types import Bools, Float32, Ints, Progress, silent

BATCH = 128
_COLUMNS = 7  # of a kept row: found, x, y, extent, red, green, blue


@dataclass(frozen=True)
class Nuclei:
    """The nuclei of n cells, in px; rows of cells without one are zero."""

    found: Bools
    x: Float32
    y: Float32
    extent: Float32
    background: Float32
    """Shape (n, 3)."""

    def __getitem__(self, cell: int) -> Nucleus | None:
        if not self.found[cell]:
            return None
        red, green, blue = self.background[cell].tolist()
        return Nucleus(
            float(self.x[cell]), float(self.y[cell]), float(self.extent[cell]), (red, green, blue)
        )

    def take(self, cells: Ints) -> Nuclei:
        """Keep some cells."""
        return Nuclei(
            self.found[cells],
            self.x[cells],
            self.y[cells],
            self.extent[cells],
            self.background[cells],
        )


def find_nuclei(
    dataset: Dataset,
    cache: Cache,
    *,
    workers: int | None = None,
    progress: Progress = silent,
) -> Nuclei:
    """Find the nucleus of every cell; what was found before is not looked for again.

    Parameters
    ----------
    dataset : Dataset
        n cells.
    cache : Cache
    workers : int, optional
    progress : callable

    Returns
    -------
    Nuclei
    """
    table = f"nuclei@{VERSION}{intensity_key(dataset)}"
    known, rows = cache.get(table, dataset.cells, _COLUMNS)
    missing = np.flatnonzero(~known)
    done = int(known.sum())
    progress("framing", done, len(dataset))
    batches = [missing[start : start + BATCH] for start in range(0, len(missing), BATCH)]
    tasks = [dataset.take(batch) for batch in batches]
    for index, found in run_tasks(_find_batch, tasks, workers=workers):
        rows[batches[index]] = found
        cache.put(table, tasks[index].cells, found)
        done += len(found)
        progress("framing", done, len(dataset))
    return Nuclei(rows[:, 0] > 0, rows[:, 1], rows[:, 2], rows[:, 3], rows[:, 4:])


def _find_batch(dataset: Dataset) -> Float32:
    rows = np.zeros((len(dataset), _COLUMNS), dtype=np.float32)
    for cell in range(len(dataset)):
        nucleus = find_nucleus(dataset.read(cell))
        if nucleus is not None:
            rows[cell] = (1, nucleus.x, nucleus.y, nucleus.extent, *nucleus.background)
    return rows


def intensity_key(dataset: Dataset) -> str:
    return "" if dataset.intensity is None else "/{:g}-{:g}".format(*dataset.intensity)
