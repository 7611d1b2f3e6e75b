"""Fused Gromov–Wasserstein transport (eq. 2), solved by conditional gradient on sparse plans."""

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
"""Mass by which a plan's margins may be off before the log says so."""

_RESOLUTION = 1e-8
"""Steps that gain less, in units of the largest costs, are lost in single precision."""

_ENTRIES = 256
"""Of a sparse plan, or rows of a matrix, that are taken at once."""


@dataclass(frozen=True)
class TransportLog:
    """How a solve went."""

    objective: float
    """Value of eq. 2 at the plan, with M and both C as they were given."""
    iterations: int
    """Linear problems that were solved."""
    marginal_error: float
    """Mass that the plan's two margins are off by (eq. 1), the larger of both."""
    remarks: tuple[str, ...]
    """What the solver complained of; empty if it ended as it should."""
    solver: str
    """``"auction"`` for own, ``"simplex"`` where some inner problem took too many bids and was left
    to POT's network simplex, ``"pot"`` for POT's."""
    gap: float
    """Bound on what any plan would gain along the last gradient (Frank–Wolfe); about zero at a
    stationary point."""
    seconds: float = field(compare=False)
    """Wall time, which is not the same twice and goes into no file."""


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
    r"""Solve eq. 2 by conditional gradient, from the plan :math:`p q^T`.

    .. math:: \min_{T \in \Pi(p, q)} (1 - \alpha) \langle M, T \rangle + \frac{\alpha}{2}
        \sum_{ijkl} |C^s_{ik} - C^t_{jl}|^2 T_{ij} T_{kl}

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
        Own; POT's; or own unless α is 1. The log tells which it was.
    max_iter : int
        Most steps.
    tol : float
        Gain of a step to stop at. For POT an absolute and relative change of the objective; for
        ``"auction"`` in units of the largest costs, (1 − α) max |M| + 2 α max |Cˢ| max |Cᵗ|, and
        1e-8 of them at least.

    Returns
    -------
    T : ndarray of float64, shape (n, m)
        The plan.
    TransportLog

    Raises
    ------
    ValueError
        If arrays do not fit together, are empty or hold NaN, C is not symmetric, weights are
        negative or do not sum to one, or an option is out of range.

    Notes
    -----
    POT takes the same steps from the same start. What differs is how: the inner linear problems
    are solved by an auction that keeps its prices (:mod:`celltransfer_core.auction`), to 1e-6 of
    the gradient's range; plans are kept as their few non-zero entries (a permutation, for even
    weights and n = m), so that Cˢ T Cᵗ costs one product in single precision, of the rows that a
    step changed alone. The objective in the log is computed in double precision. For α = 1 the
    first gradient is a product of two vectors, whose near-equal choices single precision decides
    otherwise; the optimum that is reached is another one then, lower as often as higher.
    """
    M, Cs, Ct, p, q = _checked(M, Cs, Ct, p, q)
    if not 0 <= alpha <= 1:
        raise ValueError(f"alpha must lie in [0, 1], not {alpha}.")
    if max_iter < 1:
        raise ValueError(f"max_iter must be 1 or more, not {max_iter}.")
    if solver not in ("auto", "auction", "pot"):
        raise ValueError(f"solver must be auto, auction or pot, not {solver!r}.")
    started = time.perf_counter()
    solve = _pot if solver == "pot" or (solver == "auto" and alpha == 1) else _own
    T, log = solve(M, Cs, Ct, p, q, alpha, max_iter, tol)
    remarks = list(log.remarks)
    error = float(max(np.abs(T.sum(axis=1) - p).sum(), np.abs(T.sum(axis=0) - q).sum()))
    if error > MARGINAL_TOLERANCE:
        remarks.append(f"the plan's margins are off by {error:.1e}")
    return T, replace(
        log,
        marginal_error=error,
        remarks=tuple(dict.fromkeys(remarks)),
        seconds=time.perf_counter() - started,
    )


def _checked(
    M: Floats, Cs: Floats, Ct: Floats, p: Float64, q: Float64
) -> tuple[Floats, Floats, Floats, Float64, Float64]:
    M, Cs, Ct = (
        array
        if isinstance(array, np.ndarray) and array.dtype == np.float32
        else np.asarray(array, dtype=np.float64)
        for array in (M, Cs, Ct)
    )
    p, q = (np.asarray(weights, dtype=np.float64) for weights in (p, q))
    if M.ndim != 2 or not M.size:
        raise ValueError(f"M needs a row and a column at least; its shape is {M.shape}.")
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
        # Seen on one vector: reading all of C across would take as long as a step.
        some = np.cos(np.arange(len(C))).astype(C.dtype)
        if not np.allclose(C @ some, some @ C, rtol=0, atol=1e-6 * len(C) * _largest(C)):
            raise ValueError(f"{name} must be symmetric.")
    for name, weights in (("p", p), ("q", q)):
        if (weights < 0).any() or abs(weights.sum() - 1) > 1e-6:
            raise ValueError(f"{name} needs weights of zero or more that sum to one.")
    return M, Cs, Ct, p, q


