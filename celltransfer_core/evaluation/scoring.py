"""Figures of predictions against the query's own labels (5.2): accuracies, F1, gains with tests.

In: predictions by method, alignment and filtering, and the true types. Out: one row of figures for
each, the gain of every alignment, and the yardsticks that use the labels.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from celltransfer_core.config.settings import voter_name
from celltransfer_core.evaluation.metrics import (
    folds,
    holm,
    intervals,
    paired_p,
    reliability,
    score_all,
)
from celltransfer_core.evaluation.protocol import Protocol
from celltransfer_core.evaluation.result import Gain, Prediction, Row
from celltransfer_core.neighbors.knn import EntropyWeightedKNN
from celltransfer_core.pipeline.features import representation
from celltransfer_core.pipeline.result import Prepared
from celltransfer_core.types import Bools, Ints, Labels


def correct_cells(prediction: Prediction, truth: Labels) -> Bools:
    """Mark the query cells that are predicted correctly.

    Parameters
    ----------
    prediction : Prediction
    truth : ndarray of str, shape (m,)

    Returns
    -------
    ndarray of bool, shape (m,)
    """
    return prediction.predicted == truth


def yardsticks(prepared: Prepared, protocol: Protocol, truth: Labels) -> list[Prediction]:
    """Predict with the methods that use the query's labels, as upper bounds.

    Parameters
    ----------
    prepared : Prepared
    protocol : Protocol
        Those of its ``methods`` that are ``majority`` or ``ceiling``.
    truth : ndarray of str, shape (m,)
        Empty for cells that are not scored.

    Returns
    -------
    list of Prediction
        The commonest type, then for each voter an entropy-weighted k-NN within the query, by
        cross-validation.
    """
    scored = np.flatnonzero(truth != "")
    names, counts = np.unique(truth[scored], return_counts=True)
    found = []
    if "majority" in protocol.methods:
        commonest = np.full(len(truth), names[counts.argmax()])
        found.append(Prediction("majority", "none", "false", commonest))
    if "ceiling" not in protocol.methods or len(scored) < 2:
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
        found.append(Prediction(f"ceiling:{voter_name(voter)}", "none", "false", predicted))
    return found


def score_prediction(
    prediction: Prediction,
    truth: Labels,
    scored: Ints,
    parts: Sequence[Ints],
    samples: Ints,
    own_parts: bool,
) -> Row:
    """Compute the figures of one method.

    Parameters
    ----------
    prediction : Prediction
    truth : ndarray of str, shape (m,)
    scored : ndarray of int64
        Query cells that count.
    parts : sequence of ndarray of int64
        Parts of these cells, for deviations and tests.
    samples : ndarray of int64, shape (RESAMPLES, number of scored cells)
        See :func:`~celltransfer_core.evaluation.metrics.resample`.
    own_parts : bool
        Whether every part has separate transports: figures are then means over the parts.

    Returns
    -------
    Row
    """
    predicted, right = prediction.predicted, correct_cells(prediction, truth)
    whole = score_all(truth[scored], predicted[scored])
    of_part = tuple(100 * float(right[part].mean()) for part in parts)
    apart = np.array([part_figures(truth[part], predicted[part]) for part in parts])
    figures = (
        apart.mean(axis=0)
        if own_parts
        else np.array([whole.accuracy, whole.f1, whole.balanced_accuracy])
    )
    deviation = apart.std(axis=0, ddof=1) if len(parts) > 1 else np.zeros(3)
    accuracy_interval, balanced_interval = intervals(truth[scored], right[scored], samples)
    error = np.nan
    if prediction.confidence is not None:
        found = reliability(prediction.confidence[scored], right[scored])
        error = found.expected_calibration_error
    return Row(
        *prediction.key,
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


def part_figures(truth: Labels, predicted: Labels) -> tuple[float, float, float]:
    """Compute the figures of one part, including types that are rare in it.

    Parameters
    ----------
    truth, predicted : ndarray of str, shape (k,)

    Returns
    -------
    accuracy, f1, balanced_accuracy : float
        In percent; F1 is weighted over the types.
    """
    from sklearn.metrics import f1_score

    right = truth == predicted
    recalls = [right[truth == name].mean() for name in np.unique(truth)]
    f1 = f1_score(truth, predicted, average="weighted", zero_division=0)
    return 100 * float(right.mean()), 100 * float(f1), 100 * float(np.mean(recalls))


def alignment_gains(rows: Sequence[Row]) -> tuple[Gain, ...]:
    """Compute the gain of every alignment over no alignment and over centring.

    Parameters
    ----------
    rows : sequence of Row

    Returns
    -------
    tuple of Gain
        P values are corrected over the methods of one alignment, filtering and base.
    """
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
