"""TODO celltransfer_core/matching/rows.py."""

from __future__ import annotations

import numpy as np

from celltransfer_core.types import Float32, Float64, Ints

_ROWS = 4096  # that are widened at once


def unit_rows(X: Float32) -> Float32:
    """Scale each row to length one; a row of zeros stays.

    Parameters
    ----------
    X : ndarray of float32, shape (n, d)

    Returns
    -------
    ndarray of float32, shape (n, d)
    """
    norms = np.linalg.norm(X, axis=1, keepdims=True)
    return np.divide(X, norms, out=np.zeros_like(X), where=norms > 0)


def group_means(X: Float32, groups: Ints, n_groups: int) -> Float64:
    """Average the rows of each group.

    Parameters
    ----------
    X : ndarray of float32, shape (n, d)
    groups : ndarray of int64, shape (n,)
        Numbers from 0 to ``n_groups - 1``, each at least once.
    n_groups : int

    Returns
    -------
    ndarray of float64, shape (n_groups, d)
    """
    return np.stack([X[groups == g].mean(axis=0, dtype=np.float64) for g in range(n_groups)])


def centre(X: Float32, weights: Float64 | None = None, *, out: Float32 | None = None) -> Float32:
    """Subtract the mean of a set.

    Parameters
    ----------
    X : ndarray of float32, shape (n, d)
    weights : ndarray of float64, shape (n,), optional
        What each row counts in the mean.
    out : ndarray of float32, shape (n, d), optional
        Where to write.

    Returns
    -------
    ndarray of float32, shape (n, d)
    """
    # In double precision, but block by block: large sets are not there twice and thrice.
    even = np.ones(len(X)) if weights is None else weights
    blocks = [slice(start, start + _ROWS) for start in range(0, len(X), _ROWS)]
    mean = sum(even[rows] @ X[rows].astype(np.float64) for rows in blocks) / even.sum()
    centred = np.empty(X.shape, dtype=np.float32) if out is None else out
    for rows in blocks:
        centred[rows] = X[rows] - mean
    return centred
