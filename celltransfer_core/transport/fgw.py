"""Fused Gromov–Wasserstein transport (eqs 1–3) from costs, structures and weights.

The plan is computed by conditional gradient on sparse plans.
"""

from __future__ import annotations

import time
import warnings
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Literal, TypeAlias

import numpy as np

from celltransfer_core.transport.linear import LAST, Linear
from celltransfer_core.types import Float32, Float64, Floats

if TYPE_CHECKING:
    from scipy.sparse import csr_array


Solver: TypeAlias = Literal["auto", "auction", "pot"]

MARGINAL_TOLERANCE = 1e-7
"""Error in the mass of a plan's margins above which the log contains a remark."""

_RESOLUTION = 1e-8
"""Least gain of a step, in units of the largest costs, that single precision can resolve."""

_ENTRIES = 256
"""Number of entries of a sparse plan, or of rows of a matrix, that are processed at once."""


@dataclass(frozen=True)
class TransportLog:
    """Log of a solve."""

    objective: float
    """Value of eq. 2 at the plan, with M and both C as given."""
    iterations: int
    """Number of linear problems solved."""
    marginal_error: float
    """Mass by which the plan's margins differ from p and q (eq. 1), the larger of the two."""
    remarks: tuple[str, ...]
    """Warnings of the solver; empty if it converged."""
    solver: str
    """``"auction"`` for the solver of this module, ``"simplex"`` if an inner problem took too many
    bids and was solved by POT's network simplex, ``"pot"`` for POT's conditional gradient."""
    gap: float
    """Frank–Wolfe gap: bound on the gain of any plan along the last gradient; about zero at a
    stationary point."""
    seconds: float = field(compare=False)
    """Wall time. It differs between runs and is therefore not written to files."""


def pot_alpha(alpha: float) -> float:
    """Convert the paper's trade-off to that of POT.

    The paper uses ``L = |·|² / 2`` (below eq. 2), POT ``|·|²`` without the factor 1/2. The same
    problem has the trade-off α / (2 − α) in POT, for example 1/3 instead of 0.5.

    Parameters
    ----------
    alpha : float
        In [0, 1], as in eq. 2.

    Returns
    -------
    float
        In [0, 1], as in ``ot.gromov.fused_gromov_wasserstein``.

    Examples
    --------
    >>> round(pot_alpha(0.5), 4)
    0.3333
    """
    return alpha / (2 - alpha)


@dataclass(frozen=True)
class _Problem:
    """Eq. 2, with checked arrays; see :func:`fused_gromov_wasserstein`."""

    M: Floats
    Cs: Floats
    Ct: Floats
    p: Float64
    q: Float64
    alpha: float


def fused_gromov_wasserstein(
    M: Floats,
    Cs: Floats,
    Ct: Floats,
    p: Float64,
    q: Float64,
    *,
    alpha: float,
    solver: Solver = "auto",
    max_iter: int = 1000,
    tol: float = 1e-9,
) -> tuple[Float64, TransportLog]:
    r"""Solve the fused Gromov–Wasserstein problem by conditional gradient (eqs 1–3).

    .. math:: \min_{T \in \Pi(p, q)} (1 - \alpha) \langle M, T \rangle + \frac{\alpha}{2}
        \sum_{ijkl} |C^s_{ik} - C^t_{jl}|^2 T_{ij} T_{kl}

    .. math:: \Pi(p, q) = \{ T \ge 0, \; T 1_m = p, \; T^T 1_n = q \}

    starting from the plan :math:`p q^T`.

    Parameters
    ----------
    M : ndarray of float64 or float32, shape (n, m)
        Cost between features.
    Cs, Ct : ndarray of float64 or float32, shape (n, n) and (m, m)
        Structure of the source and of the target, symmetric.
    p, q : ndarray of float64, shape (n,) and (m,)
        Weights, each summing to one; none below zero.
    alpha : float
        Trade-off in the paper's convention, see :func:`pot_alpha`.
    solver : {"auto", "auction", "pot"}
        ``"auction"`` for the solver of this module, ``"pot"`` for POT's, ``"auto"`` for the
        auction unless α is 1. The log states which was used.
    max_iter : int
        Maximum number of steps.
    tol : float
        Gain of a step at which to stop. For POT, an absolute and relative change of the objective;
        for ``"auction"``, in units of the largest costs, ``(1 − α) max |M| + 2 α max |Cˢ| max
        |Cᵗ|``, and at least 1e-8 of them.

    Returns
    -------
    T : ndarray of float64, shape (n, m)
        The plan.
    TransportLog

    Raises
    ------
    ValueError
        If arrays do not fit together, are empty or contain NaN, C is not symmetric, weights are
        negative or do not sum to one, or an option is out of range.

    Notes
    -----
    POT takes the same steps from the same start, with three differences. The inner linear problems
    are solved to 1e-6 of the gradient's range by an auction that keeps its prices
    (:mod:`celltransfer_core.transport.auction`). Plans are stored as their few non-zero entries (a
    permutation, for uniform weights and n = m), so that Cˢ T Cᵗ costs one product in single
    precision, over the rows that a step changed. The objective in the log is computed in double
    precision. For α = 1, the first gradient is a product of two vectors, and single precision
    decides differently between nearly equal choices. It then reaches another optimum, which is
    lower as often as higher.

    Examples
    --------
    >>> import numpy as np
    >>> C = np.array([[0.0, 1.0], [1.0, 0.0]])
    >>> half = np.full(2, 0.5)
    >>> T, log = fused_gromov_wasserstein(1 - np.eye(2), C, C, half, half, alpha=0.5)
    >>> T.tolist(), log.objective
    ([[0.5, 0.0], [0.0, 0.5]], 0.0)
    """
    problem = _checked(M, Cs, Ct, p, q, alpha)
    if not 0 <= alpha <= 1:
        raise ValueError(f"alpha must lie in [0, 1], not {alpha}.")
    if max_iter < 1:
        raise ValueError(f"max_iter must be at least 1, not {max_iter}.")
    if solver not in ("auto", "auction", "pot"):
        raise ValueError(f"solver must be auto, auction or pot, not {solver!r}.")
    started = time.perf_counter()
    solve = _pot if solver == "pot" or (solver == "auto" and alpha == 1) else _own
    T, log = solve(problem, max_iter, tol)
    remarks = list(log.remarks)
    error = float(
        max(np.abs(T.sum(axis=1) - problem.p).sum(), np.abs(T.sum(axis=0) - problem.q).sum())
    )
    if error > MARGINAL_TOLERANCE:
        remarks.append(f"the marginals of the plan are off by {error:.1e}")
    return T, replace(
        log,
        marginal_error=error,
        remarks=tuple(dict.fromkeys(remarks)),
        seconds=time.perf_counter() - started,
    )


