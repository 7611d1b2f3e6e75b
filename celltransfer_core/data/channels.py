"""Read the channels of a TIFF and choose those shown as red, green and blue.

A channel is a separate picture, such as one fluorescent stain. Not in the paper.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from celltransfer_core.errors import ImageError

MAX_CHANNELS = 100
"""Maximum number of channels of a file."""

_DESCRIBED = 1_000_000  # characters of a description that are read
_COLOURS = ("red", "green", "blue")


class Stack(NamedTuple):
    """Channels that are stored on separate pages."""

    channels: int
    """Number of channels; 1 where pages are not channels."""
    apart: int = 1
    """Number of pages from one channel to the next."""


def parse_channels(text: str) -> tuple[int, ...]:
    """Parse a choice of channels.

    Parameters
    ----------
    text : str
        ``2``, shown as grey, or ``1,2,3``, shown as red, green and blue.

    Returns
    -------
    tuple of int
        One or three channel numbers, counted from 1.

    Raises
    ------
    ValueError
        If it is not a valid choice.
    """
    parts = [part.strip() for part in text.split(",")]
    if len(parts) not in (1, 3) or not all(re.fullmatch("[0-9]{1,3}", part) for part in parts):
        raise ValueError(f"{text!r} is neither one channel nor three separated by commas")
    channels = tuple(int(part) for part in parts)
    if not all(1 <= number <= MAX_CHANNELS for number in channels):
        raise ValueError(f"{text!r}: channels are counted from 1 to {MAX_CHANNELS}")
    return channels


def choose(values: NDArray[Any], channels: Sequence[int] | None) -> NDArray[Any]:
    """Select the channels that are shown.

    Parameters
    ----------
    values : ndarray, shape (h, w, c)
    channels : sequence of int, optional
        Counted from 1: one, shown as grey, or three, shown as red, green and blue. By default,
        all channels of an image that has three.

    Returns
    -------
    ndarray, shape (h, w, 1) or (h, w, 3)

    Raises
    ------
    ImageError
        If the image does not have these channels.
    """
    if problem := channel_problem(values.shape[2], channels):
        raise ImageError(problem)
    if channels is None:
        return values
    return np.ascontiguousarray(values[..., [number - 1 for number in channels]])


def channel_problem(has: int, channels: Sequence[int] | None) -> str:
    """Explain why an image with this number of channels cannot be shown.

    Parameters
    ----------
    has : int
        Number of its channels; 0 for ordinary grey and colour.
    channels : sequence of int, optional
        The chosen channels.

    Returns
    -------
    str
        Empty if it can.
    """
    if channels is None:
        if has in (0, 3):
            return ""
        return (
            f"has {has} channels; choose one to show as grey, or three to show as red, green and "
            "blue (on Data, or with --channels)"
        )
    if has and max(channels) > has:
        return f"has {has} channels, but channel {max(channels)} was chosen; choose others"
    return ""


def channel_note(has: int, channels: Sequence[int] | None) -> str:
    """Describe which channels of an image are shown.

    Parameters
    ----------
    has : int
        Number of its channels, more than 0.
    channels : sequence of int, optional
        The chosen channels; if not given, the image has three.

    Returns
    -------
    str
    """
    channels = channels or (1, 2, 3)
    if len(channels) == 1:
        return f"has {has} channels; channel {channels[0]} is shown as grey"
    shown = ", ".join(
        f"{number} as {name}" for number, name in zip(channels, _COLOURS, strict=True)
    )
    return f"has {has} channels; channels shown: {shown}"


def described_channels(description: str) -> Stack:
    """Read the number of channels that a TIFF declares on separate pages.

    Parameters
    ----------
    description : str
        Description of its first page, as written by ImageJ, OME or tifffile.

    Returns
    -------
    Stack
    """
    text = description[:_DESCRIBED]
    if text.startswith("ImageJ="):
        found = re.search(r"^channels=(\d{1,6})\s*$", text, re.MULTILINE)
        return Stack(int(found[1])) if found else Stack(1)
    if "<OME" in text[:2000]:
        return _ome(text)
    if text.startswith('{"shape"'):
        return _shaped(text)
    return Stack(1)


def _ome(text: str) -> Stack:
    pixels = re.search(r"<(?:\w+:)?Pixels\b([^>]*)>", text)
    if pixels is None:
        return Stack(1)
    sizes = {axis: int(n) for axis, n in re.findall(r'\bSize([CZT])="(\d{1,6})"', pixels[1])}
    order = re.search(r'\bDimensionOrder="XY([CZT]{3})"', pixels[1])
    samples = re.search(r'<(?:\w+:)?Channel\b[^>]*\bSamplesPerPixel="(\d{1,6})"', text)
    if samples is not None and int(samples[1]) > 1:  # colours of one picture
        return Stack(1)
    apart = 1
    for axis in order[1] if order else "CZT":
        if axis == "C":
            break
        apart *= max(1, sizes.get(axis, 1))
    return Stack(max(1, sizes.get("C", 1)), apart)


def _shaped(text: str) -> Stack:
    try:
        told = json.loads(text)
        shape, axes = [int(side) for side in told["shape"]], str(told.get("axes", ""))
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return Stack(1)
    planes = axes.rstrip("S")[:-2]  # without the height and width of a page
    if len(axes) != len(shape) or "C" not in planes:
        return Stack(1)
    at = planes.index("C")
    return Stack(max(1, shape[at]), max(1, int(np.prod(shape[at + 1 : len(planes)]))))
