"""Estimates of the phases of a run and of their durations before it starts.

The phases are estimated from the sizes of the sets, a configuration and the speeds measured on this
machine, and have the names that progress reports. Before anything is measured, counts and typical
speeds are used instead.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from celltransfer_core.config.config import Config
from celltransfer_core.config.settings import voter_name
from celltransfer_core.encoders.catalogue import shipped_networks
from celltransfer_core.encoders.embedding import embedding_stage, grouped
from celltransfer_core.pipeline.estimate import estimate_run
from celltransfer_core.pipeline.maps import MAP_CELLS
from celltransfer_core.pipeline.named import CLUSTER_SAMPLE
from celltransfer_core.pipeline.suited import MOST_CELLS, TRYING
from celltransfer_core.runtime.progress import Phase

DRAWN_MAP = "drawing the map"
"""Phase in which a map of the cells is drawn."""

EVALUATION = ("evaluate", "identify shared types", "reader")
"""The long phases of an evaluation."""

_BEGINNING: Mapping[str, float] = {
    "reading": 2.0,
    "framing": 2.0,
    TRYING: 0.3,
    "embedding": 0.3,
    "clusters": 0.7,
    "matches": 0.2,
    "vote": 0.3,
    "aligning": 0.3,
    DRAWN_MAP: 0.7,
    "evaluate": 3.0,
}
"""Fixed seconds per phase, for loading libraries and starting processes."""

_USUAL: Mapping[str, float] = {
    "reading": 1e-4,
    "drawing the cells": 0.012,
    "framing": 0.005,
    "colour": 0.001,
    TRYING: 0.03,
    "embedding cell": 0.010,
    "embedding colour": 0.006,
    "embedding texture": 0.018,
    "embedding shape": 0.008,
    "clusters": 0.002,
    "matches": 2e-4,
    "vote": 1e-7,
    "aligning": 4e-7,
    DRAWN_MAP: 0.004,
    "checking the reference": 0.01,
    "evaluate": 2e-5,
    "identify shared types": 3e-6,
    "reader": 8e-6,
}
"""Approximate seconds per unit of work on one processor; a much slower encoder or machine becomes
apparent in its first phase."""

_USUAL_ENCODER = 0.2  # for encoders not listed there

_TOGETHER = ("reading", "clusters", "matches", "vote", DRAWN_MAP, "checking the reference")
"""Phases that run in a single process, however many are available."""


@dataclass(frozen=True)
class Sizes:
    """Sizes that determine the duration of a run, besides its configuration."""

    reference: int
    query: int
    extras: int = 0
    """Cells of all extra sets together."""
    sources: int = 1
    """Sets pooled into the reference."""
    workers: int = 1

    @property
    def cells(self) -> int:
        """Cells of all sets together."""
        return self.reference + self.query + self.extras


def estimate_phases(
    config: Config, sizes: Sizes, speeds: Mapping[str, float], *, transport: bool
) -> tuple[Phase, ...]:
    """Estimate every phase of a run, in order.

    Parameters
    ----------
    config : Config
    sizes : Sizes
    speeds : mapping from phase to float
        Seconds per unit of work, as measured by :func:`speed_of`.
    transport : bool
        Whether transport counts; see :func:`~celltransfer_core.pipeline.votes.transport_counts`.

    Returns
    -------
    tuple of Phase
        Framing, colours, embedding, clusters, matches, the first vote, the map, and the transport
        of each voter.
    """
    works = [*_embedding(config, sizes), *_naming(sizes), *_voting(config, sizes)]
    works.append((DRAWN_MAP, sum(min(n, MAP_CELLS // 2) for n in (sizes.reference, sizes.query))))
    works += _aligning(config, sizes) if transport else ()
    return tuple(estimated(name, work, speeds, sizes.workers) for name, work in works)


def estimated(name: str, work: float, speeds: Mapping[str, float], workers: int = 1) -> Phase:
    """Estimate one phase.

    Parameters
    ----------
    name : str
    work : float
        See :class:`Phase`.
    speeds : mapping from phase to float
        See :func:`estimate_phases`.
    workers : int
        Processes.

    Returns
    -------
    Phase
    """
    speed = speeds.get(name)
    if speed is None:
        speed = _usual(name) / (1 if _kind(name) in _TOGETHER else max(1, workers))
    return Phase(name, work, _BEGINNING.get(_kind(name), 0.0) + work * speed)


def speed_of(phase: Phase, seconds: float) -> float:
    """Measure the speed of a phase.

    Parameters
    ----------
    phase : Phase
    seconds : float
        Measured duration.

    Returns
    -------
    float
        Seconds per unit of work, without the fixed seconds of the phase.
    """
    beyond = max(seconds - _BEGINNING.get(_kind(phase.name), 0.0), seconds / 10)
    return beyond / max(phase.work, 1)


def _kind(name: str) -> str:
    kind = name.split(" ")[0]
    return kind if kind in ("embedding", "aligning") else name


def _usual(name: str) -> float:
    if _kind(name) == "embedding":
        members = name.removeprefix("embedding ").split("+")
        alone = [_USUAL.get(f"embedding {one}", _USUAL_ENCODER) for one in members]
        # The work that encoders share is most of the work of a fast encoder.
        return max(alone) + sum(sorted(alone)[:-1]) / 3
    return _USUAL.get(_kind(name), 1e-3)


def _embedding(config: Config, sizes: Sizes) -> Iterator[tuple[str, float]]:
    if config.framing != "none":
        yield "framing", sizes.cells
    if config.colour != "none":
        yield "colour", min(sizes.reference, 1000) + min(sizes.query, 1000)
    if (ways := _ways(config)) > 1:
        yield TRYING, ways * min(sizes.reference, MOST_CELLS)
    for group in grouped(config.encoder_ids):
        yield embedding_stage(group), sizes.cells


def _ways(config: Config) -> int:
    """Count the ways tried on the reference if its cells are cropped around their nuclei."""
    fields = 3 if config.framing == "auto" else 1
    networks = {*shipped_networks()} if config.network == "auto" else set()
    own = networks & {*config.encoder_ids}
    return fields + (len(networks - own) if own else 0)


def _naming(sizes: Sizes) -> Iterator[tuple[str, float]]:
    yield "clusters", min(sizes.query, CLUSTER_SAMPLE)
    yield "matches", sizes.cells


def _voting(config: Config, sizes: Sizes) -> Iterator[tuple[str, float]]:
    yield "vote", len(config.encoders) * sizes.query * min(sizes.reference, config.subset_size)


def _aligning(config: Config, sizes: Sizes) -> Iterator[tuple[str, float]]:
    plan = estimate_run(
        config, len(config.encoders), sizes.reference, sizes.query, sources=sizes.sources
    )
    pairs = plan.transports / len(config.encoders) * plan.source * plan.target
    for voter in config.encoders:
        yield f"aligning {voter_name(voter)}", pairs
