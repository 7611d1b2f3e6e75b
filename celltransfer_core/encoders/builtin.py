"""Three encoders of known descriptors: nothing to download, nothing trained.

Every number is divided by a fixed scale, so that plain Euclidean distances and cosines make sense
without fitting anything to a set.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from celltransfer_core.encoders.registry import EncoderSpec
from celltransfer_core.types import Bools, Float32, Float64, RGBImage

QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)


@dataclass(frozen=True)
class _Cell:
    """A resized image with what several descriptors need."""

    rgb: RGBImage
    """Shape (side, side, 3)."""
    density: Float64
    """Optical density of haematoxylin, eosin and the rest (HED), shape (side, side, 3)."""
    nucleus: Bools
    cytoplasm: Bools
    extent: float


def _prepare(image: RGBImage, extent: float, side: int) -> _Cell:
    from PIL import Image
    from scipy.ndimage import binary_dilation
    from skimage.color import rgb2hed
    from skimage.filters import gaussian

    resized = Image.fromarray(image).resize((side, side), Image.Resampling.BICUBIC, reducing_gap=3)
    rgb = np.asarray(resized, dtype=np.uint8)
    green = gaussian(rgb[..., 1], sigma=1.0, preserve_range=True)
    nucleus = _central_piece(_darker_class(green))
    around = binary_dilation(nucleus, iterations=side // 8) & ~binary_dilation(nucleus)
    return _Cell(rgb, rgb2hed(rgb), nucleus, around, extent)


def _darker_class(green: Float64) -> Bools:
    from skimage.filters import threshold_multiotsu

    if np.ptp(green) < 1:
        return np.zeros(green.shape, dtype=bool)
    try:
        return green <= threshold_multiotsu(np.rint(green).astype(np.uint8), classes=3)[0]
    except ValueError:  # fewer than three grey values
        return green <= green.mean()


def _central_piece(mask: Bools) -> Bools:
    # The pieces in the middle half of the crop; without any, a disc stands in their place.
    from skimage.measure import label

    side = len(mask)
    y, x = np.mgrid[:side, :side] - (side - 1) / 2
    central = np.hypot(x, y) < side / 4
    pieces = label(mask)
    inside = np.unique(pieces[central & mask])
    chosen = np.isin(pieces, inside[inside > 0])
    return chosen if chosen.sum() >= 12 else np.hypot(x, y) < side / 6


def _moments(values: Float64) -> list[float]:
    if len(values) == 0:
        return [0.0] * (2 + len(QUANTILES))
    return [values.mean(), values.std(), *np.quantile(values, QUANTILES)]


def _colour(cell: _Cell) -> Float64:
    """Lab and stain densities in nucleus, cytoplasm and whole, and a coarse histogram of hue."""
    from skimage.color import rgb2lab

    lab = rgb2lab(cell.rgb) / (100, 50, 50)
    stain = cell.density[..., :2] / 0.15
    numbers: list[float] = []
    for channel in np.moveaxis(np.concatenate([lab, stain], axis=2), 2, 0):
        for zone in (cell.nucleus, cell.cytoplasm):
            numbers += _moments(channel[zone])
    # Hues of what is coloured in the cell: granules show here.
    either = cell.nucleus | cell.cytoplasm
    hue = np.arctan2(lab[..., 2], lab[..., 1])[either]
    strength = np.hypot(lab[..., 2], lab[..., 1])[either]
    histogram = np.histogram(hue, bins=14, range=(-np.pi, np.pi), weights=strength)[0]
    numbers += (2 * histogram / max(len(hue), 1)).tolist()
    return np.array(numbers)


def _texture(cell: _Cell) -> Float64:
    """Local binary patterns at three scales and grey-level co-occurrence, in two channels."""
    from skimage.feature import graycomatrix, graycoprops, local_binary_pattern

    either = cell.nucleus | cell.cytoplasm
    numbers: list[float] = []
    for channel in (cell.rgb[..., 1], cell.rgb[..., 0]):
        for radius in (1, 2, 4):
            patterns = local_binary_pattern(channel, 8, radius, method="uniform")
            for zone in (cell.nucleus, cell.cytoplasm) if radius < 4 else (either,):
                counts = np.histogram(patterns[zone], bins=10, range=(0, 10))[0]
                numbers += np.sqrt(counts / max(zone.sum(), 1)).tolist()
        levels = np.where(either, channel // 16 + 1, 0).astype(np.uint8)
        matrix = graycomatrix(levels, [1, 3], [0, np.pi / 2], levels=17, symmetric=True)
        matrix = matrix[1:, 1:].astype(np.float64)  # pairs with both ends in the cell
        matrix /= np.maximum(matrix.sum(axis=(0, 1), keepdims=True), 1)
        for name, scale in (("contrast", 8), ("homogeneity", 1), ("correlation", 1), ("ASM", 0.2)):
            mean = graycoprops(matrix, name).mean(axis=1)
            numbers += (mean / scale).tolist()
    return np.array(numbers)


def _shape(cell: _Cell) -> Float64:
    """Area, outline, lobes and radial profile of the nucleus, and its size in the image."""
    from scipy.ndimage import distance_transform_edt
    from skimage.feature import peak_local_max
    from skimage.measure import label, moments_hu, moments_normalized, regionprops

    mask = cell.nucleus
    side = len(mask)
    whole = regionprops(mask.astype(np.uint8))[0]
    inner = distance_transform_edt(np.pad(mask, 1))[1:-1, 1:-1]
    lobes = peak_local_max(inner, min_distance=5, threshold_abs=3, labels=label(mask))
    area = whole.area / side**2
    major, minor = whole.axis_major_length / side, whole.axis_minor_length / side
    perimeter = whole.perimeter / side
    hu = moments_hu(moments_normalized(whole.moments_central))
    numbers = [
        4 * area,
        2 * major,
        2 * minor,
        whole.eccentricity,
        2 * whole.solidity,
        2 * whole.extent,
        4 * np.pi * area / max(perimeter, 1e-6) ** 2,
        perimeter,
        len(lobes) / 3,
        int(label(mask).max()) / 3,
        4 * inner.max() / side,
        8 * inner[mask].mean() / side,
        8 * inner[mask].std() / side,
        whole.euler_number / 2,
        # Unknown magnification is a constant offset of a logarithm, which centring removes.
        0.0 if np.isnan(cell.extent) else float(np.log(max(cell.extent, 1e-3)) / 2),
        *(-np.sign(hu) * np.log10(np.abs(hu) + 1e-9) / 9),
    ]
    # Profiles by distance from the middle: how much is nucleus, how dense the stain.
    y, x = np.mgrid[:side, :side]
    row, column = whole.centroid
    ring = np.minimum((np.hypot(y - row, x - column) / (side / 2) * 12).astype(int), 12)
    pixels = np.maximum(np.bincount(ring.ravel(), minlength=13), 1)
    numbers += (np.bincount(ring.ravel(), mask.ravel(), minlength=13) / pixels)[:12].tolist()
    dense = cell.density[..., 0] / 0.15
    numbers += (np.bincount(ring.ravel(), dense.ravel(), minlength=13) / pixels)[:12].tolist()
    # The outline as seen from its middle: Fourier magnitudes do not change with rotation.
    angle = ((np.arctan2(y - row, x - column) + np.pi) / (2 * np.pi) * 36).astype(int) % 36
    reach = np.zeros(36)
    np.maximum.at(reach, angle[mask], np.hypot(y - row, x - column)[mask] / side)
    numbers += (2 * np.abs(np.fft.rfft(reach))[1:15] / 36 * 4).tolist()
    return np.array(numbers)


class DescriptorEncoder:
    """An encoder made of one function from a cell to numbers.

    Parameters
    ----------
    spec : EncoderSpec
    describe : callable
        From a prepared cell to ``spec.dim`` numbers.
    """

    in_workers = True

    def __init__(self, spec: EncoderSpec, describe: Callable[[_Cell], Float64]) -> None:
        self.spec = spec
        self._describe = describe

    def encode(self, images: Sequence[RGBImage], extents: Float32) -> Float32:
        """Embed a batch; see :class:`celltransfer_core.encoders.Encoder`."""
        rows = [
            self._describe(_prepare(image, float(extent), self.spec.input_size))
            for image, extent in zip(images, extents, strict=True)
        ]
        return np.array(rows, dtype=np.float32)


_DESCRIBE = {"colour": _colour, "texture": _texture, "shape": _shape}


def load_builtin(spec: EncoderSpec) -> DescriptorEncoder:
    """Make a built-in encoder.

    Parameters
    ----------
    spec : EncoderSpec
        One of :data:`celltransfer_core.encoders.registry.BUILTIN`.

    Returns
    -------
    DescriptorEncoder
    """
    return DescriptorEncoder(spec, _DESCRIBE[spec.id])
