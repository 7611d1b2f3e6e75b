"""The query's own labels, which only the evaluation reads."""

from __future__ import annotations

import numpy as np

from celltransfer_core.data.dataset import Dataset
from celltransfer_core.data.folders import read_dataset
from celltransfer_core.types import Labels


def true_labels(query: Dataset) -> Labels:
    """Read the types of a query's cells from its folder names or its labels.csv.

    Parameters
    ----------
    query : Dataset
        Read without labels, m cells.

    Returns
    -------
    ndarray of str, shape (m,)
        Empty for cells without a usable label.
    """
    labelled = read_dataset(query.root, labelled=True)
    names = dict(zip(labelled.cells, labelled.cell_labels.tolist(), strict=True))
    return np.array([names.get(cell, "") for cell in query.cells])
