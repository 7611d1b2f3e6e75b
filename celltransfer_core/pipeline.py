"""The stages joined: two folders in, typed cells out (3.1–3.4)."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cache, cached_property, partial
from pathlib import Path
from typing import Literal, TypeVar, get_args, get_origin, get_type_hints

import numpy as np

from celltransfer_core import __version__
from celltransfer_core.cache import ROOM, Cache, fingerprint
from celltransfer_core.clustering import (
    UNASSIGNED,
    Auto,
    LouvainClustering,
    MixtureClustering,
    NodeDegreeClustering,
    Sigma,
    label_the_rest,
)
from celltransfer_core.datasets import Dataset
from celltransfer_core.embeddings import embed
from celltransfer_core.encoders import (
    DEFAULT_ENCODERS,
    Encoder,
    EncoderSpec,
    encoder_names,
    how_to_get,
    load_encoder,
    published_encoders,
)
from celltransfer_core.errors import DataError, EncoderError
from celltransfer_core.execution import SCHEDULER, run_tasks
from celltransfer_core.fgw import Solver, TransportLog
from celltransfer_core.framing import Colour, Crops, Framing, frame_sets
from celltransfer_core.matching import (
    NONE_TYPE,
    QUERY,
    REFERENCE,
    Confirmation,
    Match,
    Plane,
    Refinement,
    Similarity,
    centre,
    confirmed_share,
    match_clusters,
    most_alike,
    reference_similarity,
    refine,
    shared_types,
    similarity,
    tsne_plane,
    type_weights,
)
from celltransfer_core.neighbors import EntropyWeightedKNN, nearest
from celltransfer_core.probes import LinearProbe, discriminant
from celltransfer_core.review import ANSWERS, Review
from celltransfer_core.teaching import Taught, check_new_type, teach, words_of
from celltransfer_core.transport import (
    CentreAligner,
    CoralAligner,
    FGWAligner,
    LinearAligner,
    Map,
    SinkhornAligner,
    draw_reference,
    split_query,
)
from celltransfer_core.types import Bools, Float32, Float64, Ints, Progress, silent
from celltransfer_core.voting import (
    FLAG_THRESHOLD,
    Vote,
    leave_one_out_accuracy,
    mixing,
    voter_weights,
    weighted_vote,
)

CLUSTER_SAMPLE = 5000
"""Clusters are found on at most so many cells and carried to the rest by k-NN."""

GALLERY = 10
"""Nearest reference cells that are kept for each query cell and voter."""

_COUNTED = 20_000  # cells that are voted on at once

UNMATCHED_FLOOR = 0.03
"""Least share of a type in the draws where unmatched types are not filtered out."""

SMALLEST_DRAW = 100
"""Reference cells that are drawn where there are so many, however few they are transported onto."""


@dataclass(frozen=True)
class Config:
    """Everything a run can be told; the defaults are what measured best.

    Parameters
    ----------
    encoders : tuple of tuple of str
        Voters: each an encoder, or several whose embeddings are concatenated.
    framing : {"auto", "nucleus", "none"}
        Cut cells around their nuclei: where most are found, always, never.
    colour : {"balanced", "lab", "none"}
        Bring each set's Lab mean and spread to the reference's (``lab``), after each framed cell's
        background was brought to the reference's (``balanced``), or leave colours as they are.
    um_per_px : tuple of float, optional
        Size of a pixel in the reference and in the query, in µm.
    clusters : {"mixture", "louvain", "node-degree"}
        How clusters are found (A.1).
    n_clusters : {"auto"} or int
        Of a mixture, at most; ``auto``: a dozen, and up to twenty in large sets.
    cluster_encoder : tuple of str, optional
        Encoders, concatenated, that clusters are found on; the first voter by default.
    graph : {"geodesic", "knn"}
        Graph that clusters are found on, and cells are central in: of eq. 7, or of nearest
        neighbours alone.
    sigma : {"auto", "paper"} or float
        Threshold of eq. 7.
    resolution : float
        Of Louvain.
    features : {"centred", "raw"}
        Compare sets after each one's own mean is subtracted, or as they are (the paper).
    filtering : {"auto", "none"}
        Leave out types that no cluster matches, or keep all.
    keep : tuple of str
        Types to keep though no cluster matches them: rare ones that a person has seen.
    weights : {"matches", "uniform"}
        Draw the reference to the proportions that the matches give, or at random (the paper).
    alignment : {"fgw", "centre", "none"}
        Fused Gromov–Wasserstein, means only, or no aligned voters at all.
    alpha : float
        Trade-off of eq. 2, in the paper's convention.
    mapping : {"affine", "barycentric"}
        Where transport leads the reference's cells: all by one affine map that is fitted to eq. 4,
        or each by eq. 4 itself (the paper).
    solver : {"auto", "auction", "pot"}
        Of the transport: own; POT's; or own unless α is 1.
    classifier : {"knn", "linear"}
        Entropy-weighted k-NN, or a linear probe.
    class_weight : {"balanced", "none"}
        Let a type's drawn cells count as neighbours in inverse proportion to their number, or each
        alike (the paper). Types that are rare in the query are drawn rarely.
    vote_weights : {"confirmed", "prior", "equal"}
        Weigh voters evenly, but aligned ones only as far as people confirmed the clusters that
        the alignment rests on; by what they do on the reference and how the sets mix; or evenly.
    scale_blocks : bool
        Divide each block of a concatenation by its mean norm over the reference (not in the paper).
    subset_size : int
        Most cells of either set in one transport (5.2).
    draws : int
        Reference subsets a part of the query; more of them where they are small, see
        :func:`draw_size`.
    flag_threshold : float
        Cells with less agreement are flagged for review.
    seed : int
        Of everything that is random.

    Raises
    ------
    DataError
        If a value is out of range; the message names the option.
    """

    encoders: tuple[tuple[str, ...], ...] = DEFAULT_ENCODERS
    framing: Literal["auto", "nucleus", "none"] = "auto"
    colour: Colour = "balanced"
    um_per_px: tuple[float, float] | None = None
    clusters: Literal["mixture", "louvain", "node-degree"] = "mixture"
    n_clusters: Auto | int = "auto"
    cluster_encoder: tuple[str, ...] | None = None
    graph: Literal["geodesic", "knn"] = "geodesic"
    sigma: Sigma | float = "auto"
    resolution: float = 2.0
    features: Literal["centred", "raw"] = "centred"
    filtering: Literal["auto", "none"] = "auto"
    keep: tuple[str, ...] = ()
    weights: Literal["matches", "uniform"] = "matches"
    alignment: Literal["fgw", "centre", "none"] = "fgw"
    alpha: float = 0.5
    mapping: Map = "affine"
    solver: Solver = "auto"
    classifier: Literal["knn", "linear"] = "knn"
    class_weight: Literal["balanced", "none"] = "balanced"
    vote_weights: Literal["confirmed", "prior", "equal"] = "confirmed"
    scale_blocks: bool = True
    subset_size: int = 2000
    draws: int = 3
    flag_threshold: float = FLAG_THRESHOLD
    seed: int = 0

    def __post_init__(self) -> None:
        for name, words in _choices().items():
            value = getattr(self, name)
            if value not in words:
                option = name.replace("_", "-")
                raise DataError(f"--{option} cannot be {value}; it takes {', '.join(words)}.")
        limits = {
            "alpha": 0 <= self.alpha <= 1,
            "flag-threshold": 0 <= self.flag_threshold <= 1,
            "subset-size": self.subset_size >= 10,
            "draws": self.draws >= 1,
            "n-clusters": self.n_clusters == "auto"
            if isinstance(self.n_clusters, str)
            else self.n_clusters >= 1,
            "resolution": self.resolution > 0,
            "seed": 0 <= self.seed < 2**32,
            "sigma": self.sigma in get_args(Sigma)
            if isinstance(self.sigma, str)
            else 0 < self.sigma <= 1,
            "um-per-px": self.um_per_px is None or min(self.um_per_px) > 0,
            "encoders": bool(self.encoders),
        }
        allowed = {
            "alpha": "0 to 1",
            "flag-threshold": "0 to 1",
            "subset-size": "10 or more",
            "draws": "1 or more",
            "n-clusters": "auto, or 1 or more",
            "resolution": "above 0",
            "seed": "0 to 4294967295",
            "sigma": "auto, paper, or above 0 up to 1",
            "um-per-px": "two numbers above 0",
            "encoders": "one encoder at least",
        }
        for name, fine in limits.items():
            if not fine:
                value = getattr(self, name.replace("-", "_"))
                raise DataError(f"--{name} cannot be {value}; it takes {allowed[name]}.")

    @property
    def encoder_ids(self) -> tuple[str, ...]:
        """Every single encoder that is needed, in the order of first mention."""
        voters = (*self.encoders, *([self.cluster_encoder] if self.cluster_encoder else []))
        return tuple(dict.fromkeys(member for voter in voters for member in voter))

    def kept_types(self, matches: Sequence[Match], types: Sequence[str]) -> tuple[str, ...]:
        """List the types of the reference that take part (3.2).

        Parameters
        ----------
        matches : sequence of Match
        types : sequence of str
            Those of the reference.

        Returns
        -------
        tuple of str
            In the order of ``types``.
        """
        if self.filtering == "none":
            return tuple(types)
        return shared_types(matches, types, self.keep)


@cache
def _choices() -> dict[str, tuple[str, ...]]:
    """List the words that each setting takes which takes nothing else."""
    hints = get_type_hints(Config)
    return {name: get_args(hint) for name, hint in hints.items() if get_origin(hint) is Literal}


DEFAULT = Config()
PAPER = replace(
    DEFAULT,
    framing="none",
    colour="none",
    clusters="node-degree",
    sigma="paper",
    features="raw",
    weights="uniform",
    mapping="barycentric",
    class_weight="none",
    vote_weights="prior",
    scale_blocks=False,
)
PRESETS = {"default": DEFAULT, "paper": PAPER}

CLUSTERED_BY = ("clusters", "n_clusters", "graph", "sigma", "resolution", "seed")
"""Settings that decide the clusters of what they are found on."""


Kept = TypeVar("Kept")


def voter_name(voter: Sequence[str]) -> str:
    """Write a voter as on the command line: ``colour+shape``."""
    return "+".join(voter)


@dataclass(frozen=True)
class Failure:
    """An encoder that could not be used."""

    encoder: str
    reason: str


@dataclass(frozen=True)
class Clusters:
    """Clusters of one set of n cells."""

    method: str
    labels: Ints
    """0 … C − 1, shape (n,)."""
    centrality: Float64
    """1 for a cluster's most central cell, shape (n,)."""
    density: Float64
    """Share of a cluster's pairs of cells that are connected, shape (C,); NaN where not known."""
    names: Ints
    """The number each cluster goes by in tables, shape (C,)."""
    sigma: float
    """Threshold of eq. 7 that was used; NaN for clusters from a file."""

    @property
    def sizes(self) -> Ints:
        """Cells in each cluster, shape (C,)."""
        return np.bincount(self.labels, minlength=len(self.names))


