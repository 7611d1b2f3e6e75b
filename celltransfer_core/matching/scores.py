"""Similarity of clusters and cell types from their embeddings (3.2, A.2, eqs 17–23)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from celltransfer_core.matching.rows import centre, group_means, unit_rows
from celltransfer_core.types import Bools, Float32, Float64, Ints

SNR_THRESHOLD = 0.05
"""Signal-to-noise ratio below which an encoder is discarded (below eq. 19)."""

SNR_STEP = 0.01
"""Step by which the threshold is lowered until two encoders are kept."""


@dataclass(frozen=True)
class Similarity:
    """Scores between C clusters and T types from E encoders, with all intermediate results."""

    encoders: tuple[str, ...]
    types: tuple[str, ...]
    cosine: Float64
    """Mean cosine of each cluster and type, shape (E, C, T) (eq. 18; Fig. 9a)."""
    snr: Float64
    """Signal-to-noise ratio of each encoder, shape (E,) (eq. 19)."""
    kept: Bools
    """Whether each encoder is used, shape (E,)."""
    mean_row: Float64
    mean_col: Float64
    """Squashed z-scores, averaged over the kept encoders, shape (C, T) (steps 3–4; Fig. 10a)."""
    count_row: Float64
    count_col: Float64
    """Number of kept encoders for which a pair is the best in its row, and in its column, shape (C,
    T) (steps 5–6; Fig. 9b)."""
    score_row: Float64
    score_col: Float64
    """M^row and M^col of eq. 21, shape (C, T), in [−1, 1] (Figs 10, 11)."""
    p: Float64
    """Match scores of eq. 23, shape (C, T); at most 1, below 0 for very poor matches. They are not
    probabilities."""

    @property
    def vectors(self) -> Float64:
        """The vectors cs of eq. 22, shape (C, 2 T): row scores, then column scores."""
        return np.concatenate([self.score_row, self.score_col], axis=1)


def mean_cosine(
    Xt: Float32, clusters: Ints, Xs: Float32, types: Ints, shape: tuple[int, int]
) -> Float64:
    r"""Average the cosine of every cell of a cluster with every cell of a type (eqs 17–18).

    .. math:: \overline{C}_{ij} = \operatorname{mean}_{k \in c_i, l \in ct_j}
        \frac{x^t_k \cdot x^s_l}{\|x^t_k\| \|x^s_l\|}

    The mean over pairs is the product of the mean unit vectors, so no matrix of all pairs is
    needed.

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

    Examples
    --------
    >>> import numpy as np
    >>> X = np.array([[1.0, 0.0], [0.0, 2.0]], dtype=np.float32)
    >>> mean_cosine(X, np.array([0, 1]), X, np.array([0, 1]), (2, 2)).tolist()
    [[1.0, 0.0], [0.0, 1.0]]
    """
    query = group_means(unit_rows(Xt), clusters, shape[0])
    reference = group_means(unit_rows(Xs), types, shape[1])
    return query @ reference.T


def signal_to_noise(Xt: Float32, clusters: Ints, Xs: Float32) -> float:
    r"""Compute the ratio of the cosines' spread to their mean, averaged over clusters (eq. 19).

    .. math:: SNR = \operatorname{mean}_i \left[ \sigma_{C_i} / \overline{C}_i \right]

    Mean and standard deviation are taken over all pairs of a cell of cluster i and a cell of the
    reference.

    Parameters
    ----------
    Xt : ndarray of float32, shape (m, d)
        Raw query embeddings, because the mean cosine of centred ones is near zero.
    clusters : ndarray of int64, shape (m,)
    Xs : ndarray of float32, shape (n, d)
        Raw reference embeddings.

    Returns
    -------
    float
        Zero if all cosines are equal, that is, if the embeddings carry no signal.

    Examples
    --------
    >>> import numpy as np
    >>> Xt, Xs = np.array([[1.0, 0.0]] * 2, np.float32), np.array([[1, 0], [0.6, 0.8]], np.float32)
    >>> round(signal_to_noise(Xt, np.array([0, 0]), Xs), 6)  # cosines 1 and 0.6
    0.25
    """
    query, reference = unit_rows(Xt).astype(np.float64), unit_rows(Xs).astype(np.float64)
    mean = query @ reference.mean(axis=0)
    # E[cos²] over the reference, as a quadratic form in its second moments.
    square = ((query @ (reference.T @ reference / len(reference))) * query).sum(axis=1)
    ratios = []
    for cluster in np.unique(clusters):
        inside = clusters == cluster
        average = mean[inside].mean()
        spread = np.sqrt(max(square[inside].mean() - average**2, 0.0))
        ratios.append(spread / abs(average) if average else 0.0)
    return float(np.mean(ratios))


def select_encoders(snr: Float64, threshold: float = SNR_THRESHOLD) -> Bools:
    """Discard encoders without signal, but keep at least two (A.2, below eq. 19).

    Parameters
    ----------
    snr : ndarray of float64, shape (E,)
    threshold : float
        Lowered in steps of 1 % until two encoders pass. A single encoder is always kept.

    Returns
    -------
    ndarray of bool, shape (E,)

    Examples
    --------
    >>> import numpy as np
    >>> select_encoders(np.array([0.2, 0.033, 0.01])).tolist()
    [True, True, False]
    """
    if len(snr) == 1:
        return np.ones(1, dtype=bool)
    kept = snr >= threshold
    while kept.sum() < 2:
        threshold -= SNR_STEP
        kept = snr >= threshold
    return kept


def squashed_scores(cosine: Float64, axis: int) -> Float64:
    r"""Emphasise values over half a standard deviation above the mean (eq. 20 and step 2).

    .. math:: f(z_{ij}) = \tanh(3 (z_{ij} - 0.5)), \qquad
        z_{ij} = (\overline{C}_{ij} - \operatorname{mean}_j \overline{C}_{ij})
        / \operatorname{std}_j \overline{C}_{ij}

    Parameters
    ----------
    cosine : ndarray of float64, shape (C, T)
    axis : int
        1 along rows (one cluster against all types), 0 along columns (step 4).

    Returns
    -------
    ndarray of float64, shape (C, T)
        In [−1, 1]; z is 0 if all values are equal.

    Examples
    --------
    >>> import numpy as np
    >>> squashed_scores(np.array([[0.5, 0.1]]), axis=1).round(2).tolist()
    [[0.91, -1.0]]
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
    r"""Compute the closeness of a pair of scores to (1, 1): p of eq. 23.

    .. math:: p = 1 - \frac{[1 + 2 \min(1 - M^{row}, 1 - M^{col})]
        \sqrt{(1 - M^{row})^2 + (1 - M^{col})^2}}{3 \sqrt 2}

    Parameters
    ----------
    score_row, score_col : ndarray of float64
        In [−1, 1].

    Returns
    -------
    ndarray of float64
        1 at (1, 1), 0 at (0, 0), below 0 beyond. Not a probability.

    Examples
    --------
    >>> import numpy as np
    >>> match_score(np.array([1.0, 0.5]), np.array([1.0, 0.8])).round(3).tolist()
    [1.0, 0.822]
    """
    row, col = 1 - score_row, 1 - score_col
    return 1 - (1 + 2 * np.minimum(row, col)) * np.hypot(row, col) / (3 * np.sqrt(2))


