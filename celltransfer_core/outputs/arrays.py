"""Arrays of a run for programs: similarity scores (A.2; Figs 4, 9–11), votes and neighbours."""

from __future__ import annotations

from typing import Any

import numpy as np

from celltransfer_core.pipeline.result import DISCRIMINANT, RunResult
from celltransfer_core.vocabulary import QUERY

_SCORES = (
    "cosine",
    "snr",
    "kept",
    "mean_row",
    "mean_col",
    "count_row",
    "count_col",
    "score_row",
    "score_col",
    "p",
)


def similarity_arrays(result: RunResult) -> dict[str, Any]:
    """Collect the similarity scores and the t-SNE plane (Figs 4, 9, 10 and 11), and the votes.

    Parameters
    ----------
    result : RunResult

    Returns
    -------
    dict from name to ndarray
        ``SET/cosine`` (eq. 18), ``SET/snr``, ``SET/kept``, ``SET/mean_row``, ``SET/mean_col``,
        ``SET/count_row``, ``SET/count_col``, ``SET/score_row``, ``SET/score_col`` (eq. 21),
        ``SET/p`` (eq. 23) for the query, the reference and every extra set, with ``encoders``,
        ``types`` and ``clusters`` as the labels of their axes; ``plane/…`` for Fig. 4;
        ``query/votes``, the share of votes that each cluster gives to each type, if clusters are
        named by votes.
    """
    arrays: dict[str, Any] = {
        "encoders": np.array(result.scores[QUERY].encoders),
        "types": np.array(result.scores[QUERY].types),
        "clusters": result.clusters.names,
        "plane/position": result.plane.position,
        "plane/set": np.array(result.plane.set_name),
        "plane/cluster": result.plane.cluster,
        "plane/type": np.array(result.plane.type_name),
        "plane/p": result.plane.p,
    }
    for name, score in result.scores.items():
        for field in _SCORES:
            arrays[f"{name}/{field}"] = getattr(score, field)
    if result.cluster_votes is not None:
        arrays[f"{QUERY}/votes"] = result.cluster_votes
    return arrays


def neighbour_arrays(result: RunResult) -> dict[str, Any]:
    """Collect the nearest reference cells of each query cell, for every voter.

    Parameters
    ----------
    result : RunResult

    Returns
    -------
    dict from name to ndarray
        ``VOTER/index`` and ``VOTER/distance``, shape (m, 10): positions in ``reference_files``, −1
        where there are fewer; rows as in ``query_files``. The voter that is fitted to the query has
        no neighbours.
    """
    arrays: dict[str, Any] = {
        "reference_files": np.array(result.reference.first_file),
        "query_files": np.array(result.query.first_file),
    }
    for voter in result.voters:
        if voter.alignment == DISCRIMINANT:  # it uses no reference cells
            continue
        arrays[f"{voter.name}/index"] = voter.neighbours.astype(np.int32)
        arrays[f"{voter.name}/distance"] = voter.distances
    return arrays
