"""Refuse image files that would take too much memory or time to decode.

A small file can declare any number of pages, scans, tags or pieces. They are counted in the file's
own lists before a decoder processes them. Not in the paper.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from celltransfer_core.data.tags import check_tags
from celltransfer_core.errors import ImageError

if TYPE_CHECKING:
    from PIL import Image

MIN_SIDE = 8
MAX_SIDE = 20_000
MAX_PIXELS = 100_000_000
"""Limits of an image: pixels per side, and pixels in total."""

MAX_SCANNED = 2_000_000_000
"""Maximum number of pixels of a JPEG times its scans."""

MAX_SEGMENTS = 100_000
"""Maximum number of segments of a JPEG before its pixels."""

MAX_EXIF = 20_000_000
"""Maximum number of bytes of a JPEG's EXIF data."""

MAX_READS = 500_000
"""Maximum number of pieces in which a decoder may read a file."""

MAX_DECODING = 1_000_000_000
"""Maximum number of bytes of memory that decoding an image may take."""

BAND_PIXELS = 1_000_000
"""Number of pixels in a band of rows."""

_SCAN, _APP1 = b"\xff\xda", 0xFFE1  # markers of a JPEG
_READ_AHEAD = 65_536  # bytes that Pillow reads at once of each strip
_LARGE_TILE = 4096**2  # px
_COVERED = 8  # times that strips may cover an image: one plane per colour
_STORED = {"1": 1, "L": 1, "P": 1, "I;16": 2, "I;16B": 2, "I;16L": 2}  # bytes per pixel; others 4
_MEASURED = {"WEBP": 16, "AVIF": 24, "HEIF": 24, "JPEG2000": 28}  # bytes per pixel to decode
_BITS, _SAMPLES, _ROWS, _TILE_WIDTH, _TILE_LENGTH = 258, 277, 278, 322, 323  # TIFF tags


class BoundedFile(io.BytesIO):
    """A file in memory that stops a decoder from reading it repeatedly or byte by byte.

    Parameters
    ----------
    data : bytes
    """

    def __init__(self, data: bytes) -> None:
        super().__init__(data)
        self._reads = MAX_READS
        self._left = 4 * len(data) + 1_000_000

    def allow_strips(self, number: int) -> None:
        """Allow each strip of a TIFF to be read together with the bytes that follow it.

        Parameters
        ----------
        number : int
        """
        self._left += _READ_AHEAD * number

    def read(self, size: int | None = -1, /) -> bytes:
        """Read the next bytes.

        Parameters
        ----------
        size : int, optional
            Number of bytes; all by default.

        Returns
        -------
        bytes

        Raises
        ------
        ImageError
            If it was read too often, or far more was read than it holds.
        """
        piece = super().read(size)
        self._reads -= 1
        self._left -= len(piece)
        if self._reads < 0 or self._left < 0:
            raise ImageError("consists of far too many pieces; save it again, as PNG")
        return piece


def check_head(data: bytes) -> None:
    """Refuse files whose tags or segments alone would fill the memory, before they are opened.

    Parameters
    ----------
    data : bytes

    Raises
    ------
    ImageError
    """
    if data.startswith(b"\xff\xd8\xff"):
        _check_segments(data)
    else:
        check_tags(data)


def check_size(width: int, height: int) -> None:
    """Refuse images that are too small or too large to show one cell.

    Parameters
    ----------
    width, height : int
        In pixels.

    Raises
    ------
    ImageError
        If a side is too short or too long, or there are too many pixels.
    """
    if min(width, height) < MIN_SIDE:
        raise ImageError(f"{width} × {height} px is below the minimum of {MIN_SIDE} px")
    if max(width, height) > MAX_SIDE or width * height > MAX_PIXELS:
        raise ImageError(
            f"{width} × {height} px is too large for a single cell; crop the cells from the slide"
        )


def check_memory(needed: int, width: int, height: int) -> int:
    """Refuse an image that would take too much memory to decode.

    Parameters
    ----------
    needed : int
        Bytes.
    width, height : int
        In px.

    Returns
    -------
    int
        The same bytes.

    Raises
    ------
    ImageError
        If it is more than :data:`MAX_DECODING`.
    """
    if needed > MAX_DECODING:
        raise ImageError(
            f"decoding its {width} × {height} px would take more than {MAX_DECODING // 10**9} GB "
            "of memory; crop the cells from the slide"
        )
    return needed


def check_scans(data: bytes, width: int, height: int) -> int:
    """Count the scans of a JPEG; refuse one with too many.

    Parameters
    ----------
    data : bytes
    width, height : int
        In px.

    Returns
    -------
    int
        Number of scans, including those of embedded pictures.

    Raises
    ------
    ImageError
        If pixels times scans exceed :data:`MAX_SCANNED`.
    """
    scans = data.count(_SCAN)
    if scans * width * height > MAX_SCANNED:
        raise ImageError(f"{width} × {height} px in {scans:,} scans; save it again with one scan")
    return scans


