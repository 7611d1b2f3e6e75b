"""Alignment of the reference with the query: fused Gromov–Wasserstein (3.3), and its yardsticks."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Literal

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_array, check_is_fitted

from celltransfer_core import __version__
from celltransfer_core.cache import Cache, fingerprint
from celltransfer_core.fgw import Solver, fused_gromov_wasserstein
from celltransfer_core.graph import N_NEIGHBORS, geodesic_distances, knn_graph
from celltransfer_core.neighbors import distances
from celltransfer_core.types import Float32, Float64, Ints, Labels

Map = Literal["barycentric", "affine"]


class _Aligner(BaseEstimator):
    """Maps source rows into the target's space: ``fit(Xs, ys, Xt)`` as in POT."""

    def fit(
        self,
        Xs: Float32,
        ys: Labels | None = None,  # noqa: ARG002
        Xt: Float32 | None = None,
        *,
        sample_weight: Float64 | None = None,
    ) -> _Aligner:
        """Learn the map from source to target.

        Parameters
        ----------
        Xs : array-like of float, shape (n, d)
            Source: the reference.
        ys : None
            Not used; the labels of the source, where POT has them.
        Xt : array-like of float, shape (m, d)
            Target: the query.
        sample_weight : array-like of float, shape (n,), optional
            Mass of each source row, above zero; even by default. It is scaled to sum to one.

        Returns
        -------
        self

        Raises
        ------
        ValueError
            If the arrays do not fit together, hold NaN, or a weight is not above zero.
        """
        if Xt is None:
            raise ValueError("An aligner needs the target: fit(Xs, ys, Xt).")
        Xs = check_array(Xs, dtype=np.float32)
        Xt = check_array(Xt, dtype=np.float32)
        if Xs.shape[1] != Xt.shape[1]:
            raise ValueError(f"Xs has {Xs.shape[1]} columns and Xt has {Xt.shape[1]}.")
        p = np.ones(len(Xs)) if sample_weight is None else np.asarray(sample_weight, np.float64)
        if p.shape != (len(Xs),) or not (p > 0).all() or not np.isfinite(p).all():
            raise ValueError("sample_weight needs one number above zero a row of Xs.")
        self.n_features_in_ = Xs.shape[1]
        self._fit(Xs, Xt, p / p.sum())
        return self

    def _fit(self, Xs: Float32, Xt: Float32, p: Float64) -> None:
        raise NotImplementedError


class _AffineAligner(_Aligner):
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


class _PlanAligner(_Aligner):
    """Moves the source rows to the mean of the target rows that they are coupled with (eq. 4).

    Attributes
    ----------
    plan_ : ndarray of float64, shape (n, m)
        The coupling T.
    mapped_ : ndarray of float32, shape (n, d)
        The source rows of ``fit`` in the target's space.
    """

    plan_: Float64
    mapped_: Float32

    def _fit(self, Xs: Float32, Xt: Float32, p: Float64) -> None:
        from scipy.sparse import csr_array

        self.plan_ = self._solve(Xs, Xt, p, np.full(len(Xt), 1 / len(Xt)))
        self._source = Xs
        # Plans of even weights are permutations, all but zeros.
        few = np.count_nonzero(self.plan_) < self.plan_.size / 50
        moved = csr_array(self.plan_) @ Xt if few else self.plan_ @ Xt
        self.mapped_ = (moved / p[:, None]).astype(np.float32)

    def _solve(self, Xs: Float32, Xt: Float32, p: Float64, q: Float64) -> Float64:
        raise NotImplementedError

    def transform(self, Xs: Float32) -> Float32:
        """Map source rows: those of ``fit`` by eq. 4, others like the nearest of those.

        Parameters
        ----------
        Xs : array-like of float, shape (k, d)

        Returns
        -------
        ndarray of float32, shape (k, d)
            A row that was not in ``fit`` keeps its offset to the nearest row that was, as in POT's
            out-of-sample map.
        """
        from celltransfer_core.neighbors import nearest

        check_is_fitted(self)
        Xs = check_array(Xs, dtype=np.float32)
        if Xs.shape == self._source.shape and np.array_equal(Xs, self._source):
            return self.mapped_
        closest = nearest(Xs, self._source, 1)[1][:, 0]
        return self.mapped_[closest] + (Xs - self._source[closest])


