"""Estimates of the transports (5.2) and the duration of a run before it starts."""

from __future__ import annotations

from dataclasses import dataclass

from celltransfer_core.config.config import Config
from celltransfer_core.pipeline.draws import draw_size
from celltransfer_core.pipeline.votes import transport_counts

_TRANSPORT = 4e-7
"""Seconds per pair of cells of one transport, on one processor; 0.3 to 0.5 were measured."""

_SEARCH = 4e-8
"""Seconds per pair of cells of one neighbour search, for both a voter and its mixing."""

_EACH = 0.4
"""Minimum number of seconds per voter."""

_START = 5.0
"""Seconds until the process of a job has loaded what it needs."""


@dataclass(frozen=True)
class RunEstimate:
    """Steps and time of a run, once cells are embedded and clusters are matched."""

    voters: int
    """Number of voters, including the aligned ones and the one fitted to the query."""
    parts: int
    """Number of parts into which the query is divided."""
    transports: int
    source: int
    """Reference cells of each transport."""
    target: int
    """Query cells of each transport, at most."""
    first: float
    """Seconds until the vote without transport is ready."""
    seconds: float
    """Seconds until the end; accurate to within a factor of about three on a current machine."""


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
    """Estimate the steps of classification and their approximate duration.

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
        Sets pooled into the reference.
    workers : int
        Processes for transports.
    confirmed : float
        Share of the query's cells in confirmed clusters; see
        :func:`~celltransfer_core.pipeline.votes.transport_counts`.

    Returns
    -------
    RunEstimate
        Its time is 0.4 µs per pair of cells for each transport, divided among the workers, and 0.04
        µs for each neighbour search.
    """
    parts = max(1, -(-query // config.subset_size))
    target = -(-query // parts)
    size, draws = draw_size(config, reference, target)
    draws *= sources if config.weights == "matches" else 1
    aligned = transport_counts(config, confirmed)
    transports = encoders * parts * draws if aligned and config.alignment == "fgw" else 0
    # A cell is searched once, however often it is drawn.
    searched = min(reference, size * draws)
    voting = encoders * (_EACH + query * searched * _SEARCH)
    first = seconds = _START + voting
    if aligned:
        seconds += voting
        seconds += transports * size * target * _TRANSPORT / max(1, min(workers, parts * draws))
    voters = encoders * (2 if aligned else 1) + (config.transduction != "none")
    return RunEstimate(voters, parts, transports, size, target, first, seconds)
