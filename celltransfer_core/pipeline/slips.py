"""Confirmed clusters with a suspected label error, and the state of each cluster for display."""

from __future__ import annotations

from typing import Literal

import numpy as np

from celltransfer_core.matching.matches import Match
from celltransfer_core.pipeline.result import RunResult
from celltransfer_core.vocabulary import NONE_TYPE

ClusterState = Literal["proposed", "confirmed", "none", "look again", "carried over"]


def possible_slips(result: RunResult) -> dict[int, str]:
    """Find confirmed clusters that the encoders predict as another type.

    Parameters
    ----------
    result : RunResult
        Result whose vote is updated with answers; otherwise nothing is found.

    Returns
    -------
    dict from a cluster's position to a type
        The most frequent type of its cells in the vote of the encoders alone, other than the
        confirmed type; ties are broken by name.
    """
    if (updated := result.updated) is None:
        return {}
    found = {}
    for position in updated.doubted_clusters:
        inside = result.clusters.labels == position
        voted = np.array(updated.types)[updated.ensemble.winner[inside]]
        others = voted[voted != result.matches[position].matched_type].tolist()
        if others:
            found[position] = max(sorted(set(others)), key=others.count)
    return found


def cluster_state(match: Match, *, share: float, slip: bool) -> ClusterState:
    """Return the state of a cluster.

    Parameters
    ----------
    match : Match
    share : float
        Share of its cells that were confirmed; 1 if it was confirmed in its present form.
    slip : bool
        Whether its name is a suspected label error.

    Returns
    -------
    str
    """
    if not match.confirmed:
        return "proposed"
    if match.matched_type == NONE_TYPE:
        return "none"
    if slip:
        return "look again"
    return "carried over" if share < 1 else "confirmed"
