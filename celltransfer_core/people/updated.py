"""Annotations from matches and reviews, and the vote that they update.

Annotations are the confirmed clusters (3.2) and the typed cells. :class:`UpdatedVote` is the
ensemble vote (3.4) after :class:`~celltransfer_core.people.updater.VoteUpdater` has updated it with
them.
"""

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
"""Kinds of voters, as columns of :attr:`UpdatedVote.cell_weights`."""

DECIDERS = {
    "ensemble": "the encoders",
    "cluster": "its cluster's confirmed type",
    "neighbours": "neighbours in confirmed clusters",
    "discriminant": "what tells the types apart in this set",
    "typed": "cells that people typed",
}
"""Description of each kind of voters."""


@dataclass(frozen=True)
class Annotations:
    """Answers of people that update the vote; equal annotations give the same vote.

    Examples
    --------
    >>> annotations = Annotations(clusters=((0, "lymphocyte"),), cells=((7, "monocyte"),))
    >>> bool(annotations), bool(Annotations())
    (True, False)
    """

    clusters: tuple[tuple[int, str], ...] = ()
    """Position and type of each confirmed cluster, ascending; clusters of type ``none`` are
    omitted."""
    cells: tuple[tuple[int, str], ...] = ()
    """Number and type of each typed query cell, ascending."""

    def __bool__(self) -> bool:
        return bool(self.clusters or self.cells)


def annotations_of(
    matches: Sequence[Match], cells: Sequence[str], reviews: Sequence[Review]
) -> Annotations:
    """Collect the annotations from matches and reviews.

    Parameters
    ----------
    matches : sequence of Match
        Matches of all clusters; the confirmed ones are used.
    cells : sequence of str, length n
        Hashes of the query's cells, sorted.
    reviews : sequence of Review
        Reviews in the order they were made. Answers of several readers on one cell are settled as
        in :func:`~celltransfer_core.people.reviews.final_types`. Cells that are unsure, disputed,
        an artefact or of type ``none`` are not used.

    Returns
    -------
    Annotations

    Examples
    --------
    >>> match = Match(0, 30, "a", 0.9, "b", 0.1, "", "", True, "Ann")
    >>> review = Review("c1", "b", "Ann", "2026-01-01T00:00:00+00:00", blind=False)
    >>> annotations_of([match], ["c0", "c1"], [review])
    Annotations(clusters=((0, 'a'),), cells=((1, 'b'),))
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
    """The vote after an update; n query cells, T types, V voters of the ensemble, K clusters."""

    annotations: Annotations
    """Annotations used for the update."""
    types: tuple[str, ...]
    """The reference's kept types, followed by other types in the annotations, length T."""
    vote: Vote
    """Vote of all voters; ``choices`` has the ensemble's V rows, followed by one row for each other
    kind of :data:`KINDS`, shape (V + 4, n)."""
    ensemble: Vote
    """Vote of the ensemble only."""
    probabilities: Float64
    """Uncalibrated posterior probability of each type for each cell, shape (n, T)."""
    weights: Float64
    """Weight of each voter except the typed cells, shape (V + 3,), summing to one."""
    voter_weights: Float64
    """Weight of each row of ``choices`` in each cell, shape (V + 4, n); columns sum to one."""
    distance: Float64
    """Distance of each cell to the nearest typed cell or central cell of a confirmed cluster, in
    units of the typical distance between neighbours in the query, shape (n,); infinite without
    annotations."""
    unknown_above: float
    """Distance above which a cell is proposed as unknown."""
    name_posteriors: Float64
    """Posterior probability that each cluster's confirmed type is correct, shape (K,); 1 where a
    cluster is not confirmed or the reference lacks the type."""
    doubted_clusters: tuple[int, ...] = ()
    """Positions of the clusters whose confirmed type is more likely wrong than correct, unless
    typed cells confirm it."""

    @property
    def cell_weights(self) -> Float64:
        """Weight of each kind of :data:`KINDS` in each cell, shape (n, 5); rows sum to one."""
        joined = self.voter_weights[-len(KINDS) + 1 :]
        return np.column_stack([np.maximum(1 - joined.sum(axis=0), 0), *joined])

    @property
    def typed(self) -> Bools:
        """Whether a person typed each cell, shape (n,)."""
        found = np.zeros(len(self.distance), dtype=bool)
        found[[cell for cell, _ in self.annotations.cells]] = True
        return found

    @property
    def unknown(self) -> Bools:
        """Whether each cell is far from all annotated cells, shape (n,)."""
        return np.isfinite(self.distance) & (self.distance > self.unknown_above)


def all_types(kept: Sequence[str], annotations: Annotations) -> tuple[str, ...]:
    """List the reference's kept types, followed by the other types in the annotations.

    Parameters
    ----------
    kept : sequence of str
    annotations : Annotations

    Returns
    -------
    tuple of str
        All types, the others in alphabetical order.

    Examples
    --------
    >>> all_types(["b", "a"], Annotations(cells=((0, "z"), (1, "a"))))
    ('b', 'a', 'z')
    """
    named = {name for _, name in (*annotations.clusters, *annotations.cells)}
    return (*kept, *sorted(named - set(kept)))