def _checked(M: Floats, Cs: Floats, Ct: Floats, p: Float64, q: Float64, alpha: float) -> _Problem:
    M, Cs, Ct = (
        array
        if isinstance(array, np.ndarray) and array.dtype == np.float32
        else np.asarray(array, dtype=np.float64)
        for array in (M, Cs, Ct)
    )
    p, q = (np.asarray(weights, dtype=np.float64) for weights in (p, q))
    if M.ndim != 2 or not M.size:
        raise ValueError(f"M needs at least one row and one column; its shape is {M.shape}.")
    n, m = M.shape
    for name, array, shape in (
        ("Cs", Cs, (n, n)),
        ("Ct", Ct, (m, m)),
        ("p", p, (n,)),
        ("q", q, (m,)),
    ):
        if array.shape != shape:
            raise ValueError(f"{name} must be of shape {shape}, not {array.shape}.")
    for name, array in (("M", M), ("Cs", Cs), ("Ct", Ct), ("p", p), ("q", q)):
        if not np.isfinite(array).all():
            raise ValueError(f"{name} holds NaN or infinity.")
    for name, C in (("Cs", Cs), ("Ct", Ct)):
        # Tested on one vector, because comparing all of C with its transpose takes as long as a
        # step.
        some = np.cos(np.arange(len(C))).astype(C.dtype)
        if not np.allclose(C @ some, some @ C, rtol=0, atol=1e-6 * len(C) * _largest(C)):
            raise ValueError(f"{name} must be symmetric.")
    for name, weights in (("p", p), ("q", q)):
        if (weights < 0).any() or abs(weights.sum() - 1) > 1e-6:
            raise ValueError(f"{name} needs non-negative weights that sum to one.")
    return _Problem(M, Cs, Ct, p, q, alpha)


def _pot(problem: _Problem, max_iter: int, tol: float) -> tuple[Float64, TransportLog]:
    import ot

    M, Cs, Ct = (
        np.asarray(array, dtype=np.float64) for array in (problem.M, problem.Cs, problem.Ct)
    )
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        T, log = ot.gromov.fused_gromov_wasserstein(
            M,
            Cs,
            Ct,
            problem.p,
            problem.q,
            loss_fun="square_loss",
            symmetric=True,
            alpha=pot_alpha(problem.alpha),
            log=True,
            max_iter=max_iter,
            tol_rel=tol,
            tol_abs=tol,
            numItermaxEmd=2_000_000,
        )
    iterations = len(log["loss"]) - 1
    remarks = [" ".join(str(w.message).split()) for w in caught]
    if iterations >= max_iter:
        remarks.append(_unfinished(iterations))
    # The objective of POT is (1 − a) M + a |·|²; the paper's is larger by (1 − α) / (1 − a).
    objective = float(log["fgw_dist"]) * (2 - problem.alpha) / 2
    gap = _gap(replace(problem, M=M, Cs=Cs, Ct=Ct), T)
    return T, TransportLog(objective, iterations, 0.0, tuple(remarks), "pot", gap, 0.0)


def _gap(problem: _Problem, T: Float64) -> float:
    from scipy.sparse import csr_array

    alpha, right = problem.alpha, csr_array(T) @ problem.Ct
    gradient = ((1 - alpha) * problem.M - 2 * alpha * problem.Cs @ right).astype(np.float32)
    step = Linear(problem.p, problem.q).solve(gradient) - csr_array(T)
    return max(0.0, -_inner(gradient, step)) + LAST * float(np.ptp(gradient))


