"""Warnings on doubtful images of sets, printed before work on them begins."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from celltransfer_core.data.dataset import Dataset

_NAMED = 3  # files named per line


def describe_doubts(reference: Dataset, query: Dataset, extras: Mapping[str, Dataset]) -> list[str]:
    """Describe images that are probably not one whole cell, and cells that occur twice.

    Parameters
    ----------
    reference, query : Dataset
    extras : mapping from name to Dataset

    Returns
    -------
    list of str
        One line each; none for sets without doubtful images.
    """
    from celltransfer_core.data.overlap import find_repeated, find_shared
    from celltransfer_core.data.suspicions import find_suspicions

    compared = {
        "reference": (reference, query),
        "query": (query, reference),
        **{name: (extra, reference) for name, extra in extras.items()},
    }
    lines = [
        f"check the {name}: {one.what} {_some(one.files)}"
        for name, (dataset, other) in compared.items()
        for one in find_suspicions(dataset, other)
    ]
    shared = find_shared(reference, query)
    if len(shared):
        files = [
            f"{query.first_file[cell]} = {reference.first_file[known]}"
            for known, cell in shared.pairs[:_NAMED].tolist()
        ]
        lines.append(
            f"{len(shared):,} of {query.n_cells:,} query cells are also in the reference "
            f"({shared.how}): accuracy measured on them would be too high. "
            f"{_some(files, len(shared))}"
        )
    repeated = {
        f"{len(found):,} of {dataset.n_cells:,} cells of the {name}"
        for name, dataset in (("reference", reference), ("query", query))
        if len(found := find_repeated(dataset))
    }
    if repeated:
        lines.append(
            f"{' and '.join(sorted(repeated, reverse=True))} are near-duplicates of another one"
        )
    return lines


def _some(files: Sequence[str], count: int | None = None) -> str:
    more = (len(files) if count is None else count) - _NAMED
    return f"({', '.join(files[:_NAMED])}{f' and {more:,} more' if more > 0 else ''})"
