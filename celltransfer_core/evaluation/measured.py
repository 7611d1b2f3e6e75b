"""The paper's protocol (5.1–5.2) on any pair of sets: every method, alignment and filtering.

In: a prepared pair, its matched clusters and the query's true types. Out: predictions, made without
the labels, and their figures. The exception is ``filtering="reader"``, which uses labels before
prediction: it gives every cluster its majority type, as a reader without errors would.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from celltransfer_core.errors import DataError
from celltransfer_core.evaluation.filtering import matches_by_filtering
from celltransfer_core.evaluation.leaks import find_leaks, leaked_cells
from celltransfer_core.evaluation.low_label import low_label
from celltransfer_core.evaluation.metrics import (
    RARE,
    Curve,
    Reliability,
    agreement_curve,
    reliability,
    resample,
    shared_labels,
)
from celltransfer_core.evaluation.notes import evaluation_notes
from celltransfer_core.evaluation.parts import cut_query, scored_parts
from celltransfer_core.evaluation.protocol import LARGE, Protocol
from celltransfer_core.evaluation.result import Evaluation, Prediction
from celltransfer_core.evaluation.scoring import (
    alignment_gains,
    correct_cells,
    score_prediction,
    yardsticks,
)
from celltransfer_core.evaluation.shared_types import measure_identification
from celltransfer_core.evaluation.voter_store import VoterStore
from celltransfer_core.matching.matches import confirmed_share
from celltransfer_core.pipeline.result import Named, Prepared
from celltransfer_core.types import Ints, Labels, Progress, silent


def evaluate(
    prepared: Prepared,
    named: Named,
    truth: Labels,
    protocol: Protocol | None = None,
    *,
    store: Path | None = None,
    workers: int | None = None,
    progress: Progress = silent,
) -> Evaluation:
    """Measure every method on a query whose types are known.

    Parameters
    ----------
    prepared : Prepared
        Its ``config.draws`` is the number of reference subsets.
    named : Named
        Clusters of the query and what they were matched to.
    truth : ndarray of str, shape (m,)
        Types of the query's cells; empty where not known.
    protocol : Protocol, optional
    store : Path, optional
        Folder that keeps the voters' predictions, so that an interrupted evaluation can be resumed.
    workers : int, optional
    progress : callable

    Returns
    -------
    Evaluation

    Raises
    ------
    DataError
        If no type of the reference has enough labelled cells in the query.
    """
    protocol = protocol or Protocol()
    config = prepared.config
    shared = shared_labels(truth, prepared.types)
    if not (shared != "").any():
        raise DataError(
            f"No type of the reference ({', '.join(prepared.types)}) has {RARE} labelled cells in "
            f"the query ({', '.join(sorted(set(truth.tolist()) - {''})) or 'no labels'}); give "
            "both sets the same names."
        )
    leaks = find_leaks(prepared)
    leaked = leaked_cells(leaks, len(truth), keep=protocol.keep_shared)
    shared = np.where(leaked, "", shared)
    if not (shared != "").any():
        raise DataError(
            f"Every labelled cell of the query is also in the reference ({leaks.how}), so nothing "
            "can be measured. Give another query, or --keep-shared."
        )
    parts = cut_query(len(truth), config, protocol.subsets)
    shared = np.where(parts.covered(len(truth)), shared, "")
    scored = np.flatnonzero(shared != "")

    by_filtering = matches_by_filtering(named, truth, prepared.types, protocol)
    voters = VoterStore(prepared, protocol, parts.cells, store, workers, progress)
    predictions = voters.predictions(by_filtering)
    predictions += yardsticks(prepared, protocol, shared)

    to_score = scored_parts(shared, parts, config, protocol.subsets)
    samples = resample(len(scored), np.random.default_rng([config.seed, LARGE + 1]))
    rows = tuple(
        score_prediction(prediction, shared, scored, to_score, samples, parts.own)
        for prediction in predictions
    )
    curves, confidences = _of_ensembles(predictions, shared, scored)
    return Evaluation(
        prepared=prepared,
        protocol=protocol,
        named=by_filtering,
        truth=shared,
        scored=scored,
        own_parts=parts.own,
        predictions={prediction.key: prediction for prediction in predictions},
        rows=rows,
        gains=alignment_gains(rows),
        identification=measure_identification(prepared, truth, protocol, progress),
        low_label=low_label(prepared, named, shared, truth, protocol, rows, workers, progress),
        curves=curves,
        reliability=confidences,
        notes=evaluation_notes(
            prepared,
            truth,
            shared,
            parts,
            protocol,
            leaks,
            confirmed=confirmed_share(named.matches) > 0,
        ),
        neighbours=voters.neighbours,
        leaked=leaked,
    )


def _of_ensembles(
    predictions: Sequence[Prediction], truth: Labels, scored: Ints
) -> tuple[dict[tuple[str, str, str], Curve], dict[tuple[str, str, str], Reliability]]:
    """Measure how well agreement and confidence predict accuracy, for every ensemble."""
    curves: dict[tuple[str, str, str], Curve] = {}
    confidences: dict[tuple[str, str, str], Reliability] = {}
    for one in predictions:
        right = correct_cells(one, truth)[scored]
        if one.agreement is not None:
            curves[one.key] = agreement_curve(one.agreement[scored], right)
        if one.confidence is not None:
            confidences[one.key] = reliability(one.confidence[scored], right)
    return curves, confidences
