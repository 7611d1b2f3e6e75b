"""TODO celltransfer_core/matching/plane.py."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from celltransfer_core.matching.scores import Similarity
from celltransfer_core.types import Float64, Ints
from celltransfer_core.vocabulary import QUERY, REFERENCE

TSNE_VOTERS = 5


@dataclass(frozen=True)
class ClusterPlane:
    """Clusters of all sets and types of the reference in the t-SNE plane (Fig. 4), P points."""

    position: Float64
    """Shape (P, 2)."""
    set_name: tuple[str, ...]
    """Set of each point; ``"reference"`` for the types."""
    cluster: Ints
    """Cluster within its set, or type number; shape (P,)."""
    type_name: tuple[str, ...]
    """The type each point stands for: matched by score, or the reference's own."""
    p: Float64
    """Its match score, clipped to [0, 1]; shape (P,)."""


def tsne_plane(scores: Mapping[str, Similarity], *, seed: int) -> ClusterPlane:
    """Lay the vectors cs of all sets out in a plane (3.2).

    Parameters
    ----------
    scores : mapping from set name to Similarity
        Among them ``"query"`` and ``"reference"``.
    seed : int

    Returns
    -------
    ClusterPlane
        Perplexity is min(30, (points − 1) / 3), at least 2.
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
        for cluster, row in enumerate(score.p):
            best = cluster if name == REFERENCE else int(row.argmax())
            names.append(name)
            clusters.append(cluster)
            types.append(score.types[best])
            p.append(float(np.clip(row[best], 0, 1)))
    return ClusterPlane(position, tuple(names), np.array(clusters), tuple(types), np.array(p))


@dataclass(frozen=True)
class Refinement:
    """What a cluster's neighbours in the plane say of it."""

    type_name: str
    reason: str
    """Empty where they agree with the cluster's own score."""


def refine(plane: ClusterPlane, score: Similarity) -> list[Refinement]:
    """Let each cluster's scores and its neighbours in the plane vote on its type (3.2).

    The five nearest points among the other sets' clusters and the reference's types have half of
    the say, each with its own p; the cluster's own scores have the other half. The outcome is a
    proposal: nothing is replaced.

    Parameters
    ----------
    plane : ClusterPlane
    score : Similarity
        Of the query.

    Returns
    -------
    list of Refinement
        One a cluster of the query.
    """
    sets = np.array(plane.set_name)
    voters = np.flatnonzero(sets != QUERY)
    refinements = []
    for point in np.flatnonzero(sets == QUERY):
        cluster = int(plane.cluster[point])
        distance = np.linalg.norm(plane.position[voters] - plane.position[point], axis=1)
        near = voters[np.argsort(distance, kind="stable")[:TSNE_VOTERS]]
        votes = np.clip(score.p[cluster], 0, 1)
        for voter in near:
            votes[score.types.index(plane.type_name[voter])] += plane.p[voter] / len(near)
        winner = score.types[int(votes.argmax())]
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
