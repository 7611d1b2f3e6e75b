"""The clusters of a study with their matches, as the Matches page shows them."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from celltransfer_core.config import Config
from celltransfer_core.data import Dataset
from celltransfer_core.matching import Match, Similarity
from celltransfer_core.pipeline import (
    Clusters,
    Named,
    Opinion,
    Purity,
    cluster_purity,
    cluster_state,
    possible_slips,
)
from celltransfer_core.studies import (
    Standing,
    load_current,
    load_named,
    load_opinion,
    standing_names,
    study_config,
)
from celltransfer_core.vocabulary import QUERY, REFERENCE
from parts.here import Here
from parts.study_types import colours, named_types


@dataclass(frozen=True)
class Matched:
    """Clusters, matches and answers, read once for all parts of the page.

    A cluster's position is its index in ``matches``; its number is shown to users.
    """

    here: Here
    config: Config
    named: Named
    query: Dataset
    reference: Dataset
    shades: Mapping[str, str]
    """The colour of each type."""
    new_types: list[str]
    """Types that people named but the reference lacks."""
    standing: Mapping[int, Standing]
    """Current answers, by the number of their cluster."""
    names: Mapping[int, str]
    """Names that people gave to clusters, by number."""
    slips: Mapping[int, str]
    """Positions of clusters that may be named by mistake, and the encoders' predictions."""
    opinion: Opinion
    """The encoders' predictions for each cell, before people's answers."""
    purity: tuple[Purity, ...]
    """How pure each cluster seems by these predictions."""
    order: list[int]
    """Positions, the largest cluster first."""

    @property
    def clusters(self) -> Clusters:
        """The clusters."""
        return self.named.clusters

    @property
    def matches(self) -> tuple[Match, ...]:
        """The match of each cluster."""
        return self.named.matches

    @property
    def scores(self) -> Similarity:
        """The paper's scores (A.2)."""
        return self.named.scores[QUERY]

    @property
    def strength(self) -> np.ndarray:
        """Basis of the names of clusters, shape (C, T): their votes, or the paper's scores."""
        return self.scores.p if self.named.votes is None else self.named.votes

    @property
    def types(self) -> tuple[str, ...]:
        """The types of the reference."""
        return self.scores.types

    def number(self, position: int) -> int:
        """Return the number of a cluster."""
        return int(self.clusters.names[position])

    def of(self, reader: str) -> "Matched":
        """Return the same for another reader, such as one who has just given a name."""
        return replace(self, here=self.here.of(reader))

    def position(self, number: int) -> int:
        """Return the position of the cluster with a number."""
        return self.clusters.names.tolist().index(number)

    def label(self, position: int) -> str:
        """Write the label of a cluster."""
        number = self.number(position)
        return f"{number} · {self.names[number]}" if number in self.names else str(number)

    def state(self, position: int) -> str:
        """Describe the state of a cluster in a word or two."""
        word = self.standing.get(self.number(position))
        share = 1.0 if word is None else word.share
        return cluster_state(self.matches[position], share=share, slip=position in self.slips)

    def waiting(self) -> list[int]:
        """List the clusters that nobody has confirmed, the largest first."""
        return [position for position in self.order if not self.matches[position].confirmed]

    def left_out(self) -> list[str]:
        """List the types that no cluster is matched to and nobody has kept."""
        kept = self.config.kept_types(self.matches, self.types)
        return [name for name in self.types if name not in kept]


def load_matched(here: Here) -> Matched:
    """Read what the Matches page shows; the matches must exist."""
    named, standing = load_named(here.workspace, here.id)
    query = here.pooled(QUERY)
    current = load_current(here.workspace, here.id)
    opinion = load_opinion(here.workspace, here.id)
    decisions = here.workspace.decisions(here.id, "cluster-name")
    return Matched(
        here,
        config=study_config(here.workspace, here.study),
        named=named,
        query=query,
        reference=here.used(REFERENCE),
        shades=colours(here),
        new_types=named_types(here),
        standing={one.confirmation.cluster: one for one in standing},
        names=standing_names(named.clusters, query.cells, decisions),
        slips=possible_slips(current.run) if current else {},
        opinion=opinion,
        purity=cluster_purity(opinion, named.clusters.labels),
        order=np.argsort(-named.clusters.sizes, kind="stable").tolist(),
    )
