"""Query cells that are also in the reference, which would inflate accuracy.

In: a prepared pair of sets. Out: these cells. No labels are read.
"""

from __future__ import annotations

import numpy as np

from celltransfer_core.data.overlap import Overlap, find_shared
from celltransfer_core.pipeline.result import Prepared
from celltransfer_core.types import Bools


def find_leaks(prepared: Prepared) -> Overlap:
    """Find the query's cells that are also in the reference, as identical or near-identical images.

    Parameters
    ----------
    prepared : Prepared

    Returns
    -------
    Overlap
    """
    return find_shared(prepared.reference, prepared.query)


def leaked_cells(leaks: Overlap, m: int, *, keep: bool) -> Bools:
    """Mark the query's cells that are excluded from figures.

    Parameters
    ----------
    leaks : Overlap
    m : int
        Number of query cells.
    keep : bool
        Whether to include cells that are also in the reference; then none are marked.

    Returns
    -------
    ndarray of bool, shape (m,)
    """
    marked = np.zeros(m, dtype=bool)
    marked[[] if keep else leaks.pairs[:, 1]] = True
    return marked
