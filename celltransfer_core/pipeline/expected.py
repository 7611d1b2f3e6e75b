r"""The accuracy to expect of a run, without any label of the query (not in the paper).

A result and the answers so far go in; a range of accuracies comes out. What can be seen of a run
without labels is weighed by constants that ``tests/benchmarks/expected_accuracy.py --fit`` fits to
pairs whose truth is known, and that lie in ``expected.json`` beside this file.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from celltransfer_core.matching.matches import confirmed_share
from celltransfer_core.people.active_inference import Share
from celltransfer_core.people.composition import Inference
from celltransfer_core.people.expected import Expected, Learning, expect
from celltransfer_core.people.reviews import Review
from celltransfer_core.pipeline.inferred import infer_run
from celltransfer_core.pipeline.result import DISCRIMINANT, RunResult
from celltransfer_core.types import Float64

CONSTANTS = Path(__file__).with_name("expected.json")
"""What the benchmark fitted."""

FEWEST_CELLS = 20
"""Query cells below which nothing is said of their accuracy as a whole."""

_LEAST = 0.01  # shares are clipped at this distance from 0 and 1 before their odds are taken
_UNKNOWN = Share(math.nan, 0.0, 1.0, 0)


def expected_accuracy(
    run: RunResult, reviews: Sequence[Review] = (), *, inference: Inference | None = None
) -> Expected | None:
    r"""Estimate how many of a run's cells are typed rightly, among those of known types.

    Parameters
    ----------
    run : RunResult
        Updated with the answers or not.
    reviews : sequence of Review
        In the order they were made.
    inference : Inference, optional
        What the answers tell, if it is known already; see
        :func:`~celltransfer_core.pipeline.inferred.infer_run`.

    Returns
    -------
    Expected or None
        None where it cannot be told: with fewer than two types, fewer than
        :data:`FEWEST_CELLS` cells, or without a voter whose types are fitted to the query.

    Notes
    -----
    The log odds of the accuracy have a normal distribution whose mean is linear in the figures of
    :func:`label_free`. A figure beyond those of the fitted pairs counts as the last of them, and
    makes the range wider, up to twice. To the variance comes that of chance among m cells,
    :math:`1 / (m p (1 - p))`. Answers on drawn cells are joined by
    :func:`~celltransfer_core.people.expected.expect`.
    Cells of types that neither the reference nor an answer knows do not count before any answer:
    nothing of a vote tells how many there are.
    """
    seen = label_free(run)
    if seen is None:
        return None
    if reviews and inference is None:
        inference = infer_run(run, reviews)
    share = inference.right() if inference and inference.tally.drawn else _UNKNOWN
    return expected_of(seen, run.query.n_cells, share, fitted_constants())


def expected_of(
    seen: Mapping[str, float], cells: int, share: Share, constants: Mapping[str, Any]
) -> Expected:
    """Estimate the accuracy from what is seen of a run.

    Parameters
    ----------
    seen : mapping from name to float
        From :func:`label_free`.
    cells : int
        Of the query.
    share : Share
        Of the cells that are predicted rightly, as answers on drawn cells tell; NaN if they do not.
    constants : mapping
        Such as those of :func:`fitted_constants`.

    Returns
    -------
    Expected
    """
    said = seen["typed"] > 0 or seen["confirmed"] > 0
    model = constants["after" if said else "before"]
    mean, beyond = model["intercept"], 0.0
    for name, (slope, usual, least, most) in model["figures"].items():
        within = min(max(seen[name], least), most)
        mean += slope * (within - usual)
        beyond = max(beyond, abs(seen[name] - within) / max(most - least, 1e-6))
    likely = 1 / (1 + math.exp(-mean))
    spread = model["spread"] * (1 + min(beyond, 1))
    spread = math.sqrt(spread**2 + 1 / (cells * likely * (1 - likely)))
    typed = 10 * math.expm1(seen["typed"])
    return expect(mean, spread, Learning(**constants["learning"]), share, round(typed))


@cache
def fitted_constants() -> Mapping[str, Any]:
    """Read the constants that the benchmark fitted.

    Returns
    -------
    mapping
        ``before`` and ``after`` anybody has said a word: intercept and spread of the log odds, and
        of each figure its slope and its mean, least and largest value; ``learning``, see
        :class:`~celltransfer_core.people.expected.Learning`.
    """
    constants: dict[str, Any] = json.loads(CONSTANTS.read_text(encoding="utf-8"))
    return constants


def label_free(run: RunResult) -> dict[str, float] | None:
    """Collect what can be seen of a run's accuracy without labels.

    Parameters
    ----------
    run : RunResult

    Returns
    -------
    dict from name to float, or None
        None where they are not to be had, see :func:`expected_accuracy`. Shares are given as log
        odds.

        purity: of the cells that are predicted as most of their cluster. fitted: mean certainty of
        the types that are fitted to the query. margin: mean lead of the vote's likeliest type.
        typed, confirmed: logarithm of the typed cells, share of the cells in confirmed clusters.

    Notes
    -----
    Of ten figures tried (also confidence, agreement with matches, lead of their scores, how near
    reference cells are, how well sets mix, difference of proportions, whether somebody told what
    the query may hold) these three, with what was said, foretell best kinds of pairs that took no
    part in the fit.
    """
    vote, labels, cells = run.vote, run.clusters.labels, len(run.vote.winner)
    fitted = [voter for voter in run.voters if voter.alignment == DISCRIMINANT]
    if len(run.types) < 2 or cells < FEWEST_CELLS or not fitted:
        return None
    counts = np.zeros((len(run.matches), len(run.types)))
    np.add.at(counts, (labels, vote.winner), 1)
    typed = len(run.updated.annotations.cells) if run.updated else 0
    return {
        "purity": _log_odds(counts.max(axis=1).sum() / cells),
        "fitted": _log_odds(np.mean([one.probabilities.max(axis=1).mean() for one in fitted])),
        "margin": _log_odds(vote.margin.mean()),
        "typed": math.log1p(typed / 10),
        "confirmed": confirmed_share(run.matches),
    }


def _log_odds(share: float | Float64) -> float:
    share = min(max(float(share), _LEAST), 1 - _LEAST)
    return math.log(share / (1 - share))
