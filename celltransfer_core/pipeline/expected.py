"""The expected accuracy of a run, without any label of the query (not in the paper).

The range of accuracies is computed from a result and the answers so far. The constants are fitted
to pairs of sets with known true types whose queries were not used to train the encoders:
``tests/benchmarks/expected_accuracy.py``.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from celltransfer_core.people.active_inference import Share
from celltransfer_core.people.composition import Inference
from celltransfer_core.people.expected import Expected, Learning, expect
from celltransfer_core.people.reviews import Review
from celltransfer_core.pipeline.inferred import infer_run
from celltransfer_core.pipeline.result import DISCRIMINANT, RunResult
from celltransfer_core.pipeline.votes import ensemble_vote, plain_name

FEWEST_VOTERS = 3
"""Fewest voters without transport for which the fit of agreement holds: two agree too easily."""

FEWEST_CELLS = 20
"""Fewest query cells for which an overall accuracy is estimated."""

_USUAL = 0.8  # accuracy at which the variance due to chance is computed


@dataclass(frozen=True)
class Constants:
    """Constants fitted to pairs whose true types are known."""

    even: float
    """Mean agreement at which half of the cells are typed correctly."""
    slope: float
    """Increase in the log odds of the accuracy per unit of agreement."""
    spread: float
    """Standard deviation of the log odds in kinds of pairs left out of the fit, widened because so
    few kinds leave it uncertain."""
    learning: Learning
    """How answers change the accuracy."""


SHIPPED = Constants(0.84, 20.7, 1.27, Learning(2.90, 0.92, 0.76))
"""Constants fitted by ``tests/benchmarks/expected_accuracy.py``."""


def expected_accuracy(
    run: RunResult, reviews: Sequence[Review] = (), *, inference: Inference | None = None
) -> Expected | None:
    r"""Estimate the share of correctly typed cells of a run, among cells of known types.

    Parameters
    ----------
    run : RunResult
        With or without an update from the answers.
    reviews : sequence of Review
        In the order they were made.
    inference : Inference, optional
        Inference from the answers, if already computed; see
        :func:`~celltransfer_core.pipeline.inferred.infer_run`.

    Returns
    -------
    Expected or None
        None if the accuracy cannot be estimated, see :func:`mean_agreement`.

    Notes
    -----
    Before any answer, the log odds of the accuracy have a normal distribution whose mean is linear
    in the mean agreement of the vote. Of forty figures that are available without labels, this one
    best predicted the kinds of pairs left out of the fit; combining several figures did no better.
    The variance due to chance among m cells, :math:`1 / (m p (1 - p))` with p = 0.8, is added. The
    estimate then takes into account how answers and confirmed clusters improve a vote
    (:class:`~celltransfer_core.people.expected.Learning`), and the results of answers on drawn
    cells. Before any answer, cells of types that occur neither in the reference nor in an answer do
    not count: a vote does not reveal how many there are.
    """
    agreement = mean_agreement(run)
    if agreement is None:
        return None
    if reviews and inference is None:
        inference = infer_run(run, reviews)
    drawn = inference is not None and inference.tally.drawn
    share = inference.right() if inference and drawn else Share(math.nan, 0.0, 1.0, 0)
    return expected_of(agreement, run.query.n_cells, answers_of(run), share)


def expected_of(
    agreement: float, cells: int, answers: int, share: Share, constants: Constants = SHIPPED
) -> Expected:
    """Estimate the accuracy from the observed figures of a run.

    Parameters
    ----------
    agreement : float
        From :func:`mean_agreement`.
    cells : int
        Number of query cells.
    answers : float
        From :func:`answers_of`.
    share : Share
        Share of correctly predicted cells according to answers on drawn cells; NaN without an
        estimate.
    constants : Constants

    Returns
    -------
    Expected
    """
    mean = constants.slope * (agreement - constants.even)
    spread = math.sqrt(constants.spread**2 + 1 / (cells * _USUAL * (1 - _USUAL)))
    return expect(mean, spread, constants.learning, answers, share)


def mean_agreement(run: RunResult) -> float | None:
    """Average the agreement of the voters before any answer.

    Parameters
    ----------
    run : RunResult

    Returns
    -------
    float or None
        None if it does not indicate the accuracy: with fewer than two types, :data:`FEWEST_VOTERS`
        or :data:`FEWEST_CELLS`, or if clusters are named or votes counted in a way other than the
        default.
    """
    alignments = [voter.alignment for voter in run.voters]
    default = (
        run.config.vote_weights == "confirmed"
        and run.cluster_votes is not None
        and DISCRIMINANT in alignments
        and alignments.count(plain_name(run.config)) >= FEWEST_VOTERS
    )
    if not default or len(run.types) < 2 or run.query.n_cells < FEWEST_CELLS:
        return None
    vote = ensemble_vote(run.voters) if run.updated else run.vote
    return float(vote.agreement.mean())


def answers_of(run: RunResult) -> int:
    """Count the answers from which a run's vote has learned.

    Parameters
    ----------
    run : RunResult

    Returns
    -------
    int
        Number of typed cells and confirmed clusters.
    """
    typed = len(run.updated.annotations.cells) if run.updated else 0
    return typed + sum(match.confirmed for match in run.matches)
