"""Frame all sets of a run in the same way and bring them to one colour scale.

Not in the paper. Each cell is cropped to a square around its stained nucleus, so that a cell that
fills its image and a small cell in a wide field look similar to an encoder.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Literal

import numpy as np

from celltransfer_core.about import __version__
from celltransfer_core.data.dataset import Dataset
from celltransfer_core.framing.colour import Colour, ColourMap, White
from celltransfer_core.framing.crops import Crops
from celltransfer_core.framing.nuclei import Nuclei, find_nuclei
from celltransfer_core.framing.nucleus import WIDE_FIELD
from celltransfer_core.runtime.batches import evenly_spaced, in_batches
from celltransfer_core.runtime.cache import Cache, fingerprint, uncached
from celltransfer_core.runtime.progress import counted_together
from celltransfer_core.runtime.tasks import run_tasks
from celltransfer_core.types import Float64, Ints, Progress, silent

Mode = Literal["auto", "nucleus", "wide", "none"]
"""Whether cells are cropped around their nuclei, see :func:`frame_sets`."""

Field = Literal["nucleus", "wide", "whole"]
"""Field kept of a cell: around its nucleus, twice as wide, or the whole image."""

MIN_SHARE_FOUND = 0.8
"""Minimum share of nuclei found in every set for ``auto`` to frame."""

_CUT = {
    "nucleus": "cropped around the nucleus",
    "wide": "cropped around the nucleus, twice as wide as usual",
}
_COLOUR_SAMPLE = 1000  # cells per set from which Lab moments are computed
_COLOUR_BATCH = 128  # cells summed at once: changing it alters the last digits
_COLOUR_SIDE = 64  # maximum rows and columns of each: more gives no benefit


def lab_moments(
    crops: Crops,
    *,
    cache: Cache | None = None,
    workers: int | None = None,
    progress: Progress = silent,
) -> tuple[Float64, Float64]:
    """Measure the mean and standard deviation of a set's colours.

    Parameters
    ----------
    crops : Crops
        At most 1,000 cells are measured, evenly along the order of content hashes.
    cache : Cache, optional
        Stores the result by the measured cells and everything that affects their pixels.
    workers : int, optional
        Number of processes; one per processor by default.
    progress : callable

    Returns
    -------
    mean, std : ndarray of float64, shape (3,)
        In Lab, over pixels on a regular grid of each cell; all cells have equal weight.
    """
    chosen = _measured_cells(crops)
    progress("colour", 0, len(chosen))
    cells = [crops.dataset.cells[cell] for cell in chosen]
    key = fingerprint(["colour", __version__, crops.variant, _COLOUR_SIDE, _COLOUR_BATCH, cells])
    work = partial(_measure_colours, crops, chosen, workers, progress)
    found = (cache.once if cache else uncached)(key, work)
    progress("colour", len(chosen), len(chosen))
    return found


def _measured_cells(crops: Crops) -> Ints:
    return evenly_spaced(len(crops), _COLOUR_SAMPLE)


def _measure_colours(
    crops: Crops, chosen: Ints, workers: int | None, progress: Progress
) -> tuple[Float64, Float64]:
    batches = in_batches(chosen, _COLOUR_BATCH)
    sums, done = np.zeros((len(batches), 2, 3)), 0
    for index, found in run_tasks(_lab_sums, [crops.take(b) for b in batches], workers=workers):
        sums[index] = found
        done += len(batches[index])
        progress("colour", done, len(chosen))
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
    """The crops of all sets, and the framing decision."""

    crops: Mapping[str, Crops]
    """Crops of each set."""
    framed: bool
    reason: str
    """The decision and its reason, in one sentence."""
    nuclei: Mapping[str, Nuclei] = field(default_factory=dict)
    """Nuclei of each set, even if too few were found to be used; empty if not searched for."""


def frame_sets(
    sets: Mapping[str, Dataset],
    *,
    mode: Mode,
    colour: Colour,
    cache: Cache,
    reference: str = "reference",
    suited: Field = "nucleus",
    in_um: bool = False,
    workers: int | None = None,
    progress: Progress = silent,
) -> Framing:
    """Decide on framing and colour for all sets together, and prepare their crops.

    Parameters
    ----------
    sets : mapping from name to Dataset
    mode : {"auto", "nucleus", "wide", "none"}
        ``auto`` frames if at least 80 % of the nuclei are found in every set; ``nucleus`` always
        frames and leaves cells without a nucleus whole; ``wide`` likewise, twice as wide; ``none``
        does not search for nuclei.
    colour : {"balanced", "lab", "none"}
        ``lab`` matches the Lab moments of the other sets to those of the reference; ``balanced``
        first also scales each cell of framed sets so that its background has the median colour of
        the reference's backgrounds. If the reference is pooled, its largest set is used.
    cache : Cache
    reference : str
        Name of the set that keeps its colours.
    suited : {"nucleus", "wide", "whole"}
        Field that ``auto`` keeps if enough nuclei are found.
    in_um : bool
        Whether extents are in µm where the pixel size is known, see :attr:`Crops.extents`.
    workers : int, optional
        Number of processes; one per processor by default.
    progress : callable

    Returns
    -------
    Framing
    """
    nuclei: dict[str, Nuclei] = {}
    if mode != "none":
        parts = counted_together(progress, [len(dataset) for dataset in sets.values()])
        nuclei = {
            name: find_nuclei(dataset, cache, workers=workers, progress=part)
            for (name, dataset), part in zip(sets.items(), parts, strict=True)
        }
    framed, reason = choose_framing(mode, _by_source(sets, nuclei), suited)
    if "wide" in (mode, suited if mode == "auto" else ""):
        nuclei = {name: replace(found, field=WIDE_FIELD) for name, found in nuclei.items()}
    white = None
    if colour == "balanced" and framed:
        white = _usual_background(sets[reference], nuclei[reference])
    if white is not None:
        reason += "; brightness adjusted so that every background has the reference's usual colour"
    crops = {
        name: Crops(
            dataset,
            nuclei[name] if framed else None,
            in_um=in_um,
            white=white,
        )
        for name, dataset in sets.items()
    }
    if colour != "none":
        target = (reference, _largest_source(sets[reference]))
        crops = _with_colour_maps(crops, target, cache, workers, progress)
    return Framing(crops, framed, reason, nuclei)


def _with_colour_maps(
    crops: Mapping[str, Crops],
    target: tuple[str, str],
    cache: Cache,
    workers: int | None,
    progress: Progress,
) -> dict[str, Crops]:
    """Match the colours of every source of every set to those of one source."""
    sources = [(name, part) for name, one in crops.items() for _, part in one.by_source()]
    counts = counted_together(progress, [len(_measured_cells(part)) for _, part in sources])
    moments = {
        (name, part.dataset.sources[0]): lab_moments(
            part, cache=cache, workers=workers, progress=count
        )
        for (name, part), count in zip(sources, counts, strict=True)
    }
    return {
        name: replace(
            one,
            colours={
                source: ColourMap(*moments[name, source], *moments[target])
                for source in one.dataset.sources
                if (name, source) != target
            },
        )
        for name, one in crops.items()
    }


def _by_source(sets: Mapping[str, Dataset], nuclei: Mapping[str, Nuclei]) -> dict[str, Nuclei]:
    """Split the nuclei of pooled sets by source set."""
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


def choose_framing(
    mode: Mode, nuclei: Mapping[str, Nuclei], suited: Field = "nucleus"
) -> tuple[bool, str]:
    """Decide whether to frame all sets or none.

    Parameters
    ----------
    mode : {"auto", "nucleus", "wide", "none"}
    nuclei : mapping from set name to Nuclei
    suited : {"nucleus", "wide", "whole"}
        See :func:`frame_sets`.

    Returns
    -------
    framed : bool
    reason : str
        The decision and its reason, in one sentence.
    """
    if mode == "none":
        return False, "whole images, as requested"
    counts = ", ".join(
        f"{int(found.found.sum()):,} of {len(found.found):,} nuclei found in {name}"
        for name, found in nuclei.items()
    )
    left = sum(int((~found.found).sum()) for found in nuclei.values())
    cells = "1 cell without one is" if left == 1 else f"{left:,} cells without one are"
    whole = f"; {cells} left whole" if left else ""
    if mode != "auto":
        return True, f"{_CUT[mode]}, as requested ({counts}){whole}"
    if all(found.found.mean() >= MIN_SHARE_FOUND for found in nuclei.values()):
        if suited == "whole":
            return False, f"whole images ({counts})"
        return True, f"{_CUT[suited]} ({counts}){whole}"
    return (
        False,
        f"whole images, because too few nuclei were found ({counts}; {MIN_SHARE_FOUND:.0%} needed)",
    )
