"""Try framing on a few cells before all cells are framed."""

from __future__ import annotations

import numpy as np

from celltransfer_core.data.dataset import Dataset
from celltransfer_core.framing.nuclei import find_nuclei
from celltransfer_core.runtime.cache import Cache
from celltransfer_core.types import Bools, Ints


def try_framing(dataset: Dataset, cache: Cache, n_cells: int = 24) -> tuple[Ints, Bools]:
    """Search for the nuclei of a few cells of a set.

    Parameters
    ----------
    dataset : Dataset
    cache : Cache
    n_cells : int
        Maximum number of cells, spread evenly over the set.

    Returns
    -------
    cells : ndarray of int64
        Numbers of the inspected cells.
    found : ndarray of bool
        Whether a nucleus was found in each.
    """
    cells = np.unique(np.linspace(0, dataset.n_cells - 1, n_cells).astype(int))
    return cells, find_nuclei(dataset.take(cells), cache, workers=1).found
