"""Query cells that are in the reference too: a figure over them tells what was known already.

In: a prepared pair of sets. Out: these cells, and what is said of them. No label is read.
"""

from __future__ import annotations

import numpy as np

from celltransfer_core.data.overlap import Overlap, find_shared
from celltransfer_core.pipeline.result import Prepared
from celltransfer_core.types import Bools


def find_leaks(prepared: Prepared) -> Overlap:
    """Find the query's cells that are in the reference too, byte for byte or nearly.

    Parameters
    ----------
    prepared : Prepared

    Returns
    -------
    Overlap
    """
    return find_shared(prepared.reference, prepared.query)


def leaked_cells(leaks: Overlap, m: int, *, keep: bool) -> Bools:
    """Mark the query's cells that figures are not over.

    Parameters
    ----------
    leaks : Overlap
    m : int
        Cells of the query.
    keep : bool
        Whether cells count that are in the reference too; none is marked then.

    Returns
    -------
    ndarray of bool, shape (m,)
    """
    marked = np.zeros(m, dtype=bool)
    marked[[] if keep else leaks.pairs[:, 1]] = True
    return marked
