"""The images of one set: files, content hashes, types, and the cells used as the index.

In the paper, a set of cells is called a training or a transfer dataset.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path

import numpy as np

from celltransfer_core.data.images import decode, read_size
from celltransfer_core.data.pixels import RGB, WHITE
from celltransfer_core.errors import DataError, ImageError
from celltransfer_core.runtime.batches import evenly_spaced
from celltransfer_core.types import Float64, Ints, Labels, RGBImage


@dataclass(frozen=True)
class Remark:
    """A remark on one file."""

    file: str
    """Path relative to the set's folder, with ``/``."""
    reason: str


@dataclass(frozen=True)
class PixelScale:
    """Intensity scale and pixel size of one set, as produced by its microscope."""

    intensity: tuple[float, float] | None = None
    """Values mapped to black and white; None for plain 8-bit images."""
    um_per_px: float | None = None
    """Size of a pixel in µm; None if unknown."""
    numbers: str = ""
    """Kind of the values, such as ``16 bit`` or ``float``; empty for plain 8 bit."""
    channels: tuple[int, ...] | None = None
    """Chosen channels, see :func:`~celltransfer_core.data.channels.choose`."""
    background: RGB | None = None
    """Colour under transparent images, see :mod:`celltransfer_core.data.background`; None for
    white, or if no image is transparent."""


