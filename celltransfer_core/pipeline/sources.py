"""Pooled references: how near each set is to the query, and what takes part (not in the paper).

In: embeddings of a reference that was pooled from several sets, and of the query. Out: the share of
the query's cells that are nearest to each set, the set that is used alone if one is decisively the
nearest, and the cells and types that take part. The labels of the query are not read.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from celltransfer_core.config.config import Config
from celltransfer_core.data.dataset import Dataset
from celltransfer_core.neighbors.search import NearestIndex
from celltransfer_core.runtime.batches import evenly_spaced
from celltransfer_core.types import Bools, Float32, Ints

ALONE = 0.85
"""A set with so large a share of the nearest cells is used alone. Sets of the query's microscope
and stain had 0.91 and more, others up to 0.78 (tests/benchmarks/several_sources.py)."""

LEAST_CELLS = 10
"""Of a type that this set has fewer cells of, those of other sets count too."""

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


def set_alone(nearest: Mapping[str, float] | None, config: Config) -> str | None:
    """Name the set of a pooled reference that is used alone.

    Parameters
    ----------
    nearest : mapping from set to float, optional
        See :func:`nearest_shares`.
    config : Config

    Returns
    -------
    str or None
        A set that at least :data:`ALONE` of the nearest cells are of: very likely it is of the
        query's own microscope and stain. None where there is no such set, or where all cells of
        all sets count.
    """
    if not nearest or config.sources == "equal":
        return None
    name = max(nearest, key=lambda one: nearest[one])
    return name if nearest[name] >= ALONE else None


def counted_cells(reference: Dataset, types: Ints, alone: str | None) -> Bools:
    """Choose the reference cells that take part.

    Parameters
    ----------
    reference : Dataset
        n cells.
    types : ndarray of int64, shape (n,)
    alone : str, optional
        The set that is used alone; see :func:`set_alone`.

    Returns
    -------
    ndarray of bool, shape (n,)
        All cells; or those of the set that is used alone, with cells of other sets only of types
        that it has fewer than :data:`LEAST_CELLS` cells of.
    """
    if alone is None:
        return np.ones(len(types), dtype=bool)
    own = reference.cell_sources == reference.sources.index(alone)
    few = np.bincount(types[own], minlength=types.max() + 1) < LEAST_CELLS
    return np.asarray(own | few[types])


def lacking_types(reference: Dataset, alone: str | None, config: Config) -> tuple[str, ...]:
    """List the types that the set which is used alone has no cell of.

    Parameters
    ----------
    reference : Dataset
    alone : str, optional
    config : Config
        Types that are to be kept, expected or found lack nowhere.

    Returns
    -------
    tuple of str
        Sorted. A set of the query's own microscope was typed from the same kind of sample, so the
        query is not expected to hold them: no cluster is matched to one unless a person says so.
        Types that are only in the reference draw clusters astray (tests/benchmarks/naming.py).
    """
    if alone is None:
        return ()
    own = reference.cell_sources == reference.sources.index(alone)
    labels = reference.cell_labels
    return tuple(sorted({*labels.tolist()} - {*labels[own].tolist()} - {*config.always_kept}))
