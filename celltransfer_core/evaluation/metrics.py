"""Metrics of predictions against labels (5, eqs 5 and 24): accuracy, intervals, tests, calibration.

In: predicted and true types of the query cells. Out: figures in percent. Only the evaluation reads
the query's labels.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from celltransfer_core.errors import DataError
from celltransfer_core.types import Bools, Float64, Ints, Labels

RARE = 6
"""Types with fewer cells than this in the query are left out of accuracy figures."""

RESAMPLES = 1000
"""Bootstrap samples of the cells behind a 95 % interval."""

BINS = 10
"""Bins of equal width in a reliability diagram."""


@dataclass(frozen=True)
class Score:
    """Figures in percent."""

    accuracy: float
    balanced_accuracy: float
    f1: float
    """Weighted over types."""
    recall: Mapping[str, float]


def counted(truth: Labels) -> Bools:
    """Mark the cells that figures are computed on: those of types that are not too rare.

    Parameters
    ----------
    truth : ndarray of str, shape (m,)

    Returns
    -------
    ndarray of bool, shape (m,)
    """
    names, counts = np.unique(truth, return_counts=True)
    return np.isin(truth, names[(counts >= RARE) & (names != "")])


def shared_labels(truth: Labels, types: Sequence[str]) -> Labels:
    """Blank the labels that figures are not computed on.

    Parameters
    ----------
    truth : ndarray of str, shape (m,)
    types : sequence of str
        Types of the reference.

    Returns
    -------
    ndarray of str, shape (m,)
        Empty for cells of types that the reference lacks or that are too rare in the query.
    """
    shared = np.where(np.isin(truth, types), truth, "")
    return np.where(counted(shared), shared, "")


def score(truth: Labels, predicted: Labels) -> Score:
    """Compare predicted types with true ones.

    Parameters
    ----------
    truth, predicted : ndarray of str, shape (m,)

    Returns
    -------
    Score
        Computed on the cells that count; see :func:`counted`.

    Raises
    ------
    DataError
        If there are none.
    """
    used = counted(truth)
    if not used.any():
        raise DataError(f"No type has {RARE} labelled cells; figures need at least one that has.")
    return score_all(truth[used], predicted[used])


def score_all(truth: Labels, predicted: Labels) -> Score:
    """Compare predicted types with true ones as :func:`score` does, but over all cells."""
    from sklearn.metrics import f1_score

    right = truth == predicted
    recall = {str(name): 100 * float(right[truth == name].mean()) for name in np.unique(truth)}
    f1 = f1_score(truth, predicted, average="weighted", zero_division=0)
    return Score(
        accuracy=100 * float(right.mean()),
        balanced_accuracy=float(np.mean(list(recall.values()))),
        f1=100 * float(f1),
        recall=recall,
    )


def majority_types(clusters: Ints, truth: Labels) -> tuple[str, ...]:
    """Give each cluster the type of most of its cells, as a perfect reader would.

    Parameters
    ----------
    clusters : ndarray of int64, shape (m,)
        0 … C − 1.
    truth : ndarray of str, shape (m,)
        Cells without a label (empty) do not count.

    Returns
    -------
    tuple of str, length C
        Empty for a cluster without labelled cells.
    """
    majority = []
    for cluster in range(int(clusters.max()) + 1):
        inside = truth[clusters == cluster]
        names, counts = np.unique(inside[inside != ""], return_counts=True)
        majority.append(str(names[counts.argmax()]) if len(names) else "")
    return tuple(majority)


def deal_cells(truth: Labels, n_parts: int, rng: np.random.Generator) -> list[Ints]:
    """Deal the labelled cells out to parts, each type as evenly as possible.

    Parameters
    ----------
    truth : ndarray of str, shape (m,)
        Cells without a label are left out.
    n_parts : int
    rng : numpy.random.Generator

    Returns
    -------
    list of ndarray of int64
        Non-empty parts, with ascending indices.
    """
    shuffled = rng.permutation(len(truth))
    order = shuffled[np.argsort(truth[shuffled], kind="stable")]
    order = order[truth[order] != ""]
    parts = [np.sort(order[start::n_parts]) for start in range(n_parts)]
    return [part for part in parts if len(part)]


def resample(n: int, rng: np.random.Generator) -> Ints:
    """Draw bootstrap samples: how often each of n cells is in each sample.

    Parameters
    ----------
    n : int
    rng : numpy.random.Generator

    Returns
    -------
    ndarray of int64, shape (RESAMPLES, n)
    """
    return rng.multinomial(n, np.full(n, 1 / n), size=RESAMPLES)


def intervals(
    truth: Labels, right: Bools, samples: Ints
) -> tuple[tuple[float, float], tuple[float, float]]:
    """Compute 95 % bootstrap intervals over the cells.

    Parameters
    ----------
    truth : ndarray of str, shape (m,)
    right : ndarray of bool, shape (m,)
    samples : ndarray of int64, shape (RESAMPLES, m)
        See :func:`resample`.

    Returns
    -------
    accuracy, balanced_accuracy : tuple of float
        Lower and upper end, in percent. A sample without cells of a type leaves that type out.
    """
    counts = samples.astype(np.float64)
    accuracy = counts @ right / len(truth)
    recalls = []
    for name in np.unique(truth):
        inside = truth == name
        cells = counts[:, inside].sum(axis=1)
        hits = counts[:, inside] @ right[inside]
        recalls.append(np.divide(hits, cells, out=np.full(len(cells), np.nan), where=cells > 0))
    balanced = np.nanmean(np.array(recalls), axis=0)
    ends = [np.percentile(100 * values, [2.5, 97.5]) for values in (accuracy, balanced)]
    return (float(ends[0][0]), float(ends[0][1])), (float(ends[1][0]), float(ends[1][1]))


def paired_p(first: Sequence[float], second: Sequence[float]) -> float:
    """Test whether paired figures differ (Wilcoxon's signed ranks, two-sided).

    Parameters
    ----------
    first, second : sequence of float
        One per part.

    Returns
    -------
    float
        1 if no part differs.
    """
    from scipy.stats import wilcoxon

    differences = np.round(np.asarray(first) - np.asarray(second), 9)
    if not differences.any():
        return 1.0
    return float(wilcoxon(differences).pvalue)


def holm(p_values: Sequence[float]) -> Float64:
    """Correct the p values of one family of tests (Holm's step-down method).

    Parameters
    ----------
    p_values : sequence of float, length k

    Returns
    -------
    ndarray of float64, shape (k,)
        At most 1, in the order given.
    """
    p = np.asarray(p_values, dtype=np.float64)
    order = np.argsort(p, kind="stable")
    stepped = np.maximum.accumulate(p[order] * np.arange(len(p), 0, -1))
    corrected = np.empty_like(p)
    corrected[order] = np.minimum(stepped, 1.0)
    return corrected


@dataclass(frozen=True)
class Identified:
    """How well the shared types were found (5.1). Accuracies in percent."""

    predicted: tuple[str, ...]
    """Types that at least one cluster was matched to."""
    global_accuracy: float
    """Eq. 24."""
    cluster_accuracy: float
    """Share of clusters matched to the type of most of their cells."""

    @property
    def accuracy(self) -> float:
        """The mean of both (eq. 5)."""
        return (self.global_accuracy + self.cluster_accuracy) / 2


def identification(
    matched: Sequence[str],
    majority: Sequence[str],
    reference_types: Sequence[str],
    query_types: Mapping[str, int],
) -> Identified:
    """Score the matches of clusters, of one subset or of several together (eqs 5 and 24).

    Parameters
    ----------
    matched, majority : sequence of str, length C
        The type each cluster was matched to, and the type of most of its cells.
    reference_types : sequence of str
    query_types : mapping from type to its cells
        Types with fewer than :data:`RARE` cells count neither as shared nor as absent.

    Returns
    -------
    Identified
    """
    shared = {name for name in reference_types if query_types.get(name, 0) >= RARE}
    absent = {name for name in reference_types if name not in query_types}
    predicted = set(matched)
    found = len(predicted & shared) / len(shared) if shared else 0.0
    filtered = len(absent - predicted) / len(absent) if absent else 1.0
    right = [first == second for first, second in zip(matched, majority, strict=True)]
    return Identified(
        tuple(sorted(predicted & set(reference_types))),
        100 * found * filtered,
        100 * float(np.mean(right)) if right else 0.0,
    )


@dataclass(frozen=True)
class Curve:
    """Accuracy and errors caught by share of the cells, in order of decreasing agreement."""

    share: Float64
    """Share of the cells that are kept, in (0, 1], shape (k,)."""
    accuracy_kept: Float64
    """Accuracy of the kept cells, in percent."""
    errors_caught: Float64
    """Share of all errors among the other cells, to be reviewed, in percent; NaN without errors."""


def agreement_curve(agreement: Float64, right: Bools, points: int = 20) -> Curve:
    """Compute accuracy against cells kept, and errors caught against cells reviewed.

    Parameters
    ----------
    agreement : ndarray of float64, shape (m,)
    right : ndarray of bool, shape (m,)
    points : int

    Returns
    -------
    Curve
        Cells of equal agreement are counted by their mean, as if in random order.
    """
    # Expected hits where ties are cut at random: each tied cell counts as its group's mean.
    _, group = np.unique(-agreement, return_inverse=True)
    mean = np.bincount(group, right) / np.bincount(group)
    expected = np.concatenate([[0.0], np.cumsum(mean[np.sort(group)])])
    share = np.arange(1, points + 1) / points
    kept = np.maximum(np.round(share * len(right)), 1).astype(np.int64)
    errors = len(right) - expected[-1]
    missed = kept - expected[kept]
    caught = 100 * (1 - missed / errors) if errors > 1e-9 else np.full(points, np.nan)
    return Curve(share, 100 * expected[kept] / kept, caught)


@dataclass(frozen=True)
class Reliability:
    """Confidence against accuracy, in bins of equal width."""

    cells: Ints
    """Number of cells in each bin, shape (BINS,)."""
    confidence: Float64
    """Mean confidence of each bin, in percent; NaN if the bin is empty."""
    accuracy: Float64
    """Accuracy of each bin, in percent; NaN if the bin is empty."""

    @property
    def expected_calibration_error(self) -> float:
        """Mean difference between confidence and accuracy, weighted by cells, in percent."""
        gap = np.nan_to_num(np.abs(self.confidence - self.accuracy))
        return float((gap * self.cells).sum() / max(int(self.cells.sum()), 1))


def reliability(confidence: Float64, right: Bools) -> Reliability:
    """Compare confidence with accuracy.

    Parameters
    ----------
    confidence : ndarray of float64, shape (m,)
        In [0, 1].
    right : ndarray of bool, shape (m,)

    Returns
    -------
    Reliability
    """
    bin_of = np.minimum((confidence * BINS).astype(np.int64), BINS - 1)
    cells = np.bincount(bin_of, minlength=BINS)

    def mean(values: Float64) -> Float64:
        total = np.bincount(bin_of, values, minlength=BINS)
        return np.divide(100 * total, cells, out=np.full(BINS, np.nan), where=cells > 0)

    return Reliability(cells, mean(confidence), mean(right.astype(np.float64)))


def folds(truth: Labels, patients: Sequence[str] | None, seed: int) -> list[Ints]:
    """Split labelled cells into folds, by patient if the patient of every cell is known.

    Parameters
    ----------
    truth : ndarray of str, shape (m,)
        At least two cells.
    patients : sequence of str, length m, optional
    seed : int

    Returns
    -------
    list of ndarray of int64
        Indices of each fold's cells: five folds, or fewer if a type has fewer cells.
    """
    from sklearn.model_selection import KFold, StratifiedGroupKFold, StratifiedKFold

    rows = np.zeros(len(truth))
    if patients is not None and all(patients) and len(set(patients)) >= 5:
        grouped = StratifiedGroupKFold(5, shuffle=True, random_state=seed)
        return [fold for _, fold in grouped.split(rows, truth, patients)]
    fewest = int(np.unique(truth, return_counts=True)[1].min())
    if fewest < 2:
        return [fold for _, fold in KFold(2, shuffle=True, random_state=seed).split(rows)]
    plain = StratifiedKFold(min(5, fewest), shuffle=True, random_state=seed)
    return [fold for _, fold in plain.split(rows, truth)]
