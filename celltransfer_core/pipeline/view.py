"""Framing and colours of a run's query (3.1), to be applied to later cells."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from celltransfer_core.data.dataset import Dataset, PixelScale
from celltransfer_core.errors import DataError
from celltransfer_core.framing.colour import ColourMap, White
from celltransfer_core.framing.crops import Crops
from celltransfer_core.framing.nuclei import Nuclei, find_nuclei
from celltransfer_core.framing.nucleus import FIELD_OF_VIEW
from celltransfer_core.pipeline.result import RunResult
from celltransfer_core.runtime.cache import Cache
from celltransfer_core.types import Progress
from celltransfer_core.vocabulary import QUERY


@dataclass(frozen=True)
class View:
    """Framing and colours of a run's query."""

    framed: bool
    field: float
    """Side of the crop around each nucleus, in units of its extent."""
    in_um: bool
    """Whether the extents of nuclei are in µm."""
    white: White | None
    """Colour to which every background is set; None to leave it unchanged."""
    colours: tuple[tuple[float, ...], ...] | None
    """Mean and spread of the query in Lab, followed by those to which its colours are adjusted;
    None to leave them unchanged."""
    scales: tuple[PixelScale, ...]
    """Pixel scales of the query's images."""

    def crops(
        self, dataset: Dataset, cache: Cache, workers: int | None, progress: Progress
    ) -> tuple[Crops, Nuclei]:
        """Frame and colour other images in the same way.

        Parameters
        ----------
        dataset : Dataset
        cache : Cache
            Cache of nuclei.
        workers : int, optional
        progress : callable

        Returns
        -------
        crops : Crops
        nuclei : Nuclei
            Nuclei of all cells, whether or not crops are made around them.

        Raises
        ------
        DataError
            If the images have another data type, or their pixel size is missing.
        """
        dataset = replace(dataset, scales=tuple(map(self._scale, dataset.scales)), source=None)
        if self.in_um and not np.isfinite(dataset.um_per_px).all():
            raise DataError(
                "The classifier was trained with a pixel size in µm; give that of these images: "
                "--um-per-px."
            )
        nuclei = find_nuclei(dataset, cache, workers=workers, progress=progress)
        colours = {}
        if self.colours:
            colours = {name: ColourMap(*map(np.array, self.colours)) for name in dataset.sources}
        cut = replace(nuclei, field=self.field) if self.framed else None
        return Crops(dataset, cut, colours, in_um=self.in_um, white=self.white), nuclei

    def _scale(self, scale: PixelScale) -> PixelScale:
        """Return the scale that images of the same kind had."""
        known = next((one for one in self.scales if one.numbers == scale.numbers), None)
        if known is None:
            kinds = " and ".join(one.numbers or "8 bit" for one in self.scales)
            raise DataError(
                f"The images have the pixel format {scale.numbers or '8 bit'}; the classifier was "
                f"trained on {kinds}. Save them in the same way."
            )
        return replace(known, um_per_px=scale.um_per_px)


def view_of(run: RunResult) -> View:
    """Return the framing and colours of a run's query.

    Parameters
    ----------
    run : RunResult

    Returns
    -------
    View
    """
    crops = run.framing.crops[QUERY]
    found = crops.colours.get(run.query.sources[0])
    colours = None
    if found is not None:
        numbers = (found.source_mean, found.source_std, found.target_mean, found.target_std)
        colours = tuple(tuple(np.round(one, 4).tolist()) for one in numbers)
    scales = tuple(dict.fromkeys(replace(s, um_per_px=None) for s in crops.dataset.scales))
    field = crops.nuclei.field if crops.nuclei else FIELD_OF_VIEW
    return View(run.framing.framed, field, crops.in_um, crops.white, colours, scales)
