"""The vote of a run, updated with a person's answers, without a new transport (not in the paper).

In: a run and annotations, that is confirmed clusters and typed cells. Out: the run with its updated
vote, and how far its proportions have moved from those that transport was made to.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from celltransfer_core.people.updated import Annotations
from celltransfer_core.people.updater import VoteUpdater
from celltransfer_core.pipeline.result import RunResult

PAYS = 0.1
"""A new transport pays when proportions have moved by more than this (total variation)."""


@dataclass(frozen=True)
class Drift:
    """How far the proportions have moved from those that transport was made to."""

    before: Mapping[str, float]
    """Share of each type that the matches gave."""
    now: Mapping[str, float]
    """Share of each type in the vote."""
    total_variation: float
    """Half the sum of the absolute differences, 0 to 1."""

    @property
    def pays(self) -> bool:
        """Whether a new transport would pay."""
        return self.total_variation > PAYS


def update_vote(
    run: RunResult, annotations: Annotations, updater: VoteUpdater | None = None
) -> RunResult:
    """Update the vote of a run with annotations.

    Parameters
    ----------
    run : RunResult
        Not updated yet.
    annotations : Annotations
        See :func:`~celltransfer_core.people.updated.annotations_of`.
    updater : VoteUpdater, optional
        From :func:`vote_updater`, to use again with other annotations.

    Returns
    -------
    RunResult
        Types that only the annotations name follow its own; its vote is the updated one, and
        ``updated`` holds the details. Without annotations it is the same run.
    """
    if not annotations:
        return run
    updated = (updater or vote_updater(run)).update(annotations)
    more = len(updated.types) - len(run.types)
    return replace(
        run,
        types=updated.types,
        proportions=np.pad(run.proportions, (0, more)),
        filtered={name: n for name, n in run.filtered.items() if name not in updated.types},
        voters=tuple(
            replace(voter, probabilities=np.pad(voter.probabilities, ((0, 0), (0, more))))
            for voter in run.voters
        ),
        vote=updated.vote,
        updated=updated,
    )


def vote_updater(run: RunResult) -> VoteUpdater:
    """Prepare updates of a run's vote; takes a second or two for 10,000 cells.

    Parameters
    ----------
    run : RunResult
        Not updated yet.

    Returns
    -------
    VoteUpdater
        Fitted.
    """
    return VoteUpdater().fit(
        run.features,
        run.clusters.labels,
        run.clusters.centrality,
        np.stack([voter.probabilities for voter in run.voters]),
        np.array([voter.weight for voter in run.voters]),
        run.types,
        run.config.always_kept,
    )


def drift(run: RunResult) -> Drift:
    """Compare the proportions that the vote gives with those that transport was made to.

    Parameters
    ----------
    run : RunResult
        Updated or not.

    Returns
    -------
    Drift
    """
    shares = np.bincount(run.vote.winner, minlength=len(run.types)) / len(run.vote.winner)
    return Drift(
        dict(zip(run.types, run.proportions.tolist(), strict=True)),
        dict(zip(run.types, shares.tolist(), strict=True)),
        float(np.abs(shares - run.proportions).sum() / 2),
    )
