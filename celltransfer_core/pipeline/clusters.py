"""Clusters of one set of cells, and confirmations by displayed cluster number (3.2)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from celltransfer_core.errors import DataError
from celltransfer_core.matching.matches import Confirmation
from celltransfer_core.types import Float64, Ints
from celltransfer_core.vocabulary import NONE_TYPE, check_new_type


@dataclass(frozen=True)
class Clusters:
    """Clusters of one set of n cells."""

    method: str
    labels: Ints
    """0 … C − 1, shape (n,)."""
    centrality: Float64
    """1 for a cluster's most central cell, shape (n,)."""
    density: Float64
    """Share of connected pairs among a cluster's pairs of cells, shape (C,); NaN if unknown."""
    names: Ints
    """Number that tables show for each cluster, shape (C,)."""
    sigma: float
    """Threshold used in eq. 7; NaN for clusters from a file."""

    @property
    def sizes(self) -> Ints:
        """Number of cells in each cluster, shape (C,)."""
        return np.bincount(self.labels, minlength=len(self.names))


def check_confirmations(confirmations: Sequence[Confirmation], types: Sequence[str]) -> None:
    """Check the names of new types.

    Parameters
    ----------
    confirmations : sequence of Confirmation
    types : sequence of str
        Types of the reference; all others are new.

    Raises
    ------
    DataError
        If a name cannot be used.
    """
    for one in confirmations:
        if one.type_name in (*types, NONE_TYPE):
            continue
        try:
            check_new_type(one.type_name)
        except DataError as error:
            raise DataError(
                f"Cluster {one.cluster} is matched to a type that the reference does not have, and "
                f"a new type cannot have this name: {error}"
            ) from None


def by_position(
    confirmations: Sequence[Confirmation], clusters: Clusters
) -> tuple[Confirmation, ...]:
    """Convert displayed cluster numbers to positions.

    Parameters
    ----------
    confirmations : sequence of Confirmation
    clusters : Clusters

    Returns
    -------
    tuple of Confirmation

    Raises
    ------
    DataError
        If a cluster does not exist or is not the one that was confirmed.
    """
    position = {int(name): index for index, name in enumerate(clusters.names)}
    for one in confirmations:
        if one.cluster not in position:
            raise DataError(
                f"The matches name cluster {one.cluster}, but clusters are numbered "
                f"{clusters.names.min()} to {clusters.names.max()}; give the clusters they were "
                "made for with --clusters-from."
            )
        size = int(clusters.sizes[position[one.cluster]])
        if one.cells not in (None, size):
            raise DataError(
                f"The matches were made for other clusters (cluster {one.cluster} had {one.cells} "
                f"cells, now {size}); give those clusters with --clusters-from."
            )
    return tuple(replace(one, cluster=position[one.cluster]) for one in confirmations)
