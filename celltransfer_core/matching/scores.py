"""Which cell type each cluster of the query is (3.2, A.2)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from celltransfer_core.matching.rows import centre, group_means, unit_rows
from celltransfer_core.types import Bools, Float32, Float64, Ints

SNR_THRESHOLD = 0.05
SNR_STEP = 0.01


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
