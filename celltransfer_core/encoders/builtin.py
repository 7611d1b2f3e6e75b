"""Three untrained encoders (3.1) that compute standard image descriptors of crops.

Every group of features is divided by a fixed scale, its standard deviation over cells of eight
types (960 framed cells of PBC), and by the square root of its length. Groups thus have equal weight
in Euclidean distances and cosines, without fitting anything to a set.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from celltransfer_core.encoders.registry import EncoderSpec
from celltransfer_core.types import Bools, Float32, Float64, RGBImage

QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)
"""Quantiles of a channel's share of the optical density."""

BORDERS = (-20, -14, -9, -5, -1, 0.5, 3, 6, 10)
"""Edges of the zones around the border of the nucleus: px of the resized crop, positive inside."""

USUAL_EXTENT = 50.0
"""Value for an unknown extent of the nucleus, so that such a cell is not an outlier."""

_RAYS = 36

# Standard deviations of the features. Mean, standard deviation and quantiles of the red and of the
# blue share, then standard deviation and quantiles of the sum; in the nucleus, then the cytoplasm.
_STAIN = np.array(
    [
        *(0.020, 0.010, 0.032, 0.028, 0.019, 0.016, 0.019),
        *(0.016, 0.011, 0.008, 0.008, 0.015, 0.028, 0.033),
        *(0.068, 0.20, 0.29, 0.24),
        *(0.021, 0.009, 0.021, 0.020, 0.023, 0.025, 0.027),
        *(0.040, 0.017, 0.033, 0.045, 0.046, 0.049, 0.053),
        *(0.055, 0.034, 0.14, 0.14),
    ]
)

# Contrast, homogeneity, correlation and ASM, each for pairs 1 and 3 px apart.
_PAIRS = np.array([0.54, 1.8, 0.058, 0.061, 0.016, 0.047, 0.055, 0.036])

# One per harmonic.
_OUTLINE = np.array([0.021, 0.070, 0.038, 0.023, 0.017, 0.014, 0.011, 0.0095, 0.0084, 0.0074])

# One per zone around the border, from the outermost to the innermost.
_BORDER_PROFILE = np.array([0.040, 0.044, 0.052, 0.077, 0.11, 0.092, 0.097, 0.067, 0.097, 0.32])


@dataclass(frozen=True)
class _Cell:
    """A resized image with values shared by several descriptors."""

    rgb: RGBImage
    """Shape (side, side, 3)."""
    density: Float64
    """Optical density of each channel, 0 where the image is as light as its lightest parts."""
    nucleus: Bools
    cytoplasm: Bools
    extent: float


