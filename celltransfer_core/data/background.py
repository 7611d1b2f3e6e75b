"""Lay transparent images over the usual background of the other images. Not in the paper.

A cut-out laid over white differs from images with a real background mainly in the background. The
usual colour is computed when the images are imported (:mod:`celltransfer_core.data.looks`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from celltransfer_core.data.dataset import Dataset
from celltransfer_core.data.looks import looks_of
from celltransfer_core.data.pixels import RGB


def over_one_background(sets: Mapping[str, Dataset], first: str) -> dict[str, Dataset]:
    """Lay the transparent images of every set over the usual background of the opaque images.

    Parameters
    ----------
    sets : mapping from name to Dataset
    first : str
        Name of the set whose background is used; if all its images are transparent, another
        set's background is used.

    Returns
    -------
    dict from name to Dataset
        Sets without transparent images are unchanged. If no image has a background of its own,
        all sets are unchanged and transparent images are laid over white.
    """
    order = [first, *(name for name in sets if name != first)]
    seen = (usual_background(sets[name]) for name in order)
    colour = next((found for found in seen if found is not None), None)
    return {
        name: _over(dataset, colour) if colour and _has_transparent(dataset) else dataset
        for name, dataset in sets.items()
    }


def usual_background(dataset: Dataset) -> RGB | None:
    """Find the usual border colour of a set's images.

    Parameters
    ----------
    dataset : Dataset

    Returns
    -------
    (int, int, int) or None
        The median over images without transparency; None if there are none.
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