@dataclass(frozen=True)
class Voter:
    """One encoder or concatenation, aligned or not, and what it says of m query cells."""

    encoders: tuple[str, ...]
    alignment: str
    """``"none"``, ``"centre"`` or ``"fgw"``."""
    weight: float
    accuracy: float
    """Leave-one-out balanced accuracy on the reference."""
    mixing: float
    """How well both sets mix, 0 to 1."""
    probabilities: Float64
    """Shape (m, T)."""
    neighbours: Ints
    """Nearest reference cells, shape (m, GALLERY); −1 where there are fewer."""
    distances: Float32
    """Their distances, same shape; NaN where there are fewer."""

    @property
    def name(self) -> str:
        """Such as ``colour+shape:fgw``."""
        return f"{voter_name(self.encoders)}:{self.alignment}"


@dataclass(frozen=True)
class Solve:
    """One transport: which, how large, and how it went."""

    voter: str
    part: int
    draw: int
    source: int
    target: int
    log: TransportLog


@dataclass(frozen=True)
class RunResult:
    """What a run found. n reference cells, m query cells, T kept types, C clusters."""

    config: Config
    reference: Dataset
    query: Dataset
    extras: Mapping[str, Dataset]
    framing: Framing
    encoders: tuple[EncoderSpec, ...]
    failures: tuple[Failure, ...]
    clusters: Clusters
    scores: Mapping[str, Similarity]
    """Similarity by set: the query's, the reference's own, each extra set's."""
    plane: Plane
    matches: tuple[Match, ...]
    types: tuple[str, ...]
    """Types of the reference that were kept."""
    filtered: Mapping[str, int]
    """Types that were left out, and their number of cells."""
    alike: Ints
    """Query cells that are most like each type of the reference, left out or not; see
    :class:`Named`."""
    proportions: Float64
    """Share of each kept type that the matches expect in the query, shape (T,)."""
    parts: int
    voters: tuple[Voter, ...]
    solves: tuple[Solve, ...]
    vote: Vote
    """Of the ensemble, or what people made of it: see ``taught``."""
    features: Float32
    """The query as its clusters were found, shape (m, d)."""
    taught: Taught | None = None
    """What people taught the vote, if they said anything; see :func:`teach`."""

    @property
    def predicted(self) -> tuple[str, ...]:
        """Predicted type of each query cell, length m."""
        return tuple(self.types[winner] for winner in self.vote.winner)

    @property
    def matched(self) -> tuple[str, ...]:
        """Matched type of each query cell's cluster, length m."""
        return tuple(self.matches[cluster].matched_type for cluster in self.clusters.labels)

    @property
    def flagged(self) -> Bools:
        """Which query cells want a look, shape (m,)."""
        unknown = np.array([name == NONE_TYPE for name in self.matched], dtype=bool)
        return (self.vote.agreement < self.config.flag_threshold) | unknown


