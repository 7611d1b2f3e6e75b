"""The original labels of a study's query images; only the evaluation uses them."""

from __future__ import annotations

import numpy as np

from celltransfer_core.data.type_names import same_type
from celltransfer_core.errors import DataError
from celltransfer_core.studies.workspace import Workspace
from celltransfer_core.types import Labels


def study_labels(workspace: Workspace, study: str) -> Labels:
    """Read the original labels of a study's query sets, from folder names or a labels.csv.

    Parameters
    ----------
    workspace : Workspace
    study : str

    Returns
    -------
    ndarray of str, shape (m,)
        In the order of the query's cells, spelt as the reference's types; empty for cells with no
        label or with several.
    """
    found: dict[str, set[str]] = {}
    types = _reference_types(workspace, study)
    spelt: dict[str, str] = {}
    for image_set in workspace.sets(study, "query"):
        try:
            labelled = workspace.labelled(image_set)
        except DataError:  # nothing in it has a type
            continue
        for cell, name in zip(labelled.cells, labelled.cell_labels.tolist(), strict=True):
            spelling = spelt.setdefault(name, same_type(name, types) or name)
            found.setdefault(cell, set()).add(spelling)
    query = workspace.pooled(study, "query")
    cells = query.cells if query is not None else ()
    names = [next(iter(n)) if len(n := found.get(c, set())) == 1 else "" for c in cells]
    return np.array(names, dtype=str)


def _reference_types(workspace: Workspace, study: str) -> set[str]:
    try:
        reference = workspace.pooled(study, "reference")
    except DataError:  # the Data page reports what is wrong with it
        return set()
    return set(reference.cell_labels.tolist()) if reference else set()
