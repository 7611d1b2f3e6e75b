"""TODO celltransfer_core/pipeline/teaching.py."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from celltransfer_core.people.updated import Annotations
from celltransfer_core.people.updater import VoteUpdater

if TYPE_CHECKING:
    from celltransfer_core.pipeline.result import RunResult


PAYS = 0.1
"""A new transport pays when proportions have moved by more than this (total variation)."""


@dataclass(frozen=True)
class Drift:
    """How far the proportions have moved from those that transport was made to."""

    before: Mapping[str, float]
    now: Mapping[str, float]
    total_variation: float
    """Half the sum of the differences, 0 to 1."""

    @property
    def pays(self) -> bool:
        """Whether a new transport would pay."""
        return self.total_variation > PAYS


def update_vote(
    run: RunResult, words: Annotations, teacher: VoteUpdater | None = None
) -> RunResult:
    """Let people's words update_vote the vote of a run.

    Parameters
    ----------
    run : RunResult
        Not taught yet.
    words : Annotations
        From :func:`annotations_of`.
    teacher : VoteUpdater, optional
        From :func:`vote_updater`, to use again for other words.

    Returns
    -------
    RunResult
        Its types are followed by those that people named beside them, its vote is the taught one,
        and ``taught`` says the rest. Where nobody said anything it is the same run.
    """
    if not words:
        return run
    teacher = teacher or vote_updater(run)
    taught = teacher.update(words)
    more = len(taught.types) - len(run.types)
    return replace(
        run,
        types=taught.types,
        proportions=np.pad(run.proportions, (0, more)),
        filtered={name: n for name, n in run.filtered.items() if name not in taught.types},
        voters=tuple(
            replace(voter, probabilities=np.pad(voter.probabilities, ((0, 0), (0, more))))
            for voter in run.voters
        ),
        vote=taught.vote,
        taught=taught,
    )


def vote_updater(run: RunResult) -> VoteUpdater:
    """Prepare the teaching of a run; takes a second or two for 10,000 cells.

    Parameters
    ----------
    run : RunResult
        Not taught yet.

    Returns
    -------
    VoteUpdater
    """
    return VoteUpdater().fit(
        run.features,
        run.clusters.labels,
        run.clusters.centrality,
        np.stack([voter.probabilities for voter in run.voters]),
        np.array([voter.weight for voter in run.voters]),
        run.types,
        run.config.keep,
    )


def drift(run: RunResult) -> Drift:
    """Compare the proportions that the vote gives with those that transport was made to.

    Parameters
    ----------
    run : RunResult
        UpdatedVote.

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
