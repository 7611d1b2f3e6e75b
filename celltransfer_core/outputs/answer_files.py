"""Read files of answers, either as they are or checked against a query.

A file is a ``reviews.csv``, another table, a workbook, or a folder of images with one sub-folder
per type.
"""

from __future__ import annotations

import datetime as dt
import hashlib
from collections.abc import Mapping
from pathlib import Path

from celltransfer_core.data.dataset import Dataset
from celltransfer_core.data.folders import find_files
from celltransfer_core.data.table_bytes import read_text
from celltransfer_core.errors import DataError
from celltransfer_core.outputs.brought_in import (
    Said,
    find_conflicts,
    said_in_folders,
    said_in_table,
)
from celltransfer_core.outputs.known_types import KnownTypes
from celltransfer_core.outputs.query_cells import CheckedCells
from celltransfer_core.people.reviews import Review
from celltransfer_core.vocabulary import ANSWERS, DISPUTED


def read_elsewhere(path: Path, columns: Mapping[str, str] | None = None) -> tuple[Said, ...]:
    """Read the types that a table, or a folder with one sub-folder per type, gives to cells.

    Parameters
    ----------
    path : Path
    columns : mapping from str to str, optional
        Columns of the table to use as ``file`` and ``label``.

    Returns
    -------
    tuple of Said

    Raises
    ------
    DataError
        If it cannot be read; see :func:`~celltransfer_core.outputs.brought_in.said_in_table`.
    """
    if path.is_dir():
        there = find_files(path)[0]
        names = [name for name in there if "/" in name]
        if not names:
            what = "its images are in no sub-folder" if there else "it contains no image"
            raise DataError(f"{path}: {what}; give a folder with one sub-folder per type.")
        return said_in_folders({name: _content(path / name) for name in names})
    written = read_text(path, bounded=False, sheet="reviews")
    return said_in_table(written.text, str(path), columns)


def checked_answers(
    path: Path,
    query: Dataset,
    known: KnownTypes,
    *,
    columns: Mapping[str, str] | None = None,
    reader: str = "",
) -> tuple[Review, ...]:
    """Read answers, every one of which must be valid.

    Parameters
    ----------
    path : Path
    query : Dataset
    known : KnownTypes
        Collects names that are not types; the caller must stop if there are any.
    columns : mapping from str to str, optional
        See :func:`read_elsewhere`.
    reader : str
        Reader to use where the file names none; by default the name of the file.

    Returns
    -------
    tuple of Review
        Answers without a time get the time of the file.

    Raises
    ------
    DataError
        If a value is invalid, a cell is not in this query, or two answers contradict each other.
    """
    cells = CheckedCells(path, query, "check it, and remove this row")
    said = read_elsewhere(path, columns)
    stamp = dt.datetime.fromtimestamp(path.stat().st_mtime, dt.UTC).isoformat(timespec="seconds")
    placed = []
    for one in said:
        cell = cells.find(one.place, one.file, one.sha256, folders=not one.sorted_by_type)
        if cell is None:
            continue
        answer = known.find(one.type_name, {*ANSWERS} - {DISPUTED}, str(path), one.line)
        who, time = one.reader or reader or path.stem, one.time or stamp
        review = Review(query.cells[cell], answer, who, time, one.blind, one.chance, one.source)
        placed.append((one, review))
    cells.stop_at_replaced()
    cells.stop_at_missing()
    for first, second in find_conflicts(placed).values():
        raise DataError(
            f"{path}, {first.place} and {second.place} give the same cell as {first.type_name} and "
            f"{second.type_name}; keep one."
        )
    return tuple(review for _, review in placed)


def _content(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise DataError(f"{path} cannot be read ({error.strerror}).") from error
