"""Projections of embeddings: principal components of one set, and directions that separate types.

Used for the mixture's clusters (3.2), for matches (A.2) and for the vote updated with annotations.
"""

from __future__ import annotations

import numpy as np

from celltransfer_core.classify.probe import draw_cells
from celltransfer_core.types import Float32, Float64, Ints

COMPONENTS = 20
"""Number of principal components of the query in which its types are separated."""


def principal_components(X: Float32, count: int = COMPONENTS) -> Float64:
    """Compute the first principal components of some rows.

    Parameters
    ----------
    X : ndarray of float32, shape (n, d)
    count : int
        Largest number of components.

    Returns
    -------
    ndarray of float64, shape (n, c)
        A column of zeros if all rows are equal.

    Examples
    --------
    >>> import numpy as np
    >>> X = np.array([[3.0, 0.0], [-3.0, 0.0], [0.0, 1.0], [0.0, -1.0]], dtype=np.float32)
    >>> abs(principal_components(X, 1)).round(3).ravel().tolist()
    [3.0, 3.0, 0.0, 0.0]
    """
    from sklearn.decomposition import PCA

    if not np.ptp(X, axis=0).any():
        return np.zeros((len(X), 1))
    return PCA(min(count, *X.shape), random_state=0).fit_transform(X.astype(np.float64))


SHRINKAGE, WIDE, MOST_CELLS = 0.3, 300, 5000
"""Shrinkage of the discriminant, and the largest numbers of principal components and of cells from
which it is estimated."""


def discriminant(Xs: Float32, Xt: Float32, types: Ints) -> tuple[Float32, Float32]:
    r"""Project two sets onto the directions in which the types of one differ.

    Fisher's linear discriminant: the directions w of the largest

    .. math:: \frac{w^T S_b w}
        {w^T [(1 - \lambda) S_w + \lambda \tfrac{\operatorname{tr} S_w}{d} I] w}

    where :math:`S_b` is the scatter between types, :math:`S_w` the scatter within, and
    :math:`\lambda` the shrinkage.

    Parameters
    ----------
    Xs, Xt : ndarray of float32, shape (n, d) and (m, d)
        Each centred.
    types : ndarray of int64, shape (n,)
        Type of each row of Xs.

    Returns
    -------
    Xs, Xt : ndarray of float32, shape (n, r) and (m, r)
        Each centred; r is at most the number of types minus one, and zero if there are no more
        cells than types or all cells of each type are equal. Rows of more than :data:`WIDE` numbers
        are first reduced to this number of principal components.

    Examples
    --------
    >>> import numpy as np
    >>> X = np.array([[0, 0], [0, 1], [4, 0], [4, 1]], dtype=np.float32)
    >>> source, target = discriminant(X, X[:1], np.array([0, 0, 1, 1]))
    >>> source.shape, (source[2:] * source[:2] < 0).all().item()
    ((4, 1), True)
    """
    from sklearn.decomposition import PCA
    from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

    drawn = draw_cells(types, MOST_CELLS, 0)
    X = Xs[drawn].astype(np.float64)
    numbers, place = np.unique(types[drawn], return_inverse=True)
    means = np.stack([X[place == number].mean(axis=0) for number in range(len(numbers))])
    if not 1 < len(numbers) < len(X) or np.allclose(X, means[place]):
        return np.zeros((len(Xs), 0), np.float32), np.zeros((len(Xt), 0), np.float32)
    reduced = PCA(min(WIDE, *X.shape), random_state=0).fit(X)
    rows = reduced.transform(X)
    found = LinearDiscriminantAnalysis(solver="eigen", shrinkage=SHRINKAGE)
    found.fit(rows, types[drawn])

    def project(Y: Float32) -> Float32:
        projected = found.transform(reduced.transform(Y.astype(np.float64)))
        return (projected - projected.mean(axis=0)).astype(np.float32)

    return project(Xs), project(Xt)
