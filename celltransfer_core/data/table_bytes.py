"""Decode the bytes of a table to text, whatever program wrote it.

Supports UTF-8 with and without a byte order mark, UTF-16, the Western code pages of Windows and
classic Mac OS, and Excel workbooks. Not in the paper.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from celltransfer_core.data.workbook import is_workbook, workbook_text
from celltransfer_core.errors import DataError

MAX_TABLE = 50_000_000
"""Maximum number of bytes of a table."""

LEFT_OUT = "\ufffc"
"""First character of the text of an unreadable table; the reason follows. The table is kept so that
its set reports the problem and does not take types from elsewhere."""

_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),  # before UTF-16: its mark begins with that of UTF-16
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_NO_TEXT = "is not UTF-8 text; save it as CSV (UTF-8)."
_WESTERN = {"cp1252": "Windows-1252", "mac-roman": "Mac Roman"}
_ACCENTED = frozenset("äöüßÄÖÜéèêëàâáãåçñíìîïóòôõúùûæøœÅÆØÉÀÇÑ")
_FOREIGN = re.compile(r"[^\x00-\x7f]{3}")  # no Western word has three accented letters in a row
_LETTER = re.compile(r"[a-z]", re.IGNORECASE)
_SCORED = 1_000_000  # characters
_PROBED = 10_000  # bytes


@dataclass(frozen=True)
class TableText:
    """A table of a set: its text, and how to read it."""

    text: str
    note: str = ""
    """Remark on how it was read; empty if there is none."""
    columns: Mapping[str, str] = field(default_factory=dict)
    """Columns that the user chose for ``file`` and ``label``, if any."""


def read_text(path: Path, *, bounded: bool = True, sheet: str = "") -> TableText:
    """Read a table from a file.

    Parameters
    ----------
    path : Path
    bounded : bool
        Whether a table that is too long is refused without reading it.
    sheet : str
        See :func:`decode_table`.

    Returns
    -------
    TableText

    Raises
    ------
    DataError
        If the file cannot be read.
    """
    try:
        if bounded and path.stat().st_size > MAX_TABLE:
            return TableText(LEFT_OUT)
        return decode_table(path.read_bytes(), path.name, sheet, bounded=bounded)
    except OSError as error:
        raise DataError(f"{path} cannot be read ({error.strerror}).") from error


def decode_table(data: bytes, name: str, sheet: str = "", *, bounded: bool = True) -> TableText:
    """Decode the bytes of a table to text.

    Parameters
    ----------
    data : bytes
    name : str
        Name of its file.
    sheet : str
        Preferred sheet of a workbook, used if it exists.
    bounded : bool
        Whether the limits of workbooks apply.

    Returns
    -------
    TableText
        With the reason in place of the table, see :data:`LEFT_OUT`, if it cannot be read.
    """
    if is_workbook(data):
        try:
            text, note = workbook_text(data, sheet, bounded=bounded)
        except DataError as error:
            return TableText(f"{LEFT_OUT}{error}")
        return TableText(text, note)
    if name.lower().endswith(".xlsx"):
        return TableText(f"{LEFT_OUT}is not an Excel workbook; save it again, or as CSV (UTF-8).")
    mark, encoding = next((m for m in _MARKS if data.startswith(m[0])), (b"", ""))
    encoding = encoding or _unmarked(data[:_PROBED].rstrip(b"\0"))
    if encoding == "utf-8":
        data = data.rstrip(b"\0")  # padding from a program that wrote in blocks
    try:
        text = data[len(mark) :].decode(encoding)
    except UnicodeDecodeError:
        return TableText(LEFT_OUT + _NO_TEXT) if mark else _western(data)
    # Any two bytes are valid UTF-16, but a table has ASCII letters in its column names.
    names = encoding.startswith("utf-8") or _LETTER.search(text[:_PROBED])
    return TableText(text if names else LEFT_OUT + _NO_TEXT)


def check_readable(text: str, name: str, *, bounded: bool = True) -> None:
    """Refuse a table that could not be read when it was imported.

    Parameters
    ----------
    text : str
        Text of the table, see :data:`LEFT_OUT`.
    name : str
        Name of the table, for messages.
    bounded : bool
        Whether the limit of length applies.

    Raises
    ------
    DataError
        If it could not be read; with the reason.
    """
    if bounded and len(text) > MAX_TABLE:
        text = LEFT_OUT
    if text.startswith(LEFT_OUT):
        raise DataError(f"{name} {text.removeprefix(LEFT_OUT) or _too_long()}")
    if "\ufffd" in text:  # replaces bytes that are not text
        raise DataError(f"{name} {_NO_TEXT}")


def _too_long() -> str:
    return f"is over {MAX_TABLE // 1_000_000} MB; keep only file, label, slide and patient."


def _unmarked(start: bytes) -> str:
    """Detect UTF-16 without a mark: every second byte of Western text is zero."""
    for place, encoding in ((1, "utf-16-le"), (0, "utf-16-be")):
        if len(start) > 3 and start[place::2].count(0) > 0.4 * len(start):
            return encoding
    return "utf-8"


def _western(data: bytes) -> TableText:
    """Decode text with the Western code page that yields more common letters."""
    found: list[tuple[int, str, str]] = []
    for encoding in _WESTERN:
        try:
            text = data.decode(encoding)
        except UnicodeDecodeError:
            continue
        unusual = [letter for letter in text[:_SCORED] if not letter.isascii()]
        usual = sum(letter in _ACCENTED for letter in unusual)
        if not _FOREIGN.search(text):
            found.append((len(unusual) - usual, text, _WESTERN[encoding]))
    if not found or "\0" in found[0][1]:
        return TableText(LEFT_OUT + _NO_TEXT)
    _, text, name = min(found, key=lambda one: one[0])  # Windows, which comes first, if equal
    return TableText(text, f"is not UTF-8; read as {name}. Check names with accents")
