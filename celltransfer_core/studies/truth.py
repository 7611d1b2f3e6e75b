"""The types that came with a study's query images; only the evaluation uses them."""

from __future__ import annotations

import numpy as np

from celltransfer_core.errors import DataError
from celltransfer_core.studies.workspace import Workspace
from celltransfer_core.types import Labels


def study_labels(workspace: Workspace, study: str) -> Labels:
    """Read the types that came with a study's query sets, in folder names or a labels.csv.

    Parameters
    ----------
    workspace : Workspace
    study : str

    Returns
    -------
    ndarray of str, shape (m,)
        By the query's cells; empty for those without a label, or with several.
    """
    found: dict[str, set[str]] = {}
    for image_set in workspace.sets(study, "query"):
        try:
            labelled = workspace.labelled(image_set)
        except DataError:  # none of it has a type
            continue
        for cell, name in zip(labelled.cells, labelled.cell_labels.tolist(), strict=True):
            found.setdefault(cell, set()).add(name)
    query = workspace.pooled(study, "query")
    cells = query.cells if query is not None else ()
    names = [next(iter(n)) if len(n := found.get(c, set())) == 1 else "" for c in cells]
    return np.array(names, dtype=str)