def decoding_bytes(image: Image.Image, *, deep: bool, scans: int) -> int:
    """Estimate the maximum memory needed to decode an image, before decoding it.

    Parameters
    ----------
    image : Image
        Opened but not loaded.
    deep : bool
        Whether it has more than 8 bits per channel.
    scans : int
        See :func:`check_scans`.

    Returns
    -------
    int
        Bytes.

    Raises
    ------
    ImageError
        If it is more than :data:`MAX_DECODING`.
    """
    (width, height), bands = image.size, len(image.getbands())
    stored = _STORED.get(image.mode, 4)
    # Converted to RGB and turned upright, with opacity.
    pixel = stored + 6 + 4 * ("A" in image.getbands())
    if image.format in _MEASURED:
        pixel = _MEASURED[image.format]
    elif deep:  # each half of the 16 bits, both together, and turned upright
        pixel = 4 * stored if bands == 1 else 4 + 4 * bands
    elif scans > 1:  # all coefficients are kept until the last scan
        pixel = max(pixel, stored + 2 * bands)
    needed = max(pixel * width * height, stored * width * height + strip_bytes(image))
    return check_memory(needed, width, height)


def check_strips(image: Image.Image) -> None:
    """Refuse a TIFF whose strips or tiles cover it repeatedly or are far larger than it.

    Parameters
    ----------
    image : Image
        Opened but not loaded.

    Raises
    ------
    ImageError
    """
    check_tile(*strip_size(image), *image.size)
    boxes = [tile[1] for tile in getattr(image, "tile", ())]
    covered = sum((right - left) * (lower - upper) for left, upper, right, lower in boxes)
    if covered > _COVERED * image.size[0] * image.size[1]:
        raise ImageError("its strips overlap; save it again, as PNG")


def check_tile(width: int, height: int, image_width: int, image_height: int) -> None:
    """Refuse strips or tiles that are far larger than their image.

    Parameters
    ----------
    width, height : int
        Size of a strip or tile in px.
    image_width, image_height : int
        In px.

    Raises
    ------
    ImageError
    """
    if width * height > max(_LARGE_TILE, image_width * image_height):
        raise ImageError(f"its tiles of {width} × {height} px are too large; save it again, as PNG")


def strip_size(image: Image.Image) -> tuple[int, int]:
    """Return the size of the strips or tiles of a TIFF.

    Parameters
    ----------
    image : Image
        Opened by Pillow.

    Returns
    -------
    width, height : int
        In px; a tile may be larger than its image.
    """
    tags = getattr(image, "tag_v2", {})
    width, height = image.size
    if _TILE_WIDTH in tags:
        width, height = tags[_TILE_WIDTH], tags.get(_TILE_LENGTH, height)
    else:
        height = min(tags.get(_ROWS, height), height)
    return max(1, int(width)), max(1, int(height))


def strip_bytes(image: Image.Image) -> int:
    """Return the memory that a fully unpacked strip or tile of a TIFF takes.

    Parameters
    ----------
    image : Image
        Opened by Pillow.

    Returns
    -------
    int
        Bytes for all colours.
    """
    tags = getattr(image, "tag_v2", {})
    width, height = strip_size(image)
    bits = max(np.atleast_1d(tags.get(_BITS, (8,))))
    return int(width * height * tags.get(_SAMPLES, 1) * -(-bits // 8))


def row_bands(height: int, width: int) -> Iterator[slice]:
    """Split the rows of an image into bands so that copies stay small.

    Parameters
    ----------
    height, width : int
        In px.

    Yields
    ------
    slice
    """
    rows = max(1, BAND_PIXELS // width)
    return (slice(first, min(first + rows, height)) for first in range(0, height, rows))


def _check_segments(data: bytes) -> None:
    """Walk to the first scan of a JPEG as its decoder does, checking the EXIF on the way."""
    from PIL.JpegImagePlugin import MARKER

    at, steps, exif = 2, 0, bytearray()
    while at + 4 <= len(data):
        code = int.from_bytes(data[at : at + 2], "big")
        handler = MARKER[code][2] if code in MARKER else None
        length = int.from_bytes(data[at + 2 : at + 4], "big") if handler else 0
        if code == _APP1 and data[at + 4 : at + 10] == b"Exif\0\0":
            exif += data[at + 10 : at + 2 + length]
        steps += 1
        if steps > MAX_SEGMENTS or len(exif) > MAX_EXIF:
            raise ImageError(
                "has far too much metadata before its pixels; save it again without metadata"
            )
        if data[at : at + 2] == _SCAN:
            break
        # Bytes that are not a marker are skipped one by one; fillers may begin the next marker.
        at += max(length, 2) + 2 if handler else 1 if code >> 8 < 255 or code == 0xFFFF else 2
    check_tags(bytes(exif))
