"""Matches of clusters with types (3.2) from scores or votes and confirmations.

Types that no cluster matches are filtered out before transport (3.3), and the matches determine the
share of each kept type in the query.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from celltransfer_core.matching.plane import Refinement
from celltransfer_core.matching.scores import Similarity
from celltransfer_core.neighbors.search import nearest
from celltransfer_core.types import Float32, Float64, Ints

MOST_ALIKE = 8
"""Number of query cells that are shown for a type that no cluster matches."""

_NEAREST, _OF_TYPE = 5, 500  # nearest cells of a type, and the number of its cells searched


@dataclass(frozen=True)
class Match:
    """The type of one cluster of the query."""

    cluster: int
    cells: int
    matched_type: str
    """A type of the reference; ``"none"`` or a new type only if a person confirmed it."""
    score: float
    """Share of the matched type in the cluster's votes, or that type's p of A.2, clipped to [0, 1],
    if clusters are named by the paper's scores; 0 if the reference lacks the type."""
    runner_up: str
    runner_up_score: float
    tsne_type: str
    """Type that the t-SNE plane proposes; empty without extra sets."""
    reason: str
    """Why the plane proposes another type; empty if it does not."""
    confirmed: bool
    """Whether a person confirmed the match."""
    by: str
    """Who confirmed it."""


@dataclass(frozen=True)
class Confirmation:
    """A person's answer on one cluster."""

    cluster: int
    type_name: str
    by: str = ""
    cells: int | None = None
    """Number of cells in the cluster when it was confirmed, to detect changed clusters."""
    sha256: str = ""
    """Hash of those cells, for the same purpose; empty if it was not recorded."""


def confirmed_share(matches: Sequence[Match]) -> float:
    """Compute the share of the query that lies in confirmed clusters.

    Parameters
    ----------
    matches : sequence of Match

    Returns
    -------
    float
        Share of the cells, 0 to 1.

    Examples
    --------
    >>> confirmed = Match(0, 30, "a", 0.9, "b", 0.1, "", "", True, "Ann")
    >>> proposed = Match(1, 10, "b", 0.8, "a", 0.1, "", "", False, "")
    >>> confirmed_share([confirmed, proposed])
    0.75
    """
    confirmed = sum(match.cells for match in matches if match.confirmed)
    return confirmed / sum(match.cells for match in matches)


def match_clusters(
    score: Similarity,
    sizes: Ints,
    refinements: Sequence[Refinement] | None = None,
    confirmations: Sequence[Confirmation] = (),
    votes: Float64 | None = None,
) -> tuple[Match, ...]:
    """Match every cluster with its confirmed type, or the type with most votes or the best score.

    Parameters
    ----------
    score : Similarity
        Its p (eq. 23) is used.
    sizes : ndarray of int64, shape (C,)
        Cells in each cluster.
    refinements : sequence of Refinement, length C, optional
    confirmations : sequence of Confirmation
    votes : ndarray of float64, shape (C, T), optional
        Share of each cluster's votes for each type; used instead of the scores if given.

    Returns
    -------
    tuple of Match, length C

    Examples
    --------
    >>> import numpy as np
    >>> from celltransfer_core.matching import combine_encoders
    >>> score = combine_encoders(
    ...     np.array([[[0.9, 0.1], [0.2, 0.8]]]), np.ones(1), np.ones(1, bool), ["dino"], ["a", "b"]
    ... )
    >>> matches = match_clusters(score, np.array([5, 3]), confirmations=[Confirmation(1, "none")])
    >>> [(match.matched_type, match.confirmed) for match in matches]
    [('a', False), ('none', True)]
    """
    confirmed = {confirmation.cluster: confirmation for confirmation in confirmations}
    matches = []
    strength = score.p if votes is None else votes
    for cluster, row in enumerate(np.clip(strength, 0, 1)):
        # Clipped scores may tie at 0: types are ranked by the scores before clipping.
        order = np.argsort(-strength[cluster], kind="stable")
        answer = confirmed.get(cluster)
        matched = answer.type_name if answer else score.types[order[0]]
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
                confirmed=answer is not None,
                by=answer.by if answer else "",
            )
        )
    return tuple(matches)


