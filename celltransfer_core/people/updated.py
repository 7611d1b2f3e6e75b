"""TODO celltransfer_core/people/taught.py."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from celltransfer_core.classify.voting import Vote
from celltransfer_core.matching.matches import Match
from celltransfer_core.people.reviews import Review, settled_answers
from celltransfer_core.types import Bools, Float64
from celltransfer_core.vocabulary import ANSWERS, NONE_TYPE

KINDS = ("ensemble", "cluster", "neighbours", "discriminant", "typed")
"""Kinds of voters, as columns of :attr:`UpdatedVote.say`."""


@dataclass(frozen=True)
class Annotations:
    """What people said that a vote can learn from; equal words teach the same."""

    clusters: tuple[tuple[int, str], ...] = ()
    """Position of each confirmed cluster and its type, ascending; without those of none."""
    cells: tuple[tuple[int, str], ...] = ()
    """Number of each typed query cell and its type, ascending."""

    def __bool__(self) -> bool:
        return bool(self.clusters or self.cells)


def annotations_of(
    matches: Sequence[Match], cells: Sequence[str], reviews: Sequence[Review]
) -> Annotations:
    """Collect what the vote can learn from.

    Parameters
    ----------
    matches : sequence of Match
        Of every cluster; confirmed ones count.
    cells : sequence of str, length n
        Hashes of the query's cells, sorted.
    reviews : sequence of Review
        In the order they were made. Several readers of one cell settle it as in
        :func:`celltransfer_core.review.final_types`; cells that are unsure, disputed, an artefact
        or none of the types teach nothing.

    Returns
    -------
    Annotations
    """
    place = {cell: number for number, cell in enumerate(cells)}
    typed = {
        place[cell]: answer
        for cell, answer in settled_answers(reviews).items()
        if cell in place and answer not in ANSWERS
    }
    return Annotations(
        tuple(
            (match.cluster, match.matched_type)
            for match in matches
            if match.confirmed and match.matched_type != NONE_TYPE
        ),
        tuple(sorted(typed.items())),
    )


@dataclass(frozen=True)
class UpdatedVote:
    """The vote that people taught; n query cells, T types, V voters of the ensemble."""

    words: Annotations
    types: tuple[str, ...]
    """The reference's kept types, then others that somebody named, length T."""
    vote: Vote
    """Of all voters; ``choices`` has the ensemble's first, then one row a kind (V + 4, n)."""
    ensemble: Vote
    """Of the ensemble alone."""
    probabilities: Float64
    """Shape (n, T), not calibrated."""
    weights: Float64
    """What each voter but the typed cells counts now, shape (V + 3,), summing to one."""
    say: Float64
    """Who decided: share of the say of each of :data:`KINDS` in each cell, shape (n, 5)."""
    distance: Float64
    """To the nearest cell that somebody typed or that is at the heart of a confirmed cluster, in
    units of what is usual between neighbours of the query, shape (n,); infinite before any."""
    unknown_above: float
    """Distance from which a cell is proposed as unknown."""
    trust: Float64
    """Probability that the name of each cluster is no slip, shape (number of clusters,); 1 where
    nobody named it or the reference lacks the type."""
    slips: tuple[int, ...] = ()
    """Positions of the clusters whose name is more likely wrong than right, unless cells that were
    typed settle it."""

    @property
    def unknown(self) -> Bools:
        """Cells far from everything that people named, shape (n,)."""
        return np.isfinite(self.distance) & (self.distance > self.unknown_above)


def all_types(kept: Sequence[str], words: Annotations) -> tuple[str, ...]:
    said = {name for _, name in (*words.clusters, *words.cells)}
    return (*kept, *sorted(said - set(kept)))