def run(
    reference: Dataset,
    query: Dataset,
    config: Config = DEFAULT,
    *,
    extras: Mapping[str, Dataset] | None = None,
    confirmations: Sequence[Confirmation] = (),
    reviews: Sequence[Review] = (),
    clusters: Clusters | None = None,
    cache: Cache | None = None,
    workers: int | None = None,
    progress: Progress = silent,
) -> RunResult:
    """Type every cell of the query.

    Parameters
    ----------
    reference : Dataset
        Read with ``labelled=True``.
    query : Dataset
        Its labels, if it has any, are not looked at.
    config : Config
    extras : mapping from name to Dataset, optional
        Further unlabelled sets that help to name the query's clusters (3.2).
    confirmations : sequence of Confirmation
        What a person said of the clusters, by the numbers they go by in tables.
    reviews : sequence of Review
        What readers said of query cells, in the order they were made.
    clusters : Clusters, optional
        Clusters to use instead of finding them.
    cache : Cache, optional
        Where nuclei and embeddings are kept.
    workers : int, optional
        Processes; all processors by default. The outcome does not depend on it.
    progress : callable

    Returns
    -------
    RunResult

    Raises
    ------
    CellTransferError
        If the sets, the confirmations or all encoders cannot be used.
    """
    cache = cache or Cache()
    # Wrong words are told before minutes of work, not after.
    check_confirmations(confirmations, type_names(reference))
    prepared = prepare(
        reference, query, config, extras=extras, cache=cache, workers=workers, progress=progress
    )
    progress("clusters", 0, 1)
    if clusters is None:
        clusters = detect(prepared, cache)
    named = identify(prepared, clusters, confirmations)
    progress("clusters", 1, 1)
    found = transfer(prepared, named, cache=cache, workers=workers, progress=progress)
    return teach(found, words_of(found.matches, query.cells, reviews))


@dataclass(frozen=True)
class Prepared:
    """Sets that are framed and embedded (3.1)."""

    config: Config
    reference: Dataset
    query: Dataset
    extras: Mapping[str, Dataset]
    framing: Framing
    encoders: tuple[EncoderSpec, ...]
    failures: tuple[Failure, ...]
    embeddings: Embeddings
    voters: tuple[tuple[str, ...], ...]
    """Those whose encoders all work."""

    @property
    def cluster_on(self) -> tuple[str, ...]:
        """Encoders that clusters are found on."""
        return self.config.cluster_encoder or self.voters[0]

    @property
    def types(self) -> tuple[str, ...]:
        """Every type of the reference, sorted."""
        return type_names(self.reference)

    @property
    def reference_types(self) -> Ints:
        """Number of each reference cell's type, shape (n,)."""
        return np.searchsorted(self.types, self.reference.cell_labels).astype(np.int64)

    @cached_property
    def comparable(self) -> Embeddings:
        """Embeddings to compare sets by: pooled references levelled, unless features are raw.

        See :func:`level_sources`.
        """
        if self.config.features == "raw" or len(self.reference.sources) == 1:
            return self.embeddings
        types, sources = self.reference_types, self.reference.cell_sources
        reference = {
            member: level_sources(X, types, sources)
            for member, X in self.embeddings[REFERENCE].items()
        }
        return {**self.embeddings, REFERENCE: reference}


@dataclass(frozen=True)
class Named:
    """Clusters of the query, and the type that each was matched to (A.2)."""

    clusters: Clusters
    scores: Mapping[str, Similarity]
    plane: Plane
    refinements: tuple[Refinement, ...] | None
    """What the t-SNE vote proposes; None without extra sets."""
    alike: Ints
    """Query cells that are most like each type of the reference, shape (T, 8 or fewer); see
    :func:`celltransfer_core.matching.most_alike`."""
    matches: tuple[Match, ...]

    def confirm(self, confirmations: Sequence[Confirmation]) -> Named:
        """Take a person's word on some clusters, and drop what was said before.

        Parameters
        ----------
        confirmations : sequence of Confirmation
            By the numbers the clusters go by in tables.

        Returns
        -------
        Named

        Raises
        ------
        DataError
            If they speak of other types or clusters.
        """
        check_confirmations(confirmations, self.scores[QUERY].types)
        confirmed = by_position(confirmations, self.clusters)
        matches = match_clusters(
            self.scores[QUERY], self.clusters.sizes, self.refinements, confirmed
        )
        return replace(self, matches=matches)


def type_names(reference: Dataset) -> tuple[str, ...]:
    """List the types of a reference.

    Parameters
    ----------
    reference : Dataset

    Returns
    -------
    tuple of str
        Sorted.
    """
    return tuple(sorted(set(reference.cell_labels.tolist())))


def prepare(
    reference: Dataset,
    query: Dataset,
    config: Config = DEFAULT,
    *,
    extras: Mapping[str, Dataset] | None = None,
    cache: Cache | None = None,
    workers: int | None = None,
    progress: Progress = silent,
) -> Prepared:
    """Frame and embed every set (3.1); what is kept from earlier is not computed again.

    Parameters
    ----------
    reference, query, config, extras, cache, workers, progress
        As for :func:`run`.

    Returns
    -------
    Prepared

    Raises
    ------
    CellTransferError
        If the sets or all encoders cannot be used, a type is named like another answer, or one
        that is to be kept is not there.
    """
    cache = cache or Cache()
    taken = sorted({*reference.cell_labels.tolist()} & {*ANSWERS})
    if taken:
        raise DataError(
            f"The reference has a type named {taken[0]!r}, which is also an answer to a cluster or "
            "a cell; rename the type or leave it out."
        )
    if wrong := sorted({*config.keep} - {*reference.cell_labels.tolist()}):
        raise DataError(
            f"--keep cannot be {', '.join(wrong)}; it takes types of the reference: "
            f"{', '.join(type_names(reference))}."
        )
    sets = {REFERENCE: reference, QUERY: query, **(extras or {})}
    encoders, failures = load_encoders(config)
    framing = frame_sets(
        sets,
        mode=config.framing,
        colour=config.colour,
        um_per_px=dict(zip((REFERENCE, QUERY), config.um_per_px or (None, None), strict=True)),
        cache=cache,
        workers=workers,
        progress=progress,
    )
    embeddings, broken = embed_sets(framing.crops, encoders, cache, workers, progress)
    failures = (*failures, *broken)
    return Prepared(
        config=config,
        reference=reference,
        query=query,
        extras=dict(extras or {}),
        framing=framing,
        encoders=tuple(e.spec for e in encoders if e.spec.id in embeddings[QUERY]),
        failures=failures,
        embeddings=embeddings,
        voters=usable_voters(config, embeddings[QUERY], failures),
    )


def detect(prepared: Prepared, cache: Cache | None = None) -> Clusters:
    """Find the clusters of the query (A.1).

    Parameters
    ----------
    prepared : Prepared
    cache : Cache, optional
        Keeps them, by everything that decides them.

    Returns
    -------
    Clusters
    """
    X, config = cluster_features(prepared), prepared.config
    facts = [getattr(config, name) for name in CLUSTERED_BY]
    key = fingerprint([__version__, CLUSTER_SAMPLE, *facts], X)
    return (cache.once if cache else _anew)(key, partial(find_clusters, X, config))


