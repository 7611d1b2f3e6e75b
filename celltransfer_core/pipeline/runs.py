"""The stages joined: two folders in, typed cells out (3.1–3.4)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from celltransfer_core.config import DEFAULT, Config
from celltransfer_core.data.dataset import Dataset
from celltransfer_core.matching.matches import Confirmation, confirmed_share
from celltransfer_core.people.reviews import Review
from celltransfer_core.people.updated import annotations_of
from celltransfer_core.pipeline.draws import plan_transfer
from celltransfer_core.pipeline.named import cluster_features, detect, identify
from celltransfer_core.pipeline.prepared import prepare
from celltransfer_core.pipeline.result import (
    Clusters,
    Named,
    Prepared,
    RunResult,
    check_confirmations,
    type_names,
)
from celltransfer_core.pipeline.updates import update_vote
from celltransfer_core.pipeline.votes import ensemble_vote, predict_voters
from celltransfer_core.runtime.cache import Cache
from celltransfer_core.types import Progress, silent


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
    return update_vote(found, annotations_of(found.matches, query.cells, reviews))


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
    voters, solves = predict_voters(
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
        vote=ensemble_vote(voters),
        features=cluster_features(prepared),
    )
