"""Choice of the sets of a pooled reference by their nearness to the query (not in the paper).

In: embeddings of a reference pooled from several sets, and of the query. Out: each set's share of
the query's nearest neighbours, and the set to use alone if one is clearly the nearest. The labels
of the query are not read.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from celltransfer_core.config.config import Config
from celltransfer_core.data.dataset import Dataset
from celltransfer_core.data.pooling import unpool
from celltransfer_core.neighbors.search import NearestIndex
from celltransfer_core.runtime.batches import evenly_spaced
from celltransfer_core.types import Float32, Ints

ALONE = 0.85
"""Minimum share of the nearest cells for a set to be used alone. Sets of the query's microscope and
stain had 0.91 and more, others up to 0.78 (tests/benchmarks/several_sources.py)."""

_NEIGHBOURS = 5
_MOST_CELLS = 100  # of each type and set
_MOST_QUERY = 2000


@dataclass(frozen=True)
class NearestSets:
    """Nearness of the sets of a pooled reference to the query, and the sets that are used."""

    shares: Mapping[str, float]
    """See :func:`nearest_shares`."""
    alone: str = ""
    """The set that is used alone; empty if all are used."""
    lacking: tuple[str, ...] = ()
    """Types that occur only in unused sets."""


def choose_sets(
    reference: Dataset, config: Config, rows: Mapping[str, Float32], query: Mapping[str, Float32]
) -> NearestSets:
    """Measure the nearness of each set, and choose a single set if it is clearly the nearest.

    Parameters
    ----------
    reference : Dataset
        Reference pooled from at least two sets.
    config : Config
        All sets are used if ``sources`` is ``equal``, or if a type to be kept, expected or found
        occurs only in the other sets.
    rows, query : mapping from encoder to ndarray of float32, shape (n, d) and (m, d)
        Raw embeddings.

    Returns
    -------
    NearestSets

    Notes
    -----
    A set with such a large share of the nearest cells very likely comes from the query's own
    microscope and stain, such as a finished study of earlier slides. It works less well together
    with another set: colours and means follow the larger set, and types that only the other set has
    mislead the naming of clusters.
    """
    types = np.unique(reference.cell_labels, return_inverse=True)[1]
    shares = nearest_shares(reference, types, rows, query)
    name = max(shares, key=lambda one: shares[one])
    if config.sources == "equal" or shares[name] < ALONE:
        return NearestSets(shares)
    own = {*unpool(reference, name).cell_labels.tolist()}
    lacking = {*reference.cell_labels.tolist()} - own
    if len(own) < 2 or lacking & {*config.always_kept}:
        return NearestSets(shares)
    return NearestSets(shares, name, tuple(sorted(lacking)))


def nearest_shares(
    reference: Dataset, types: Ints, rows: Mapping[str, Float32], query: Mapping[str, Float32]
) -> dict[str, float]:
    """Measure the nearness of each set of a pooled reference to the query.

    Parameters
    ----------
    reference : Dataset
        Reference with n cells of at least two sets.
    types : ndarray of int64, shape (n,)
    rows, query : mapping from encoder to ndarray of float32, shape (n, d) and (m, d)
        Raw embeddings, which still contain the differences between microscopes.

    Returns
    -------
    dict from set to float
        Share of this set among the five nearest reference cells of each query cell, averaged over
        cells and encoders; the shares sum to one. Each set contributes the same number of cells of
        each type that all sets have (or of all types, if there is no such type), so that neither
        the size nor the proportions of a set matter.
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