def cluster_features(prepared: Prepared) -> Float32:
    """Join what clusters of the query are found on.

    Parameters
    ----------
    prepared : Prepared

    Returns
    -------
    ndarray of float32, shape (m, d)
        See :func:`representation`. Unless features are raw, a block of equal norm follows: the
        directions in which the reference's own types differ, so that differences between types
        count for more than those within (measured by tests/benchmarks/taught.py).
    """
    both = representation(prepared.comparable, prepared.cluster_on, prepared.config)
    if prepared.config.features == "raw":
        return both[1]
    told = discriminant(*both, prepared.reference_types)
    blocks = []
    for Xs, Xt in (both, told):
        norm = np.linalg.norm(Xs, axis=1).mean() or np.float32(1)
        blocks.append(Xt / norm)
    return np.concatenate(blocks, axis=1, dtype=np.float32)


def identify(
    prepared: Prepared, clusters: Clusters, confirmations: Sequence[Confirmation] = ()
) -> Named:
    """Match the clusters of the query to types of the reference (A.2, 3.2).

    Parameters
    ----------
    prepared : Prepared
    clusters : Clusters
    confirmations : sequence of Confirmation
        What a person said of the clusters, by the numbers they go by in tables.

    Returns
    -------
    Named

    Raises
    ------
    DataError
        If the confirmations speak of other types or clusters.
    """
    scores = score_sets(
        prepared.comparable,
        prepared.reference_types,
        prepared.types,
        clusters,
        prepared.cluster_on,
        prepared.config,
    )
    plane = tsne_plane(scores, seed=prepared.config.seed)
    refinements = tuple(refine(plane, scores[QUERY])) if prepared.extras else None
    both = representation(prepared.comparable, prepared.cluster_on, prepared.config)
    alike = most_alike(both[0], prepared.reference_types, both[1], len(prepared.types))
    return Named(clusters, scores, plane, refinements, alike, ()).confirm(confirmations)


def transfer(
    prepared: Prepared,
    named: Named,
    *,
    cache: Cache | None = None,
    workers: int | None = None,
    progress: Progress = silent,
) -> RunResult:
    """Filter, align, classify and vote (3.2–3.4).

    Parameters
    ----------
    prepared : Prepared
    named : Named
    cache : Cache, optional
        Keeps what the voters say, so that only those are asked anew whose inputs changed.
    workers, progress
        As for :func:`run`.

    Returns
    -------
    RunResult
    """
    plan = plan_transfer(prepared, named)
    voters, solves = let_vote(
        prepared.comparable,
        prepared.voters,
        plan.draws,
        plan.known,
        len(plan.types),
        prepared.config,
        confirmed=confirmed_share(named.matches),
        cache=cache,
        workers=workers,
        progress=progress,
    )
    return RunResult(
        config=prepared.config,
        reference=prepared.reference,
        query=prepared.query,
        extras=prepared.extras,
        framing=prepared.framing,
        encoders=prepared.encoders,
        failures=prepared.failures,
        clusters=named.clusters,
        scores=named.scores,
        plane=named.plane,
        matches=named.matches,
        types=plan.types,
        filtered={
            name: int((prepared.reference_types == number).sum())
            for number, name in enumerate(prepared.types)
            if name not in plan.types
        },
        alike=named.alike,
        proportions=plan.proportions,
        parts=len(plan.draws.parts),
        voters=voters,
        solves=solves,
        vote=count(voters),
        features=cluster_features(prepared),
    )


def count(voters: Sequence[Voter]) -> Vote:
    """Count what the voters say by their weights (3.4).

    Parameters
    ----------
    voters : sequence of Voter

    Returns
    -------
    Vote
    """
    weights = np.array([voter.weight for voter in voters])
    # A block of cells at a time: many voters of a large query would take many times their room.
    blocks = [
        weighted_vote(
            np.stack([v.probabilities[first : first + _COUNTED] for v in voters]), weights
        )
        for first in range(0, len(voters[0].probabilities), _COUNTED)
    ]
    return Vote(
        winner=np.concatenate([block.winner for block in blocks]),
        agreement=np.concatenate([block.agreement for block in blocks]),
        confidence=np.concatenate([block.confidence for block in blocks]),
        choices=np.concatenate([block.choices for block in blocks], axis=1),
        margin=np.concatenate([block.margin for block in blocks]),
    )


def recount(result: RunResult, config: Config) -> RunResult:
    """Count the votes of a run again, with another weighing or threshold.

    Parameters
    ----------
    result : RunResult
        Not taught.
    config : Config
        Its ``vote_weights`` and ``flag_threshold`` count.

    Returns
    -------
    RunResult
        As :func:`run` would have given it.
    """
    config = replace(
        result.config, vote_weights=config.vote_weights, flag_threshold=config.flag_threshold
    )
    voters = weigh(result.voters, config, confirmed_share(result.matches))
    return replace(result, config=config, voters=voters, vote=count(voters))


def plan_transfer(
    prepared: Prepared, named: Named, parts: Sequence[Ints] | None = None
) -> TransferPlan:
    """Decide from the matches which types are kept, and what is drawn of them (3.2, 5.2).

    Parameters
    ----------
    prepared : Prepared
    named : Named
    parts : sequence of ndarray of int64, optional
        Query cells of each part; by default all cells, in as few parts as can be.

    Returns
    -------
    TransferPlan
    """
    config, matches, every = prepared.config, named.matches, prepared.types
    kept = config.kept_types(matches, every)
    floor = 0.0 if set(kept) <= {match.matched_type for match in matches} else UNMATCHED_FLOOR
    proportions = type_weights(matches, kept, floor=floor)
    fits = np.array([kept.index(m.matched_type) if m.matched_type in kept else -1 for m in matches])
    matched = fits[named.clusters.labels]
    place = np.array([kept.index(name) if name in kept else -1 for name in every])
    draws = plan_draws(
        place[prepared.reference_types],
        proportions,
        matched,
        config,
        parts,
        prepared.reference.cell_sources,
    )
    return TransferPlan(kept, proportions, matched >= 0, draws)


def check_confirmations(confirmations: Sequence[Confirmation], types: Sequence[str]) -> None:
    """Refuse names of new types that cannot stand.

    Parameters
    ----------
    confirmations : sequence of Confirmation
    types : sequence of str
        Of the reference; others are new.

    Raises
    ------
    DataError
    """
    for word in confirmations:
        if word.type_name in (*types, NONE_TYPE):
            continue
        try:
            check_new_type(word.type_name)
        except DataError as error:
            raise DataError(
                f"Cluster {word.cluster} is matched to no type of the reference, and a new one "
                f"cannot be called that: {error}"
            ) from None


def by_position(
    confirmations: Sequence[Confirmation], clusters: Clusters
) -> tuple[Confirmation, ...]:
    """Turn the numbers clusters go by into their positions.

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
        If there is no such cluster, or it is another one.
    """
    position = {int(name): index for index, name in enumerate(clusters.names)}
    for word in confirmations:
        if word.cluster not in position:
            raise DataError(
                f"The matches speak of cluster {word.cluster}, but clusters are numbered "
                f"{clusters.names.min()} to {clusters.names.max()}; hand the clusters they were "
                "made for back with --clusters-from."
            )
        size = int(clusters.sizes[position[word.cluster]])
        if word.cells not in (None, size):
            raise DataError(
                f"The matches were made for other clusters (cluster {word.cluster} had "
                f"{word.cells} cells, now {size}); hand those back with --clusters-from."
            )
    return tuple(replace(word, cluster=position[word.cluster]) for word in confirmations)