class SinkhornAligner(_PlanAligner):
    r"""Entropic optimal transport of the features alone, without structure (POT).

    Solves :math:`\min_{T \in \Pi(p, q)} \langle M, T \rangle - \epsilon H(T)`, where M holds
    Euclidean distances, divided by their maximum.

    Parameters
    ----------
    reg : float
        ε, in units of the largest distance.
    max_iter : int

    Attributes
    ----------
    plan_ : ndarray of float64, shape (n, m)
    mapped_ : ndarray of float32, shape (n, d)
    """

    def __init__(self, reg: float = 0.05, max_iter: int = 1000) -> None:
        self.reg = reg
        self.max_iter = max_iter

    def _solve(self, Xs: Float32, Xt: Float32, p: Float64, q: Float64) -> Float64:
        import ot

        if self.reg <= 0:
            raise ValueError(f"reg must be above 0, not {self.reg}.")
        M = _by_maximum(distances(Xs, Xt)).astype(np.float64)
        T = ot.sinkhorn(p, q, M, self.reg, numItermax=self.max_iter, stopThr=1e-7, warn=False)
        # Rows by their own mass: eq. 4 is a mean also where the iterations ended early.
        return T * (p / T.sum(axis=1))[:, None]


class FGWAligner(_PlanAligner):
    r"""Fused Gromov–Wasserstein alignment (3.3).

    Solves

    .. math:: \min_{T \in \Pi(p, q)} \langle (1 - \alpha) M + \alpha L(C^s, C^t) \otimes T, T
        \rangle, \qquad L_{ijkl} = |C^s_{ik} - C^t_{jl}|^2 / 2

    where M holds Euclidean distances between source and target rows and C geodesic distances
    within each, on its nearest-neighbour graph; M and both C are divided by their maximum. Source
    rows then move to the mean of the target rows they are coupled with (eq. 4), or all by one
    affine map that is fitted to these means.

    Parameters
    ----------
    alpha : float
        Trade-off between features (0) and structure (1) in the paper's convention (eq. 2). POT's
        own parameter for the same problem is ``pot_alpha(alpha)``.
    mapping : {"barycentric", "affine"}
        Eq. 4, or the affine map.
    reg : float
        How much the affine map is drawn towards a common shift of all rows, in units of the mean
        variance of the source's columns: directions in which it varies much less than that only
        move along.
    n_neighbors : int
        Of the graphs.
    max_iter : int
        Conditional gradient steps.
    tol : float
        Gain of a step to stop at, see :func:`~celltransfer_core.fgw.fused_gromov_wasserstein`.
    solver : {"auto", "auction", "pot"}
        Whose conditional gradient, see there.
    memory : Path, optional
        Folder of a :class:`~celltransfer_core.cache.Cache` that keeps geodesic distances of the
        target: after a changed match other reference cells are drawn for the same parts of the
        query.

    Attributes
    ----------
    plan_ : ndarray of float64, shape (n, m)
        The coupling T.
    log_ : TransportLog
    mapped_ : ndarray of float32, shape (n, d)
        The source rows of ``fit`` in the target's space.
    displacement_ : sklearn.linear_model.Ridge
        Tells how far a row moves, where the mapping is affine.

    Notes
    -----
    With even weights and equal sizes the best plan is a permutation: by eq. 4 mapped rows lie
    exactly on target rows. Never classify them with one neighbour.

    The affine map is estimated from the plan as in Perrot et al. (NeurIPS 2016), by ridge
    regression of :math:`n \, (T X_t)_i - x_i` on :math:`x_i`. A microscope changes all cells of a
    kind alike; what eq. 4 adds to that is mostly where single cells were coupled wrongly.
    """

    def __init__(
        self,
        alpha: float = 0.5,
        mapping: Map = "barycentric",
        reg: float = 10.0,
        n_neighbors: int = N_NEIGHBORS,
        max_iter: int = 1000,
        tol: float = 1e-9,
        solver: Solver = "auto",
        memory: Path | None = None,
    ) -> None:
        self.alpha = alpha
        self.mapping = mapping
        self.reg = reg
        self.n_neighbors = n_neighbors
        self.max_iter = max_iter
        self.tol = tol
        self.solver = solver
        self.memory = memory

    def _fit(self, Xs: Float32, Xt: Float32, p: Float64) -> None:
        super()._fit(Xs, Xt, p)
        if self.mapping == "affine":
            from sklearn.linear_model import Ridge

            # The cells' spread is what the ridge is measured by; equal rows have none.
            spread = float(np.average(Xs.astype(np.float64).var(axis=0))) or 1.0
            self.displacement_ = Ridge(self.reg * spread * len(Xs)).fit(
                Xs.astype(np.float64), (self.mapped_ - Xs).astype(np.float64), p * len(Xs)
            )
            self.mapped_ = self._moved(Xs)

    def _moved(self, Xs: Float32) -> Float32:
        return Xs + self.displacement_.predict(Xs.astype(np.float64)).astype(np.float32)

    def transform(self, Xs: Float32) -> Float32:
        """Map source rows.

        Parameters
        ----------
        Xs : array-like of float, shape (k, d)

        Returns
        -------
        ndarray of float32, shape (k, d)
            By the affine map; without one, rows of ``fit`` by eq. 4, and others keep their offset
            to the nearest row that was.
        """
        if self.mapping != "affine":
            return super().transform(Xs)
        check_is_fitted(self)
        return self._moved(check_array(Xs, dtype=np.float32))

    def _solve(self, Xs: Float32, Xt: Float32, p: Float64, q: Float64) -> Float64:
        if self.mapping not in ("barycentric", "affine") or self.reg <= 0:
            raise ValueError(
                f"mapping must be barycentric or affine, and reg above 0, not {self.mapping!r} "
                f"and {self.reg}."
            )
        if not 0 <= self.alpha <= 1:
            raise ValueError(f"alpha must lie in [0, 1], not {self.alpha}.")
        plan, self.log_ = fused_gromov_wasserstein(
            _by_maximum(distances(Xs, Xt)),
            _structure(Xs, self.n_neighbors),
            _structure(Xt, self.n_neighbors, self.memory),
            p,
            q,
            alpha=self.alpha,
            solver=self.solver,
            max_iter=self.max_iter,
            tol=self.tol,
        )
        return plan


