"""A trial of framing on a few cells, before all are framed."""

from __future__ import annotations

import numpy as np

from celltransfer_core.data.dataset import Dataset
from celltransfer_core.framing.nuclei import find_nuclei
from celltransfer_core.runtime.cache import Cache
from celltransfer_core.types import Bools, Ints


def try_framing(dataset: Dataset, cache: Cache, n_cells: int = 24) -> tuple[Ints, Bools]:
    """Look for the nuclei of a few cells of a set.

    Parameters
    ----------
    dataset : Dataset
    cache : Cache
    n_cells : int
        At most; they are spread evenly over the set.

    Returns
    -------
    cells : ndarray of int64
        Which cells were looked at.
    found : ndarray of bool
        Whether a nucleus was found in each.
    """
    cells = np.unique(np.linspace(0, dataset.n_cells - 1, n_cells).astype(int))
    return cells, find_nuclei(dataset.take(cells), cache, workers=1).found
