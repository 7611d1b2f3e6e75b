"""Tables (``labels.csv``, ``metadata.csv``) in, types, slides and patients of files out.

Not in the paper.
"""

from __future__ import annotations

import csv
import io
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import zip_longest
from pathlib import Path, PurePosixPath

from celltransfer_core.data.checks import normalise_text
from celltransfer_core.data.dataset import Remark
from celltransfer_core.errors import DataError

LABELS_FILE = "labels.csv"
"""Types of files, and perhaps slides and patients."""

METADATA_FILE = "metadata.csv"
"""Slides and patients of files."""

TABLES = (LABELS_FILE, METADATA_FILE)
"""Tables that count beside the types' folders, in any spelling of their names."""

MAX_TABLE = 50_000_000
"""Bytes of a table."""

LEFT_OUT = "\ufffc"
"""Text in place of a table of more bytes, so that its set says so and takes no types instead."""

MAX_ROWS = 500_000
MAX_COLUMNS = 2_000
MAX_VALUE = 10_000
"""Rows and columns of a table, and characters of one value."""

MAX_LINES = 2_000_000
"""With those that hold nothing, as spreadsheets leave them."""

_UNTIDY = re.compile(r"^$|^\.|//|/\.|/$")  # a file's name that a path would write otherwise


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
        If a table cannot be read, is not UTF-8, or is there in two spellings of its name.
    """
    found: dict[str, str] = {}
    for path in sorted(path for path in root.iterdir() if path.name.lower() in TABLES):
        name = path.name.lower()
        if name in found:
            raise DataError(f"{root} holds {name} twice, in capitals and not; keep one.")
        found[name] = _read_text(path, bounded=True)
    return found


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
        for table in TABLES:
            if table in texts:
                needs = needed_columns(table, labelled=labelled)
                for row in parse_table(texts[table], f"{where}/{table}", needs):
                    self._add(row, {"slide", "patient", *needs} - {"file"})

    def _add(self, row: Mapping[str, str], columns: set[str]) -> None:
        name = named_file(row["file"])
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
        inside: dict[str, list[str]] = {}
        for name in sorted(present):
            inside.setdefault(name.rpartition("/")[2], []).append(name)
        missing = [
            Remark(name, _not_there(inside.get(name, ())))
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
        keys = [normalise_text(name) for name in names]
        spelt = Counter(keys)
        for name, key in zip(names, keys, strict=True):
            if self.has_labels and spelt[key] > 1:
                left_out.append(Remark(name, "another file's name reads the same; rename one"))
            elif "label" in self.conflicts.get(key, ()):
                left_out.append(Remark(name, f"has contradictory rows in {LABELS_FILE}"))
            elif self.has_labels:
                label = self.rows.get(key, {}).get("label", "")
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
        keys = [normalise_text(name) for name in names]
        spelt = Counter(keys)
        values = tuple(self._value(column, key) if spelt[key] == 1 else "" for key in keys)
        return values if any(values) else None

    def _value(self, column: str, name: str) -> str:
        if column in self.conflicts.get(name, ()):
            return ""
        return self.rows.get(name, {}).get(column, "")


def _not_there(inside: Sequence[str]) -> str:
    """Tell why a file that a table names is not used; ``inside`` are those in sub-folders."""
    if not inside:
        return "stands in a table but not in the folder"
    return f"stands in a table without its folder; write it as {' or '.join(inside[:2])}"


def named_file(value: str) -> str:
    """Bring the name of a file in a table to the spelling that files are looked up by.

    Parameters
    ----------
    value : str
        Of the column ``file``.

    Returns
    -------
    str
        With ``/`` between folders, in Unicode's normal form C.
    """
    text = normalise_text(value.replace("\\", "/"))
    # A path takes ten times as long, and changes none but these.
    return PurePosixPath(text).as_posix() if _UNTIDY.search(text) else text


def needed_columns(table: str, *, labelled: bool) -> frozenset[str]:
    """Tell which columns a set's table must have.

    Parameters
    ----------
    table : {"labels.csv", "metadata.csv"}
    labelled : bool
        Whether the set's types are wanted: a table of labels beside a query serves for slides and
        patients alone.

    Returns
    -------
    frozenset of str
    """
    return frozenset({"file", "label"} if labelled and table == LABELS_FILE else {"file"})


def table_problem(text: str, name: str, needs: Iterable[str]) -> str:
    """Return why a table cannot be read.

    Parameters
    ----------
    text, name, needs
        See :func:`parse_table`.

    Returns
    -------
    str
        Empty if it can.
    """
    try:
        parse_table(text, name, needs)
    except DataError as error:
        return str(error)
    return ""


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
    return parse_table(_read_text(path, bounded=False), str(path), needs, bounded=False)


def _read_text(path: Path, *, bounded: bool) -> str:
    try:
        if bounded and path.stat().st_size > MAX_TABLE:
            raise DataError(too_long(str(path)))
        return path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise DataError(f"{path} is not UTF-8 text; save it as CSV (UTF-8).") from error
    except OSError as error:
        raise DataError(f"{path} cannot be read ({error.strerror}).") from error


def too_long(name: str) -> str:
    """Say that a table is too long to be read.

    Parameters
    ----------
    name : str

    Returns
    -------
    str
    """
    return f"{name} is over {MAX_TABLE // 1_000_000} MB; keep file, label, slide and patient alone."


def parse_table(
    text: str, name: str, needs: Iterable[str], *, bounded: bool = True
) -> list[dict[str, str]]:
    """Read a table from its text; see :func:`read_table`.

    Parameters
    ----------
    text : str
    name : str
        Of the table, for messages.
    needs : iterable of str
    bounded : bool
        Whether the table is somebody's, and limits hold; results of ours may be of any length.

    Returns
    -------
    list of dict

    Raises
    ------
    DataError
        If the table is not UTF-8 or was cut short, lacks a column or has it twice, is longer or
        wider than a table of cells would be, or a row separated by commas or semicolons has more
        values than there are columns.
    """
    if bounded and (len(text) > MAX_TABLE or text == LEFT_OUT):
        raise DataError(too_long(name))
    if "\ufffd" in text:  # stands for bytes that are no text
        raise DataError(f"{name} is not UTF-8 text; save it as CSV (UTF-8).")
    header = text.strip().split("\n", 1)[0]
    separator = max(",;\t", key=header.count)
    # Strictly: a quotation mark that is not closed would swallow the rows after it.
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True)
    try:
        lines = _within_limits(reader, name) if bounded else reader
        rows = [row for row in lines if any(map(str.strip, row))]
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
    if twice := {column for column in columns if column and columns.count(column) > 1}:
        raise DataError(f"{name} has the column {min(twice)} twice; keep one.")
    wide = next(
        (row for row in rows if len(row) > width and any(map(str.strip, row[width:]))), None
    )
    if wide and separator != "\t":  # no value holds a tab: what follows can only be notes
        raise DataError(
            f"{name} has a row with more values than columns ({separator.join(wide)[:80]}); put "
            f"quotation marks around a value that holds a {separator}"
        )
    records = [
        dict(zip_longest(columns, map(str.strip, row[:width]), fillvalue="")) for row in rows[1:]
    ]
    return [record for record in records if record.get("file", "-")]


def _within_limits(lines: Iterable[list[str]], name: str) -> Iterator[list[str]]:
    """Pass lines on as long as a table of cells may have them."""
    rows = 0
    for number, row in enumerate(lines):
        rows += any(map(str.strip, row))
        if number > MAX_LINES:
            raise DataError(f"{name} has over {MAX_LINES:,} lines; delete those that are empty.")
        if rows > MAX_ROWS + 1:
            raise DataError(f"{name} has over {MAX_ROWS:,} rows; keep those of this set.")
        if len(row) > MAX_COLUMNS:
            raise DataError(
                f"{name} has over {MAX_COLUMNS:,} columns; keep file, label, slide and patient."
            )
        if max(map(len, row), default=0) > MAX_VALUE:
            raise DataError(
                f"{name} has a value of over {MAX_VALUE:,} characters in row {rows}; shorten it."
            )
        yield row
