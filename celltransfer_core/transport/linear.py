"""The linear problem inside a step of fused Gromov–Wasserstein transport (3.3)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from celltransfer_core.types import Float32, Float64, Ints

if TYPE_CHECKING:
    from scipy.sparse import csr_array


_COLD, _WARM, _WARM_EVEN, LAST = 1 / 16, 1 / 250, 1 / 20_000, 1e-6
"""ε of the auction, in units of the gradient's range: in the first round of the first problem, of
later problems, and of later problems with uniform weights (other weights would take many bids for
the last few units), and in the last round."""

_UNITS = 1 << 40
"""Number of units to which non-uniform weights are rounded, with an error of at most 1e-12 in each
cell's mass."""


class Linear:
    r"""Solves a sequence of linear transport problems with the same margins.

    .. math:: \min_{T \in \Pi(p, q)} \langle G, T \rangle

    to within ``LAST`` times the range of G. Rows and columns without mass take no part.

    Parameters
    ----------
    p, q : ndarray of float64, shape (n,) and (m,)
        Mass of rows and columns, each summing to one.

    Attributes
    ----------
    spread : float
        Range of the last cost.
    solver : {"auction", "simplex"}
        ``"simplex"`` once an auction has taken too many bids and POT has solved a problem.

    Examples
    --------
    >>> import numpy as np
    >>> linear = Linear(np.array([0.5, 0.5]), np.array([0.5, 0.5]))
    >>> linear.solve(np.array([[0, 1], [0, 3]], dtype=np.float32)).toarray().tolist()
    [[0.0, 0.5], [0.5, 0.0]]
    """

    def __init__(self, p: Float64, q: Float64) -> None:
        n, m = len(p), len(q)
        if _uniform(p) and _uniform(q):
            divisor = np.gcd(n, m)
            self.warm = _WARM_EVEN if n == m else _WARM
            supply, demand = np.full(n, m // divisor), np.full(m, n // divisor)
        else:
            supply, demand = _whole_units(p), _whole_units(q)
            self.warm = _WARM
        self.rows, self.columns = np.flatnonzero(supply), np.flatnonzero(demand)
        self.supply, self.demand = supply[self.rows], demand[self.columns]
        self.total = int(supply.sum())
        self.shape = (n, m)
        empty = np.zeros(0, dtype=np.int64)
        self.plan = self.no_plan = (empty, empty, empty)
        self.price: Float64 | None = None
        self.spread = 0.0
        self.solver = "auction"

    def solve(self, cost: Float32) -> csr_array:
        """Find the best plan, and keep its prices for the next cost.

        Parameters
        ----------
        cost : ndarray of float32, shape (n, m)

        Returns
        -------
        csr_array of float64, shape (n, m)
            Plan of mass.
        """
        from scipy.sparse import csr_array

        from celltransfer_core.transport.auction import solve_transportation

        if (len(self.rows), len(self.columns)) != self.shape:
            cost = cost[np.ix_(self.rows, self.columns)]
        self.spread = spread = float(np.ptp(cost))
        if min(cost.shape) == 1 or spread == 0:
            # There is only one plan, or all plans cost the same.
            self.plan = _north_west_corner(self.supply, self.demand)
        else:
            cold = self.price is None
            if self.price is None:
                self.price = -cost.min(axis=0).astype(np.float64)
            converged, *plan = solve_transportation(
                np.ascontiguousarray(cost),
                self.supply,
                self.demand,
                self.price,
                *self.plan,
                spread * (_COLD if cold else self.warm),
                spread * LAST,
            )
            if not converged:
                return self._simplex(cost)
            self.plan = (plan[0], plan[1], plan[2])
        rows, columns, units = self.plan
        return csr_array(
            (units / self.total, (self.rows[rows], self.columns[columns])), shape=self.shape
        )

    def _simplex(self, cost: Float32) -> csr_array:
        """Solve with POT's network simplex; the next auction starts without prices."""
        import ot
        from scipy.sparse import coo_array

        self.solver, self.price, self.plan = "simplex", None, self.no_plan
        masses = (units / self.total for units in (self.supply, self.demand))
        plan = coo_array(ot.emd(*masses, cost.astype(np.float64), numItermax=2_000_000))
        rows, columns = plan.coords
        entries = (plan.data, (self.rows[rows], self.columns[columns]))
        return coo_array(entries, shape=self.shape).tocsr()


def _uniform(weights: Float64) -> bool:
    return bool(np.allclose(weights, 1 / len(weights), rtol=1e-12, atol=0))


def _whole_units(weights: Float64) -> Ints:
    """Round weights to integers that sum to ``_UNITS``."""
    exact = weights / weights.sum() * _UNITS
    units = np.floor(exact).astype(np.int64)
    # The largest remainders are rounded up, except those of cells without mass.
    order = np.argsort(units - exact, kind="stable")
    units[order[: _UNITS - int(units.sum())]] += 1
    return units


def _north_west_corner(supply: Ints, demand: Ints) -> tuple[Ints, Ints, Ints]:
    """Fill the columns from the rows, both in order."""
    ends = np.union1d(np.cumsum(supply), np.cumsum(demand))
    units = np.diff(ends, prepend=0)
    starts = ends - units
    rows = np.searchsorted(np.cumsum(supply), starts, side="right")
    columns = np.searchsorted(np.cumsum(demand), starts, side="right")
    return rows.astype(np.int64), columns.astype(np.int64), units
