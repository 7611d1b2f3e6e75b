"""The images of one set: files, content hashes, types, and the cells that everything is indexed by.

In the paper a set of cells is a training or a transfer dataset.
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
    """Scale and size of the pixels of one set, as it came from its microscope."""

    intensity: tuple[float, float] | None = None
    """Values that become black and white; None for images of plain 8 bit."""
    um_per_px: float | None = None
    """Size of a pixel in µm; None where it is not known."""
    numbers: str = ""
    """Kind of the values, such as ``16 bit`` or ``float``; empty for plain 8 bit."""
    channels: tuple[int, ...] | None = None
    """Channels that were chosen, see :func:`~celltransfer_core.data.channels.choose`."""
    background: RGB | None = None
    """Colour that transparent images are laid over, see :mod:`celltransfer_core.data.background`;
    None for white, and where none is transparent."""


@dataclass(frozen=True)
class Dataset:
    """The usable images of one folder.

    A *cell* is a distinct content: copies of a file are one cell. Everything in the pipeline is
    indexed by cell, in the order of content hashes, so that names and folders change nothing.
    """

    root: Path
    """The folder, absolute: worker processes keep the working directory they started in."""
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
    """One, or several where sets were pooled or hold numbers of several kinds."""
    by_hash: bool = False
    """Whether images lie under their content hash (see :func:`stored_at`), not their name."""
    scale_numbers: tuple[int, ...] | None = None
    """Position in ``scales`` of each file's scale, that of its set and kind of numbers; None: all
    have the first."""
    source: tuple[str, ...] | None = None
    """Set that each file came from, where several references were pooled; None for one set."""
    channel_counts: tuple[tuple[int, int], ...] = ()
    """Files of one set whose channels are no colours: numbers of channels, and of files that have
    so many, with those that are left out until channels are chosen."""
    looks: Mapping[str, bytes] | None = field(default=None, repr=False)
    """What images look like, by content hash: see :mod:`celltransfer_core.data.looks`."""

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
        """Name of one file of each cell: the first by name."""
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
        """Slide of each cell, empty where no table names it, shape (n_cells,)."""
        return np.array([self.slide[index] if self.slide else "" for index in self._first], str)

    @cached_property
    def sources(self) -> tuple[str, ...]:
        """Sets that were pooled, sorted by name; one without a name where none were."""
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
        """The scales that its cells have."""
        return frozenset(self.cell_scales)

    @property
    def deep(self) -> bool:
        """Whether a set that it is made of has images of other numbers than 8 bit."""
        return any(scale.intensity is not None for scale in self.scales)

    @cached_property
    def um_per_px(self) -> Float64:
        """Size of each cell's pixels in µm, NaN where it is not known, shape (n_cells,)."""
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
        """Hash over all cells, and their types where they have any."""
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
        """Keep some cells: a small set to send to a worker.

        Parameters
        ----------
        cells : ndarray of int64, shape (k,)
            Cell numbers, ascending.

        Returns
        -------
        Dataset
            One file a cell; without remarks, slides, labels and looks.
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
            One file a cell; without remarks and slides.

        Raises
        ------
        DataError
            If the set was read without labels.
        """
        labels = tuple(self.cell_labels[cells].tolist())
        return replace(self.take(cells), labels=labels, looks=self.looks)

    def with_um_per_px(self, um_per_px: float | None) -> Dataset:
        """Give a pixel size to the cells whose set has none of its own.

        Parameters
        ----------
        um_per_px : float, optional
            In µm; None leaves all as they are.

        Returns
        -------
        Dataset
        """
        if not um_per_px:
            return self
        scales = tuple(replace(s, um_per_px=s.um_per_px or um_per_px) for s in self.scales)
        return replace(self, scales=scales)

    def path(self, cell: int) -> Path:
        """Return where a cell's image lies.

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
            If the file has changed or gone since the set was read; see :func:`read_stored` for
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
    """Read the sizes of a set's images, without decoding them.

    Parameters
    ----------
    dataset : Dataset
    most : int
        Images to look at, evenly along the order of content hashes.

    Returns
    -------
    ndarray of int64, shape (k, 2)
        Width and height in px.
    """
    sizes = []
    for cell in evenly_spaced(dataset.n_cells, most).tolist():
        with suppress(ImageError):  # gone meanwhile
            sizes.append(read_size(dataset.path(cell)))
    return np.array(sizes, dtype=np.int64).reshape(-1, 2)


def stored_at(root: Path, sha256: str) -> Path:
    """Return where an image is stored that is found by its content.

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
    """Read an image that is stored by its content, and see that it is that.

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
        If the file is damaged. It is put out of the way then, under another name: it counts as
        missing from now on, and is stored again when somebody sends it again.
    OSError
        If it cannot be read.
    """
    path = stored_at(root, sha256)
    for _ in range(2):  # somebody may just have sent it again
        data = path.read_bytes()
        if hashlib.sha256(data).hexdigest() == sha256:
            return data
    with suppress(OSError):  # the folder may be one that can only be read
        path.replace(path.with_name(f"{sha256}.damaged"))
    raise ImageError(f"The stored image {sha256[:12]}… is damaged.")


def stored_names(root: Path) -> set[str]:
    """List the content hashes of all stored images, by the names of files alone.

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
