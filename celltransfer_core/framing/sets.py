"""One field of view and one colour scale for every cell, whatever the microscope.

Not in the paper. Each cell is cut to a square around its stained nucleus, so that a cell which
fills its image and one that is small in a wide field look alike to an encoder.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np

from celltransfer_core.data.dataset import Dataset
from celltransfer_core.framing.colour import Colour, ColourMap, White
from celltransfer_core.framing.crops import Crops
from celltransfer_core.framing.nuclei import BATCH, Nuclei, find_nuclei
from celltransfer_core.runtime.cache import Cache
from celltransfer_core.runtime.tasks import run_tasks
from celltransfer_core.types import Float64, Progress, silent

Mode = Literal["auto", "nucleus", "none"]

ENOUGH = 0.8
"""Share of nuclei that must be found in every set for ``auto`` to frame."""

_COLOUR_SAMPLE = 1000  # cells a set that Lab moments are taken from
_COLOUR_SIDE = 64  # rows and columns of each at most: the rest says the same and takes long


def lab_moments(
    crops: Crops, *, workers: int | None = None, progress: Progress = silent
) -> tuple[Float64, Float64]:
    """Measure the mean and spread of a set's colours.

    Parameters
    ----------
    crops : Crops
        At most 1,000 cells count, evenly along the order of content hashes.
    workers : int, optional
    progress : callable

    Returns
    -------
    mean, std : ndarray of float64, shape (3,)
        In Lab, over pixels on a regular grid of each cell; each cell counts the same.
    """
    chosen = np.unique(np.linspace(0, len(crops) - 1, min(len(crops), _COLOUR_SAMPLE)).astype(int))
    batches = [chosen[start : start + BATCH] for start in range(0, len(chosen), BATCH)]
    sums = np.zeros((len(batches), 2, 3))
    for index, found in run_tasks(_lab_sums, [crops.take(b) for b in batches], workers=workers):
        sums[index] = found
        progress("colour", int(np.count_nonzero(sums[:, 1, 0])), len(batches))
    first, second = sums.sum(axis=0) / len(chosen)
    return first, np.sqrt(np.maximum(second - first**2, 0))


def _lab_sums(crops: Crops) -> Float64:
    from skimage.color import rgb2lab

    sums = np.zeros((2, 3))
    for cell in range(len(crops)):
        image = crops[cell]
        step = -(-max(image.shape[:2]) // _COLOUR_SIDE)
        lab = rgb2lab(image[step // 2 :: step, step // 2 :: step]).reshape(-1, 3)
        sums += np.stack([lab.mean(axis=0), (lab**2).mean(axis=0)])
    return sums


@dataclass(frozen=True)
class Framing:
    """How all sets are shown to the encoders."""

    crops: Mapping[str, Crops]
    """By set."""
    framed: bool
    reason: str
    """What was decided and why, and how cells are lit, in one sentence."""
    nuclei: Mapping[str, Nuclei] = field(default_factory=dict)
    """By set, also when too few were found to use them; empty where nobody looked."""


def frame_sets(
    sets: Mapping[str, Dataset],
    *,
    mode: Mode,
    colour: Colour,
    um_per_px: Mapping[str, float | None],
    cache: Cache,
    reference: str = "reference",
    workers: int | None = None,
    progress: Progress = silent,
) -> Framing:
    """Decide on framing and colour for all sets alike, and prepare their crops.

    Parameters
    ----------
    sets : mapping from name to Dataset
    mode : {"auto", "nucleus", "none"}
        ``auto`` frames if at least 80 % of the nuclei are found in every set; ``nucleus`` always,
        cells without one being left whole; ``none`` does not look for any.
    colour : {"balanced", "lab", "none"}
        ``lab`` brings the other sets' Lab moments to the reference's; ``balanced`` lights each
        framed cell before, so that its background has the colour that the reference's cells have
        in the median. Of several references that were pooled, the largest is meant.
    um_per_px : mapping from name to float
        Size of a pixel, where it is known.
    cache : Cache
    reference : str
        Name of the set whose colours stay.
    workers : int, optional
    progress : callable

    Returns
    -------
    Framing
    """
    nuclei: dict[str, Nuclei] = {}
    if mode != "none":
        nuclei = {
            name: find_nuclei(dataset, cache, workers=workers, progress=progress)
            for name, dataset in sets.items()
        }
    framed, reason = choose_framing(mode, _by_source(sets, nuclei))
    white = None
    if colour == "balanced" and framed:
        white = _usual_background(sets[reference], nuclei[reference])
    if white is not None:
        reason += "; lit so that every background has the reference's usual colour"
    crops = {
        name: Crops(
            dataset,
            nuclei[name] if framed else None,
            um_per_px=um_per_px.get(name) or None,
            white=white,
        )
        for name, dataset in sets.items()
    }
    if colour != "none":
        moments = {
            (name, part.dataset.sources[0]): lab_moments(part, workers=workers, progress=progress)
            for name, one in crops.items()
            for _, part in one.by_source()
        }
        stays = (reference, _largest_source(sets[reference]))
        crops = {
            name: replace(
                one,
                colours={
                    source: ColourMap(*moments[name, source], *moments[stays])
                    for source in one.dataset.sources
                    if (name, source) != stays
                },
            )
            for name, one in crops.items()
        }
    return Framing(crops, framed, reason, nuclei)


def _by_source(sets: Mapping[str, Dataset], nuclei: Mapping[str, Nuclei]) -> dict[str, Nuclei]:
    """Part what was found in a pooled set by where it came from."""
    return {
        f"{name} {source}".strip(): found.take(np.flatnonzero(dataset.cell_sources == number))
        for name, found in nuclei.items()
        for dataset in (sets[name],)
        for number, source in enumerate(dataset.sources)
    }


def _usual_background(dataset: Dataset, nuclei: Nuclei) -> White | None:
    largest = dataset.sources.index(_largest_source(dataset))
    seen = nuclei.background[nuclei.found & (dataset.cell_sources == largest)]
    if len(seen) == 0:
        return None
    red, green, blue = np.rint(np.median(seen, axis=0)).astype(int).tolist()
    return red, green, blue


def _largest_source(dataset: Dataset) -> str:
    return dataset.sources[int(np.bincount(dataset.cell_sources).argmax())]


def choose_framing(mode: Mode, nuclei: Mapping[str, Nuclei]) -> tuple[bool, str]:
    """Decide whether all sets are framed, or none.

    Parameters
    ----------
    mode : {"auto", "nucleus", "none"}
    nuclei : mapping from set name to Nuclei

    Returns
    -------
    framed : bool
    reason : str
        In one sentence.
    """
    if mode == "none":
        return False, "whole images, as asked for"
    counts = ", ".join(
        f"{int(found.found.sum()):,} of {len(found.found):,} nuclei found in {name}"
        for name, found in nuclei.items()
    )
    left = sum(int((~found.found).sum()) for found in nuclei.values())
    whole = f"; the {left:,} cells without one are left whole" if left else ""
    if mode == "nucleus":
        return True, f"cut around the nucleus, as asked for ({counts}){whole}"
    if all(found.found.mean() >= ENOUGH for found in nuclei.values()):
        return True, f"cut around the nucleus ({counts}){whole}"
    return False, f"whole images, for too few nuclei were found ({counts}; {ENOUGH:.0%} needed)"
