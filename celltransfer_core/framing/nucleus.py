"""Find the stained nucleus of an image, and crop a square around it. Not in the paper."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from celltransfer_core.types import Bools, Float32, Float64, Ints, RGBImage

VERSION = "3"
"""Changed whenever nuclei may be found, or cells cropped or balanced, differently."""

FIELD_OF_VIEW = 2.0
"""Side of the crop, in extents of the nucleus."""

WIDE_FIELD = 4.0
"""Side of a wider crop, which contains more of the cytoplasm."""

_WORKING_SIDE = 96  # px: nuclei are searched for on copies of this size
_LEAST_CONTRAST = 25  # minimum difference in green between nucleus and background

# Nuclear stains absorb more green than blue light; objects that are merely dark, red cells and
# orange eosinophil granules do not. They are distinguished by optical densities, whose ratios do
# not depend on lamp or thickness: (green - blue) / green was 0.5 to 1.2 in nuclei of four imaging
# domains, and 0.3 to 0.42 in red cells.
_PURPLE = 0.18  # minimum green - blue of a nucleus (red cells: about 0.1); or
_RATIO = 0.46  # minimum ratio, where contrast is low
_SAME_STAIN = 0.65  # minimum share of the image's ratio for a pixel of a nucleus
_LEAST_RATIO = 0.2
_LEAST_RED = 0.1  # red / green; nuclei lie at 0.3 to 0.9
_LEAST_AREA, _MOST_AREA = 0.002, 0.8  # of the image
_MOST_BORDER = 0.6  # share of the image's border that a nucleus may cover
_LOBE_AREA, _LOBE_GAP = 0.08, 0.3  # relative to the area and the diameter of the largest lobe
_FAR_LOBE_AREA, _FAR_LOBE_GAP = 0.25, 0.8  # likewise, within the same cytoplasm


class Nucleus(NamedTuple):
    """Position and size of a nucleus, in px of the original image."""

    x: float
    y: float
    extent: float
    """Longer side of the bounding box of all its lobes."""
    background: tuple[float, float, float]
    """Colour around the cell, used to fill areas outside the image."""
    field: float = FIELD_OF_VIEW
    """Side of the crop, in extents."""


@dataclass(frozen=True)
class Seen:
    """Segmentation of one image, on a copy of h' × w' px, at most 96 each."""

    nucleus: Nucleus | None
    background: tuple[float, float, float]
    """Colour around the cell; the usual colour if nothing is darker than the rest."""
    density: Float32
    """Optical density relative to the background, shape (h', w', 3)."""
    inside: Bools
    """Pixels of the nucleus, shape (h', w'); all False if there is none."""
    stained: Bools
    """Pixels of everything stained like a nucleus, shape (h', w')."""


def find_nucleus(image: RGBImage) -> Nucleus | None:
    """Find the stained nucleus of a single cell.

    Parameters
    ----------
    image : ndarray of uint8, shape (h, w, 3)

    Returns
    -------
    Nucleus or None
        See :func:`look_at`.
    """
    return look_at(image).nucleus


def look_at(image: RGBImage) -> Seen:
    """Find the background and the stained nucleus of a single cell.

    The smoothed green channel, in which nuclear stains are darkest, is divided into three classes
    (multi-Otsu). Pixels of the darkest class with the purple of this image are split into pieces;
    the large, central piece is chosen, together with nearby lobes.

    Parameters
    ----------
    image : ndarray of uint8, shape (h, w, 3)

    Returns
    -------
    Seen
        Without a nucleus if nothing looks like a stained one.
    """
    from PIL import Image
    from skimage.filters import gaussian

    height, width = image.shape[:2]
    scale = max(height, width) / _WORKING_SIDE
    size = (max(1, round(width / scale)), max(1, round(height / scale)))
    small = np.asarray(Image.fromarray(image).resize(size, Image.Resampling.BOX), dtype=np.float32)
    smooth = gaussian(small, sigma=1.0, channel_axis=2, preserve_range=True)
    dark, light = _classes(smooth[..., 1])
    background = np.median(small[smooth[..., 1] > light], axis=0)
    # The offset of 8 keeps black pixels finite and the noise of dark ones small.
    density = np.log((background + 8) / (smooth + 8))
    stained, chosen = _choose_nucleus(smooth[..., 1], density, background[1], dark, light)
    red, green, blue = background.tolist()
    colour = (red, green, blue)
    if chosen is None:
        return Seen(None, colour, density, np.zeros_like(stained), stained)
    rows, columns = np.nonzero(chosen)
    box = np.array([columns.min(), columns.max() + 1, rows.min(), rows.max() + 1])
    stretch = np.array([width / size[0], height / size[1]])
    x, y = np.array([box[:2].mean(), box[2:].mean()]) * stretch
    extent = float((np.array([np.ptp(box[:2]), np.ptp(box[2:])]) * stretch).max())
    return Seen(Nucleus(float(x), float(y), extent, colour), colour, density, chosen, stained)


def _classes(green: Float32) -> tuple[float, float]:
    """Return the thresholds between dark, middle and light; −∞ if there is one class."""
    from skimage.filters import threshold_multiotsu

    if np.ptp(green) < 30 or min(green.shape) < 4:
        return -np.inf, -np.inf
    try:
        dark, light = threshold_multiotsu(np.rint(green).astype(np.uint8), classes=3)
    except ValueError:  # fewer than three grey values
        return -np.inf, -np.inf
    return (dark, light) if (green > light).any() else (-np.inf, -np.inf)


def _choose_nucleus(
    green: Float32, density: Float32, around: float, dark: float, light: float
) -> tuple[Bools, Bools | None]:
    """Return everything stained like a nucleus, and the nucleus if there is one."""
    from skimage.measure import label
    from skimage.morphology import opening

    darkest = green <= dark
    if not darkest.any():
        return darkest, None
    stained = opening(darkest & _has_the_stain(density, darkest), np.ones((3, 3), dtype=bool))
    chosen = _choose_piece(label(stained), density, label(green <= light))
    if (
        chosen is None
        or np.median(around - green[chosen]) < _LEAST_CONTRAST
        or not _looks_like_a_nucleus(chosen, density)
    ):
        return stained, None
    return stained, chosen


def _ratio(density: Float32) -> Float32:
    return (density[..., 1] - density[..., 2]) / density[..., 1].clip(0.05)


def _has_the_stain(density: Float32, darkest: Bools) -> Bools:
    purple, ratio = density[..., 1] - density[..., 2], _ratio(density)
    # Cameras differ in saturation, so clearly purple pixels give the ratio of this image.
    clearly = darkest & (purple >= max(0.0, 0.5 * float(np.percentile(purple[darkest], 98))))
    own = float(np.median(ratio[clearly])) if clearly.any() else 0.0
    return ratio > max(_LEAST_RATIO, _SAME_STAIN * own)


def _looks_like_a_nucleus(chosen: Bools, density: Float32) -> bool:
    red, green, blue = np.median(density[chosen], axis=0)
    purple = green - blue > _PURPLE or np.median(_ratio(density)[chosen]) > _RATIO
    border = np.concatenate([chosen[0], chosen[-1], chosen[:, 0], chosen[:, -1]])
    return bool(purple and red > _LEAST_RED * green and border.mean() < _MOST_BORDER)


def _choose_piece(pieces: Ints, density: Float32, bodies: Ints) -> Bools | None:
    from skimage.measure import regionprops

    purple = density[..., 1] - density[..., 2]
    height, width = pieces.shape
    best, most = None, 0.0
    found = []
    for piece in regionprops(pieces):
        rows, columns = piece.coords.T
        if not _LEAST_AREA <= piece.area / pieces.size <= _MOST_AREA:
            continue
        edge = ((rows == 0) | (rows == height - 1) | (columns == 0) | (columns == width - 1)).sum()
        y, x = piece.centroid
        away = np.hypot((x + 0.5) / width - 0.5, (y + 0.5) / height - 0.5)
        # Pieces that touch the border belong to neighbours more often than to the cell itself.
        touching = min(1.0, edge / np.sqrt(piece.area))
        colour = float(purple[rows, columns].mean())
        score = piece.area * colour * np.exp(-((away / 0.25) ** 2)) * (1 - 0.8 * touching)
        found.append((piece, edge > 0))
        if score > most:
            best, most = piece, score
    if best is None:
        return None
    chosen = pieces == best.label
    distance = _distance(chosen) / best.equivalent_diameter_area
    body = bodies == bodies[tuple(best.coords[0])]
    for piece, touches in found:
        here = tuple(piece.coords.T)
        gap = distance[here].min()
        if touches or gap > _FAR_LOBE_GAP or piece.area < _LOBE_AREA * best.area:
            continue
        joint = chosen | (pieces == piece.label)
        # More distant lobes must lie in the same cytoplasm; single cells are in the middle.
        if gap <= _LOBE_GAP or (
            piece.area >= _FAR_LOBE_AREA * best.area
            and body[here].any()
            and _off_centre(joint) < _off_centre(chosen)
        ):
            chosen = joint
    return chosen


def _off_centre(mask: Bools) -> float:
    rows, columns = np.nonzero(mask)
    height, width = mask.shape
    y, x = (rows.min() + rows.max() + 1) / 2, (columns.min() + columns.max() + 1) / 2
    return float(np.hypot(x - width / 2, y - height / 2))


def _distance(mask: Bools) -> Float64:
    from scipy.ndimage import distance_transform_edt

    return distance_transform_edt(~mask)


def square(nucleus: Nucleus) -> tuple[int, int, int]:
    """Return the square that is cropped around a nucleus.

    Parameters
    ----------
    nucleus : Nucleus

    Returns
    -------
    left, top, side : int
        In px of the original image; the square may extend beyond the image.
    """
    side = max(8, round(nucleus.field * nucleus.extent))
    return round(nucleus.x - side / 2), round(nucleus.y - side / 2), side


def cut(image: RGBImage, nucleus: Nucleus) -> RGBImage:
    """Crop a square around a nucleus.

    Parameters
    ----------
    image : ndarray of uint8, shape (h, w, 3)
    nucleus : Nucleus

    Returns
    -------
    ndarray of uint8, shape (side, side, 3)
        Crop at the original resolution; side is the extent of the nucleus times its ``field``,
        usually twice the extent. Areas outside the image have the background colour, because
        mirroring would create false cells.
    """
    left, top, side = square(nucleus)
    height, width = image.shape[:2]
    line = np.tile(np.rint(nucleus.background).astype(np.uint8), side)
    cropped = np.tile(line, side).reshape(
        side, side, 3
    )  # row by row, which is far faster than by pixel
    rows = slice(max(0, top), min(height, top + side))
    columns = slice(max(0, left), min(width, left + side))
    cropped[rows.start - top : rows.stop - top, columns.start - left : columns.stop - left] = image[
        rows, columns
    ]
    return cropped


_FRAME = ((0, 0, 0), (255, 214, 0))  # visible on light and on dark


def draw_cut(image: RGBImage, nucleus: Nucleus) -> RGBImage:
    """Draw the square that :func:`cut` crops on the whole image.

    Parameters
    ----------
    image : ndarray of uint8, shape (h, w, 3)
    nucleus : Nucleus

    Returns
    -------
    ndarray of uint8, shape (h', w', 3)
        Larger than the image if the crop extends beyond it.
    """
    from PIL import Image, ImageDraw

    left, top, side = square(nucleus)
    height, width = image.shape[:2]
    before = (max(0, -left), max(0, -top))
    after = (max(0, left + side - width), max(0, top + side - height))
    canvas = Image.new(
        "RGB",
        (before[0] + width + after[0], before[1] + height + after[1]),
        tuple(int(value) for value in np.rint(nucleus.background)),
    )
    canvas.paste(Image.fromarray(image), before)
    pen = ImageDraw.Draw(canvas)
    line = max(1, max(canvas.size) // 60)
    x, y = left + before[0], top + before[1]
    for inset, colour in ((0, _FRAME[0]), (line, _FRAME[1])):
        box = (x + inset, y + inset, x + side - 1 - inset, y + side - 1 - inset)
        pen.rectangle(box, outline=colour, width=line)
    return np.asarray(canvas, dtype=np.uint8)