def load_encoders(config: Config) -> tuple[tuple[Encoder, ...], tuple[Failure, ...]]:
    """Load every encoder the configuration names; those that cannot be read are reported.

    Parameters
    ----------
    config : Config

    Returns
    -------
    encoders : tuple of Encoder
    failures : tuple of Failure

    Raises
    ------
    EncoderError
        If a name is not known at all.
    """
    known = encoder_names()
    encoders: list[Encoder] = []
    failures: list[Failure] = []
    for name in config.encoder_ids:
        if name not in (*known, *published_encoders()):
            raise EncoderError(how_to_get(name))
        try:
            encoders.append(load_encoder(name))
        except EncoderError as error:
            failures.append(Failure(name, str(error)))
    return tuple(encoders), tuple(failures)


Embeddings = Mapping[str, Mapping[str, Float32]]
"""Raw embeddings by set and encoder, each of shape (cells, dim)."""


def embed_sets(
    crops: Mapping[str, Crops],
    encoders: Sequence[Encoder],
    cache: Cache,
    workers: int | None,
    progress: Progress,
) -> tuple[Embeddings, tuple[Failure, ...]]:
    """Embed every set with every encoder (3.1); an encoder that fails is left out everywhere.

    Parameters
    ----------
    crops : mapping from set name to Crops
    encoders : sequence of Encoder
    cache : Cache
    workers : int, optional
    progress : callable

    Returns
    -------
    embeddings : mapping from set name to mapping from encoder to ndarray of float32
    failures : tuple of Failure
    """
    embeddings: dict[str, dict[str, Float32]] = {name: {} for name in crops}
    failures = []
    for encoder in encoders:
        try:
            found = {
                name: _embed_by_source(cells, encoder, cache, workers, progress)
                for name, cells in crops.items()
            }
        except EncoderError as error:
            failures.append(Failure(encoder.spec.id, str(error)))
            continue
        for name, rows in found.items():
            embeddings[name][encoder.spec.id] = rows
    return embeddings, tuple(failures)


def _embed_by_source(
    crops: Crops, encoder: Encoder, cache: Cache, workers: int | None, progress: Progress
) -> Float32:
    parts = crops.by_source()
    rows = [embed(part, encoder, cache, workers=workers, progress=progress) for _, part in parts]
    order = np.argsort(np.concatenate([cells for cells, _ in parts]))
    return np.concatenate(rows)[order]


def level_sources(X: Float32, types: Ints, sources: Ints) -> Float32:
    """Shift sets that were pooled to a reference onto each other.

    Parameters
    ----------
    X : ndarray of float32, shape (n, d)
    types : ndarray of int64, shape (n,)
    sources : ndarray of int64, shape (n,)
        Set that each cell came from; numbers from 0.

    Returns
    -------
    ndarray of float32, shape (n, d)
        One set after the other is shifted so that the types it shares with those before have the
        same mean there, each type counting the same. The largest comes first and stays, as does
        what shares no type.
    """
    levelled = X.astype(np.float32, copy=True)
    before = np.zeros(len(X), dtype=bool)
    for source in np.argsort(-np.bincount(sources), kind="stable"):
        own = sources == source
        common = np.intersect1d(types[own], types[before])
        if len(common):
            shift = _balanced_mean(levelled, types, before, common)
            shift -= _balanced_mean(levelled, types, own, common)
            levelled[own] += shift.astype(np.float32)
        before |= own
    return levelled


def _balanced_mean(X: Float32, types: Ints, rows: Bools, names: Ints) -> Float64:
    means = [X[rows & (types == name)].mean(axis=0, dtype=np.float64) for name in names]
    return np.mean(means, axis=0)


def usable_voters(
    config: Config, at_hand: Mapping[str, Float32], failures: Sequence[Failure]
) -> tuple[tuple[str, ...], ...]:
    """List the voters whose encoders all work.

    Parameters
    ----------
    config : Config
    at_hand : mapping from encoder to its embeddings
    failures : sequence of Failure

    Returns
    -------
    tuple of tuple of str

    Raises
    ------
    EncoderError
        If none is left, or the clusters' own encoder failed.
    """
    reasons = " ".join(failure.reason for failure in failures)
    voters = tuple(v for v in config.encoders if all(member in at_hand for member in v))
    if not voters:
        raise EncoderError(f"No encoder could be used. {reasons}")
    if config.cluster_encoder and not all(member in at_hand for member in config.cluster_encoder):
        raise EncoderError(f"The encoder for clusters could not be used. {reasons}")
    return voters


def representation(
    embeddings: Embeddings,
    voter: Sequence[str],
    config: Config,
    *,
    usable: Ints | None = None,
    reference_weights: Float64 | None = None,
    query_weights: Float64 | None = None,
    query: str = QUERY,
) -> tuple[Float32, Float32]:
    """Join a voter's embeddings to what is compared.

    Parameters
    ----------
    embeddings : mapping
        See :data:`Embeddings`.
    voter : sequence of str
        One encoder, or several to concatenate.
    config : Config
        Its ``features`` and ``scale_blocks`` count.
    usable : ndarray of int64, shape (n,), optional
        Reference cells to compare with; all by default.
    reference_weights, query_weights : ndarray of float64, optional
        What each of these cells counts in its set's mean.
    query : str
        Name of the set to compare with the reference.

    Returns
    -------
    Xs, Xt : ndarray of float32, shape (n, d) and (m, d)
        Reference and query; each centred unless features are raw.

    Notes
    -----
    Blocks are scaled by the whole reference, whichever of it is usable: distances within the query
    stay what they are when a match changes.
    """
    rows = slice(None) if usable is None else usable
    blocks = [(embeddings[REFERENCE][member], embeddings[query][member]) for member in voter]
    centred = config.features == "centred"
    if len(blocks) == 1:  # a large set is not copied for nothing
        Xs, Xt = blocks[0][0][rows], blocks[0][1]
        return (centre(Xs, reference_weights), centre(Xt, query_weights)) if centred else (Xs, Xt)
    columns = np.cumsum([whole.shape[1] for whole, _ in blocks])
    n = len(blocks[0][0][rows, :1])
    source, target = (np.empty((k, columns[-1]), np.float32) for k in (n, len(blocks[0][1])))
    for (whole, Xt), end in zip(blocks, columns, strict=True):
        into = np.s_[:, end - whole.shape[1] : end]
        if centred:
            centre(whole[rows], reference_weights, out=source[into])
            centre(Xt, query_weights, out=target[into])
        else:
            source[into], target[into] = whole[rows], Xt
        if config.scale_blocks:
            apart = centre(whole) if centred else whole
            norm = np.linalg.norm(apart, axis=1).mean() or np.float32(1)
            source[into] /= norm
            target[into] /= norm
    return source, target


