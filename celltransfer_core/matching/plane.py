"""The t-SNE plane of clusters and types (3.2, Fig. 4), which gives a second proposal of types.

Clusters of the query, clusters of extra sets and the reference's types are points in one plane, and
the neighbours of a cluster in the plane vote on its type.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from celltransfer_core.matching.scores import Similarity
from celltransfer_core.types import Float64, Ints
from celltransfer_core.vocabulary import QUERY, REFERENCE

TSNE_VOTERS = 5
"""Number of nearest points in the plane that vote on a cluster's type."""


@dataclass(frozen=True)
class ClusterPlane:
    """P points in the t-SNE plane: clusters of all sets and types of the reference (Fig. 4)."""

    position: Float64
    """Shape (P, 2)."""
    set_name: tuple[str, ...]
    """Set of each point; ``"reference"`` for the types."""
    cluster: Ints
    """Number of the cluster within its set, or of the type, shape (P,)."""
    type_name: tuple[str, ...]
    """Type of each point: the type of a cluster without the plane, or the reference's type."""
    p: Float64
    """Score of that type, clipped to [0, 1], shape (P,)."""


def tsne_plane(
    scores: Mapping[str, Similarity], *, seed: int, votes: Float64 | None = None
) -> ClusterPlane:
    """Map the vectors cs of all sets (eq. 22) to a plane by t-SNE (3.2).

    Parameters
    ----------
    scores : mapping from set name to Similarity
        Scores of all sets, including ``"query"`` and ``"reference"``.
    seed : int
    votes : ndarray of float64, shape (C, T), optional
        Votes by which the query's clusters are named instead of their scores; see
        :func:`~celltransfer_core.matching.matches.match_clusters`. They do not affect the positions
        of points.

    Returns
    -------
    ClusterPlane
        The perplexity is min(30, (points − 1) / 3), but at least 2. Three points or fewer keep
        their first two coordinates.

    Examples
    --------
    >>> import numpy as np
    >>> from celltransfer_core.matching import similarity
    >>> X, types = {"dino": np.eye(3, dtype=np.float32)}, np.arange(3)
    >>> score = similarity(X, types, X, types, "abc", centred=False)
    >>> plane = tsne_plane({"query": score, "reference": score}, seed=0)
    >>> plane.position.shape, plane.type_name
    ((6, 2), ('a', 'b', 'c', 'a', 'b', 'c'))
    """
    from sklearn.manifold import TSNE

    vectors = np.concatenate([score.vectors for score in scores.values()])
    points = len(vectors)
    if points > 3:
        tsne = TSNE(
            perplexity=max(2.0, min(30.0, (points - 1) / 3)),
            init="random",  # PCA's signs may differ between machines
            method="exact",
            random_state=seed,
        )
        position = tsne.fit_transform(vectors).astype(np.float64)
    else:
        position = vectors[:, :2]
    names: list[str] = []
    clusters: list[int] = []
    types: list[str] = []
    p: list[float] = []
    for name, score in scores.items():
        strength = score.p if votes is None or name != QUERY else votes
        for cluster, row in enumerate(strength):
            best = cluster if name == REFERENCE else int(row.argmax())
            names.append(name)
            clusters.append(cluster)
            types.append(score.types[best])
            p.append(float(np.clip(row[best], 0, 1)))
    return ClusterPlane(position, tuple(names), np.array(clusters), tuple(types), np.array(p))


@dataclass(frozen=True)
class Refinement:
    """The type that a cluster's neighbours in the plane propose."""

    type_name: str
    reason: str
    """Why it differs from the cluster's type without the plane; empty if it does not."""


def refine(
    plane: ClusterPlane, score: Similarity, votes: Float64 | None = None
) -> list[Refinement]:
    """Propose a type for each cluster from its scores and its neighbours in the plane (3.2).

    The cluster's own scores p, clipped to [0, 1], vote for each type. The five nearest points among
    the other sets' clusters and the reference's types each add one fifth of their own p to their
    type. The result is only a proposal and replaces nothing.

    Parameters
    ----------
    plane : ClusterPlane
        From :func:`tsne_plane`.
    score : Similarity
        Scores of the query.
    votes : ndarray of float64, shape (C, T), optional
        Used instead of the cluster's own scores; see :func:`tsne_plane`.

    Returns
    -------
    list of Refinement
        One for each cluster of the query.

    Examples
    --------
    >>> import numpy as np
    >>> from celltransfer_core.matching import combine_encoders
    >>> score = combine_encoders(
    ...     np.array([[[0.3, 0.2, 0.1]]]), np.ones(1), np.ones(1, bool), ["dino"], ["a", "b", "c"]
    ... )
    >>> plane = ClusterPlane(
    ...     position=np.array([[0.0, 0.0], [0.0, 0.1]]),
    ...     set_name=("query", "reference"),
    ...     cluster=np.array([0, 0]),
    ...     type_name=("a", "a"),
    ...     p=np.array([0.5, 1.0]),
    ... )
    >>> refine(plane, score)
    [Refinement(type_name='a', reason='')]
    """
    sets = np.array(plane.set_name)
    strength = score.p if votes is None else votes
    voters = np.flatnonzero(sets != QUERY)
    refinements = []
    for point in np.flatnonzero(sets == QUERY):
        cluster = int(plane.cluster[point])
        distance = np.linalg.norm(plane.position[voters] - plane.position[point], axis=1)
        near = voters[np.argsort(distance, kind="stable")[:TSNE_VOTERS]]
        points = np.clip(strength[cluster], 0, 1)
        for voter in near:
            points[score.types.index(plane.type_name[voter])] += plane.p[voter] / len(near)
        winner = score.types[int(points.argmax())]
        reason = ""
        if winner != plane.type_name[point]:
            agreeing = [
                plane.set_name[v]
                if plane.set_name[v] == REFERENCE
                else f"{plane.set_name[v]} cluster {plane.cluster[v]}"
                for v in near
                if plane.type_name[v] == winner
            ]
            reason = (
                f"{len(agreeing)} of the {len(near)} nearest points in the t-SNE plane are "
                f"{winner} ({', '.join(agreeing)})"
            )
        refinements.append(Refinement(winner, reason))
    return refinements
