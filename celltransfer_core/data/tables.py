"""Read the rows of tables, and define which tables belong to a set and what they must contain.

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
"""Table with the types of files, and optionally slides and patients."""

METADATA_FILE = "metadata.csv"
"""Table with the slides and patients of files."""

_FORMS = (".csv", ".tsv", ".xlsx")

LABEL_TABLES = tuple(f"labels{form}" for form in _FORMS)
TABLES = (*LABEL_TABLES, *(f"metadata{form}" for form in _FORMS))
"""Tables that are used next to the folders of types; case is ignored."""


def needed_columns(table: str, *, labelled: bool) -> frozenset[str]:
    """Return the columns that a set's table must have.

    Parameters
    ----------
    table : str
        One of :data:`TABLES`.
    labelled : bool
        Whether the set's types are wanted: the label table of a query is used only for slides and
        patients.

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
    """Read a table, whatever program wrote it.

    Parameters
    ----------
    path : Path
    needs : iterable of str
        Required columns; case is ignored.

    Returns
    -------
    list of dict
        One per row, keyed by lower-case column; values are stripped, and empty if a row is short;
        rows without a file are left out.

    Raises
    ------
    DataError
        If the table cannot be read or lacks a column.
    """
    return parse_table(read_text(path, bounded=False).text, str(path), needs, bounded=False)


def rows_of(written: TableText, name: str, needs: Iterable[str], *, bounded: bool = True) -> Rows:
    """Read the rows of an imported table.

    Parameters
    ----------
    written : TableText
    name : str
        Name of the table, for messages.
    needs : iterable of str
        Required columns.
    bounded : bool
        Whether the limits apply, as for users' tables; tables written by CellTransfer may have any
        length.

    Returns
    -------
    Rows

    Raises
    ------
    ColumnsError
        If the columns are ambiguous.
    DataError
        If it is not text or was cut short, has a duplicate column, is longer or wider than a table
        of cells would be, or a row not separated by tabs has more values than there are columns.
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
    """Parse a table from its text; see :func:`read_table`.

    Parameters
    ----------
    text : str
    name, needs, bounded
        See :func:`rows_of`.
    columns : mapping from str to str, optional
        Columns that the user chose for ``file`` and ``label``.

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
