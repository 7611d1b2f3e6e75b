"""Sets with transparent images in, the same laid over one usual background out. Not in the paper.

A cut-out that is laid over white, beside images with a background of their own, differs from them
in the background first. Which colour is usual was seen when the images came in
(:mod:`celltransfer_core.data.looks`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from celltransfer_core.data.dataset import Dataset
from celltransfer_core.data.looks import looks_of
from celltransfer_core.data.pixels import RGB


def over_one_background(sets: Mapping[str, Dataset], first: str) -> dict[str, Dataset]:
    """Lay every set's transparent images over the usual background of those that are not.

    Parameters
    ----------
    sets : mapping from name to Dataset
    first : str
        Name of the set whose background is taken; another one's where all its images are
        transparent.

    Returns
    -------
    dict from name to Dataset
        Sets without a transparent image stay as they are, and so do all where no image has a
        background of its own: these are laid over white.
    """
    order = [first, *(name for name in sets if name != first)]
    seen = (usual_background(sets[name]) for name in order)
    colour = next((found for found in seen if found is not None), None)
    return {
        name: _over(dataset, colour) if colour and _has_transparent(dataset) else dataset
        for name, dataset in sets.items()
    }


def usual_background(dataset: Dataset) -> RGB | None:
    """Find the usual colour at the border of a set's images.

    Parameters
    ----------
    dataset : Dataset

    Returns
    -------
    (int, int, int) or None
        The median of those without any transparency; None if there are none.
    """
    looks, seen = looks_of(dataset)
    whole = looks["border"][seen & (looks["clear"] == 0)]
    if not len(whole):
        return None
    red, green, blue = np.rint(np.median(whole, axis=0)).astype(int).tolist()
    return red, green, blue


def _has_transparent(dataset: Dataset) -> bool:
    looks, _ = looks_of(dataset)
    return bool(looks["clear"].any())


def _over(dataset: Dataset, colour: RGB) -> Dataset:
    scales = tuple(replace(scale, background=colour) for scale in dataset.scales)
    return replace(dataset, scales=scales)
