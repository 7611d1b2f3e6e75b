"""Update of a run's vote with a person's answers, without a new transport (not in the paper).

In: a run and annotations, that is, confirmed clusters and typed cells. Out: the run with its
updated vote, and the shift of its proportions from those used for transport.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from celltransfer_core.people.updated import Annotations
from celltransfer_core.people.updater import VoteUpdater
from celltransfer_core.pipeline.result import RunResult

PAYS = 0.1
"""Shift of proportions (total variation) above which a new transport is worthwhile."""


@dataclass(frozen=True)
class Drift:
    """Shift of the proportions from those used for transport."""

    before: Mapping[str, float]
    """Share of each type from the matches."""
    now: Mapping[str, float]
    """Share of each type in the vote."""
    total_variation: float
    """Half the sum of the absolute differences, 0 to 1."""

    @property
    def pays(self) -> bool:
        """Whether a new transport would be worthwhile."""
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
        Updater from :func:`vote_updater`, which can be reused with other annotations.

    Returns
    -------
    RunResult
        Types that only occur in the annotations follow its own types; its vote is the updated one,
        and ``updated`` holds the details. Without annotations, the run is returned unchanged.
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
    """Prepare updates of a run's vote, which takes a second or two for 10,000 cells.

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
    """Compare the proportions from the vote with those used for transport.

    Parameters
    ----------
    run : RunResult
        Run with or without an updated vote.

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