def _prepare(image: RGBImage, extent: float, side: int) -> _Cell:
    from PIL import Image
    from scipy.ndimage import binary_dilation
    from skimage.filters import gaussian

    resized = Image.fromarray(image).resize((side, side), Image.Resampling.BICUBIC, reducing_gap=3)
    rgb = np.asarray(resized, dtype=np.uint8)
    smooth = gaussian(rgb, sigma=1.0, channel_axis=2, preserve_range=True)
    nucleus = _central_piece(_darker_class(smooth[..., 1]))
    around = binary_dilation(nucleus, iterations=side // 8) & ~binary_dilation(nucleus)
    cytoplasm = around if around.any() else np.ones_like(nucleus)
    white = np.maximum(np.quantile(smooth, 0.98, axis=(0, 1)), 1)
    density = -np.log10(np.maximum(rgb, 1) / white)
    return _Cell(rgb, density, nucleus, cytoplasm, extent)


def _darker_class(green: Float64) -> Bools:
    from skimage.filters import threshold_multiotsu

    if np.ptp(green) < 1:
        return np.zeros(green.shape, dtype=bool)
    try:
        return green <= threshold_multiotsu(np.rint(green).astype(np.uint8), classes=3)[0]
    except ValueError:  # fewer than three grey values
        return green <= green.mean()


def _central_piece(mask: Bools) -> Bools:
    # The pieces in the middle half of the crop; a disc if there are none.
    from skimage.measure import label

    side = len(mask)
    y, x = np.mgrid[:side, :side] - (side - 1) / 2
    central = np.hypot(x, y) < side / 4
    pieces = label(mask)
    inside = np.unique(pieces[central & mask])
    chosen = np.isin(pieces, inside[inside > 0])
    return chosen if chosen.sum() >= 12 else np.hypot(x, y) < side / 6


def _scaled(values: Sequence[float] | Float64, spread: float | Float64) -> Float64:
    return np.asarray(values, dtype=np.float64) / (spread * np.sqrt(len(values)))


def _colour(cell: _Cell) -> Float64:
    """Describe the stain of nucleus and cytoplasm by shares of the optical density, and its sum.

    Shares measure hue independently of light, camera contrast and amount of stain.
    """
    numbers: list[float] = []
    for zone in (cell.nucleus, cell.cytoplasm):
        density = cell.density[zone]
        coloured = np.maximum(density, 0) + 0.02  # pixels as light as the background count as grey
        share = coloured / coloured.sum(axis=1, keepdims=True)
        for values in (share[:, 0], share[:, 2]):
            numbers += [values.mean(), values.std(), *np.quantile(values, QUANTILES)]
        total = density.sum(axis=1)
        numbers += [total.std(), *np.quantile(total, (0.1, 0.5, 0.9))]
    return _scaled(numbers, _STAIN)


def _texture(cell: _Cell) -> Float64:
    """Compute local binary patterns, grey-level co-occurrence and contrast by scale."""
    return np.concatenate(
        [
            _scaled(_patterns(cell), 0.054),
            _scaled(_cooccurrence(cell), np.tile(_PAIRS, 2)),
            _scaled(_bands(cell), 0.25),
        ]
    )


def _patterns(cell: _Cell) -> list[float]:
    from skimage.feature import local_binary_pattern

    numbers: list[float] = []
    for channel in (cell.rgb[..., 1], cell.rgb[..., 0]):
        for radius in (1, 2, 4):
            patterns = local_binary_pattern(channel, 8, radius, method="uniform")
            zones = (cell.nucleus, cell.cytoplasm)
            for zone in zones if radius < 4 else (zones[0] | zones[1],):
                counts = np.histogram(patterns[zone], bins=10, range=(0, 10))[0]
                numbers += np.sqrt(counts / zone.sum()).tolist()
    return numbers


def _cooccurrence(cell: _Cell) -> list[float]:
    from skimage.feature import graycomatrix, graycoprops

    either = cell.nucleus | cell.cytoplasm
    numbers: list[float] = []
    for channel in (cell.rgb[..., 1], cell.rgb[..., 0]):
        levels = np.where(either, channel // 16 + 1, 0).astype(np.uint8)
        matrix = graycomatrix(levels, [1, 3], [0, np.pi / 2], levels=17, symmetric=True)
        matrix = matrix[1:, 1:].astype(np.float64)  # pairs with both ends in the cell
        matrix /= np.maximum(matrix.sum(axis=(0, 1), keepdims=True), 1)
        for name in ("contrast", "homogeneity", "correlation", "ASM"):
            numbers += graycoprops(matrix, name).mean(axis=1).tolist()
    return numbers


def _bands(cell: _Cell) -> list[float]:
    # With logarithms, a set's overall contrast is a constant offset, which centring removes.
    from scipy.ndimage import gaussian_filter

    numbers: list[float] = []
    for channel in np.moveaxis(cell.rgb.astype(np.float64), 2, 0):
        scales = [channel, *(gaussian_filter(channel, sigma) for sigma in (1, 2, 4, 8))]
        for fine, coarse in pairwise(scales):
            band = fine - coarse
            numbers += [np.log(band[zone].std() + 1) for zone in (cell.nucleus, cell.cytoplasm)]
    return numbers


def _shape(cell: _Cell) -> Float64:
    """Describe the size, shape, lobes and outline of the nucleus, and the stain at its border.

    The logarithm of the extent is used, so that an unknown magnification is a constant offset,
    which centring removes.
    """
    from scipy.ndimage import distance_transform_edt
    from skimage.feature import peak_local_max
    from skimage.measure import label, moments_hu, moments_normalized, regionprops

    mask = cell.nucleus
    side = len(mask)
    whole = regionprops(mask.astype(np.uint8))[0]
    pieces = label(mask)
    depth = distance_transform_edt(np.pad(mask, 1))[1:-1, 1:-1]
    lobes = peak_local_max(depth, min_distance=5, threshold_abs=3, labels=pieces)
    perimeter = max(whole.perimeter, 1.0)
    hu = moments_hu(moments_normalized(whole.moments_central))
    extent = USUAL_EXTENT if np.isnan(cell.extent) else max(cell.extent, 1.0)
    form_and_spread = [
        (np.log(extent), 0.345),
        (whole.area / side**2, 0.031),
        (whole.axis_major_length / side, 0.04),
        (whole.axis_minor_length / side, 0.063),
        (whole.eccentricity, 0.19),
        (whole.solidity, 0.075),
        (whole.extent, 0.078),
        (4 * np.pi * whole.area / perimeter**2, 0.21),
        (perimeter / side, 0.4),
        (min(len(lobes), 6), 1.2),
        (min(int(pieces.max()), 6), 0.9),
        (depth.max() / side, 0.042),
        (depth[mask].mean() / side, 0.014),
        (depth[mask].std() / side, 0.011),
        (np.clip(whole.euler_number, -6, 6), 1.8),
        (-np.log10(abs(hu[0]) + 1e-9), 0.063),
        (-np.log10(abs(hu[1]) + 1e-9), 0.9),
    ]
    form, spread = np.array(form_and_spread).T
    return np.concatenate(
        [
            1.3 * _scaled(form, spread),
            0.7 * _scaled(_outline(mask, whole.centroid), _OUTLINE),
            _scaled(_border_profile(cell), _BORDER_PROFILE),
        ]
    )


def _outline(mask: Bools, centre: tuple[float, float]) -> Float64:
    # Radii from the centre; Fourier magnitudes are invariant to rotation.
    row, column = np.nonzero(mask)
    y, x = row - centre[0], column - centre[1]
    ray = ((np.arctan2(y, x) + np.pi) / (2 * np.pi) * _RAYS).astype(int) % _RAYS
    reach = np.zeros(_RAYS)
    np.maximum.at(reach, ray, np.hypot(y, x))
    return np.abs(np.fft.rfft(reach))[1 : len(_OUTLINE) + 1] / (reach.sum() + 1)


def _border_profile(cell: _Cell) -> Float64:
    from scipy.ndimage import distance_transform_edt
    from skimage.color import rgb2hed

    inside = distance_transform_edt(cell.nucleus) - distance_transform_edt(~cell.nucleus)
    zone = np.digitize(inside, BORDERS).ravel()
    zones = len(BORDERS) + 1
    stain = rgb2hed(np.clip(10**-cell.density, 0, 1))[..., 0]  # haematoxylin, or a similar stain
    sums = np.bincount(zone, stain.ravel(), minlength=zones)
    means = sums / np.maximum(np.bincount(zone, minlength=zones), 1)
    return means / max(stain[cell.nucleus].mean(), 0.02)


class DescriptorEncoder:
    """An encoder defined by one function from a cell to features.

    Parameters
    ----------
    spec : EncoderSpec
    describe : callable
        Takes a prepared cell and returns ``spec.dim`` values.

    Examples
    --------
    >>> from celltransfer_core.encoders.registry import BUILTIN
    >>> encoder = load_builtin(BUILTIN[0])
    >>> images = [np.full((40, 40, 3), 200, dtype=np.uint8)]
    >>> encoder.encode(images, np.array([np.nan], dtype=np.float32)).shape
    (1, 36)
    """

    in_workers = True
    batch = 1

    def __init__(self, spec: EncoderSpec, describe: Callable[[_Cell], Float64]) -> None:
        self.spec = spec
        self.describe = describe

    def encode(self, images: Sequence[RGBImage], extents: Float32) -> Float32:
        """Embed a batch; see :class:`celltransfer_core.encoders.Encoder`."""
        return describe([self], images, extents)[0]


def describe(
    encoders: Sequence[DescriptorEncoder], images: Sequence[RGBImage], extents: Float32
) -> list[Float32]:
    """Embed a batch with several of these encoders, computing shared values once.

    Parameters
    ----------
    encoders : sequence of DescriptorEncoder
        Encoders with the same input size.
    images : sequence of ndarray of uint8, each (h, w, 3)
    extents : ndarray of float32, shape (n,)
        As for :class:`celltransfer_core.encoders.Encoder`.

    Returns
    -------
    list of ndarray of float32, each (n, dim)
        One per encoder.
    """
    rows: list[list[Float64]] = [[] for _ in encoders]
    for image, extent in zip(images, extents, strict=True):
        cell = _prepare(image, float(extent), encoders[0].spec.input_size)
        for of_encoder, encoder in zip(rows, encoders, strict=True):
            of_encoder.append(encoder.describe(cell))
    return [np.array(of_encoder, dtype=np.float32) for of_encoder in rows]


_DESCRIBE = {"colour": _colour, "texture": _texture, "shape": _shape}


def load_builtin(spec: EncoderSpec) -> DescriptorEncoder:
    """Load a built-in encoder.

    Parameters
    ----------
    spec : EncoderSpec
        One of :data:`celltransfer_core.encoders.registry.BUILTIN`.

    Returns
    -------
    DescriptorEncoder
    """
    return DescriptorEncoder(spec, _DESCRIBE[spec.id])
