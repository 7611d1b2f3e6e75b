"""Decode the raw names of a zip's entries, and report how they were decoded.

A zip states for each name only whether it is UTF-8. macOS writes UTF-8 without setting this flag,
and Windows uses its local code page. The encoding that fits all names best is used, and reported if
it was a guess. Not in the paper.
"""

from __future__ import annotations

import re
import struct
import unicodedata
import zipfile
import zlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

_UTF8 = 0x800  # flag of an entry
_UNICODE_PATH = 0x7075  # extra field of Info-ZIP

_CODE_PAGES: Mapping[str, str] = {
    "cp437": "Western European (cp437)",
    "cp1252": "Western European (cp1252)",
    "cp850": "Western European (cp850)",
    "cp852": "Central European (cp852)",
    "cp1250": "Central European (cp1250)",
    "cp866": "Cyrillic (cp866)",
    "cp1251": "Cyrillic (cp1251)",
    "cp737": "Greek (cp737)",
    "cp932": "Japanese (Shift-JIS)",
    "cp949": "Korean (cp949)",
    "gb18030": "simplified Chinese (GBK)",
    "cp950": "traditional Chinese (Big5)",
}
"""Name of each encoding; the first is used in case of a tie."""

# First bytes of the characters that make up nearly all text of a language.
_COMMON: Mapping[str, Callable[[int, int], bool]] = {
    "cp932": lambda first, _: 0x81 <= first <= 0x98,
    "cp949": lambda first, second: 0xB0 <= first <= 0xC8 and second >= 0xA1,
    "gb18030": lambda first, second: 0xB0 <= first <= 0xD7 and second >= 0xA1,
    "cp950": lambda first, _: 0xA4 <= first <= 0xC6,
}
_WORD = re.compile(r"[^\W\d_]+|[^\x00-\x7f]")


@dataclass(frozen=True)
class ZipNames:
    """Decoded names of a zip's entries."""

    names: tuple[str, ...]
    """Names with ``/`` between folders."""
    guess: str
    """Assumed encoding of names that do not state one; empty if there are no such names."""


def read_names(entries: Sequence[zipfile.ZipInfo]) -> ZipNames:
    """Decode the names of a zip's entries.

    Parameters
    ----------
    entries : sequence of ZipInfo

    Returns
    -------
    ZipNames
    """
    said = [_said_name(entry) for entry in entries]
    raw = [
        None if name is not None else _raw(entry) for entry, name in zip(entries, said, strict=True)
    ]
    page = _code_page({one for one in raw if one is not None and not one.isascii()})
    names = (
        name if one is None else one.decode(page, "replace")
        for name, one in zip(said, raw, strict=True)
    )
    guess = "" if page == "utf-8" else _CODE_PAGES[page]
    return ZipNames(tuple((n or "").split("\0")[0].replace("\\", "/") for n in names), guess)


def _raw(entry: zipfile.ZipInfo) -> bytes:
    return entry.orig_filename.encode("cp437")  # zipfile's encoding for names not flagged as UTF-8


def _said_name(entry: zipfile.ZipInfo) -> str | None:
    """Return a name whose encoding is stated."""
    if entry.flag_bits & _UTF8:
        return entry.orig_filename
    raw, extra = _raw(entry), entry.extra
    while len(extra) >= 4:
        kind, size = struct.unpack_from("<HH", extra)
        field, extra = extra[4 : 4 + size], extra[4 + size :]
        # Programs that rename entries keep the field, whose checksum is that of the old name.
        if kind == _UNICODE_PATH and field[:1] == b"\1" and len(field) > 5:
            (checksum,) = struct.unpack_from("<L", field, 1)
            if checksum == zlib.crc32(raw):
                return field[5:].decode("utf-8", "replace")
    return None


def _code_page(names: Iterable[bytes]) -> str:
    """Find the encoding that fits all names best."""
    text = b"\n".join(sorted(names))
    try:
        text.decode("utf-8")
    except UnicodeDecodeError:
        return max(_CODE_PAGES, key=lambda page: _fit(text, page))
    return "utf-8"


def _fit(text: bytes, page: str) -> float:
    """Score how plausible decoded names are, per non-ASCII letter; 1 is best."""
    try:
        read = text.decode(page)
    except UnicodeDecodeError:
        return float("-inf")
    common = _COMMON.get(page)
    marks = [
        mark
        for word in _WORD.findall(read)
        if not word.isascii()
        for mark in (_marks_of_wide(word, page, common) if common else _marks_of_word(word))
    ]
    return sum(marks) / max(len(marks), 1)


def _marks_of_word(word: str) -> list[float]:
    """Score the non-ASCII letters of a word in a single-byte encoding."""
    foreign = sum(not letter.isascii() for letter in word)
    scripts = {unicodedata.name(letter, "").split(" ")[0] for letter in word}
    likely = (
        word.isalpha()
        and scripts in ({"LATIN"}, {"CYRILLIC"}, {"GREEK"})
        # Only the first letter is a capital, or all are.
        and (word[1:].islower() or word.isupper() or len(word) == 1)
        # Accented letters stand between plain ones.
        and (scripts != {"LATIN"} or 5 * foreign <= 3 * len(word))
    )
    return [1.0 if likely else -1.0] * foreign


def _marks_of_wide(word: str, page: str, common: Callable[[int, int], bool]) -> list[float]:
    """Score the non-ASCII letters of a word in a mostly double-byte encoding."""
    mixed = any(letter.isascii() for letter in word)
    marks = []
    for letter in word:
        written = letter.encode(page, "replace")
        if len(written) == 2:
            marks.append(-0.5 if mixed or not common(*written) else 1.0)
        elif not letter.isascii():  # half-width or four-byte characters: rarely used
            marks.append(-1.0)
    return marks
