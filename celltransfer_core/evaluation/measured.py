"""The paper's protocol (5.1–5.2) on any pair of sets: every method, alignment and filtering.

Predictions are made first, without labels; :mod:`celltransfer_core.evaluation` then scores them.
The one exception is said by its name: ``filtering="reader"`` gives every cluster its majority type,
as a person who never errs would.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from celltransfer_core.errors import DataError
from celltransfer_core.evaluation.judges import _judges, _parts
from celltransfer_core.evaluation.low_label import low_label
from celltransfer_core.evaluation.metrics import (
    RARE,
    agreement_curve,
    counted,
    parts_to_score,
    reliability,
    resample,
)
from celltransfer_core.evaluation.notes import _notes
from celltransfer_core.evaluation.protocol import LARGE, Protocol
from celltransfer_core.evaluation.result import Evaluation
from celltransfer_core.evaluation.scoring import _gains, _right, _row, yardsticks
from celltransfer_core.evaluation.shared_types import identify
from celltransfer_core.evaluation.voter_store import VoterStore
from celltransfer_core.matching.matches import confirmed_share
from celltransfer_core.pipeline.result import Named, Prepared
from celltransfer_core.types import Labels, Progress, silent


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
        Folder that keeps what the voters say, so that an interrupted evaluation goes on.
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
    shared = np.where(np.isin(truth, prepared.types), truth, "")
    shared = np.where(counted(shared), shared, "")
    if not (shared != "").any():
        raise DataError(
            f"No type of the reference ({', '.join(prepared.types)}) has {RARE} labelled cells in "
            f"the query ({', '.join(sorted(set(truth.tolist()) - {''})) or 'no labels'}); give "
            "both sets the same names."
        )
    config = prepared.config
    parts, own_parts = _parts(len(truth), config, protocol.subsets)
    covered = np.zeros(len(truth), dtype=bool)
    covered[np.concatenate(parts)] = True
    shared = np.where(covered, shared, "")
    judges = _judges(named, truth, prepared.types, protocol)
    voter_store = VoterStore(prepared, protocol, parts, store, workers, progress)
    answers = voter_store.answers(judges)
    answers += yardsticks(prepared, protocol, shared)
    deal = (
        [part[shared[part] != ""] for part in parts]
        if own_parts
        else parts_to_score(shared, protocol.subsets, np.random.default_rng([config.seed, LARGE]))
    )
    deal = [part for part in deal if len(part)]
    scored = np.flatnonzero(shared != "")
    samples = resample(len(scored), np.random.default_rng([config.seed, LARGE + 1]))
    rows = tuple(_row(answer, shared, scored, deal, samples, own_parts) for answer in answers)
    heard = {answer.key: answer for answer in answers if answer.agreement is not None}
    return Evaluation(
        prepared=prepared,
        protocol=protocol,
        named=judges,
        truth=shared,
        scored=scored,
        own_parts=own_parts,
        answers={answer.key: answer for answer in answers},
        rows=rows,
        gains=_gains(rows),
        identification=identify(prepared, truth, protocol, progress),
        low_label=low_label(prepared, named, shared, truth, protocol, rows, workers, progress),
        curves={
            key: agreement_curve(answer.agreement[scored], _right(answer, shared)[scored])
            for key, answer in heard.items()
            if answer.agreement is not None
        },
        reliability={
            key: reliability(answer.confidence[scored], _right(answer, shared)[scored])
            for key, answer in heard.items()
            if answer.confidence is not None
        },
        notes=_notes(
            prepared,
            truth,
            shared,
            parts,
            own_parts,
            protocol,
            confirmed=confirmed_share(named.matches) > 0,
        ),
        neighbours=voter_store.neighbours,
    )
