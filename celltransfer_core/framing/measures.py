"""Measure the quality of the image of a cell.

Not in the paper. :mod:`celltransfer_core.framing.quality` compares these measures between sets.
"""

from __future__ import annotations

import numpy as np

from celltransfer_core.framing.nucleus import Nucleus, Seen, square
from celltransfer_core.types import Bools, RGBImage

MEASURES = ("blur", "light", "red stain", "blue stain", "border", "others")
"""Names of the values returned by :func:`measure`, in order."""

_LEAST_SIDE = 8  # px: sharpness of a smaller region cannot be measured
_MOST_BLUR = 0.99  # of 1
_ALIKE = 0.15  # maximum difference in density of another nucleus, as a share
_LEAST_AREA = 0.1  # minimum area relative to the nucleus: smaller pieces are platelets and dirt


def measure(image: RGBImage, seen: Seen) -> tuple[float, ...]:
    """Measure the quality of the image of a cell.

    Parameters
    ----------
    image : ndarray of uint8, shape (h, w, 3)
    seen : Seen
        From :func:`~celltransfer_core.framing.nucleus.look_at`.

    Returns
    -------
    tuple of float
        All zero without a nucleus; otherwise, as named in :data:`MEASURES`: how blurred the cell's
        edges are, −log(1 − b) with the blur metric b of Crété-Roffet et al. (2007); logarithm of
        the background's mean grey value; optical density of the nucleus in red and in blue, each
        divided by that in green; px of the nucleus on the border of the image, divided by the root
        of its area; area of another nucleus within the crop, divided by that of the nucleus.

    Examples
    --------
    >>> from celltransfer_core.framing.nucleus import look_at
    >>> blank = np.full((40, 40, 3), 240, np.uint8)
    >>> measure(blank, look_at(blank))
    (0.0, 0.0, 0.0, 0.0, 0.0, 0.0)
    """
    if seen.nucleus is None:
        return (0.0,) * len(MEASURES)
    inside = seen.inside
    # The darker half excludes structures near the nucleus, such as granules.
    green = seen.density[..., 1]
    core = seen.density[inside & (green >= np.median(green[inside]))].mean(axis=0)
    edge = inside[0].sum() + inside[-1].sum() + inside[1:-1, [0, -1]].sum()
    return (
        _blur(image, seen.nucleus),
        float(np.log(np.mean(seen.background) + 1)),
        float(core[0] / core[1]),
        float(core[2] / core[1]),
        float(edge / np.sqrt(inside.sum())),
        _largest_other(image.shape[1], seen, seen.nucleus),
    )


def _blur(image: RGBImage, nucleus: Nucleus) -> float:
    from skimage.measure import blur_effect

    left, top, side = square(nucleus)
    green = image[max(0, top) : top + side, max(0, left) : left + side, 1]
    if min(green.shape) < _LEAST_SIDE or np.ptp(green) == 0:
        return 0.0
    blur = blur_effect(green.astype(np.float32) / 255, h_size=5)
    return float(-np.log(1 - min(blur, _MOST_BLUR)))


def _largest_other(width: int, seen: Seen, nucleus: Nucleus) -> float:
    """Return the area of the largest piece in the crop that looks like another nucleus."""
    from skimage.measure import label, regionprops

    left, top, side = square(nucleus)
    stretch = width / seen.inside.shape[1]
    own, area = np.median(seen.density[seen.inside], axis=0), seen.inside.sum()
    most = 0.0
    for piece in regionprops(label(seen.stained & ~seen.inside)):
        rows, columns = piece.coords.T
        density = np.median(seen.density[rows, columns], axis=0)
        if piece.area < _LEAST_AREA * area or np.abs(density - own).max() > _ALIKE * own[1]:
            continue
        x, y = (columns + 0.5) * stretch - left, (rows + 0.5) * stretch - top
        within: Bools = (x >= 0) & (x < side) & (y >= 0) & (y < side)
        most = max(most, float(within.sum() / area))
    return most
