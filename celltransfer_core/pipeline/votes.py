"""TODO celltransfer_core/pipeline/votes.py."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path

import numpy as np

from celltransfer_core.about import __version__
from celltransfer_core.classify.linear import LinearProbe
from celltransfer_core.classify.voting import (
    Vote,
    leave_one_out_accuracy,
    mixing,
    voter_weights,
    weighted_vote,
)
from celltransfer_core.config import Config, voter_name
from celltransfer_core.matching.matches import confirmed_share
from celltransfer_core.neighbors.knn import EntropyWeightedKNN
from celltransfer_core.pipeline.aligned import Gallery, align, drawn_rows, unaligned
from celltransfer_core.pipeline.draws import Draws
from celltransfer_core.pipeline.result import GALLERY, Embeddings, RunResult, Solve, Voter
from celltransfer_core.runtime.cache import ROOM, Cache, anew, fingerprint
from celltransfer_core.runtime.environment import SCHEDULER
from celltransfer_core.types import Bools, Float32, Progress, silent

_COUNTED = 20_000  # cells that are voted on at once


def ensemble_vote(voters: Sequence[Voter]) -> Vote:
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
    return replace(result, config=config, voters=voters, vote=ensemble_vote(voters))


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


def predict_voters(
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
    keep = cache.once if cache else anew
    # A cluster's workers have disks of their own.
    near = not os.environ.get(SCHEDULER) and len(voters) * _room(draws) <= ROOM / 2
    memory = cache.folder if cache and near else None
    spoken: list[Voter] = []
    solves: list[Solve] = []
    for number, voter in enumerate(voters):
        progress("vote", number, len(voters))
        Xs, Xt = drawn_rows(embeddings, voter, draws, known, config)
        key = _voter_key(voter, Xs, Xt, draws, n_types, config)
        plain = keep(key, partial(_predict_unaligned, voter, Xs, Xt, draws, n_types, config))
        spoken.append(plain)
        if config.alignment != "none" and not doubled:
            work = partial(
                _predict_aligned, voter, Xs, Xt, draws, n_types, config, memory, workers, progress
            )
            heard, solved = keep(_aligned_key(key, draws, config), work)
            spoken.append(replace(heard, accuracy=plain.accuracy))
            solves += solved
    progress("vote", len(voters), len(voters))
    return weigh(spoken, config, confirmed), tuple(solves)


def _room(draws: Draws) -> int:
    """Count the bytes that one voter's geodesic distances within the query's parts take."""
    return sum(4 * size**2 for _, size in {(draw.part, len(draw.onto)) for draw in draws.drawn})


def _predict_unaligned(
    voter: tuple[str, ...], Xs: Float32, Xt: Float32, draws: Draws, n_types: int, config: Config
) -> Voter:
    galleries = unaligned(Xs, draws)
    heard = classify(voter, plain_name(config), galleries, Xt, draws, n_types, config)
    rng = np.random.default_rng([config.seed, 4])
    return replace(heard, accuracy=leave_one_out_accuracy(Xs, draws.types, rng))


def _predict_aligned(
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
