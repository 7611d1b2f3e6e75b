"""Refuse TIFF pages whose compressed pieces unpack to more than the pixels of the page.

Pieces are unpacked as a whole, so their headers are read first. Not in the paper.
"""

from __future__ import annotations

import lzma
import struct
import zlib
from collections.abc import Callable, Iterator
from typing import Any

from celltransfer_core.data.bounds import check_tile
from celltransfer_core.data.jpeg2000 import read_head
from celltransfer_core.errors import ImageError

_UNPACKERS: dict[int, Any] = {
    8: zlib.decompressobj,
    32946: zlib.decompressobj,
    34925: lzma.LZMADecompressor,
}


def _png_size(piece: bytes) -> tuple[int, int, int]:
    width, height, _, colour = struct.unpack_from(">IIBB", piece, 16)
    return width, height, {0: 1, 2: 3, 3: 3, 4: 2, 6: 4}[colour]


def _webp_size(piece: bytes) -> tuple[int, int, int]:
    import io

    from PIL import Image

    with Image.open(io.BytesIO(piece), formats=["WEBP"]) as image:
        return (*image.size, len(image.getbands()))


def _lerc_size(piece: bytes) -> tuple[int, int, int]:
    if not piece.startswith(b"Lerc2 "):
        raise ValueError
    (version,) = struct.unpack_from("<i", piece, 6)
    at = 14 if version >= 3 else 10  # after a checksum
    height, width = struct.unpack_from("<2i", piece, at)
    depth = struct.unpack_from("<i", piece, at + 8)[0] if version >= 4 else 1
    return width, height, depth


def _jpeg2000_size(piece: bytes) -> tuple[int, int, int]:
    head = read_head(piece)
    return head.width, head.height, head.channels


_HEADS: dict[int, Callable[[bytes], tuple[int, int, int]]] = {
    34887: _lerc_size,
    33003: _jpeg2000_size,
    33005: _jpeg2000_size,
    34712: _jpeg2000_size,
    34933: _png_size,
    50001: _webp_size,
}
_BOUNDED = (1, 5, 32773, 34926, 50000)  # unpacked only to the length of their pixels
PACKINGS = frozenset({*_UNPACKERS, *_HEADS, *_BOUNDED})
"""Supported compression methods, by their TIFF number."""

_LERC_PARAMETERS = 50674  # a TIFF tag


def check_packed(page: Any, data: bytes) -> None:
    """Refuse a page whose pieces unpack to more than its pixels.

    Parameters
    ----------
    page : tifffile.TiffPage
    data : bytes
        The file.

    Raises
    ------
    ImageError
    """
    width, height = page.imagewidth, max(1, min(page.rowsperstrip, page.imagelength))
    if page.is_tiled:
        width, height = page.tilewidth, page.tilelength
    check_tile(width, height, page.imagewidth, page.imagelength)
    samples = 1 if page.planarconfig == 2 else page.samplesperpixel
    across, down = -(-page.imagewidth // width), -(-page.imagelength // height)
    planes = page.samplesperpixel if page.planarconfig == 2 else 1
    if len(page.dataoffsets) > across * down * planes:
        raise _too_much()
    if page.compression in _UNPACKERS:
        most = width * height * samples * page.dtype.itemsize
        unpacker = _UNPACKERS[page.compression]
        for piece in _pieces(page, data):
            if len(unpacker().decompress(piece, most + 1)) > most:
                raise _too_much()
    elif page.compression in _HEADS:
        extra = page.tags.valueof(_LERC_PARAMETERS, (0, 0))
        if page.compression == 34887 and extra[1:2] != (0,):
            raise ImageError("its pixels are compressed twice (LERC); save it as PNG")
        for piece in _pieces(page, data):
            found = _head(page.compression, piece)
            if found[0] > width or found[1] > height or found[2] > max(samples, 3):
                raise _too_much()


def _head(packing: int, piece: bytes) -> tuple[int, int, int]:
    try:
        return _HEADS[packing](piece)
    except (ValueError, KeyError, OSError, struct.error, SyntaxError) as error:
        raise ImageError("one of its strips or tiles is damaged") from error


def _pieces(page: Any, data: bytes) -> Iterator[bytes]:
    for place, length in zip(page.dataoffsets, page.databytecounts, strict=False):
        if length:
            yield data[place : place + length]


def _too_much() -> ImageError:
    return ImageError("its strips contain more than its pixels; save it again, as plain RGB")
