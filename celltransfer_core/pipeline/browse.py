"""Cells of a run for inspection: their neighbours, and the votes on each cell (3.4).

In: the result of a run. Out: what decided the type of one cell.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from celltransfer_core.classify.voting import cell_weights
from celltransfer_core.neighbors.knn import normalized_entropy
from celltransfer_core.people.updated import KINDS
from celltransfer_core.pipeline.result import DISCRIMINANT, RunResult, Voter
from celltransfer_core.types import Ints


def split_by_alignment(voters: Sequence[Voter]) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Split the voters that use reference cells into unaligned and aligned ones.

    Parameters
    ----------
    voters : sequence of Voter
        The unaligned voter of each encoder comes before the aligned one.

    Returns
    -------
    unaligned, aligned : tuple of int
        Their positions.
    """
    seen: set[tuple[str, ...]] = set()
    unaligned: list[int] = []
    aligned: list[int] = []
    for number, voter in enumerate(voters):
        if voter.alignment == DISCRIMINANT:
            continue
        (aligned if voter.encoders in seen else unaligned).append(number)
        seen.add(voter.encoders)
    return tuple(unaligned), tuple(aligned)


def nearest_reference(voters: Sequence[Voter], cell: int) -> Ints:
    """List the reference cells most similar to a query cell.

    Parameters
    ----------
    voters : sequence of Voter
        With one voter, its neighbours in order; with several, neighbours are ordered by the sum of
        their reciprocal ranks.
    cell : int

    Returns
    -------
    ndarray of int64
        Reference cells without repeats.
    """
    points: dict[int, float] = {}
    for voter in voters:
        near = [one for one in voter.neighbours[cell].tolist() if one >= 0]
        for rank, one in enumerate(near, start=1):
            points[one] = points.get(one, 0.0) + 1 / rank
    return np.array(sorted(points, key=lambda one: (-points[one], one)), dtype=np.int64)


@dataclass(frozen=True)
class CellVote:
    """Prediction and share of one voter for one cell."""

    voter: Voter | None
    """None for voters that joined the ensemble when the vote was updated with answers."""
    kind: str
    """One of :data:`~celltransfer_core.people.updated.KINDS`."""
    type_name: str
    probability: float
    """Probability of that type; NaN for voters that joined."""
    weight: float
    """Weight of the voter in all cells; NaN for typed cells, which only count in their
    neighbourhood."""
    share: float
    """Share of the vote in this cell; see
    :func:`~celltransfer_core.classify.voting.cell_weights`."""


def votes_of_cell(result: RunResult, cell: int) -> tuple[CellVote, ...]:
    """List the votes of all voters in one cell (3.4).

    Parameters
    ----------
    result : RunResult
    cell : int

    Returns
    -------
    tuple of CellVote
        In the order of the voters. If the vote was updated with answers, these are followed by the
        votes of the joined voters that count in this cell. All shares sum to one; those for
        ``predicted`` sum to the agreement.
    """
    if result.updated:
        joined: tuple[str, ...] = KINDS[1:]
        weights = np.append(result.updated.weights, np.nan)
        shares = result.updated.voter_weights[:, cell]
    else:
        joined = ()
        weights = np.array([voter.weight for voter in result.voters])
        probabilities = np.stack([voter.probabilities[cell] for voter in result.voters])
        certainty = 1 - normalized_entropy(probabilities)
        shares = cell_weights(weights, certainty[:, None])[:, 0]
    votes = [
        CellVote(
            voter,
            kind,
            result.types[number],
            float(voter.probabilities[cell, number]) if voter else np.nan,
            weight,
            share,
        )
        for voter, kind, number, weight, share in zip(
            [*result.voters, *(None for _ in joined)],
            [*(KINDS[0] for _ in result.voters), *joined],
            result.vote.choices[:, cell].tolist(),
            weights.tolist(),
            shares.tolist(),
            strict=True,
        )
    ]
    return tuple(one for one in votes if one.voter or one.share > 0)