def combine_encoders(
    cosine: Float64,
    snr: Float64,
    kept: Bools,
    encoders: Sequence[str],
    types: Sequence[str],
    possible: Bools | None = None,
) -> Similarity:
    r"""Combine the encoders' cosine matrices into scores (A.2, steps 1–7; eqs 20–23).

    .. math:: M^{row} = (\overline{C}^{row} + N^{row}) / 2, \qquad
        M^{col} = (\overline{C}^{col} + N^{col}) / 2

    where N is the number of encoders for which a pair is the best in its row (or column), scaled to
    [−1, 1] as 2 N / E − 1 (eq. 21).

    Parameters
    ----------
    cosine : ndarray of float64, shape (E, C, T)
    snr : ndarray of float64, shape (E,)
    kept : ndarray of bool, shape (E,)
    encoders : sequence of str, length E
    types : sequence of str, length T
    possible : ndarray of bool, shape (T,), optional
        Possible types of clusters; all by default. The others score −1 with all clusters, and no
        score depends on them.

    Returns
    -------
    Similarity

    Examples
    --------
    >>> import numpy as np
    >>> cosine = np.array([[[0.9, 0.1, 0.1], [0.1, 0.2, 0.8]]])
    >>> score = combine_encoders(cosine, np.ones(1), np.ones(1, bool), ["dino"], ["a", "b", "c"])
    >>> score.count_row.tolist()
    [[1.0, 0.0, 0.0], [0.0, 0.0, 1.0]]
    >>> score.p.argmax(axis=1).tolist()
    [0, 2]
    """
    used = cosine[kept]
    columns = np.arange(len(types)) if possible is None else np.flatnonzero(possible)
    mean_row, mean_col = (np.full(used.shape[1:], -1.0) for _ in range(2))
    among = used[:, :, columns]
    mean_row[:, columns] = np.mean([squashed_scores(matrix, axis=1) for matrix in among], axis=0)
    mean_col[:, columns] = np.mean([squashed_scores(matrix, axis=0) for matrix in among], axis=0)
    count_row, count_col = np.zeros_like(mean_row), np.zeros_like(mean_col)
    for matrix in among:
        count_row[np.arange(len(matrix)), columns[matrix.argmax(axis=1)]] += 1
        count_col[matrix.argmax(axis=0), columns] += 1
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
    possible: Bools | None = None,
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
        Whether to subtract each set's own mean before computing cosines; the reference's mean is
        taken over possible types. The signal-to-noise ratio is always computed on raw embeddings.
    possible : ndarray of bool, shape (T,), optional
        See :func:`combine_encoders`.

    Returns
    -------
    Similarity

    Examples
    --------
    Two clusters of the query, of the types a and c:

    >>> import numpy as np
    >>> reference = {"dino": np.eye(3, dtype=np.float32)}
    >>> query = {"dino": np.eye(3, dtype=np.float32)[[0, 0, 2, 2]]}
    >>> score = similarity(
    ...     query, np.array([0, 0, 1, 1]), reference, np.arange(3), "abc", centred=False
    ... )
    >>> [score.types[best] for best in score.p.argmax(axis=1)]
    ['a', 'c']
    """
    n_clusters = int(clusters.max()) + 1
    counted = None if possible is None else possible[types].astype(np.float64)
    snr, cosine = [], []
    for encoder, Xt in query.items():
        Xs = reference[encoder]
        snr.append(signal_to_noise(Xt, clusters, Xs))
        if centred:
            Xt, Xs = centre(Xt), centre(Xs, counted)
        cosine.append(mean_cosine(Xt, clusters, Xs, types, (n_clusters, len(type_names))))
    ratios = np.array(snr)
    return combine_encoders(
        np.stack(cosine), ratios, select_encoders(ratios), tuple(query), type_names, possible
    )


def reference_similarity(
    reference: Mapping[str, Float32],
    types: Ints,
    type_names: Sequence[str],
    kept: Bools,
    *,
    centred: bool,
    possible: Bools | None = None,
) -> Similarity:
    """Score the reference's own types against each other: its points in Fig. 4 (3.2).

    Parameters
    ----------
    reference, types, type_names, centred, possible
        See :func:`similarity`.
    kept : ndarray of bool, shape (E,)
        Encoders from which the query's scores are computed.

    Returns
    -------
    Similarity
        Scores with each type as a cluster.
    """
    size = (len(type_names), len(type_names))
    counted = None if possible is None else possible[types].astype(np.float64)
    cosine = []
    for X in reference.values():
        Y = centre(X, counted) if centred else X
        cosine.append(mean_cosine(Y, types, Y, types, size))
    return combine_encoders(
        np.stack(cosine),
        np.full(len(cosine), np.nan),
        kept,
        tuple(reference),
        type_names,
        possible,
    )
