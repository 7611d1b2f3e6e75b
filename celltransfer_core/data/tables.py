"""Tables in, their rows out: which tables count beside a set's images, and what they must have.

Not in the paper.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import zip_longest
from pathlib import Path

from celltransfer_core.data.table_bytes import TableText, check_readable, read_text
from celltransfer_core.data.table_rows import Rows, read_rows
from celltransfer_core.errors import DataError

LABELS_FILE = "labels.csv"
"""Types of files, and perhaps slides and patients."""

METADATA_FILE = "metadata.csv"
"""Slides and patients of files."""

_FORMS = (".csv", ".tsv", ".xlsx")

LABEL_TABLES = tuple(f"labels{form}" for form in _FORMS)
TABLES = (*LABEL_TABLES, *(f"metadata{form}" for form in _FORMS))
"""Tables that count beside the types' folders, in any spelling of their names."""


def needed_columns(table: str, *, labelled: bool) -> frozenset[str]:
    """Tell which columns a set's table must have.

    Parameters
    ----------
    table : str
        Of :data:`TABLES`.
    labelled : bool
        Whether the set's types are wanted: a table of labels beside a query serves for slides and
        patients alone.

    Returns
    -------
    frozenset of str
    """
    return frozenset({"file", "label"} if labelled and table in LABEL_TABLES else {"file"})


def table_problem(
    text: str, name: str, needs: Iterable[str], columns: Mapping[str, str] | None = None
) -> str:
    """Return why a table cannot be read.

    Parameters
    ----------
    text, name, needs, columns
        See :func:`parse_table`.

    Returns
    -------
    str
        Empty if it can.
    """
    try:
        rows_of(TableText(text, columns=columns or {}), name, needs)
    except DataError as error:
        return str(error)
    return ""


def read_table(path: Path, needs: Iterable[str]) -> list[dict[str, str]]:
    """Read a table, however a program wrote it.

    Parameters
    ----------
    path : Path
    needs : iterable of str
        Columns that must be there; case does not matter.

    Returns
    -------
    list of dict
        One a row, by lower-case column; values stripped, empty where a row is short; rows without
        a file left out.

    Raises
    ------
    DataError
        If the table cannot be read or lacks a column.
    """
    return parse_table(read_text(path, bounded=False).text, str(path), needs, bounded=False)


def rows_of(written: TableText, name: str, needs: Iterable[str], *, bounded: bool = True) -> Rows:
    """Read the rows of a table that came in.

    Parameters
    ----------
    written : TableText
    name : str
        Of the table, for messages.
    needs : iterable of str
        Columns that must be there.
    bounded : bool
        Whether the table is somebody's, and limits hold; results of ours may be of any length.

    Returns
    -------
    Rows

    Raises
    ------
    ColumnsError
        If it is not clear which column is which.
    DataError
        If it is no text or was cut short, has a column twice, is longer or wider than a table of
        cells would be, or a row separated by anything but tabs has more values than there are
        columns.
    """
    check_readable(written.text, name, bounded=bounded)
    return read_rows(written.text, name, needs, written.columns, bounded=bounded)


def parse_table(
    text: str,
    name: str,
    needs: Iterable[str],
    columns: Mapping[str, str] | None = None,
    *,
    bounded: bool = True,
) -> list[dict[str, str]]:
    """Read a table from its text; see :func:`read_table`.

    Parameters
    ----------
    text : str
    name, needs, bounded
        See :func:`rows_of`.
    columns : mapping from str to str, optional
        Columns that a person chose for ``file`` and ``label``.

    Returns
    -------
    list of dict

    Raises
    ------
    DataError
        See :func:`rows_of`.
    """
    table = rows_of(TableText(text, columns=columns or {}), name, needs, bounded=bounded)
    width = len(table.columns)
    records = [
        dict(zip_longest(table.columns, map(str.strip, row[:width]), fillvalue=""))
        for row in table.rows
    ]
    return [record for record in records if record.get("file", "-")]
