"""Alignment of the reference with the query by fused Gromov–Wasserstein transport (3.3)."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_array, check_is_fitted

from celltransfer_core.graph import N_NEIGHBORS, geodesic_distances, knn_graph
from celltransfer_core.types import Float32, Float64, Ints, Labels

MARGINAL_TOLERANCE = 1e-6


def pot_alpha(alpha: float) -> float:
    """Turn the paper's trade-off into POT's.

    The paper weighs L = |·|² / 2 (below eq. 2), POT weighs |·|² without the half: the same
    problem has α / (2 − α) there, for example 1/3 for 0.5.

    Parameters
    ----------
    alpha : float
        In [0, 1], as in eq. 2.

    Returns
    -------
    float
        In [0, 1], as in ``ot.gromov.fused_gromov_wasserstein``.
    """
    return alpha / (2 - alpha)


@dataclass(frozen=True)
class TransportLog:
    """How a solve went."""

    objective: float
    """Value of eq. 2 at the plan, with M and C each divided by its maximum."""
    iterations: int
    marginal_error: float
    """Mass that the plan's two margins are off by (eq. 1), the larger of both."""
    remarks: tuple[str, ...]
    """What the solver complained of; empty if it ended as it should."""


def fused_gromov_wasserstein(
    M: Float64,
    Cs: Float64,
    Ct: Float64,
    p: Float64,
    q: Float64,
    *,
    alpha: float,
    max_iter: int = 1000,
    tol: float = 1e-9,
) -> tuple[Float64, TransportLog]:
    """Solve eq. 2 with POT's conditional gradient.

    Parameters
    ----------
    M : ndarray of float64, shape (n, m)
        Cost between features.
    Cs, Ct : ndarray of float64, shape (n, n) and (m, m)
        Structure of the source and of the target.
    p, q : ndarray of float64, shape (n,) and (m,)
        Weights, each summing to one.
    alpha : float
        Trade-off in the paper's convention, see :func:`pot_alpha`.
    max_iter : int
    tol : float
        Relative and absolute change of the objective to stop at.

    Returns
    -------
    T : ndarray of float64, shape (n, m)
        The plan.
    TransportLog
    """
    import ot

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        T, log = ot.gromov.fused_gromov_wasserstein(
            M,
            Cs,
            Ct,
            p,
            q,
            loss_fun="square_loss",
            symmetric=True,
            alpha=pot_alpha(alpha),
            log=True,
            max_iter=max_iter,
            tol_rel=tol,
            tol_abs=tol,
            numItermaxEmd=2_000_000,
        )
    # The objective of POT is (1 − a) M + a |·|²; the paper's is larger by (1 − α) / (1 − a).
    objective = float(log["fgw_dist"]) * (2 - alpha) / 2
    iterations = len(log["loss"]) - 1
    error = max(np.abs(T.sum(axis=1) - p).sum(), np.abs(T.sum(axis=0) - q).sum())
    remarks = [" ".join(str(w.message).split()) for w in caught]
    if iterations >= max_iter:
        remarks.append(f"stopped after {iterations} iterations, before it converged")
    if error > MARGINAL_TOLERANCE:
        remarks.append(f"the plan's margins are off by {error:.1e}")
    return T, TransportLog(objective, iterations, float(error), tuple(dict.fromkeys(remarks)))


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


class CentreAligner(_Aligner):
    """Move the source's mean onto the target's: the plainest correction, a yardstick for OT.

    Attributes
    ----------
    shift_ : ndarray of float32, shape (d,)
    """

    def _fit(self, Xs: Float32, Xt: Float32, p: Float64) -> None:
        source = np.average(Xs.astype(np.float64), axis=0, weights=p)
        self.shift_ = (Xt.mean(axis=0, dtype=np.float64) - source).astype(np.float32)

    def transform(self, Xs: Float32) -> Float32:
        """Map source rows.

        Parameters
        ----------
        Xs : array-like of float, shape (n, d)

        Returns
        -------
        ndarray of float32, shape (n, d)
        """
        check_is_fitted(self)
        return check_array(Xs, dtype=np.float32) + self.shift_


class FGWAligner(_Aligner):
    r"""Fused Gromov–Wasserstein alignment (3.3).

    Solves

    .. math:: \min_{T \in \Pi(p, q)} \langle (1 - \alpha) M + \alpha L(C^s, C^t) \otimes T, T
        \rangle, \qquad L_{ijkl} = |C^s_{ik} - C^t_{jl}|^2 / 2

    where M holds Euclidean distances between source and target rows and C geodesic distances
    within each, on its nearest-neighbour graph; M and both C are divided by their maximum. Source
    rows then move to the mean of the target rows they are coupled with (eq. 4).

    Parameters
    ----------
    alpha : float
        Trade-off between features (0) and structure (1) in the paper's convention (eq. 2). POT's
        own parameter for the same problem is ``pot_alpha(alpha)``.
    n_neighbors : int
        Of the graphs.
    max_iter : int
        Conditional gradient steps.
    tol : float
        Relative and absolute change of the objective to stop at.

    Attributes
    ----------
    plan_ : ndarray of float64, shape (n, m)
        The coupling T.
    log_ : TransportLog
    mapped_ : ndarray of float32, shape (n, d)
        The source rows of ``fit`` in the target's space (eq. 4).

    Notes
    -----
    With even weights and equal sizes the best plan is a permutation: mapped rows lie exactly on
    target rows. Never classify them with one neighbour.
    """

    def __init__(
        self,
        alpha: float = 0.5,
        n_neighbors: int = N_NEIGHBORS,
        max_iter: int = 1000,
        tol: float = 1e-9,
    ) -> None:
        self.alpha = alpha
        self.n_neighbors = n_neighbors
        self.max_iter = max_iter
        self.tol = tol

    def _fit(self, Xs: Float32, Xt: Float32, p: Float64) -> None:
        from scipy.spatial.distance import cdist

        if not 0 <= self.alpha <= 1:
            raise ValueError(f"alpha must lie in [0, 1], not {self.alpha}.")
        M = _by_maximum(cdist(Xs, Xt))
        Cs = _by_maximum(geodesic_distances(knn_graph(Xs, self.n_neighbors)).astype(np.float64))
        Ct = _by_maximum(geodesic_distances(knn_graph(Xt, self.n_neighbors)).astype(np.float64))
        q = np.full(len(Xt), 1 / len(Xt))
        self.plan_, self.log_ = fused_gromov_wasserstein(
            M, Cs, Ct, p, q, alpha=self.alpha, max_iter=self.max_iter, tol=self.tol
        )
        self._source = Xs
        self.mapped_ = (self.plan_ @ Xt / p[:, None]).astype(np.float32)

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


def _by_maximum(matrix: Float64) -> Float64:
    largest = matrix.max(initial=0.0)
    return matrix / largest if largest > 0 else matrix


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
