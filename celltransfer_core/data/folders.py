"""Read a folder of single-cell images into a :class:`Dataset`, listing files that were left out.

Uploaded images that are stored by content hash are read in the same way. Not in the paper.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import Literal

from celltransfer_core.data.checks import (
    Checked,
    check_files,
    is_unicode,
    normalise_text,
)
from celltransfer_core.data.dataset import Dataset, Remark, stored_at
from celltransfer_core.data.images import EXTENSIONS
from celltransfer_core.data.label_tables import LabelTables, read_table_texts
from celltransfer_core.data.levels import LevelError, TypesAt, is_unclear, levels_of
from celltransfer_core.data.looks import FEW, count_levels
from celltransfer_core.data.masks import IS_MASK, named_as_masks
from celltransfer_core.data.passed_over import NO_IMAGE, is_of_systems, kind_problem
from celltransfer_core.data.pooling import find_contradictions
from celltransfer_core.data.scales import count_channels, find_scales, with_channels
from celltransfer_core.data.settled import settle, stop_line
from celltransfer_core.data.table_bytes import TableText
from celltransfer_core.data.table_columns import ColumnsError
from celltransfer_core.data.tables import LABEL_TABLES, LABELS_FILE, TABLES
from celltransfer_core.errors import DataError
from celltransfer_core.runtime.batches import in_batches
from celltransfer_core.runtime.tasks import run_tasks
from celltransfer_core.types import Progress, silent

_BATCH = 64


def read_dataset(
    root: Path | str,
    *,
    labelled: bool = False,
    types_at: TypesAt | None = None,
    type_of: Callable[[str], str] | None = None,
    columns: Mapping[str, str] | None = None,
    accepted: Collection[str] | None = (),
    doubtful: Literal["stop", "leave out"] = "stop",
    channels: Sequence[int] | None = None,
    workers: int | None = None,
    progress: Progress = silent,
) -> Dataset:
    """Read a folder of single-cell images.

    Three layouts are supported: one sub-folder per type, at any level; any folders with a
    ``labels.csv`` (columns ``file,label``), which takes precedence over folder names; and, without
    labels, just images. ``labels.csv`` or ``metadata.csv`` may have the columns ``slide`` and
    ``patient``, and may be ``.tsv`` or ``.xlsx``.

    Parameters
    ----------
    root : path
        The folder. Images in sub-folders are included.
    labelled : bool
        Whether types are wanted. If not, nothing that may name a type is read.
    types_at : int or "innermost", optional
        Level of the folders that name the types: 1 for those in the folder itself, 2 for those
        inside them. By default the first level, unless that is ambiguous.
    type_of : callable, optional
        For other layouts: takes the name of a file relative to the folder and returns its type,
        empty for files to leave out. It takes precedence over folders and ``labels.csv``.
    columns : mapping from str to str, optional
        Columns of ``labels.csv`` to use as ``file`` and ``label``.
    accepted : collection of str, optional
        Labels such as ``nan`` that are valid types here; None for all.
    doubtful : {"stop", "leave out"}
        What to do with other labels that are unlikely to be type names.
    channels : sequence of int, optional
        For images whose channels are not colours: one channel to show as grey, or three to show as
        red, green and blue, counted from 1. By default, images without three channels are left out.
    workers : int, optional
        Number of processes; one per processor by default.
    progress : callable

    Returns
    -------
    Dataset
        Includes the list of files that cannot be used, with reasons.

    Raises
    ------
    LevelError
        If labels are wanted, several folders contain folders of the same names, and the level of
        the types was not given.
    DataError
        If the folder cannot be read or holds no usable image; if labels are wanted and there are
        fewer than two types; or if a table has the wrong columns, or a label that is unlikely to
        be a type name.
    """
    root = Path(root)
    _check_folder(root)
    names, left_out, empty = _find_images(root)
    tables = _read_tables(root, columns, labelled=labelled and type_of is None)
    if labelled and type_of is None and not tables.has_labels:
        _check_nested(root, left_out)
        _check_level(str(root), names, types_at, "choose one with --types-at LEVEL")
    notes = [*tables.notes(names), *empty]
    labels: Mapping[str, str] | None = None
    unlabelled: Sequence[Remark] = ()
    if labelled and type_of is not None:
        labels = {name: label for name in names if (label := normalise_text(type_of(name)))}
        unlabelled = [Remark(n, "has none of the selected types") for n in names if n not in labels]
    elif labelled:
        typed, without = tables.types(names, types_at or 1)
        settled = settle(typed, accepted)
        if settled.left_out and doubtful == "stop":
            raise DataError(stop_line(settled, tables.place_of(settled.left_out[0].file)))
        labels, unlabelled = settled.labels, [*without, *settled.left_out]
        notes += settled.notes
    if labels is not None:  # files without a type need not be decoded
        names = [name for name in names if name in labels]

    checked: dict[str, Checked] = {}
    batches = in_batches(names, _BATCH)
    progress("reading", 0, len(names))
    tasks = [(root.absolute(), batch) for batch in batches]
    for index, found in run_tasks(check_files, tasks, workers=workers if len(tasks) > 2 else 1):
        checked.update(zip(batches[index], found, strict=True))
        progress("reading", len(checked), len(names))
    left_out = [*left_out, *unlabelled]
    dataset = _assemble(
        root.absolute(), checked, labels, tables, left_out, notes, channels=channels
    )
    if dataset.n_cells == 0:
        raise DataError(_nothing_usable(root, dataset.left_out))
    if dataset.labels is not None and len(set(dataset.labels)) < 2:
        raise DataError(_one_type(root, dataset.files, dataset.labels[0]))
    return dataset


def _read_tables(root: Path, columns: Mapping[str, str] | None, *, labelled: bool) -> LabelTables:
    try:
        return LabelTables(read_table_texts(root, columns), str(root), labelled=labelled)
    except ColumnsError as error:
        if not labelled:
            raise
        told = f"{error} Or name them on the command line: --label-columns file=NAME,label=NAME."
        raise ColumnsError(told, error.columns) from error


def stored_dataset(
    root: Path,
    name: str,
    checked: Mapping[str, Checked],
    tables: Mapping[str, TableText],
    *,
    labelled: bool = False,
    types_at: TypesAt | None = None,
    accepted: Collection[str] | None = (),
    channels: Sequence[int] | None = None,
) -> Dataset:
    """Build a set from uploaded images that are already checked and stored by content hash.

    Parameters
    ----------
    root : Path
        Folder of the stored images, see :func:`stored_at`.
    name : str
        Name of the set, for messages.
    checked : mapping from file name to Checked
    tables : mapping from file name to TableText
        ``labels.csv`` and ``metadata.csv``, if uploaded with the images.
    labelled, types_at
        Whether types are wanted, and which folders name them, as in :func:`read_dataset`.
    accepted : collection of str, optional
        Labels such as ``nan`` that are valid types here; files with other such labels are left out.
        None for all.
    channels : sequence of int, optional
        As in :func:`read_dataset`.

    Returns
    -------
    Dataset
        It may be empty, or have a single type.

    Raises
    ------
    LevelError
        As in :func:`read_dataset`.
    DataError
        If a table has the wrong columns.
    """
    unusable = {n: c for n, c in checked.items() if c.problem}
    names = sorted(checked.keys() - unusable.keys())
    entries = LabelTables(tables, name, labelled=labelled)
    if labelled and not entries.has_labels:
        _check_level(name, names, types_at, "choose one on the Data page")
    notes = entries.notes(sorted(checked))
    if not labelled:
        return _assemble(root, checked, None, entries, [], notes, channels=channels, by_hash=True)
    typed, without = entries.types(names, types_at or 1)
    settled = settle(typed, accepted)
    usable = {n: checked[n] for n in names if n in settled.labels}
    left_out, notes = [*without, *settled.left_out], [*notes, *settled.notes]
    usable |= unusable
    return _assemble(
        root, usable, settled.labels, entries, left_out, notes, channels=channels, by_hash=True
    )


def _assemble(
    root: Path,
    checked: Mapping[str, Checked],
    labels: Mapping[str, str] | None,
    tables: LabelTables,
    left_out: Sequence[Remark],
    notes: Sequence[Remark],
    *,
    channels: Sequence[int] | None,
    by_hash: bool = False,
) -> Dataset:
    """Sort the usable files, and list the others with reasons."""
    counts = count_channels(checked)
    checked = with_channels(checked, channels)
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
    named = named_as_masks(usable)
    masks = {name for name in named if count_levels(usable[name].look) <= FEW}
    left_out += [Remark(name, IS_MASK) for name in masks]
    usable = {name: found for name, found in usable.items() if name not in masks}
    if labels is not None:
        clashes = find_contradictions({name: c.sha256 for name, c in usable.items()}, labels)
        usable = {name: found for name, found in usable.items() if name not in clashes}
        left_out += [Remark(name, reason) for name, reason in clashes.items()]
    order = sorted(usable, key=lambda name: (usable[name].sha256, name))

    def path_of(name: str) -> Path:
        return stored_at(root, usable[name].sha256) if by_hash else root / name

    found = find_scales({name: usable[name] for name in order}, path_of, channels)
    notes += found.notes
    return Dataset(
        root=root,
        files=tuple(order),
        sha256=tuple(usable[name].sha256 for name in order),
        labels=tuple(labels[name] for name in order) if labels is not None else None,
        slide=tables.column("slide", order),
        patient=tables.column("patient", order),
        left_out=tuple(sorted(left_out, key=lambda remark: remark.file)),
        notes=tuple(sorted(notes, key=lambda remark: remark.file)),
        scales=found.scales,
        scale_numbers=found.numbers,
        channel_counts=counts,
        by_hash=by_hash,
        looks={one.sha256: one.look for one in usable.values() if one.look},
    )


def find_files(root: Path) -> tuple[tuple[str, ...], tuple[Remark, ...]]:
    """Find the images and tables of a folder without opening any.

    Parameters
    ----------
    root : Path

    Returns
    -------
    files : tuple of str
        Relative to the folder, with ``/``.
    left_out : tuple of Remark
        Links that point out of the folder, and similar entries.

    Raises
    ------
    DataError
        If the folder cannot be read.
    """
    _check_folder(root)
    images, left_out, _ = _find_images(root)
    tables = sorted(path.name for path in root.iterdir() if path.name.lower() in TABLES)
    links = {name: _link_problem(root / name, root.resolve()) for name in tables}
    left_out += [Remark(name, problem) for name, problem in links.items() if problem]
    return (*(name for name in tables if not links[name]), *images), tuple(left_out)


def _check_folder(root: Path) -> None:
    try:
        mode = root.stat().st_mode
    except FileNotFoundError as error:
        raise DataError(f"{root} does not exist; give a folder of images.") from error
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise DataError(f"{root} cannot be opened ({reason}); give a folder of images.") from error
    if not stat.S_ISDIR(mode):
        what = "a zip; unpack it and" if root.suffix.lower() == ".zip" else "a file;"
        raise DataError(f"{root} is {what} give a folder of images.")


def _check_nested(root: Path, left_out: Sequence[Remark]) -> None:
    """Refuse to take types from folders if a table inside them takes precedence."""
    for remark in left_out:
        folder, _, name = remark.file.rpartition("/")
        if name.lower() in LABEL_TABLES:
            raise DataError(
                f"{root / remark.file} is in a sub-folder, where it cannot be used; give "
                f"{root / folder}, or move the table up. If the folder names are the types, remove "
                "the table."
            )


def _check_level(where: str, names: Sequence[str], types_at: TypesAt | None, remedy: str) -> None:
    """Refuse to take types from the outermost folders if another level is possible."""
    if types_at is None and is_unclear(names):
        raise LevelError(where, levels_of(names), remedy)


def _nothing_usable(root: Path, left_out: Sequence[Remark]) -> str:
    wanted = f"give a folder with {', '.join(sorted(EXTENSIONS))} files"
    if not left_out:
        why = "" if any(root.iterdir()) else ": the folder is empty"
        return f"{root} contains no usable image{why}; {wanted}."
    # Problems with possible images are more informative than those with other files.
    first = min(left_out, key=lambda one: bool(kind_problem(one.file)))
    told = f"{first.file}: {first.reason}"
    then = f"; {wanted}" if first.reason == NO_IMAGE else ""
    return f"{root} contains no usable image; {len(left_out)} left out, the first is {told}{then}."


def _one_type(root: Path, files: Sequence[str], label: str) -> str:
    message = f"{root} contains only one type ({label}); a reference needs at least two: "
    if all(name.count("/") > 1 for name in files):
        return message + (
            f"if the types are the folders inside {label}, give {root / label}, or --types-at 2."
        )
    return message + f"one sub-folder per type, or a {LABELS_FILE} with the columns file,label."


def _find_images(root: Path) -> tuple[list[str], list[Remark], list[Remark]]:
    """Find possible images, files left out unread, and folders without any file."""
    names: list[str] = []
    left_out: list[Remark] = []
    empty: list[Remark] = []
    inside = root.resolve()

    def named(path: Path) -> str:
        return path.relative_to(root).as_posix()

    def remark(path: Path, reason: str) -> Remark:
        # Bytes that are not valid text must not reach a table.
        return Remark(named(path).encode("utf-8", "backslashreplace").decode(), reason)

    def leave_out(path: Path, reason: str) -> None:
        left_out.append(remark(path, reason))

    def unreadable(error: OSError) -> None:
        leave_out(Path(error.filename), f"cannot be opened ({error.strerror})")

    for folder, folders, files in os.walk(root, onerror=unreadable):
        here = Path(folder)
        folders[:] = sorted(f for f in folders if not is_of_systems(f))
        for name in folders:
            if (here / name).is_symlink():
                leave_out(here / name, "is a link to a folder; links to folders are not followed")
        for name in sorted(files):
            path = here / name
            if name.lower() in TABLES and here != root:
                leave_out(path, "is a table in a sub-folder; move it beside the types' folders")
            if is_of_systems(name) or name.lower() in TABLES:
                continue
            if problem := kind_problem(name):
                leave_out(path, problem)
            elif not is_unicode(named(path)):
                leave_out(path, "its name is not valid Unicode; rename it")
            elif problem := _link_problem(path, inside):
                leave_out(path, problem)
            else:
                names.append(named(path))
        if here != root and not folders and all(map(is_of_systems, files)):
            empty.append(remark(here, "is an empty folder"))
    return names, left_out, empty


def _link_problem(path: Path, inside: Path) -> str:
    if not path.is_symlink():
        return ""
    try:
        target = path.resolve(strict=True)
    except (OSError, RuntimeError):  # a link to itself is a RuntimeError before Python 3.13
        return "is a broken link"
    return "" if target.is_relative_to(inside) else "is a link to a file outside the folder"
