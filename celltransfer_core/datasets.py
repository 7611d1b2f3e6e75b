"""Folders of single-cell images, read and checked."""

from __future__ import annotations

import csv
import hashlib
import io
import lzma
import os
import stat
import struct
import unicodedata
import zipfile
import zlib
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import zip_longest
from pathlib import Path, PurePosixPath
from typing import IO, TypeVar

import numpy as np

from celltransfer_core.errors import DataError, ImageError
from celltransfer_core.execution import run_tasks
from celltransfer_core.images import EXTENSIONS, check_bytes, decode, read_pixels
from celltransfer_core.types import Ints, Labels, Progress, RGBImage, silent

LABELS_FILE = "labels.csv"
METADATA_FILE = "metadata.csv"
INTENSITY_PERCENTILES = (0.1, 99.9)

MAX_ENTRIES = 200_000
MAX_UNPACKED = 50_000_000_000
MAX_TABLE = 50_000_000
MAX_RATIO = 100
"""Limits of a zip: entries, bytes unpacked, bytes of a table in it, unpacked to packed."""

MAX_FILE_NAME = 1000

File = TypeVar("File", bound=Hashable)

_BATCH = 64
_INTENSITY_IMAGES = 200  # that the scale of a 16-bit set is taken from
_INTENSITY_PIXELS = 10_000  # of each
_SMALL = 10_000_000  # bytes that a zip may unpack to at any ratio: flat pictures pack well
_DAMAGED = (zipfile.BadZipFile, zlib.error, lzma.LZMAError, NotImplementedError, EOFError, OSError)
_DIRECTORY_ENTRY = 46  # bytes at least of each entry in a zip's list of contents
_OTHER_FILES = frozenset({LABELS_FILE, METADATA_FILE, "thumbs.db", "desktop.ini"})


@dataclass(frozen=True)
class Remark:
    """Something to know about one file."""

    file: str
    """Path relative to the set's folder, with ``/``."""
    reason: str


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
    """Files that are used, and what is odd about them."""
    intensity: tuple[float, float] | None
    """What becomes black and white in the set's 16-bit images; None if it has none."""
    by_hash: bool = False
    """Whether images lie under their content hash (see :func:`stored_at`), not their name."""
    source: tuple[str, ...] | None = None
    """Set that each file came from, where several references were pooled; None for one set."""

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
            One file a cell; without remarks, slides and labels.
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
            source=(
                tuple(self.sources[number] for number in self.cell_sources[cells])
                if self.source
                else None
            ),
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
        return replace(self.take(cells), labels=tuple(self.cell_labels[cells].tolist()))

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
            If the file has changed or gone since the set was read.
        """
        path = self.path(cell)
        try:
            data = path.read_bytes()
        except OSError as error:
            raise ImageError(f"{path} cannot be read any more ({error.strerror}).") from error
        if hashlib.sha256(data).hexdigest() != self.cells[cell]:
            raise ImageError(f"{path} has changed during the run; run again.")
        return decode(data, self.intensity)


@dataclass(frozen=True)
class Checked:
    """What reading a file's bytes showed."""

    sha256: str = ""
    problem: str = ""
    """Why it cannot be used; empty if it can."""
    pages: int = 1
    deep: bool = False
    """Whether it has 16 bits a channel."""


def check_image(data: bytes) -> Checked:
    """Find out if bytes are an image that can be used.

    Parameters
    ----------
    data : bytes

    Returns
    -------
    Checked
    """
    try:
        check_bytes(len(data))
        pixels = read_pixels(data)
    except ImageError as error:
        return Checked(problem=str(error))
    return Checked(hashlib.sha256(data).hexdigest(), "", pixels.pages, pixels.deep)


