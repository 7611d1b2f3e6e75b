"""Decisions from the matches before transport: kept types (3.2) and drawn subsets (5.2).

In: the type that each cluster of the query was matched to. Out: the kept types with their expected
proportions, the parts of the query, and the subsets of the reference to transport onto each.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from celltransfer_core.config.config import Config
from celltransfer_core.matching.matches import confirmed_share, type_weights
from celltransfer_core.pipeline.result import Named, Prepared
from celltransfer_core.pipeline.subsets import draw_reference, split_query
from celltransfer_core.types import Bools, Float64, Ints

UNMATCHED_FLOOR = 0.03
"""Least share of a type in the draws if unmatched types are not filtered out."""

SMALLEST_DRAW = 100
"""Least size of a draw if the reference is large enough, however small the part of the query is."""


@dataclass(frozen=True)
class Draw:
    """A subset of the reference, and the query cells onto which it is transported."""

    part: int
    """Part of the query."""
    number: int
    """Number of the draw within its part."""
    cells: Ints
    """Positions in ``Draws.usable``, ascending; a cell occurs as often as it was drawn."""
    onto: Ints
    """Query cells."""
    voting: Ints
    """Positions in ``cells`` of the cells with which the query is classified."""


@dataclass(frozen=True)
class Draws:
    """Division of both sets into subsets for transport (5.2)."""

    usable: Ints
    """Reference cells of kept types, shape (u,)."""
    types: Ints
    """Positions of their types among the kept types, shape (u,)."""
    weights: Float64 | None
    """Weight of each cell in the reference's mean, shape (u,); None for equal weights."""
    parts: Sequence[Ints]
    """Query cells of each part."""
    drawn: Sequence[Draw]
    """Ordered by part and number; one draw per source if sources are transported separately."""

    def of_part(self, part: int) -> list[Draw]:
        """List the draws of one part of the query.

        Parameters
        ----------
        part : int

        Returns
        -------
        list of Draw
        """
        return [draw for draw in self.drawn if draw.part == part]


@dataclass(frozen=True)
class TransferPlan:
    """Decisions from the matches that precede alignment."""

    types: tuple[str, ...]
    """Types of the reference that are kept."""
    proportions: Float64
    """Expected share of each type in the query, shape (T,)."""
    known: Bools
    """Which query cells are in clusters matched to a kept type, shape (m,)."""
    draws: Draws
    confirmed: float
    """Share of the query's cells in confirmed clusters."""


def plan_transfer(
    prepared: Prepared, named: Named, parts: Sequence[Ints] | None = None
) -> TransferPlan:
    """Decide from the matches which types to keep and how to draw from them (3.2, 5.2).

    Parameters
    ----------
    prepared : Prepared
    named : Named
    parts : sequence of ndarray of int64, optional
        Query cells of each part; by default all cells, in as few parts as can be.

    Returns
    -------
    TransferPlan
    """
    config, matches, every = prepared.config, named.matches, prepared.types
    kept = config.kept_types(matches, every)
    floor = 0.0 if set(kept) <= {match.matched_type for match in matches} else UNMATCHED_FLOOR
    proportions = type_weights(matches, kept, floor=floor)

    def position(name: str) -> int:
        return kept.index(name) if name in kept else -1

    of_cluster = np.array([position(match.matched_type) for match in matches])
    of_type = np.array([position(name) for name in every])
    matched = of_cluster[named.clusters.labels]
    draws = plan_draws(
        of_type[prepared.reference_types],
        proportions,
        matched,
        config,
        parts,
        prepared.reference.cell_sources,
    )
    return TransferPlan(kept, proportions, matched >= 0, draws, confirmed_share(matches))


