"""TODO celltransfer_core/transport/linear.py."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from celltransfer_core.types import Float32, Float64, Ints

if TYPE_CHECKING:
    from scipy.sparse import csr_array


_COLD, _WARM, _WARM_EVEN, LAST = 1 / 16, 1 / 250, 1 / 20_000, 1e-6
"""ε of the auction, in units of the gradient's range: first round of the first step, of later ones,
of later ones with even weights (uneven ones would fight long over small change), and last round."""

_UNITS = 1 << 40
"""Whole units that uneven weights are rounded to: margins are off by 1e-12 at most a cell."""


class Linear:
    """The inner problem: the plan that is best for a linear cost, to ``LAST`` of its range.

    Rows and columns without mass take no part.
    """

    def __init__(self, p: Float64, q: Float64) -> None:
        n, m = len(p), len(q)
        if _even(p) and _even(q):
            divisor = np.gcd(n, m)
            self.warm = _WARM_EVEN if n == m else _WARM
            supply, demand = np.full(n, m // divisor), np.full(m, n // divisor)
        else:
            supply, demand = _whole(p), _whole(q)
            self.warm = _WARM
        self.rows, self.columns = np.flatnonzero(supply), np.flatnonzero(demand)
        self.supply, self.demand = supply[self.rows], demand[self.columns]
        self.total = int(supply.sum())
        self.shape = (n, m)
        nothing = np.zeros(0, dtype=np.int64)
        self.plan = self.nothing = (nothing, nothing, nothing)
        self.price: Float64 | None = None
        self.spread = 0.0  # of the last cost
        self.solver = "auction"

    def solve(self, cost: Float32) -> csr_array:
        """Return the best plan, in mass; keeps its prices for the next cost.

        Parameters
        ----------
        cost : ndarray of float32, shape (n, m)

        Returns
        -------
        csr_array of float64, shape (n, m)
        """
        from scipy.sparse import csr_array

        from celltransfer_core.transport.auction import transport

        if (len(self.rows), len(self.columns)) != self.shape:
            cost = cost[np.ix_(self.rows, self.columns)]
        self.spread = spread = float(np.ptp(cost))
        if min(cost.shape) == 1 or spread == 0:
            # One plan alone, or all alike: any will do.
            self.plan = _in_order(self.supply, self.demand)
        else:
            cold = self.price is None
            if self.price is None:
                self.price = -cost.min(axis=0).astype(np.float64)
            ended, *plan = transport(
                np.ascontiguousarray(cost),
                self.supply,
                self.demand,
                self.price,
                *self.plan,
                spread * (_COLD if cold else self.warm),
                spread * LAST,
            )
            if not ended:
                return self._simplex(cost)
            self.plan = (plan[0], plan[1], plan[2])
        rows, columns, units = self.plan
        return csr_array(
            (units / self.total, (self.rows[rows], self.columns[columns])), shape=self.shape
        )

    def _simplex(self, cost: Float32) -> csr_array:
        """Solve with POT; the next auction starts anew."""
        import ot
        from scipy.sparse import coo_array

        self.solver, self.price, self.plan = "simplex", None, self.nothing
        masses = (units / self.total for units in (self.supply, self.demand))
        plan = coo_array(ot.emd(*masses, cost.astype(np.float64), numItermax=2_000_000))
        rows, columns = plan.coords
        entries = (plan.data, (self.rows[rows], self.columns[columns]))
        return coo_array(entries, shape=self.shape).tocsr()


def _even(weights: Float64) -> bool:
    return bool(np.allclose(weights, 1 / len(weights), rtol=1e-12, atol=0))


def _whole(weights: Float64) -> Ints:
    exact = weights / weights.sum() * _UNITS
    units = np.floor(exact).astype(np.int64)
    # The largest remainders, but never of a cell without mass.
    order = np.argsort(units - exact, kind="stable")
    units[order[: _UNITS - int(units.sum())]] += 1
    return units


def _in_order(supply: Ints, demand: Ints) -> tuple[Ints, Ints, Ints]:
    """Fill columns with rows, one after the other (north-west corner)."""
    ends = np.union1d(np.cumsum(supply), np.cumsum(demand))
    units = np.diff(ends, prepend=0)
    starts = ends - units
    rows = np.searchsorted(np.cumsum(supply), starts, side="right")
    columns = np.searchsorted(np.cumsum(demand), starts, side="right")
    return rows.astype(np.int64), columns.astype(np.int64), units
