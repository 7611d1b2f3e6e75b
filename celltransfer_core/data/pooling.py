"""Pool several sets into one :class:`Dataset` that records the source of each cell, and draw cells.

In the paper several reference sets are joined in the same way (Tables 4 to 6).
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, TypedDict, TypeVar

import numpy as np

from celltransfer_core.data.dataset import Dataset, PixelScale, Remark
from celltransfer_core.data.settled import spelling_note
from celltransfer_core.data.type_names import one_spelling, type_key
from celltransfer_core.errors import DataError

File = TypeVar("File", bound=Hashable)

CONTRADICTION = "the same image appears under"
"""Start of the reason given for images that are left out because they have several types."""

_Key = tuple[str, str, int]
"""Content hash and name of a file, and number of its set."""


class _Scales(TypedDict):
    """Fields of a pooled :class:`Dataset`."""

    scales: tuple[PixelScale, ...]
    scale_numbers: tuple[int, ...] | None


def draw_per_class(dataset: Dataset, cells: int, seed: int) -> Dataset:
    """Draw a number of cells of each type from each pooled set.

    Parameters
    ----------
    dataset : Dataset
        Set with types.
    cells : int
        Number to draw of each type; all if there are fewer.
    seed : int

    Returns
    -------
    Dataset

    Raises
    ------
    DataError
        If ``cells`` is less than one.
    """
    if cells < 1:
        raise DataError("--per-class must be at least 1.")
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
    """Join sets into one, and rename or merge their types.

    Parameters
    ----------
    datasets : sequence of Dataset
        All with types or all without. Files of sets under different roots are named relative to
        the folder that contains all of them.
    mappings : sequence of mapping from type to type, optional
        One per set. Types that are not listed stay, and types mapped to an empty name are left out.
        Types that differ only in case, white space or Unicode form are the same.
    names : sequence of str, optional
        One per set, for sets that were acquired differently: the source of each cell is then
        recorded, and each set is framed, colour-corrected, centred and transported separately.

    Returns
    -------
    Dataset
        Each file keeps the scale of its own set. An image with different types in two sets is left
        out, with the reason. An image with the same type in both belongs to the set whose name
        comes first in alphabetical order, or to the first set if sets have no names.
    """
    datasets = _under_one_root(datasets)
    rows: dict[_Key, tuple[str, str, str]] = {}
    left_out = [remark for dataset in datasets for remark in dataset.left_out]
    labelled = all(dataset.labels is not None for dataset in datasets)
    mappings = mappings or [{}] * len(datasets)
    for number, (dataset, mapping) in enumerate(zip(datasets, mappings, strict=True)):
        renamed = _renamed(dataset, mapping)
        empty = ("",) * len(dataset.files)
        for file, sha, name, slide, patient in zip(
            dataset.files,
            dataset.sha256,
            dataset.labels or empty,
            dataset.slide or empty,
            dataset.patient or empty,
            strict=True,
        ):
            label = renamed.get(name, name)
            if labelled and not label:
                left_out.append(Remark(file, f"its type {name} is left out"))
            else:
                rows[sha, file, number] = (label, slide, patient)
    changed = one_spelling(Counter(label for label, _, _ in rows.values())) if labelled else {}
    respelt = [
        Remark(file, spelling_note(label, changed[label]))
        for (_, file, _), (label, _, _) in rows.items()
        if label in changed
    ]
    rows = {key: (changed.get(row[0], row[0]), *row[1:]) for key, row in rows.items()}
    clashes = find_contradictions(
        {key: key[0] for key in rows}, {k: row[0] for k, row in rows.items()}
    )
    left_out += [Remark(key[1], reason) for key, reason in clashes.items()]
    kept = sorted(rows.keys() - clashes.keys())
    columns = list(zip(*(rows[key] for key in kept), strict=True)) or [(), (), ()]
    owners = _first_sets(kept, names or range(len(datasets)))
    source = None
    if names is not None and len(datasets) > 1:
        source = tuple(names[owners[sha]] for sha, _, _ in kept)
    return replace(
        datasets[0],
        files=tuple(key[1] for key in kept),
        sha256=tuple(key[0] for key in kept),
        labels=columns[0] if labelled else None,
        slide=columns[1] if any(columns[1]) else None,
        patient=columns[2] if any(columns[2]) else None,
        left_out=tuple(left_out),
        notes=(*(remark for dataset in datasets for remark in dataset.notes), *respelt),
        **_join_scales(datasets, kept, owners),
        source=source,
        looks={sha: look for dataset in datasets for sha, look in (dataset.looks or {}).items()},
    )


def _renamed(dataset: Dataset, mapping: Mapping[str, str]) -> dict[str, str]:
    """Find the new names of a set's types, including types whose spelling has changed since."""
    by_key = {type_key(name): wanted for name, wanted in mapping.items()}
    types = set(dataset.labels or ()) if mapping else set()
    return {name: mapping.get(name, by_key.get(type_key(name), name)) for name in types}