def plan_draws(
    types: Ints,
    proportions: Float64,
    matched: Ints,
    config: Config,
    parts: Sequence[Ints] | None = None,
    sources: Ints | None = None,
) -> Draws:
    """Cut the query into parts, and draw the reference for each.

    Parameters
    ----------
    types : ndarray of int64, shape (n,)
        Kept type of each reference cell, −1 for cells that are filtered out.
    proportions : ndarray of float64, shape (T,)
        Share of each kept type in the draws if weights follow the matches.
    matched : ndarray of int64, shape (m,)
        Kept type to which each query cell's cluster is matched, −1 if it is matched to none.
        Nothing is transported onto unmatched cells, unless all cells are unmatched.
    config : Config
    parts : sequence of ndarray of int64, optional
        Query cells of each part; by default all cells, in as few parts as can be.
    sources : ndarray of int64, shape (n,), optional
        Set from which each reference cell came, if several were pooled. If weights follow the
        matches, each set is drawn to the proportions of its own types and transported separately
        onto the cells matched to them; otherwise all sets are drawn together.

    Returns
    -------
    Draws

    Notes
    -----
    See :func:`draw_size` for the size and number of the draws.
    """
    usable = np.flatnonzero(types >= 0)
    kept = types[usable]
    follow = config.weights == "matches"
    if parts is None:
        rng = np.random.default_rng([config.seed, 2])
        parts = split_query(len(matched), config.subset_size, rng)
    groups = [np.arange(len(usable))]
    if follow and sources is not None:
        of = sources[usable]
        groups = [np.flatnonzero(of == source) for source in np.unique(of)]
    has = np.array([np.bincount(kept[g], minlength=len(proportions)) > 0 for g in groups])
    # No more cells than a set has: copies would be each other's nearest neighbours in its
    # geodesics.
    sizes = np.array([min(config.subset_size, len(group)) for group in groups])
    drawn = []
    for part, cells in enumerate(parts):
        known = cells[matched[cells] >= 0]
        for source, (group, own) in enumerate(zip(groups, has, strict=True)):
            weights = proportions if own.all() else np.where(own, proportions, 0)
            most = sizes[source] if follow else len(group)
            most = max(1, round(most * weights.sum()))
            weights = weights if own.all() else weights / weights.sum()
            onto = known[own[matched[known]]]
            onto = next(some for some in (onto, known, cells) if len(some))
            size, draws = draw_size(config, most, len(onto))
            for number in range(draws):
                seed = [config.seed, 3, part, number, source]
                rng = np.random.default_rng(seed[: 4 + (len(groups) > 1)])
                chosen = group[draw_reference(kept[group], size, rng, weights if follow else None)]
                voting = _thinned(kept[chosen], sizes @ has, rng)
                drawn.append(Draw(part, number, chosen, onto, voting))
    drawn.sort(key=lambda draw: (draw.part, draw.number))
    return Draws(
        usable=usable,
        types=kept,
        weights=proportions[kept] / np.bincount(kept)[kept] if follow else None,
        parts=parts,
        drawn=drawn,
    )


def draw_size(config: Config, reference: int, target: int) -> tuple[int, int]:
    """Choose the size and number of the reference draws for a part of the query.

    If weights follow the matches, a draw has the proportions of the query and, if the reference has
    enough cells, also its size. The draw itself then has the right proportions, plans are
    permutations, and a solve is several times faster. Smaller draws are repeated more often, so
    that the same number of reference cells takes part. Otherwise, as in the paper, a draw is as
    large as allowed.

    Parameters
    ----------
    config : Config
    reference : int
        Cells to draw from.
    target : int
        Query cells onto which they are transported.

    Returns
    -------
    size, draws : int
    """
    most = min(config.subset_size, reference)
    if config.weights == "uniform":
        return most, 1 if most == reference else config.draws
    size = min(most, max(target, SMALLEST_DRAW))
    return size, round(config.draws * most / size)


def _thinned(types: Ints, drawn: Ints, rng: np.random.Generator) -> Ints:
    """Thin out the types that occur in several pooled sets.

    Otherwise they would be denser among the neighbours than types of a single set. ``drawn``, of
    shape (T,), counts the cells drawn from the sets that have each type.
    """
    chosen = []
    fewest = drawn[drawn > 0].min()
    for name in np.unique(types):
        members = rng.permutation(np.flatnonzero(types == name))
        chosen.append(members[: -(-len(members) * fewest // drawn[name])])
    return np.sort(np.concatenate(chosen))
