"""The method in one function (3.1–3.4), from two sets of cells to the types of query cells."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial

from celltransfer_core.config.config import DEFAULT, Config
from celltransfer_core.data.dataset import Dataset
from celltransfer_core.matching.matches import Confirmation
from celltransfer_core.people.reviews import Review
from celltransfer_core.people.updated import annotations_of
from celltransfer_core.pipeline.clusters import Clusters, check_confirmations
from celltransfer_core.pipeline.discriminant import discriminant_voter
from celltransfer_core.pipeline.draws import TransferPlan, plan_transfer
from celltransfer_core.pipeline.named import detect, identify
from celltransfer_core.pipeline.prepared import prepare
from celltransfer_core.pipeline.result import Named, Prepared, RunResult, Solve, Voter, type_names
from celltransfer_core.pipeline.ruled_out import ruled_out_cells
from celltransfer_core.pipeline.updates import update_vote
from celltransfer_core.pipeline.votes import (
    ensemble_vote,
    predict_aligned,
    predict_unaligned,
    transport_counts,
    weigh,
)
from celltransfer_core.runtime.cache import Cache
from celltransfer_core.types import Ints, Progress, silent


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
        Its labels, if it has any, are not read.
    config : Config
    extras : mapping from name to Dataset, optional
        Further unlabelled sets that help to match the query's clusters (3.2).
    confirmations : sequence of Confirmation
        Types that a person gave to clusters, by the cluster numbers shown in tables.
    reviews : sequence of Review
        Answers of readers on query cells, in the order they were made.
    clusters : Clusters, optional
        Clusters to use instead of detecting them.
    cache : Cache, optional
        Where nuclei, embeddings, clusters and predictions are kept.
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
    # Invalid confirmations are reported before minutes of work, not after.
    check_confirmations(confirmations, type_names(reference))
    cache = cache or Cache()

    # Both sets are framed alike; every encoder embeds every cell (3.1).
    prepared = prepare(
        reference, query, config, extras=extras, cache=cache, workers=workers, progress=progress
    )
    # Clusters of the query (3.2; A.1, eqs 6–16).
    progress("clusters", 0, 1)
    if clusters is None:
        clusters = detect(prepared, cache)
    # Similarity of clusters and types, and the type that each cluster is matched to (3.2; A.2,
    # eqs 17–23). A person's confirmations overrule it.
    named = identify(prepared, clusters, confirmations)
    progress("clusters", 1, 1)
    # The reference is filtered (3.2) and transported onto the query (3.3), and the encoders vote
    # (3.4).
    result = transfer(prepared, named, cache=cache, workers=workers, progress=progress)
    # The vote is updated with a person's answers, if there are any (not in the paper).
    return update_vote(result, annotations_of(named.matches, query.cells, reviews))


def transfer(
    prepared: Prepared,
    named: Named,
    *,
    cache: Cache | None = None,
    workers: int | None = None,
    progress: Progress = silent,
    first: Callable[[RunResult], object] | None = None,
) -> RunResult:
    """Filter, align, classify and vote (3.2–3.4): :func:`run` without a person's answers.

    Parameters
    ----------
    prepared : Prepared
    named : Named
    cache : Cache, optional
        Stores the voters' predictions, so that only those with changed inputs are recomputed.
    workers, progress
        As for :func:`run`.
    first : callable, optional
        Called with the result of the unaligned voters alone before the first transport; not called
        if no transport counts.

    Returns
    -------
    RunResult
    """
    config, embeddings = prepared.config, prepared.comparable
    # Types that no cluster is matched to are filtered out (3.2); subsets are drawn (5.2).
    plan = plan_transfer(prepared, named)
    finish = partial(_vote, prepared, named, plan, ruled_out_cells(prepared, plan))
    # Entropy-weighted k-NN in each voter's embeddings predicts the query's types (3.4).
    voters = predict_unaligned(
        embeddings, prepared.voters, plan, config, cache=cache, progress=progress
    )
    # Types are fitted to the query's own cells, and vote too (not in the paper).
    fitted: tuple[Voter, ...] = ()
    if config.transduction == "discriminant":
        fitted = (discriminant_voter(prepared.components, voters, prepared.cluster_on),)
    if not transport_counts(config, plan.confirmed):
        return finish(voters + fitted)
    if first:
        first(finish(voters + fitted))
    # The reference is transported onto the query (3.3, eqs 2–4), and predicts them again (3.4).
    aligned, solves = predict_aligned(
        embeddings, voters, plan, config, cache=cache, workers=workers, progress=progress
    )
    # All voters vote with their weights (3.4).
    both = tuple(voter for pair in zip(voters, aligned, strict=True) for voter in pair)
    return finish(both + fitted, solves)


def _vote(
    prepared: Prepared,
    named: Named,
    plan: TransferPlan,
    ruled_out: Mapping[str, Ints],
    voters: tuple[Voter, ...],
    solves: tuple[Solve, ...] = (),
) -> RunResult:
    """Weigh the voters, count their votes (3.4), and collect the outcome of every step."""
    voters = weigh(voters, prepared.config, plan.confirmed)
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
        features=prepared.cluster_features,
        ruled_out=ruled_out,
        cluster_votes=named.votes,
        blocks=prepared.blocks,
        reference_types=prepared.describe_types(),
        nearest=prepared.nearest,
    )
