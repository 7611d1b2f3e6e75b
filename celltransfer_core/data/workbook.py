"""Convert the sheet of an Excel workbook to CSV text.

A workbook is a zip of XML from an untrusted source, so sizes are checked before it is unpacked.
Formulas are replaced by the values that the spreadsheet stored. Not in the paper.
"""

from __future__ import annotations

import csv
import io
import re
import warnings
import zipfile
import zlib
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from celltransfer_core.data.table_rows import MAX_COLUMNS
from celltransfer_core.errors import DataError, one_line

if TYPE_CHECKING:
    from openpyxl.worksheet._read_only import ReadOnlyWorksheet

MAX_UNPACKED = 200_000_000
"""Maximum number of bytes that a workbook may unpack to."""

MAX_TEXT = 100_000_000
"""Maximum number of characters of its sheet."""

MAX_TAGS = 4_000_000
"""Maximum number of XML tags in all parts: half a million cells are read in a few seconds."""

_TAGS_A_CELL = 8  # including those of its row, and of its text, which is stored separately

LAST_ROW = 1_048_576
"""Last row of a spreadsheet."""

_ZIP, _OLE = b"PK\3\4", b"\xd0\xcf\x11\xe0"  # .xlsx; .xls and password-protected .xlsx
_HEADED = re.compile(r"(^|[,\n])\"?(file|filename|file name|image)\"?(,|\n)", re.IGNORECASE)
_DECLARED = (b"<!DOCTYPE", b"<!ENTITY")  # never written by spreadsheets; used by XML bombs
_PIECE = 1 << 20
_OVERLAP = 16


def is_workbook(data: bytes) -> bool:
    """Return whether bytes are an Excel workbook, regardless of the file name.

    Parameters
    ----------
    data : bytes

    Returns
    -------
    bool
    """
    return data.startswith((_ZIP, _OLE))


def workbook_text(data: bytes, sheet: str = "", *, bounded: bool = True) -> tuple[str, str]:
    """Convert the sheet of a workbook to CSV.

    Parameters
    ----------
    data : bytes
    sheet : str
        Preferred sheet, used if it exists.
    bounded : bool
        Whether the limits apply.

    Returns
    -------
    text : str
        One line per row of the sheet, so that line numbers equal row numbers.
    note : str
        Which sheet was read if there are several; otherwise empty.

    Raises
    ------
    DataError
        If it cannot be opened, is malicious, has too many rows, or has several non-empty sheets.
        The message continues a sentence that begins with the table's name.
    """
    if data.startswith(_OLE):
        raise DataError(
            "is an old .xls file or password-protected; save it as .xlsx without a password, or "
            "as CSV (UTF-8)."
        )
    from openpyxl import load_workbook

    try:
        if bounded:
            _check_size(data)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about drawings and styles, which are not read
            book = load_workbook(io.BytesIO(data), read_only=True, data_only=True, keep_links=False)
            shown = [one for one in book.worksheets if one.sheet_state == "visible"]
            sheets = [one for one in shown if one.title == sheet] or shown
            texts = {one.title: text for one in sheets if (text := _text_of(one)).strip(",\n")}
    except (zipfile.BadZipFile, zlib.error, OSError, EOFError, NotImplementedError) as error:
        raise DataError(_damaged(error)) from error
    except (KeyError, ValueError, TypeError, AttributeError, SyntaxError, IndexError) as error:
        # openpyxl's errors for invalid XML or non-workbook XML; SyntaxError is the parser's.
        raise DataError(_damaged(error)) from error
    if len(texts) > 1:
        # There may be a sheet of remarks besides the table.
        with_files = {name: text for name, text in texts.items() if _HEADED.search(text[:2000])}
        if len(with_files) != 1:
            raise DataError(f"has several sheets with content ({', '.join(texts)[:80]}); keep one.")
        (name,) = with_files
        return texts[name], f"has {len(texts)} sheets; {name} is read"
    return next(iter(texts.values()), ""), ""


def _damaged(error: Exception) -> str:
    return f"is not a readable workbook ({one_line(error, 80)}); save it as CSV (UTF-8)."


def _check_size(data: bytes) -> None:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        entries = archive.infolist()
        if sum(entry.file_size for entry in entries) > MAX_UNPACKED or len(entries) > 10_000:
            raise DataError(
                f"would unpack to over {MAX_UNPACKED // 1_000_000} MB, which is implausible for a "
                "table of cells; save it as CSV (UTF-8) with only file, label, slide and patient."
            )
        parts = [one for one in entries if one.filename.lower().endswith((".xml", ".rels"))]
        if sum(_tags(archive, part) for part in parts) > MAX_TAGS:
            raise DataError(
                f"has over {MAX_TAGS // _TAGS_A_CELL:,} cells, too many for a workbook; save it as "
                "CSV (UTF-8) with only file, label, slide and patient."
            )


def _tags(archive: zipfile.ZipFile, entry: zipfile.ZipInfo) -> int:
    """Count the tags of a part, which is a hundred times faster than reading them."""
    tags = 0
    before = b""
    with archive.open(entry) as part:
        while raw := part.read(_PIECE):
            piece = raw.replace(b"\0", b"")  # zero bytes of UTF-16
            tags += piece.count(b"<")
            # A mark may be split between two pieces.
            if any(mark in before + piece for mark in _DECLARED):
                raise DataError(
                    "declares entities, as no spreadsheet does; save it as CSV (UTF-8)."
                )
            before = (before + piece)[-_OVERLAP:]
    return tags


def _text_of(sheet: ReadOnlyWorksheet) -> str:
    sheet.reset_dimensions()  # the stored dimensions may be wrong
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    rows: Iterable[tuple[Any, ...]] = sheet.iter_rows(values_only=True)
    for number, row in enumerate(rows):
        # A cell far to the right or far down creates many empty cells before it.
        if len(row) > MAX_COLUMNS or number > LAST_ROW or file.tell() > MAX_TEXT:
            raise DataError("has cells far from the others; keep only the columns file and label.")
        writer.writerow([_written(value) for value in row])
    return file.getvalue()


def _written(value: Any) -> str:
    """Format a cell's value as the spreadsheet shows it, on one line."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).upper()
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return " ".join(text.splitlines()) if "\n" in (text := str(value)) else text