@dataclass(frozen=True)
class Dataset:
    """The usable images of one folder.

    A *cell* is a distinct file content: copies of a file are one cell. The whole pipeline is
    indexed by cell, in the order of content hashes, so that names and folders have no effect.
    """

    root: Path
    """Absolute path of the folder: worker processes keep their initial working directory."""
    files: tuple[str, ...]
    """Every usable file, relative to the root, ordered by (hash, name)."""
    sha256: tuple[str, ...]
    """Content hash of each file."""
    labels: tuple[str, ...] | None
    """Type of each file; None unless read with ``labelled=True``."""
    slide: tuple[str, ...] | None
    """Slide of each file, empty where unknown; None where no table has the column."""
    patient: tuple[str, ...] | None
    """Patient of each file, likewise."""
    left_out: tuple[Remark, ...]
    """Files that are not used, and why."""
    notes: tuple[Remark, ...]
    """Remarks on files that are used."""
    scales: tuple[PixelScale, ...]
    """One scale, or several where sets were pooled or hold several kinds of values."""
    by_hash: bool = False
    """Whether images are stored by content hash (see :func:`stored_at`) instead of by name."""
    scale_numbers: tuple[int, ...] | None = None
    """Position in ``scales`` of the scale of each file's set and kind of values; None if all files
    have the first scale."""
    source: tuple[str, ...] | None = None
    """Source set of each file, where several references were pooled; None for one set."""
    channel_counts: tuple[tuple[int, int], ...] = ()
    """For files of one set whose channels are not colours: each number of channels and the number
    of such files, including those left out until channels are chosen."""
    looks: Mapping[str, bytes] | None = field(default=None, repr=False)
    """Summaries of image appearance by content hash, see :mod:`celltransfer_core.data.looks`."""

    @cached_property
    def cells(self) -> tuple[str, ...]:
        """Hash of each cell, ascending."""
        return tuple(sorted(set(self.sha256)))

    @cached_property
    def cell_index(self) -> Ints:
        """Cell number of each file, shape (n_files,)."""
        number = {sha: index for index, sha in enumerate(self.cells)}
        return np.array([number[sha] for sha in self.sha256], dtype=np.int64)

    @cached_property
    def first_file(self) -> tuple[str, ...]:
        """Name of the first file of each cell, in order of names."""
        return tuple(self.files[index] for index in self._first)

    @cached_property
    def cell_labels(self) -> Labels:
        """Type of each cell, shape (n_cells,).

        Raises
        ------
        DataError
            If the set was read without labels.
        """
        if self.labels is None:
            raise DataError(f"{self.root} was read without its labels; read it with labelled=True.")
        return np.array([self.labels[index] for index in self._first])

    @cached_property
    def cell_slides(self) -> Labels:
        """Slide of each cell, empty where no table gives it, shape (n_cells,)."""
        return np.array([self.slide[index] if self.slide else "" for index in self._first], str)

    @cached_property
    def sources(self) -> tuple[str, ...]:
        """Names of the pooled sets, sorted; a single empty name if no sets were pooled."""
        return tuple(sorted(set(self.source))) if self.source else ("",)

    @cached_property
    def cell_sources(self) -> Ints:
        """Position in ``sources`` of the set that each cell came from, shape (n_cells,)."""
        if not self.source:
            return np.zeros(self.n_cells, dtype=np.int64)
        place = {name: number for number, name in enumerate(self.sources)}
        return np.array([place[self.source[index]] for index in self._first], dtype=np.int64)

    @cached_property
    def cell_scales(self) -> tuple[PixelScale, ...]:
        """Scale of the set that each cell came from."""
        if self.scale_numbers is None:
            return self.scales[:1] * self.n_cells
        return tuple(self.scales[self.scale_numbers[index]] for index in self._first)

    @cached_property
    def scales_in_use(self) -> frozenset[PixelScale]:
        """The scales used by its cells."""
        return frozenset(self.cell_scales)

    @property
    def deep(self) -> bool:
        """Whether any of its source sets has images that are not 8-bit."""
        return any(scale.intensity is not None for scale in self.scales)

    @cached_property
    def um_per_px(self) -> Float64:
        """Pixel size of each cell in µm, NaN where unknown, shape (n_cells,)."""
        return np.array([scale.um_per_px or np.nan for scale in self.cell_scales], dtype=np.float64)

    @cached_property
    def duplicates(self) -> tuple[tuple[str, ...], ...]:
        """Groups of files with the same content."""
        groups: dict[str, list[str]] = {}
        for sha, file in zip(self.sha256, self.files, strict=True):
            groups.setdefault(sha, []).append(file)
        return tuple(tuple(group) for group in groups.values() if len(group) > 1)

    @cached_property
    def fingerprint(self) -> str:
        """Hash over all cells and, if present, their types."""
        digest = hashlib.sha256()
        labels = [""] * len(self) if self.labels is None else self.cell_labels.tolist()
        for sha, label in zip(self.cells, labels, strict=True):
            digest.update(f"{sha}\t{label}\n".encode())
        return digest.hexdigest()

    @cached_property
    def _first(self) -> tuple[int, ...]:
        seen: dict[str, int] = {}
        for index, sha in enumerate(self.sha256):
            seen.setdefault(sha, index)
        return tuple(seen[sha] for sha in self.cells)

    @property
    def n_cells(self) -> int:
        """Number of cells."""
        return len(self.cells)

    def __len__(self) -> int:
        return self.n_cells

    def take(self, cells: Ints) -> Dataset:
        """Keep some cells, as a small set to send to a worker.

        Parameters
        ----------
        cells : ndarray of int64, shape (k,)
            Cell numbers, ascending.

        Returns
        -------
        Dataset
            One file per cell; without remarks, slides, labels and looks.
        """
        return replace(
            self,
            files=tuple(self.first_file[cell] for cell in cells),
            sha256=tuple(self.cells[cell] for cell in cells),
            labels=None,
            slide=None,
            patient=None,
            left_out=(),
            notes=(),
            scale_numbers=(
                tuple(self.scale_numbers[self._first[cell]] for cell in cells)
                if self.scale_numbers
                else None
            ),
            source=(
                tuple(self.sources[number] for number in self.cell_sources[cells])
                if self.source
                else None
            ),
            looks=None,
        )

    def take_typed(self, cells: Ints) -> Dataset:
        """Keep some cells and their types.

        Parameters
        ----------
        cells : ndarray of int64, shape (k,)
            Cell numbers, ascending.

        Returns
        -------
        Dataset
            One file per cell; without remarks and slides.

        Raises
        ------
        DataError
            If the set was read without labels.
        """
        labels = tuple(self.cell_labels[cells].tolist())
        return replace(self.take(cells), labels=labels, looks=self.looks)

    def with_um_per_px(self, um_per_px: float | None) -> Dataset:
        """Set the pixel size of the cells whose set has none.

        Parameters
        ----------
        um_per_px : float, optional
            Pixel size in µm; None leaves all cells unchanged.

        Returns
        -------
        Dataset
        """
        if not um_per_px:
            return self
        scales = tuple(replace(s, um_per_px=s.um_per_px or um_per_px) for s in self.scales)
        return replace(self, scales=scales)

    def path(self, cell: int) -> Path:
        """Return the path of a cell's image.

        Parameters
        ----------
        cell : int

        Returns
        -------
        Path
        """
        if self.by_hash:
            return stored_at(self.root, self.cells[cell])
        return self.root / self.first_file[cell]

    def read(self, cell: int) -> RGBImage:
        """Decode a cell's image.

        Parameters
        ----------
        cell : int

        Returns
        -------
        ndarray of uint8, shape (h, w, 3)

        Raises
        ------
        ImageError
            If the file was changed or removed after the set was read; see :func:`read_stored` for
            sets whose images are stored by content.
        """
        if self.by_hash:
            try:
                data = read_stored(self.root, self.cells[cell])
            except (OSError, ImageError) as error:
                name = self.first_file[cell]
                raise ImageError(f"{name} is damaged on disk or missing; add it again.") from error
        else:
            data = self._read_named(cell)
        scale = self.cell_scales[cell]
        return decode(data, scale.intensity, scale.channels, scale.background or WHITE)

    def _read_named(self, cell: int) -> bytes:
        path = self.path(cell)
        try:
            data = path.read_bytes()
        except OSError as error:
            raise ImageError(f"{path} can no longer be read ({error.strerror}).") from error
        if hashlib.sha256(data).hexdigest() != self.cells[cell]:
            raise ImageError(f"{path} has changed during the run; run again.")
        return data


