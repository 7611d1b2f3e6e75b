"""Confirmed clusters whose name may be a slip, and how each cluster stands, for those who look."""

from __future__ import annotations

from typing import Literal

import numpy as np

from celltransfer_core.matching.matches import Match
from celltransfer_core.pipeline.result import RunResult
from celltransfer_core.vocabulary import NONE_TYPE

ClusterState = Literal["proposed", "confirmed", "none", "look again", "carried over"]


def possible_slips(result: RunResult) -> dict[int, str]:
    """Find confirmed clusters that the encoders take for another type.

    Parameters
    ----------
    result : RunResult
        Its vote updated with answers; without that there is none.

    Returns
    -------
    dict from a cluster's position to a type
        The type that most of its cells have in the vote of the encoders alone, the confirmed one
        left aside; of equal ones the first by name.
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
    """Tell how a cluster stands.

    Parameters
    ----------
    match : Match
    share : float
        Share of its cells that were confirmed; 1 where it was confirmed as it is.
    slip : bool
        Whether its name may be a slip.

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
