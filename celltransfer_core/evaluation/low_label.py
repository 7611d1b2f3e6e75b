"""TODO celltransfer_core/evaluation/low_label.py."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from celltransfer_core.evaluation.judges import _judges, _parts
from celltransfer_core.evaluation.protocol import LARGE, Protocol
from celltransfer_core.evaluation.result import LowLabel, Row
from celltransfer_core.evaluation.scoring import _figures
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
    ot = tuple(name for name in protocol.ot if name in {"none", "centre", "fgw-paper", "fgw"})
    if not protocol.low_label or "ensemble" not in protocol.methods or not ot:
        return ()
    few = replace(protocol, ot=ot, methods=("ensemble",))
    scored = shared != ""
    types = prepared.reference_types
    sizes = np.bincount(types)
    found: list[LowLabel] = []
    steps = [cells for cells in sorted(set(protocol.low_label)) if cells < sizes.max()]
    parts, _ = _parts(len(truth), prepared.config, protocol.subsets)
    for number, cells in enumerate(steps):
        figures: dict[tuple[str, str], list[tuple[float, float]]] = {}
        for repeat in range(protocol.repeats):
            progress(
                "few labels", number * protocol.repeats + repeat, len(steps) * protocol.repeats
            )
            rng = np.random.default_rng([prepared.config.seed, LARGE + 4, cells, repeat])
            order = rng.permutation(len(types))
            kept = np.sort(
                np.concatenate(
                    [order[types[order] == number][:cells] for number in range(len(sizes))]
                )
            )
            reduced = _reduced(prepared, kept)
            matched = identify(reduced, named.clusters)
            judges = _judges(matched, truth, prepared.types, few)
            voter_store = VoterStore(reduced, few, parts, None, workers, silent)
            for answer in voter_store.answers(judges):
                if answer.method == "ensemble":
                    accuracy, _, balanced = _figures(shared[scored], answer.predicted[scored])
                    figures.setdefault((answer.ot, answer.filtering), []).append(
                        (accuracy, balanced)
                    )
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


def _reduced(prepared: Prepared, cells: Ints) -> Prepared:
    reference = prepared.reference.take_typed(cells)
    embeddings = {
        **prepared.embeddings,
        REFERENCE: {name: rows[cells] for name, rows in prepared.embeddings[REFERENCE].items()},
    }
    return replace(prepared, reference=reference, embeddings=embeddings)
