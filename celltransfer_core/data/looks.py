"""Summarise the appearance of a decoded image in a few hundred bytes. Not in the paper.

The record of an image holds its size, the colour and darkness of its border, its transparent share,
its number of grey levels, and a thumbnail for comparing images
(:mod:`celltransfer_core.data.overlap`) and finding suspicious ones
(:mod:`celltransfer_core.data.suspicions`).
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
"""Number of rows and columns of a thumbnail."""

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
"""A record: width and height in px; median RGB colour of the border; percentage of the border that
is black (0 if less than half); overall transparency of the image in percent; number of grey levels,
:data:`MANY` for more than a mask has; and the whole image in grey, resized to a square."""

_HEAD = struct.Struct("<2H3B3B")  # the same without the thumbnail; much faster to pack

MANY = 255

FEW = 16
"""Maximum number of grey levels of a mask: one per object, and the background."""

BLACK = 8
"""Grey value up to which a border counts as black: JPEG does not preserve 0 exactly."""

_FINE = 3  # minimum rows and columns per thumbnail row and column
_EDGE = 4  # one in this many border pixels is sampled
_APART = 128  # minimum grey levels between the two values of a mask blurred by JPEG
_NEAR = 16  # grey levels by which JPEG blurs the two values of a mask
_BLURRED = 0.94  # share of a mask's pixels that lie this near to one of the two


def look_at(pixels: Pixels) -> bytes:
    """Summarise the appearance of an image.

    Parameters
    ----------
    pixels : Pixels

    Returns
    -------
    bytes
        One record, see :data:`LOOK`. Values that need the scale of their set are converted to grey
        by the extremes of the image, so that another scale gives a similar record.
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
    # Stains are darkest in the green channel.
    green = Image.fromarray(np.ascontiguousarray(image[..., 1]))
    head = _HEAD.pack(
        *(width, height),
        *border,
        *(black, math.ceil(100 * (1 - opaque)), _levels_in(green)),
    )
    return head + green.resize((SIDE, SIDE), Image.Resampling.BOX).tobytes()


def read_looks(looks: Sequence[bytes]) -> tuple[NDArray[Any], NDArray[np.bool_]]:
    """Join records into one table.

    Parameters
    ----------
    looks : sequence of bytes, length n
        From :func:`look_at`; empty for images without a record.

    Returns
    -------
    table : ndarray of :data:`LOOK`, shape (n,)
        Zeros for images without a record.
    seen : ndarray of bool, shape (n,)
        Whether the image has a record.
    """
    seen = np.array([len(look) == LOOK.itemsize for look in looks], dtype=bool)
    table = np.zeros(len(looks), dtype=LOOK)
    whole = b"".join(look for look, known in zip(looks, seen.tolist(), strict=True) if known)
    table[seen] = np.frombuffer(whole, dtype=LOOK)
    return table, seen


def count_levels(look: bytes) -> int:
    """Read the number of grey levels of one record.

    Parameters
    ----------
    look : bytes

    Returns
    -------
    int
        :data:`MANY` if there is no record.
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
        See :func:`read_looks`. Images imported with version 0.1 have no record.
    """
    known: Mapping[str, bytes] = dataset.looks or {}
    return read_looks([known.get(cell, b"") for cell in dataset.cells])


def _in_colour(pixels: Pixels, step: int) -> NDArray[np.uint8]:
    """Take every ``step``-th row and column of an image, which is enough detail here."""
    thinned = pixels.values[::step, ::step]
    if not pixels.deep and pixels.alpha is None and thinned.shape[2] == 3:
        return thinned
    alpha = None if pixels.alpha is None else pixels.alpha[::step, ::step]
    return to_rgb(replace(pixels, values=thinned, alpha=alpha))


def _levels_in(green: Image.Image) -> int:
    """Count the grey levels; a mask blurred by JPEG counts as two."""
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
