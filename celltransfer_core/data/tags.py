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
_WHOLE = {1: "B", 3: "H", 4: "I", 16: "Q"}  # kinds of whole numbers
_STRIPS, _TILES = (273, 279), (324, 325)  # where they begin, and their lengths


def check_tags(block: bytes, pages: int = 1) -> None:
    """Refuse a TIFF, or EXIF, whose tags would take much more than they are worth.

    Parameters
    ----------
    block : bytes
        Others than these are left alone.
    pages : int
        Of a TIFF, from the first; those that are not there are passed over.

    Raises
    ------
    ImageError
    """
    layout = _layout(block)
    for _ in range(pages):
        if layout is None or not 0 < layout.first < len(block):
            return
        _check_page(block, layout)
        layout = layout._replace(first=_next(block, layout)) if pages > 1 else None


def _check_page(block: bytes, layout: _Layout) -> None:
    held = 0
    for tag in _directory(block, layout):
        size = _BYTES.get(tag.kind, 0) * tag.values  # decoders pass over kinds they do not know
        if size > 8 and tag.at + size > len(block):  # cut short: decoders stop here too
            return
        held += size
        if held > 2 * len(block):
            raise ImageError("its tags overlap; save it again without them")
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
            raise ImageError(f"has over {MAX_PAGES:,} pages; save the first one separately")
        layout = layout._replace(first=_next(data, layout))
    return max(1, len(seen))


def page_end(data: bytes) -> int:
    """Find where the first page of a TIFF ends: its tags, their values, and its pixels.

    Parameters
    ----------
    data : bytes

    Returns
    -------
    int
        Beyond the file's length if it was cut short.
    """
    layout = _layout(data)
    if layout is None:
        return len(data) + 1
    ends = [_after_tags(data, layout)]
    found: dict[int, tuple[int, ...]] = {}
    for tag in _directory(data, layout):
        size = _BYTES.get(tag.kind, 0) * tag.values
        place = tag.at if size > struct.calcsize(layout.pointer) else tag.here
        ends.append(place + size)
        if tag.number in (*_STRIPS, *_TILES) and place + size <= len(data):
            order, kind = layout.number[0], _WHOLE.get(tag.kind)
            pattern = f"{order}{tag.values}{kind}" if kind and tag.values <= MAX_TAG_VALUES else ""
            found[tag.number] = struct.unpack_from(pattern, data, place)
    for places, lengths in (_STRIPS, _TILES):
        pieces = zip(found.get(places, ()), found.get(lengths, ()), strict=False)
        ends += [place + length for place, length in pieces]
    return max(ends)


def _after_tags(data: bytes, layout: _Layout) -> int:
    """Find where the list of tags of a page ends."""
    try:
        tags = _number_of_tags(data, layout) * struct.calcsize(layout.entry)
    except struct.error:
        return len(data) + 1
    return layout.first + struct.calcsize(layout.number) + tags


class _Tag(NamedTuple):
    number: int
    kind: int
    values: int
    at: int
    """Where its values lie, if they take more than the place of this number."""
    here: int
    """Where that place is."""


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
            return _Layout(at, f"{order}H", f"{order}HHII", f"{order}I")
        if order and block[2:4] in (b"+\0", b"\0+"):
            at = struct.unpack_from(f"{order}Q", block, 8)[0]
            return _Layout(at, f"{order}Q", f"{order}HHQQ", f"{order}Q")
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
            here = at + struct.calcsize(layout.entry) - struct.calcsize(layout.pointer)
            tag, kind, values, place = struct.unpack_from(layout.entry, block, at)
            yield _Tag(tag, kind, values, place, here)
    except struct.error:
        return


def _next(block: bytes, layout: _Layout) -> int:
    """Find the next page; 0 where there is none."""
    try:
        following: int = struct.unpack_from(layout.pointer, block, _after_tags(block, layout))[0]
    except struct.error:
        return 0
    return following
