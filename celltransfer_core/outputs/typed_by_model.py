"""Tables of cells that a classifier typed: by ``predict``, or in batches of a study.

In: their probabilities. Out: a DataFrame with one row per file, and the manifest.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import numpy as np

from celltransfer_core.about import __version__
from celltransfer_core.data.dataset import Dataset
from celltransfer_core.outputs.pseudonyms import Pseudonyms
from celltransfer_core.pipeline.portable import CellClassifier
from celltransfer_core.pipeline.typed_batch import TypedBatch
from celltransfer_core.runtime.versions import versions

if TYPE_CHECKING:
    import pandas as pd

BY_BATCH = "classifier"
"""Who decided the type of a cell added later: the classifier trained on the study."""

_TRUTH = {True: "true", False: "false"}


def typed_table(batch: TypedBatch) -> pd.DataFrame:
    """Make the table of cells that a classifier typed: one row per file.

    Parameters
    ----------
    batch : TypedBatch

    Returns
    -------
    DataFrame
        file, predicted_type, confidence (the probability of that type), flagged (of low confidence,
        or unknown), unknown (unlike all types), sha256, slide, patient, and one column
        ``share:TYPE`` per type with its probability.
    """
    import pandas as pd

    query = batch.query
    cell = query.cell_index
    columns: dict[str, object] = {
        "file": query.files,
        "predicted_type": np.array(batch.predicted)[cell],
        "confidence": batch.confidence[cell],
        "flagged": batch.flagged[cell],
        "unknown": batch.unknown[cell],
        "sha256": query.sha256,
        "slide": query.slide or "",
        "patient": query.patient or "",
    }
    for number, name in enumerate(batch.types):
        columns[f"share:{name}"] = batch.probabilities[cell, number]
    return pd.DataFrame(columns).sort_values("file", ignore_index=True)


def batches_table(batches: Mapping[str, TypedBatch]) -> pd.DataFrame:
    """Make the table of all cells added to a study later: one row per file.

    Parameters
    ----------
    batches : mapping from name to TypedBatch
        In the order in which they were added.

    Returns
    -------
    DataFrame
        batch, then the columns of :func:`typed_table`; a type unknown to a batch has no share
        there; then reviewed_type (empty where nobody answered), final_type, reviewed_by,
        reviewed_at and decided_by: the readers whose answers make the final type, or
        :data:`BY_BATCH`.
    """
    import pandas as pd

    tables = [_reviewed(one).assign(batch=name) for name, one in batches.items()]
    whole = pd.concat(tables, ignore_index=True) if tables else pd.DataFrame(columns=["batch"])
    return whole[["batch", *(name for name in whole if name != "batch")]]


def _reviewed(batch: TypedBatch) -> pd.DataFrame:
    """Add the answers on the cells of a batch to their table."""
    table, final = typed_table(batch), batch.final_types
    cell = np.searchsorted(batch.query.cells, table["sha256"].tolist())
    return table.assign(
        reviewed_type=final.reviewed[cell],
        final_type=final.final[cell],
        reviewed_by=final.reader[cell],
        reviewed_at=final.time[cell],
        decided_by=final.deciders(BY_BATCH)[cell],
    )


def with_batches(
    cells: pd.DataFrame,
    batches: Mapping[str, TypedBatch],
    pseudonyms: Pseudonyms | None = None,
) -> pd.DataFrame:
    """Add the cells of batches to the table of the study's own cells.

    Parameters
    ----------
    cells : DataFrame
        From :func:`~celltransfer_core.outputs.tables.cells_table`.
    batches : mapping from name to TypedBatch
    pseudonyms : Pseudonyms, optional
        Used in place of the names and hashes of the batches; ``cells`` has its own already.

    Returns
    -------
    DataFrame
        A column ``batch``, empty for the study's own cells, whose rows are unchanged; then the
        columns of ``cells``, blank where a later cell has no value; and ``unknown``, if ``cells``
        lacks it because the study has no answers.
    """
    import pandas as pd

    later = batches_table(pseudonyms.batches(batches) if pseudonyms else batches)
    later = pseudonyms.hide(later) if pseudonyms else later
    own = cells.assign(batch="")
    if "unknown" not in cells:
        own = own.assign(unknown="")
        later = later.assign(unknown=later["unknown"].map(_TRUTH))
    columns = ["batch", *own.columns.drop("batch")]
    later = later.reindex(columns=columns)
    for name in columns:  # columns of only the study's cells keep their dtype despite blanks
        if later[name].isna().all():
            whole = own[name].dtype.kind
            own[name] = own[name].map(_TRUTH) if whole == "b" else own[name]
            own[name] = own[name].astype("Int64") if whole in "iu" else own[name]
            later[name] = later[name].astype(own[name].dtype)
    return pd.concat([own[columns], later], ignore_index=True)


def model_manifest(model: CellClassifier, query: Dataset) -> dict[str, Any]:
    """Describe the classifier that typed the cells.

    Parameters
    ----------
    model : CellClassifier
    query : Dataset

    Returns
    -------
    dict
        JSON types only; contains no time or folder, so that the same inputs give the same bytes.
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
