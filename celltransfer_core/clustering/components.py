"""TODO celltransfer_core/clustering/components.py."""

from __future__ import annotations

import numpy as np

from celltransfer_core.classify.probe import draw_cells
from celltransfer_core.types import Float32, Float64, Ints

COMPONENTS = 20
"""Principal components of the query that its types are told apart by."""


def principal_components(X: Float32, count: int = COMPONENTS) -> Float64:
    """Compute the first principal components of some rows.

    Parameters
    ----------
    X : ndarray of float32, shape (n, d)
    count : int
        As many at most.

    Returns
    -------
    ndarray of float64, shape (n, c)
        A column of zeros if all rows are equal.
    """
    from sklearn.decomposition import PCA

    if not np.ptp(X, axis=0).any():
        return np.zeros((len(X), 1))
    return PCA(min(count, *X.shape), random_state=0).fit_transform(X.astype(np.float64))


SHRINKAGE, WIDE, MOST_CELLS = 0.3, 300, 5000
"""Of the discriminant: shrinkage, principal components and cells it is found with at most."""


def discriminant(Xs: Float32, Xt: Float32, types: Ints) -> tuple[Float32, Float32]:
    """Project two sets onto the directions in which the types of one differ.

    Fisher's linear discriminant: the ratio of the scatter between types to that within is largest
    there. The scatter within is shrunk towards a multiple of the identity.

    Parameters
    ----------
    Xs, Xt : ndarray of float32, shape (n, d) and (m, d)
        Each centred.
    types : ndarray of int64, shape (n,)
        Of the rows of Xs.

    Returns
    -------
    Xs, Xt : ndarray of float32, shape (n, r) and (m, r)
        Each centred; r is at most the number of types less one, and none where there are not more
        cells than types, or all cells of each type are alike. Rows of more than :data:`WIDE`
        numbers are first reduced to so many principal components.
    """
    from sklearn.decomposition import PCA
    from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

    drawn = draw_cells(types, MOST_CELLS, 0)
    X = Xs[drawn].astype(np.float64)
    kinds, place = np.unique(types[drawn], return_inverse=True)
    means = np.stack([X[place == kind].mean(axis=0) for kind in range(len(kinds))])
    if not 1 < len(kinds) < len(X) or np.allclose(X, means[place]):
        return np.zeros((len(Xs), 0), np.float32), np.zeros((len(Xt), 0), np.float32)
    reduced = PCA(min(WIDE, *X.shape), random_state=0).fit(X)
    rows = reduced.transform(X)
    found = LinearDiscriminantAnalysis(solver="eigen", shrinkage=SHRINKAGE)
    found.fit(rows, types[drawn])

    def project(Y: Float32) -> Float32:
        projected = found.transform(reduced.transform(Y.astype(np.float64)))
        return (projected - projected.mean(axis=0)).astype(np.float32)

    return project(Xs), project(Xt)
