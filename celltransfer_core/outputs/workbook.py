"""Write tables as one Excel workbook with one sheet per table.

Numbers are stored as numbers and texts as texts, even if they look like a formula, an error or a
date. The same tables give the same bytes.
"""

from __future__ import annotations

import datetime as dt
import re
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zipfile import ZIP_DEFLATED, ZipFile, ZipInfo

import numpy as np

from celltransfer_core.errors import OutputError
from celltransfer_core.runtime.files import write_whole

if TYPE_CHECKING:
    import pandas as pd

MOST_ROWS, MOST_COLUMNS = 1_048_576, 16_384
"""Rows of a sheet at most, including its header."""

_WIDEST, _MEASURED = 40, 100  # characters of a column, and rows used to set its width
_NOT_IN_XML = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]")
_ESCAPE = re.compile(r"_(?=x[0-9A-Fa-f]{4}_)")  # Excel reads _x1024_ as one character
_NO_TIME = dt.datetime(1980, 1, 1)  # the earliest date that a zip can hold


def write_workbook(tables: Mapping[str, pd.DataFrame], path: Path) -> Path:
    """Write tables as an Excel workbook: one sheet per table, with a frozen header.

    Parameters
    ----------
    tables : mapping from name to DataFrame
        At least one; names of up to 31 letters.
    path : Path

    Returns
    -------
    Path
        The same.

    Raises
    ------
    OutputError
        If a table is too long or too wide for a sheet, the folder cannot be written to or the disk
        is full.
    """
    from openpyxl import Workbook
    from openpyxl.writer.excel import ExcelWriter

    for name, table in tables.items():
        if len(table) >= MOST_ROWS or len(table.columns) > MOST_COLUMNS:
            raise OutputError(
                f"{name} has {len(table):,} rows and {len(table.columns):,} columns; an Excel "
                f"sheet can hold {MOST_ROWS - 1:,} and {MOST_COLUMNS:,}. Use CSV or Parquet."
            )

    def write(beside: Path) -> None:
        book = Workbook(write_only=True)
        for name, table in tables.items():
            _fill(book.create_sheet(name), table)
        book.properties.created = book.properties.modified = _NO_TIME
        with _Timeless(beside, "w", ZIP_DEFLATED) as archive:
            ExcelWriter(book, archive).save()

    return write_whole(path, write)


class _Timeless(ZipFile):
    """A zip whose entries have a fixed time."""

    def writestr(self, zinfo_or_arcname: Any, data: Any, *_: Any, **__: Any) -> None:
        super().writestr(ZipInfo(str(zinfo_or_arcname)), data, ZIP_DEFLATED)

    def write(self, filename: Any, arcname: Any = None, *_: Any, **__: Any) -> None:
        entry = ZipInfo(str(arcname))
        entry.compress_type = ZIP_DEFLATED
        with Path(filename).open("rb") as file, self.open(entry, "w", force_zip64=True) as into:
            shutil.copyfileobj(file, into)


def _fill(sheet: Any, table: pd.DataFrame) -> None:
    """Write a table to an empty sheet, row by row."""
    from openpyxl.utils import get_column_letter

    sheet.freeze_panes = "A2"
    for number, name in enumerate(table.columns, start=1):
        longest = max(map(len, [str(name), *map(str, table[name].head(_MEASURED))]))
        sheet.column_dimensions[get_column_letter(number)].width = min(_WIDEST, longest + 2)
    sheet.append([_filled(_text_cell(sheet), str(name)) for name in table.columns])
    for row in zip(*(_values(sheet, table[name]) for name in table.columns), strict=True):
        sheet.append(row)


def _values(sheet: Any, column: pd.Series[Any]) -> Iterator[Any]:
    """Return the values of a column for its cells; None if missing or not finite."""
    if column.dtype.kind in "bi":
        return iter(column.tolist())
    if column.dtype.kind == "f":
        return (value if np.isfinite(value) else None for value in column.tolist())
    cell = _text_cell(sheet)
    return (_filled(cell, str(value)) if value else None for value in column.fillna("").tolist())


def _text_cell(sheet: Any) -> Any:
    from openpyxl.cell import WriteOnlyCell

    cell = WriteOnlyCell(sheet)
    cell.number_format = "@"  # nor a date once somebody edits it
    return cell


def _filled(cell: Any, text: str) -> Any:
    """Fill a cell, which is written before the next row is requested."""
    cell.value = _ESCAPE.sub("_x005F_", _NOT_IN_XML.sub("\ufffd", text))
    cell.data_type = "s"  # never a formula or an error, whatever it looks like
    return cell
