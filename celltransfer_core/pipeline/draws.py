"""TODO celltransfer_core/pipeline/draws.py."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from celltransfer_core.config import Config
from celltransfer_core.matching.matches import type_weights
from celltransfer_core.pipeline.result import Named, Prepared
from celltransfer_core.pipeline.subsets import draw_reference, split_query
from celltransfer_core.types import Bools, Float64, Ints

UNMATCHED_FLOOR = 0.03
"""Least share of a type in the draws where unmatched types are not filtered out."""

SMALLEST_DRAW = 100
"""Reference cells that are drawn where there are so many, however few they are transported onto."""


def plan_transfer(
    prepared: Prepared, named: Named, parts: Sequence[Ints] | None = None
) -> TransferPlan:
    """Decide from the matches which types are kept, and what is drawn of them (3.2, 5.2).

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
    fits = np.array([kept.index(m.matched_type) if m.matched_type in kept else -1 for m in matches])
    matched = fits[named.clusters.labels]
    place = np.array([kept.index(name) if name in kept else -1 for name in every])
    draws = plan_draws(
        place[prepared.reference_types],
        proportions,
        matched,
        config,
        parts,
        prepared.reference.cell_sources,
    )
    return TransferPlan(kept, proportions, matched >= 0, draws)


@dataclass(frozen=True)
class Draw:
    """A subset of the reference, and what it is transported onto."""

    part: int
    """Of the query,"""
    number: int
    """and the how manieth of that part."""
    cells: Ints
    """Positions in ``Draws.usable``, ascending, a cell as often as it was drawn."""
    onto: Ints
    """Query cells."""
    voting: Ints
    """Positions in ``cells`` of those that the query is classified with."""


@dataclass(frozen=True)
class Draws:
    """How both sets are cut into subsets for transport (5.2)."""

    usable: Ints
    """Reference cells of kept types, shape (u,)."""
    types: Ints
    """Their kept types, shape (u,)."""
    weights: Float64 | None
    """What each counts in the reference's mean, shape (u,); None for evenly."""
    parts: Sequence[Ints]
    """Query cells of each part."""
    drawn: Sequence[Draw]
    """Ordered by part and number; one a source where sources are transported by themselves."""

    def of_part(self, part: int) -> list[Draw]:
        """List the draws of one part of the query."""
        return [draw for draw in self.drawn if draw.part == part]


@dataclass(frozen=True)
class TransferPlan:
    """What the matches decide before anything is aligned."""

    types: tuple[str, ...]
    """Types of the reference that are kept."""
    proportions: Float64
    """Share of each that is expected in the query, shape (T,)."""
    known: Bools
    """Which query cells are in clusters that some type fits, shape (m,)."""
    draws: Draws


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
        Share of each kept type to draw where weights follow the matches.
    matched : ndarray of int64, shape (m,)
        Kept type that each query cell's cluster is matched to, −1 where none fits; nothing is
        transported onto those. Without any other cell all count.
    config : Config
    parts : sequence of ndarray of int64, optional
        Query cells of each part; by default all cells, in as few parts as can be.
    sources : ndarray of int64, shape (n,), optional
        Set that each reference cell came from, where several were pooled. If weights follow the
        matches, each is drawn to the proportions of its own types, and transported by itself onto
        the cells matched to them; otherwise they are drawn together.

    Returns
    -------
    Draws

    Notes
    -----
    For how many cells are drawn, and how often, see :func:`draw_size`.
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
    # No more than a set has: copies would be each other's nearest neighbours in its geodesics.
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
    """Tell how many reference cells are drawn at once for a part of the query, and how often.

    Where weights follow the matches, a draw has the query's proportions and, if the reference has
    as many, its size: even weights then say what uneven ones would, plans are permutations, and
    a solve is several times faster. More draws make up for smaller ones, so that as many
    reference cells take part. Otherwise, as in the paper, a draw is as large as it may be.

    Parameters
    ----------
    config : Config
    reference : int
        Cells to draw from.
    target : int
        Query cells that they are transported onto.

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
    # A type that more sets have would otherwise be that much denser among the neighbours: ``drawn``
    # counts the cells of the sets that have it.
    chosen = []
    fewest = drawn[drawn > 0].min()
    for name in np.unique(types):
        members = rng.permutation(np.flatnonzero(types == name))
        chosen.append(members[: -(-len(members) * fewest // drawn[name])])
    return np.sort(np.concatenate(chosen))
