"""Unpack the images and tables of a zip one at a time in memory, without writing to disk.

An uploaded zip may be damaged or malicious, so its directory, sizes and names are checked before
anything is unpacked. Other kinds of files, and entries that cannot be unpacked, are reported with
the reason. Not in the paper.
"""

from __future__ import annotations

import bz2
import io
import lzma
import stat
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import IO

from celltransfer_core.data.checks import MAX_FILE_NAME, name_problem
from celltransfer_core.data.images import EXTENSIONS, check_bytes
from celltransfer_core.data.passed_over import is_of_systems, kind_problem
from celltransfer_core.data.table_bytes import MAX_TABLE
from celltransfer_core.data.tables import TABLES
from celltransfer_core.data.zip_names import read_names
from celltransfer_core.errors import DataError, ImageError

MAX_ENTRIES = 200_000
"""Maximum number of entries in a zip."""

MAX_UNPACKED = 50_000_000_000
"""Maximum number of bytes that a zip may unpack to."""

MAX_RATIO = 100
"""Maximum ratio of unpacked to packed bytes."""

AT_ANY_RATIO = 5_000_000_000
"""Bytes that a zip may unpack to at any ratio: 10,000 cells on flat black pack 400 to 1. Each
entry is unpacked separately, up to the maximum size of an image."""

_LOCAL_ENTRY = 30  # minimum bytes before each packed file
_DAMAGED = (
    *(zipfile.BadZipFile, zlib.error, lzma.LZMAError),
    *(NotImplementedError, EOFError, OSError, ValueError),
)

_OTHER_KIND = "The file is {}, not a zip; unpack it and drop the folder, or pack it as a zip."
_KINDS = {
    b"Rar!": "a RAR archive",
    b"7z\xbc\xaf\x27\x1c": "a 7-Zip archive",
    b"\x1f\x8b": "a gzip archive (.gz, .tar.gz)",
    b"BZh": "a bzip2 archive (.bz2, .tar.bz2)",
    b"\xfd7zXZ\0": "an XZ archive (.xz, .tar.xz)",
    b"\x28\xb5\x2f\xfd": "a Zstandard archive (.zst)",
    b"MSCF": "a Windows cabinet (.cab)",
    b"\x89PNG": "a PNG image",
    b"\xff\xd8\xff": "a JPEG image",
    b"%PDF": "a PDF document",
}
"""Names of other kinds of files, by their first bytes."""

_READ = frozenset({zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA})
_OTHER_WAYS = {
    9: "with Deflate64",
    20: "with Zstandard",
    93: "with Zstandard",
    95: "with XZ",
    98: "with PPMd",
}
"""Names of compression methods, by their number in a zip."""

_DIRECTORY_ENTRY = 46  # minimum bytes of each entry in a zip's directory


@dataclass(frozen=True)
class Unpacked:
    """One entry of a zip."""

    name: str
    """Name with its folders, separated by ``/``; never to be used as a path."""
    data: bytes
    problem: str
    """Why it cannot be used; empty if it can."""
    number: int
    """Position among the entries, from 1."""
    total: int
    """Number of entries."""
    guess: str = ""
    """Assumed encoding of its name, where the zip does not state one."""


def unzip(file: IO[bytes], wanted: Callable[[str, int], bool] | None = None) -> Iterator[Unpacked]:
    """Unpack the images and tables of a zip one at a time, in memory only.

    Parameters
    ----------
    file : binary file
        Must be seekable.
    wanted : callable, optional
        Takes the name and the size in bytes of an entry and returns whether to unpack it; all by
        default.

    Yields
    ------
    Unpacked
        Names omit the folder that holds all others. Files that operating systems leave behind are
        skipped; files of other kinds come with the reason and without their bytes.

    Raises
    ------
    DataError
        If it is not a zip, or unpacks to more than any folder of cells would.
    """
    _check_kind(file)
    try:
        _check_directory(file)
        with zipfile.ZipFile(file) as archive:
            yield from _unpack(file, archive.infolist(), wanted)
    except (zipfile.BadZipFile, ValueError, NotImplementedError, OSError) as error:
        raise DataError(
            f"The zip is damaged or truncated ({error}); pack it again, or drop the folder itself."
        ) from error


