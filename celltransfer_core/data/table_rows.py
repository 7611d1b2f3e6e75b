"""Parse the header and rows of a table from text with any common separator.

Values may be separated by commas, semicolons, tabs or pipes. A ``sep=`` line, comments with ``#``
or a title may precede the header. Not in the paper.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice

from celltransfer_core.data.table_columns import (
    ColumnsError,
    columns_problem,
    find_columns,
    tidy_header,
)
from celltransfer_core.errors import DataError

MAX_ROWS = 500_000
MAX_COLUMNS = 2_000
MAX_VALUE = 10_000
"""Maximum number of rows, of columns, and of characters in one value."""

MAX_LINES = 2_000_000
"""Maximum number of lines, including empty ones as spreadsheets leave them."""

_SEPARATORS = ",;\t|"
_ABOVE = 20  # lines searched for the header
_HEADER = 1_000_000  # characters of a line searched for column names
_LINE = re.compile(r"[^\r\n]*(?:\r\n|\r|\n|$)")
_SAID = re.compile(r"\"?sep=(.)\"?[,;\t|]*", re.IGNORECASE)
_IMAGE = re.compile(r"\.(png|jpe?g|tiff?|bmp|webp|gif)$", re.IGNORECASE)


@dataclass(frozen=True)
class Rows:
    """A parsed table."""

    columns: tuple[str, ...]
    """Names in lower case; always ``file`` and ``label``, whatever the table calls them."""
    rows: list[list[str]]
    """Values as written, without empty rows; some rows may be short."""
    lines: list[int]
    """Line number of each row in the file, from 1."""
    header: tuple[str, ...]
    """Names of the columns as written in the table."""
    note: str
    """Remark on the columns; empty if there is none."""


@dataclass(frozen=True)
class TableHeader:
    """Columns of a table, and the needed names that they stand for."""

    columns: tuple[str, ...]
    """Names as written in the table."""
    counts: Mapping[str, str]
    """Column of each needed name, without missing and ambiguous ones."""
    needs: tuple[str, ...]


@dataclass(frozen=True)
class _Head:
    """Position of the header, and format of a table."""

    begin: int
    line: int
    separator: str
    cells: tuple[str, ...]


def read_rows(
    text: str,
    name: str,
    needs: Iterable[str],
    chosen: Mapping[str, str] | None = None,
    *,
    bounded: bool = True,
) -> Rows:
    """Parse a table from its text.

    Parameters
    ----------
    text : str
    name : str
        Name of the table, for messages.
    needs : iterable of str
        Required columns.
    chosen : mapping from name to str, optional
        Columns that the user chose for ``file`` and ``label``.
    bounded : bool
        Whether the limits apply.

    Returns
    -------
    Rows

    Raises
    ------
    ColumnsError
        If a column is missing, or two columns are possible.
    DataError
        If it is not a table, has a duplicate column, is longer or wider than a table of cells would
        be, or a row has more values than there are columns. The message names the line.
    """
    needs, chosen = sorted({*needs}), chosen or {}
    if "\0" in text:
        line = text.count("\n", 0, text.index("\0")) + 1
        raise DataError(f"{name}, line {line}, holds a zero byte; save it again as CSV (UTF-8).")
    head = _find_head(text, needs, chosen)
    tidy = [tidy_header(cell) for cell in head.cells]
    if bounded and len(tidy) > MAX_COLUMNS:
        raise DataError(_too_wide(name))
    if twice := {column for column in tidy if column and tidy.count(column) > 1}:
        raise DataError(f"{name} has the column {min(twice)} twice (line {head.line}); keep one.")
    if any(_IMAGE.search(cell) for cell in head.cells):
        raise DataError(
            f"{name} has no header: line {head.line} reads {head.separator.join(head.cells)[:80]}. "
            f"Write the column names above it, including {' and '.join(needs)}."
        )
    found = find_columns(tidy, needs, chosen)
    if problem := columns_problem(name, head.line, head.cells, needs, found):
        raise ColumnsError(problem, [cell for cell in head.cells if cell])
    places = {at[0]: need for need, at in found.items()}
    # A column that the user rejected in favour of another must not be used in its place.
    columns = [places.get(at, "" if column in needs else column) for at, column in enumerate(tidy)]
    try:
        rows, lines = _read(text, head, name, bounded=bounded)
    except csv.Error as error:
        raise DataError(f"{name} is not a table ({error}).") from error
    _check_width(rows, lines, head, name)
    taken = [f"{head.cells[at]} as the {need}" for at, need in places.items() if tidy[at] != need]
    note = f"uses the column {' and '.join(taken)}" if taken else ""
    return Rows(tuple(columns), rows, lines, head.cells, note)


def read_header(text: str, needs: Iterable[str], chosen: Mapping[str, str]) -> TableHeader:
    """Read the columns of a table without its rows.

    Parameters
    ----------
    text : str
    needs : iterable of str
        Required columns.
    chosen : mapping from name to str
        Columns that the user chose.

    Returns
    -------
    TableHeader
    """
    wanted = tuple(sorted({*needs}))
    cells = _find_head(text, wanted, chosen).cells
    found = find_columns([tidy_header(cell) for cell in cells], wanted, chosen)
    counts = {need: cells[at[0]] for need, at in found.items() if len(at) == 1}
    return TableHeader(tuple(cell for cell in cells if cell), counts, wanted)


def _find_head(text: str, needs: Sequence[str], chosen: Mapping[str, str]) -> _Head:
    """Find the header: the first line that has the columns, possibly below titles.

    If there is no such line, it is the first line that is not a comment.
    """
    separators = _SEPARATORS
    lines: list[dict[str, _Head]] = []
    for number, match in enumerate(islice(_LINE.finditer(text), _ABOVE), start=1):
        line = match[0][:_HEADER].strip("\r\n\ufeff")
        if not lines and (said := _SAID.fullmatch(line.strip(" "))):
            separators = said[1]
        elif line.strip(" ,;\t|"):
            heads = {s: _Head(match.start(), number, s, _cells(line, s)) for s in separators}
            lines.append(heads)
            if len(lines) == 1 and (found := _fitting(lines, needs, chosen, exactly=True)):
                return found
    for exactly in (True, False):
        if found := _fitting(lines, needs, chosen, exactly=exactly):
            return found
    for heads in lines:
        if not next(iter(heads.values())).cells[0].startswith("#"):
            return max(heads.values(), key=lambda head: len(head.cells))
    return _Head(0, 1, ",", ())


def _fitting(
    lines: Sequence[Mapping[str, _Head]],
    needs: Sequence[str],
    chosen: Mapping[str, str],
    *,
    exactly: bool,
) -> _Head | None:
    for number, heads in enumerate(lines):
        for separator, head in heads.items():
            tidy = [tidy_header(cell) for cell in head.cells]
            found = find_columns(tidy, needs, chosen, exactly=exactly)
            if all(len(at) == 1 for at in found.values()) and all(
                _is_title(above[separator]) for above in lines[:number]
            ):
                return head
    return None


def _is_title(head: _Head) -> bool:
    return head.cells[0].startswith("#") or sum(map(bool, head.cells)) == 1


def _cells(line: str, separator: str) -> tuple[str, ...]:
    try:
        cells = next(csv.reader([line], delimiter=separator, skipinitialspace=True), [])
    except csv.Error:  # a value that is too long for csv
        cells = line.split(separator)
    return tuple(cell.strip() for cell in cells) or ("",)


def _no_header(head: _Head, name: str, needs: Sequence[str]) -> str:
    if not any(_IMAGE.search(cell) for cell in head.cells):
        return ""
    return (
        f"{name} has no header: line {head.line} reads {', '.join(head.cells)[:80]}. Write "
        f"{head.separator.join(needs)} above it, in the order of the columns."
    )


def _read(text: str, head: _Head, name: str, *, bounded: bool) -> tuple[list[list[str]], list[int]]:
    body = io.StringIO(text, newline="")
    body.seek(head.begin)
    try:
        return _collect(body, head, name, bounded=bounded)
    except csv.Error:
        # Spaces after a closing quotation mark, which csv does not accept.
        s = re.escape(head.separator)
        quoted = re.compile(rf'((?:^|{s})[ ]*"(?:[^"]|"")*")[ \t]+(?={s}|$)', re.MULTILINE)
        mended = text[head.begin :].replace("\r\n", "\n").replace("\r", "\n")
        body = io.StringIO(quoted.sub(r"\1", mended), newline="")
        return _collect(body, head, name, bounded=bounded)


def _collect(
    body: Iterable[str], head: _Head, name: str, *, bounded: bool
) -> tuple[list[list[str]], list[int]]:
    # Strict mode: an unclosed quotation mark would swallow the following rows.
    reader = csv.reader(body, delimiter=head.separator, strict=True, skipinitialspace=True)
    rows: list[list[str]] = []
    lines: list[int] = []
    ended = 0
    try:
        next(reader, None)  # the header
        ended = reader.line_num
        for row in reader:
            line, ended = ended + head.line, reader.line_num
            whole = "".join(row)
            if bounded and (len(whole) > MAX_VALUE or len(row) > MAX_COLUMNS or line > MAX_LINES):
                _check_limits(row, line, name)
            if whole and not whole.isspace():
                rows.append(row)
                lines.append(line)
                if bounded and len(rows) > MAX_ROWS:
                    raise DataError(f"{name} has over {MAX_ROWS:,} rows; keep those of this set.")
    except csv.Error as error:
        raise csv.Error(f"line {ended + head.line}: {error}") from error
    return rows, lines


def _check_limits(row: list[str], line: int, name: str) -> None:
    """Refuse rows that a table of cells would not have."""
    if line > MAX_LINES:
        raise DataError(f"{name} has over {MAX_LINES:,} lines; delete empty lines.")
    if len(row) > MAX_COLUMNS:
        raise DataError(_too_wide(name))
    if max(map(len, row)) > MAX_VALUE:
        raise DataError(
            f"{name} has a value of over {MAX_VALUE:,} characters in row {line}; shorten it."
        )


def _too_wide(name: str) -> str:
    return f"{name} has over {MAX_COLUMNS:,} columns; keep file, label, slide and patient."


def _check_width(rows: list[list[str]], lines: list[int], head: _Head, name: str) -> None:
    width = len(head.cells)
    if head.separator == "\t":  # no value contains a tab: further values can only be notes
        return
    for row, line in zip(rows, lines, strict=True):
        if len(row) > width and any(map(str.strip, row[width:])):
            raise DataError(
                f"{name}, line {line}, has more values than columns "
                f"({head.separator.join(row)[:80]}); put quotation marks around a value that "
                f"contains a {head.separator}"
            )


def values_of(table: Rows, column: str) -> Iterator[str]:
    """Return an iterator over the values of a column.

    Parameters
    ----------
    table : Rows
    column : str

    Returns
    -------
    iterator of str
        Values without surrounding spaces; empty if a row is short or the column does not exist.
    """
    if column not in table.columns:
        return iter([""] * len(table.rows))
    at = table.columns.index(column)
    return (row[at].strip() if at < len(row) else "" for row in table.rows)
