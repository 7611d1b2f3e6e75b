"""Alignment by a transport plan between single cells (3.3).

Fused Gromov–Wasserstein is the paper's method (eqs 1–4); Sinkhorn is a baseline for it.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Literal

import numpy as np

from celltransfer_core.about import __version__
from celltransfer_core.neighbors.graph import N_NEIGHBORS, geodesic_distances, knn_graph
from celltransfer_core.neighbors.search import euclidean_distances, nearest
from celltransfer_core.runtime.cache import Cache, fingerprint
from celltransfer_core.transport.base import Aligner
from celltransfer_core.transport.fgw import Solver, fused_gromov_wasserstein
from celltransfer_core.types import Float32, Float64

Map = Literal["barycentric", "affine"]


class _PlanAligner(Aligner):
    r"""Moves source rows to the mean of the target rows with which they are coupled (eq. 4).

    .. math:: x^s_i \mapsto \frac{1}{p_i} \sum_j T_{ij} x^t_j

    A row that was not in ``fit`` keeps its offset to the nearest row that was, as in POT's
    out-of-sample map. A subclass defines ``_solve(Xs, Xt, p, q)``.
    """

    plan_: Float64
    mapped_: Float32
    source_: Float32

    def _fit(self, Xs: Float32, Xt: Float32, p: Float64) -> None:
        from scipy.sparse import csr_array

        self.plan_ = self._solve(Xs, Xt, p, np.full(len(Xt), 1 / len(Xt)))
        self.source_ = Xs
        # Plans for uniform weights are permutations, with nearly all entries zero.
        few = np.count_nonzero(self.plan_) < self.plan_.size / 50
        moved = csr_array(self.plan_) @ Xt if few else self.plan_ @ Xt
        self.mapped_ = (moved / p[:, None]).astype(np.float32)

    def _solve(self, Xs: Float32, Xt: Float32, p: Float64, q: Float64) -> Float64:
        raise NotImplementedError

    def _transform(self, Xs: Float32) -> Float32:
        if Xs.shape == self.source_.shape and np.array_equal(Xs, self.source_):
            return self.mapped_
        closest = nearest(Xs, self.source_, 1)[1][:, 0]
        return self.mapped_[closest] + (Xs - self.source_[closest])


class SinkhornAligner(_PlanAligner):
    r"""Entropic optimal transport of the features, without structure (POT).

    Solves, like :class:`ot.da.SinkhornTransport`,

    .. math:: \min_{T \in \Pi(p, q)} \langle M, T \rangle
        + \epsilon \sum_{ij} T_{ij} \log T_{ij}

    where :math:`M_{ij} = \| x^s_i - x^t_j \|` is divided by its maximum and :math:`\Pi(p, q)` is
    the set of couplings of eq. 1. Source rows are then moved by eq. 4.

    Parameters
    ----------
    reg : float
        ε, in units of the largest distance.
    max_iter : int
        Maximum number of iterations.

    Attributes
    ----------
    plan_ : ndarray of float64, shape (n, m)
        The coupling T.
    mapped_ : ndarray of float32, shape (n, d)
        The source rows of ``fit`` in the target's space.
    source_ : ndarray of float32, shape (n, d)
        The source rows of ``fit``.
    n_features_in_ : int

    Examples
    --------
    >>> import numpy as np
    >>> Xs, Xt = np.array([[0.0], [1.0]]), np.array([[1.0], [2.0]])
    >>> SinkhornAligner(reg=0.5).fit(Xs, None, Xt).transform(Xs).round(2).tolist()
    [[1.5], [1.5]]
    """

    def __init__(self, reg: float = 0.05, max_iter: int = 1000) -> None:
        self.reg = reg
        self.max_iter = max_iter

    def _solve(self, Xs: Float32, Xt: Float32, p: Float64, q: Float64) -> Float64:
        import ot

        if self.reg <= 0:
            raise ValueError(f"reg must be above 0, not {self.reg}.")
        M = _by_maximum(euclidean_distances(Xs, Xt)).astype(np.float64)
        T = ot.sinkhorn(p, q, M, self.reg, numItermax=self.max_iter, stopThr=1e-7, warn=False)
        # Rows are scaled to their mass, so that eq. 4 is a mean even if the iterations stopped
        # early.
        return T * (p / T.sum(axis=1))[:, None]


class FGWAligner(_PlanAligner):
    r"""Fused Gromov–Wasserstein alignment (3.3).

    Solves eq. 2,

    .. math:: \min_{T \in \Pi(p, q)} \langle (1 - \alpha) M + \alpha L(C^s, C^t) \otimes T, T
        \rangle

    .. math:: \text{s.t. } T 1_m = p, \; T^T 1_n = q, \; T \ge 0 \quad \text{(eq. 1)}, \qquad
        L_{ijkl} = |C^s_{ik} - C^t_{jl}|^2 / 2 \quad \text{(eq. 3)}

    where:

    - :math:`M_{ij} = \| x^s_i - x^t_j \|` is the cost between features;
    - :math:`C^s` and :math:`C^t` are geodesic distances within source and target, on their
      nearest-neighbour graphs;
    - p is the mass of the source rows, ``sample_weight``, and q the uniform mass of target rows.

    M and both C are divided by their maximum. Source rows are then moved to the mean of the target
    rows with which they are coupled,

    .. math:: x^s_i \mapsto \frac{1}{p_i} \sum_j T_{ij} x^t_j \quad \text{(eq. 4)},

    or all rows are moved by one affine map fitted to these means. With eq. 4, rows that were not in
    ``fit`` keep their offset to the nearest row that was.

    Parameters
    ----------
    alpha : float
        Trade-off between features (0) and structure (1) in the paper's convention (eq. 2). POT's
        parameter for the same problem is ``pot_alpha(alpha)``.
    mapping : {"barycentric", "affine"}
        Mapping by eq. 4 or by the affine map.
    reg : float
        Ridge that shrinks the affine map towards a common shift of all rows, in units of the mean
        variance of the source's columns. Directions with a much smaller variance are only shifted.
    n_neighbors : int
        Number of neighbours of each row in the graphs.
    max_iter : int
        Maximum number of conditional gradient steps.
    tol : float
        Gain of a step at which to stop, see
        :func:`~celltransfer_core.transport.fgw.fused_gromov_wasserstein`.
    solver : {"auto", "auction", "pot"}
        Solver of the conditional gradient, see
        :func:`~celltransfer_core.transport.fgw.fused_gromov_wasserstein`.
    memory : Path, optional
        Folder of a :class:`~celltransfer_core.runtime.cache.Cache` that keeps the geodesic
        distances of the target. They are reused when a match changes and other reference cells are
        drawn for the same parts of the query.

    Attributes
    ----------
    plan_ : ndarray of float64, shape (n, m)
        The coupling T.
    log_ : TransportLog
    mapped_ : ndarray of float32, shape (n, d)
        The source rows of ``fit`` in the target's space.
    source_ : ndarray of float32, shape (n, d)
        The source rows of ``fit``.
    displacement_ : sklearn.linear_model.Ridge
        Predicts the displacement of a row; only with the affine map.
    n_features_in_ : int

    Notes
    -----
    With uniform weights and equal sizes, the best plan is a permutation, so that rows mapped by eq.
    4 coincide with target rows. Never classify them with a single neighbour.

    The affine map is estimated from the plan as in Perrot et al. (NeurIPS 2016), by ridge
    regression of :math:`(T X_t)_i / p_i - x_i` on :math:`x_i`. A microscope changes all cells of a
    kind in the same way; most of what eq. 4 adds to this change comes from wrongly coupled cells.

    Examples
    --------
    The target is the source in reverse order, shifted by five:

    >>> import numpy as np
    >>> Xs = np.array([[0.0], [1.0], [2.0], [4.0]])
    >>> Xt = Xs[::-1] + 5
    >>> aligner = FGWAligner(alpha=0.5).fit(Xs, None, Xt)
    >>> aligner.transform(Xs).tolist()
    [[5.0], [6.0], [7.0], [9.0]]
    >>> (len(Xs) * aligner.plan_).tolist()[0]
    [0.0, 0.0, 0.0, 1.0]
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

            # The ridge is in units of the cells' spread; equal rows have no spread.
            spread = float(np.average(Xs.astype(np.float64).var(axis=0))) or 1.0
            self.displacement_ = Ridge(self.reg * spread * len(Xs)).fit(
                Xs.astype(np.float64), (self.mapped_ - Xs).astype(np.float64), p * len(Xs)
            )
            self.mapped_ = self._moved(Xs)

    def _moved(self, Xs: Float32) -> Float32:
        return Xs + self.displacement_.predict(Xs.astype(np.float64)).astype(np.float32)

    def _transform(self, Xs: Float32) -> Float32:
        return self._moved(Xs) if self.mapping == "affine" else super()._transform(Xs)

    def _solve(self, Xs: Float32, Xt: Float32, p: Float64, q: Float64) -> Float64:
        if self.mapping not in ("barycentric", "affine") or self.reg <= 0:
            raise ValueError(
                f"mapping must be barycentric or affine, and reg above 0, not {self.mapping!r} "
                f"and {self.reg}."
            )
        if not 0 <= self.alpha <= 1:
            raise ValueError(f"alpha must lie in [0, 1], not {self.alpha}.")
        plan, self.log_ = fused_gromov_wasserstein(
            _by_maximum(euclidean_distances(Xs, Xt)),
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


_KEPT_STRUCTURES = 4
_structures: dict[str, Float32] = {}


def _structure(X: Float32, n_neighbors: int, memory: Path | None = None) -> Float32:
    """Compute the structure matrix C of a set: geodesic distances, divided by their maximum."""
    # One part of the query is the target of many draws, and a small reference is the source for
    # many parts. Their distances are kept in this process, and those of the query also in the
    # folder.
    key = fingerprint("geodesics", __version__, n_neighbors, X)
    found = _structures.pop(key, None)
    if found is None:
        make = partial(_geodesics, X, n_neighbors)
        # Compressing them would take longer than computing them again.
        found = Cache(memory).once(key, make, packed=False) if memory else make()
    while len(_structures) >= _KEPT_STRUCTURES:
        del _structures[next(iter(_structures))]  # the least recently used
    _structures[key] = found
    return found


def _geodesics(X: Float32, n_neighbors: int) -> Float32:
    return _by_maximum(geodesic_distances(knn_graph(X, n_neighbors)))


def _by_maximum(matrix: Float32) -> Float32:
    """Divide by the largest entry, in place."""
    largest = matrix.max(initial=0.0)
    if largest > 0:
        matrix /= largest
    return matrix
