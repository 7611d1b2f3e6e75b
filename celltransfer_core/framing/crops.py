"""TODO celltransfer_core/framing/crops.py."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from celltransfer_core.data.dataset import Dataset
from celltransfer_core.data.images import resize
from celltransfer_core.framing.colour import ColourMap, White, balance
from celltransfer_core.framing.nuclei import Nuclei, intensity_key
from celltransfer_core.framing.nucleus import VERSION, cut
from celltransfer_core.types import Float32, Ints, RGBImage


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
        return "-".join(parts) + intensity_key(self.dataset)

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
