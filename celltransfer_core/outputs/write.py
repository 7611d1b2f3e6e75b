"""Results as tables and files."""

from __future__ import annotations

import io
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from celltransfer_core.outputs.arrays import neighbour_arrays, similarity_arrays
from celltransfer_core.outputs.formats import TableFormat, csv_bytes, parquet_bytes, write_h5ad
from celltransfer_core.outputs.manifests import manifest
from celltransfer_core.outputs.study_tables import StudyTables
from celltransfer_core.outputs.tables import differential_table, predictions_table
from celltransfer_core.people.reviews import Review
from celltransfer_core.pipeline.result import RunResult
from celltransfer_core.runtime.files import write_atomically


def write_run(
    result: RunResult,
    folder: Path | str,
    table_format: TableFormat = "csv",
    reviews: Sequence[Review] = (),
) -> list[Path]:
    """Write everything a run found.

    Parameters
    ----------
    result : RunResult
        UpdatedVote by these reviews, if there are any.
    folder : path
        Made if need be. Each file is written beside its place and then moved, so that there is
        never half a file.
    table_format : {"csv", "parquet", "h5ad"}
        What the tables are written as beside CSV.
    reviews : sequence of Review
        In the order they were made. Where there are any, reviewed and final types stand in
        ``predictions.csv``, and ``reviews.csv`` lists who said what.

    Returns
    -------
    list of Path
        The files, ``predictions.csv`` first.

    Raises
    ------
    OutputError
        If the folder cannot be written to or the disk is full.
    """
    folder = Path(folder)
    outcome = StudyTables(result, reviews)
    predictions = outcome.cells() if reviews else predictions_table(result)
    tables = {
        "predictions": predictions,
        "clusters": outcome.clusters(),
        "matches": outcome.matches(),
        "differential": outcome.differential() if reviews else differential_table(result),
    }
    if reviews:
        tables["reviews"] = outcome.answers()
    written = [
        write_atomically(folder / f"{name}.csv", csv_bytes(table)) for name, table in tables.items()
    ]
    text = json.dumps(manifest(result), indent=1, ensure_ascii=False, sort_keys=False) + "\n"
    written.append(write_atomically(folder / "manifest.json", text.encode()))
    for name, arrays in (
        ("similarity.npz", similarity_arrays(result)),
        ("neighbours.npz", neighbour_arrays(result)),
    ):
        buffer = io.BytesIO()
        np.savez_compressed(buffer, **arrays)
        written.append(write_atomically(folder / name, buffer.getvalue()))
    if table_format == "parquet":
        for name, table in tables.items():
            written.append(write_atomically(folder / f"{name}.parquet", parquet_bytes(table)))
    elif table_format == "h5ad":
        described = manifest(result)
        written.append(write_h5ad(predictions, described, folder / "predictions.h5ad"))
    return written
