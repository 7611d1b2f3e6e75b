"""What one decoded image looks like, in a few hundred bytes. Not in the paper.

In go the pixels of an image, out comes its record: sides, colour and darkness of its border, how
much of it is transparent, how few grey levels it has, and a thumbnail that it can be compared by
(:mod:`celltransfer_core.data.overlap`) and doubted by (:mod:`celltransfer_core.data.suspicions`).
"""

from __future__ import annotations

import math
import struct
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from celltransfer_core.data.pixels import Pixels, to_rgb

if TYPE_CHECKING:
    from PIL import Image

    from celltransfer_core.data.dataset import Dataset

SIDE = 24
"""Rows and columns of a thumbnail."""

LOOK = np.dtype(
    [
        ("width", "<u2"),
        ("height", "<u2"),
        ("border", "u1", (3,)),
        ("black", "u1"),
        ("clear", "u1"),
        ("levels", "u1"),
        ("thumbnail", "u1", (SIDE, SIDE)),
    ]
)
"""A record: sides in px; the border's median colour in RGB; in percent, how much of the border is
black (0 for less than half), and how transparent the image is on the whole; grey levels,
:data:`MANY` for more than a mask has; and the whole image in grey, squeezed to a square."""

_HEAD = struct.Struct("<2H3B3B")  # the same, without the thumbnail: packed far faster

MANY = 255

FEW = 16
"""Grey levels that a drawn mask may have: one for each object in it, and its background."""

BLACK = 8
"""Grey value up to which a border counts as black: a JPEG leaves no plain 0."""

_FINE = 3  # rows and columns behind one of the thumbnail, at least
_EDGE = 4  # of so many pixels of the border one is looked at
_APART = 128  # grey values, at least, between the two of a mask that a JPEG blurred
_NEAR = 16  # grey values that a JPEG blurs the two of a mask by
_BLURRED = 0.94  # share of the pixels of a mask that lie that near to one of the two


def look_at(pixels: Pixels) -> bytes:
    """Look at an image.

    Parameters
    ----------
    pixels : Pixels

    Returns
    -------
    bytes
        One record, see :data:`LOOK`. Numbers that need the scale of their set are brought to grey
        by their own extremes: another scale of the same image looks alike.
    """
    from PIL import Image

    height, width = pixels.values.shape[:2]
    step = max(1, min(height, width) // (SIDE * _FINE))
    image = _in_colour(pixels, step)
    edge = np.concatenate([image[0], image[-1], image[:, 0], image[:, -1]])[::_EDGE]
    border = np.sort(edge, axis=0)[len(edge) // 2].tolist()
    black = 0
    if max(border) <= BLACK:
        black = int(100 * np.count_nonzero(edge.max(axis=1) <= BLACK) / len(edge))
    opaque = 1.0 if pixels.alpha is None else float(pixels.alpha.mean(dtype=np.float64))
    # Stains are dark in green.
    green = Image.fromarray(np.ascontiguousarray(image[..., 1]))
    head = _HEAD.pack(
        *(width, height),
        *border,
        *(black, math.ceil(100 * (1 - opaque)), _levels_in(green)),
    )
    return head + green.resize((SIDE, SIDE), Image.Resampling.BOX).tobytes()


def read_looks(looks: Sequence[bytes]) -> tuple[NDArray[Any], NDArray[np.bool_]]:
    """Join records to one table.

    Parameters
    ----------
    looks : sequence of bytes, length n
        From :func:`look_at`; empty where nobody looked.

    Returns
    -------
    table : ndarray of :data:`LOOK`, shape (n,)
        Zeros where nobody looked.
    seen : ndarray of bool, shape (n,)
        Whether somebody did.
    """
    seen = np.array([len(look) == LOOK.itemsize for look in looks], dtype=bool)
    table = np.zeros(len(looks), dtype=LOOK)
    whole = b"".join(look for look, known in zip(looks, seen.tolist(), strict=True) if known)
    table[seen] = np.frombuffer(whole, dtype=LOOK)
    return table, seen


def count_levels(look: bytes) -> int:
    """Read the grey levels of one record.

    Parameters
    ----------
    look : bytes

    Returns
    -------
    int
        :data:`MANY` where nobody looked.
    """
    table, seen = read_looks([look])
    return int(table["levels"][0]) if seen[0] else MANY


def looks_of(dataset: Dataset) -> tuple[NDArray[Any], NDArray[np.bool_]]:
    """Collect the records of a set's cells.

    Parameters
    ----------
    dataset : Dataset
        n cells.

    Returns
    -------
    table : ndarray of :data:`LOOK`, shape (n,)
    seen : ndarray of bool, shape (n,)
        See :func:`read_looks`. Images that came into a workspace of version 0.1 were not looked at.
    """
    known: Mapping[str, bytes] = dataset.looks or {}
    return read_looks([known.get(cell, b"") for cell in dataset.cells])


def _in_colour(pixels: Pixels, step: int) -> NDArray[np.uint8]:
    """Take one of so many rows and columns of an image; far fewer than it has show as much."""
    thinned = pixels.values[::step, ::step]
    if not pixels.deep and pixels.alpha is None and thinned.shape[2] == 3:
        return thinned
    alpha = None if pixels.alpha is None else pixels.alpha[::step, ::step]
    return to_rgb(replace(pixels, values=thinned, alpha=alpha))


def _levels_in(green: Image.Image) -> int:
    """Count the grey levels; those of a mask that a JPEG blurred are two."""
    middle = green.height // 2
    row = green.crop((0, middle, green.width, middle + 1))
    if len(set(row.tobytes())) > 2 * FEW:  # as in nearly all pictures
        return MANY
    histogram = green.histogram()
    levels = len(histogram) - histogram.count(0)
    if levels <= FEW:
        return levels
    low = next(value for value, count in enumerate(histogram) if count)
    high = next(value for value in range(255, -1, -1) if histogram[value])
    if high - low < _APART:
        return MANY
    dark, light = sum(histogram[: low + _NEAR + 1]), sum(histogram[high - _NEAR :])
    between = sum(histogram) - dark - light
    blurred = between <= min((1 - _BLURRED) * sum(histogram), min(dark, light) / 2)
    return 2 if blurred else MANY
