"""Tables that users hand back: reading rows, and checking their values.

Tables saved again by a spreadsheet, and sheets of a workbook, can be read too. An invalid value
raises an error that names the line.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from celltransfer_core.data.formula_guard import unguarded
from celltransfer_core.data.table_bytes import check_readable, read_text
from celltransfer_core.data.table_rows import read_rows
from celltransfer_core.errors import DataError
from celltransfer_core.outputs.entries import decimal, moment, truth
from celltransfer_core.outputs.pseudonyms import is_pseudonym


def rows_of_file(
    path: Path, sheet: str, needs: Iterable[str]
) -> Iterator[tuple[int, dict[str, str]]]:
    """Yield each row of a table, or of a sheet of a workbook.

    Parameters
    ----------
    path : Path
    sheet : str
        Sheet to read if the file is a workbook.
    needs : iterable of str
        Required columns.

    Yields
    ------
    line : int
    values : dict from column to str

    Raises
    ------
    DataError
        If the table cannot be read, or lacks a column.
    """
    told = read_text(path, bounded=False, sheet=sheet).text
    check_readable(told, str(path), bounded=False)
    yield from rows_of_text(told, str(path), needs)


def rows_of_text(
    text: str, name: str, needs: Iterable[str], columns: Mapping[str, str] | None = None
) -> Iterator[tuple[int, dict[str, str]]]:
    """Yield each row of a table's text; see :func:`rows_of_file`.

    Parameters
    ----------
    text : str
    name : str
        Name of the table, for messages.
    needs : iterable of str
    columns : mapping from str to str, optional
        Columns that the user chose for ``file`` and ``label``.

    Yields
    ------
    line : int
    values : dict from column to str

    Raises
    ------
    ColumnsError
        If a column is missing, or could be either of two.
    DataError
        If the text is not a table.
    """
    table = read_rows(_mended(text), name, needs, columns, bounded=False)
    for line, row in zip(table.lines, table.rows, strict=True):
        values = (unguarded(value.strip()) for value in row)
        filled = dict.fromkeys(table.columns, "") | dict(zip(table.columns, values, strict=False))
        yield line, {name: value.strip() for name, value in filled.items()}


def hash_in(name: str, line: int, row: Mapping[str, str]) -> str:
    """Read the hash of a row's image.

    Parameters
    ----------
    name : str
        Name of the table, for messages.
    line : int
    row : mapping from column to str

    Returns
    -------
    str
        Empty if the row has none.

    Raises
    ------
    DataError
        If it is a pseudonym.
    """
    if is_pseudonym(told := row.get("sha256", "").lower()):
        raise DataError(
            f"{name}, line {line}, has a pseudonym instead of a hash; export the table without "
            "pseudonyms."
        )
    return told


def truth_in(name: str, line: int, row: Mapping[str, str], column: str) -> bool:
    """Read a truth value; see :func:`hash_in`.

    Parameters
    ----------
    name, line, row
    column : str

    Returns
    -------
    bool
        False if the column is empty or missing.

    Raises
    ------
    DataError
        If it is neither yes nor no.
    """
    try:
        return truth(row.get(column, ""))
    except ValueError:
        raise DataError(
            f"{name}, line {line}: {column} is {row[column]!r}; write true or false."
        ) from None


def chance_in(name: str, line: int, row: Mapping[str, str]) -> float | None:
    """Read the probability with which the queue drew a row's cell; see :func:`hash_in`.

    Parameters
    ----------
    name, line, row

    Returns
    -------
    float or None
        None if not given.

    Raises
    ------
    DataError
        If it is not a probability.
    """
    told = row.get("chance", "")
    try:
        chance = decimal(told) if told else None
    except ValueError:
        chance = 0.0
    if chance is not None and not 0 < chance <= 1:
        raise DataError(
            f"{name}, line {line}: chance is {told!r}; leave it as it was exported, or empty."
        )
    return chance


def reader_in(name: str, line: int, row: Mapping[str, str]) -> str:
    """Read the reader's name; see :func:`hash_in`.

    Parameters
    ----------
    name, line, row

    Returns
    -------
    str
        Empty where the table has no such column.

    Raises
    ------
    DataError
        If the column is there but does not hold a readable name.
    """
    if "reader" not in row:
        return ""
    if not row["reader"] or not row["reader"].isprintable():
        raise DataError(f"{name}, line {line}: the reader is missing.")
    return row["reader"]


def time_in(name: str, line: int, row: Mapping[str, str]) -> str:
    """Read the time of an answer or a decision; see :func:`hash_in`.

    Parameters
    ----------
    name, line, row

    Returns
    -------
    str
        ISO 8601; empty where the table has no such column.

    Raises
    ------
    DataError
        If the column is there but does not hold a time.
    """
    if "time" not in row:
        return ""
    try:
        return moment(row["time"])
    except ValueError:
        raise DataError(
            f"{name}, line {line}: {row['time']!r} is not a time (such as 2026-01-31T12:00:00)."
        ) from None


def _mended(text: str) -> str:
    """Repair UTF-8 that was read as Windows-1252 and saved again (``Ãœ`` for ``Ü``)."""
    try:
        return text.encode("cp1252").decode("utf-8-sig")
    except UnicodeError:
        return text
