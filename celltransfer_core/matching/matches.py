"""TODO celltransfer_core/matching/matches.py."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from celltransfer_core.matching.plane import Refinement
from celltransfer_core.matching.scores import Similarity
from celltransfer_core.neighbors.search import nearest
from celltransfer_core.types import Float32, Float64, Ints

MOST_ALIKE = 8
"""Query cells that are shown of a type which no cluster matches."""

_NEAREST, _OF_TYPE = 5, 500  # cells of a type that are near, of so many


@dataclass(frozen=True)
class Match:
    """What one cluster of the query is taken for."""

    cluster: int
    cells: int
    matched_type: str
    """A type of the reference; or ``"none"`` or a new type if a person said so."""
    score: float
    """p of the matched type, clipped to [0, 1]; 0 if the reference has none."""
    runner_up: str
    runner_up_score: float
    tsne_type: str
    """What the t-SNE vote proposes; empty without extra sets."""
    reason: str
    confirmed: bool
    """A person's word."""
    by: str
    """Who confirmed it."""


@dataclass(frozen=True)
class Confirmation:
    """A person's word on one cluster."""

    cluster: int
    type_name: str
    by: str = ""
    cells: int | None = None
    """Cells it had when the word was given, to notice when clusters have changed."""


def confirmed_share(matches: Sequence[Match]) -> float:
    """Tell how much of the query lies in clusters that people confirmed.

    Parameters
    ----------
    matches : sequence of Match

    Returns
    -------
    float
        Share of the cells, 0 to 1.
    """
    confirmed = sum(match.cells for match in matches if match.confirmed)
    return confirmed / sum(match.cells for match in matches)


def match_clusters(
    score: Similarity,
    sizes: Ints,
    refinements: Sequence[Refinement] | None = None,
    confirmations: Sequence[Confirmation] = (),
) -> tuple[Match, ...]:
    """Name every cluster: by a person's word where there is one, by its best score elsewhere.

    Parameters
    ----------
    score : Similarity
    sizes : ndarray of int64, shape (C,)
        Cells in each cluster.
    refinements : sequence of Refinement, length C, optional
    confirmations : sequence of Confirmation

    Returns
    -------
    tuple of Match, length C
    """
    words = {word.cluster: word for word in confirmations}
    matches = []
    for cluster, row in enumerate(np.clip(score.p, 0, 1)):
        # Clipped scores tie at 0 and the true ones do not: rank by what was computed.
        order = np.argsort(-score.p[cluster], kind="stable")
        word = words.get(cluster)
        matched = word.type_name if word else score.types[order[0]]
        others = [t for t in order if score.types[t] != matched]
        matches.append(
            Match(
                cluster=cluster,
                cells=int(sizes[cluster]),
                matched_type=matched,
                score=float(row[score.types.index(matched)]) if matched in score.types else 0.0,
                runner_up=score.types[others[0]] if others else "",
                runner_up_score=float(row[others[0]]) if others else 0.0,
                tsne_type=refinements[cluster].type_name if refinements else "",
                reason=refinements[cluster].reason if refinements else "",
                confirmed=word is not None,
                by=word.by if word else "",
            )
        )
    return tuple(matches)


def shared_types(
    matches: Sequence[Match], types: Sequence[str], keep: Sequence[str] = ()
) -> tuple[str, ...]:
    """List the types that some cluster matches (3.2): the others are filtered out.

    Parameters
    ----------
    matches : sequence of Match
    types : sequence of str
    keep : sequence of str
        Types that a person has seen in the query, whatever its clusters are called.

    Returns
    -------
    tuple of str
        In the order of ``types``; all of them if fewer than two are matched.
    """
    matched = {match.matched_type for match in matches}
    shared = [name for name in types if name in matched]
    return tuple(name for name in types if len(shared) < 2 or name in {*shared, *keep})


def most_alike(Xs: Float32, types: Ints, Xt: Float32, n_types: int) -> Ints:
    """Find the query cells that are most like each type.

    A rare type may hold the majority in no cluster: these are the cells to look at before it is
    taken for absent.

    Parameters
    ----------
    Xs, Xt : ndarray of float32, shape (n, d) and (m, d)
        Reference and query, comparable.
    types : ndarray of int64, shape (n,)
        Of the reference's rows, 0 … n_types − 1.
    n_types : int

    Returns
    -------
    ndarray of int64, shape (n_types, min(:data:`MOST_ALIKE`, m))
        Rows of the query, those first that are nearest to the type (mean of five of its cells, of
        at most 500) for how far the nearest other type is.
    """
    far = np.empty((n_types, len(Xt)))
    for number in range(n_types):
        rows = np.flatnonzero(types == number)[:_OF_TYPE]
        far[number] = nearest(Xt, Xs[rows], min(_NEAREST, len(rows)))[0].mean(axis=1)
    alike = []
    for number in range(n_types):
        others = np.delete(far, number, axis=0).min(axis=0, initial=np.inf)
        ratio = far[number] / np.maximum(others, np.finfo(np.float32).tiny)
        alike.append(np.lexsort((far[number], ratio))[:MOST_ALIKE])
    return np.stack(alike)


def type_weights(matches: Sequence[Match], types: Sequence[str], *, floor: float = 0.0) -> Float64:
    """Estimate what share of the query each type holds, from the sizes of its clusters.

    A cluster that a person confirmed gives all its cells to its type. A proposed one gives the
    share p of them, its score, and spreads the rest evenly over all types. "None" clusters count
    for nothing.

    Parameters
    ----------
    matches : sequence of Match
    types : sequence of str, length T
        Types to weigh: a cluster matched to another type counts for nothing.
    floor : float
        Least share of a type.

    Returns
    -------
    ndarray of float64, shape (T,)
        Sums to one; uniform where no cluster counts.
    """
    weights = np.zeros(len(types))
    for match in matches:
        if match.matched_type in types:
            trust = 1.0 if match.confirmed else match.score
            weights += match.cells * (1 - trust) / len(types)
            weights[list(types).index(match.matched_type)] += match.cells * trust
    if not weights.any():
        return np.full(len(types), 1 / len(types))
    weights = np.maximum(weights / weights.sum(), floor)
    return weights / weights.sum()
