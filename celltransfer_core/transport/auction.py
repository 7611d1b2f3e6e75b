"""Optimal transport between two small sets by auction, compiled; imported where it is used.

The inner problem of every step of :mod:`celltransfer_core.fgw`: mass is a whole number of units,
so that marginals are exact, and prices are kept from one problem to the next.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar, cast

import numba
import numpy as np

from celltransfer_core.types import Float32, Float64, Ints

Function = TypeVar("Function", bound=Callable[..., Any])

FACTOR = 5.0
"""By which ε falls from one round to the next."""

CANDIDATES = 16
"""Cheapest columns of each row that are looked at before the whole row is read again."""

_BLOCK = 32

MOST_BIDS = 1000
"""A row and column, before the auction gives up; 200 are many. Weights that are equal but for the
rounding of their sums can take far more: what is left over is next to nothing, and so is what each
bid for it moves."""

# No cost is NaN.
_FAST = {"nnan", "nsz"}


def _compiled(function: Function) -> Function:
    try:
        return cast("Function", numba.njit(cache=True, fastmath=_FAST)(function))
    except RuntimeError:  # nowhere to keep compiled code: it is compiled in each process
        return cast("Function", numba.njit(fastmath=_FAST)(function))


@_compiled
def _read_row(
    cost: Float32,
    price: Float64,
    row: int,
    columns: Ints,
    costs: Float32,
    values: Float64,
    size: int,
) -> float:
    """Find the cheapest ``size + 1`` columns of a row, in order, and return what the last costs.

    It bounds all others from below for as long as prices only rise.
    """
    found = 0
    worst = np.inf
    for start in range(0, cost.shape[1], _BLOCK):
        end = min(start + _BLOCK, cost.shape[1])
        # Counted, as compilers do that for several at a time, which they do not for minima.
        cheap = 0
        for column in range(start, end):
            cheap += cost[row, column] + price[column] < worst
        if cheap == 0:
            continue
        for column in range(start, end):
            value = cost[row, column] + price[column]
            if value >= worst:
                continue
            place = min(found, size)
            found = min(found + 1, size + 1)
            while place > 0 and values[place - 1] > value:
                values[place] = values[place - 1]
                columns[row, place] = columns[row, place - 1]
                costs[row, place] = costs[row, place - 1]
                place -= 1
            values[place] = value
            columns[row, place] = column
            costs[row, place] = cost[row, column]
            if found > size:
                worst = values[size]
    return worst


@_compiled
def _grown(array: Any) -> Any:
    longer = np.empty(2 * len(array), array.dtype)
    for place in range(len(array)):
        longer[place] = array[place]
    return longer


@_compiled
def transport(
    cost: Float32,
    supply: Ints,
    demand: Ints,
    price: Float64,
    rows: Ints,
    columns: Ints,
    units: Ints,
    first_eps: float,
    last_eps: float,
) -> tuple[bool, Ints, Ints, Ints]:
    """Move every unit from rows to columns for the least sum of costs, up to ``last_eps`` a unit.

    Rows bid for room in columns: each offers its cheapest column so much that its second cheapest
    would cost only ε less, and drives out who paid least there. Rounds of falling ε keep what the
    next round would still choose (Bertsekas and Castañon, 1989, with room in place of like
    objects). A row looks at few columns: prices only rise, so a row that was read once bounds all
    others from below.

    Parameters
    ----------
    cost : ndarray of float32, shape (n, m)
        Of a unit; in C order.
    supply : ndarray of int64, shape (n,)
        Units of each row, above zero.
    demand : ndarray of int64, shape (m,)
        Room in each column, above zero, with the same sum; m is 2 or more.
    price : ndarray of float64, shape (m,)
        Of each column: any to start with, the last one's of a like problem at best. Changed in
        place. At the end every unit moves where cost plus price is within ε of its row's least.
    rows, columns, units : ndarray of int64, shape (k,)
        A plan to start from; it may be empty.
    first_eps, last_eps : float
        Of the first and of the last round, above zero.

    Returns
    -------
    ended : bool
        False if there were more than ``MOST_BIDS`` a row and column; the plan is of no use then.
    rows, columns, units : ndarray of int64, shape (l,)
        The plan's entries.
    """
    n, m = cost.shape
    size = min(CANDIDATES, m - 1)
    near = np.zeros((n, size + 1), np.int64)
    costs = np.zeros((n, size + 1), np.float32)
    bound = np.full(n, -np.inf)
    values = np.empty(size + 1)
    least = np.empty(n)
    # What each column holds: a linked list, the lowest bid first; ``free`` lists unused places.
    places = 2 * (n + m) + len(rows)
    holder = np.empty(places, np.int64)
    held = np.empty(places, np.int64)
    paid = np.empty(places)
    after = np.arange(1, places + 1)
    after[-1] = -1
    head = np.full(m, -1)
    filled = np.zeros(m, np.int64)
    free = 0
    left = supply.copy()
    for entry in range(len(rows)):
        place, column = free, columns[entry]
        free = after[place]
        holder[place] = rows[entry]
        held[place] = units[entry]
        after[place] = head[column]
        head[column] = place
        filled[column] += units[entry]
        left[rows[entry]] -= units[entry]
    queue = np.empty(n, np.int64)
    queued = np.zeros(n, np.bool_)
    bids = 0
    eps = first_eps
    while True:
        # Units stay where the row would still choose the column, at the column's price.
        for row in range(n):
            best = np.inf
            for k in range(size):
                best = min(best, costs[row, k] + price[near[row, k]])
            if best > bound[row]:
                bound[row] = _read_row(cost, price, row, near, costs, values, size)
                best = values[0]
            least[row] = best
        for column in range(m):
            place = head[column]
            head[column] = -1
            while place >= 0:
                behind = after[place]
                row = holder[place]
                if cost[row, column] + price[column] > least[row] + eps:
                    left[row] += held[place]
                    filled[column] -= held[place]
                    after[place] = free
                    free = place
                else:
                    paid[place] = price[column]
                    after[place] = head[column]
                    head[column] = place
                place = behind
        start = waiting = 0
        for row in range(n):
            queued[row] = left[row] > 0
            if queued[row]:
                queue[waiting] = row
                waiting += 1
        while waiting > 0:
            row = queue[start]
            start = (start + 1) % n
            waiting -= 1
            queued[row] = False
            bids += 1
            if bids > MOST_BIDS * (n + m):
                return False, rows, columns, units
            first = second = np.inf
            column = -1
            for k in range(size):
                value = costs[row, k] + price[near[row, k]]
                if value < first:
                    first, second = value, first
                    column = near[row, k]
                elif value < second:
                    second = value
            if second > bound[row]:
                bound[row] = _read_row(cost, price, row, near, costs, values, size)
                first, second = values[0], values[1]
                column = near[row, 0]
            bid = price[column] + (second - first) + eps
            wanted = left[row]
            bought = min(wanted, demand[column] - filled[column])
            wanted -= bought
            filled[column] += bought
            while wanted > 0 and head[column] >= 0 and paid[head[column]] < bid:
                place = head[column]
                other = holder[place]
                if other == row:  # what it holds for less, it now holds for its own bid
                    taken = held[place]
                else:
                    taken = min(wanted, held[place])
                    wanted -= taken
                    left[other] += taken
                    if not queued[other]:
                        queued[other] = True
                        queue[(start + waiting) % n] = other
                        waiting += 1
                bought += taken
                held[place] -= taken
                if held[place] == 0:
                    head[column] = after[place]
                    after[place] = free
                    free = place
            if free < 0:
                free = len(holder)
                holder, held = _grown(holder), _grown(held)
                paid, after = _grown(paid), _grown(after)
                for place in range(free, len(after)):
                    after[place] = place + 1
                after[-1] = -1
            place = free
            free = after[place]
            holder[place] = row
            held[place] = bought
            paid[place] = bid
            if head[column] < 0 or paid[head[column]] >= bid:
                after[place] = head[column]
                head[column] = place
            else:
                before = head[column]
                while after[before] >= 0 and paid[after[before]] < bid:
                    before = after[before]
                after[place] = after[before]
                after[before] = place
            if filled[column] == demand[column]:
                price[column] = paid[head[column]]
            left[row] = wanted
            if wanted > 0:
                queued[row] = True
                queue[(start + waiting) % n] = row
                waiting += 1
        if eps <= last_eps:
            break
        eps = max(eps / FACTOR, last_eps)
    entries = 0
    for column in range(m):
        place = head[column]
        while place >= 0:
            entries += 1
            place = after[place]
    into = np.empty((3, entries), np.int64)
    entries = 0
    for column in range(m):
        place = head[column]
        while place >= 0:
            into[0, entries] = holder[place]
            into[1, entries] = column
            into[2, entries] = held[place]
            entries += 1
            place = after[place]
    return True, into[0], into[1], into[2]
