"""Records passed between the steps (3.1–3.4): prepared sets, clusters, voters, run results."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from celltransfer_core.classify.voting import Vote, mean_probabilities
from celltransfer_core.clustering.components import principal_components
from celltransfer_core.config.config import Config
from celltransfer_core.config.settings import ConfigStage, voter_name
from celltransfer_core.data.dataset import Dataset
from celltransfer_core.encoders.registry import EncoderSpec
from celltransfer_core.framing.sets import Framing
from celltransfer_core.matching.matches import Confirmation, Match, match_clusters
from celltransfer_core.matching.plane import ClusterPlane, Refinement
from celltransfer_core.matching.scores import Similarity
from celltransfer_core.people.flags import Flags, find_flags
from celltransfer_core.people.must_find import cells_to_show
from celltransfer_core.people.updated import UpdatedVote
from celltransfer_core.pipeline.clusters import Clusters, by_position, check_confirmations
from celltransfer_core.pipeline.features import (
    Block,
    Embeddings,
    ReferenceTypes,
    add_discriminant,
    describe_types,
    level_sources,
    query_blocks,
    representation,
)
from celltransfer_core.pipeline.sources import NearestSets
from celltransfer_core.transport.fgw import TransportLog
from celltransfer_core.types import Bools, Float32, Float64, Ints
from celltransfer_core.vocabulary import NONE_TYPE, QUERY, REFERENCE

DISCRIMINANT = "discriminant"
"""Alignment name of the voter whose types are fitted to the query itself."""

GALLERY = 10
"""Number of nearest reference cells kept for each query cell and voter."""


@dataclass(frozen=True)
class Failure:
    """An encoder that could not be used."""

    encoder: str
    reason: str


@dataclass(frozen=True)
class Voter:
    """One encoder or concatenation, aligned or not, and its predictions for m query cells."""

    encoders: tuple[str, ...]
    alignment: str
    """``"none"``, ``"centre"``, ``"fgw"`` or :data:`DISCRIMINANT`."""
    weight: float
    accuracy: float
    """Leave-one-out balanced accuracy on the reference."""
    mixing: float
    """How well both sets mix, 0 to 1."""
    probabilities: Float64
    """Shape (m, T)."""
    neighbours: Ints
    """Nearest reference cells, shape (m, GALLERY); −1 where there are fewer."""
    distances: Float32
    """Distances of the neighbours, same shape; NaN where there are fewer."""

    @property
    def name(self) -> str:
        """Name of the voter, such as ``colour+shape:fgw``."""
        return f"{voter_name(self.encoders)}:{self.alignment}"


@dataclass(frozen=True)
class Solve:
    """One transport: its voter, its size and its log."""

    voter: str
    part: int
    draw: int
    source: int
    target: int
    log: TransportLog


@dataclass(frozen=True)
class RunResult:
    """The result of a run: n reference cells, m query cells, T kept types, C clusters."""

    config: Config
    reference: Dataset
    query: Dataset
    extras: Mapping[str, Dataset]
    framing: Framing
    encoders: tuple[EncoderSpec, ...]
    failures: tuple[Failure, ...]
    clusters: Clusters
    scores: Mapping[str, Similarity]
    """Similarity by set: the query, the reference itself, each extra set."""
    plane: ClusterPlane
    matches: tuple[Match, ...]
    types: tuple[str, ...]
    """Kept types of the reference."""
    filtered: Mapping[str, int]
    """Filtered types and their numbers of cells."""
    alike: Ints
    """Query cells most similar to each type of the reference, kept or not; see :class:`Named`."""
    proportions: Float64
    """Share of each kept type in the query expected from the matches, shape (T,)."""
    parts: int
    voters: tuple[Voter, ...]
    solves: tuple[Solve, ...]
    vote: Vote
    """Vote of the ensemble, or the vote updated with answers: see ``updated``."""
    features: Float32
    """Rows of the query on which its clusters were found, shape (m, d)."""
    updated: UpdatedVote | None = None
    """The vote updated with answers, if there were any; see
    :func:`~celltransfer_core.pipeline.updates.update_vote`."""
    ruled_out: Mapping[str, Ints] | None = None
    """Query cells that resemble types of ``config.absent``, by type; None if no type is absent."""
    cluster_votes: Float64 | None = None
    """Votes by which clusters were named, shape (C, types of the reference); see
    :attr:`Named.votes`."""
    blocks: tuple[Block, ...] | None = None
    """Computation of the first columns of ``features`` from embeddings; None in results of earlier
    versions."""
    reference_types: ReferenceTypes | None = None
    """The types of the reference, in these columns; None in results of earlier versions."""
    nearest: NearestSets | None = None
    """See :attr:`Prepared.nearest`."""

    @property
    def aligned(self) -> bool:
        """Whether there are aligned voters besides the others."""
        return len({voter.alignment for voter in self.voters} - {DISCRIMINANT}) > 1

    def configured(self, config: Config) -> Config:
        """Return the result's configuration with the settings of another one that it does not fix.

        Parameters
        ----------
        config : Config

        Returns
        -------
        Config
            Voter weights and flags are recomputed whenever a result is read. Without aligned
            voters, the settings for alignment are not fixed either. Equal to ``config`` if the
            result is valid for it.
        """
        late: tuple[ConfigStage, ...] = ("aligned voters", "weighing", "flagging")
        late = late if self.aligned else ("aligned", *late)
        return replace(self.config, **config.first_deciding(*late))

    @property
    def predicted(self) -> tuple[str, ...]:
        """Predicted type of each query cell, length m."""
        return tuple(self.types[winner] for winner in self.vote.winner)

    @property
    def matched(self) -> tuple[str, ...]:
        """Matched type of each query cell's cluster, length m."""
        return tuple(self.matches[cluster].matched_type for cluster in self.clusters.labels)

    @cached_property
    def probabilities(self) -> Float64:
        """Uncalibrated probabilities of query cells, without their own answers, shape (m, T)."""
        if self.updated:
            return self.updated.probabilities
        weights = np.array([voter.weight for voter in self.voters])
        return mean_probabilities(np.stack([v.probabilities for v in self.voters]), weights)

    @cached_property
    def to_show(self) -> Mapping[str, Bools]:
        """Cells to show in addition to those predicted as a must-find type, by type."""
        typed = self.updated.typed if self.updated else np.zeros(self.query.n_cells, dtype=bool)
        return {
            name: cells_to_show(self.probabilities[:, place], self.vote.winner == place, typed)
            for place, name in enumerate(self.types)
            if name in self.config.must_find
        }

    def seen_as(self, name: str) -> Bools:
        """Find the cells predicted as a type of ``to_show`` or shown in addition to those."""
        return self.to_show[name] | (self.vote.winner == self.types.index(name))

    @cached_property
    def flags(self) -> Flags:
        """Query cells that need review, and the expected errors among the others."""
        return find_flags(
            self.vote,
            self.updated,
            np.array([name == NONE_TYPE for name in self.matched], dtype=bool)
            | np.any([*self.to_show.values(), np.zeros(self.query.n_cells, dtype=bool)], axis=0),
            error=self.config.flag_error,
            agreement=self.config.flag_threshold,
        )

    @property
    def flagged(self) -> Bools:
        """Which query cells need review, shape (m,)."""
        return self.flags.flagged


