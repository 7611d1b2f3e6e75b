"""Figures with few labelled reference cells (the low-label curve), for the ensemble only."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from celltransfer_core.evaluation.filtering import matches_by_filtering
from celltransfer_core.evaluation.parts import cut_query
from celltransfer_core.evaluation.protocol import LARGE, Protocol
from celltransfer_core.evaluation.result import LowLabel, Row
from celltransfer_core.evaluation.scoring import part_figures
from celltransfer_core.evaluation.voter_store import VoterStore
from celltransfer_core.pipeline.named import identify
from celltransfer_core.pipeline.result import Named, Prepared
from celltransfer_core.types import Ints, Labels, Progress, silent
from celltransfer_core.vocabulary import REFERENCE


def low_label(
    prepared: Prepared,
    named: Named,
    shared: Labels,
    truth: Labels,
    protocol: Protocol,
    rows: Sequence[Row],
    workers: int | None,
    progress: Progress,
) -> tuple[LowLabel, ...]:
    """Measure the ensemble with few labelled cells of each type of the reference.

    Parameters
    ----------
    prepared : Prepared
    named : Named
        Its clusters are matched again to every reduced reference.
    shared, truth : ndarray of str, shape (m,)
        Labels of the cells that are scored, and all labels of the query.
    protocol : Protocol
    rows : sequence of Row
        Figures with the whole reference.
    workers : int, optional
    progress : callable

    Returns
    -------
    tuple of LowLabel
        Empty if the protocol does not include them.
    """
    ot = tuple(name for name in protocol.ot if name in {"none", "centre", "fgw-paper", "fgw"})
    if not protocol.low_label or "ensemble" not in protocol.methods or not ot:
        return ()
    few = replace(protocol, ot=ot, methods=("ensemble",))
    scored = shared != ""
    types = prepared.reference_types
    most = np.bincount(types).max()
    steps = [cells for cells in sorted(set(protocol.low_label)) if cells < most]
    parts = cut_query(len(truth), prepared.config, protocol.subsets)
    found: list[LowLabel] = []
    for number, cells in enumerate(steps):
        figures: dict[tuple[str, str], list[tuple[float, float]]] = {}
        for repeat in range(protocol.repeats):
            done = number * protocol.repeats + repeat
            progress("few labels", done, len(steps) * protocol.repeats)
            rng = np.random.default_rng([prepared.config.seed, LARGE + 4, cells, repeat])
            reduced = _reduced(prepared, _some_of_each(types, cells, rng))
            matched = identify(reduced, named.clusters)
            by_filtering = matches_by_filtering(matched, truth, prepared.types, few)
            voters = VoterStore(reduced, few, parts.cells, None, workers, silent)
            for prediction in voters.predictions(by_filtering):
                if prediction.method == "ensemble":
                    accuracy, _, balanced = part_figures(
                        shared[scored], prediction.predicted[scored]
                    )
                    key = prediction.ot, prediction.filtering
                    figures.setdefault(key, []).append((accuracy, balanced))
        found += [
            LowLabel(
                cells,
                *key,
                accuracy=float(np.mean([a for a, _ in of])),
                balanced_accuracy=float(np.mean([b for _, b in of])),
                deviation=float(np.std([a for a, _ in of], ddof=1)) if len(of) > 1 else 0.0,
            )
            for key, of in figures.items()
        ]
    found += [
        LowLabel(0, row.ot, row.filtering, row.accuracy, row.balanced_accuracy, 0.0)
        for row in rows
        if row.method == "ensemble" and row.ot in ot
    ]
    progress("few labels", len(steps), len(steps))
    return tuple(found)


def _some_of_each(types: Ints, cells: int, rng: np.random.Generator) -> Ints:
    """Draw a given number of cells of each type, or all if there are fewer."""
    order = rng.permutation(len(types))
    drawn = [order[types[order] == number][:cells] for number in range(int(types.max()) + 1)]
    return np.sort(np.concatenate(drawn))


def _reduced(prepared: Prepared, cells: Ints) -> Prepared:
    reference = prepared.reference.take_typed(cells)
    embeddings = {
        **prepared.embeddings,
        REFERENCE: {name: rows[cells] for name, rows in prepared.embeddings[REFERENCE].items()},
    }
    return replace(prepared, reference=reference, embeddings=embeddings)
