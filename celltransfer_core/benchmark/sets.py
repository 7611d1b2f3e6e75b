"""The images of a pair, read from the folders of its sets, with the study's names of types."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from celltransfer_core.benchmark.pairs import Pair, PairsFile, PublishedSet
from celltransfer_core.data.dataset import Dataset, Remark
from celltransfer_core.data.folders import read_dataset
from celltransfer_core.data.pooling import pool
from celltransfer_core.errors import DataError
from celltransfer_core.types import Labels, Progress, silent


@dataclass(frozen=True)
class PairSets:
    """The images of a pair."""

    reference: Dataset
    query: Dataset
    truth: Labels
    """Type of each query cell."""
    extras: dict[str, Dataset]


def load_pair(file: PairsFile, pair: Pair, *, workers: int | None, progress: Progress) -> PairSets:
    """Read the sets of a pair, each with the types that are used from it.

    Parameters
    ----------
    file : PairsFile
    pair : Pair
    workers : int, optional
    progress : callable

    Returns
    -------
    PairSets
        Query and extra sets are read without types; types only decide which cells are used.

    Raises
    ------
    DataError
        If a set cannot be read or holds fewer than two types.
    """
    typed = [
        load_set(file.sets[name], labelled=True, workers=workers, progress=progress)
        for name in pair.reference
    ]
    mappings = [
        pair.mapping(name, set(dataset.labels or ()))
        for name, dataset in zip(pair.reference, typed, strict=True)
    ]

    def untyped(name: str) -> tuple[Dataset, Labels]:
        whole = load_set(file.sets[name], labelled=False, workers=workers, progress=progress)
        types = true_types(file.sets[name], workers=workers, progress=progress)
        of_cell = np.array([types.get(first, "") for first in whole.first_file])
        taken = np.flatnonzero([pair.takes(name, cell_type) for cell_type in of_cell])
        return replace(whole.take(taken), looks=whole.looks), of_cell[taken]

    query, truth = untyped(pair.query)
    return PairSets(
        reference=pool(typed, mappings, pair.reference),
        query=query,
        truth=truth,
        extras={name: untyped(name)[0] for name in pair.extra},
    )


def load_set(
    image_set: PublishedSet,
    *,
    labelled: bool,
    workers: int | None = None,
    progress: Progress = silent,
) -> Dataset:
    """Read a set's images.

    Parameters
    ----------
    image_set : PublishedSet
    labelled : bool
        Whether to read types, by their names in the study, and only files that have one. If not,
        every image of the folder is read, without anything that may name a type.
    workers : int, optional
        Processes; all processors by default.
    progress : callable

    Returns
    -------
    Dataset
        Its notes list types that the file of pairs names but the folder lacks.

    Raises
    ------
    DataError
        As :func:`~celltransfer_core.data.folders.read_dataset`; or if types are requested and fewer
        than two of the named types exist.
    """
    root = image_set.root
    if not labelled:
        return read_dataset(root, workers=workers, progress=progress)
    type_of = image_set.type_of if image_set.pattern is not None else None
    dataset = read_dataset(
        root, labelled=True, types_at=1, type_of=type_of, workers=workers, progress=progress
    )
    if image_set.types is None:
        return dataset
    if type_of is None:
        own = set(dataset.labels or ())
        dataset = pool([dataset], [{name: image_set.types.get(name, "") for name in own}])
    else:
        own = {image_set.published_type(file) for file in dataset.files}
    if len(set(dataset.labels or ())) < 2:
        raise DataError(
            f"{root} contains fewer than two of the types {', '.join(image_set.types)}; compare "
            f"its folder names ({', '.join(sorted(own))}) with types of the set {image_set.name}."
        )
    absent = [
        Remark(".", f"holds no image of the type {name} that the set {image_set.name} names")
        for name in image_set.types
        if name not in own
    ]
    return replace(dataset, notes=(*absent, *dataset.notes))


def true_types(
    image_set: PublishedSet, *, workers: int | None = None, progress: Progress = silent
) -> dict[str, str]:
    """Read the types of a set's files; for a query, only for evaluation.

    Parameters
    ----------
    image_set : PublishedSet
    workers : int, optional
    progress : callable

    Returns
    -------
    dict of str to str
        Type in the study by file, relative to the folder; files without a type are left out.

    Raises
    ------
    DataError
        See :func:`load_set`.
    """
    dataset = load_set(image_set, labelled=True, workers=workers, progress=progress)
    return dict(zip(dataset.files, dataset.labels or (), strict=True))
