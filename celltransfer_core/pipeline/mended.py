"""Prepared sets and maps for a reference with corrected labels, in which only types change.

In: prepared sets (3.1) and the current reference. Out: the same sets with that reference. No image
is read, and the framing and embeddings of the remaining cells are unchanged.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from celltransfer_core.data.dataset import Dataset
from celltransfer_core.pipeline.maps import CellMap
from celltransfer_core.pipeline.result import Prepared
from celltransfer_core.vocabulary import REFERENCE


def with_reference(prepared: Prepared, reference: Dataset) -> Prepared:
    """Replace the embedded reference with one whose labels were corrected.

    Parameters
    ----------
    prepared : Prepared
        With or without its embeddings.
    reference : Dataset
        Some or all cells of ``prepared.reference``, whatever their labels.

    Returns
    -------
    Prepared
    """
    if reference is prepared.reference:
        return prepared
    kept = np.searchsorted(prepared.reference.cells, reference.cells).astype(np.int64)
    framing, embeddings = prepared.framing, prepared.embeddings
    crops = replace(framing.crops[REFERENCE].take(kept), dataset=reference)
    nuclei = {
        name: found.take(kept) if name == REFERENCE else found
        for name, found in framing.nuclei.items()
    }
    if REFERENCE in embeddings:
        rows = {name: X[kept] for name, X in embeddings[REFERENCE].items()}
        embeddings = {**embeddings, REFERENCE: rows}
    return replace(
        prepared,
        reference=reference,
        framing=replace(framing, crops={**framing.crops, REFERENCE: crops}, nuclei=nuclei),
        embeddings=embeddings,
    )


def map_of(drawn: CellMap, before: Dataset, reference: Dataset) -> CellMap:
    """Remove the cells from a map that have since been left out of the reference.

    Parameters
    ----------
    drawn : CellMap
        Of ``before``.
    before : Dataset
        The reference that was embedded.
    reference : Dataset
        Some or all of its cells.

    Returns
    -------
    CellMap
        Cells are numbered as in ``reference``.
    """
    place = np.full(before.n_cells, -1, dtype=np.int64)
    place[np.searchsorted(before.cells, reference.cells)] = np.arange(reference.n_cells)
    of_reference = np.array(drawn.sets) == REFERENCE
    cells = drawn.cells.copy()
    cells[of_reference] = place[cells[of_reference]]
    shown = np.flatnonzero(cells >= 0)
    sets = tuple(drawn.sets[n] for n in shown.tolist())
    return replace(drawn, xy=drawn.xy[shown], sets=sets, cells=cells[shown])
