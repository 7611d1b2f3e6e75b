"""Correct the labels of some cells of a typed set, or leave these cells out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from celltransfer_core.data.dataset import Dataset, Remark


def relabelled(dataset: Dataset, labels: Mapping[str, str]) -> Dataset:
    """Change the labels of some cells, or leave these cells out.

    Parameters
    ----------
    dataset : Dataset
        Set with types.
    labels : mapping from hash to str
        New label of each corrected cell, empty for a cell to leave out. Cells that are not in the
        set are ignored.

    Returns
    -------
    Dataset
        Left-out files are listed with the reason.
    """
    mended = labels.keys() & {*dataset.sha256}
    if not mended:
        return dataset
    kept = [n for n, sha in enumerate(dataset.sha256) if labels.get(sha, " ")]
    own = dataset.labels or ()
    out = [
        Remark(file, f"its label {label} is wrong, and it was left out after a check")
        for file, sha, label in zip(dataset.files, dataset.sha256, own, strict=True)
        if not labels.get(sha, " ")
    ]

    def pick(column: tuple[str, ...] | None) -> tuple[str, ...] | None:
        return None if column is None else tuple(column[n] for n in kept)

    numbers = dataset.scale_numbers
    return replace(
        dataset,
        files=tuple(dataset.files[n] for n in kept),
        sha256=tuple(dataset.sha256[n] for n in kept),
        labels=tuple(labels.get(dataset.sha256[n], own[n]) for n in kept),
        slide=pick(dataset.slide),
        patient=pick(dataset.patient),
        left_out=(*dataset.left_out, *out),
        scale_numbers=None if numbers is None else tuple(numbers[n] for n in kept),
        source=pick(dataset.source),
    )