@dataclass(frozen=True)
class Prepared:
    """Sets that are framed and embedded (3.1)."""

    config: Config
    reference: Dataset
    query: Dataset
    extras: Mapping[str, Dataset]
    framing: Framing
    encoders: tuple[EncoderSpec, ...]
    failures: tuple[Failure, ...]
    embeddings: Embeddings
    voters: tuple[tuple[str, ...], ...]
    """Voters whose encoders all work."""
    nearest: NearestSets | None = None
    """Nearness of the sets of a pooled reference to the query; None for a single set."""

    @property
    def cluster_on(self) -> tuple[str, ...]:
        """Encoders on which clusters are found."""
        return self.config.cluster_encoder or self.voters[0]

    @property
    def types(self) -> tuple[str, ...]:
        """Every type of the reference, sorted."""
        return type_names(self.reference)

    @property
    def reference_types(self) -> Ints:
        """Number of each reference cell's type, shape (n,)."""
        return np.searchsorted(self.types, self.reference.cell_labels).astype(np.int64)

    @cached_property
    def comparable(self) -> Embeddings:
        """Embeddings for comparing sets, with pooled references levelled unless features are raw.

        See :func:`level_sources`.
        """
        if self.config.features == "raw" or len(self.reference.sources) == 1:
            return self.embeddings
        types, sources = self.reference_types, self.reference.cell_sources
        reference = {
            member: level_sources(X, types, sources)
            for member, X in self.embeddings[REFERENCE].items()
        }
        return {**self.embeddings, REFERENCE: reference}

    @cached_property
    def compared(self) -> tuple[Float32, Float32]:
        """Reference and query rows for :attr:`cluster_on`, shape (n, d) and (m, d), joined once.

        See :func:`~celltransfer_core.pipeline.features.representation`.
        """
        return representation(self.comparable, self.cluster_on, self.config)

    @cached_property
    def cluster_features(self) -> Float32:
        """Rows on which clusters of the query are found, shape (m, d'), computed once.

        The query rows of :attr:`compared`, extended unless features are raw by
        :func:`~celltransfer_core.pipeline.features.add_discriminant`.
        """
        if self.config.features == "raw":
            return self.compared[1]
        return add_discriminant(*self.compared, self.reference_types)

    @property
    def blocks(self) -> tuple[Block, ...]:
        """Computation of the first columns of :attr:`cluster_features` from embeddings."""
        return query_blocks(self.comparable, self.cluster_on, self.config, self.compared[0])

    def describe_types(self) -> ReferenceTypes:
        """Describe the types of the reference in the columns of :attr:`blocks`."""
        return describe_types(self.compared[0], self.reference.cell_labels, self.config)

    @cached_property
    def components(self) -> Float64:
        """First principal components of :attr:`cluster_features`, shape (m, 20 or fewer)."""
        return principal_components(self.cluster_features)


