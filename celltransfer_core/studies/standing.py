"""What people said of clusters, brought to the clusters at hand.

Annotations are kept with the cells they were said of, not with a cluster's number: so they outlive a
new run in which clusters are other ones.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from celltransfer_core.matching.matches import Confirmation
from celltransfer_core.pipeline.edits import short
from celltransfer_core.pipeline.result import Clusters
from celltransfer_core.types import Ints
from celltransfer_core.vocabulary import NONE_TYPE

CARRIED = 0.5
"""A cluster inherits a word that was said of more than this share of its cells."""


@dataclass(frozen=True)
class Word:
    """What somebody said, when, in order of time."""

    payload: Mapping[str, Any]
    who: str
    at: str


@dataclass(frozen=True)
class Standing:
    """A word that stands for one of the clusters at hand."""

    confirmation: Confirmation
    at: str
    share: float
    """Share of the cluster's cells that it was said of; 1 where the cluster is the same."""


def standing_names(
    clusters: Clusters, cells: Sequence[str], words: Sequence[Word]
) -> dict[int, str]:
    """Find the names that people gave to the clusters at hand.

    Parameters
    ----------
    clusters : Clusters
    cells : sequence of str, length m
        Hashes.
    words : sequence of Word
        Their payloads hold ``cells`` (shortened hashes) and ``name`` (empty takes it back).

    Returns
    -------
    dict from a cluster's number to its name
        Without those that nobody named.
    """
    named = [
        replace(
            word, payload={"cells": word.payload["cells"], "type": word.payload["name"] or None}
        )
        for word in words
    ]
    every = [word.payload["type"] for word in named if word.payload["type"]]
    standing = standing_words(clusters, cells, named, every)
    return {one.confirmation.cluster: one.confirmation.type_name for one in standing}


def standing_words(
    clusters: Clusters, cells: Sequence[str], words: Sequence[Word], types: Sequence[str]
) -> tuple[Standing, ...]:
    """Find which words stand for the clusters at hand.

    Parameters
    ----------
    clusters : Clusters
    cells : sequence of str, length m
        Hashes.
    words : sequence of Word
        Their payloads hold ``cells`` (shortened hashes) and ``type`` (None takes back what was
        said of them); ``new`` is true where the type is one that the reference lacks.
    types : sequence of str
        Of the reference; words that name another type do not count unless they say it is new.

    Returns
    -------
    tuple of Standing
        At most one a cluster.
    """
    place = {cell: index for index, cell in enumerate(short(cells))}
    latest: Ints = np.full(len(cells), -1, dtype=np.int64)
    for number, word in enumerate(words):
        latest[[place[c] for c in word.payload["cells"] if c in place]] = number
    allowed = {*types, NONE_TYPE}
    standing = []
    for cluster, name in enumerate(clusters.names.tolist()):
        inside = latest[clusters.labels == cluster]
        counts: dict[str, int] = {}
        for number in inside[inside >= 0].tolist():
            said = words[number].payload["type"]
            if said in allowed or (said and words[number].payload.get("new")):
                counts[said] = counts.get(said, 0) + 1
        if not counts:
            continue
        best = max(counts, key=lambda said: (counts[said], said))
        share = counts[best] / len(inside)
        if share > CARRIED:
            last = max(
                n for n in set(inside.tolist()) if n >= 0 and words[n].payload["type"] == best
            )
            standing.append(
                Standing(Confirmation(name, best, words[last].who), words[last].at, share)
            )
    return tuple(standing)
