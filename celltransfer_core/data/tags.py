"""Check the number and size of TIFF or EXIF tags before a decoder reads them.

Not in the paper.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import NamedTuple

from celltransfer_core.errors import ImageError

MAX_PAGES = 10_000
"""Maximum number of pages of a TIFF."""

MAX_TAGS = 65_535
"""Maximum number of tags of an image."""

MAX_TAG_VALUES = 1_000_000
"""Maximum number of values in one tag, such as the strip offsets of a TIFF."""

_BYTES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4, 16: 8}
_PLAIN = (1, 2, 6, 7)  # tag types that are kept as bytes
_WHOLE = {1: "B", 3: "H", 4: "I", 16: "Q"}  # integer types
_STRIPS, _TILES = (273, 279), (324, 325)  # offsets and lengths


def check_tags(block: bytes, pages: int = 1) -> None:
    """Refuse TIFF or EXIF data whose tags would take excessive memory.

    Parameters
    ----------
    block : bytes
        Other kinds of data are accepted unchecked.
    pages : int
        Number of TIFF pages to check, from the first; missing pages are ignored.

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
        size = _BYTES.get(tag.kind, 0) * tag.values  # decoders skip unknown types
        if size > 8 and tag.at + size > len(block):  # cut short: decoders stop here too
            return
        held += size
        if held > 2 * len(block):
            raise ImageError("its tags overlap; save it again without them")
        if size and tag.values > MAX_TAG_VALUES and tag.kind not in _PLAIN:
            raise ImageError(f"one of its tags has {tag.values:,} values; save it again, as PNG")


def count_pages(data: bytes) -> int:
    """Count the pages of a TIFF without decoding them.

    Parameters
    ----------
    data : bytes

    Returns
    -------
    int
        1 if it is not a TIFF.

    Raises
    ------
    ImageError
        If there are more than :data:`MAX_PAGES`.
    """
    layout = _layout(data)
    if layout is None:
        return 1
    seen: set[int] = set()
    while 0 < layout.first < len(data) and layout.first not in seen:  # some lists are circular
        seen.add(layout.first)
        if len(seen) > MAX_PAGES:
            raise ImageError(f"has over {MAX_PAGES:,} pages; save the first one separately")
        layout = layout._replace(first=_next(data, layout))
    return max(1, len(seen))


def page_end(data: bytes) -> int:
    """Find the end of a TIFF's first page, including tags, values and pixels.

    Parameters
    ----------
    data : bytes

    Returns
    -------
    int
        Position of the end; beyond the file's length if it was cut short.
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
    """Find the end of a page's list of tags."""
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
    """Offset of its values, if they do not fit in place of this number."""
    here: int
    """Position of the offset field itself."""


class _Layout(NamedTuple):
    """Layout of the tag lists of a TIFF or of EXIF data."""

    first: int
    """Offset of the first list."""
    number: str
    entry: str
    """Struct formats of the number of tags (above), and of a tag."""
    pointer: str
    """Struct format of the offset of the next list."""


def _layout(block: bytes) -> _Layout | None:
    order = {b"II": "<", b"MM": ">"}.get(block[:2])
    try:
        if order and block[2:4] in (b"*\0", b"\0*"):
            at = struct.unpack_from(f"{order}I", block, 4)[0]
            return _Layout(at, f"{order}H", f"{order}HHII", f"{order}I")
        if order and block[2:4] in (b"+\0", b"\0+"):
            at = struct.unpack_from(f"{order}Q", block, 8)[0]
            return _Layout(at, f"{order}Q", f"{order}HHQQ", f"{order}Q")
    except struct.error:  # cut short: the decoder will report it
        pass
    return None


def _number_of_tags(block: bytes, layout: _Layout) -> int:
    number: int = struct.unpack_from(layout.number, block, layout.first)[0]
    if number > MAX_TAGS:
        raise ImageError(f"has over {MAX_TAGS:,} tags; save it again without them")
    return number


def _directory(block: bytes, layout: _Layout) -> Iterator[_Tag]:
    """Yield the tags of the first page, as far as they exist."""
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
    """Find the next page; 0 if there is none."""
    try:
        following: int = struct.unpack_from(layout.pointer, block, _after_tags(block, layout))[0]
    except struct.error:
        return 0
    return following
