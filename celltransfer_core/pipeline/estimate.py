"""An estimate of a run's transports (5.2) and of its time, before it is started."""

from __future__ import annotations

from dataclasses import dataclass

from celltransfer_core.config.config import Config
from celltransfer_core.pipeline.draws import draw_size
from celltransfer_core.pipeline.votes import transport_counts

_TRANSPORT = 4e-7
"""Seconds a pair of cells of one transport, on one processor; 0.3 to 0.5 were measured."""

_SEARCH = 4e-8
"""Seconds a pair of cells of one search for neighbours, both of a voter's and its mixing's."""

_EACH = 0.4
"""Seconds a voter takes at least."""

_START = 5.0
"""Seconds until a job's process has read what it needs."""


@dataclass(frozen=True)
class RunEstimate:
    """Steps and time of a run, once cells are embedded and clusters are matched."""

    voters: int
    """Those that vote, aligned ones and the one that is fitted to the query included."""
    parts: int
    """Parts that the query is cut into."""
    transports: int
    source: int
    """Reference cells of each transport."""
    target: int
    """Query cells of each, at most."""
    first: float
    """Seconds until the vote without transport."""
    seconds: float
    """Until the end; right within a factor of about three on a current machine."""


def estimate_run(
    config: Config,
    encoders: int,
    reference: int,
    query: int,
    *,
    sources: int = 1,
    workers: int = 1,
    confirmed: float = 1.0,
) -> RunEstimate:
    """Estimate the steps of classification and about how long they take.

    Parameters
    ----------
    config : Config
    encoders : int
        Unaligned voters: encoders and concatenations.
    reference : int
        Reference cells of the types that are kept.
    query : int
        Cells.
    sources : int
        Sets that were pooled to the reference.
    workers : int
        Processes for transports.
    confirmed : float
        Share of the query's cells in confirmed clusters; see
        :func:`~celltransfer_core.pipeline.votes.transport_counts`.

    Returns
    -------
    RunEstimate
        Its time is 0.4 µs a pair of cells for each transport, shared by the workers, and
        0.04 µs for each search for neighbours.
    """
    parts = max(1, -(-query // config.subset_size))
    target = -(-query // parts)
    size, draws = draw_size(config, reference, target)
    draws *= sources if config.weights == "matches" else 1
    aligned = transport_counts(config, confirmed)
    transports = encoders * parts * draws if aligned and config.alignment == "fgw" else 0
    # However often a cell is drawn, it is searched once.
    searched = min(reference, size * draws)
    voting = encoders * (_EACH + query * searched * _SEARCH)
    first = seconds = _START + voting
    if aligned:
        seconds += voting
        seconds += transports * size * target * _TRANSPORT / max(1, min(workers, parts * draws))
    voters = encoders * (2 if aligned else 1) + (config.transduction != "none")
    return RunEstimate(voters, parts, transports, size, target, first, seconds)