def _unpack(
    file: IO[bytes], listed: Sequence[zipfile.ZipInfo], wanted: Callable[[str, int], bool] | None
) -> Iterator[Unpacked]:
    read = read_names(listed)
    found = [
        (one, name)
        for one, name in zip(listed, read.names, strict=True)
        if name and not name.endswith("/") and not one.is_dir() and not is_of_systems(name)
    ]
    entries = [one for one, name in found if not kind_problem(name)]
    packed = sum(one.compress_size for one in entries)
    unpacked = sum(one.file_size for one in entries)
    if unpacked > MAX_UNPACKED or unpacked > max(AT_ANY_RATIO, MAX_RATIO * packed):
        raise DataError(
            f"The zip would unpack from {packed / 1e6:,.1f} to {unpacked / 1e6:,.0f} MB, which is "
            "implausible for a folder of cells; drop the folder itself."
        )
    _check_apart(listed)
    names = [name for _, name in found]
    root = wrapping_folder([name for name in names if not kind_problem(name)] or names)
    for number, (entry, whole) in enumerate(found, start=1):
        name = whole.removeprefix(root)
        problem = name_problem(whole) or kind_problem(whole) or _entry_problem(entry, whole)
        data = b""
        if problem:
            told = whole if name_problem(whole) else name
            name = told.encode("utf-8", "backslashreplace").decode()[:MAX_FILE_NAME]
        elif wanted is None or wanted(name, entry.file_size):
            try:
                data = _read_entry(file, entry)
            except _DAMAGED as error:
                problem = f"is damaged in the zip ({error})"
        else:
            continue
        guess = "" if whole.isascii() else read.guess
        yield Unpacked(name, data, problem, number, len(found), guess)


def _check_apart(entries: Sequence[zipfile.ZipInfo]) -> None:
    """Refuse a zip whose entries overlap: a few bytes could unpack to any number of files."""
    end = 0
    for entry in sorted(entries, key=lambda one: one.header_offset):
        if entry.header_offset < 0:
            raise zipfile.BadZipFile("its directory does not point to valid entries")
        if entry.header_offset < end:
            raise DataError(
                "The zip has overlapping entries, which no normal program writes; pack it again, "
                "or drop the folder itself."
            )
        end = entry.header_offset + _LOCAL_ENTRY + entry.compress_size


def _read_entry(file: IO[bytes], entry: zipfile.ZipInfo) -> bytes:
    # zipfile is not used here: for some methods it ignores the stated size.
    file.seek(entry.header_offset)
    head = file.read(_LOCAL_ENTRY)
    if len(head) < _LOCAL_ENTRY or not head.startswith(b"PK\3\4"):
        raise zipfile.BadZipFile("it is not where the zip's directory says")
    file.seek(sum(struct.unpack("<HH", head[26:])), io.SEEK_CUR)
    data = _unpacked(file.read(min(entry.compress_size, _most_packed(entry.file_size))), entry)
    if len(data) != entry.file_size or zlib.crc32(data) != entry.CRC:
        raise zipfile.BadZipFile("it is not what the zip's directory says")
    return data


def _most_packed(size: int) -> int:
    """Return the maximum length of a packed file: noise grows slightly."""
    return size + size // 10 + 10_000


def _unpacked(packed: bytes, entry: zipfile.ZipInfo) -> bytes:
    """Unpack at most the size that an entry states, plus one byte to detect any excess."""
    most = entry.file_size + 1
    if entry.compress_type == zipfile.ZIP_STORED:
        return packed
    if entry.compress_type == zipfile.ZIP_DEFLATED:
        return zlib.decompressobj(-zlib.MAX_WBITS).decompress(packed, most)
    if entry.compress_type == zipfile.ZIP_BZIP2:
        return bz2.BZ2Decompressor().decompress(packed, most)
    if entry.compress_type == zipfile.ZIP_LZMA:
        return _lzma(packed, entry.file_size)
    raise NotImplementedError(f"it uses compression method {entry.compress_type}")


def _lzma(packed: bytes, size: int) -> bytes:
    """Unpack LZMA as stored in a zip: version, properties length (5) and properties first."""
    if len(packed) < 9:
        raise EOFError("it is truncated")
    properties, dictionary = struct.unpack_from("<BI", packed, 4)
    kind = {
        "id": lzma.FILTER_LZMA1,
        "lc": properties % 9,
        "lp": properties // 9 % 5,
        "pb": properties // 45,
        "dict_size": min(dictionary, max(size, 4096)),  # there is nothing further back to repeat
    }
    unpacker = lzma.LZMADecompressor(lzma.FORMAT_RAW, filters=[kind])
    return unpacker.decompress(packed[9:], size + 1)


