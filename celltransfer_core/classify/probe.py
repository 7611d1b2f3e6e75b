"""Probes: classifiers that are trained on a sample of the reference's embeddings (3.4, 4.2)."""

from __future__ import annotations

import numpy as np

from celltransfer_core.neighbors.classifier import ProbabilisticClassifier
from celltransfer_core.types import Float32, Ints


def draw_cells(numbers: Ints, n_cells: int, seed: int) -> Ints:
    """Draw cells so that every class keeps its share and no class is lost.

    Parameters
    ----------
    numbers : ndarray of int64, shape (n,)
        Class number of each cell.
    n_cells : int
        Number of cells to draw, at least the number of classes.
    seed : int

    Returns
    -------
    ndarray of int64, shape (min(n, n_cells),)
        Positions, ascending.

    Examples
    --------
    >>> import numpy as np
    >>> numbers = np.repeat([0, 1], [90, 10])
    >>> np.bincount(numbers[draw_cells(numbers, 20, seed=0)]).tolist()
    [18, 2]
    """
    if len(numbers) <= n_cells:
        return np.arange(len(numbers))
    # Within a random order, cells are ranked by their relative position in their class.
    order = np.random.default_rng(seed).permutation(len(numbers))
    share = np.empty(len(numbers))
    for number in np.unique(numbers):
        members = order[numbers[order] == number]
        share[members] = np.arange(len(members)) / len(members)
    return np.sort(np.argsort(share, kind="stable")[:n_cells])


class Probe(ProbabilisticClassifier):
    """Base of classifiers trained on at most ``max_cells`` cells, drawn with ``random_state``.

    A subclass defines ``_train(X, numbers)`` and ``_probabilities(X)``.
    """

    max_cells: int
    random_state: int

    def _fit(self, X: Float32, numbers: Ints) -> None:
        if len(self.classes_) < 2:
            raise ValueError("Classifier can't train when only one class is present.")
        kept = draw_cells(numbers, self.max_cells, self.random_state)
        self._train(X[kept], numbers[kept])

    def _train(self, X: Float32, numbers: Ints) -> None:
        raise NotImplementedError