def _pot(
    M: Floats,
    Cs: Floats,
    Ct: Floats,
    p: Float64,
    q: Float64,
    alpha: float,
    max_iter: int,
    tol: float,
) -> tuple[Float64, TransportLog]:
    import ot

    M, Cs, Ct = (np.asarray(array, dtype=np.float64) for array in (M, Cs, Ct))
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
    iterations = len(log["loss"]) - 1
    remarks = [" ".join(str(w.message).split()) for w in caught]
    if iterations >= max_iter:
        remarks.append(_unfinished(iterations))
    # The objective of POT is (1 − a) M + a |·|²; the paper's is larger by (1 − α) / (1 − a).
    objective = float(log["fgw_dist"]) * (2 - alpha) / 2
    gap = _gap(M, Cs, Ct, p, q, alpha, T)
    return T, TransportLog(objective, iterations, 0.0, tuple(remarks), "pot", gap, 0.0)


def _gap(
    M: Float64, Cs: Float64, Ct: Float64, p: Float64, q: Float64, alpha: float, T: Float64
) -> float:
    from scipy.sparse import csr_array

    gradient = ((1 - alpha) * M - 2 * alpha * Cs @ (csr_array(T) @ Ct)).astype(np.float32)
    step = Linear(p, q).solve(gradient) - csr_array(T)
    return max(0.0, -_inner(gradient, step)) + LAST * float(np.ptp(gradient))


def _unfinished(iterations: int) -> str:
    return f"stopped after {iterations} iterations, before it converged"


def _own(
    M: Floats,
    Cs: Floats,
    Ct: Floats,
    p: Float64,
    q: Float64,
    alpha: float,
    max_iter: int,
    tol: float,
) -> tuple[Float64, TransportLog]:
    """Conditional gradient. The plan is ``outer`` · p qᵀ + ``S``."""
    from scipy.sparse import csr_array

    S = csr_array(M.shape)
    outer = 1.0
    Fs, Ft = Cs.astype(np.float32, copy=False), Ct.astype(np.float32, copy=False)
    start = np.outer(Fs @ p.astype(np.float32), Ft @ q.astype(np.float32))  # Cˢ p qᵀ Cᵗ
    # The gradient but for terms of a row or a column alone, which no plan changes.
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
        bend = -alpha * _inner(change, step)
        if outer:
            bend += alpha * outer * _mean(change, p, q)
        gap = max(0.0, -slope) + LAST * linear.spread
        # Along the step the objective is slope · t + bend · t²; hollow where bend is above zero.
        size = min(1.0, max(0.0, -slope / (2 * bend))) if bend > 0 else 1.0
        converged = -(slope * size + bend * size**2) <= least
        if not converged:
            S = S + size * step
            outer *= 1 - size
            change *= np.float32(-2 * alpha * size)
            cost += change
    remarks = () if converged else (_unfinished(iterations),)
    T = S.toarray()
    if outer:
        T += outer * np.outer(p, q)
    objective = _objective(M, Cs, Ct, p, q, alpha, T if outer else S)
    return T, TransportLog(objective, iterations, 0.0, remarks, linear.solver, gap, 0.0)


def _largest(array: Floats) -> float:
    return float(max(array.max(), -array.min()))


def _inner(A: Float32, step: csr_array) -> float:
    """Sum A over the step's entries, in double precision."""
    entries = step.tocoo()
    rows, columns = entries.coords
    return float(A[rows, columns].astype(np.float64) @ entries.data)


def _product(Fs: Float32, step: csr_array, Ft: Float32) -> Float32:
    """Cˢ · step · Cᵗ, by the rows or the columns that the step touches, whichever are fewer."""
    rows = np.unique(step.nonzero()[0])
    columns = np.unique(step.nonzero()[1])
    part = step[rows][:, columns].astype(np.float32)
    if len(rows) <= len(columns):
        return Fs[rows].T @ (part @ Ft[columns])
    return (part.T @ Fs[rows]).T @ Ft[columns]


def _objective(
    M: Floats,
    Cs: Floats,
    Ct: Floats,
    p: Float64,
    q: Float64,
    alpha: float,
    T: Float64 | csr_array,
) -> float:
    """Eq. 2 in double precision."""
    own = (_mean(Cs, p, p, power=2) + _mean(Ct, q, q, power=2)) / 2
    if isinstance(T, np.ndarray):
        across = float(((Cs @ T) @ Ct * T).sum())
        moved = float((T * M).sum())
    else:
        # ⟨Cˢ T Cᵗ, T⟩, of the pairs of entries of T alone.
        entries = T.tocoo()
        rows, columns = entries.coords
        moved = float(M[rows, columns] @ entries.data)
        across = 0.0
        for start in range(0, T.nnz, _ENTRIES):
            some = slice(start, start + _ENTRIES)
            both = Cs[rows[some]].take(rows, axis=1) * Ct[columns[some]].take(columns, axis=1)
            across += float(entries.data[some] @ (both @ entries.data))
    return (1 - alpha) * moved + alpha * (own - across)


def _mean(A: Floats, p: Float64, q: Float64, power: int = 1) -> float:
    """Average A, or its squares, by the weights of rows and columns, in double precision."""
    found = 0.0
    for start in range(0, len(A), _ENTRIES):  # a few rows at a time stay in the processor's cache
        rows = A[start : start + _ENTRIES].astype(np.float64)
        if power == 2:
            rows *= rows
        found += float(p[start : start + _ENTRIES] @ (rows @ q))
    return found
