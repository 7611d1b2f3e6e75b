"""Formats of tables and manifests: CSV, Parquet, AnnData and JSON."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from celltransfer_core.data.formula_guard import is_formula
from celltransfer_core.errors import OutputError
from celltransfer_core.runtime.extras import need
from celltransfer_core.runtime.files import write_whole

if TYPE_CHECKING:
    import pandas as pd


TableFormat = Literal["csv", "parquet", "h5ad", "xlsx"]

MARK = b"\xef\xbb\xbf"
"""Byte order mark by which Excel recognises UTF-8; pandas and ``utf-8-sig`` skip it."""


def write_h5ad(predictions: pd.DataFrame, described: Mapping[str, Any], path: Path) -> Path:
    """Write predictions as AnnData: shares of the vote in X, all other columns in obs.

    Parameters
    ----------
    predictions : DataFrame
        From :func:`celltransfer_core.outputs.tables.predictions_table` or ``reviewed_table``.
    described : mapping
        The manifest, kept as JSON in ``uns``.
    path : Path

    Returns
    -------
    Path
        The same.

    Raises
    ------
    OutputError
        If anndata is not installed, the folder cannot be written to or the disk is full.
    """
    need("formats", "An h5ad file", OutputError, "anndata")
    import anndata

    table = predictions.set_index("file")
    shares = [name for name in table.columns if name.startswith("share:")]
    annotated = anndata.AnnData(
        X=table[shares].to_numpy(np.float32),
        obs=table.drop(columns=shares),
        var={"type": [name.removeprefix("share:") for name in shares]},
    )
    annotated.var_names = [name.removeprefix("share:") for name in shares]
    annotated.uns["manifest"] = json.dumps(described, ensure_ascii=False)
    return write_whole(path, annotated.write_h5ad)


def csv_bytes(table: pd.DataFrame) -> bytes:
    """Write a table as CSV: UTF-8 with a byte order mark, six decimals, ``true`` and ``false``.

    Parameters
    ----------
    table : DataFrame
        Texts that a spreadsheet would read as a formula (beginning with ``=``, ``+``, ``-``, ``@``,
        a tab or a line break) are prefixed with an apostrophe. The functions of
        :mod:`celltransfer_core.outputs.read_back` remove it.

    Returns
    -------
    bytes
    """
    written = table.copy(deep=False)
    for name in table.select_dtypes(exclude=["number", "bool"]).columns:
        written[name] = _guard(table[name])
    for name in table.select_dtypes(bool).columns:
        written[name] = table[name].map({True: "true", False: "false"})
    text: str = written.to_csv(index=False, float_format="%.6f", lineterminator="\n")
    return MARK + text.encode()


def _guard(column: pd.Series[Any]) -> pd.Series[Any]:
    texts = {text for text in column.unique() if isinstance(text, str) and is_formula(text)}
    return column.map(lambda value: f"'{value}" if value in texts else value) if texts else column


def parquet_bytes(table: pd.DataFrame) -> bytes:
    """Write a table as Parquet.

    Parameters
    ----------
    table : DataFrame

    Returns
    -------
    bytes
    """
    buffer = io.BytesIO()
    table.to_parquet(buffer, index=False)
    return buffer.getvalue()


def json_bytes(described: Mapping[str, Any]) -> bytes:
    """Write a manifest as JSON: UTF-8, indented, with the order of its keys kept.

    Parameters
    ----------
    described : mapping
        JSON types only.

    Returns
    -------
    bytes
        Ends with a line break.
    """
    return (json.dumps(described, indent=1, ensure_ascii=False) + "\n").encode()


def npz_bytes(arrays: Mapping[str, Any]) -> bytes:
    """Write arrays as a compressed NumPy archive.

    Parameters
    ----------
    arrays : mapping from name to ndarray

    Returns
    -------
    bytes
    """
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **arrays)
    return buffer.getvalue()
