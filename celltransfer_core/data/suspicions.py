"""Find images that are unlikely to show one whole cell on its background, and say what to do.

Masks, cut-outs, whole fields, strips, and pictures too small to show anything are reported before a
long run begins. Not in the paper. No labels are read; the appearance of images is recorded when
they are imported (:mod:`celltransfer_core.data.looks`).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from celltransfer_core.data.dataset import Dataset
from celltransfer_core.data.looks import FEW, looks_of
from celltransfer_core.data.masks import IS_MASK, named_as_masks
from celltransfer_core.runtime.batches import evenly_spaced
from celltransfer_core.types import Bools, Float64

SHORTEST = 24
"""Minimum side in px at which a picture shows more of a cell than its colour."""

LONGEST = 2.5
"""Maximum ratio of the longer to the shorter side of a picture of one cell."""

ON_BLACK = 90
"""Minimum percentage of black in the border of a cut-out."""

TRANSPARENT = 5
"""Minimum percentage of transparency in a cut-out."""

_FEW_STRIPS = 0.01  # share of strips that is not reported: large sets have some
_SOME = 0.05  # share of a set from which cut-outs are reported
_FIELD = 400  # px: minimum side of a possible field
_LARGER = 2.5  # minimum ratio of a field's side to that of the other set
_ONE_NUCLEUS = 0.5  # share of dark pixels in one piece for a single cell
_FIELDS_SEEN = 100  # images whose dark pieces are counted

_LEFT_OUT = (
    "{count} {are} {masks}, by name and appearance, and left out: masks show where cells are, and "
    "are not typed."
)
_NAMED = (
    "{count} {are} named as {masks}, but {are} none by appearance. If two images show one cell, "
    "it counts twice: leave one of them out."
)
_MASKED = (
    "{count} {have} only two or a few grey values, as masks do. Masks show where cells are, and "
    "cannot be typed: remove them, and add the original images."
)
_TINY = (
    f"{{count}} {{have}} a side under {SHORTEST} px. So few pixels show little more than a colour: "
    "crop the cells again, at the original resolution."
)
_STRIPS = (
    f"{{count}} {{are}} more than {LONGEST:g} times as long as wide. A single cell is roughly "
    "square: check whether they show a row of cells or a part of one, and crop them again."
)
_BLACK = (
    "{count} {are} cut out on black, those of the other set are not. Encoders react to the black "
    "more than to the cell: add both sets with their background, or both cut out."
)
_CLEAR = (
    "{count} {are} cut out on transparency, those of the other set are not. They are shown on the "
    "usual background of the other images; whole images are better: add them if you have them."
)
_FIELDS = (
    "{count} {are} large and {have} dark spots everywhere, as whole fields of view do. One image "
    "is typed as one cell: crop the cells first."
)


@dataclass(frozen=True)
class Suspicion:
    """A remark on some images of a set."""

    what: str
    """Number of images, what it means, and what to do, without file names."""
    files: tuple[str, ...]
    """Names of these images."""
    cells: tuple[str, ...]
    """Content hashes of those that are cells of the set; empty if they are left out."""


def find_suspicions(dataset: Dataset, other: Dataset | None = None) -> tuple[Suspicion, ...]:
    """Find images in a set that are unlikely to show one whole cell on its background.

    Parameters
    ----------
    dataset : Dataset
    other : Dataset, optional
        The set to compare with: the reference of a query, or the query of a reference.
        Cut-outs are reported if only one of the two sets has them.

    Returns
    -------
    tuple of Suspicion
        Empty if the set looks as expected. Images without a record are skipped.
    """
    found = []
    masks = [remark.file for remark in dataset.left_out if remark.reason == IS_MASK]
    if masks:
        found.append(_suspicion(_LEFT_OUT, len(dataset.files) + len(masks), masks))
    if not dataset.n_cells:
        return tuple(found)
    for what, cells in _doubts(dataset, other):
        chosen = np.flatnonzero(cells).tolist()
        if chosen:
            files = [dataset.first_file[cell] for cell in chosen]
            hashes = [dataset.cells[cell] for cell in chosen]
            found.append(_suspicion(what, dataset.n_cells, files, hashes))
    return tuple(found)


def count_unseen(dataset: Dataset) -> int:
    """Count the cells without a record of appearance, imported with an earlier version.

    Parameters
    ----------
    dataset : Dataset

    Returns
    -------
    int
    """
    return int(np.count_nonzero(~looks_of(dataset)[1]))


def _suspicion(what: str, of: int, files: Sequence[str], cells: Sequence[str] = ()) -> Suspicion:
    one = len(files) == 1
    said = what.format(
        count=f"{len(files):,} of {of:,} images",
        are="is" if one else "are",
        have="has" if one else "have",
        masks="a mask of another image" if one else "masks of other images",
    )
    return Suspicion(said, tuple(files), tuple(cells))


def _doubts(dataset: Dataset, other: Dataset | None) -> Iterator[tuple[str, Bools]]:
    """List possible problems, each with the cells concerned."""
    looks, seen = looks_of(dataset)
    masked = seen & (looks["levels"] <= FEW)
    named = named_as_masks(dataset.files)
    yield _NAMED, ~masked & np.array([file in named for file in dataset.first_file])
    yield _MASKED, masked
    yield _TINY, seen & (_shorter(looks) < SHORTEST)
    strips = seen & (np.maximum(looks["width"], looks["height"]) > LONGEST * _shorter(looks))
    if strips.mean() > _FEW_STRIPS:
        yield _STRIPS, strips
    others, known = looks_of(other) if other is not None else (looks[:0], seen[:0])
    if _are_fields(dataset, other):
        yield _FIELDS, seen
    for what, kind, least in ((_BLACK, "black", ON_BLACK), (_CLEAR, "clear", TRANSPARENT)):
        cut_out = seen & ~masked & (looks[kind] >= least)
        elsewhere = others[known][kind] >= least
        if len(elsewhere) and cut_out.mean() >= _SOME > elsewhere.mean():
            yield what, cut_out


def _shorter(looks: NDArray[Any]) -> NDArray[np.uint16]:
    shorter: NDArray[np.uint16] = np.minimum(looks["width"], looks["height"])
    return shorter


def _are_fields(dataset: Dataset, other: Dataset | None) -> bool:
    """Return whether a set's images are large and their dark pixels lie in many pieces."""
    looks, seen = looks_of(dataset)
    if not seen.any() or np.median(_side(looks[seen])) < _FIELD:
        return False
    if other is not None and not _far_larger(dataset, other):
        return False
    chosen = np.flatnonzero(seen)[evenly_spaced(int(seen.sum()), _FIELDS_SEEN)]
    pieces = [_largest_piece(thumbnail) for thumbnail in looks["thumbnail"][chosen]]
    return bool(np.median(pieces) < _ONE_NUCLEUS)


def _far_larger(dataset: Dataset, other: Dataset) -> bool:
    """Compare the sides of two sets' images, in µm if both pixel sizes are known."""
    sides = []
    for one in (dataset, other):
        looks, seen = looks_of(one)
        sides.append((_side(looks[seen]), one.um_per_px[seen]))
    (own, own_um), (others, others_um) = sides
    if np.isfinite([*own_um, *others_um]).all():
        own, others = own * own_um, others * others_um
    return not len(others) or bool(np.median(own) >= _LARGER * np.median(others))


def _side(looks: NDArray[Any]) -> Float64:
    side: Float64 = np.sqrt(looks["width"].astype(np.float64) * looks["height"])
    return side


def _largest_piece(thumbnail: NDArray[np.uint8]) -> float:
    """Measure the share of the darkest of three grey classes in its largest piece."""
    from scipy.ndimage import label
    from skimage.filters import threshold_multiotsu

    if len(np.unique(thumbnail)) <= 3:
        return 1.0
    pieces, _ = label(thumbnail <= threshold_multiotsu(thumbnail, 3)[0])
    sizes = np.bincount(pieces.ravel())[1:]
    return float(sizes.max() / sizes.sum())