def find_clusters(X: Float32, config: Config) -> Clusters:
    """Find clusters in one set (A.1).

    Parameters
    ----------
    X : ndarray of float32, shape (m, d)
    config : Config

    Returns
    -------
    Clusters
        Found on a sample where there are more than :data:`CLUSTER_SAMPLE` cells.
    """
    method: MixtureClustering | LouvainClustering | NodeDegreeClustering
    if config.clusters == "mixture":
        method = MixtureClustering(
            n_clusters=config.n_clusters,
            graph=config.graph,
            sigma=config.sigma,
            random_state=config.seed,
        )
    elif config.clusters == "louvain":
        method = LouvainClustering(
            resolution=config.resolution,
            graph=config.graph,
            sigma=config.sigma,
            random_state=config.seed,
        )
    else:
        method = NodeDegreeClustering(
            graph=config.graph, sigma=config.sigma, random_state=config.seed
        )
    rng = np.random.default_rng([config.seed, 1])
    sample = np.sort(rng.permutation(len(X))[:CLUSTER_SAMPLE])
    method.fit(X[sample])
    labels = np.full(len(X), UNASSIGNED, dtype=np.int64)
    labels[sample] = method.labels_
    labels = label_the_rest(X, labels)
    # A cell outside the sample is as central as the nearest one inside.
    centrality = method.centrality_[nearest(X, X[sample], 1)[1][:, 0]]
    centrality[sample] = method.centrality_
    return Clusters(
        method=config.clusters,
        labels=labels,
        centrality=centrality,
        density=method.density_,
        names=np.arange(method.n_clusters_),
        sigma=method.sigma_,
    )


def score_sets(
    embeddings: Embeddings,
    types: Ints,
    type_names: Sequence[str],
    clusters: Clusters,
    cluster_on: Sequence[str],
    config: Config,
) -> dict[str, Similarity]:
    """Score the clusters of the query and of every extra set against the reference (A.2).

    Parameters
    ----------
    embeddings : mapping
        See :data:`Embeddings`.
    types : ndarray of int64, shape (n,)
    type_names : sequence of str
    clusters : Clusters
        Of the query.
    cluster_on : sequence of str
        Encoders that clusters of the extra sets are found on.
    config : Config

    Returns
    -------
    dict from set name to Similarity
        The query first, then the reference's own types, then the extra sets.
    """
    centred = config.features == "centred"
    reference = embeddings[REFERENCE]
    scores = {
        QUERY: similarity(
            embeddings[QUERY], clusters.labels, reference, types, type_names, centred=centred
        )
    }
    scores[REFERENCE] = reference_similarity(
        reference, types, type_names, scores[QUERY].kept, centred=centred
    )
    for name in embeddings:
        if name not in (QUERY, REFERENCE):
            found = find_clusters(
                representation(embeddings, cluster_on, config, query=name)[1], config
            )
            scores[name] = similarity(
                embeddings[name], found.labels, reference, types, type_names, centred=centred
            )
    return scores


@dataclass(frozen=True)
class Draw:
    """A subset of the reference, and what it is transported onto."""

    part: int
    """Of the query,"""
    number: int
    """and the how manieth of that part."""
    cells: Ints
    """Positions in ``Draws.usable``, ascending, a cell as often as it was drawn."""
    onto: Ints
    """Query cells."""
    voting: Ints
    """Positions in ``cells`` of those that the query is classified with."""


@dataclass(frozen=True)
class Draws:
    """How both sets are cut into subsets for transport (5.2)."""

    usable: Ints
    """Reference cells of kept types, shape (u,)."""
    types: Ints
    """Their kept types, shape (u,)."""
    weights: Float64 | None
    """What each counts in the reference's mean, shape (u,); None for evenly."""
    parts: Sequence[Ints]
    """Query cells of each part."""
    drawn: Sequence[Draw]
    """Ordered by part and number; one a source where sources are transported by themselves."""

    def of_part(self, part: int) -> list[Draw]:
        """List the draws of one part of the query."""
        return [draw for draw in self.drawn if draw.part == part]


@dataclass(frozen=True)
class TransferPlan:
    """What the matches decide before anything is aligned."""

    types: tuple[str, ...]
    """Types of the reference that are kept."""
    proportions: Float64
    """Share of each that is expected in the query, shape (T,)."""
    known: Bools
    """Which query cells are in clusters that some type fits, shape (m,)."""
    draws: Draws


def plan_draws(
    types: Ints,
    proportions: Float64,
    matched: Ints,
    config: Config,
    parts: Sequence[Ints] | None = None,
    sources: Ints | None = None,
) -> Draws:
    """Cut the query into parts, and draw the reference for each.

    Parameters
    ----------
    types : ndarray of int64, shape (n,)
        Kept type of each reference cell, −1 for cells that are filtered out.
    proportions : ndarray of float64, shape (T,)
        Share of each kept type to draw where weights follow the matches.
    matched : ndarray of int64, shape (m,)
        Kept type that each query cell's cluster is matched to, −1 where none fits; nothing is
        transported onto those. Without any other cell all count.
    config : Config
    parts : sequence of ndarray of int64, optional
        Query cells of each part; by default all cells, in as few parts as can be.
    sources : ndarray of int64, shape (n,), optional
        Set that each reference cell came from, where several were pooled. If weights follow the
        matches, each is drawn to the proportions of its own types, and transported by itself onto
        the cells matched to them; otherwise they are drawn together.

    Returns
    -------
    Draws

    Notes
    -----
    For how many cells are drawn, and how often, see :func:`draw_size`.
    """
    usable = np.flatnonzero(types >= 0)
    kept = types[usable]
    follow = config.weights == "matches"
    if parts is None:
        rng = np.random.default_rng([config.seed, 2])
        parts = split_query(len(matched), config.subset_size, rng)
    groups = [np.arange(len(usable))]
    if follow and sources is not None:
        of = sources[usable]
        groups = [np.flatnonzero(of == source) for source in np.unique(of)]
    has = np.array([np.bincount(kept[g], minlength=len(proportions)) > 0 for g in groups])
    # No more than a set has: copies would be each other's nearest neighbours in its geodesics.
    sizes = np.array([min(config.subset_size, len(group)) for group in groups])
    drawn = []
    for part, cells in enumerate(parts):
        known = cells[matched[cells] >= 0]
        for source, (group, own) in enumerate(zip(groups, has, strict=True)):
            weights = proportions if own.all() else np.where(own, proportions, 0)
            most = sizes[source] if follow else len(group)
            most = max(1, round(most * weights.sum()))
            weights = weights if own.all() else weights / weights.sum()
            onto = known[own[matched[known]]]
            onto = next(some for some in (onto, known, cells) if len(some))
            size, draws = draw_size(config, most, len(onto))
            for number in range(draws):
                seed = [config.seed, 3, part, number, source]
                rng = np.random.default_rng(seed[: 4 + (len(groups) > 1)])
                chosen = group[draw_reference(kept[group], size, rng, weights if follow else None)]
                voting = _thinned(kept[chosen], sizes @ has, rng)
                drawn.append(Draw(part, number, chosen, onto, voting))
    drawn.sort(key=lambda draw: (draw.part, draw.number))
    return Draws(
        usable=usable,
        types=kept,
        weights=proportions[kept] / np.bincount(kept)[kept] if follow else None,
        parts=parts,
        drawn=drawn,
    )


