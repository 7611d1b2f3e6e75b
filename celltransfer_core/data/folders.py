"""A folder of single-cell images in, a :class:`Dataset` out, with the files that were left out.

Also the same from images that an upload stored by content. Not in the paper.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from celltransfer_core.data.checks import (
    Checked,
    check_files,
    intensity_range,
    is_unicode,
    normalise_text,
)
from celltransfer_core.data.dataset import Dataset, PixelScale, Remark, stored_at
from celltransfer_core.data.images import EXTENSIONS
from celltransfer_core.data.pooling import find_contradictions
from celltransfer_core.data.tables import LABELS_FILE, TABLES, LabelTables, read_table_texts
from celltransfer_core.errors import DataError
from celltransfer_core.runtime.batches import in_batches
from celltransfer_core.runtime.tasks import run_tasks
from celltransfer_core.types import Progress, silent

_BATCH = 64
_OTHER_FILES = frozenset({*TABLES, "thumbs.db", "desktop.ini"})


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
        Takes the name of a file relative to the folder and returns its type, empty for files to
        leave out; for sets laid out otherwise. It wins over folders and ``labels.csv``.
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
    tables = LabelTables(read_table_texts(root), str(root), labelled=labelled and type_of is None)
    if labelled and type_of is None and not tables.has_labels:
        _check_nested(root, left_out)
    notes = tables.notes(names)
    if others:
        notes.append(Remark(".", f"holds files of other kinds, ignored: {others}"))
    labels: Mapping[str, str] | None = None
    unlabelled: Sequence[Remark] = ()
    if labelled and type_of is not None:
        labels = {name: label for name in names if (label := normalise_text(type_of(name)))}
        unlabelled = [Remark(n, "is of none of the types") for n in names if n not in labels]
    elif labelled:
        labels, unlabelled = tables.types(names)
    if labels is not None:  # what has no type need not be decoded
        names = [name for name in names if name in labels]

    checked: dict[str, Checked] = {}
    batches = in_batches(names, _BATCH)
    progress("reading", 0, len(names))
    tasks = [(root.absolute(), batch) for batch in batches]
    for index, found in run_tasks(check_files, tasks, workers=workers if len(tasks) > 2 else 1):
        checked.update(zip(batches[index], found, strict=True))
        progress("reading", len(checked), len(names))
    dataset = _assemble(root.absolute(), checked, labels, tables, [*left_out, *unlabelled], notes)
    if dataset.n_cells == 0:
        raise DataError(_nothing_usable(root, dataset.left_out, others))
    if dataset.labels is not None and len(set(dataset.labels)) < 2:
        raise DataError(_one_type(root, dataset.files, dataset.labels[0]))
    return dataset


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
    entries = LabelTables(tables, name, labelled=labelled)
    labels, left_out = entries.types(names) if labelled else (None, [])
    usable = {n: checked[n] for n in names if labels is None or n in labels}
    return _assemble(root, usable, labels, entries, left_out, entries.notes(names), by_hash=True)


def _assemble(
    root: Path,
    checked: Mapping[str, Checked],
    labels: Mapping[str, str] | None,
    tables: LabelTables,
    left_out: Sequence[Remark],
    notes: Sequence[Remark],
    *,
    by_hash: bool = False,
) -> Dataset:
    """Order the usable files, and list the others with the reasons."""
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
        clashes = find_contradictions({name: c.sha256 for name, c in usable.items()}, labels)
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
        scales=(PixelScale(intensity_range(deep)),),
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
        raise DataError(f"{root} is a file; give a folder of images.")


def _check_nested(root: Path, left_out: Sequence[Remark]) -> None:
    """Refuse to take types from folders where a table lies that says otherwise."""
    for remark in left_out:
        folder, _, name = remark.file.rpartition("/")
        if name.lower() == LABELS_FILE:
            raise DataError(
                f"{root / remark.file} lies in a sub-folder, where it cannot be read; give "
                f"{root / folder}, or move the table up. If the folders' names are the types, take "
                "it out."
            )


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
            if name.lower() in TABLES and here != root:
                leave_out(path, "is a table in a sub-folder; it counts beside the types' folders")
            if name.startswith(".") or name.lower() in _OTHER_FILES:
                continue
            if path.suffix.lower() not in EXTENSIONS:
                others += 1
            elif not is_unicode(named(path)):
                leave_out(path, "its name is not valid Unicode; rename it")
            elif problem := _link_problem(path, inside):
                leave_out(path, problem)
            else:
                names.append(named(path))
    return names, left_out, others


def _link_problem(path: Path, inside: Path) -> str:
    if not path.is_symlink():
        return ""
    try:
        target = path.resolve(strict=True)
    except (OSError, RuntimeError):  # a link to itself is a RuntimeError before Python 3.13
        return "is a link to nothing"
    return "" if target.is_relative_to(inside) else "is a link to a file outside the folder"
