"""Hashes of the contents of clusters, by which stale confirmations are detected."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np

from celltransfer_core.errors import DataError
from celltransfer_core.matching.matches import Confirmation
from celltransfer_core.pipeline.clusters import Clusters, by_position


def cluster_hashes(clusters: Clusters, cells: Sequence[str]) -> tuple[str, ...]:
    """Hash which cells each cluster holds.

    Parameters
    ----------
    clusters : Clusters
        Of m cells.
    cells : sequence of str, length m
        Content hashes, sorted.

    Returns
    -------
    tuple of str
        Hexadecimal SHA-256 by position; it changes as soon as a single cell changes.
    """
    order = np.argsort(clusters.labels, kind="stable")
    members = np.split(order, np.cumsum(clusters.sizes)[:-1])
    return tuple(
        hashlib.sha256("\n".join(cells[cell] for cell in inside).encode()).hexdigest()
        for inside in members
    )


def check_contents(
    confirmations: Sequence[Confirmation], clusters: Clusters, cells: Sequence[str]
) -> None:
    """Check that confirmed clusters still hold the cells with which they were confirmed.

    Parameters
    ----------
    confirmations : sequence of Confirmation
    clusters : Clusters
    cells : sequence of str
        See :func:`cluster_hashes`.

    Raises
    ------
    DataError
        If a cluster does not exist, or one that was confirmed with its hash holds other cells.
    """
    hashed = [one for one in by_position(confirmations, clusters) if one.sha256]
    now = cluster_hashes(clusters, cells) if hashed else ()
    changed = [str(clusters.names[one.cluster]) for one in hashed if one.sha256 != now[one.cluster]]
    if changed:
        raise DataError(
            "The matches were made for other clusters: other cells are now in cluster "
            f"{', '.join(changed)}. Give those clusters with --clusters-from, or confirm these "
            "again."
        )
