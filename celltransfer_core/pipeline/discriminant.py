"""The voter that knows types as they look in the query (not in the paper).

In: what the voters predict with the reference alone. Out: one voter more, whose types are normal
distributions fitted to the query's own cells. No label of the query and no answer is read.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from celltransfer_core.classify.voting import mean_probabilities
from celltransfer_core.people.posteriors import discriminant_posterior, normalized
from celltransfer_core.pipeline.result import DISCRIMINANT, GALLERY, Voter
from celltransfer_core.types import Float32, Float64

DOUBT = 1e-3
"""Added to each probability that a fit starts from: no type is excluded where all voters agree."""


def discriminant_voter(
    components: Float64, voters: Sequence[Voter], encoders: tuple[str, ...]
) -> Voter:
    """Fit the types to the query, starting from what unaligned voters take its cells for.

    Parameters
    ----------
    components : ndarray of float64, shape (m, c)
        Principal components of the query; see
        :attr:`~celltransfer_core.pipeline.result.Prepared.components`.
    voters : sequence of Voter
        Unaligned ones.
    encoders : tuple of str
        Those that the components are of.

    Returns
    -------
    Voter
        Without neighbours, because it looks at no reference cell; its accuracy on the reference and
        its mixing are the means of the others'.
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
    """Compute the probabilities of types that are fitted to the query.

    Parameters
    ----------
    components : ndarray of float64, shape (m, c)
    start : ndarray of float, shape (m, T)
        Probabilities to start from; zeros alone for cells that nothing is known of.

    Returns
    -------
    ndarray of float64, shape (m, T)

    Notes
    -----
    Expectation-maximisation shares the cells out among normal distributions of one covariance, and
    keeps close to where it started; see
    :func:`~celltransfer_core.people.posteriors.discriminant_posterior`. So the means of the types
    follow the query's own cells, and an offset between laboratories that all its cells have is
    forgotten.

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
