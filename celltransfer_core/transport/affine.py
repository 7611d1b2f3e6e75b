"""TODO celltransfer_core/transport/affine.py."""

from __future__ import annotations

import numpy as np
from sklearn.utils.validation import check_array, check_is_fitted

from celltransfer_core.transport.base import Aligner
from celltransfer_core.types import Float32, Float64


class _AffineAligner(Aligner):
    """Moves every source row by the same affine map.

    Attributes
    ----------
    matrix_ : ndarray of float32, shape (d, d), or None
        Multiplies rows from the right; None stands for the identity.
    shift_ : ndarray of float32, shape (d,)
        Is added then.
    """

    matrix_: Float32 | None = None

    def transform(self, Xs: Float32) -> Float32:
        """Map source rows.

        Parameters
        ----------
        Xs : array-like of float, shape (k, d)

        Returns
        -------
        ndarray of float32, shape (k, d)
        """
        check_is_fitted(self)
        Xs = check_array(Xs, dtype=np.float32)
        return (Xs if self.matrix_ is None else Xs @ self.matrix_) + self.shift_


class CentreAligner(_AffineAligner):
    """Move the source's mean onto the target's: the plainest correction, a yardstick for OT.

    Attributes
    ----------
    shift_ : ndarray of float32, shape (d,)
    """

    def _fit(self, Xs: Float32, Xt: Float32, p: Float64) -> None:
        source = np.average(Xs.astype(np.float64), axis=0, weights=p)
        self.shift_ = (Xt.mean(axis=0, dtype=np.float64) - source).astype(np.float32)


class CoralAligner(_AffineAligner):
    """Give the source the target's mean and covariance (CORAL, Sun et al. 2016).

    Parameters
    ----------
    reg : float
        Added to the diagonal of both covariances, as a share of their mean variance.

    Attributes
    ----------
    matrix_ : ndarray of float32, shape (d, d)
        Cₛ^(−1/2) Cₜ^(1/2).
    shift_ : ndarray of float32, shape (d,)
    """

    def __init__(self, reg: float = 0.1) -> None:
        self.reg = reg

    def _fit(self, Xs: Float32, Xt: Float32, p: Float64) -> None:
        ms, Cs = _moments(Xs, p, self.reg)
        mt, Ct = _moments(Xt, np.full(len(Xt), 1 / len(Xt)), self.reg)
        matrix = _power(Cs, -0.5) @ _power(Ct, 0.5)
        self.matrix_ = matrix.astype(np.float32)
        self.shift_ = (mt - ms @ matrix).astype(np.float32)


class LinearAligner(_AffineAligner):
    """Move the source by the optimal transport between both sets taken as Gaussian (POT).

    Parameters
    ----------
    reg : float
        Added to the diagonal of both covariances, as a share of their mean variance.

    Attributes
    ----------
    matrix_ : ndarray of float32, shape (d, d)
    shift_ : ndarray of float32, shape (d,)

    Notes
    -----
    The Bures–Wasserstein map, ``ot.gaussian.bures_wasserstein_mapping``.
    """

    def __init__(self, reg: float = 0.1) -> None:
        self.reg = reg

    def _fit(self, Xs: Float32, Xt: Float32, p: Float64) -> None:
        import ot

        ms, Cs = _moments(Xs, p, self.reg)
        mt, Ct = _moments(Xt, np.full(len(Xt), 1 / len(Xt)), self.reg)
        matrix, shift = ot.gaussian.bures_wasserstein_mapping(ms, mt, Cs, Ct)
        self.matrix_ = np.asarray(matrix, dtype=np.float32)
        self.shift_ = np.asarray(shift, dtype=np.float32).ravel()


def _moments(X: Float32, weights: Float64, reg: float) -> tuple[Float64, Float64]:
    if reg <= 0:
        raise ValueError(f"reg must be above 0, not {reg}.")
    X = X.astype(np.float64)
    mean = weights @ X
    centred = (X - mean) * np.sqrt(weights)[:, None]
    covariance = centred.T @ centred
    # Equal rows have no variance at all: any ridge does, for they only move by the mean.
    ridge = reg * (float(np.trace(covariance)) / len(mean) or 1.0)
    return mean, covariance + ridge * np.eye(len(mean))


def _power(C: Float64, exponent: float) -> Float64:
    values, vectors = np.linalg.eigh(C)
    return (vectors * values**exponent) @ vectors.T