def _first_sets(files: Sequence[_Key], names: Sequence[str] | range) -> dict[str, int]:
    """Find the number of the set that each image belongs to: the first by name."""
    owners: dict[str, int] = {}
    for sha, _, number in files:
        owners[sha] = min(number, owners.get(sha, number), key=lambda one: (names[one], one))
    return owners


def _join_scales(
    datasets: Sequence[Dataset], files: Sequence[_Key], owners: Mapping[str, int]
) -> _Scales:
    """Give each file the scale of the set that its image belongs to."""
    scales = tuple(dict.fromkeys(scale for dataset in datasets for scale in dataset.scales))
    if len(scales) == 1:
        return {"scales": scales, "scale_numbers": None}
    place = {scale: number for number, scale in enumerate(scales)}
    of_image = [dict(zip(d.cells, d.cell_scales, strict=True)) for d in datasets]
    numbers = tuple(place[of_image[owners[sha]][sha]] for sha, _, _ in files)
    return {"scales": scales, "scale_numbers": numbers}


def _under_one_root(datasets: Sequence[Dataset]) -> list[Dataset]:
    try:
        root = Path(os.path.commonpath([dataset.root for dataset in datasets]))
    except ValueError as error:  # Windows has no common folder above its drives
        folders = " and ".join(sorted({str(dataset.root) for dataset in datasets}))
        raise DataError(f"{folders} are on different drives: move them to one.") from error
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


def find_contradictions(sha256: Mapping[File, str], labels: Mapping[File, str]) -> dict[File, str]:
    """Find images with several types.

    Parameters
    ----------
    sha256 : mapping from file to str
        Content hash of each file.
    labels : mapping from file to str
        Type of each file.

    Returns
    -------
    dict from file to str
        The reason for each of these files.
    """
    types: dict[str, set[str]] = {}
    for name, sha in sha256.items():
        types.setdefault(sha, set()).add(labels[name])
    return {
        name: f"{CONTRADICTION} {' and '.join(sorted(types[sha]))}"
        for name, sha in sha256.items()
        if len(types[sha]) > 1
    }


def unpool(dataset: Dataset, name: str) -> Dataset:
    """Keep the files of one of the pooled sets.

    Parameters
    ----------
    dataset : Dataset
        Pooled dataset with names.
    name : str
        One of its ``sources``.

    Returns
    -------
    Dataset
        The files of this set only.
    """
    own = [index for index, source in enumerate(dataset.source or ()) if source == name]

    def some(values: tuple[Any, ...] | None) -> Any:
        return None if values is None else tuple(values[index] for index in own)

    return replace(
        dataset,
        files=some(dataset.files),
        sha256=some(dataset.sha256),
        labels=some(dataset.labels),
        slide=some(dataset.slide),
        patient=some(dataset.patient),
        scale_numbers=some(dataset.scale_numbers),
        source=None,
    )
