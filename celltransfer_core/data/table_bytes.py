"""Bytes of a table in, its text out, however a program wrote it.

UTF-8 with and without a byte order mark, UTF-16, the code pages of Windows and of the old Mac for
Western languages, and Excel workbooks. Not in the paper.
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
"""Bytes of a table."""

LEFT_OUT = "\ufffc"
"""First letter of the text of a table that cannot be read; the reason follows. It is kept so that
its set says so and takes no types from somewhere else instead."""

_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),  # before UTF-16, whose mark it begins with
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_NO_TEXT = "is not UTF-8 text; save it as CSV (UTF-8)."
_WESTERN = {"cp1252": "Windows-1252", "mac-roman": "Mac Roman"}
_ACCENTED = frozenset("äöüßÄÖÜéèêëàâáãåçñíìîïóòôõúùûæøœÅÆØÉÀÇÑ")
_FOREIGN = re.compile(r"[^\x00-\x7f]{3}")  # no Western word has three accents in a row
_LETTER = re.compile(r"[a-z]", re.IGNORECASE)
_SCORED = 1_000_000  # characters
_PROBED = 10_000  # bytes


@dataclass(frozen=True)
class TableText:
    """A table of a set: what it says, and how it is to be read."""

    text: str
    note: str = ""
    """What is to be said of how it was read; empty where nothing is."""
    columns: Mapping[str, str] = field(default_factory=dict)
    """Names of columns that somebody chose: of ``file`` and ``label``, as far as they did."""


def read_text(path: Path, *, bounded: bool = True, sheet: str = "") -> TableText:
    """Read a table from a file.

    Parameters
    ----------
    path : Path
    bounded : bool
        Whether a table that is too long is refused unread.
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
    """Turn the bytes of a table into text.

    Parameters
    ----------
    data : bytes
    name : str
        Of its file.
    sheet : str
        The one of a workbook that is meant, if it is there.
    bounded : bool
        Whether limits of a workbook hold.

    Returns
    -------
    TableText
        With the reason in place of the table, see :data:`LEFT_OUT`, where it cannot be read.
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
        data = data.rstrip(b"\0")  # left behind by a program that wrote in blocks
    try:
        text = data[len(mark) :].decode(encoding)
    except UnicodeDecodeError:
        return TableText(LEFT_OUT + _NO_TEXT) if mark else _western(data)
    # Any two bytes are a letter of UTF-16: a table has some that name its columns.
    names = encoding.startswith("utf-8") or _LETTER.search(text[:_PROBED])
    return TableText(text if names else LEFT_OUT + _NO_TEXT)


def check_readable(text: str, name: str, *, bounded: bool = True) -> None:
    """Refuse a table that could not be read when it came in.

    Parameters
    ----------
    text : str
        Of the table, see :data:`LEFT_OUT`.
    name : str
        Of the table, for messages.
    bounded : bool
        Whether a limit of length holds.

    Raises
    ------
    DataError
        With the reason.
    """
    if bounded and len(text) > MAX_TABLE:
        text = LEFT_OUT
    if text.startswith(LEFT_OUT):
        raise DataError(f"{name} {text.removeprefix(LEFT_OUT) or _too_long()}")
    if "\ufffd" in text:  # stands for bytes that are no text
        raise DataError(f"{name} {_NO_TEXT}")


def _too_long() -> str:
    return f"is over {MAX_TABLE // 1_000_000} MB; keep only file, label, slide and patient."


def _unmarked(start: bytes) -> str:
    """Tell UTF-16 without a mark, of which every second byte of Western text is zero."""
    for place, encoding in ((1, "utf-16-le"), (0, "utf-16-be")):
        if len(start) > 3 and start[place::2].count(0) > 0.4 * len(start):
            return encoding
    return "utf-8"


def _western(data: bytes) -> TableText:
    """Read text of a Western code page: the one that makes more usual letters of it."""
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
    _, text, name = min(found, key=lambda one: one[0])  # the first, Windows, where equal
    return TableText(text, f"is not UTF-8; read as {name}. Check names with accents")
