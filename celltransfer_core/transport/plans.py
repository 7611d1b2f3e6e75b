"""Alignment of the reference with the query: fused Gromov–Wasserstein (3.3), and its yardsticks."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Literal

import numpy as np
from sklearn.utils.validation import check_array, check_is_fitted

from celltransfer_core.about import __version__
from celltransfer_core.neighbors.graph import N_NEIGHBORS, geodesic_distances, knn_graph
from celltransfer_core.neighbors.search import distances
from celltransfer_core.runtime.cache import Cache, fingerprint
from celltransfer_core.transport.base import Aligner
from celltransfer_core.transport.fgw import Solver, fused_gromov_wasserstein
from celltransfer_core.types import Float32, Float64

Map = Literal["barycentric", "affine"]


class _PlanAligner(Aligner):
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
        from celltransfer_core.neighbors.search import nearest

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
