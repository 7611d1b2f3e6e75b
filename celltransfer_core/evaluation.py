"""What predictions are worth, measured against labels. Nothing else reads a query's labels."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from celltransfer_core.datasets import Dataset, read_dataset
from celltransfer_core.errors import DataError
from celltransfer_core.types import Bools, Ints, Labels

RARE = 6
"""Types with fewer cells than this in the query are left out of accuracy figures."""


@dataclass(frozen=True)
class Score:
    """Figures in percent."""

    accuracy: float
    balanced_accuracy: float
    f1: float
    """Weighted over types."""
    recall: Mapping[str, float]


def true_labels(query: Dataset) -> Labels:
    """Read the types of a query's cells from its folder names or its labels.csv.

    Parameters
    ----------
    query : Dataset
        Read without labels, m cells.

    Returns
    -------
    ndarray of str, shape (m,)
        Empty for cells without a usable label.
    """
    labelled = read_dataset(query.root, labelled=True)
    names = dict(zip(labelled.cells, labelled.cell_labels.tolist(), strict=True))
    return np.array([names.get(cell, "") for cell in query.cells])


def counted(truth: Labels) -> Bools:
    """Tell which cells figures are computed on: those of types that are not too rare.

    Parameters
    ----------
    truth : ndarray of str, shape (m,)

    Returns
    -------
    ndarray of bool, shape (m,)
    """
    names, counts = np.unique(truth, return_counts=True)
    return np.isin(truth, names[(counts >= RARE) & (names != "")])


def score(truth: Labels, predicted: Labels) -> Score:
    """Compare predicted types with true ones.

    Parameters
    ----------
    truth, predicted : ndarray of str, shape (m,)

    Returns
    -------
    Score
        Over the cells that count, see :func:`counted`.

    Raises
    ------
    DataError
        If there are none.
    """
    from sklearn.metrics import f1_score

    used = counted(truth)
    if not used.any():
        raise DataError(f"No type has {RARE} labelled cells; figures need at least one that has.")
    truth, predicted = truth[used], predicted[used]
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
    """Give each cluster the type that most of its cells have: what a perfect reader would answer.

    Parameters
    ----------
    clusters : ndarray of int64, shape (m,)
        0 … C − 1.
    truth : ndarray of str, shape (m,)

    Returns
    -------
    tuple of str, length C
    """
    answers = []
    for cluster in range(int(clusters.max()) + 1):
        names, counts = np.unique(truth[clusters == cluster], return_counts=True)
        answers.append(str(names[counts.argmax()]))
    return tuple(answers)
