"""Decisions on clusters, and the current clusters that they apply to.

A decision is stored with the cells of its cluster, not with the cluster's number, so that it
remains valid after a new run with other clusters. For each cluster, at most one confirmed match and
one name are found among the decisions.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from celltransfer_core.matching.matches import Confirmation
from celltransfer_core.pipeline.clusters import Clusters
from celltransfer_core.pipeline.edits import shorten_hashes
from celltransfer_core.studies.records import Decision
from celltransfer_core.types import Ints
from celltransfer_core.vocabulary import NONE_TYPE

CARRIED = 0.5
"""A cluster inherits a decision that was made on more than this share of its cells."""


@dataclass(frozen=True)
class Standing:
    """A decision that applies to one of the current clusters."""

    confirmation: Confirmation
    at: str
    """When it was made, UTC, ISO 8601."""
    share: float
    """Share of the cluster's cells that the decision was made on; 1 if the cluster is the same."""


def standing_names(
    clusters: Clusters, cells: Sequence[str], decisions: Sequence[Decision]
) -> dict[int, str]:
    """Find the names that people gave to the current clusters.

    Parameters
    ----------
    clusters : Clusters
    cells : sequence of str, length m
        Hashes.
    decisions : sequence of Decision
        Decisions of the kind ``cluster-name``, oldest first. Their payloads hold ``cells``
        (shortened hashes) and ``name`` (empty to remove the name).

    Returns
    -------
    dict from a cluster's number to its name
        Clusters without a name are left out.
    """
    named = [
        replace(d, payload={"cells": d.payload["cells"], "type": d.payload["name"] or None})
        for d in decisions
    ]
    names = [d.payload["type"] for d in named if d.payload["type"]]
    standing = standing_decisions(clusters, cells, named, names)
    return {one.confirmation.cluster: one.confirmation.type_name for one in standing}


def standing_decisions(
    clusters: Clusters, cells: Sequence[str], decisions: Sequence[Decision], types: Sequence[str]
) -> tuple[Standing, ...]:
    """Find the decisions on matches that apply to the current clusters.

    For each cell the latest decision counts. A cluster takes the type that most of its cells were
    given, if their share of the cluster is more than :data:`CARRIED`.

    Parameters
    ----------
    clusters : Clusters
    cells : sequence of str, length m
        Hashes.
    decisions : sequence of Decision
        Decisions of the kind ``match``, oldest first. Their payloads hold ``cells`` (shortened
        hashes) and ``type`` (None to take an earlier decision back); ``new`` is true for a type
        that the reference lacks.
    types : sequence of str
        Types of the reference; another type counts only if the decision marks it as new.

    Returns
    -------
    tuple of Standing
        At most one per cluster, in the order of the clusters.
    """
    place = {cell: index for index, cell in enumerate(shorten_hashes(cells))}
    latest: Ints = np.full(len(cells), -1, dtype=np.int64)
    for number, decision in enumerate(decisions):
        latest[[place[c] for c in decision.payload["cells"] if c in place]] = number
    allowed = {*types, NONE_TYPE}
    standing = []
    for cluster, name in enumerate(clusters.names.tolist()):
        inside = latest[clusters.labels == cluster]
        counts: dict[str, int] = {}
        for number in inside[inside >= 0].tolist():
            given = decisions[number].payload["type"]
            if given in allowed or (given and decisions[number].payload.get("new")):
                counts[given] = counts.get(given, 0) + 1
        if not counts:
            continue
        best = max(counts, key=lambda given: (counts[given], given))
        share = counts[best] / len(inside)
        if share > CARRIED:
            last = decisions[
                max(
                    number
                    for number in set(inside.tolist())
                    if number >= 0 and decisions[number].payload["type"] == best
                )
            ]
            standing.append(Standing(Confirmation(name, best, last.who), last.at, share))
    return tuple(standing)
