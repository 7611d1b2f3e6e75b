"""TODO celltransfer_core/evaluation/judges.py."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from celltransfer_core.config import Config
from celltransfer_core.evaluation.metrics import majority_types
from celltransfer_core.evaluation.protocol import LARGE, Protocol
from celltransfer_core.matching.matches import Confirmation
from celltransfer_core.pipeline.result import Clusters, Named
from celltransfer_core.pipeline.subsets import split_query
from celltransfer_core.types import Ints, Labels
from celltransfer_core.vocabulary import NONE_TYPE


def _judges(
    named: Named, truth: Labels, types: Sequence[str], protocol: Protocol
) -> dict[str, Named]:
    reader = majority_words(named.clusters, truth, types)
    return {
        filtering: named.confirm(reader) if filtering == "reader" else named
        for filtering in protocol.filtering
    }


def majority_words(
    clusters: Clusters, truth: Labels, types: Sequence[str]
) -> tuple[Confirmation, ...]:
    """Say of every cluster what a reader who never errs would.

    Parameters
    ----------
    clusters : Clusters
    truth : ndarray of str, shape (m,)
    types : sequence of str
        Of the reference; a cluster of another type is none of these.

    Returns
    -------
    tuple of Confirmation
        Nothing of clusters without a labelled cell.
    """
    majority = majority_types(clusters.labels, truth)
    return tuple(
        Confirmation(int(name), answer if answer in types else NONE_TYPE, by="reader")
        for name, answer in zip(clusters.names, majority, strict=True)
        if answer
    )


def _parts(m: int, config: Config, subsets: int) -> tuple[list[Ints], bool]:
    if m <= config.subset_size:
        return [np.arange(m)], False
    rng = np.random.default_rng([config.seed, LARGE + 2])
    taken = np.sort(rng.permutation(m)[: subsets * config.subset_size])
    size = -(-len(taken) // subsets)
    return [taken[part] for part in split_query(len(taken), size, rng)], True