def draw_size(config: Config, reference: int, target: int) -> tuple[int, int]:
    """Tell how many reference cells are drawn at once for a part of the query, and how often.

    Where weights follow the matches, a draw has the query's proportions and, if the reference has
    as many, its size: even weights then say what uneven ones would, plans are permutations, and
    a solve is several times faster. More draws make up for smaller ones, so that as many
    reference cells take part. Otherwise, as in the paper, a draw is as large as it may be.

    Parameters
    ----------
    config : Config
    reference : int
        Cells to draw from.
    target : int
        Query cells that they are transported onto.

    Returns
    -------
    size, draws : int
    """
    most = min(config.subset_size, reference)
    if config.weights == "uniform":
        return most, 1 if most == reference else config.draws
    size = min(most, max(target, SMALLEST_DRAW))
    return size, round(config.draws * most / size)


def _thinned(types: Ints, drawn: Ints, rng: np.random.Generator) -> Ints:
    # A type that more sets have would otherwise be that much denser among the neighbours: ``drawn``
    # counts the cells of the sets that have it.
    chosen = []
    fewest = drawn[drawn > 0].min()
    for name in np.unique(types):
        members = rng.permutation(np.flatnonzero(types == name))
        chosen.append(members[: -(-len(members) * fewest // drawn[name])])
    return np.sort(np.concatenate(chosen))


Gallery = tuple[Float32, Ints]
"""Rows to classify with, and the position in ``Draws.usable`` of each."""


def drawn_rows(
    embeddings: Embeddings, voter: Sequence[str], draws: Draws, known: Bools, config: Config
) -> tuple[Float32, Float32]:
    """Join a voter's embeddings of the usable reference and of the query to what is compared.

    Parameters
    ----------
    embeddings : mapping
        See :data:`Embeddings`.
    voter : sequence of str
    draws : Draws
    known : ndarray of bool, shape (m,)
        Query cells that count in the query's mean; all where there are none.
    config : Config

    Returns
    -------
    Xs, Xt : ndarray of float32, shape (u, d) and (m, d)
        See :func:`representation`.
    """
    return representation(
        embeddings,
        voter,
        config,
        usable=draws.usable,
        reference_weights=draws.weights,
        query_weights=known.astype(np.float64) if known.any() else None,
    )


def unaligned(Xs: Float32, draws: Draws) -> Iterator[Gallery]:
    """Classify with the drawn cells as they are; cells that were never drawn take no part.

    Parameters
    ----------
    Xs : ndarray of float32, shape (u, d)
        Usable reference cells.
    draws : Draws

    Yields
    ------
    Gallery
        One a part of the query, in order.
    """
    for part in range(len(draws.parts)):
        voting = [draw.cells[draw.voting] for draw in draws.of_part(part)]
        cells = np.unique(np.concatenate(voting))
        yield Xs[cells], cells


ALIGNERS: Mapping[str, type[CentreAligner | CoralAligner | LinearAligner | SinkhornAligner]] = {
    "centre": CentreAligner,
    "coral": CoralAligner,
    "linear": LinearAligner,
    "sinkhorn": SinkhornAligner,
}
"""Alignments that are not the paper's, by their names in ``evaluate``."""


def _align(
    Xs: Float32, Xt: Float32, method: str, config: Config, memory: Path | None, draw: Draw
) -> tuple[Float32, TransportLog | None]:
    """Map the drawn cells in a worker; those that vote come back."""
    source, target = Xs[draw.cells], Xt[draw.onto]
    if method in ALIGNERS:
        moved = ALIGNERS[method]().fit(source, None, target).transform(source)
        return moved[draw.voting], None
    aligner = FGWAligner(
        alpha=config.alpha, mapping=config.mapping, solver=config.solver, memory=memory
    )
    aligner.fit(source, None, target)
    return aligner.mapped_[draw.voting], aligner.log_


def align(
    name: str,
    Xs: Float32,
    Xt: Float32,
    draws: Draws,
    config: Config,
    *,
    method: str | None = None,
    memory: Path | None = None,
    workers: int | None = None,
    progress: Progress = silent,
) -> Iterator[tuple[Gallery, list[Solve]]]:
    """Map every draw of the reference onto its part of the query, and pool them (3.3, 5.2).

    No more is held than the parts under way, so that a large query needs no more memory.

    Parameters
    ----------
    name : str
        Of the voter, for the log.
    Xs : ndarray of float32, shape (u, d)
        Usable reference cells.
    Xt : ndarray of float32, shape (m, d)
    draws : Draws
    config : Config
    method : str, optional
        ``"fgw"`` or one of :data:`ALIGNERS`; the configuration's by default.
    memory : Path, optional
        See :class:`~celltransfer_core.transport.FGWAligner`.
    workers : int, optional
    progress : callable

    Yields
    ------
    gallery : Gallery
        One a part of the query, in order.
    solves : list of Solve
        Of that part; empty for methods that solve nothing.
    """
    waiting = [set[int]() for _ in draws.parts]
    for index, draw in enumerate(draws.drawn):
        waiting[draw.part].add(index)
    mapped: dict[int, Float32] = {}
    logs: dict[int, TransportLog] = {}
    part = 0
    progress(f"aligning {name}", 0, len(draws.drawn))
    work = partial(_align, Xs, Xt, method or config.alignment, config, memory)
    found = run_tasks(work, draws.drawn, workers=workers)
    for done, (index, (rows, log)) in enumerate(found, 1):
        mapped[index] = rows
        if log is not None:
            logs[index] = log
        progress(f"aligning {name}", done, len(draws.drawn))
        while part < len(waiting) and waiting[part] <= mapped.keys():
            of = [(index, draws.drawn[index]) for index in sorted(waiting[part])]
            solves = [
                Solve(name, part, draw.number, len(draw.cells), len(draw.onto), logs.pop(index))
                for index, draw in of
                if index in logs
            ]
            cells = np.concatenate([draw.cells[draw.voting] for _, draw in of])
            yield (np.concatenate([mapped[index] for index, _ in of]), cells), solves
            for index, _ in of:
                mapped[index] = rows[:0]  # it is known, and takes no room
            part += 1


def classify(
    voter: tuple[str, ...],
    alignment: str,
    galleries: Iterable[Gallery],
    Xt: Float32,
    draws: Draws,
    n_types: int,
    config: Config,
) -> Voter:
    """Classify every part of the query with its gallery (3.4).

    Parameters
    ----------
    voter : tuple of str
    alignment : str
        What was done to the galleries.
    galleries : iterable of Gallery
        One a part, in order.
    Xt : ndarray of float32, shape (m, d)
    draws : Draws
    n_types : int
    config : Config

    Returns
    -------
    Voter
        Its weight and its accuracy on the reference are not known yet.
    """
    probabilities = np.zeros((len(Xt), n_types))
    neighbours = np.full((len(Xt), GALLERY), -1, dtype=np.int64)
    distances = np.full((len(Xt), GALLERY), np.nan, dtype=np.float32)
    balanced = config.class_weight == "balanced"
    mixed = 0.0
    for (rows, cells), part in zip(galleries, draws.parts, strict=True):
        types = draws.types[cells]
        knn = EntropyWeightedKNN(class_weight="balanced" if balanced else None).fit(rows, types)
        near, index = knn.kneighbors(Xt[part])
        if config.classifier == "linear" and len(knn.classes_) > 1:
            probe = LinearProbe(random_state=config.seed).fit(rows, types)
            probabilities[np.ix_(part, knn.classes_)] = probe.predict_proba(Xt[part])
        else:
            probabilities[np.ix_(part, knn.classes_)] = knn.shares(near, index)
        k = min(GALLERY, len(rows))
        distances[part, :k] = near[:, :k]
        neighbours[part, :k] = draws.usable[cells[index[:, :k]]]
        rng = np.random.default_rng([config.seed, 5])
        mixed += mixing(rows, Xt[part], rng) * len(part) / len(Xt)
    return Voter(voter, alignment, np.nan, np.nan, mixed, probabilities, neighbours, distances)


def let_vote(
    embeddings: Embeddings,
    voters: Sequence[tuple[str, ...]],
    draws: Draws,
    known: Bools,
    n_types: int,
    config: Config,
    *,
    confirmed: float,
    cache: Cache | None = None,
    workers: int | None = None,
    progress: Progress = silent,
) -> tuple[tuple[Voter, ...], tuple[Solve, ...]]:
    """Let every voter classify the query, unaligned and aligned (3.3–3.4).

    Parameters
    ----------
    embeddings : mapping
        See :data:`Embeddings`.
    voters : sequence of tuple of str
    draws : Draws
    known : ndarray of bool, shape (m,)
        Query cells that count in the query's mean.
    n_types : int
    config : Config
    confirmed : float
        Share of the query's cells in confirmed clusters.
    cache : Cache, optional
        Keeps what each voter says, by everything that bears on it.
    workers : int, optional
    progress : callable

    Returns
    -------
    voters : tuple of Voter
    solves : tuple of Solve
    """
    # Centred features are centred already: means alone would give the same voter twice.
    doubled = config.alignment == "centre" and config.features == "centred"
    keep = cache.once if cache else _anew
    # A cluster's workers have disks of their own.
    near = not os.environ.get(SCHEDULER) and len(voters) * _room(draws) <= ROOM / 2
    memory = cache.folder if cache and near else None
    spoken: list[Voter] = []
    solves: list[Solve] = []
    for number, voter in enumerate(voters):
        progress("vote", number, len(voters))
        Xs, Xt = drawn_rows(embeddings, voter, draws, known, config)
        key = _voter_key(voter, Xs, Xt, draws, n_types, config)
        plain = keep(key, partial(_hear, voter, Xs, Xt, draws, n_types, config))
        spoken.append(plain)
        if config.alignment != "none" and not doubled:
            work = partial(
                _hear_aligned, voter, Xs, Xt, draws, n_types, config, memory, workers, progress
            )
            heard, solved = keep(_aligned_key(key, draws, config), work)
            spoken.append(replace(heard, accuracy=plain.accuracy))
            solves += solved
    progress("vote", len(voters), len(voters))
    return weigh(spoken, config, confirmed), tuple(solves)


def _room(draws: Draws) -> int:
    """Count the bytes that one voter's geodesic distances within the query's parts take."""
    return sum(4 * size**2 for _, size in {(draw.part, len(draw.onto)) for draw in draws.drawn})


def _anew(_: str, make: Callable[[], Kept]) -> Kept:
    return make()


def _hear(
    voter: tuple[str, ...], Xs: Float32, Xt: Float32, draws: Draws, n_types: int, config: Config
) -> Voter:
    galleries = unaligned(Xs, draws)
    heard = classify(voter, plain_name(config), galleries, Xt, draws, n_types, config)
    rng = np.random.default_rng([config.seed, 4])
    return replace(heard, accuracy=leave_one_out_accuracy(Xs, draws.types, rng))


def _hear_aligned(
    voter: tuple[str, ...],
    Xs: Float32,
    Xt: Float32,
    draws: Draws,
    n_types: int,
    config: Config,
    memory: Path | None,
    workers: int | None,
    progress: Progress,
) -> tuple[Voter, list[Solve]]:
    solves: list[Solve] = []

    def galleries() -> Iterator[Gallery]:
        name = voter_name(voter)
        for gallery, solved in align(
            name, Xs, Xt, draws, config, memory=memory, workers=workers, progress=progress
        ):
            solves.extend(solved)
            yield gallery

    return classify(voter, config.alignment, galleries(), Xt, draws, n_types, config), solves


def plain_name(config: Config) -> str:
    """Name what is done to unaligned voters: ``centre``, or ``none`` where features are raw."""
    return "centre" if config.features == "centred" else "none"


def weigh(voters: Sequence[Voter], config: Config, confirmed: float) -> tuple[Voter, ...]:
    """Give every voter its weight; nothing else about it changes.

    Parameters
    ----------
    voters : sequence of Voter
    config : Config
        Its ``vote_weights`` and ``features`` count.
    confirmed : float
        Share of the query's cells in confirmed clusters.

    Returns
    -------
    tuple of Voter
        Weights sum to one.
    """
    # Alignment to wrong proportions does harm, to confirmed ones good: tests/benchmarks/shifted.py.
    aligned_say = confirmed if config.vote_weights == "confirmed" else 1.0
    if config.vote_weights == "prior":
        weights = voter_weights([v.accuracy for v in voters], [v.mixing for v in voters])
    else:
        say = [1.0 if v.alignment == plain_name(config) else aligned_say for v in voters]
        weights = np.array(say) / np.sum(say)
    return tuple(replace(v, weight=float(w)) for v, w in zip(voters, weights, strict=True))


_IN_THE_ARRAYS = {
    "encoders",
    "framing",
    "colour",
    "um_per_px",
    "clusters",
    "n_clusters",
    "cluster_encoder",
    "graph",
    "sigma",
    "resolution",
    "features",
    "filtering",
    "keep",
    "weights",
    "scale_blocks",
    "subset_size",
    "draws",
}
_IN_THE_COUNT = {"vote_weights", "flag_threshold"}


def _voter_key(
    voter: tuple[str, ...], Xs: Float32, Xt: Float32, draws: Draws, n_types: int, config: Config
) -> str:
    """Hash what decides an unaligned voter's answers."""
    arrays = [Xs, Xt, draws.usable, draws.types, *draws.parts]
    for draw in draws.drawn:
        arrays += [np.array([draw.part]), draw.cells, draw.voting]
    facts = [__version__, voter, plain_name(config), n_types]
    facts += [config.classifier, config.class_weight, config.seed]
    return fingerprint(facts, *arrays)


def _aligned_key(key: str, draws: Draws, config: Config) -> str:
    """Hash what decides the answers of the same voter after alignment."""
    facts = {
        name: value
        for name, value in asdict(config).items()
        if name not in _IN_THE_ARRAYS | _IN_THE_COUNT
    }
    return fingerprint(key, facts, *(draw.onto for draw in draws.drawn))


def config_from(preset: str, **options: object) -> Config:
    """Make a configuration from a preset and what differs from it.

    Parameters
    ----------
    preset : {"default", "paper"}
    **options
        Fields of :class:`Config`; None leaves the preset's value.

    Returns
    -------
    Config

    Raises
    ------
    DataError
        If a value is out of range.
    """
    changes = {name: value for name, value in options.items() if value is not None}
    return replace(PRESETS[preset], **changes)  # type: ignore[arg-type]
