"""Write a run to a folder: tables, manifest, similarity scores and neighbours."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from celltransfer_core.errors import DataError
from celltransfer_core.outputs.arrays import neighbour_arrays, similarity_arrays
from celltransfer_core.outputs.formats import (
    TableFormat,
    csv_bytes,
    json_bytes,
    npz_bytes,
    parquet_bytes,
    write_h5ad,
)
from celltransfer_core.outputs.manifests import manifest
from celltransfer_core.outputs.model_file import write_model
from celltransfer_core.outputs.study_tables import StudyTables
from celltransfer_core.outputs.workbook import write_workbook
from celltransfer_core.people.reviews import Review
from celltransfer_core.pipeline.portable import CellClassifier
from celltransfer_core.pipeline.result import RunResult
from celltransfer_core.runtime.files import write_atomically

if TYPE_CHECKING:
    import pandas as pd


MODEL = "model.zip"
"""File of the classifier trained on a run; see :mod:`celltransfer_core.outputs.model_file`."""


def write_run(
    result: RunResult,
    folder: Path | str,
    table_format: TableFormat = "csv",
    reviews: Sequence[Review] = (),
) -> list[Path]:
    """Write everything that a run computed.

    Parameters
    ----------
    result : RunResult
        Updated with these reviews, if there are any.
    folder : path
        Created if needed. Each file is written to a temporary name and then renamed, so that a file
        is never incomplete.
    table_format : {"csv", "parquet", "h5ad", "xlsx"}
        A further format of the tables, in addition to CSV; ``xlsx`` is one workbook of all tables.
    reviews : sequence of Review
        In the order they were made. ``predictions.csv`` contains the answers and the final types;
        if there are answers, ``reviews.csv`` lists them with their readers.

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
    tables = StudyTables(result, reviews).all()
    described = manifest(result, reviews)
    written = [
        write_atomically(folder / name, data)
        for name, data in _contents(result, tables, described, table_format)
    ]
    if table_format == "h5ad":
        path = folder / "predictions.h5ad"
        written.append(write_h5ad(tables["predictions"], described, path))
    with suppress(DataError):  # at least two types are needed
        written.append(write_model(CellClassifier().fit(result, reviews), folder / MODEL))
    if table_format == "xlsx":
        written.append(write_workbook(tables, folder / "tables.xlsx"))
    return written


def _contents(
    result: RunResult,
    tables: Mapping[str, pd.DataFrame],
    described: Mapping[str, Any],
    table_format: TableFormat,
) -> Iterator[tuple[str, bytes]]:
    """Yield the files one by one, name and bytes, so that only one is in memory."""
    for name, table in tables.items():
        yield f"{name}.csv", csv_bytes(table)
    yield "manifest.json", json_bytes(described)
    yield "similarity.npz", npz_bytes(similarity_arrays(result))
    yield "neighbours.npz", npz_bytes(neighbour_arrays(result))
    if table_format == "parquet":
        for name, table in tables.items():
            yield f"{name}.parquet", parquet_bytes(table)
