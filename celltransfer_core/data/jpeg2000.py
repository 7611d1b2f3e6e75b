"""Read the pixel values of a JPEG 2000 that is more than an 8-bit picture.

Not in the paper.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from celltransfer_core.data.bounds import check_memory, check_size
from celltransfer_core.data.channels import MAX_CHANNELS
from celltransfer_core.data.pixels import Pixels
from celltransfer_core.errors import ImageError

_START = b"\xff\x4f\xff\x51"  # start of the codestream, after the boxes of a .jp2
_MAX_TILES = 10_000
_BYTES = 12  # per value while unpacking


class Head(NamedTuple):
    """Header of a JPEG 2000."""

    width: int
    height: int
    channels: int
    bits: int
    """Maximum bit depth over all channels."""
    signed: bool
    opacity: bool
    """Whether its boxes define the channels, and one of them is opacity."""

    @property
    def plain(self) -> bool:
        """Whether it is an 8-bit picture, grey or colour."""
        shown = self.channels in (1, 3) or (self.opacity and self.channels in (2, 4))
        return self.bits <= 8 and not self.signed and shown


def read_head(data: bytes) -> Head:
    """Read the header of a JPEG 2000; refuse one with far too many tiles.

    Parameters
    ----------
    data : bytes

    Returns
    -------
    Head

    Raises
    ------
    ImageError
    ValueError
        If it is not a JPEG 2000.
    """
    at = data.find(_START)
    try:
        sides = struct.unpack_from(">8I", data, at + 8)
        (channels,) = struct.unpack_from(">H", data, at + 40)
    except struct.error as error:
        raise ValueError("truncated") from error
    depths = data[at + 42 : at + 42 + 3 * channels : 3]
    right, lower, left, upper, tile_width, tile_height, tile_left, tile_upper = sides
    if at < 0 or not depths or min(tile_width, tile_height) < 1:
        raise ValueError("not a JPEG 2000 file")
    across = -(-(right - tile_left) // tile_width)
    if across * -(-(lower - tile_upper) // tile_height) > _MAX_TILES:
        raise ImageError("has far too many tiles; save it again, as PNG")
    return Head(
        width=right - left,
        height=lower - upper,
        channels=channels,
        bits=max(depth % 128 for depth in depths) + 1,
        signed=any(depth >= 128 for depth in depths),
        opacity=b"cdef" in data[:at],
    )


def read_jpeg2000(data: bytes, head: Head, take: Callable[[int], object]) -> Pixels:
    """Read a JPEG 2000 with more than 8 bits, or with channels that are not colours.

    Parameters
    ----------
    data : bytes
    head : Head
    take : callable
        Called with the number of bytes of memory before they are allocated.

    Returns
    -------
    Pixels

    Raises
    ------
    ImageError
        If it has too many channels, or takes too much memory.
    """
    import imagecodecs

    check_size(head.width, head.height)
    if head.channels > MAX_CHANNELS:
        raise ImageError(f"has {head.channels} channels; at most {MAX_CHANNELS} are supported")
    needed = _BYTES * head.width * head.height * head.channels
    take(check_memory(needed, head.width, head.height))
    values = np.asarray(imagecodecs.jpeg2k_decode(data, numthreads=1))
    values = values.reshape(head.height, head.width, head.channels)
    alpha = None
    if head.opacity and head.channels in (2, 4):
        alpha = (values[..., -1:] / (2**head.bits - 1)).astype(np.float32)
        values = np.ascontiguousarray(values[..., :-1])
    colours = values.shape[2] in (1, 3)
    return Pixels(values, alpha=alpha, channels=0 if colours else values.shape[2])
