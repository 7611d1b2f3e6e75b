"""Crop the images that encoders embed (3.1) from a data set, its nuclei and its colour maps.

Framing itself is not in the paper: without nuclei and colour maps, a crop is the whole image.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from celltransfer_core.data.dataset import Dataset, PixelScale
from celltransfer_core.data.images import resize
from celltransfer_core.framing.colour import ColourMap, White, balance
from celltransfer_core.framing.nuclei import Nuclei, intensity_key
from celltransfer_core.framing.nucleus import FIELD_OF_VIEW, VERSION, cut
from celltransfer_core.types import Float32, Ints, RGBImage


@dataclass(frozen=True)
class Crops:
    """The images of one set as encoders see them, read, cropped and recoloured on demand.

    Examples
    --------
    >>> from pathlib import Path
    >>> from tempfile import mkdtemp
    >>> from PIL import Image
    >>> from celltransfer_core.data import read_dataset
    >>> folder = Path(mkdtemp())
    >>> Image.new("RGB", (40, 30), "pink").save(folder / "cell.png")
    >>> crops = Crops(read_dataset(folder))
    >>> len(crops), crops[0].shape
    (1, (30, 40, 3))
    >>> crops.resized([0], 16).shape
    (1, 16, 16, 3)
    """

    dataset: Dataset
    nuclei: Nuclei | None = None
    """Cells with a nucleus are cropped around it, the others are whole; None for whole images."""
    colours: Mapping[str, ColourMap] = field(default_factory=dict)
    """Colour map of each source of the dataset; cells of other sources keep their colours."""
    in_um: bool = False
    """Whether extents are in µm where the pixel size is known."""
    white: White | None = None
    """Colour that backgrounds are scaled to before the colour map is applied; None: no change."""

    def __len__(self) -> int:
        return len(self.dataset)

    def __getitem__(self, cell: int) -> RGBImage:
        """Read, crop and recolour one cell.

        Parameters
        ----------
        cell : int

        Returns
        -------
        ndarray of uint8, shape (h, w, 3)
        """
        return self.recoloured(self.field(cell), cell)

    def field(self, cell: int) -> RGBImage:
        """Read and crop one cell as encoders see it, but in the original colours.

        Parameters
        ----------
        cell : int

        Returns
        -------
        ndarray of uint8, shape (h, w, 3)
        """
        image = self.dataset.read(cell)
        nucleus = self.nuclei[cell] if self.nuclei is not None else None
        return cut(image, nucleus) if nucleus is not None else image

    def recoloured(self, image: RGBImage, cell: int) -> RGBImage:
        """Convert an image of one cell to the colours that encoders see.

        Parameters
        ----------
        image : ndarray of uint8, shape (h, w, 3)
            Field of the cell, of any size.
        cell : int

        Returns
        -------
        ndarray of uint8, shape (h, w, 3)
        """
        colour = self._colour_of(self.dataset.cell_sources[cell])
        image = self._balanced(image, cell)
        return colour(image) if colour is not None else image

    def resized(self, cells: Sequence[int], side: int) -> NDArray[np.uint8]:
        """Read and crop some cells, resize the crops, and recolour the resized images.

        Parameters
        ----------
        cells : sequence of int, length k
        side : int
            In px.

        Returns
        -------
        ndarray of uint8, shape (k, side, side, 3)
        """
        images = np.stack([self._balanced(resize(self.field(cell), side), cell) for cell in cells])
        sources = self.dataset.cell_sources[cells]
        for source in np.unique(sources):
            colour, of = self._colour_of(source), sources == source
            if colour is not None:
                # As one tall image, because Pillow converts the table again for each image.
                tall = colour(images[of].reshape(-1, side, 3))
                images[of] = tall.reshape(-1, side, side, 3)
        return images

    def _balanced(self, image: RGBImage, cell: int) -> RGBImage:
        # Includes cells without a nucleus: the colour map is computed for balanced images.
        if self.white is None or self.nuclei is None:
            return image
        return balance(image, self.nuclei.background[cell], self.white)

    def _colour_of(self, source: int) -> ColourMap | None:
        return self.colours.get(self.dataset.sources[source])

    @property
    def extents(self) -> Float32:
        """Extent of each nucleus, shape (n,), NaN where there is none.

        In µm if ``in_um`` is set and the pixel size of the cell's set is known, otherwise in px.
        """
        if self.nuclei is None:
            return np.full(len(self), np.nan, dtype=np.float32)
        extent = np.where(self.nuclei.found, self.nuclei.extent, np.nan)
        if self.in_um:
            extent = extent * np.nan_to_num(self.dataset.um_per_px, nan=1.0).astype(np.float32)
        return extent.astype(np.float32)

    @property
    def variant(self) -> str:
        """Key of everything besides the image files that affects the pixels; part of cache keys."""
        parts = ["whole" if self.nuclei is None else f"nucleus@{VERSION}"]
        if self.nuclei is not None and self.nuclei.field != FIELD_OF_VIEW:
            parts.append(f"field-{self.nuclei.field:g}")
        if self.white is not None:
            parts.append("white-{}.{}.{}".format(*self.white))
        parts += [f"lab-{colour.key}" for colour in self.colours.values()]
        scales = sorted({self._scale_key(scale) for scale in self.dataset.scales_in_use})
        return "-".join(parts) + "".join(scales)

    def _scale_key(self, scale: PixelScale) -> str:
        size = f"-{scale.um_per_px:g}um" if self.in_um and scale.um_per_px else ""
        return size + intensity_key(scale)

    def take(self, cells: Ints) -> Crops:
        """Keep some cells, as a small set to send to a worker.

        Parameters
        ----------
        cells : ndarray of int64, shape (k,)
            Cell numbers, ascending.

        Returns
        -------
        Crops
        """
        nuclei = self.nuclei.take(cells) if self.nuclei is not None else None
        dataset = self.dataset.take(cells)
        colours = {name: self.colours[name] for name in dataset.sources if name in self.colours}
        return replace(self, dataset=dataset, nuclei=nuclei, colours=colours)

    def by_source(self) -> tuple[tuple[Ints, Crops], ...]:
        """Split the cells by source set, regardless of their scales.

        Returns
        -------
        tuple of (ndarray of int64, Crops)
            The cells of each source, and their crops.
        """
        if len(self.dataset.sources) == 1:
            return ((np.arange(len(self)), self),)
        of = self.dataset.cell_sources
        parts = [np.flatnonzero(of == number) for number in range(len(self.dataset.sources))]
        return tuple((cells, self.take(cells)) for cells in parts)

    def by_scale(self) -> tuple[tuple[Ints, Crops], ...]:
        """Split the cells by source set and scale.

        Returns
        -------
        tuple of (ndarray of int64, Crops)
            The cells that share a variant, and their crops.
        """
        found = []
        for cells, part in self.by_source():
            keys = np.array([part._scale_key(one) for one in part.dataset.cell_scales], np.str_)
            alike = [np.flatnonzero(keys == key) for key in np.unique(keys)]
            if len(alike) == 1:
                found.append((cells, part))
            else:
                found += [(cells[some], part.take(some)) for some in alike]
        return tuple(found)
