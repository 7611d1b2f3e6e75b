"""Folders of single-cell images, read and checked."""

from __future__ import annotations

import csv
import hashlib
import io
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path, PurePosixPath

import numpy as np

from celltransfer_core.errors import DataError, ImageError
from celltransfer_core.execution import run_tasks
from celltransfer_core.images import EXTENSIONS, decode, read_pixels
from celltransfer_core.types import Ints, Labels, Progress, RGBImage, silent

LABELS_FILE = "labels.csv"
METADATA_FILE = "metadata.csv"
INTENSITY_PERCENTILES = (0.1, 99.9)

_BATCH = 64
_INTENSITY_SAMPLE = 10_000  # values an image that the scale of a 16-bit set is taken from


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
        )

    def path(self, cell: int) -> Path:
        """Return where a cell's image lies.

        Parameters
        ----------
        cell : int

        Returns
        -------
        Path
        """
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


def read_dataset(
    root: Path | str,
    *,
    labelled: bool = False,
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
    if not root.is_dir():
        what = "is a file" if root.exists() else "does not exist"
        raise DataError(f"{root} {what}; give a folder of images.")
    names, left_out = _find_images(root)
    tables = _Tables(root, labelled=labelled)
    notes: list[Remark] = list(tables.notes(names))

    labels: dict[str, str] = {}
    if labelled:
        labels, unlabelled = tables.types(names)
        left_out += unlabelled
        names = [name for name in names if name in labels]

    checked: dict[str, _Checked] = {}
    batches = [names[start : start + _BATCH] for start in range(0, len(names), _BATCH)]
    progress("reading", 0, len(names))
    tasks = [(root, batch) for batch in batches]
    for index, found in run_tasks(_check_batch, tasks, workers=workers if len(tasks) > 2 else 1):
        checked.update(zip(batches[index], found, strict=True))
        progress("reading", len(checked), len(names))

    usable = {name: found for name, found in checked.items() if not found.problem}
    left_out += [Remark(name, c.problem) for name, c in checked.items() if c.problem]
    notes += [
        Remark(name, f"has {found.pages} pages; the first is used")
        for name, found in usable.items()
        if found.pages > 1
    ]
    if labelled:
        for name in _contradictory({name: c.sha256 for name, c in usable.items()}, labels):
            del usable[name]
            left_out.append(Remark(name, "the same image stands under two types"))
    order = sorted(usable, key=lambda name: (usable[name].sha256, name))
    if not order:
        detail = f": {left_out[0].file}: {left_out[0].reason}" if left_out else ""
        raise DataError(
            f"{root} holds no usable image ({len(left_out)} left out{detail}); "
            f"give a folder with {', '.join(sorted(EXTENSIONS))} files."
        )
    if labelled and len({labels[name] for name in order}) < 2:
        raise DataError(
            f"{root} holds one type only ({labels[order[0]]}); a reference needs two at least: "
            f"one sub-folder a type, or a {LABELS_FILE} with the columns file,label."
        )
    return Dataset(
        root=root,
        files=tuple(order),
        sha256=tuple(usable[name].sha256 for name in order),
        labels=tuple(labels[name] for name in order) if labelled else None,
        slide=tables.column("slide", order),
        patient=tables.column("patient", order),
        left_out=tuple(sorted(left_out, key=lambda remark: remark.file)),
        notes=tuple(sorted(notes, key=lambda remark: remark.file)),
        intensity=_intensity(usable[name] for name in order),
    )


@dataclass(frozen=True)
class _Checked:
    sha256: str = ""
    problem: str = ""
    pages: int = 1
    intensity: tuple[float, float] | None = None


def _check_batch(task: tuple[Path, Sequence[str]]) -> list[_Checked]:
    root, names = task
    return [_check(root / name) for name in names]


def _check(path: Path) -> _Checked:
    try:
        data = path.read_bytes()
    except OSError as error:
        return _Checked(problem=f"cannot be read ({error.strerror})")
    try:
        pixels = read_pixels(data)
    except ImageError as error:
        return _Checked(problem=str(error))
    scale = None
    if pixels.deep:
        values = pixels.values.ravel()
        sample = values[:: max(1, len(values) // _INTENSITY_SAMPLE)]
        low, high = np.percentile(sample, INTENSITY_PERCENTILES)
        scale = (float(low), float(high))
    return _Checked(hashlib.sha256(data).hexdigest(), "", pixels.pages, scale)


def _intensity(checked: Iterable[_Checked]) -> tuple[float, float] | None:
    # One scale a set, so that cells stay comparable: the median of the images' own percentiles.
    scales = [found.intensity for found in checked if found.intensity]
    if not scales:
        return None
    low, high = np.median(np.array(scales), axis=0)
    return float(low), float(high)


def _find_images(root: Path) -> tuple[list[str], list[Remark]]:
    names: list[str] = []
    left_out: list[Remark] = []
    inside = root.resolve()
    for folder, folders, files in os.walk(root):
        folders[:] = sorted(f for f in folders if not f.startswith(".") and f != "__MACOSX")
        for file in sorted(files):
            path = Path(folder) / file
            if file.startswith(".") or path.suffix.lower() not in EXTENSIONS:
                continue
            name = path.relative_to(root).as_posix()
            if not path.resolve().is_relative_to(inside):
                left_out.append(Remark(name, "is a link to a file outside the folder"))
            else:
                names.append(name)
    return names, left_out


def _contradictory(sha256: dict[str, str], labels: dict[str, str]) -> list[str]:
    types: dict[str, set[str]] = {}
    for name, sha in sha256.items():
        types.setdefault(sha, set()).add(labels[name])
    return [name for name, sha in sha256.items() if len(types[sha]) > 1]


class _Tables:
    """What ``labels.csv`` and ``metadata.csv`` of a folder say, by file."""

    def __init__(self, root: Path, *, labelled: bool) -> None:
        self.rows: dict[str, dict[str, str]] = {}
        self.conflicts: set[str] = set()
        self.has_labels = False
        # A table of labels beside a query serves for slides and patients alone.
        wanted = {"slide", "patient", *(["label"] if labelled else [])}
        for table, needs in ((LABELS_FILE, {"file", "label"}), (METADATA_FILE, {"file"})):
            path = root / table
            if not path.is_file():
                continue
            needs = needs if labelled else {"file"}
            for row in read_table(path, needs):
                name = PurePosixPath(row["file"].replace("\\", "/")).as_posix()
                known = self.rows.setdefault(name, {})
                for column in wanted & row.keys():
                    if column == "label":
                        self.has_labels = True
                    if known.setdefault(column, row[column]) != row[column]:
                        self.conflicts.add(name)

    def notes(self, names: Sequence[str]) -> list[Remark]:
        """Name files that the tables speak of and the folder does not hold."""
        present = set(names)
        return [
            Remark(name, "stands in a table but not in the folder")
            for name in self.rows
            if name not in present
        ]

    def types(self, names: Sequence[str]) -> tuple[dict[str, str], list[Remark]]:
        """Find the type of each file, and the files that have none."""
        labels: dict[str, str] = {}
        left_out: list[Remark] = []
        for name in names:
            if name in self.conflicts:
                left_out.append(Remark(name, f"has contradictory rows in {LABELS_FILE}"))
            elif self.has_labels:
                label = self.rows.get(name, {}).get("label", "")
                if label:
                    labels[name] = label
                else:
                    left_out.append(Remark(name, f"has no label in {LABELS_FILE}"))
            elif "/" in name:
                labels[name] = name.split("/", 1)[0].strip()
            else:
                left_out.append(Remark(name, "lies outside the types' sub-folders"))
        return labels, left_out

    def column(self, column: str, names: Sequence[str]) -> tuple[str, ...] | None:
        """Return a column's value of each file, None if no file has one."""
        values = tuple(self.rows.get(name, {}).get(column, "") for name in names)
        return values if any(values) else None


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
        One a row, by lower-case column; values stripped, rows without a file left out.

    Raises
    ------
    DataError
        If the table cannot be read or lacks a column.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise DataError(f"{path} is not UTF-8 text; save it as CSV (UTF-8).") from error
    except OSError as error:
        raise DataError(f"{path} cannot be read ({error.strerror}).") from error
    header = text.split("\n", 1)[0]
    separator = max(",;\t", key=header.count)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator)
    try:
        rows = [row for row in reader if any(cell.strip() for cell in row)]
    except csv.Error as error:
        raise DataError(f"{path} is not a table ({error}).") from error
    columns = [cell.strip().lower() for cell in rows[0]] if rows else []
    missing = [column for column in needs if column not in columns]
    if missing:
        raise DataError(
            f"{path} needs the columns {', '.join(sorted(needs))}; "
            f"it has {', '.join(columns) or 'none'}."
        )
    records = [
        {column: cell.strip() for column, cell in zip(columns, row, strict=False)}
        for row in rows[1:]
    ]
    return [record for record in records if record.get("file", "-")]
