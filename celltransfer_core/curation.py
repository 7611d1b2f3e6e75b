"""What people said of clusters, brought to the clusters at hand.

Words are kept with the cells they were said of, not with a cluster's number: so they outlive a
new run in which clusters are other ones.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from celltransfer_core.cache import Cache
from celltransfer_core.embeddings import embed
from celltransfer_core.encoders import load_encoder
from celltransfer_core.errors import DataError
from celltransfer_core.matching import NONE_TYPE, QUERY, REFERENCE, Confirmation
from celltransfer_core.neighbors import nearest
from celltransfer_core.pipeline import Clusters, Prepared, cluster_features
from celltransfer_core.types import Bools, Float32, Ints

PREFIX = 16
"""Hexadecimal digits of a cell's hash that tell it from all others of a set."""

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


def short(cells: Sequence[str]) -> list[str]:
    """Shorten hashes to what words keep of them.

    Parameters
    ----------
    cells : sequence of str

    Returns
    -------
    list of str
    """
    return [cell[:PREFIX] for cell in cells]


def edit_clusters(
    clusters: Clusters, cells: Sequence[str], edits: Sequence[Mapping[str, Any]]
) -> Clusters:
    """Move cells between clusters as a person said.

    Parameters
    ----------
    clusters : Clusters
        As they were found.
    cells : sequence of str, length m
        Hashes.
    edits : sequence of mapping
        Each with ``cells`` (shortened hashes) and ``to`` (the number of a cluster; None for a new
        one). Splitting moves a part of a cluster to a new one; merging moves all of it.

    Returns
    -------
    Clusters
        Numbers of untouched clusters stay. Density is NaN where cells came or went.
    """
    if not edits:
        return clusters
    place = {cell: index for index, cell in enumerate(short(cells))}
    numbers = clusters.names[clusters.labels]
    touched: set[int] = set()
    highest = int(clusters.names.max())
    for edit in edits:
        moved = [place[cell] for cell in edit["cells"] if cell in place]
        if edit["to"] is None:
            highest += 1
        target = highest if edit["to"] is None else int(edit["to"])
        touched |= {int(number) for number in numbers[moved]} | {target}
        numbers[moved] = target
    names, labels = np.unique(numbers, return_inverse=True)
    known = dict(zip(clusters.names.tolist(), clusters.density.tolist(), strict=True))
    density = [np.nan if n in touched else known[n] for n in names.tolist()]
    return replace(clusters, labels=labels.astype(np.int64), names=names, density=np.array(density))


def central_first(clusters: Clusters, cluster: int) -> Ints:
    """List the cells of a cluster, the most central first.

    Parameters
    ----------
    clusters : Clusters
    cluster : int
        Its position, 0 … C − 1.

    Returns
    -------
    ndarray of int64
    """
    inside = np.flatnonzero(clusters.labels == cluster)
    return inside[np.argsort(-clusters.centrality[inside], kind="stable")]


def split_in_two(X: Float32, *, seed: int = 0) -> Bools:
    """Part the cells of a cluster in two by 2-means.

    Parameters
    ----------
    X : ndarray of float32, shape (k, d)
        Their embeddings.
    seed : int

    Returns
    -------
    ndarray of bool, shape (k,)
        Which cells are the smaller part; of two equal ones the part without the first cell.

    Raises
    ------
    DataError
        If there are no two cells that differ.
    """
    from sklearn.cluster import KMeans

    if len(X) < 2 or (X[0] == X).all():
        raise DataError("This cluster cannot be split: its cells are all alike to the encoder.")
    part = KMeans(n_clusters=2, n_init=10, random_state=seed).fit_predict(X) == 1
    smaller = part.sum() < len(X) / 2 or (2 * part.sum() == len(X) and not part[0])
    return part if smaller else ~part


def extend_selection(X: Float32, shown: Ints, picked: Ints) -> Ints:
    """Add to cells that were picked on a map of a sample those that are not on it but most alike.

    Parameters
    ----------
    X : ndarray of float32, shape (m, d)
        Embeddings of all cells.
    shown : ndarray of int64, shape (s,)
        Cells on the map.
    picked : ndarray of int64
        Some of them.

    Returns
    -------
    ndarray of int64
        Ascending. A cell that is not on the map goes with the nearest one that is.
    """
    hidden = np.setdiff1d(np.arange(len(X)), shown)
    if not len(hidden) or not len(picked):
        return np.sort(picked)
    beside = shown[nearest(X[hidden], X[shown], 1)[1][:, 0]]
    return np.sort(np.concatenate([picked, hidden[np.isin(beside, picked)]]))


def query_embeddings(prepared: Prepared, cache: Cache) -> Float32:
    """Read what the query's clusters were found on.

    Parameters
    ----------
    prepared : Prepared
        With or without its embeddings.
    cache : Cache
        Where they are kept; what is missing is computed again.

    Returns
    -------
    ndarray of float32, shape (m, d)

    Raises
    ------
    CellTransferError
        If an encoder or an image cannot be read any more.
    """
    crops = {name: prepared.framing.crops[name] for name in (REFERENCE, QUERY)}
    rows = {
        name: {
            encoder: embed(cells, load_encoder(encoder), cache, workers=1)
            for encoder in prepared.cluster_on
        }
        for name, cells in crops.items()
    }
    return cluster_features(replace(prepared, embeddings=rows))


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
