"""The accuracy to expect of a run, without any label of the query (not in the paper).

A result and the answers so far go in; a range of accuracies comes out. The constants are fitted to
pairs whose truth is known, and which the encoders did not learn from as queries:
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
"""Voters without transport below which agreement is not what was measured: two agree too easily."""

FEWEST_CELLS = 20
"""Query cells below which nothing is said of their accuracy as a whole."""

_USUAL = 0.8  # accuracy that chance is reckoned with


@dataclass(frozen=True)
class Constants:
    """What was fitted to pairs whose truth is known."""

    even: float
    """Mean agreement at which every second cell is typed rightly."""
    slope: float
    """What the log odds of the accuracy gain for each whole of agreement."""
    spread: float
    """Their standard deviation in kinds of pairs that took no part in the fit, and wider as far as
    so few kinds leave it uncertain."""
    learning: Learning
    """What answers make of it."""


SHIPPED = Constants(0.84, 20.7, 1.27, Learning(2.90, 0.92, 0.76))
"""What ``tests/benchmarks/expected_accuracy.py`` fitted."""


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
        None where it cannot be told, see :func:`mean_agreement`.

    Notes
    -----
    Before any answer, the log odds of the accuracy have a normal distribution whose mean is linear
    in the mean agreement of the vote. Of forty figures that can be seen without labels this one
    foretold best kinds of pairs that took no part in the fit; no more of them did better. To its
    variance comes that of chance among m cells, :math:`1 / (m p (1 - p))` with p = 0.8. Then come
    what answers and confirmed clusters make of a vote
    (:class:`~celltransfer_core.people.expected.Learning`), and what answers on drawn cells say.
    Cells of types that neither the reference nor an answer knows do not count before any answer:
    nothing of a vote tells how many there are.
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
    """Estimate the accuracy from what is seen of a run.

    Parameters
    ----------
    agreement : float
        From :func:`mean_agreement`.
    cells : int
        Of the query.
    answers : float
        From :func:`answers_of`.
    share : Share
        Of the cells that are predicted rightly, as answers on drawn cells tell; NaN if they do not.
    constants : Constants

    Returns
    -------
    Expected
    """
    mean = constants.slope * (agreement - constants.even)
    spread = math.sqrt(constants.spread**2 + 1 / (cells * _USUAL * (1 - _USUAL)))
    return expect(mean, spread, constants.learning, answers, share)


def mean_agreement(run: RunResult) -> float | None:
    """Average how far the voters agree, before any answer.

    Parameters
    ----------
    run : RunResult

    Returns
    -------
    float or None
        None where it tells nothing of the accuracy: with fewer than two types,
        :data:`FEWEST_VOTERS` or :data:`FEWEST_CELLS`, and where clusters are named or votes counted
        in other ways than by default.
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
    """Count the answers that a run's vote has learnt from.

    Parameters
    ----------
    run : RunResult

    Returns
    -------
    int
        Typed cells and confirmed clusters.
    """
    typed = len(run.updated.annotations.cells) if run.updated else 0
    return typed + sum(match.confirmed for match in run.matches)
