"""Matches used by each filtering (5.1): as they are, or with every cluster named correctly.

A simulated reader without errors confirms each cluster with the majority type of its cells. This
uses the query's labels, so its figures are an upper bound for what confirming clusters can reach.
"""

from __future__ import annotations

from collections.abc import Sequence

from celltransfer_core.evaluation.metrics import majority_types
from celltransfer_core.evaluation.protocol import Protocol
from celltransfer_core.matching.matches import Confirmation
from celltransfer_core.pipeline.clusters import Clusters
from celltransfer_core.pipeline.result import Named
from celltransfer_core.types import Labels
from celltransfer_core.vocabulary import NONE_TYPE


def matches_by_filtering(
    named: Named, truth: Labels, types: Sequence[str], protocol: Protocol
) -> dict[str, Named]:
    """Return the matches that each filtering uses.

    Parameters
    ----------
    named : Named
        Clusters of the query with their matches.
    truth : ndarray of str, shape (m,)
    types : sequence of str
        Types of the reference.
    protocol : Protocol

    Returns
    -------
    dict from filtering to Named
    """
    reader = majority_confirmations(named.clusters, truth, types)
    return {
        filtering: named.confirm(reader) if filtering == "reader" else named
        for filtering in protocol.filtering
    }


def majority_confirmations(
    clusters: Clusters, truth: Labels, types: Sequence[str]
) -> tuple[Confirmation, ...]:
    """Confirm every cluster with the type of most of its cells.

    Parameters
    ----------
    clusters : Clusters
    truth : ndarray of str, shape (m,)
    types : sequence of str
        Types of the reference; a cluster of another type is confirmed as none of these.

    Returns
    -------
    tuple of Confirmation
        Without clusters that have no labelled cell.
    """
    majority = majority_types(clusters.labels, truth)
    return tuple(
        Confirmation(int(name), answer if answer in types else NONE_TYPE, by="reader")
        for name, answer in zip(clusters.names, majority, strict=True)
        if answer
    )
