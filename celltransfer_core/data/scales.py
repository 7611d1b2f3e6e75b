"""Find the scales that convert the values of a set's checked files to 8 bits.

There is one scale per set and kind of values (16 bit, signed, float …), computed from the set
itself, so that its images stay comparable. Not in the paper.
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
"""Percentiles mapped to black and white, over all values of one kind in a set."""

FAR_BELOW = "its numbers reach"
"""Start of the note on files whose values are far below those of the other files."""

_INTENSITY_IMAGES = 200  # images from which a scale is computed
_FAR = 5  # ratio of values from which files may have another scale


@dataclass(frozen=True)
class SetScales:
    """How the values of a set are mapped to black and white."""

    scales: tuple[PixelScale, ...]
    """One scale per kind of values."""
    numbers: tuple[int, ...] | None
    """Position in ``scales`` of the scale of each file; None if there is one scale."""
    notes: tuple[Remark, ...]


def with_channels(
    checked: Mapping[str, Checked], channels: Sequence[int] | None
) -> dict[str, Checked]:
    """Leave out files whose channels cannot be shown with the current choice.

    Parameters
    ----------
    checked : mapping from file name to Checked
    channels : sequence of int, optional
        Chosen channels, see :func:`~celltransfer_core.data.channels.choose`.

    Returns
    -------
    dict from file name to Checked
        The same files; those that cannot be shown carry the reason.
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
    """Count files by number of channels, where these are not colours.

    Parameters
    ----------
    checked : mapping from file name to Checked

    Returns
    -------
    tuple of (int, int)
        Number of channels and number of files with that many; ascending.
    """
    return tuple(sorted(Counter(c.channels for c in checked.values() if c.channels).items()))


def find_scales(
    files: Mapping[str, Checked],
    path_of: Callable[[str], Path],
    channels: Sequence[int] | None = None,
) -> SetScales:
    """Find one scale for each kind of values in a set.

    Parameters
    ----------
    files : mapping from file name to Checked
        The usable files, in the order of their hashes.
    path_of : callable
        Takes the name of a file and returns its path.
    channels : sequence of int, optional
        Chosen channels.

    Returns
    -------
    SetScales
        With notes on files with several channels, on mixed kinds of values, and on files whose
        values are far below those of the other files.
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
    """Find the scale of the images of a set that have the same kind of values.

    Parameters
    ----------
    cells : mapping from content hash to Path
        The images, in the order of hashes.
    channels : sequence of int, optional
        Chosen channels.

    Returns
    -------
    (float, float) or None
        Values mapped to black and white: :data:`INTENSITY_PERCENTILES` of about 200 images. None
        if there are no values.
    """
    # In the order of hashes, every n-th image is as good as a random draw, whatever the names.
    chosen = list(cells.items())[:: -(-len(cells) // _INTENSITY_IMAGES) or 1]
    samples = []
    for content, file in chosen:
        try:
            data = file.read_bytes()
            if hashlib.sha256(data).hexdigest() != content:
                continue  # so will it if its content has changed
            samples.append(sample(read_pixels(data).shown(channels)))
        except (OSError, ImageError):  # removed in the meantime: reading the cell will raise
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
    """Note files whose values are all far below those of the others, as if on another scale."""
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
    """Describe in words which values become black and white.

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
