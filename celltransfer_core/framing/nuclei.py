"""Find the position and extent of the nucleus of each cell of a set, cached by content hash.

Image quality is measured in the same pass. Not in the paper.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from celltransfer_core.data.dataset import Dataset, PixelScale
from celltransfer_core.framing.measures import MEASURES, measure
from celltransfer_core.framing.nucleus import FIELD_OF_VIEW, VERSION, Nucleus, look_at
from celltransfer_core.runtime.batches import in_batches
from celltransfer_core.runtime.cache import Cache
from celltransfer_core.runtime.tasks import run_tasks
from celltransfer_core.types import Bools, Float32, Ints, Progress, silent

BATCH = 32
"""Number of cells per task."""

_OWN = 7  # columns of a cached row: found, x, y, extent, red, green, blue; then the measures
_COLUMNS = _OWN + len(MEASURES)


@dataclass(frozen=True)
class Nuclei:
    """The nuclei of n cells, in px; position and extent of cells without one are zero."""

    found: Bools
    x: Float32
    y: Float32
    extent: Float32
    background: Float32
    """Colour around each cell, whether or not it has a nucleus, shape (n, 3)."""
    measures: Float32
    """Columns as in :data:`~celltransfer_core.framing.measures.MEASURES`, shape (n, k)."""
    field: float = FIELD_OF_VIEW
    """Side of the crop around each nucleus, in extents."""

    def __getitem__(self, cell: int) -> Nucleus | None:
        if not self.found[cell]:
            return None
        red, green, blue = self.background[cell].tolist()
        return Nucleus(
            float(self.x[cell]),
            float(self.y[cell]),
            float(self.extent[cell]),
            (red, green, blue),
            self.field,
        )

    def take(self, cells: Ints) -> Nuclei:
        """Keep some cells.

        Parameters
        ----------
        cells : ndarray of int64, shape (k,)

        Returns
        -------
        Nuclei
        """
        return replace(
            self,
            found=self.found[cells],
            x=self.x[cells],
            y=self.y[cells],
            extent=self.extent[cells],
            background=self.background[cells],
            measures=self.measures[cells],
        )


def find_nuclei(
    dataset: Dataset,
    cache: Cache,
    *,
    workers: int | None = None,
    progress: Progress = silent,
) -> Nuclei:
    """Find the nucleus of every cell, reusing cached results.

    Parameters
    ----------
    dataset : Dataset
        n cells.
    cache : Cache
    workers : int, optional
        Number of processes; one per processor by default.
    progress : callable

    Returns
    -------
    Nuclei
    """
    rows = np.zeros((len(dataset), _COLUMNS), dtype=np.float32)
    batches: list[Ints] = []
    tables: list[str] = []
    for key, cells in _by_intensity(dataset).items():
        table = f"nuclei@{VERSION}{key}"
        known, rows[cells] = cache.get(table, [dataset.cells[cell] for cell in cells], _COLUMNS)
        missing = in_batches(cells[~known], BATCH)
        batches += missing
        tables += [table] * len(missing)
    done = len(dataset) - sum(map(len, batches))
    progress("framing", done, len(dataset))
    tasks = [dataset.take(batch) for batch in batches]
    for index, found in run_tasks(_find_batch, tasks, workers=workers):
        rows[batches[index]] = found
        cache.put(tables[index], tasks[index].cells, found)
        done += len(found)
        progress("framing", done, len(dataset))
    return Nuclei(
        rows[:, 0] > 0, rows[:, 1], rows[:, 2], rows[:, 3], rows[:, 4:_OWN], rows[:, _OWN:]
    )


def _find_batch(dataset: Dataset) -> Float32:
    rows = np.zeros((len(dataset), _COLUMNS), dtype=np.float32)
    for cell in range(len(dataset)):
        image = dataset.read(cell)
        seen = look_at(image)
        place = (1, *seen.nucleus[:3]) if seen.nucleus else (0, 0, 0, 0)
        rows[cell] = (*place, *seen.background, *measure(image, seen))
    return rows


def _by_intensity(dataset: Dataset) -> dict[str, Ints]:
    """Split the cells by the scale of their set, named as in cache keys."""
    keys = np.array([intensity_key(scale) for scale in dataset.cell_scales], dtype=np.str_)
    return {key: np.flatnonzero(keys == key) for key in np.unique(keys).tolist()}


def intensity_key(scale: PixelScale) -> str:
    """Name a set's scale, channels and background for cache keys.

    Parameters
    ----------
    scale : PixelScale

    Returns
    -------
    str
        Empty for plain 8-bit images.
    """
    key = "" if scale.intensity is None else "/{:.9g}-{:.9g}".format(*scale.intensity)
    key += "/" + ".".join(map(str, scale.channels)) if scale.channels else ""
    return key + ("/over {}.{}.{}".format(*scale.background) if scale.background else "")
