"""Tables of cells that a portable classifier typed.

Their probabilities go in; a DataFrame, one row a file, and the manifest come out.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import numpy as np

from celltransfer_core.about import __version__
from celltransfer_core.data.dataset import Dataset
from celltransfer_core.pipeline.portable import CellClassifier
from celltransfer_core.runtime.versions import versions
from celltransfer_core.types import Float64

if TYPE_CHECKING:
    import pandas as pd


FLAGGED_BELOW = 0.8
"""Confidence below which a cell wants a look: on the next days of raabin 98 to 99 % of those above
are right, and two in three cells are (tests/benchmarks/memory_of_a_lab.py)."""


def typed_table(query: Dataset, types: Sequence[str], probabilities: Float64) -> pd.DataFrame:
    """Make the table of cells that a classifier typed: one row a file.

    Parameters
    ----------
    query : Dataset
        n cells.
    types : sequence of str, length T
    probabilities : ndarray of float64, shape (n, T)

    Returns
    -------
    DataFrame
        file, predicted_type, confidence (the probability of that type), flagged (where it is below
        :data:`FLAGGED_BELOW`), sha256, slide, patient,
        and one column ``share:TYPE`` a type with its probability.
    """
    import pandas as pd

    cell = query.cell_index
    winner = probabilities.argmax(axis=1)
    confidence = probabilities[np.arange(len(winner)), winner]
    columns: dict[str, object] = {
        "file": query.files,
        "predicted_type": np.array(types)[winner][cell],
        "confidence": confidence[cell],
        "flagged": (confidence < FLAGGED_BELOW)[cell],
        "sha256": query.sha256,
        "slide": query.slide or "",
        "patient": query.patient or "",
    }
    for number, name in enumerate(types):
        columns[f"share:{name}"] = probabilities[cell, number]
    return pd.DataFrame(columns).sort_values("file", ignore_index=True)


def model_manifest(model: CellClassifier, query: Dataset) -> dict[str, Any]:
    """Describe what cells were typed with.

    Parameters
    ----------
    model : CellClassifier
    query : Dataset

    Returns
    -------
    dict
        JSON types alone; no time and no folder, so that the same inputs give the same bytes.
    """
    return {
        "celltransfer": __version__,
        "query": {
            "fingerprint": query.fingerprint,
            "files": len(query.files),
            "cells": query.n_cells,
            "left_out": [asdict(remark) for remark in query.left_out],
        },
        "model": {
            "types": model.classes_.tolist(),
            "encoders": [asdict(one) for one in model.encoders_],
            "taught": model.taught_,
        },
        "versions": versions(),
    }
