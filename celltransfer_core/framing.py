"""One field of view and one colour scale for every cell, whatever the microscope.

Not in the paper. Each cell is cut to a square around its stained nucleus, so that a cell which
fills its image and one that is small in a wide field look alike to an encoder.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import TYPE_CHECKING, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from celltransfer_core.cache import Cache
from celltransfer_core.datasets import Dataset
from celltransfer_core.execution import run_tasks
from celltransfer_core.images import resize
from celltransfer_core.quiet import quiet
from celltransfer_core.types import Bools, Float32, Float64, Ints, Progress, RGBImage, silent

if TYPE_CHECKING:
    from PIL.ImageFilter import Color3DLUT

Mode = Literal["auto", "nucleus", "none"]
Colour = Literal["balanced", "lab", "none"]
White = tuple[int, int, int]

VERSION = "2"
"""Changes whenever a nucleus may be found elsewhere or cut otherwise."""

ENOUGH = 0.8
"""Share of nuclei that must be found in every set for ``auto`` to frame."""

FIELD_OF_VIEW = 2.0
"""Side of the cut, in extents of the nucleus."""

GRID = 65
"""Levels of red, green and blue that a colour map converts; Pillow takes no more."""

_WORKING_SIDE = 96  # px: nuclei are looked for on copies of this size
_LEAST_CONTRAST = 25  # grey values of green by which a nucleus is darker than the background
# Nuclear stains take green from the light, and less of its blue; what is merely dark, red as blood
# or orange as an eosinophil's granules does not. They are told by optical densities, whose ratios
# do not depend on lamp or thickness: (green - blue) / green was 0.5 to 1.2 in nuclei of four
# imaging domains, 0.3 to 0.42 in red cells.
_PURPLE = 0.18  # green - blue of a nucleus, red cells having about 0.1; or
_RATIO = 0.46  # its ratio, where contrast is low
_SAME_STAIN = 0.65  # share of the image's own ratio down to which a pixel may belong to a nucleus
_LEAST_RATIO = 0.2
_LEAST_RED = 0.1  # red / green; nuclei lie at 0.3 to 0.9
_LEAST_AREA, _MOST_AREA = 0.002, 0.8  # of the image
_MOST_BORDER = 0.6  # share of the image's border that a nucleus may cover
_LOBE_AREA, _LOBE_GAP = 0.08, 0.3  # of the largest lobe's area, of its diameter
_FAR_LOBE_AREA, _FAR_LOBE_GAP = 0.25, 0.8  # likewise, within the same cytoplasm
_MOST_GAIN = 2.0  # of a channel; what would need more has no background to speak of
_BATCH = 128
_COLOUR_SAMPLE = 1000  # cells a set that Lab moments are taken from
_COLOUR_SIDE = 64  # rows and columns of each at most: the rest says the same and takes long
_COLUMNS = 7  # of a kept row: found, x, y, extent, red, green, blue


class Nucleus(NamedTuple):
    """Where a nucleus lies, in px of the original image."""

    x: float
    y: float
    extent: float
    """Longer side of the box around all its lobes."""
    background: tuple[float, float, float]
    """Colour around the cell, to fill what lies outside the image."""


def find_nucleus(image: RGBImage) -> Nucleus | None:
    """Find the stained nucleus of a single cell.

    Of the darkest of three classes (multi-Otsu on the smoothed green channel, in which nuclear
    stains are darkest) what has the image's own purple is cut into pieces; the large and central
    one is taken, with the lobes near it.

    Parameters
    ----------
    image : ndarray of uint8, shape (h, w, 3)

    Returns
    -------
    Nucleus or None
        None where nothing looks like a stained nucleus.
    """
    from PIL import Image
    from skimage.filters import gaussian, threshold_multiotsu
    from skimage.measure import label
    from skimage.morphology import opening

    height, width = image.shape[:2]
    scale = max(height, width) / _WORKING_SIDE
    size = (max(1, round(width / scale)), max(1, round(height / scale)))
    small = np.asarray(Image.fromarray(image).resize(size, Image.Resampling.BOX), dtype=np.float32)
    smooth = gaussian(small, sigma=1.0, channel_axis=2, preserve_range=True)
    green = smooth[..., 1]
    if np.ptp(green) < 30 or min(green.shape) < 4:
        return None
    try:
        dark, light = threshold_multiotsu(np.rint(green).astype(np.uint8), classes=3)
    except ValueError:  # fewer than three grey values
        return None
    around = small[green > light]
    if len(around) == 0:
        return None
    background = np.median(around, axis=0)
    # 8 grey values keep black pixels finite, and the noise of dark ones small.
    density = np.log((background + 8) / (smooth + 8))
    darkest = green <= dark
    stained = darkest & _has_the_stain(density, darkest)
    pieces = label(opening(stained, np.ones((3, 3), dtype=bool)))
    chosen = _choose_piece(pieces, density, label(green <= light))
    if chosen is None or np.median(background[1] - green[chosen]) < _LEAST_CONTRAST:
        return None
    if not _looks_like_a_nucleus(chosen, density):
        return None
    rows, columns = np.nonzero(chosen)
    box = np.array([columns.min(), columns.max() + 1, rows.min(), rows.max() + 1])
    stretch = np.array([width / size[0], height / size[1]])
    x, y = np.array([box[:2].mean(), box[2:].mean()]) * stretch
    extent = float((np.array([np.ptp(box[:2]), np.ptp(box[2:])]) * stretch).max())
    red, green_, blue = background.tolist()
    return Nucleus(float(x), float(y), extent, (red, green_, blue))


def _ratio(density: Float32) -> Float32:
    return (density[..., 1] - density[..., 2]) / density[..., 1].clip(0.05)


def _has_the_stain(density: Float32, darkest: Bools) -> Bools:
    purple, ratio = density[..., 1] - density[..., 2], _ratio(density)
    # Cameras wash colours out more or less: what is clearly purple tells this image's ratio.
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
        # Pieces cut by the border belong to neighbours more often than to the cell itself.
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
        # A lobe farther off lies in the same cytoplasm, and single cells are in the middle.
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


def cut(image: RGBImage, nucleus: Nucleus) -> RGBImage:
    """Cut a square around a nucleus.

    Parameters
    ----------
    image : ndarray of uint8, shape (h, w, 3)
    nucleus : Nucleus

    Returns
    -------
    ndarray of uint8, shape (side, side, 3)
        At the image's own resolution, side being twice the nucleus's extent. What lies outside the
        image has the background's colour: mirroring would draw false cells.
    """
    side = max(8, round(FIELD_OF_VIEW * nucleus.extent))
    left, top = round(nucleus.x - side / 2), round(nucleus.y - side / 2)
    height, width = image.shape[:2]
    line = np.tile(np.rint(nucleus.background).astype(np.uint8), side)
    cropped = np.tile(line, side).reshape(side, side, 3)  # by lines: by pixels it takes far longer
    rows = slice(max(0, top), min(height, top + side))
    columns = slice(max(0, left), min(width, left + side))
    cropped[rows.start - top : rows.stop - top, columns.start - left : columns.stop - left] = image[
        rows, columns
    ]
    return cropped


def balance(image: RGBImage, background: Sequence[float], white: White) -> RGBImage:
    """Light an image so that its background has a given colour (von Kries).

    Slides of one set may differ in light and ground, which no map of the whole set can undo.

    Parameters
    ----------
    image : ndarray of uint8, shape (h, w, 3)
    background : sequence of three floats
        Colour around the cell.
    white : tuple of three ints
        What that colour becomes; each channel changes by a factor of two at most.

    Returns
    -------
    ndarray of uint8, shape (h, w, 3)
    """
    from PIL import Image

    gain = np.asarray(white) / np.maximum(background, 1)
    levels = np.outer(gain.clip(1 / _MOST_GAIN, _MOST_GAIN), np.arange(256))
    table = np.rint(levels.clip(0, 255)).astype(int).ravel().tolist()
    return np.asarray(Image.fromarray(image).point(table))


@dataclass(frozen=True)
class Nuclei:
    """The nuclei of n cells, in px; rows of cells without one are zero."""

    found: Bools
    x: Float32
    y: Float32
    extent: Float32
    background: Float32
    """Shape (n, 3)."""

    def __getitem__(self, cell: int) -> Nucleus | None:
        if not self.found[cell]:
            return None
        red, green, blue = self.background[cell].tolist()
        return Nucleus(
            float(self.x[cell]), float(self.y[cell]), float(self.extent[cell]), (red, green, blue)
        )

    def take(self, cells: Ints) -> Nuclei:
        """Keep some cells."""
        return Nuclei(
            self.found[cells],
            self.x[cells],
            self.y[cells],
            self.extent[cells],
            self.background[cells],
        )


def find_nuclei(
    dataset: Dataset,
    cache: Cache,
    *,
    workers: int | None = None,
    progress: Progress = silent,
) -> Nuclei:
    """Find the nucleus of every cell; what was found before is not looked for again.

    Parameters
    ----------
    dataset : Dataset
        n cells.
    cache : Cache
    workers : int, optional
    progress : callable

    Returns
    -------
    Nuclei
    """
    table = f"nuclei@{VERSION}{_intensity_key(dataset)}"
    known, rows = cache.get(table, dataset.cells, _COLUMNS)
    missing = np.flatnonzero(~known)
    done = int(known.sum())
    progress("framing", done, len(dataset))
    batches = [missing[start : start + _BATCH] for start in range(0, len(missing), _BATCH)]
    tasks = [dataset.take(batch) for batch in batches]
    for index, found in run_tasks(_find_batch, tasks, workers=workers):
        rows[batches[index]] = found
        cache.put(table, tasks[index].cells, found)
        done += len(found)
        progress("framing", done, len(dataset))
    return Nuclei(rows[:, 0] > 0, rows[:, 1], rows[:, 2], rows[:, 3], rows[:, 4:])


def _find_batch(dataset: Dataset) -> Float32:
    rows = np.zeros((len(dataset), _COLUMNS), dtype=np.float32)
    for cell in range(len(dataset)):
        nucleus = find_nucleus(dataset.read(cell))
        if nucleus is not None:
            rows[cell] = (1, nucleus.x, nucleus.y, nucleus.extent, *nucleus.background)
    return rows


def _intensity_key(dataset: Dataset) -> str:
    return "" if dataset.intensity is None else "/{:g}-{:g}".format(*dataset.intensity)


@dataclass(frozen=True)
class ColourMap:
    """Brings one set's Lab mean and spread to another's."""

    source_mean: Float64
    source_std: Float64
    target_mean: Float64
    target_std: Float64
    """Each of shape (3,), in Lab units."""

    def __call__(self, image: RGBImage) -> RGBImage:
        """Recolour an image of shape (h, w, 3), uint8.

        Colours between the :data:`GRID`³ that are converted are interpolated, which is right to
        about a level of 255 and takes a thirtieth of the time.
        """
        from PIL import Image

        return np.asarray(Image.fromarray(image).filter(_lookup(*self._numbers.tolist())))

    @property
    def _numbers(self) -> Float64:
        return np.round(
            np.concatenate([self.source_mean, self.source_std, self.target_mean, self.target_std]),
            4,
        )

    @property
    def key(self) -> str:
        """Short hash of the numbers."""
        return hashlib.sha256(self._numbers.tobytes() + bytes([GRID])).hexdigest()[:12]


@lru_cache(maxsize=8)
def _lookup(*numbers: float) -> Color3DLUT:
    """Convert a grid of colours; as many maps as a run has sets are kept."""
    from PIL.ImageFilter import Color3DLUT
    from skimage.color import lab2rgb, rgb2lab

    source_mean, source_std, target_mean, target_std = np.reshape(numbers, (4, 3))
    levels = np.linspace(0, 1, GRID)
    blue, green, red = np.meshgrid(levels, levels, levels, indexing="ij")  # red runs fastest
    # Where there is no colour to stretch, rounding errors would be stretched into one.
    flat = source_std < 0.1
    gain = np.where(flat, 1.0, target_std / np.where(flat, 1.0, source_std))
    lab = (rgb2lab(np.stack([red, green, blue], axis=-1)) - source_mean) * gain + target_mean
    lab[..., 0] = np.clip(lab[..., 0], 0, 100)
    with quiet():  # colours outside what a screen can show are clipped: that is what is wanted
        table = np.clip(lab2rgb(lab), 0, 1)
    return Color3DLUT(GRID, table.astype(np.float32).ravel())


@dataclass(frozen=True)
class Crops:
    """What every encoder sees of one set."""

    dataset: Dataset
    nuclei: Nuclei | None = None
    """None: whole images."""
    colours: Mapping[str, ColourMap] = field(default_factory=dict)
    """By source of the dataset; those that are not in it keep their colours."""
    um_per_px: float | None = None
    white: White | None = None
    """Colour that each background is brought to, before the set's own map; None: as it is."""

    def __len__(self) -> int:
        return len(self.dataset)

    def __getitem__(self, cell: int) -> RGBImage:
        """Read, cut and recolour one cell.

        Parameters
        ----------
        cell : int

        Returns
        -------
        ndarray of uint8, shape (h, w, 3)
        """
        colour = self._colour_of(self.dataset.cell_sources[cell])
        image = self._balanced(self._cut(cell), cell)
        return colour(image) if colour is not None else image

    def resized(self, cells: Sequence[int], side: int) -> NDArray[np.uint8]:
        """Read and cut some cells, resize them whole, and recolour what is left of them.

        Parameters
        ----------
        cells : sequence of int, length k
        side : int

        Returns
        -------
        ndarray of uint8, shape (k, side, side, 3)
        """
        images = np.stack([self._balanced(resize(self._cut(cell), side), cell) for cell in cells])
        sources = self.dataset.cell_sources[cells]
        for source in np.unique(sources):
            colour, of = self._colour_of(source), sources == source
            if colour is not None:
                # As one tall image, for Pillow converts its table anew for every image.
                tall = colour(images[of].reshape(-1, side, 3))
                images[of] = tall.reshape(-1, side, side, 3)
        return images

    def _cut(self, cell: int) -> RGBImage:
        image = self.dataset.read(cell)
        nucleus = self.nuclei[cell] if self.nuclei is not None else None
        return cut(image, nucleus) if nucleus is not None else image

    def _balanced(self, image: RGBImage, cell: int) -> RGBImage:
        nucleus = self.nuclei[cell] if self.nuclei is not None else None
        if self.white is None or nucleus is None:
            return image
        return balance(image, nucleus.background, self.white)

    def _colour_of(self, source: int) -> ColourMap | None:
        return self.colours.get(self.dataset.sources[source])

    @property
    def extents(self) -> Float32:
        """Extent of each nucleus in px, or µm where the pixel size is known; NaN without one."""
        if self.nuclei is None:
            return np.full(len(self), np.nan, dtype=np.float32)
        extent = np.where(self.nuclei.found, self.nuclei.extent, np.nan)
        return (extent * (self.um_per_px or 1.0)).astype(np.float32)

    @property
    def variant(self) -> str:
        """Name of everything but the image file that decides what an encoder sees of a source."""
        parts = ["whole" if self.nuclei is None else f"nucleus@{VERSION}"]
        if self.white is not None:
            parts.append("white-{}.{}.{}".format(*self.white))
        parts += [f"lab-{colour.key}" for colour in self.colours.values()]
        if self.um_per_px is not None:
            parts.append(f"{self.um_per_px:g}um")
        return "-".join(parts) + _intensity_key(self.dataset)

    def take(self, cells: Ints) -> Crops:
        """Keep some cells: a small set to send to a worker.

        Parameters
        ----------
        cells : ndarray of int64, shape (k,)
            Ascending.

        Returns
        -------
        Crops
        """
        nuclei = self.nuclei.take(cells) if self.nuclei is not None else None
        dataset = self.dataset.take(cells)
        colours = {name: self.colours[name] for name in dataset.sources if name in self.colours}
        return replace(self, dataset=dataset, nuclei=nuclei, colours=colours)

    def by_source(self) -> tuple[tuple[Ints, Crops], ...]:
        """Part the cells by the set they came from.

        Returns
        -------
        tuple of (ndarray of int64, Crops)
            The cells of each source, and what an encoder sees of them.
        """
        if len(self.dataset.sources) == 1:
            return ((np.arange(len(self)), self),)
        of = self.dataset.cell_sources
        parts = [np.flatnonzero(of == number) for number in range(len(self.dataset.sources))]
        return tuple((cells, self.take(cells)) for cells in parts)


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
    batches = [chosen[start : start + _BATCH] for start in range(0, len(chosen), _BATCH)]
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
