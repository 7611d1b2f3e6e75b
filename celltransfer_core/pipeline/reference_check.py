"""Check of a reference for suspected label errors and for cells that are unlike all others.

In: a reference with types. Out: its cells, the most doubtful first, each with the type proposed by
the other cells and its most similar neighbours. Not in the paper.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Literal

import numpy as np

from celltransfer_core.classify.label_errors import (
    doubt,
    far_out,
    out_of_sample,
)
from celltransfer_core.config.config import DEFAULT, Config
from celltransfer_core.data.dataset import Dataset, Remark
from celltransfer_core.data.overlap import find_repeated
from celltransfer_core.data.pooling import CONTRADICTION
from celltransfer_core.errors import DataError
from celltransfer_core.framing.quality import Fault, judge_quality
from celltransfer_core.framing.sets import Framing
from celltransfer_core.neighbors.search import nearest_others
from celltransfer_core.pipeline.embedded import embed_sets, load_encoders
from celltransfer_core.pipeline.features import Embeddings, level_sources, representation
from celltransfer_core.pipeline.prepared import frame_as_suits, usable_voters
from celltransfer_core.pipeline.result import type_names
from celltransfer_core.runtime.cache import Cache
from celltransfer_core.types import Bools, Float32, Float64, Ints, Progress, silent
from celltransfer_core.vocabulary import QUERY, REFERENCE

Reason = Literal["duplicate", "label", "outlier"] | Fault
"""Reasons to inspect a cell: nearly the same image has another label; other cells indicate another
label; its image has a fault; it is unlike all others."""

FAULTY: tuple[Fault, ...] = ("no nucleus", "blurred", "dark", "bright", "cut off")
"""Faults of images that make a cell unusable; other faults may be typical of its type."""

NEIGHBOURS = 8
"""Number of most similar cells kept for each cell."""


@dataclass(frozen=True)
class ReferenceCheck:
    """Findings of the check of a reference with n cells and T types."""

    reference: Dataset
    types: tuple[str, ...]
    """Sorted."""
    probabilities: Float64
    """Probability of each type, from classifiers not trained on the cell, shape (n, T)."""
    score: Float64
    """Doubt about each cell, 0 to 1; cells with ½ or more need inspection, shape (n,)."""
    reasons: tuple[tuple[Reason, ...], ...]
    """Reasons to inspect each cell; empty if it needs no inspection. Length n."""
    neighbours: Ints
    """Most similar other cells, the nearest first, shape (n, NEIGHBOURS or fewer)."""

    @cached_property
    def order(self) -> Ints:
        """All cells, the most doubtful first, shape (n,)."""
        return np.argsort(-self.score, kind="stable")

    @cached_property
    def suspects(self) -> Ints:
        """Cells that need inspection, the most doubtful first."""
        return self.order[[bool(self.reasons[cell]) for cell in self.order.tolist()]]

    @cached_property
    def proposed(self) -> tuple[str, ...]:
        """The likeliest type of each cell, length n."""
        return tuple(self.types[number] for number in self.probabilities.argmax(axis=1))

    @property
    def contradictions(self) -> tuple[Remark, ...]:
        """Identical files under several types; they are left out of the reference."""
        return tuple(r for r in self.reference.left_out if r.reason.startswith(CONTRADICTION))


def check_reference(
    reference: Dataset,
    config: Config = DEFAULT,
    *,
    cache: Cache | None = None,
    workers: int | None = None,
    progress: Progress = silent,
) -> ReferenceCheck:
    """Check the labels of a reference against its own cells.

    Parameters
    ----------
    reference : Dataset
        Reference with types. If slides or patients are known, cells of the same one never judge
        each other.
    config : Config
        Its encoders, framing and seed are used; embeddings are those of a run.
    cache : Cache, optional
    workers : int, optional
    progress : callable

    Returns
    -------
    ReferenceCheck

    Raises
    ------
    CellTransferError
        If the reference has one type only or cannot be read, or no encoder can be used.
    """
    cache = cache or Cache()
    types = type_names(reference)
    if len(types) < 2:
        raise DataError(f"The reference has only one type ({types[0]}); it needs at least two.")
    encoders, failures = load_encoders(config)
    framing, encoders, chosen = frame_as_suits(
        {REFERENCE: reference},
        config,
        encoders,
        in_um=bool(np.isfinite(reference.um_per_px).all()),
        cache=cache,
        workers=workers,
        progress=progress,
    )
    embeddings, broken = embed_sets(framing.crops, encoders, cache, workers, progress)
    voters = usable_voters(
        chosen, config.cluster_encoder, embeddings[REFERENCE], (*failures, *broken)
    )
    progress("checking the reference", 0, 1)
    views = _views(embeddings, reference, voters, config)
    faults = _faults(framing, reference)
    found = check_labels(views, reference, faults, seed=config.seed)
    progress("checking the reference", 1, 1)
    return found


def _views(
    embeddings: Embeddings,
    reference: Dataset,
    voters: tuple[tuple[str, ...], ...],
    config: Config,
) -> list[Float32]:
    """Join the embeddings of each voter, and level pooled sets."""
    numbers = np.searchsorted(type_names(reference), reference.cell_labels).astype(np.int64)
    rows = embeddings[REFERENCE]
    if len(reference.sources) > 1:
        rows = {n: level_sources(X, numbers, reference.cell_sources) for n, X in rows.items()}
    own = {REFERENCE: rows}
    return [representation(own, voter, config, query=REFERENCE)[0] for voter in voters]


def _faults(framing: Framing, reference: Dataset) -> dict[Fault, Bools]:
    """Find faults by comparing each image with those of its own set."""
    own = {QUERY: framing.nuclei[REFERENCE]} if framing.nuclei else {}
    itself = replace(framing, nuclei={**framing.nuclei, **own})
    found = judge_quality(itself, reference, reference)
    return {} if found is None else {fault: found.faults[fault] for fault in FAULTY}


def check_labels(
    views: list[Float32],
    reference: Dataset,
    faults: Mapping[Fault, Bools] | None = None,
    *,
    seed: int = 0,
) -> ReferenceCheck:
    """Check labels with given embeddings.

    Parameters
    ----------
    views : list of ndarray of float32, each of shape (n, d)
        Embeddings of each voter; the first also determines which cells are similar.
    reference : Dataset
        Reference with n cells of at least two types.
    faults : mapping from fault to ndarray of bool, shape (n,), optional
        Cells whose images have the fault; see
        :func:`~celltransfer_core.framing.quality.judge_quality`.
    seed : int

    Returns
    -------
    ReferenceCheck
    """
    types = type_names(reference)
    numbers = np.searchsorted(types, reference.cell_labels).astype(np.int64)
    copies = _copies(reference)
    probabilities = out_of_sample(views, numbers, _groups(reference, copies), seed=seed)
    near = min(NEIGHBOURS, len(numbers) - 1)
    distances, neighbours = nearest_others(views[0], near)
    unlike = far_out(distances.mean(axis=1, dtype=np.float64), numbers)
    torn = np.isin(copies, copies[numbers != numbers[copies]])
    score = doubt(probabilities, numbers)
    doubted = score > 0.5
    reasons: dict[Reason, Bools] = {"duplicate": torn, "label": doubted}
    reasons |= {fault: faults[fault] for fault in FAULTY if faults and fault in faults}
    reasons["outlier"] = unlike
    # Cells that need inspection rank before labels without any evidence against them.
    score = np.where(np.any([*reasons.values()], axis=0), np.maximum(score, 0.5), score)
    return ReferenceCheck(
        reference=reference,
        types=types,
        probabilities=probabilities,
        # One of two copies is certainly wrong, more likely the one that the others doubt.
        score=np.where(torn, (1 + score) / 2, score),
        reasons=tuple(
            tuple(one for one, cells in reasons.items() if cells[cell])
            for cell in range(len(numbers))
        ),
        neighbours=neighbours,
    )


def _copies(reference: Dataset) -> Ints:
    """Find the first cell with nearly the same image for each cell, shape (n,)."""
    first = np.arange(reference.n_cells)
    pairs = find_repeated(reference).pairs
    first[pairs[:, 1]] = pairs[:, 0]
    return first


def _groups(reference: Dataset, copies: Ints) -> Ints | None:
    """Group cells by patient, slide or otherwise image; None if every cell is a group by itself."""
    if reference.patient is None and reference.slide is None:
        return copies if len(np.unique(copies)) < len(copies) else None
    unknown = ("",) * len(reference.files)
    both = zip(reference.patient or unknown, reference.slide or unknown, strict=True)
    of_file = [("patient", p) if p else ("slide", s) for p, s in both]
    first = np.unique(reference.cell_index, return_index=True)[1]
    named = [
        " ".join(of_file[file]) if of_file[file][1] else f"image {copy}"
        for file, copy in zip(first.tolist(), copies.tolist(), strict=True)
    ]
    return np.unique(named, return_inverse=True)[1].astype(np.int64)
