"""Alignment by one affine map for all rows, from means and covariances: baselines for 3.3."""

from __future__ import annotations

import numpy as np

from celltransfer_core.transport.base import Aligner
from celltransfer_core.types import Float32, Float64


class _AffineAligner(Aligner):
    """Maps every source row by ``Xs @ matrix_ + shift_``; a matrix of None is the identity."""

    matrix_: Float32 | None = None
    shift_: Float32

    def _transform(self, Xs: Float32) -> Float32:
        return (Xs if self.matrix_ is None else Xs @ self.matrix_) + self.shift_


class CentreAligner(_AffineAligner):
    r"""Move the mean of the source onto the mean of the target.

    .. math:: x \mapsto x + \bar x^t - \sum_i p_i x^s_i

    This is the simplest correction, which transport must outperform.

    Attributes
    ----------
    shift_ : ndarray of float32, shape (d,)
    n_features_in_ : int

    Examples
    --------
    >>> import numpy as np
    >>> Xs, Xt = np.array([[0.0, 0.0], [2.0, 0.0]]), np.array([[5.0, 1.0], [7.0, 1.0]])
    >>> CentreAligner().fit(Xs, None, Xt).transform(Xs).tolist()
    [[5.0, 1.0], [7.0, 1.0]]
    """

    def _fit(self, Xs: Float32, Xt: Float32, p: Float64) -> None:
        source = np.average(Xs.astype(np.float64), axis=0, weights=p)
        self.shift_ = (Xt.mean(axis=0, dtype=np.float64) - source).astype(np.float32)


class _MomentAligner(_AffineAligner):
    """Maps the source with the means and covariances of both sets; a subclass defines ``_map``."""

    def __init__(self, reg: float = 0.1) -> None:
        self.reg = reg

    def _fit(self, Xs: Float32, Xt: Float32, p: Float64) -> None:
        if self.reg <= 0:
            raise ValueError(f"reg must be above 0, not {self.reg}.")
        ms, Cs = _moments(Xs, p, self.reg)
        mt, Ct = _moments(Xt, np.full(len(Xt), 1 / len(Xt)), self.reg)
        matrix, shift = self._map(ms, mt, Cs, Ct)
        self.matrix_ = np.asarray(matrix, dtype=np.float32)
        self.shift_ = np.asarray(shift, dtype=np.float32).ravel()

    def _map(self, ms: Float64, mt: Float64, Cs: Float64, Ct: Float64) -> tuple[Float64, Float64]:
        raise NotImplementedError


class CoralAligner(_MomentAligner):
    r"""Give the source the mean and covariance of the target (CORAL, Sun et al., AAAI 2016).

    .. math:: x \mapsto m_t + (x - m_s) C_s^{-1/2} C_t^{1/2}

    where :math:`m_s, m_t` are the means of source and target and :math:`C_s, C_t` their
    covariances. The matrix :math:`A = C_s^{-1/2} C_t^{1/2}` solves

    .. math:: \min_A \| A^T C_s A - C_t \|_F^2

    Parameters
    ----------
    reg : float
        Ridge added to the diagonal of both covariances, as a share of their mean variance.

    Attributes
    ----------
    matrix_ : ndarray of float32, shape (d, d)
        The matrix A, by which rows are multiplied from the right.
    shift_ : ndarray of float32, shape (d,)
        Shift that is added after the multiplication.
    n_features_in_ : int

    Examples
    --------
    >>> import numpy as np
    >>> Xs, Xt = np.array([[-1.0], [1.0]]), np.array([[4.0], [8.0]])
    >>> CoralAligner().fit(Xs, None, Xt).transform(Xs).round(3).tolist()
    [[4.0], [8.0]]
    """

    def _map(self, ms: Float64, mt: Float64, Cs: Float64, Ct: Float64) -> tuple[Float64, Float64]:
        matrix = _power(Cs, -0.5) @ _power(Ct, 0.5)
        return matrix, mt - ms @ matrix


class LinearAligner(_MomentAligner):
    r"""Move the source by the optimal transport between two normal distributions (POT).

    The map :math:`T` of least cost from :math:`\mathcal{N}(m_s, C_s)` to
    :math:`\mathcal{N}(m_t, C_t)`, as in :class:`ot.da.LinearTransport`,

    .. math:: \min_{T_\# \mathcal{N}(m_s, C_s) = \mathcal{N}(m_t, C_t)}
        \int \| x - T(x) \|^2 \, d\mathcal{N}(m_s, C_s)(x)

    is affine,

    .. math:: T(x) = m_t + (x - m_s) A, \qquad
        A = C_s^{-1/2} (C_s^{1/2} C_t C_s^{1/2})^{1/2} C_s^{-1/2}

    Parameters
    ----------
    reg : float
        Ridge added to the diagonal of both covariances, as a share of their mean variance.

    Attributes
    ----------
    matrix_ : ndarray of float32, shape (d, d)
        The matrix A, by which rows are multiplied from the right.
    shift_ : ndarray of float32, shape (d,)
        Shift that is added after the multiplication.
    n_features_in_ : int

    Notes
    -----
    Solved by ``ot.gaussian.bures_wasserstein_mapping``.

    Examples
    --------
    >>> import numpy as np
    >>> Xs, Xt = np.array([[-1.0], [1.0]]), np.array([[4.0], [8.0]])
    >>> LinearAligner().fit(Xs, None, Xt).transform(Xs).round(3).tolist()
    [[4.0], [8.0]]
    """

    def _map(self, ms: Float64, mt: Float64, Cs: Float64, Ct: Float64) -> tuple[Float64, Float64]:
        import ot

        matrix, shift = ot.gaussian.bures_wasserstein_mapping(ms, mt, Cs, Ct)
        return matrix, shift


def _moments(X: Float32, weights: Float64, reg: float) -> tuple[Float64, Float64]:
    """Compute the weighted mean of rows and their covariance with a ridge."""
    X = X.astype(np.float64)
    mean = weights @ X
    centred = (X - mean) * np.sqrt(weights)[:, None]
    covariance = centred.T @ centred
    # Equal rows have no variance: any ridge is suitable, because they only move with the mean.
    ridge = reg * (float(np.trace(covariance)) / len(mean) or 1.0)
    return mean, covariance + ridge * np.eye(len(mean))


def _power(C: Float64, exponent: float) -> Float64:
    values, vectors = np.linalg.eigh(C)
    return (vectors * values**exponent) @ vectors.T
