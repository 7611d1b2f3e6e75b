r"""Temperature scaling of a vote's probabilities to fit the answers.

The method follows Guo et al. (ICML 2017), adapted to few answers by a prior and a share of label
errors.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from celltransfer_core.people.posteriors import normalized
from celltransfer_core.types import Float64, Ints

_POWERS = np.geomspace(0.3, 4.0, 16)
_SLIPS = np.geomspace(0.005, 0.2, 8)
_PRIOR_POWER, _POWER_SPREAD = 1.0, 0.5  # mean and standard deviation, of the logarithm
_PRIOR_SLIPS, _SLIPS_SPREAD = 0.03, 1.0
_LEAST = 1e-4  # lower limit of a probability before its logarithm is taken


def scale_types(probabilities: Float64, cells: Ints, answers: Sequence[int]) -> Float64:
    r"""Scale the probabilities of the types so that they fit the answers.

    .. math:: \mu = (1 - \epsilon) \frac{p^a}{\sum p^a} + \epsilon \bar p

    where :math:`\bar p` is halfway between the types' mean probabilities and uniform ones. The
    power a and the share of label errors :math:`\epsilon` are means of their posterior on a grid,
    under log-normal priors.

    Parameters
    ----------
    probabilities : ndarray of float64, shape (n, T)
        Probabilities of the vote; those of an answered cell must not use its answer.
    cells : ndarray of int64, shape (N,)
        The answered cells.
    answers : sequence of int, length N
        Type number of each answered cell.

    Returns
    -------
    ndarray of float64, shape (n, T)
        Rows sum to one. The row of an answered cell is scaled by the other answers only.

    Examples
    --------
    >>> import numpy as np
    >>> sure = np.tile([0.9, 0.1], (40, 1))
    >>> half = scale_types(sure, np.arange(40), [0, 1] * 20)  # every second one is wrong
    >>> bool(half[0, 0] < 0.75)
    True
    """
    types = probabilities.shape[1]
    logs = np.log(np.clip(probabilities, _LEAST, None))
    slip = (probabilities.mean(axis=0) + 1 / types) / 2
    power, slips = (grid.ravel() for grid in np.meshgrid(_POWERS, _SLIPS, indexing="ij"))
    prior = (np.log(power / _PRIOR_POWER) / _POWER_SPREAD) ** 2
    prior = -(prior + (np.log(slips / _PRIOR_SLIPS) / _SLIPS_SPREAD) ** 2) / 2
    of_cells = _scaled(logs[cells], power[:, None, None], slips[:, None, None], slip)
    likelihood = np.log(of_cells[:, np.arange(len(cells)), np.asarray(answers, dtype=np.int64)])
    whole = prior + likelihood.sum(axis=1)
    scaled = _scaled(logs, _mean(whole[:, None], power), _mean(whole[:, None], slips), slip)
    without = whole[:, None] - likelihood
    left_out = _mean(without, power)[:, None], _mean(without, slips)[:, None]
    scaled[cells] = _scaled(logs[cells], left_out[0], left_out[1], slip)
    return scaled


def _mean(log_weights: Float64, grid: Float64) -> Float64:
    """Average a parameter's grid, shape (G,), by each column of weights, and exponentiate."""
    weights = np.exp(log_weights - log_weights.max(axis=0))
    mean = np.log(grid) @ weights / weights.sum(axis=0)
    return np.asarray(np.exp(mean), dtype=np.float64)


def _scaled(logs: Float64, power: Float64, slips: Float64, slip: Float64) -> Float64:
    raised = np.exp(power * (logs - logs.max(axis=-1, keepdims=True)))
    return np.asarray((1 - slips) * normalized(raised) + slips * slip, dtype=np.float64)
