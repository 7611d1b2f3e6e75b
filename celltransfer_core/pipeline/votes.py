"""Voters and their vote (3.3–3.4): transport, entropy-weighted k-NN, weights, ensemble.

In: the rows by which sets are compared, and the subsets to draw. Out: the predictions of each
unaligned and aligned voter for every query cell, cached under a key of everything that determines
them; then the weighted vote.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
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
from celltransfer_core.config.config import Config
from celltransfer_core.config.settings import voter_name
from celltransfer_core.matching.matches import confirmed_share
from celltransfer_core.neighbors.knn import EntropyWeightedKNN
from celltransfer_core.pipeline.aligned import Gallery, align, drawn_rows, unaligned
from celltransfer_core.pipeline.draws import Draws, TransferPlan
from celltransfer_core.pipeline.features import Embeddings
from celltransfer_core.pipeline.result import DISCRIMINANT, GALLERY, RunResult, Solve, Voter
from celltransfer_core.runtime.cache import MAX_RESULT_BYTES, Cache, fingerprint, uncached
from celltransfer_core.runtime.environment import SCHEDULER
from celltransfer_core.types import Float32, Float64, Progress, silent

_COUNTED = 20_000  # cells whose votes are counted at once


def ensemble_vote(voters: Sequence[Voter]) -> Vote:
    """Combine the voters' predictions by their weights (3.4).

    Parameters
    ----------
    voters : sequence of Voter

    Returns
    -------
    Vote
    """
    weights = np.array([voter.weight for voter in voters])
    # In blocks of cells: many voters of a large query would take many times their memory.
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
    """Count the votes of a run again, with other weights or another threshold.

    Parameters
    ----------
    result : RunResult
        Result that is not updated with answers.
    config : Config
        See :meth:`RunResult.configured`.

    Returns
    -------
    RunResult
        Same result as from :func:`run`, except that the unaligned voters vote alone if aligned
        voters now count and the run has none.
    """
    config = result.configured(config)
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
        How the galleries were aligned.
    galleries : iterable of Gallery
        One gallery per part, in order.
    Xt : ndarray of float32, shape (m, d)
    draws : Draws
    n_types : int
    config : Config

    Returns
    -------
    Voter
        Its weight and its accuracy on the reference are NaN.
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


def predict_unaligned(
    embeddings: Embeddings,
    voters: Sequence[tuple[str, ...]],
    plan: TransferPlan,
    config: Config,
    *,
    cache: Cache | None = None,
    progress: Progress = silent,
) -> tuple[Voter, ...]:
    """Classify the query with every voter and the unaligned reference (3.4).

    Parameters
    ----------
    embeddings : mapping
        See :data:`~celltransfer_core.pipeline.features.Embeddings`.
    voters : sequence of tuple of str
    plan : TransferPlan
    config : Config
    cache : Cache, optional
        Stores the predictions of each voter under a key of everything that determines them.
    progress : callable

    Returns
    -------
    tuple of Voter
        Their weights are NaN, see :func:`weigh`.
    """
    draws, n_types = plan.draws, len(plan.types)
    keep = cache.once if cache else uncached
    predicted: list[Voter] = []
    for number, voter in enumerate(voters):
        progress("vote", number, len(voters))
        Xs, Xt = drawn_rows(embeddings, voter, draws, plan.known, config)
        work = partial(_predict_unaligned, voter, Xs, Xt, draws, n_types, config)
        predicted.append(keep(_voter_key(voter, Xs, Xt, draws, n_types, config), work))
    progress("vote", len(voters), len(voters))
    return tuple(predicted)


def predict_aligned(
    embeddings: Embeddings,
    unaligned: Sequence[Voter],
    plan: TransferPlan,
    config: Config,
    *,
    cache: Cache | None = None,
    workers: int | None = None,
    progress: Progress = silent,
) -> tuple[tuple[Voter, ...], tuple[Solve, ...]]:
    """Transport the reference onto the query (3.3), and classify with every voter again (3.4).

    Parameters
    ----------
    embeddings : mapping
    unaligned : sequence of Voter
        From :func:`predict_unaligned`.
    plan, config, cache, progress
        As for :func:`predict_unaligned`.
    workers : int, optional

    Returns
    -------
    voters : tuple of Voter
        One for each unaligned voter; their weights are NaN.
    solves : tuple of Solve
    """
    draws, n_types = plan.draws, len(plan.types)
    keep = cache.once if cache else uncached
    # The workers of a compute cluster have separate disks.
    near = not os.environ.get(SCHEDULER) and len(unaligned) * _room(draws) <= MAX_RESULT_BYTES / 2
    memory = cache.folder if cache and near else None
    predicted: list[Voter] = []
    solves: list[Solve] = []
    for plain in unaligned:
        voter = plain.encoders
        # Joined again, because the rows of all voters would not fit in memory together.
        Xs, Xt = drawn_rows(embeddings, voter, draws, plan.known, config)
        key = _aligned_key(_voter_key(voter, Xs, Xt, draws, n_types, config), draws, config)
        work = partial(
            _predict_aligned, voter, Xs, Xt, draws, n_types, config, memory, workers, progress
        )
        aligned, solved = keep(key, work)
        predicted.append(replace(aligned, accuracy=plain.accuracy))
        solves += solved
    return tuple(predicted), tuple(solves)


def transport_counts(config: Config, confirmed: float) -> bool:
    """Decide whether aligned voters are computed: always, or only if they can count (3.4).

    Parameters
    ----------
    config : Config
    confirmed : float
        Share of the query's cells in confirmed clusters.

    Returns
    -------
    bool
        False without an alignment. By default also False until a cluster is confirmed, because
        :func:`ensemble_weights` gives aligned voters no weight before then.

    Examples
    --------
    >>> from celltransfer_core.config import DEFAULT, PAPER
    >>> transport_counts(DEFAULT, 0.0), transport_counts(DEFAULT, 0.2), transport_counts(PAPER, 0.0)
    (False, True, True)
    """
    if not has_alignment(config):
        return False
    return config.transport == "always" or config.vote_weights != "confirmed" or confirmed > 0


def has_alignment(config: Config) -> bool:
    """Check whether a configuration asks for an alignment that changes the voters.

    Parameters
    ----------
    config : Config

    Returns
    -------
    bool
        Also False if centred features are aligned by their means, which changes nothing.
    """
    doubled = config.alignment == "centre" and config.features == "centred"
    return config.alignment != "none" and not doubled


def _room(draws: Draws) -> int:
    """Count the bytes that one voter's geodesic distances within the query's parts take."""
    return sum(4 * size**2 for _, size in {(draw.part, len(draw.onto)) for draw in draws.drawn})


def _predict_unaligned(
    voter: tuple[str, ...], Xs: Float32, Xt: Float32, draws: Draws, n_types: int, config: Config
) -> Voter:
    galleries = unaligned(Xs, draws)
    found = classify(voter, plain_name(config), galleries, Xt, draws, n_types, config)
    rng = np.random.default_rng([config.seed, 4])
    return replace(found, accuracy=leave_one_out_accuracy(Xs, draws.types, rng))


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
    """Name the alignment of unaligned voters.

    Parameters
    ----------
    config : Config

    Returns
    -------
    {"centre", "none"}
        ``none`` if features are raw.
    """
    return "centre" if config.features == "centred" else "none"


def weigh(voters: Sequence[Voter], config: Config, confirmed: float) -> tuple[Voter, ...]:
    """Set the weight of every voter, leaving everything else unchanged.

    Parameters
    ----------
    voters : sequence of Voter
    config : Config
    confirmed : float
        Share of the query's cells in confirmed clusters.

    Returns
    -------
    tuple of Voter
        See :func:`ensemble_weights`.
    """
    weights = ensemble_weights(
        [voter.alignment for voter in voters],
        [voter.accuracy for voter in voters],
        [voter.mixing for voter in voters],
        config,
        confirmed,
    )
    return tuple(replace(v, weight=float(w)) for v, w in zip(voters, weights, strict=True))


def ensemble_weights(
    alignments: Sequence[str],
    accuracies: Sequence[float],
    mixings: Sequence[float],
    config: Config,
    confirmed: float,
) -> Float64:
    """Weight the voters of an ensemble according to its configuration (3.4).

    Parameters
    ----------
    alignments : sequence of str, length V
        Alignment of each voter.
    accuracies, mixings : sequence of float, length V
        See :func:`~celltransfer_core.classify.voting.voter_weights`; only used by ``prior``.
    config : Config
        Its ``vote_weights`` and ``features`` are used.
    confirmed : float
        Share of the query's cells in confirmed clusters.

    Returns
    -------
    ndarray of float64, shape (V,)
        Sums to one.
    """
    if config.vote_weights == "prior":
        return voter_weights(accuracies, mixings)
    # Alignment to wrong proportions is harmful, to confirmed ones useful:
    # tests/benchmarks/shifted.py.
    aligned = confirmed if config.vote_weights == "confirmed" else 1.0
    # The fitted types count as much as all unaligned voters together: tests/benchmarks/naming.py.
    plain = list(alignments).count(plain_name(config))
    weighed = {plain_name(config): 1.0, DISCRIMINANT: float(plain)}
    weights = np.array([weighed.get(name, aligned) for name in alignments])
    return weights / weights.sum()


def _voter_key(
    voter: tuple[str, ...], Xs: Float32, Xt: Float32, draws: Draws, n_types: int, config: Config
) -> str:
    """Hash everything that determines an unaligned voter's predictions."""
    arrays = [Xs, Xt, draws.usable, draws.types, *draws.parts]
    for draw in draws.drawn:
        arrays += [np.array([draw.part]), draw.cells, draw.voting]
    facts = [__version__, voter, n_types, config.deciding("vote")]
    return fingerprint(facts, *arrays)


def _aligned_key(key: str, draws: Draws, config: Config) -> str:
    """Hash everything that determines the predictions of the same voter after alignment."""
    facts = config.deciding("aligned")
    return fingerprint(key, facts, *(draw.onto for draw in draws.drawn))