def _structure(X: Float32, n_neighbors: int, memory: Path | None = None) -> Float32:
    # One part of the query is the target of many draws, and a small reference the source for many
    # parts: such distances are worth keeping here, and those of the query beyond the run.
    key = fingerprint("geodesics", __version__, n_neighbors, X)
    found = _structures.pop(key, None)
    if found is None:
        make = partial(_geodesics, X, n_neighbors)
        # Packing them would take longer than to compute them again.
        found = Cache(memory).once(key, make, packed=False) if memory else make()
    while len(_structures) >= _KEPT_STRUCTURES:
        del _structures[next(iter(_structures))]  # the one that was not asked for longest
    _structures[key] = found
    return found


def _geodesics(X: Float32, n_neighbors: int) -> Float32:
    return _by_maximum(geodesic_distances(knn_graph(X, n_neighbors)))


_KEPT_STRUCTURES = 4
_structures: dict[str, Float32] = {}


def _by_maximum(matrix: Float32) -> Float32:
    """Divide by the largest entry, in place."""
    largest = matrix.max(initial=0.0)
    if largest > 0:
        matrix /= largest
    return matrix


def draw_reference(
    types: Ints, size: int, rng: np.random.Generator, weights: Float64 | None = None
) -> Ints:
    """Draw a subset of the reference, to given proportions or at random (5.2).

    Parameters
    ----------
    types : ndarray of int64, shape (n,)
        Type number of each reference cell.
    size : int
        Cells to draw.
    rng : numpy.random.Generator
    weights : ndarray of float64, shape (n_types,), optional
        Share of each type in the draw. A type with too few cells gives every cell as evenly
        often as can be. At random and without repetition by default.

    Returns
    -------
    ndarray of int64, shape (size,)
        Positions in ``types``, ascending.
    """
    if weights is None:
        return np.sort(rng.permutation(len(types))[:size])
    drawn = []
    for number, count in enumerate(apportion(size, weights)):
        members = rng.permutation(np.flatnonzero(types == number))
        drawn.append(np.resize(members, count))
    return np.sort(np.concatenate(drawn))


def apportion(size: int, weights: Float64) -> Ints:
    """Share out whole cells by weight (largest remainders).

    Parameters
    ----------
    size : int
    weights : ndarray of float64, shape (k,)
        Sums to one.

    Returns
    -------
    ndarray of int64, shape (k,)
        Sums to ``size``.
    """
    exact = np.asarray(weights) * size
    counts = np.floor(exact).astype(np.int64)
    missing = size - int(counts.sum())
    counts[np.argsort(counts - exact, kind="stable")[:missing]] += 1
    return counts


def split_query(n: int, part_size: int, rng: np.random.Generator) -> Sequence[Ints]:
    """Partition the query at random into parts of nearly equal size (5.2).

    Parameters
    ----------
    n : int
        Cells of the query.
    part_size : int
        Most cells in a part.
    rng : numpy.random.Generator

    Returns
    -------
    sequence of ndarray of int64
        Every cell is in exactly one part; one part, in order, where all fit.
    """
    parts = -(-n // part_size)
    if parts <= 1:
        return [np.arange(n)]
    return [np.sort(part) for part in np.array_split(rng.permutation(n), parts)]
