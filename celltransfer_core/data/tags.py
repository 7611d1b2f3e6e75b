"""The tags of a TIFF, or of EXIF: counted and weighed before a decoder reads them.

Not in the paper.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import NamedTuple

from celltransfer_core.errors import ImageError

MAX_PAGES = 10_000
"""Pages of a TIFF."""

MAX_TAGS = 65_535
"""Tags of an image."""

MAX_TAG_VALUES = 1_000_000
"""Numbers in one tag, such as where the strips of a TIFF begin."""

_BYTES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4, 16: 8}
_PLAIN = (1, 2, 6, 7)  # kinds of tags that are kept as bytes


def check_tags(block: bytes) -> None:
    """Refuse a TIFF, or EXIF, whose tags would take much more than they are worth.

    Parameters
    ----------
    block : bytes
        Others than these are left alone.

    Raises
    ------
    ImageError
    """
    layout = _layout(block)
    if layout is None:
        return
    held = 0
    for tag in _directory(block, layout):
        size = _BYTES.get(tag.kind, 0) * tag.values  # decoders pass over kinds they do not know
        if size > 8 and tag.at + size > len(block):  # cut short: decoders stop here too
            return
        held += size
        if held > 2 * len(block):
            raise ImageError("its tags lie over one another; save it again without them")
        if size and tag.values > MAX_TAG_VALUES and tag.kind not in _PLAIN:
            raise ImageError(f"one of its tags has {tag.values:,} values; save it again, as PNG")


def count_pages(data: bytes) -> int:
    """Count the pages of a TIFF without reading them.

    Parameters
    ----------
    data : bytes

    Returns
    -------
    int
        1 if it is none.

    Raises
    ------
    ImageError
        If there are more than :data:`MAX_PAGES`.
    """
    layout = _layout(data)
    if layout is None:
        return 1
    seen: set[int] = set()
    while 0 < layout.first < len(data) and layout.first not in seen:  # some go round in a circle
        seen.add(layout.first)
        if len(seen) > MAX_PAGES:
            raise ImageError(f"has over {MAX_PAGES:,} pages; save the first by itself")
        layout = layout._replace(first=_next(data, layout))
    return max(1, len(seen))


class _Tag(NamedTuple):
    kind: int
    values: int
    at: int
    """Where its values lie, if they take more than the place of this number."""


class _Layout(NamedTuple):
    """How a TIFF, or EXIF, lists its tags."""

    first: int
    """Where its first list begins."""
    number: str
    entry: str
    """Patterns of the number of tags, and of a tag."""
    pointer: str
    """Pattern of the place of the next list."""


def _layout(block: bytes) -> _Layout | None:
    order = {b"II": "<", b"MM": ">"}.get(block[:2])
    try:
        if order and block[2:4] in (b"*\0", b"\0*"):
            at = struct.unpack_from(f"{order}I", block, 4)[0]
            return _Layout(at, f"{order}H", f"{order}2xHII", f"{order}I")
        if order and block[2:4] in (b"+\0", b"\0+"):
            at = struct.unpack_from(f"{order}Q", block, 8)[0]
            return _Layout(at, f"{order}Q", f"{order}2xHQQ", f"{order}Q")
    except struct.error:  # cut short: for the decoder to say
        pass
    return None


def _number_of_tags(block: bytes, layout: _Layout) -> int:
    number: int = struct.unpack_from(layout.number, block, layout.first)[0]
    if number > MAX_TAGS:
        raise ImageError(f"has over {MAX_TAGS:,} tags; save it again without them")
    return number


def _directory(block: bytes, layout: _Layout) -> Iterator[_Tag]:
    """List the tags of the first page, as far as they are there."""
    try:
        start = layout.first + struct.calcsize(layout.number)
        for number in range(_number_of_tags(block, layout)):
            at = start + number * struct.calcsize(layout.entry)
            yield _Tag(*struct.unpack_from(layout.entry, block, at))
    except struct.error:
        return


def _next(block: bytes, layout: _Layout) -> int:
    """Find the next page; 0 where there is none."""
    try:
        tags = _number_of_tags(block, layout) * struct.calcsize(layout.entry)
        at = layout.first + struct.calcsize(layout.number) + tags
        following: int = struct.unpack_from(layout.pointer, block, at)[0]
    except struct.error:
        return 0
    return following