def image_sizes(dataset: Dataset, most: int = 500) -> Ints:
    """Read how large a set's images are, without decoding them.

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
    from PIL import Image

    count = min(most, dataset.n_cells)
    sizes = []
    for cell in np.unique(np.linspace(0, dataset.n_cells - 1, count).astype(int)):
        try:
            with Image.open(dataset.path(int(cell))) as image:
                sizes.append(image.size)
        except (OSError, Image.DecompressionBombError):  # gone meanwhile
            continue
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


def read_dataset(
    root: Path | str,
    *,
    labelled: bool = False,
    type_of: Callable[[str], str] | None = None,
    workers: int | None = None,
    progress: Progress = silent,
) -> Dataset:
    """Read a folder of single-cell images.

    Three layouts are understood: one sub-folder a type; any folders with a ``labels.csv`` (columns
    ``file,label``), which then wins over folder names; and, without labels, just images.
    ``labels.csv`` or ``metadata.csv`` may carry ``slide`` and ``patient``.

    Parameters
    ----------
    root : path
        The folder. Images in its sub-folders count too.
    labelled : bool
        Whether types are wanted. If not, nothing that may name a type is looked at.
    type_of : callable, optional
        Tells a file's type from its name relative to the folder, for sets laid out otherwise;
        empty for files to leave out. It then wins over folders and ``labels.csv``.
    workers : int, optional
        Processes; all processors by default.
    progress : callable

    Returns
    -------
    Dataset
        Files that cannot be used are listed in it, with reasons.

    Raises
    ------
    DataError
        If the folder cannot be read, holds no usable image, or labels are wanted and there are
        fewer than two types; or if a table has the wrong columns.
    """
    root = Path(root)
    _check_folder(root)
    names, left_out, others = _find_images(root)
    tables = _Tables(_table_texts(root), str(root), labelled=labelled and type_of is None)
    notes = tables.notes(names)
    if others:
        notes.append(Remark(".", f"holds files of other kinds, ignored: {others}"))
    labels: Mapping[str, str] | None = None
    unlabelled: Sequence[Remark] = ()
    if labelled and type_of is not None:
        labels = {name: label for name in names if (label := _plain(type_of(name)))}
        unlabelled = [Remark(n, "is of none of the types") for n in names if n not in labels]
    elif labelled:
        labels, unlabelled = tables.types(names)
    if labels is not None:  # what has no type need not be decoded
        names = [name for name in names if name in labels]

    checked: dict[str, Checked] = {}
    batches = [names[start : start + _BATCH] for start in range(0, len(names), _BATCH)]
    progress("reading", 0, len(names))
    tasks = [(root.absolute(), batch) for batch in batches]
    for index, found in run_tasks(_check_batch, tasks, workers=workers if len(tasks) > 2 else 1):
        checked.update(zip(batches[index], found, strict=True))
        progress("reading", len(checked), len(names))
    made = _assemble(root.absolute(), checked, labels, tables, [*left_out, *unlabelled], notes)
    if made.n_cells == 0:
        raise DataError(_nothing_usable(root, made.left_out, others))
    if made.labels is not None and len(set(made.labels)) < 2:
        raise DataError(_one_type(root, made.files, made.labels[0]))
    return made


def stored_dataset(
    root: Path,
    name: str,
    checked: Mapping[str, Checked],
    tables: Mapping[str, str],
    *,
    labelled: bool = False,
) -> Dataset:
    """Make a set of images that were checked when they came in and are stored by content.

    Parameters
    ----------
    root : Path
        Where images are stored, see :func:`stored_at`.
    name : str
        Of the set, for messages.
    checked : mapping from file name to Checked
    tables : mapping from file name to text
        ``labels.csv`` and ``metadata.csv``, where they came with the images.
    labelled : bool
        Whether types are wanted, as in :func:`read_dataset`.

    Returns
    -------
    Dataset
        It may be empty, or of one type.

    Raises
    ------
    DataError
        If a table has the wrong columns.
    """
    names = sorted(checked)
    said = _Tables(tables, name, labelled=labelled)
    labels, left_out = said.types(names) if labelled else (None, [])
    usable = {n: checked[n] for n in names if labels is None or n in labels}
    return _assemble(root, usable, labels, said, left_out, said.notes(names), by_hash=True)


def draw_per_class(dataset: Dataset, cells: int, seed: int) -> Dataset:
    """Draw so many cells of each type, of each set that was pooled; all where there are fewer.

    Parameters
    ----------
    dataset : Dataset
        With types.
    cells : int
        Of each type.
    seed : int

    Returns
    -------
    Dataset

    Raises
    ------
    DataError
        If fewer than one cell of each type is wanted.
    """
    if cells < 1:
        raise DataError("--per-class cannot be under 1.")
    order = np.random.default_rng(seed).permutation(dataset.n_cells)
    types, sources = dataset.cell_labels[order], dataset.cell_sources[order]
    drawn = [
        order[(types == name) & (sources == source)][:cells]
        for name in set(types)
        for source in range(len(dataset.sources))
    ]
    return dataset.take_typed(np.sort(np.concatenate(drawn)))


def pool(
    datasets: Sequence[Dataset],
    mappings: Sequence[Mapping[str, str]] | None = None,
    names: Sequence[str] | None = None,
) -> Dataset:
    """Join sets to one, and rename or merge their types.

    Parameters
    ----------
    datasets : sequence of Dataset
        All with types or all without. Files of sets under different roots are named from the
        folder that holds them all.
    mappings : sequence of mapping from type to type, optional
        One a set; types that are not named stay, and those renamed to nothing are left out.
    names : sequence of str, optional
        One a set, where the sets were not made alike: it is then kept which cell came from which,
        and each set is framed, coloured, centred and transported by itself.

    Returns
    -------
    Dataset
        An image that two sets type differently is left out, with the reason; one that they type
        alike counts as of the set that is named first in the alphabet.
    """
    datasets = _under_one_root(datasets)
    rows: dict[tuple[str, str, int], tuple[str, str, str]] = {}
    left_out = [remark for dataset in datasets for remark in dataset.left_out]
    labelled = all(dataset.labels is not None for dataset in datasets)
    mappings = mappings or [{}] * len(datasets)
    for number, (dataset, mapping) in enumerate(zip(datasets, mappings, strict=True)):
        empty = ("",) * len(dataset.files)
        for file, sha, name, slide, patient in zip(
            dataset.files,
            dataset.sha256,
            dataset.labels or empty,
            dataset.slide or empty,
            dataset.patient or empty,
            strict=True,
        ):
            label = mapping.get(name, name)
            if labelled and not label:
                left_out.append(Remark(file, f"its type {name} is left out"))
            else:
                rows[sha, file, number] = (label, slide, patient)
    clashes = _contradictory({key: key[0] for key in rows}, {k: row[0] for k, row in rows.items()})
    left_out += [Remark(key[1], reason) for key, reason in clashes.items()]
    kept = sorted(rows.keys() - clashes.keys())
    columns = list(zip(*(rows[key] for key in kept), strict=True)) or [(), (), ()]
    scales = [d.intensity for d in datasets if d.intensity is not None]
    source = _first_source(kept, names) if names is not None and len(datasets) > 1 else None
    return replace(
        datasets[0],
        files=tuple(key[1] for key in kept),
        sha256=tuple(key[0] for key in kept),
        labels=columns[0] if labelled else None,
        slide=columns[1] if any(columns[1]) else None,
        patient=columns[2] if any(columns[2]) else None,
        left_out=tuple(left_out),
        notes=tuple(remark for dataset in datasets for remark in dataset.notes),
        intensity=(
            (min(low for low, _ in scales), max(high for _, high in scales)) if scales else None
        ),
        source=source,
    )


def _first_source(files: Sequence[tuple[str, str, int]], names: Sequence[str]) -> tuple[str, ...]:
    owner: dict[str, str] = {}
    for sha, _, number in files:
        owner[sha] = min(names[number], owner.get(sha, names[number]))
    return tuple(owner[sha] for sha, _, _ in files)


def _under_one_root(datasets: Sequence[Dataset]) -> list[Dataset]:
    root = Path(os.path.commonpath([dataset.root for dataset in datasets]))
    named = []
    for dataset in datasets:
        if dataset.root == root:
            named.append(dataset)
            continue
        prefix = dataset.root.relative_to(root).as_posix()
        named.append(
            replace(
                dataset,
                root=root,
                files=tuple(f"{prefix}/{file}" for file in dataset.files),
                left_out=tuple(replace(r, file=f"{prefix}/{r.file}") for r in dataset.left_out),
                notes=tuple(replace(r, file=f"{prefix}/{r.file}") for r in dataset.notes),
            )
        )
    return named


def _assemble(
    root: Path,
    checked: Mapping[str, Checked],
    labels: Mapping[str, str] | None,
    tables: _Tables,
    left_out: Sequence[Remark],
    notes: Sequence[Remark],
    *,
    by_hash: bool = False,
) -> Dataset:
    """Order the usable files, and say of the others why not."""
    usable = {name: found for name, found in checked.items() if not found.problem}
    left_out = [*left_out, *(Remark(name, c.problem) for name, c in checked.items() if c.problem)]
    notes = [
        *notes,
        *(
            Remark(name, f"has {found.pages} pages; the first is used")
            for name, found in usable.items()
            if found.pages > 1
        ),
    ]
    if labels is not None:
        clashes = _contradictory({name: c.sha256 for name, c in usable.items()}, labels)
        usable = {name: found for name, found in usable.items() if name not in clashes}
        left_out += [Remark(name, reason) for name, reason in clashes.items()]
    order = sorted(usable, key=lambda name: (usable[name].sha256, name))
    deep = {
        usable[n].sha256: stored_at(root, usable[n].sha256) if by_hash else root / n
        for n in order
        if usable[n].deep
    }
    return Dataset(
        root=root,
        files=tuple(order),
        sha256=tuple(usable[name].sha256 for name in order),
        labels=tuple(labels[name] for name in order) if labels is not None else None,
        slide=tables.column("slide", order),
        patient=tables.column("patient", order),
        left_out=tuple(sorted(left_out, key=lambda remark: remark.file)),
        notes=tuple(sorted(notes, key=lambda remark: remark.file)),
        intensity=_intensity(deep),
        by_hash=by_hash,
    )


def find_files(root: Path) -> tuple[tuple[str, ...], tuple[Remark, ...]]:
    """Find the images and tables of a folder, without opening any.

    Parameters
    ----------
    root : Path

    Returns
    -------
    files : tuple of str
        Relative to the folder, with ``/``.
    left_out : tuple of Remark
        Links that lead out of the folder, and the like.

    Raises
    ------
    DataError
        If the folder cannot be read.
    """
    _check_folder(root)
    images, left_out, _ = _find_images(root)
    tables = [
        name
        for name in (LABELS_FILE, METADATA_FILE)
        if (root / name).is_file() and not _link_problem(root / name, root.resolve())
    ]
    return (*tables, *images), tuple(left_out)


def name_problem(name: str) -> str:
    """Tell why the name of a file that somebody sent cannot be kept.

    Parameters
    ----------
    name : str
        With the folders it lies in.

    Returns
    -------
    str
        Empty if it can.
    """
    parts = name.replace("\\", "/").split("/")
    if not _is_text(name) or not name.isprintable():
        return "its name has characters that cannot be printed; rename it"
    if len(name) > MAX_FILE_NAME:
        return f"its name is longer than {MAX_FILE_NAME} characters; shorten it"
    if not parts[-1].strip():
        return "it has no name"
    if not parts[0] or parts[0].endswith(":"):
        return "its name is an absolute path; pack folders by their own names"
    if ".." in parts:
        return "its name leads out of its folder (..)"
    return ""


@dataclass(frozen=True)
class Unpacked:
    """One entry of a zip."""

    name: str
    """With its folders, ``/`` between them; never to be used as a path."""
    data: bytes
    problem: str
    """Why it cannot be taken; empty if it can."""
    number: int
    """How many entries came before it and with it,"""
    total: int
    """of how many."""


def unzip(file: IO[bytes], wanted: Callable[[str, int], bool] | None = None) -> Iterator[Unpacked]:
    """Unpack the images and tables of a zip, one at a time in memory, none to disk.

    Parameters
    ----------
    file : binary file
        It can be sought.
    wanted : callable, optional
        Told the name and bytes of an entry, says whether to unpack it; all by default.

    Yields
    ------
    Unpacked
        A folder that holds all others is taken off the names. Files of other kinds do not come.

    Raises
    ------
    DataError
        If it is no zip, or one that unpacks to more than any folder of cells would.
    """
    try:
        _check_directory(file)
        with zipfile.ZipFile(file) as archive:
            yield from _unpack(archive, wanted)
    except (zipfile.BadZipFile, ValueError, NotImplementedError, OSError) as error:
        raise DataError(
            f"The zip is damaged or cut short ({error}); pack it again, or drop the folder itself."
        ) from error


def _unpack(
    archive: zipfile.ZipFile, wanted: Callable[[str, int], bool] | None
) -> Iterator[Unpacked]:
    entries = [one for one in archive.infolist() if _may_be_of_use(one)]
    packed = sum(one.compress_size for one in entries)
    unpacked = sum(one.file_size for one in entries)
    if unpacked > MAX_UNPACKED or unpacked > max(_SMALL, MAX_RATIO * packed):
        raise DataError(
            f"The zip would unpack from {packed / 1e6:,.1f} to {unpacked / 1e6:,.0f} MB, which no "
            "folder of cells does; drop the folder itself."
        )
    names = [one.filename.replace("\\", "/") for one in entries]
    root = wrapping_folder(names)
    for number, (entry, whole) in enumerate(zip(entries, names, strict=True), start=1):
        name = whole.removeprefix(root)
        problem = name_problem(whole) or _entry_problem(entry)
        data = b""
        if problem:
            name = whole.encode("utf-8", "backslashreplace").decode()[:MAX_FILE_NAME]
        elif wanted is None or wanted(name, entry.file_size):
            try:
                data = archive.read(entry)
            except _DAMAGED as error:
                problem = f"is damaged in the zip ({error})"
        else:
            continue
        yield Unpacked(name, data, problem, number, len(entries))


def _may_be_of_use(entry: zipfile.ZipInfo) -> bool:
    parts = entry.filename.replace("\\", "/").split("/")
    name = parts[-1].lower()
    if entry.is_dir() or "__MACOSX" in parts or name.startswith("."):
        return False
    return name in (LABELS_FILE, METADATA_FILE) or PurePosixPath(name).suffix in EXTENSIONS


def _entry_problem(entry: zipfile.ZipInfo) -> str:
    if stat.S_ISLNK(entry.external_attr >> 16):
        return "is a link; pack the file itself"
    if entry.flag_bits & 0x1:
        return "is encrypted; pack it without a password"
    if PurePosixPath(entry.filename.lower()).suffix not in EXTENSIONS:
        most = MAX_TABLE
        return f"the table is over {most // 1_000_000} MB" if entry.file_size > most else ""
    try:
        check_bytes(entry.file_size)
    except ImageError as error:
        return str(error)
    return ""


def wrapping_folder(names: Sequence[str]) -> str:
    """Find the folder that was dropped or packed: types are the folders inside it.

    Parameters
    ----------
    names : sequence of str
        With folders, ``/`` between them.

    Returns
    -------
    str
        With a ``/`` at its end; empty where files do not share one, or where it may name a type:
        it holds images, but neither folders nor a table.
    """
    first = {name.split("/", 1)[0] for name in names}
    deep = any(name.count("/") > 1 for name in names)
    table = any(name.lower().endswith((f"/{LABELS_FILE}", f"/{METADATA_FILE}")) for name in names)
    if len(first) != 1 or not all("/" in name for name in names) or not (deep or table):
        return ""
    return f"{first.pop()}/"


def _check_directory(file: IO[bytes]) -> None:
    """Refuse a zip whose list of contents alone would fill the memory."""
    end = file.seek(0, io.SEEK_END)
    file.seek(max(0, end - 65_557 - 20))  # with the longest comment, and what points to zip64
    tail = file.read()
    at = tail.rfind(b"PK\5\6")
    if at < 0 or len(tail) < at + 22:
        raise zipfile.BadZipFile("it has no list of contents")
    entries, size = struct.unpack("<HL", tail[at + 10 : at + 16])
    locator = tail[max(0, at - 20) : at]
    if locator.startswith(b"PK\6\7") and len(locator) == 20:
        file.seek(min(end, struct.unpack("<Q", locator[8:16])[0]))
        record = file.read(56)
        if len(record) == 56 and record.startswith(b"PK\6\6"):
            entries, size = struct.unpack("<QQ", record[32:48])
    if entries > MAX_ENTRIES or size > MAX_ENTRIES * (_DIRECTORY_ENTRY + 200):
        raise DataError(f"The zip has over {MAX_ENTRIES:,} entries; drop the folder itself.")


def _check_folder(root: Path) -> None:
    try:
        mode = root.stat().st_mode
    except FileNotFoundError as error:
        raise DataError(f"{root} does not exist; give a folder of images.") from error
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise DataError(f"{root} cannot be opened ({reason}); give a folder of images.") from error
    if not stat.S_ISDIR(mode):
        raise DataError(f"{root} is a file; give a folder of images.")


def _nothing_usable(root: Path, left_out: Sequence[Remark], others: int) -> str:
    if left_out:
        first = f"{left_out[0].file}: {left_out[0].reason}"
        return f"{root} holds no usable image; {len(left_out)} left out, the first is {first}."
    ignored = f" (files of other kinds: {others})" if others else ""
    wanted = ", ".join(sorted(EXTENSIONS))
    return f"{root} holds no usable image{ignored}; give a folder with {wanted} files."


def _one_type(root: Path, files: Sequence[str], label: str) -> str:
    message = f"{root} holds one type only ({label}); a reference needs two at least: "
    if all(name.count("/") > 1 for name in files):
        return message + f"if the types are the folders inside {label}, give {root / label}."
    return message + f"one sub-folder a type, or a {LABELS_FILE} with the columns file,label."


def _check_batch(task: tuple[Path, Sequence[str]]) -> list[Checked]:
    root, names = task
    return [_check(root / name) for name in names]


def _check(path: Path) -> Checked:
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):  # reading a pipe would wait for ever
            return Checked(problem="is not a file")
        check_bytes(status.st_size)
        return check_image(path.read_bytes())
    except OSError as error:
        return Checked(problem=f"cannot be read ({error.strerror})")
    except ImageError as error:
        return Checked(problem=str(error))


def _intensity(cells: Mapping[str, Path]) -> tuple[float, float] | None:
    """Find one scale for the 16-bit cells (path by hash) of a set, so that they stay comparable."""
    # Ordered by hash, every so many is as good as drawn, and names change nothing.
    files = list(cells.values())[:: -(-len(cells) // _INTENSITY_IMAGES) or 1]
    counts = np.zeros(65536, dtype=np.int64)
    for file in files:
        try:
            pixels = read_pixels(file.read_bytes())
        except (OSError, ImageError):  # gone meanwhile; whoever needs it will say so
            continue
        values = pixels.values.reshape(-1, pixels.values.shape[2])
        if pixels.alpha is not None:
            values = values[pixels.alpha.ravel() > 0]
        if pixels.deep:
            sample = values[:: max(1, len(values) // _INTENSITY_PIXELS)]
            counts += np.bincount(sample.ravel(), minlength=65536)
    if not counts.any():
        return None
    reached = np.cumsum(counts) / counts.sum()
    low, high = np.searchsorted(reached, np.array(INTENSITY_PERCENTILES) / 100)
    return float(low), float(high)


def _find_images(root: Path) -> tuple[list[str], list[Remark], int]:
    """Find what may be an image, what is left out unread, and how many files are of other kinds."""
    names: list[str] = []
    left_out: list[Remark] = []
    others = 0
    inside = root.resolve()

    def named(path: Path) -> str:
        return path.relative_to(root).as_posix()

    def leave_out(path: Path, reason: str) -> None:
        # Bytes that are no text must not reach a table.
        printable = named(path).encode("utf-8", "backslashreplace").decode()
        left_out.append(Remark(printable, reason))

    def unreadable(error: OSError) -> None:
        leave_out(Path(error.filename), f"cannot be opened ({error.strerror})")

    for folder, folders, files in os.walk(root, onerror=unreadable):
        here = Path(folder)
        folders[:] = sorted(f for f in folders if not f.startswith(".") and f != "__MACOSX")
        for name in folders:
            if (here / name).is_symlink():
                leave_out(here / name, "is a link to a folder; links to folders are not followed")
        for name in sorted(files):
            path = here / name
            if name.startswith(".") or name.lower() in _OTHER_FILES:
                continue
            if path.suffix.lower() not in EXTENSIONS:
                others += 1
            elif not _is_text(named(path)):
                leave_out(path, "its name is not valid Unicode; rename it")
            elif problem := _link_problem(path, inside):
                leave_out(path, problem)
            else:
                names.append(named(path))
    return names, left_out, others


def _is_text(name: str) -> bool:
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


def _link_problem(path: Path, inside: Path) -> str:
    if not path.is_symlink():
        return ""
    try:
        target = path.resolve(strict=True)
    except (OSError, RuntimeError):  # a link to itself is a RuntimeError before Python 3.13
        return "is a link to nothing"
    return "" if target.is_relative_to(inside) else "is a link to a file outside the folder"


def _contradictory(sha256: Mapping[File, str], labels: Mapping[File, str]) -> dict[File, str]:
    types: dict[str, set[str]] = {}
    for name, sha in sha256.items():
        types.setdefault(sha, set()).add(labels[name])
    return {
        name: f"the same image stands under {' and '.join(sorted(types[sha]))}"
        for name, sha in sha256.items()
        if len(types[sha]) > 1
    }


def _plain(text: str) -> str:
    """Bring text to one Unicode spelling: macOS writes é in two characters, others in one."""
    return unicodedata.normalize("NFC", text).strip()


def _table_texts(root: Path) -> dict[str, str]:
    paths = {name: root / name for name in (LABELS_FILE, METADATA_FILE)}
    return {name: _read_text(path) for name, path in paths.items() if path.is_file()}


class _Tables:
    """What ``labels.csv`` and ``metadata.csv`` of a set say, by file."""

    def __init__(self, texts: Mapping[str, str], where: str, *, labelled: bool) -> None:
        self.where = where
        self.rows: dict[str, dict[str, str]] = {}
        self.conflicts: dict[str, set[str]] = {}
        self.has_labels = labelled and LABELS_FILE in texts
        for table in (LABELS_FILE, METADATA_FILE):
            # A table of labels beside a query serves for slides and patients alone.
            label = {"label"} if labelled and table == LABELS_FILE else set()
            if table in texts:
                for row in parse_table(texts[table], f"{where}/{table}", {"file", *label}):
                    self._add(row, {"slide", "patient", *label})

    def _add(self, row: Mapping[str, str], columns: set[str]) -> None:
        name = PurePosixPath(_plain(row["file"].replace("\\", "/"))).as_posix()
        known = self.rows.setdefault(name, {})
        for column in columns:
            value = _plain(row.get(column, ""))
            if value and known.setdefault(column, value) != value:
                self.conflicts.setdefault(name, set()).add(column)

    def notes(self, names: Sequence[str]) -> list[Remark]:
        """Name files that the folder does not hold, or of which slide or patient is in doubt."""
        present = {_plain(name) for name in names}
        missing = [
            Remark(name, "stands in a table but not in the folder")
            for name in self.rows
            if name not in present
        ]
        return missing + [
            Remark(name, f"has contradictory entries for {column}; none is used")
            for name, columns in self.conflicts.items()
            for column in sorted(columns - {"label"})
            if name in present
        ]

    def types(self, names: Sequence[str]) -> tuple[dict[str, str], list[Remark]]:
        """Find the type of each file, and the files that have none."""
        if not self.has_labels and names and not any("/" in name for name in names):
            raise DataError(
                f"{self.where} holds no usable image, for none has a type; put them into one "
                f"sub-folder a type, or add a {LABELS_FILE} with the columns file,label."
            )
        labels: dict[str, str] = {}
        left_out: list[Remark] = []
        for name in names:
            if "label" in self.conflicts.get(_plain(name), ()):
                left_out.append(Remark(name, f"has contradictory rows in {LABELS_FILE}"))
            elif self.has_labels:
                label = self.rows.get(_plain(name), {}).get("label", "")
                if label:
                    labels[name] = label
                else:
                    left_out.append(Remark(name, f"has no label in {LABELS_FILE}"))
            elif "/" not in name:
                left_out.append(Remark(name, "lies outside the types' sub-folders"))
            elif label := _plain(name.split("/", 1)[0]):
                labels[name] = label
            else:
                left_out.append(Remark(name, "its folder's name is blank, so it has no type"))
        return labels, left_out

    def column(self, column: str, names: Sequence[str]) -> tuple[str, ...] | None:
        """Return a column's value of each file, None if no file has one."""
        values = tuple(self._value(column, _plain(name)) for name in names)
        return values if any(values) else None

    def _value(self, column: str, name: str) -> str:
        if column in self.conflicts.get(name, ()):
            return ""
        return self.rows.get(name, {}).get(column, "")


