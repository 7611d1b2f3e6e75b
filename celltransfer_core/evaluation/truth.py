"""The query's own labels, which only the evaluation reads."""

from __future__ import annotations

from collections.abc import Collection, Mapping

import numpy as np

from celltransfer_core.data.dataset import Dataset
from celltransfer_core.data.folders import read_dataset
from celltransfer_core.data.levels import TypesAt
from celltransfer_core.data.type_names import same_type
from celltransfer_core.types import Labels


def true_labels(
    query: Dataset,
    types_at: TypesAt | None = None,
    columns: Mapping[str, str] | None = None,
    types: Collection[str] = (),
) -> Labels:
    """Read the types of a query's cells from its folder names or its labels.csv.

    Parameters
    ----------
    query : Dataset
        Read without labels, m cells.
    types_at : int or "innermost", optional
        Level of the folders that name its types.
    columns : mapping from str to str, optional
        Columns of its labels.csv to use as ``file`` and ``label``.
    types : collection of str
        Types of the reference: labels that differ only in case, white space or Unicode form are
        spelt as there.

    Returns
    -------
    ndarray of str, shape (m,)
        Empty for cells without a usable label.
    """
    labelled = read_dataset(
        query.root,
        labelled=True,
        types_at=types_at,
        columns=columns,
        doubtful="leave out",
        channels=query.scales[0].channels,
    )
    own = labelled.cell_labels.tolist()
    spelt = {name: same_type(name, types) or name for name in set(own)}
    names = {cell: spelt[name] for cell, name in zip(labelled.cells, own, strict=True)}
    return np.array([names.get(cell, "") for cell in query.cells])