def _entry_problem(entry: zipfile.ZipInfo, name: str) -> str:
    if stat.S_ISLNK(entry.external_attr >> 16):
        return "is a link; pack the file itself"
    if entry.flag_bits & 0x1:
        return "is encrypted; pack it without a password"
    if entry.compress_type not in _READ:
        way = _OTHER_WAYS.get(
            entry.compress_type, f"with an unusual method ({entry.compress_type})"
        )
        return (
            f"is packed {way}, which is not supported; pack it again with Deflate, as most "
            "programs do"
        )
    if PurePosixPath(name.lower()).suffix not in EXTENSIONS:
        most = MAX_TABLE
        return f"the table is over {most // 1_000_000} MB" if entry.file_size > most else ""
    try:
        check_bytes(entry.file_size)
    except ImageError as error:
        return str(error)
    return ""


def wrapping_folder(names: Sequence[str]) -> str:
    """Find the folder that was dropped or packed; the folders inside it are the types.

    Parameters
    ----------
    names : sequence of str
        Names with folders, separated by ``/``.

    Returns
    -------
    str
        Name of the folder with a trailing ``/``; empty if files do not share a folder, or if the
        folder may be a type because it holds images but neither folders nor a table.
    """
    first = {name.split("/", 1)[0] for name in names}
    deep = any(name.count("/") > 1 for name in names)
    table = any("/" in name and name.rpartition("/")[2].lower() in TABLES for name in names)
    if len(first) != 1 or not all("/" in name for name in names) or not (deep or table):
        return ""
    return f"{first.pop()}/"


def _check_kind(file: IO[bytes]) -> None:
    """Refuse a file that is not a zip, naming its kind."""
    file.seek(0)
    head = file.read(512)
    if not head:
        raise DataError("The zip is empty; pack it again, or drop the folder itself.")
    if head[257:262] == b"ustar":
        raise DataError(_OTHER_KIND.format("a tar archive"))
    for start, kind in _KINDS.items():
        if head.startswith(start):
            raise DataError(_OTHER_KIND.format(kind))
    if head.lstrip()[:14].lower().startswith((b"<!doctype html", b"<html")):
        raise DataError("The file is a web page, not a zip; download it again.")


def directory_size(file: IO[bytes]) -> tuple[int, int]:
    """Read the size that a zip states for its directory, without reading the directory.

    Parameters
    ----------
    file : binary file
        Must be seekable.

    Returns
    -------
    entries, size : int
        Number of entries and size of the directory in bytes.

    Raises
    ------
    DataError
        If it is one part of a multi-part zip.
    zipfile.BadZipFile
        If it is not a zip.
    """
    end = file.seek(0, io.SEEK_END)
    file.seek(max(0, end - 65_557 - 20))  # the longest comment and the zip64 locator
    tail = file.read()
    at = tail.rfind(b"PK\5\6")
    if at < 0 or len(tail) < at + 22:
        raise zipfile.BadZipFile("it has no directory")
    if 0 < int.from_bytes(tail[at + 4 : at + 6], "little") < 0xFFFF:  # 0xFFFF refers to zip64
        raise DataError("The file is one part of a zip in several parts; pack it as one.")
    entries, size = struct.unpack("<HL", tail[at + 10 : at + 16])
    locator = tail[max(0, at - 20) : at]
    if locator.startswith(b"PK\6\7") and len(locator) == 20:
        file.seek(min(end, struct.unpack("<Q", locator[8:16])[0]))
        record = file.read(56)
        if len(record) == 56 and record.startswith(b"PK\6\6"):
            entries, size = struct.unpack("<QQ", record[32:48])
    return entries, size


def _check_directory(file: IO[bytes]) -> None:
    """Refuse a zip whose directory alone would fill the memory."""
    entries, size = directory_size(file)
    if entries > MAX_ENTRIES or size > MAX_ENTRIES * (_DIRECTORY_ENTRY + 200):
        raise DataError(f"The zip has more than {MAX_ENTRIES:,} entries; drop the folder itself.")