def image_sizes(dataset: Dataset, most: int = 500) -> Ints:
    """Read the sizes of a set's images without decoding them.

    Parameters
    ----------
    dataset : Dataset
    most : int
        Maximum number of images, spaced evenly in the order of content hashes.

    Returns
    -------
    ndarray of int64, shape (k, 2)
        Width and height in px.
    """
    sizes = []
    for cell in evenly_spaced(dataset.n_cells, most).tolist():
        with suppress(ImageError):  # removed in the meantime
            sizes.append(read_size(dataset.path(cell)))
    return np.array(sizes, dtype=np.int64).reshape(-1, 2)


def stored_at(root: Path, sha256: str) -> Path:
    """Return the path of an image that is stored by its content hash.

    Parameters
    ----------
    root : Path
    sha256 : str

    Returns
    -------
    Path
    """
    return root / sha256[:2] / sha256


def read_stored(root: Path, sha256: str) -> bytes:
    """Read an image that is stored by its content hash, and verify the hash.

    Parameters
    ----------
    root, sha256
        See :func:`stored_at`.

    Returns
    -------
    bytes

    Raises
    ------
    ImageError
        If the file is damaged. It is then renamed, counts as missing, and is stored again when it
        is uploaded again.
    OSError
        If it cannot be read.
    """
    path = stored_at(root, sha256)
    for _ in range(2):  # it may just have been uploaded again
        data = path.read_bytes()
        if hashlib.sha256(data).hexdigest() == sha256:
            return data
    with suppress(OSError):  # the folder may be read-only
        path.replace(path.with_name(f"{sha256}.damaged"))
    raise ImageError(f"The stored image {sha256[:12]}… is damaged.")


def stored_names(root: Path) -> set[str]:
    """List the content hashes of all stored images, from file names alone.

    Parameters
    ----------
    root : Path
        See :func:`stored_at`.

    Returns
    -------
    set of str
    """
    with os.scandir(root) as folders:
        inside = [folder.path for folder in folders if folder.is_dir()]
    return {entry.name for folder in inside for entry in os.scandir(folder)}