def _unfinished(iterations: int) -> str:
    return f"stopped after {iterations} iterations before convergence"


def _own(problem: _Problem, max_iter: int, tol: float) -> tuple[Float64, TransportLog]:
    """Solve by conditional gradient. The plan is ``outer`` · p qᵀ + ``S``."""
    from scipy.sparse import csr_array

    M, Cs, Ct, p, q = problem.M, problem.Cs, problem.Ct, problem.p, problem.q
    alpha = problem.alpha
    S = csr_array(M.shape)
    outer = 1.0
    Fs, Ft = Cs.astype(np.float32, copy=False), Ct.astype(np.float32, copy=False)
    start = np.outer(Fs @ p.astype(np.float32), Ft @ q.astype(np.float32))  # Cˢ p qᵀ Cᵗ
    # The gradient without the terms that depend only on the row or the column, which cost the same
    # in every plan.
    cost = M * np.float32(1 - alpha) - start * np.float32(2 * alpha)
    cost = cost.astype(np.float32, copy=False)
    linear = Linear(p, q)
    largest = (1 - alpha) * _largest(M) + 2 * alpha * _largest(Fs) * _largest(Ft)
    least = max(tol, _RESOLUTION) * largest
    gap = 0.0
    iterations = 0
    converged = False
    while not converged and iterations < max_iter:
        iterations += 1
        step = linear.solve(cost) - S
        step.eliminate_zeros()
        slope = _inner(cost, step)
        change = _product(Fs, step, Ft)
        if outer:
            change -= np.float32(outer) * start
            slope -= outer * _mean(cost, p, q)
        curvature = -alpha * _inner(change, step)
        if outer:
            curvature += alpha * outer * _mean(change, p, q)
        gap = max(0.0, -slope) + LAST * linear.spread
        # Along the step, the objective is slope · t + curvature · t², which is convex if the
        # curvature is above zero.
        size = min(1.0, max(0.0, -slope / (2 * curvature))) if curvature > 0 else 1.0
        converged = -(slope * size + curvature * size**2) <= least
        if not converged:
            S = S + size * step
            outer *= 1 - size
            change *= np.float32(-2 * alpha * size)
            cost += change
    remarks = () if converged else (_unfinished(iterations),)
    T = S.toarray()
    if outer:
        T += outer * np.outer(p, q)
    objective = _objective(problem, T if outer else S)
    return T, TransportLog(objective, iterations, 0.0, remarks, linear.solver, gap, 0.0)


def _largest(array: Floats) -> float:
    return float(max(array.max(), -array.min()))


def _inner(A: Float32, step: csr_array) -> float:
    """Sum A over the step's entries, in double precision."""
    entries = step.tocoo()
    rows, columns = entries.coords
    return float(A[rows, columns].astype(np.float64) @ entries.data)


def _product(Fs: Float32, step: csr_array, Ft: Float32) -> Float32:
    """Compute Cˢ · step · Cᵗ from the changed rows or columns of the step, whichever are fewer."""
    rows = np.unique(step.nonzero()[0])
    columns = np.unique(step.nonzero()[1])
    part = step[rows][:, columns].astype(np.float32)
    if len(rows) <= len(columns):
        return Fs[rows].T @ (part @ Ft[columns])
    return (part.T @ Fs[rows]).T @ Ft[columns]


def _objective(problem: _Problem, T: Float64 | csr_array) -> float:
    """Compute the objective of eq. 2 in double precision."""
    M, Cs, Ct, p, q = problem.M, problem.Cs, problem.Ct, problem.p, problem.q
    own = (_mean(Cs, p, p, power=2) + _mean(Ct, q, q, power=2)) / 2
    if isinstance(T, np.ndarray):
        across = float(((Cs @ T) @ Ct * T).sum())
        moved = float((T * M).sum())
    else:
        # ⟨Cˢ T Cᵗ, T⟩, summed over the pairs of entries of T.
        entries = T.tocoo()
        rows, columns = entries.coords
        moved = float(M[rows, columns] @ entries.data)
        across = 0.0
        for start in range(0, T.nnz, _ENTRIES):
            some = slice(start, start + _ENTRIES)
            both = Cs[rows[some]].take(rows, axis=1) * Ct[columns[some]].take(columns, axis=1)
            across += float(entries.data[some] @ (both @ entries.data))
    return (1 - problem.alpha) * moved + problem.alpha * (own - across)


def _mean(A: Floats, p: Float64, q: Float64, power: int = 1) -> float:
    """Average A, or its squares, by the weights of rows and columns, in double precision."""
    found = 0.0
    for start in range(0, len(A), _ENTRIES):  # a few rows at a time fit in the processor's cache
        rows = A[start : start + _ENTRIES].astype(np.float64)
        if power == 2:
            rows *= rows
        found += float(p[start : start + _ENTRIES] @ (rows @ q))
    return found
