"""The checked files of a set in, the scales that bring its numbers to 8 bits out.

One scale a set and kind of numbers (16 bit, signed, float …), from the values of the set itself, so
that its images stay comparable. Not in the paper.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path

import numpy as np

from celltransfer_core.data.channels import channel_note, channel_problem
from celltransfer_core.data.checks import Checked, sample
from celltransfer_core.data.dataset import PixelScale, Remark
from celltransfer_core.data.images import read_pixels
from celltransfer_core.errors import ImageError

INTENSITY_PERCENTILES = (0.1, 99.9)
"""Of all numbers of a kind in a set: what becomes black and white."""

FAR_BELOW = "its numbers reach"
"""How the note begins on files whose numbers lie far below those of the set's others."""

_INTENSITY_IMAGES = 200  # that a scale is taken from
_FAR = 5  # times that numbers of other files are larger where they may be of another scale


@dataclass(frozen=True)
class SetScales:
    """How the numbers of a set become black and white."""

    scales: tuple[PixelScale, ...]
    """One for each kind of numbers."""
    numbers: tuple[int, ...] | None
    """Position in ``scales`` of each file's; None where there is one scale."""
    notes: tuple[Remark, ...]


def with_channels(
    checked: Mapping[str, Checked], channels: Sequence[int] | None
) -> dict[str, Checked]:
    """Leave out files whose channels cannot be shown until others are chosen.

    Parameters
    ----------
    checked : mapping from file name to Checked
    channels : sequence of int, optional
        Those that were chosen, see :func:`~celltransfer_core.data.channels.choose`.

    Returns
    -------
    dict from file name to Checked
        The same files; those that cannot be shown say why.
    """
    problems = {
        name: problem
        for name, found in checked.items()
        if not found.problem and (problem := channel_problem(found.channels, channels))
    }
    return {
        name: replace(found, problem=problems[name]) if name in problems else found
        for name, found in checked.items()
    }


def count_channels(checked: Mapping[str, Checked]) -> tuple[tuple[int, int], ...]:
    """Count files by the number of their channels, where these are no colours.

    Parameters
    ----------
    checked : mapping from file name to Checked

    Returns
    -------
    tuple of (int, int)
        Channels, and how many files have that many; ascending.
    """
    return tuple(sorted(Counter(c.channels for c in checked.values() if c.channels).items()))


def find_scales(
    files: Mapping[str, Checked],
    path_of: Callable[[str], Path],
    channels: Sequence[int] | None = None,
) -> SetScales:
    """Find one scale for each kind of numbers that a set holds.

    Parameters
    ----------
    files : mapping from file name to Checked
        The usable ones, in the order of their hashes.
    path_of : callable
        Takes a file's name, returns where it lies.
    channels : sequence of int, optional
        Those that were chosen.

    Returns
    -------
    SetScales
        With notes on files of several channels, on kinds that are mixed, and on files whose numbers
        lie far below those of the others.
    """
    chosen = tuple(channels) if channels and any(c.channels for c in files.values()) else None
    kinds = sorted({found.numbers for found in files.values()}) or [""]
    scales = []
    for kind in kinds:
        cells = {c.sha256: path_of(name) for name, c in files.items() if c.numbers == kind}
        intensity = intensity_range(cells, chosen) if kind else None
        scales.append(PixelScale(intensity, numbers=kind, channels=chosen))
    notes = [
        Remark(name, text)
        for name, found in files.items()
        for text in (found.note, channel_note(found.channels, chosen) if found.channels else "")
        if text
    ]
    if len(kinds) > 1:
        notes.append(Remark(".", _mixture(files)))
    for kind in filter(None, kinds):
        notes += _far_below({name: c.reach for name, c in files.items() if c.numbers == kind})
    numbers = tuple(kinds.index(found.numbers) for found in files.values())
    return SetScales(tuple(scales), numbers if len(kinds) > 1 else None, tuple(notes))


def intensity_range(
    cells: Mapping[str, Path], channels: Sequence[int] | None = None
) -> tuple[float, float] | None:
    """Find the scale of the images of a set that hold one kind of numbers.

    Parameters
    ----------
    cells : mapping from content hash to Path
        The images, in the order of hashes.
    channels : sequence of int, optional
        Those that were chosen.

    Returns
    -------
    (float, float) or None
        Values that become black and white: :data:`INTENSITY_PERCENTILES` of about 200 images. None
        if there are none.
    """
    # Ordered by hash, every so many is as good as drawn, and names change nothing.
    chosen = list(cells.items())[:: -(-len(cells) // _INTENSITY_IMAGES) or 1]
    samples = []
    for content, file in chosen:
        try:
            data = file.read_bytes()
            if hashlib.sha256(data).hexdigest() != content:
                continue  # so will it where bytes are others
            samples.append(sample(read_pixels(data).shown(channels)))
        except (OSError, ImageError):  # gone meanwhile: reading the cell will raise
            continue
    if not samples or not sum(map(len, samples)):
        return None
    values, counts = np.unique(np.concatenate(samples), return_counts=True)
    reached = np.cumsum(counts) / counts.sum()
    low, high = np.searchsorted(reached, np.array(INTENSITY_PERCENTILES) / 100)
    return float(values[low]), float(values[high])


def _mixture(files: Mapping[str, Checked]) -> str:
    counts = sorted(Counter(found.numbers or "8 bit" for found in files.values()).items())
    told = ", ".join(f"{kind} in {number:,} files" for kind, number in counts)
    return f"has several pixel formats: {told}; each has its own black and white"


def _far_below(reaches: Mapping[str, float]) -> list[Remark]:
    """Note files whose numbers all lie far below those of the others, as with another scale."""
    ordered = sorted({reach for reach in reaches.values() if reach > 0})
    gaps = [(upper / lower, lower, upper) for lower, upper in pairwise(ordered)]
    times, lower, upper = max(gaps, default=(0.0, 0.0, 0.0))
    if times < _FAR:
        return []
    reason = (
        f"{FAR_BELOW} at most {lower:.4g}, while those of the set's other files are {upper:.4g} or "
        "more, on one scale: check that all were saved in the same way"
    )
    return [Remark(name, reason) for name, reach in reaches.items() if 0 < reach <= lower]


def describe_scale(scale: PixelScale) -> str:
    """Say in words what becomes black and white.

    Parameters
    ----------
    scale : PixelScale

    Returns
    -------
    str
        Such as ``float, 0.02 to 0.97 become black and white``; empty for plain 8 bit.
    """
    if scale.intensity is None:
        return ""
    low, high = scale.intensity
    ends = (f"{end:,.0f}" if abs(high - low) >= 100 else f"{end:.4g}" for end in (low, high))
    return f"{scale.numbers or '16 bit'}, {' to '.join(ends)} become black and white"
