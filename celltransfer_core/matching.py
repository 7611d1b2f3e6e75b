"""Which cell type each cluster of the query is (3.2, A.2)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from celltransfer_core.neighbors import nearest
from celltransfer_core.types import Bools, Float32, Float64, Ints

NONE_TYPE = "none"
"""What a person answers when no type of the reference fits a cluster."""

SNR_THRESHOLD = 0.05
SNR_STEP = 0.01
TSNE_VOTERS = 5
MOST_ALIKE = 8
"""Query cells that are shown of a type which no cluster matches."""
_NEAREST, _OF_TYPE = 5, 500  # cells of a type that are near, of so many
_ROWS = 4096  # that are widened at once


@dataclass(frozen=True)
class Similarity:
    """Scores between clusters and types, with everything they are made of.

    C clusters, T types, E encoders.
    """

    encoders: tuple[str, ...]
    types: tuple[str, ...]
    cosine: Float64
    """Mean cosine a cluster and type, shape (E, C, T) (eq. 18; Fig. 9a)."""
    snr: Float64
    """Signal-to-noise ratio of each encoder, shape (E,) (eq. 19)."""
    kept: Bools
    """Which encoders are counted, shape (E,)."""
    mean_row: Float64
    mean_col: Float64
    """Squashed z-scores averaged over the kept encoders, shape (C, T) (steps 3–4; Fig. 10a)."""
    count_row: Float64
    count_col: Float64
    """How many kept encoders see each pair as the best, shape (C, T) (steps 5–6; Fig. 9b)."""
    score_row: Float64
    score_col: Float64
    """M^row and M^col of eq. 21, shape (C, T), in [−1, 1] (Figs 10, 11)."""
    p: Float64
    """Match scores of eq. 23, shape (C, T); at most 1, below 0 for very poor matches."""

    @property
    def vectors(self) -> Float64:
        """The vectors cs of eq. 22, shape (C, 2 T): row scores, then column scores."""
        return np.concatenate([self.score_row, self.score_col], axis=1)


def unit_rows(X: Float32) -> Float32:
    """Scale each row to length one; a row of zeros stays.

    Parameters
    ----------
    X : ndarray of float32, shape (n, d)

    Returns
    -------
    ndarray of float32, shape (n, d)
    """
    norms = np.linalg.norm(X, axis=1, keepdims=True)
    return np.divide(X, norms, out=np.zeros_like(X), where=norms > 0)


def group_means(X: Float32, groups: Ints, n_groups: int) -> Float64:
    """Average the rows of each group.

    Parameters
    ----------
    X : ndarray of float32, shape (n, d)
    groups : ndarray of int64, shape (n,)
        Numbers from 0 to ``n_groups - 1``, each at least once.
    n_groups : int

    Returns
    -------
    ndarray of float64, shape (n_groups, d)
    """
    return np.stack([X[groups == g].mean(axis=0, dtype=np.float64) for g in range(n_groups)])


def mean_cosine(
    Xt: Float32, clusters: Ints, Xs: Float32, types: Ints, shape: tuple[int, int]
) -> Float64:
    """Average the cosine between every cell of a cluster and every cell of a type (eqs 17–18).

    The mean over pairs is the product of the mean unit vectors, so that no matrix of all pairs
    is ever made.

    Parameters
    ----------
    Xt : ndarray of float32, shape (m, d)
        Query embeddings.
    clusters : ndarray of int64, shape (m,)
    Xs : ndarray of float32, shape (n, d)
        Reference embeddings.
    types : ndarray of int64, shape (n,)
    shape : (int, int)
        Numbers of clusters and of types.

    Returns
    -------
    ndarray of float64, shape (n_clusters, n_types)
    """
    query = group_means(unit_rows(Xt), clusters, shape[0])
    reference = group_means(unit_rows(Xs), types, shape[1])
    return query @ reference.T


def signal_to_noise(Xt: Float32, clusters: Ints, Xs: Float32) -> float:
    """Compute how far cosines spread about their mean, averaged over clusters (eq. 19).

    Parameters
    ----------
    Xt : ndarray of float32, shape (m, d)
        Raw query embeddings: centred ones have means near zero.
    clusters : ndarray of int64, shape (m,)
    Xs : ndarray of float32, shape (n, d)
        Raw reference embeddings.

    Returns
    -------
    float
        Zero where embeddings do not tell cells apart.
    """
    query, reference = unit_rows(Xt).astype(np.float64), unit_rows(Xs).astype(np.float64)
    mean = query @ reference.mean(axis=0)
    # E[cos²] over the reference, as a quadratic form in its second moments.
    square = ((query @ (reference.T @ reference / len(reference))) * query).sum(axis=1)
    ratios = []
    for cluster in np.unique(clusters):
        inside = clusters == cluster
        centre = mean[inside].mean()
        spread = np.sqrt(max(square[inside].mean() - centre**2, 0.0))
        ratios.append(spread / abs(centre) if centre else 0.0)
    return float(np.mean(ratios))


def select_encoders(snr: Float64, threshold: float = SNR_THRESHOLD) -> Bools:
    """Drop encoders without signal, but keep two (A.2, below eq. 19).

    Parameters
    ----------
    snr : ndarray of float64, shape (E,)
    threshold : float
        Lowered in steps of 1 % until two encoders pass. A single encoder is always kept.

    Returns
    -------
    ndarray of bool, shape (E,)
    """
    if len(snr) == 1:
        return np.ones(1, dtype=bool)
    kept = snr >= threshold
    while kept.sum() < 2:
        threshold -= SNR_STEP
        kept = snr >= threshold
    return kept


def squashed_scores(cosine: Float64, axis: int) -> Float64:
    """Bring out what stands more than half a standard deviation above the mean (eq. 20, step 2).

    Parameters
    ----------
    cosine : ndarray of float64, shape (C, T)
    axis : int
        1 along rows (one cluster against all types), 0 along columns.

    Returns
    -------
    ndarray of float64, shape (C, T)
        tanh(3 (z − 0.5)), in [−1, 1]; z is 0 where all values are equal.
    """
    spread = cosine.std(axis=axis, keepdims=True)
    z = np.divide(
        cosine - cosine.mean(axis=axis, keepdims=True),
        spread,
        out=np.zeros_like(cosine),
        where=spread > 1e-12,
    )
    return np.tanh(3 * (z - 0.5))


def match_score(score_row: Float64, score_col: Float64) -> Float64:
    """Compute how near a pair of scores is to (1, 1): p of eq. 23.

    Parameters
    ----------
    score_row, score_col : ndarray of float64
        In [−1, 1].

    Returns
    -------
    ndarray of float64
        1 at (1, 1), 0 at (0, 0), below 0 beyond. Not a probability.
    """
    row, col = 1 - score_row, 1 - score_col
    return 1 - (1 + 2 * np.minimum(row, col)) * np.hypot(row, col) / (3 * np.sqrt(2))


def combine_encoders(
    cosine: Float64, snr: Float64, kept: Bools, encoders: Sequence[str], types: Sequence[str]
) -> Similarity:
    """Join the encoders' cosine matrices to scores (A.2, steps 1–7; eqs 20–23).

    Parameters
    ----------
    cosine : ndarray of float64, shape (E, C, T)
    snr : ndarray of float64, shape (E,)
    kept : ndarray of bool, shape (E,)
    encoders : sequence of str, length E
    types : sequence of str, length T

    Returns
    -------
    Similarity
    """
    used = cosine[kept]
    mean_row = np.mean([squashed_scores(matrix, axis=1) for matrix in used], axis=0)
    mean_col = np.mean([squashed_scores(matrix, axis=0) for matrix in used], axis=0)
    count_row, count_col = np.zeros_like(mean_row), np.zeros_like(mean_col)
    n_clusters, n_types = mean_row.shape
    for matrix in used:
        count_row[np.arange(n_clusters), matrix.argmax(axis=1)] += 1
        count_col[matrix.argmax(axis=0), np.arange(n_types)] += 1
    score_row = (mean_row + 2 * count_row / len(used) - 1) / 2
    score_col = (mean_col + 2 * count_col / len(used) - 1) / 2
    return Similarity(
        encoders=tuple(encoders),
        types=tuple(types),
        cosine=cosine,
        snr=snr,
        kept=kept,
        mean_row=mean_row,
        mean_col=mean_col,
        count_row=count_row,
        count_col=count_col,
        score_row=score_row,
        score_col=score_col,
        p=match_score(score_row, score_col),
    )


def similarity(
    query: Mapping[str, Float32],
    clusters: Ints,
    reference: Mapping[str, Float32],
    types: Ints,
    type_names: Sequence[str],
    *,
    centred: bool,
) -> Similarity:
    """Score every cluster against every type (A.2).

    Parameters
    ----------
    query : mapping from encoder to ndarray of float32, shape (m, d)
        Raw embeddings.
    clusters : ndarray of int64, shape (m,)
        0 … C − 1.
    reference : mapping from encoder to ndarray of float32, shape (n, d)
        Raw embeddings by the same encoders.
    types : ndarray of int64, shape (n,)
        Positions in ``type_names``.
    type_names : sequence of str, length T
    centred : bool
        Take cosines after each set's own mean is subtracted. The signal-to-noise ratio is always
        taken on raw embeddings.

    Returns
    -------
    Similarity
    """
    n_clusters = int(clusters.max()) + 1
    snr, cosine = [], []
    for encoder, Xt in query.items():
        Xs = reference[encoder]
        snr.append(signal_to_noise(Xt, clusters, Xs))
        if centred:
            Xt, Xs = centre(Xt), centre(Xs)
        cosine.append(mean_cosine(Xt, clusters, Xs, types, (n_clusters, len(type_names))))
    ratios = np.array(snr)
    return combine_encoders(
        np.stack(cosine), ratios, select_encoders(ratios), tuple(query), type_names
    )


def reference_similarity(
    reference: Mapping[str, Float32],
    types: Ints,
    type_names: Sequence[str],
    kept: Bools,
    *,
    centred: bool,
) -> Similarity:
    """Score the reference's own types against each other: its points in Fig. 4.

    Parameters
    ----------
    reference, types, type_names, centred
        See :func:`similarity`.
    kept : ndarray of bool, shape (E,)
        Encoders that the query's scores count.

    Returns
    -------
    Similarity
        With one "cluster" a type.
    """
    size = (len(type_names), len(type_names))
    cosine = []
    for X in reference.values():
        Y = centre(X) if centred else X
        cosine.append(mean_cosine(Y, types, Y, types, size))
    return combine_encoders(
        np.stack(cosine), np.full(len(cosine), np.nan), kept, tuple(reference), type_names
    )


def centre(X: Float32, weights: Float64 | None = None, *, out: Float32 | None = None) -> Float32:
    """Subtract the mean of a set.

    Parameters
    ----------
    X : ndarray of float32, shape (n, d)
    weights : ndarray of float64, shape (n,), optional
        What each row counts in the mean.
    out : ndarray of float32, shape (n, d), optional
        Where to write.

    Returns
    -------
    ndarray of float32, shape (n, d)
    """
    # In double precision, but block by block: large sets are not there twice and thrice.
    even = np.ones(len(X)) if weights is None else weights
    blocks = [slice(start, start + _ROWS) for start in range(0, len(X), _ROWS)]
    mean = sum(even[rows] @ X[rows].astype(np.float64) for rows in blocks) / even.sum()
    centred = np.empty(X.shape, dtype=np.float32) if out is None else out
    for rows in blocks:
        centred[rows] = X[rows] - mean
    return centred


@dataclass(frozen=True)
class Plane:
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


QUERY, REFERENCE = "query", "reference"


def tsne_plane(scores: Mapping[str, Similarity], *, seed: int) -> Plane:
    """Lay the vectors cs of all sets out in a plane (3.2).

    Parameters
    ----------
    scores : mapping from set name to Similarity
        Among them ``"query"`` and ``"reference"``.
    seed : int

    Returns
    -------
    Plane
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
    return Plane(position, tuple(names), np.array(clusters), tuple(types), np.array(p))


@dataclass(frozen=True)
class Refinement:
    """What a cluster's neighbours in the plane say of it."""

    type_name: str
    reason: str
    """Empty where they agree with the cluster's own score."""


def refine(plane: Plane, score: Similarity) -> list[Refinement]:
    """Let each cluster's scores and its neighbours in the plane vote on its type (3.2).

    The five nearest points among the other sets' clusters and the reference's types have half of
    the say, each with its own p; the cluster's own scores have the other half. The outcome is a
    proposal: nothing is replaced.

    Parameters
    ----------
    plane : Plane
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
