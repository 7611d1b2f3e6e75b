"""TODO celltransfer_core/evaluation/scoring.py."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from celltransfer_core.config import voter_name
from celltransfer_core.evaluation.metrics import (
    folds,
    holm,
    intervals,
    paired_p,
    reliability,
    score,
)
from celltransfer_core.evaluation.protocol import Protocol
from celltransfer_core.evaluation.result import Answer, Gain, Row
from celltransfer_core.neighbors.knn import EntropyWeightedKNN
from celltransfer_core.pipeline.prepared import representation
from celltransfer_core.pipeline.result import Prepared
from celltransfer_core.types import Bools, Ints, Labels


def _right(answer: Answer, truth: Labels) -> Bools:
    return answer.predicted == truth


def yardsticks(prepared: Prepared, protocol: Protocol, truth: Labels) -> list[Answer]:
    scored = np.flatnonzero(truth != "")
    names, counts = np.unique(truth[scored], return_counts=True)
    found = []
    if "majority" in protocol.methods:
        commonest = np.full(len(truth), names[counts.argmax()])
        found.append(Answer("majority", "none", "false", commonest))
    if "ceiling" not in protocol.methods:
        return found
    patients = None
    if prepared.query.patient is not None:
        by_cell = dict(zip(prepared.query.sha256, prepared.query.patient, strict=True))
        patients = [by_cell[prepared.query.cells[cell]] for cell in scored]
    config = replace(prepared.config, features="raw")
    for voter in prepared.voters:
        Xt = representation(prepared.embeddings, voter, config)[1][scored]
        predicted = np.full(len(truth), "", dtype=truth.dtype)
        for fold in folds(truth[scored], patients, config.seed):
            rest = np.setdiff1d(np.arange(len(scored)), fold)
            knn = EntropyWeightedKNN().fit(Xt[rest], truth[scored][rest])
            predicted[scored[fold]] = knn.predict(Xt[fold])
        found.append(Answer(f"ceiling:{voter_name(voter)}", "none", "false", predicted))
    return found


def _row(
    answer: Answer,
    truth: Labels,
    scored: Ints,
    deal: Sequence[Ints],
    samples: Ints,
    own_parts: bool,
) -> Row:
    right = _right(answer, truth)
    whole = score(truth[scored], answer.predicted[scored])
    of_part = tuple(100 * float(right[part].mean()) for part in deal)
    apart = np.array([_figures(truth[part], answer.predicted[part]) for part in deal])
    figures = (
        apart.mean(axis=0)
        if own_parts
        else np.array([whole.accuracy, whole.f1, whole.balanced_accuracy])
    )
    deviation = apart.std(axis=0, ddof=1) if len(deal) > 1 else np.zeros(3)
    accuracy_interval, balanced_interval = intervals(truth[scored], right[scored], samples)
    error = np.nan
    if answer.confidence is not None:
        found = reliability(answer.confidence[scored], right[scored])
        error = found.expected_calibration_error
    return Row(
        *answer.key,
        accuracy=float(figures[0]),
        f1=float(figures[1]),
        balanced_accuracy=float(figures[2]),
        deviation=(float(deviation[0]), float(deviation[1]), float(deviation[2])),
        accuracy_interval=accuracy_interval,
        balanced_interval=balanced_interval,
        recall=whole.recall,
        calibration_error=error,
        of_part=of_part,
    )


def _figures(truth: Labels, predicted: Labels) -> tuple[float, float, float]:
    """Compute accuracy, weighted F1 and balanced accuracy of one part, in percent."""
    from sklearn.metrics import f1_score

    right = truth == predicted
    recalls = [right[truth == name].mean() for name in np.unique(truth)]
    f1 = f1_score(truth, predicted, average="weighted", zero_division=0)
    return 100 * float(right.mean()), 100 * float(f1), 100 * float(np.mean(recalls))


def _gains(rows: Sequence[Row]) -> tuple[Gain, ...]:
    by_key = {row.key: row for row in rows}
    gains: list[Gain] = []
    families = dict.fromkeys((row.ot, row.filtering) for row in rows)
    for ot, filtering in families:
        for base in ("none", "centre"):
            if ot in {base, "none"}:
                continue
            family = [
                (row, by_key[row.method, base, filtering])
                for row in rows
                if (row.ot, row.filtering) == (ot, filtering)
                and (row.method, base, filtering) in by_key
            ]
            corrected = holm([paired_p(row.of_part, plain.of_part) for row, plain in family])
            gains += [
                Gain(
                    row.method,
                    ot,
                    filtering,
                    base,
                    row.accuracy - plain.accuracy,
                    row.f1 - plain.f1,
                    row.balanced_accuracy - plain.balanced_accuracy,
                    float(p),
                )
                for (row, plain), p in zip(family, corrected, strict=True)
            ]
    return tuple(gains)
