"""The voter whose types are fitted to the query's own cells (not in the paper).

In: what the voters predict from the reference alone. Out: one additional voter, whose types are
normal distributions fitted to the query's own cells. Neither labels of the query nor answers are
read.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from celltransfer_core.classify.voting import mean_probabilities
from celltransfer_core.people.posteriors import discriminant_posterior, normalized
from celltransfer_core.pipeline.result import DISCRIMINANT, GALLERY, Voter
from celltransfer_core.types import Float32, Float64

DOUBT = 1e-3
"""Added to each starting probability of a fit, so that unanimous votes exclude no type."""


def discriminant_voter(
    components: Float64, voters: Sequence[Voter], encoders: tuple[str, ...]
) -> Voter:
    """Fit the types to the query, starting from the predictions of the unaligned voters.

    Parameters
    ----------
    components : ndarray of float64, shape (m, c)
        Principal components of the query; see
        :attr:`~celltransfer_core.pipeline.result.Prepared.components`.
    voters : sequence of Voter
        Unaligned ones.
    encoders : tuple of str
        Encoders from which the components were computed.

    Returns
    -------
    Voter
        Without neighbours, because it uses no reference cells; its accuracy on the reference and
        its mixing are the means of those of the other voters.
    """
    start = mean_probabilities(np.stack([voter.probabilities for voter in voters]))
    shape = len(components), GALLERY
    return Voter(
        encoders=encoders,
        alignment=DISCRIMINANT,
        weight=np.nan,
        accuracy=float(np.mean([voter.accuracy for voter in voters])),
        mixing=float(np.mean([voter.mixing for voter in voters])),
        probabilities=fitted_probabilities(components, start),
        neighbours=np.full(shape, -1, dtype=np.int64),
        distances=np.full(shape, np.nan, dtype=np.float32),
    )


def fitted_probabilities(components: Float64, start: Float32 | Float64) -> Float64:
    """Compute the probabilities of types fitted to the query.

    Parameters
    ----------
    components : ndarray of float64, shape (m, c)
    start : ndarray of float, shape (m, T)
        Starting probabilities; all zeros for cells of which nothing is known.

    Returns
    -------
    ndarray of float64, shape (m, T)

    Notes
    -----
    Expectation-maximisation assigns the cells to normal distributions with a shared covariance and
    stays close to its start; see
    :func:`~celltransfer_core.people.posteriors.discriminant_posterior`. The means of the types thus
    follow the query's own cells, and an offset between laboratories that all its cells share
    cancels out.

    Examples
    --------
    Two groups of cells, and a start that is wrong in the last one:

    >>> import numpy as np
    >>> components = np.array([[0.0], [0.1], [0.2], [5.0], [5.1], [5.2]])
    >>> start = np.array([[0.8, 0.2]] * 3 + [[0.2, 0.8]] * 2 + [[0.6, 0.4]])
    >>> fitted_probabilities(components, start).argmax(axis=1).tolist()
    [0, 0, 0, 1, 1, 1]
    """
    return discriminant_posterior(components, normalized(start.astype(np.float64) + DOUBT))