def read_table(path: Path, needs: Iterable[str]) -> list[dict[str, str]]:
    """Read a table of text, separated by commas, semicolons or tabs.

    Parameters
    ----------
    path : Path
    needs : iterable of str
        Columns that must be there; case does not matter.

    Returns
    -------
    list of dict
        One a row, by lower-case column; values stripped, empty where a row is short; rows without
        a file left out.

    Raises
    ------
    DataError
        If the table cannot be read or lacks a column.
    """
    return parse_table(_read_text(path), str(path), needs)


def _read_text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise DataError(f"{path} is not UTF-8 text; save it as CSV (UTF-8).") from error
    except OSError as error:
        raise DataError(f"{path} cannot be read ({error.strerror}).") from error


def parse_table(text: str, name: str, needs: Iterable[str]) -> list[dict[str, str]]:
    """Read a table from its text; see :func:`read_table`.

    Parameters
    ----------
    text : str
    name : str
        Of the table, for messages.
    needs : iterable of str

    Returns
    -------
    list of dict

    Raises
    ------
    DataError
        If the table lacks a column.
    """
    header = text.strip().split("\n", 1)[0]
    separator = max(",;\t", key=header.count)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator)
    try:
        rows = [row for row in reader if any(cell.strip() for cell in row)]
    except csv.Error as error:
        raise DataError(f"{name} is not a table ({error}).") from error
    columns = [cell.strip().lower() for cell in rows[0]] if rows else []
    width = len(columns)
    missing = [column for column in needs if column not in columns]
    if missing:
        raise DataError(
            f"{name} needs the columns {', '.join(sorted(needs))}; "
            f"it has {', '.join(columns) or 'none'}."
        )
    records = [
        {column: cell.strip() for column, cell in zip_longest(columns, row[:width], fillvalue="")}
        for row in rows[1:]
    ]
    return [record for record in records if record.get("file", "-")]
