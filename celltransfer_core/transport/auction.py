"""Compiled auction for the transportation problem between two small sets, imported where used.

This is the linear problem inside every step of :mod:`celltransfer_core.transport.fgw` (3.3). Mass
is an integer number of units, so that the plan's margins are exact. The final prices of one problem
are the initial prices of the next.

The units that a column holds form a linked list of entries, the lowest bid first. ``head`` is the
first entry of each column and ``after`` the next entry of the same column, −1 if there is none;
``owner``, ``held`` and ``paid`` are an entry's row, its units and its bid. Unused entries form a
separate list, the first of which is ``free``. ``filled`` is the number of units in each column,
``left`` the number of units of each row that have no column yet.

For each row, ``near`` holds the ``size`` cheapest columns, ``costs`` their costs, and ``bound`` the
least cost plus price of all others. Prices only rise, so the bound is valid until the row is read
again.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from celltransfer_core.neighbors.compiled import compiled
from celltransfer_core.types import Float32, Float64, Ints

FACTOR = 5.0
"""Factor by which ε decreases from one round to the next."""

CANDIDATES = 16
"""Number of cheapest columns kept for each row, which are compared before the whole row is read
again."""

_BLOCK = 32

MOST_BIDS = 1000
"""Number of bids per row and column before the auction gives up; 200 are many. Weights that are
equal except for the rounding of their sums can take far more: very few units are left over, and
each bid for them moves very few."""


@compiled
def _read_row(
    cost: Float32,
    price: Float64,
    row: int,
    near: Ints,
    costs: Float32,
    values: Float64,
    size: int,
) -> float:
    """Find the cheapest ``size + 1`` columns of a row in order, and return the price of the last.

    ``values`` is filled with the cost plus price of each.
    """
    found = 0
    worst = np.inf
    for start in range(0, cost.shape[1], _BLOCK):
        end = min(start + _BLOCK, cost.shape[1])
        # Compilers can vectorise a count, but not the search for a minimum.
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
                near[row, place] = near[row, place - 1]
                costs[row, place] = costs[row, place - 1]
                place -= 1
            values[place] = value
            near[row, place] = column
            costs[row, place] = cost[row, column]
            if found > size:
                worst = values[size]
    return worst


@compiled
def _least_values(
    cost: Float32,
    price: Float64,
    near: Ints,
    costs: Float32,
    bound: Float64,
    values: Float64,
    size: int,
) -> Float64:
    """Compute the least cost plus price of each row."""
    least = np.empty(len(cost))
    for row in range(len(cost)):
        best = np.inf
        for k in range(size):
            best = min(best, costs[row, k] + price[near[row, k]])
        if best > bound[row]:
            bound[row] = _read_row(cost, price, row, near, costs, values, size)
            best = values[0]
        least[row] = best
    return least


@compiled
def _enter(
    rows: Ints,
    columns: Ints,
    units: Ints,
    head: Ints,
    after: Ints,
    owner: Ints,
    held: Ints,
    filled: Ints,
    left: Ints,
) -> int:
    """Enter a plan into empty columns, and return the first unused entry."""
    free = 0
    for entry in range(len(rows)):
        place, column = free, columns[entry]
        free = after[place]
        owner[place] = rows[entry]
        held[place] = units[entry]
        after[place] = head[column]
        head[column] = place
        filled[column] += units[entry]
        left[rows[entry]] -= units[entry]
    return free


@compiled
def _keep_units(
    cost: Float32,
    price: Float64,
    limit: Float64,
    head: Ints,
    after: Ints,
    owner: Ints,
    held: Ints,
    paid: Float64,
    filled: Ints,
    left: Ints,
    free: int,
) -> int:
    """Keep units whose cost plus price is at most the row's limit, and withdraw all others.

    Returns the first unused entry.
    """
    for column in range(len(head)):
        place = head[column]
        head[column] = -1
        while place >= 0:
            behind = after[place]
            row = owner[place]
            if cost[row, column] + price[column] > limit[row]:
                left[row] += held[place]
                filled[column] -= held[place]
                after[place] = free
                free = place
            else:
                paid[place] = price[column]
                after[place] = head[column]
                head[column] = place
            place = behind
    return free


@compiled
def _grown(array: Any) -> Any:
    """Return an array of twice the length that starts with the same entries."""
    longer = np.empty(2 * len(array), array.dtype)
    for place in range(len(array)):
        longer[place] = array[place]
    return longer


@compiled
def _entries(head: Ints, after: Ints, owner: Ints, held: Ints) -> Ints:
    """List the entries of all columns: rows, columns and units, shape (3, l)."""
    count = 0
    for column in range(len(head)):
        place = head[column]
        while place >= 0:
            count += 1
            place = after[place]
    entries = np.empty((3, count), np.int64)
    count = 0
    for column in range(len(head)):
        place = head[column]
        while place >= 0:
            entries[0, count] = owner[place]
            entries[1, count] = column
            entries[2, count] = held[place]
            count += 1
            place = after[place]
    return entries


@compiled
def solve_transportation(
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
    r"""Move all units from rows to columns at the least total cost.

    .. math:: \min_{T \in \mathbb{N}^{n \times m}} \sum_{ij} c_{ij} T_{ij}
        \text{ s.t. } \sum_j T_{ij} = s_i, \; \sum_i T_{ij} = d_j

    to within ``last_eps`` per unit. Rows bid for capacity in columns: a row offers its cheapest
    column the price at which it would be more expensive than the second cheapest by ε, and replaces
    the units with the lowest bids. Rounds of decreasing ε keep the units that the next round would
    place in the same way (Bertsekas and Castañon, 1989, with capacities instead of similar
    objects).

    Parameters
    ----------
    cost : ndarray of float32, shape (n, m)
        Cost c per unit, in C order.
    supply : ndarray of int64, shape (n,)
        Units s of each row, above zero.
    demand : ndarray of int64, shape (m,)
        Capacity d of each column, above zero, with the same sum; m is at least 2.
    price : ndarray of float64, shape (m,)
        Price of each column. Any initial prices are valid; the final prices of a similar problem
        are best. Changed in place: at the end, every unit is in a column whose cost plus price is
        within ε of the least in its row.
    rows, columns, units : ndarray of int64, shape (k,)
        Entries of an initial plan; may be empty.
    first_eps, last_eps : float
        ε of the first and of the last round, above zero.

    Returns
    -------
    converged : bool
        False after more than :data:`MOST_BIDS` bids per row and column; the plan is then unusable.
    rows, columns, units : ndarray of int64, shape (l,)
        Entries of the plan.

    Notes
    -----
    The bids are a single function, because separate functions called for each bid took 1.2 to 1.6
    times as long.

    Examples
    --------
    >>> import numpy as np
    >>> cost = np.array([[0.0, 1.0], [0.0, 3.0]], dtype=np.float32)
    >>> one, none = np.ones(2, dtype=np.int64), np.zeros(0, dtype=np.int64)
    >>> converged, rows, columns, units = solve_transportation(
    ...     cost, one, one, np.zeros(2), none, none, none, 1.0, 1e-6
    ... )
    >>> converged, rows.tolist(), columns.tolist()
    (True, [1, 0], [0, 1])
    """
    n, m = cost.shape
    size = min(CANDIDATES, m - 1)
    near = np.zeros((n, size + 1), np.int64)
    costs = np.zeros((n, size + 1), np.float32)
    bound = np.full(n, -np.inf)
    values = np.empty(size + 1)
    places = 2 * (n + m) + len(rows)
    owner = np.empty(places, np.int64)
    held = np.empty(places, np.int64)
    paid = np.empty(places)
    after = np.arange(1, places + 1)
    after[-1] = -1
    head = np.full(m, -1)
    filled = np.zeros(m, np.int64)
    left = supply.copy()
    free = _enter(rows, columns, units, head, after, owner, held, filled, left)
    queue = np.empty(n, np.int64)
    queued = np.zeros(n, np.bool_)
    bids = 0
    eps = first_eps
    while True:
        limit = _least_values(cost, price, near, costs, bound, values, size) + eps
        free = _keep_units(cost, price, limit, head, after, owner, held, paid, filled, left, free)
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
                other = owner[place]
                if other == row:  # the row's own units now have the new bid
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
                free = len(owner)
                owner, held = _grown(owner), _grown(held)
                paid, after = _grown(paid), _grown(after)
                for place in range(free, len(after)):
                    after[place] = place + 1
                after[-1] = -1
            place = free
            free = after[place]
            owner[place] = row
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
    entries = _entries(head, after, owner, held)
    return True, entries[0], entries[1], entries[2]
