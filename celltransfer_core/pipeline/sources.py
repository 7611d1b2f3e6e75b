"""Pooled references, weighed by how near each set is to the query (not in the paper).

In: embeddings of a reference that was pooled from several sets, and of the query. Out: the share of
the query's cells that are nearest to each set, and which reference cells take part. The labels of
the query are not read.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from celltransfer_core.data.dataset import Dataset
from celltransfer_core.neighbors.search import NearestIndex
from celltransfer_core.runtime.batches import evenly_spaced
from celltransfer_core.types import Bools, Float32, Float64, Ints

LEAST_CELLS = 20
"""Cells of a type that are kept where there are as many, however far away their sets are."""

_NEIGHBOURS = 5
_MOST_CELLS = 100  # of each type and set
_MOST_QUERY = 2000


def nearest_shares(
    reference: Dataset, types: Ints, rows: Mapping[str, Float32], query: Mapping[str, Float32]
) -> dict[str, float]:
    """Measure how near each set of a pooled reference is to the query.

    Parameters
    ----------
    reference : Dataset
        n cells of two sets at least.
    types : ndarray of int64, shape (n,)
    rows, query : mapping from encoder to ndarray of float32, shape (n, d) and (m, d)
        Raw embeddings: what distinguishes microscopes must still be in them.

    Returns
    -------
    dict from set to float
        Share of the five nearest reference cells of each query cell that are of this set, averaged
        over cells and encoders; the shares sum to one. Each set takes part with as many cells of
        each type that all of them have (of all types, where there is none), so that neither the
        size of a set nor its proportions count.
    """
    names, sources = reference.sources, reference.cell_sources
    counts = np.zeros((len(names), types.max() + 1), dtype=np.int64)
    np.add.at(counts, (sources, types), 1)
    common = np.flatnonzero((counts > 0).all(axis=0))
    chosen = []
    for name in common if len(common) else range(counts.shape[1]):
        most = min(_MOST_CELLS, counts[counts[:, name] > 0, name].min())
        for source in np.flatnonzero(counts[:, name]):
            cells = np.flatnonzero((sources == source) & (types == name))
            chosen.append(cells[evenly_spaced(len(cells), int(most))])
    cells = np.concatenate(chosen)
    shares = np.zeros(len(names))
    for encoder, X in rows.items():
        asked = query[encoder][evenly_spaced(len(query[encoder]), _MOST_QUERY)]
        nearest = NearestIndex(X[cells]).search(asked, min(_NEIGHBOURS, len(cells)))[1]
        shares += np.bincount(sources[cells][nearest].ravel(), minlength=len(names))
    return dict(zip(names, (shares / shares.sum()).tolist(), strict=True))


def counted_cells(types: Ints, sources: Ints, shares: Sequence[float] | Float64) -> Bools:
    """Choose the reference cells that take part.

    Parameters
    ----------
    types, sources : ndarray of int64, shape (n,)
        Type and set of each reference cell.
    shares : sequence of float
        How near each set is; see :func:`nearest_shares`.

    Returns
    -------
    ndarray of bool, shape (n,)
        Of each type, the nearest set that has it takes part with all of its cells, every other set
        with a part of its cells in proportion to how near it is, chosen evenly along their order;
        with more where fewer than :data:`LEAST_CELLS` of a type would be left.

    Examples
    --------
    Two sets of 40 cells of one type; the second is four times as near:

    >>> types, sources = np.zeros(80, dtype=int), np.repeat([0, 1], 40)
    >>> counted = counted_cells(types, sources, [0.2, 0.8])
    >>> np.bincount(sources[counted]).tolist()
    [10, 40]
    """
    counted = np.zeros(len(types), dtype=bool)
    shares = np.asarray(shares)
    order = np.argsort(-shares, kind="stable")
    for name in np.unique(types):
        own = [np.flatnonzero((types == name) & (sources == source)) for source in order]
        near = next(share for share, cells in zip(shares[order], own, strict=True) if len(cells))
        for share, cells in zip(shares[order], own, strict=True):
            taken = len(cells) if share >= near else int(np.ceil(len(cells) * share / near))
            missing = LEAST_CELLS - int(np.count_nonzero(counted[types == name]))
            most = min(len(cells), max(taken, missing))
            if most > 0:
                counted[cells[evenly_spaced(len(cells), most)]] = True
    return counted
