"""Cells that resemble types ruled out by a person (not in the paper).

In: the rows that a voter compares, over all types of the reference, and the types that are ruled
out. Out: the query cells that resemble each of these. They are shown to the person and affect no
result.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from celltransfer_core.neighbors.search import nearest
from celltransfer_core.pipeline.draws import TransferPlan
from celltransfer_core.pipeline.features import representation
from celltransfer_core.pipeline.result import Prepared
from celltransfer_core.types import Bools, Float32, Float64, Ints

NEIGHBOURS, NEARLY_ALL = 10, 0.8
"""A cell resembles a type with at least this share of its nearest reference cells …"""

CLEARLY = 0.9
"""… if the type is also nearer than this multiple of the distance to the nearest possible type.
Distances are only compared with each other, because all of them are longer between laboratories."""

FEWEST_CELLS = 3
"""Fewest cells that must resemble a type; fewer may occur by chance."""

_NEAREST = 5


def ruled_out_cells(prepared: Prepared, plan: TransferPlan) -> Mapping[str, Ints]:
    """Find the query cells that resemble types ruled out by a person.

    Parameters
    ----------
    prepared : Prepared
    plan : TransferPlan

    Returns
    -------
    dict from type to ndarray of int64
        Query cells, ascending, for the types of ``config.absent`` that some cells resemble.
    """
    config, types = prepared.config, prepared.types
    absent = np.array([name in config.absent and name not in plan.types for name in types])
    if not absent.any():
        return {}
    # Centred on the means that the vote uses, in which cells of other types do not count.
    weights = np.zeros(prepared.reference.n_cells)
    weights[plan.draws.usable] = 1 if plan.draws.weights is None else plan.draws.weights
    Xs, Xt = representation(
        prepared.comparable,
        prepared.voters[0],
        config,
        reference_weights=weights,
        query_weights=plan.known.astype(np.float64) if plan.known.any() else None,
    )
    found = look_alikes(Xs, prepared.reference_types, Xt, absent)
    return {types[number]: cells for number, cells in found.items()}


def look_alikes(Xs: Float32, types: Ints, Xt: Float32, absent: Bools) -> dict[int, Ints]:
    """Find the rows of the query that resemble types that it should not contain.

    Parameters
    ----------
    Xs, Xt : ndarray of float32, shape (n, d) and (m, d)
        Reference and query, in the same space.
    types : ndarray of int64, shape (n,)
        Type of each row of the reference, 0 … T − 1.
    absent : ndarray of bool, shape (T,)
        Types that are ruled out; at least two others are not.

    Returns
    -------
    dict from int to ndarray of int64
        Rows of the query by type, ascending; each row under at most one type.

    Examples
    --------
    >>> import numpy as np
    >>> types = np.repeat([0, 1, 2], 20)
    >>> Xs = 9 * types[:, None] + np.random.default_rng(0).normal(size=(60, 1))
    >>> Xt = np.array([[0.5], [9.2], [13.5], [18.4], [17.9], [18.0]])
    >>> found = look_alikes(np.float32(Xs), types, np.float32(Xt), types[::20] == 2)
    >>> {number: cells.tolist() for number, cells in found.items()}
    {2: [3, 4, 5]}
    """
    near = types[nearest(Xt, Xs, min(NEIGHBOURS, len(Xs)))[1]]
    found = {}
    for number in np.flatnonzero(absent).tolist():
        cells = np.flatnonzero((near == number).mean(axis=1) >= NEARLY_ALL)
        if len(cells) < FEWEST_CELLS:
            continue
        others = [_distance(Xt[cells], Xs[types == one]) for one in np.flatnonzero(~absent)]
        own = _distance(Xt[cells], Xs[types == number])
        cells = cells[own < CLEARLY * np.min(others, axis=0)]
        if len(cells) >= FEWEST_CELLS:
            found[number] = cells
    return found


def _distance(X: Float32, gallery: Float32) -> Float64:
    """Average each row's distances to the nearest rows of a type."""
    distances = nearest(X, gallery, min(_NEAREST, len(gallery)))[0]
    return distances.mean(axis=1, dtype=np.float64)