def shared_types(
    matches: Sequence[Match], types: Sequence[str], keep: Sequence[str] = ()
) -> tuple[str, ...]:
    """List the types that at least one cluster matches; the others are filtered out (3.2).

    Parameters
    ----------
    matches : sequence of Match
    types : sequence of str
    keep : sequence of str
        Types that a person has seen in the query, to keep even if no cluster matches them.

    Returns
    -------
    tuple of str
        In the order of ``types``; all types if fewer than two are matched.

    Examples
    --------
    >>> matches = [
    ...     Match(0, 30, "a", 0.9, "b", 0.1, "", "", False, ""),
    ...     Match(1, 10, "c", 0.8, "a", 0.1, "", "", False, ""),
    ... ]
    >>> shared_types(matches, ["a", "b", "c", "d"], keep=["d"])
    ('a', 'c', 'd')
    """
    matched = {match.matched_type for match in matches}
    shared = [name for name in types if name in matched]
    return tuple(name for name in types if len(shared) < 2 or name in {*shared, *keep})


def most_alike(Xs: Float32, types: Ints, Xt: Float32, n_types: int) -> Ints:
    """Find the query cells that are most similar to each type.

    A rare type may not be the majority in any cluster. These are the cells to review before the
    type is filtered out.

    Parameters
    ----------
    Xs, Xt : ndarray of float32, shape (n, d) and (m, d)
        Reference and query, in the same space.
    types : ndarray of int64, shape (n,)
        Type of each row of the reference, 0 … n_types − 1.
    n_types : int

    Returns
    -------
    ndarray of int64, shape (n_types, min(:data:`MOST_ALIKE`, m))
        Rows of the query, in ascending order of the distance to the type over the distance to the
        nearest other type. The distance to a type is the mean over the five nearest of its first
        500 cells.

    Examples
    --------
    >>> import numpy as np
    >>> Xs = np.array([[0.0], [0.2], [9.0], [9.2]], dtype=np.float32)
    >>> Xt = np.array([[8.0], [1.0], [0.1]], dtype=np.float32)
    >>> most_alike(Xs, np.array([0, 0, 1, 1]), Xt, 2).tolist()
    [[2, 1, 0], [0, 1, 2]]
    """
    distance = np.empty((n_types, len(Xt)))
    for number in range(n_types):
        rows = np.flatnonzero(types == number)[:_OF_TYPE]
        distance[number] = nearest(Xt, Xs[rows], min(_NEAREST, len(rows)))[0].mean(axis=1)
    alike = []
    for number in range(n_types):
        others = np.delete(distance, number, axis=0).min(axis=0, initial=np.inf)
        ratio = distance[number] / np.maximum(others, np.finfo(np.float32).tiny)
        alike.append(np.lexsort((distance[number], ratio))[:MOST_ALIKE])
    return np.stack(alike)


def type_weights(matches: Sequence[Match], types: Sequence[str], *, floor: float = 0.0) -> Float64:
    """Estimate the share of each type in the query from the sizes of its clusters.

    A confirmed cluster assigns all its cells to its type. A proposed cluster assigns a share of its
    cells equal to its score to its type and distributes the rest evenly over all types. Clusters
    matched with ``none`` do not count.

    Parameters
    ----------
    matches : sequence of Match
    types : sequence of str, length T
        Types to weight. A cluster matched with another type does not count.
    floor : float
        Least share of a type, before the shares are scaled to sum to one.

    Returns
    -------
    ndarray of float64, shape (T,)
        Sums to one; uniform if no cluster counts.

    Examples
    --------
    >>> confirmed = Match(0, 30, "a", 0.9, "b", 0.1, "", "", True, "Ann")
    >>> proposed = Match(1, 10, "b", 0.5, "a", 0.1, "", "", False, "")
    >>> type_weights([confirmed, proposed], ["a", "b"]).tolist()
    [0.8125, 0.1875]
    """
    weights = np.zeros(len(types))
    for match in matches:
        if match.matched_type in types:
            share = 1.0 if match.confirmed else match.score
            weights += match.cells * (1 - share) / len(types)
            weights[list(types).index(match.matched_type)] += match.cells * share
    if not weights.any():
        return np.full(len(types), 1 / len(types))
    weights = np.maximum(weights / weights.sum(), floor)
    return weights / weights.sum()
