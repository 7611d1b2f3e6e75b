"""Means of embeddings over a set or each of its groups, and rows of unit length (eqs 17–18)."""

from __future__ import annotations

import numpy as np

from celltransfer_core.types import Float32, Float64, Ints

_ROWS = 4096  # converted to double precision at once


def unit_rows(X: Float32) -> Float32:
    """Scale each row to unit length, leaving rows of zeros unchanged.

    Parameters
    ----------
    X : ndarray of float32, shape (n, d)

    Returns
    -------
    ndarray of float32, shape (n, d)

    Examples
    --------
    >>> import numpy as np
    >>> unit_rows(np.array([[0.0, 2.0], [0.0, 0.0]], dtype=np.float32)).tolist()
    [[0.0, 1.0], [0.0, 0.0]]
    """
    norms = np.linalg.norm(X, axis=1, keepdims=True)
    return np.divide(X, norms, out=np.zeros_like(X), where=norms > 0)


def group_means(X: Float32 | Float64, groups: Ints, n_groups: int) -> Float64:
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

    Examples
    --------
    >>> import numpy as np
    >>> X = np.array([[0.0], [2.0], [5.0]], dtype=np.float32)
    >>> group_means(X, np.array([0, 0, 1]), 2).tolist()
    [[1.0], [5.0]]
    """
    return np.stack([X[groups == g].mean(axis=0, dtype=np.float64) for g in range(n_groups)])


def centre(X: Float32, weights: Float64 | None = None, *, out: Float32 | None = None) -> Float32:
    """Subtract the mean of a set.

    Parameters
    ----------
    X : ndarray of float32, shape (n, d)
    weights : ndarray of float64, shape (n,), optional
        Weight of each row in the mean; equal by default.
    out : ndarray of float32, shape (n, d), optional
        Array to write to.

    Returns
    -------
    ndarray of float32, shape (n, d)

    Examples
    --------
    >>> import numpy as np
    >>> centre(np.array([[1.0], [3.0]], dtype=np.float32)).tolist()
    [[-1.0], [1.0]]
    """
    # In double precision, but block by block, so that no second copy of a large set is held in
    # memory.
    even = np.ones(len(X)) if weights is None else weights
    blocks = [slice(start, start + _ROWS) for start in range(0, len(X), _ROWS)]
    mean = sum(even[rows] @ X[rows].astype(np.float64) for rows in blocks) / even.sum()
    centred = np.empty(X.shape, dtype=np.float32) if out is None else out
    for rows in blocks:
        centred[rows] = X[rows] - mean
    return centred
