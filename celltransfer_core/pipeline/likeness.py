"""Cosine similarity of query cells to one of them, in the rows on which clusters were found."""

from __future__ import annotations

import numpy as np

from celltransfer_core.types import Float32


def likeness(features: Float32, cell: int) -> Float32:
    """Measure the similarity of every cell to one cell.

    Parameters
    ----------
    features : ndarray of float32, shape (m, d)
        See :attr:`~celltransfer_core.pipeline.result.RunResult.features`; rows are centred unless
        features are raw, so that a cosine of 0 means no more similar than any two cells.
    cell : int
        The cell to compare with.

    Returns
    -------
    ndarray of float32, shape (m,)
        Cosine of each cell's row with that cell's, in [-1, 1]; 1 for the cell itself, 0 where a row
        has no direction.

    Raises
    ------
    IndexError
        If there is no such cell.

    Examples
    --------
    >>> import numpy as np
    >>> likeness(np.float32([[2, 0], [3, 4], [0, 3], [-1, 0]]), 0).astype(float).round(2).tolist()
    [1.0, 0.6, 0.0, -1.0]
    """
    one = features[cell]
    norms = np.sqrt(np.einsum("ij,ij->i", features, features)) * np.linalg.norm(one)
    cosines = np.divide(features @ one, norms, out=np.zeros_like(norms), where=norms > 0)
    cosines[cell] = 1
    return np.clip(cosines, -1, 1)