@dataclass(frozen=True)
class Named:
    """Clusters of the query, and the type that each is matched to (3.2)."""

    clusters: Clusters
    scores: Mapping[str, Similarity]
    plane: ClusterPlane
    refinements: tuple[Refinement, ...] | None
    """Proposals of the t-SNE vote; None without extra sets."""
    alike: Ints
    """Query cells most similar to each type of the reference, shape (T, 8 or fewer); see
    :func:`celltransfer_core.matching.most_alike`."""
    matches: tuple[Match, ...]
    votes: Float64 | None = None
    """Share of each cluster's votes for each type, shape (C, T), if clusters are named by votes;
    see :func:`~celltransfer_core.pipeline.cell_votes.cluster_votes`."""

    def confirm(self, confirmations: Sequence[Confirmation]) -> Named:
        """Confirm some clusters; earlier confirmations are dropped.

        Parameters
        ----------
        confirmations : sequence of Confirmation
            Confirmations by the cluster numbers shown in tables.

        Returns
        -------
        Named

        Raises
        ------
        DataError
            If they name other types or clusters.
        """
        check_confirmations(confirmations, self.scores[QUERY].types)
        confirmed = by_position(confirmations, self.clusters)
        matches = match_clusters(
            self.scores[QUERY], self.clusters.sizes, self.refinements, confirmed, self.votes
        )
        return replace(self, matches=matches)


def type_names(reference: Dataset) -> tuple[str, ...]:
    """List the types of a reference.

    Parameters
    ----------
    reference : Dataset

    Returns
    -------
    tuple of str
        Sorted.
    """
    return tuple(sorted(set(reference.cell_labels.tolist())))
