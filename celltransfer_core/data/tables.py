"""Tables (``labels.csv``, ``metadata.csv``) in, types, slides and patients of files out.

Not in the paper.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from itertools import zip_longest
from pathlib import Path, PurePosixPath

from celltransfer_core.data.checks import normalise_text
from celltransfer_core.data.dataset import Remark
from celltransfer_core.errors import DataError

LABELS_FILE = "labels.csv"
"""Types of files, and perhaps slides and patients."""

METADATA_FILE = "metadata.csv"
"""Slides and patients of files."""


def read_table_texts(root: Path) -> dict[str, str]:
    """Read the tables of a folder, as far as they are there.

    Parameters
    ----------
    root : Path

    Returns
    -------
    dict from file name to text

    Raises
    ------
    DataError
        If a table cannot be read or is not UTF-8.
    """
    paths = {name: root / name for name in (LABELS_FILE, METADATA_FILE)}
    return {name: _read_text(path) for name, path in paths.items() if path.is_file()}


class LabelTables:
    """Types, slides and patients of a set's files, from its tables and folders.

    Parameters
    ----------
    texts : mapping from file name to text
        ``labels.csv`` and ``metadata.csv``, as far as they are there.
    where : str
        Name of the set, for messages.
    labelled : bool
        Whether types are wanted; if not, labels in a table are not looked at.

    Raises
    ------
    DataError
        If a table lacks a column.
    """

    def __init__(self, texts: Mapping[str, str], where: str, *, labelled: bool) -> None:
        self.where = where
        self.rows: dict[str, dict[str, str]] = {}
        self.conflicts: dict[str, set[str]] = {}
        self.has_labels = labelled and LABELS_FILE in texts
        for table in (LABELS_FILE, METADATA_FILE):
            # A table of labels beside a query serves for slides and patients alone.
            label = {"label"} if labelled and table == LABELS_FILE else set()
            if table in texts:
                for row in parse_table(texts[table], f"{where}/{table}", {"file", *label}):
                    self._add(row, {"slide", "patient", *label})

    def _add(self, row: Mapping[str, str], columns: set[str]) -> None:
        name = PurePosixPath(normalise_text(row["file"].replace("\\", "/"))).as_posix()
        known = self.rows.setdefault(name, {})
        for column in columns:
            value = normalise_text(row.get(column, ""))
            if value and known.setdefault(column, value) != value:
                self.conflicts.setdefault(name, set()).add(column)

    def notes(self, names: Sequence[str]) -> list[Remark]:
        """List files of the tables that are not there, and contradictory slides and patients.

        Parameters
        ----------
        names : sequence of str
            The files that are there.

        Returns
        -------
        list of Remark
        """
        present = {normalise_text(name) for name in names}
        missing = [
            Remark(name, "stands in a table but not in the folder")
            for name in self.rows
            if name not in present
        ]
        return missing + [
            Remark(name, f"has contradictory entries for {column}; none is used")
            for name, columns in self.conflicts.items()
            for column in sorted(columns - {"label"})
            if name in present
        ]

    def types(self, names: Sequence[str]) -> tuple[dict[str, str], list[Remark]]:
        """Find the type of each file, and the files that have none.

        Parameters
        ----------
        names : sequence of str

        Returns
        -------
        labels : dict from file to type
        left_out : list of Remark

        Raises
        ------
        DataError
            If there is neither a table of labels nor a sub-folder.
        """
        if not self.has_labels and names and not any("/" in name for name in names):
            raise DataError(
                f"{self.where} holds no usable image, for none has a type; put them into one "
                f"sub-folder a type, or add a {LABELS_FILE} with the columns file,label."
            )
        labels: dict[str, str] = {}
        left_out: list[Remark] = []
        for name in names:
            if "label" in self.conflicts.get(normalise_text(name), ()):
                left_out.append(Remark(name, f"has contradictory rows in {LABELS_FILE}"))
            elif self.has_labels:
                label = self.rows.get(normalise_text(name), {}).get("label", "")
                if label:
                    labels[name] = label
                else:
                    left_out.append(Remark(name, f"has no label in {LABELS_FILE}"))
            elif "/" not in name:
                left_out.append(Remark(name, "lies outside the types' sub-folders"))
            elif label := normalise_text(name.split("/", 1)[0]):
                labels[name] = label
            else:
                left_out.append(Remark(name, "its folder's name is blank, so it has no type"))
        return labels, left_out

    def column(self, column: str, names: Sequence[str]) -> tuple[str, ...] | None:
        """Look up a column's value for each file.

        Parameters
        ----------
        column : {"slide", "patient"}
        names : sequence of str

        Returns
        -------
        tuple of str or None
            Empty where unknown; None if no file has one.
        """
        values = tuple(self._value(column, normalise_text(name)) for name in names)
        return values if any(values) else None

    def _value(self, column: str, name: str) -> str:
        if column in self.conflicts.get(name, ()):
            return ""
        return self.rows.get(name, {}).get(column, "")


def read_table(path: Path, needs: Iterable[str]) -> list[dict[str, str]]:
    """Read a table of text, separated by commas, semicolons or tabs.

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
    return parse_table(_read_text(path), str(path), needs)


def _read_text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise DataError(f"{path} is not UTF-8 text; save it as CSV (UTF-8).") from error
    except OSError as error:
        raise DataError(f"{path} cannot be read ({error.strerror}).") from error


def parse_table(text: str, name: str, needs: Iterable[str]) -> list[dict[str, str]]:
    """Read a table from its text; see :func:`read_table`.

    Parameters
    ----------
    text : str
    name : str
        Of the table, for messages.
    needs : iterable of str

    Returns
    -------
    list of dict

    Raises
    ------
    DataError
        If the table lacks a column.
    """
    header = text.strip().split("\n", 1)[0]
    separator = max(",;\t", key=header.count)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator)
    try:
        rows = [row for row in reader if any(cell.strip() for cell in row)]
    except csv.Error as error:
        raise DataError(f"{name} is not a table ({error}).") from error
    columns = [cell.strip().lower() for cell in rows[0]] if rows else []
    width = len(columns)
    missing = [column for column in needs if column not in columns]
    if missing:
        raise DataError(
            f"{name} needs the columns {', '.join(sorted(needs))}; "
            f"it has {', '.join(columns) or 'none'}."
        )
    records = [
        {column: cell.strip() for column, cell in zip_longest(columns, row[:width], fillvalue="")}
        for row in rows[1:]
    ]
    return [record for record in records if record.get("file", "-")]
