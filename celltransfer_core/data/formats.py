"""Recognise the kind of a file by its first bytes, never by its name.

Not in the paper.
"""

from __future__ import annotations

import struct
from typing import NamedTuple

from celltransfer_core.data.tags import page_end

_NONE = "not a PNG, JPEG, TIFF or other supported image"

_AS_PNG = "save it as PNG"
_UNPACK = "unpack it first"
_EXPORT = "export single cells as TIFF or PNG"
_AGAIN = "download the file again"


class Kind(NamedTuple):
    """A kind of file."""

    name: str
    """Name with its article, such as ``a GIF``."""
    remedy: str = ""
    """What to do; empty for supported kinds."""
    format: str = ""
    """Pillow's name for it; empty for kinds that Pillow does not read."""


_AVIF, _HEIC = Kind("an AVIF", format="AVIF"), Kind("a HEIC", format="HEIF")
_AVIF_BRANDS = (b"avif", b"avis")
_HEIC_BRANDS = (b"heic", b"heix", b"hevc", b"heim", b"heis", b"mif1", b"msf1")

_SIGNATURES: tuple[tuple[int, bytes, Kind], ...] = (
    (0, b"\x89PNG\r\n\x1a\n", Kind("a PNG", format="PNG")),
    (0, b"\xff\xd8\xff", Kind("a JPEG", format="JPEG")),
    (0, b"II*\0", Kind("a TIFF", format="TIFF")),
    (0, b"MM\0*", Kind("a TIFF", format="TIFF")),
    (0, b"II+\0", Kind("a TIFF", format="TIFF")),
    (0, b"MM\0+", Kind("a TIFF", format="TIFF")),
    (0, b"\0\0\0\x0cjP  \r\n\x87\n", Kind("a JPEG 2000", format="JPEG2000")),
    (0, b"\xff\x4f\xff\x51", Kind("a JPEG 2000", format="JPEG2000")),
    (128, b"DICM", Kind("a DICOM")),
    (0, b"GIF8", Kind("a GIF", _AS_PNG)),
    (0, b"\xff\x0a", Kind("a JPEG XL", _AS_PNG)),
    (0, b"\0\0\0\x0cJXL \r\n\x87\n", Kind("a JPEG XL", _AS_PNG)),
    (0, b"II\xbc", Kind("a JPEG XR", _AS_PNG)),
    (0, b"8BPS", Kind("a Photoshop file", _AS_PNG)),
    (0, b"\0\0\1\0", Kind("an icon (ICO)", _AS_PNG)),
    (0, b"icns", Kind("an icon (ICNS)", _AS_PNG)),
    (0, b"DDS ", Kind("a DDS", _AS_PNG)),
    (0, b"\x01\xda", Kind("an SGI picture", _AS_PNG)),
    (0, b"qoif", Kind("a QOI", _AS_PNG)),
    (0, b"\x76\x2f\x31\x01", Kind("an OpenEXR", "save it as TIFF")),
    (0, b"SIMPLE  =", Kind("a FITS", "save it as TIFF")),
    (0, b"\x93NUMPY", Kind("a NumPy array", "save it as TIFF")),
    (0, b"\x89HDF\r\n\x1a\n", Kind("an HDF5 file (Imaris and others)", _EXPORT)),
    (0, b"ZISRAWFILE", Kind("a CZI file (Zeiss)", _EXPORT)),
    (0, b"\xda\xce\xbe\x0a", Kind("an ND2 file (Nikon)", _EXPORT)),
    (0, b"\0\0\0\x0cjP\x1a\x1a\r\n\x87\n", Kind("an ND2 file (Nikon)", _EXPORT)),
    (0, b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", Kind("an OLE file (OIB, ZVI or Office)", _EXPORT)),
    (0, b"PK\3\4", Kind("a zip archive", _UNPACK)),
    (0, b"PK\5\6", Kind("an empty zip archive", _AGAIN)),
    (0, b"Rar!\x1a\x07", Kind("a RAR archive", _UNPACK)),
    (0, b"7z\xbc\xaf\x27\x1c", Kind("a 7z archive", _UNPACK)),
    (0, b"\x1f\x8b", Kind("a gzip archive", _UNPACK)),
    (0, b"BZh", Kind("a bzip2 archive", _UNPACK)),
    (0, b"\xfd7zXZ\0", Kind("an xz archive", _UNPACK)),
    (0, b"\x28\xb5\x2f\xfd", Kind("a zstd archive", _UNPACK)),
    (257, b"ustar", Kind("a tar archive", _UNPACK)),
    (0, b"%PDF", Kind("a PDF", "save the pictures in it as PNG")),
    (0, b"%!PS", Kind("a PostScript file", _AS_PNG)),
    (0, b"version https://git-lfs", Kind("a Git LFS pointer", "fetch the file with: git lfs pull")),
    (0, b"bplist00", Kind("a property list of macOS", "use the image itself")),
    (0, b"\0\5\x16\7", Kind("a companion file of macOS", "use the file without ._ in its name")),
    (4, b"ftyp", Kind("a video (MP4 or MOV)", "save single pictures as PNG")),
    (0, b"\x1a\x45\xdf\xa3", Kind("a video (Matroska)", "save single pictures as PNG")),
)
_JPEG_FRAMES = (0xC0, 0xC1, 0xC2, 0xC9, 0xCA)  # markers of a JPEG's size and bit depth
_UNREAD_FRAMES = {0xC3: "a lossless JPEG", 0xCB: "a lossless JPEG", 0xF7: "a JPEG-LS"}
_NETPBM = tuple(b"P%d" % number for number in range(1, 8))


def recognise(data: bytes) -> Kind | None:
    """Recognise the kind of a file.

    Parameters
    ----------
    data : bytes
        The whole file, or its first kilobyte.

    Returns
    -------
    Kind or None
        None if the bytes are not recognised.
    """
    if data[4:8] == b"ftyp" and (kind := _heif(data)):
        return kind
    if data[:4] == b"RIFF":
        return _riff(data)
    if data[:4] == b"\x70\0\0\0" and data[8:9] == b"*":
        return Kind("a LIF file (Leica)", _EXPORT)
    for at, begins, kind in _SIGNATURES:
        if data.startswith(begins, at):
            return kind
    if data[:2] == b"BM" and len(data) > 18 and data[14:18] in _BMP_HEADS:
        return Kind("a BMP", format="BMP")
    if data[:2] in _NETPBM and data[2:3].isspace():
        return Kind("a PNM (Netpbm)", _AS_PNG)
    return _text(data[:1024])


_BMP_HEADS = tuple(struct.pack("<I", size) for size in (12, 16, 40, 52, 56, 64, 108, 124))


def _heif(data: bytes) -> Kind | None:
    """Distinguish HEIC from AVIF by the main brand or the compatible brands."""
    size = min(int.from_bytes(data[:4], "big"), 256)
    brands = {data[8:12], *(data[at : at + 4] for at in range(16, size, 4))}
    if brands & set(_AVIF_BRANDS):  # the main brand may be generic
        return _AVIF
    return _HEIC if brands & set(_HEIC_BRANDS) else None


def _riff(data: bytes) -> Kind | None:
    if data[8:12] == b"WEBP":
        return Kind("a WebP", format="WEBP")
    if data[8:12] == b"AVI ":
        return Kind("a video (AVI)", "save single pictures as PNG")
    return None


def _text(head: bytes) -> Kind | None:
    """Recognise web pages and other text."""
    if head.startswith((b"\xff\xfe", b"\xfe\xff")):
        return Kind("text (UTF-16)", "use the image itself")
    try:
        text = head.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        if error.start < len(head) - 3:  # not a character cut off at the end of the kilobyte
            return None
        text = head[: error.start].decode("utf-8-sig")
    if not text.strip() or any(letter < " " and letter not in "\t\r\n\f" for letter in text):
        return None
    start = text.lstrip().lower()
    if start.startswith(("<!doctype html", "<html", "<head", "<body")):
        return Kind("an HTML page", _AGAIN)
    if start.startswith("<svg") or "<svg" in start:
        return Kind("an SVG drawing", _AS_PNG)
    if start.startswith("<?xml"):
        return Kind("an XML file", "use the image itself")
    return Kind("text", "use the image itself")


def refusal(data: bytes) -> str:
    """Explain why a file is not a readable image.

    Parameters
    ----------
    data : bytes
        Not empty.

    Returns
    -------
    str
    """
    kind = recognise(data)
    if kind is not None and kind.remedy:
        return f"is {kind.name}, {_NONE}; {kind.remedy}"
    if not any(data[:4096]):
        return f"is filled with zeros, {_NONE}; {_AGAIN}"
    if kind is None:
        return f"is {_NONE}: its first bytes match no known format"
    if kind.format == "JPEG" and (way := _unread_jpeg(data)):
        return f"is {way}, which is not supported; save it as PNG or TIFF"
    return f"is {kind.name} that is {damage(data)}"


def _unread_jpeg(data: bytes) -> str:
    """Name the kind of an unusual JPEG; empty for an ordinary one."""
    at = 2
    while at + 5 <= len(data) and data[at] == 0xFF:
        marker, length = data[at + 1], int.from_bytes(data[at + 2 : at + 4], "big")
        if marker in _JPEG_FRAMES or marker in _UNREAD_FRAMES:
            bits = data[at + 4]
            return _UNREAD_FRAMES.get(marker, "") or (
                f"a JPEG with {bits} bits" if bits > 8 else ""
            )
        at += 2 + length
    return ""


def damage(data: bytes) -> str:
    """Describe what is wrong with an image of a supported kind.

    Parameters
    ----------
    data : bytes

    Returns
    -------
    str
        ``cut short`` if its end is missing, ``damaged`` otherwise.
    """
    return "truncated" if _cut_short(data) else "damaged"


def _cut_short(data: bytes) -> bool:
    """Return whether an image is shorter than it declares."""
    if data.startswith(b"\x89PNG"):
        return b"IEND" not in data[-4096:]
    if data.startswith(b"\xff\xd8"):
        return b"\xff\xd9" not in data[-4096:]
    if data.startswith(b"RIFF"):
        return len(data) < 8 + int.from_bytes(data[4:8], "little")
    if data.startswith(b"BM"):
        return len(data) < int.from_bytes(data[2:6], "little")
    if data.startswith((b"II", b"MM")):
        return page_end(data) > len(data)
    if data.startswith(b"\xff\x4f") or data[4:8] == b"jP  ":
        return b"\xff\xd9" not in data[-4096:]
    return data[4:8] == b"ftyp" and _boxes_end(data) > len(data)


def _boxes_end(data: bytes) -> int:
    """Follow the boxes of a HEIC or AVIF to the end of the last one."""
    at = 0
    while at + 16 <= len(data):
        size = int.from_bytes(data[at : at + 4], "big")
        if size == 1:
            size = int.from_bytes(data[at + 8 : at + 16], "big")
        if size < 8:  # extends to the end of the file
            return len(data)
        at += size
    return at
