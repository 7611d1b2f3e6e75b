"""The typed cells of a study, updated with the current annotations.

The inputs are a result of the stage ``classify`` (sections 3.3 and 3.4 of the paper) and people's
decisions. The output is the same run with its vote updated: new answers count at once, without a
new transport.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from functools import lru_cache
from pathlib import Path

import numpy as np

from celltransfer_core.data.dataset import Dataset
from celltransfer_core.matching.matches import confirmed_share
from celltransfer_core.people.reviews import Review, read_reviews
from celltransfer_core.people.updated import Annotations, annotations_of
from celltransfer_core.people.updater import VoteUpdater
from celltransfer_core.pipeline.result import Named, Prepared, RunResult
from celltransfer_core.pipeline.updates import update_vote, vote_updater
from celltransfer_core.pipeline.votes import transport_counts
from celltransfer_core.studies.kept import (
    Weighing,
    has_result,
    load_result,
    named_of,
    newest_results,
    prepared_of,
    recounted_run,
    result_stamp,
    weighing_of,
)
from celltransfer_core.studies.renamed import decisions_now
from celltransfer_core.studies.snapshots import Snapshot
from celltransfer_core.studies.stages import config_of, keys_of
from celltransfer_core.studies.workspace import Workspace


@dataclass(frozen=True)
class CurrentRun:
    """The typed cells, with the vote updated for the current annotations."""

    run: RunResult
    """With the current matches; its vote is the ensemble's as long as there are no
    annotations."""
    reviews: tuple[Review, ...]
    """All current reviews, in the order they were made, with the current names of types."""
    fresh: bool
    """Whether it was computed with these matches, and with transport if that counts; if not, a new
    transport may be worthwhile: see :func:`~celltransfer_core.pipeline.updates.drift`."""
    first: bool
    """Whether it is the first vote for the present matches, before the transport that counts."""
    source: str
    """Name of the stored result that it was made from; each result has its own name."""

    @property
    def lacks_transport(self) -> bool:
        """Whether transport counts now but this vote was made without it."""
        confirmed = confirmed_share(self.run.matches)
        return not self.run.aligned and transport_counts(self.run.config, confirmed)


def load_current(workspace: Workspace, study: str) -> CurrentRun | None:
    """Read the typed cells, updated with the current annotations.

    Parameters
    ----------
    workspace : Workspace
    study : str

    Returns
    -------
    CurrentRun or None
        From the result that was computed with the present matches. Otherwise, from the newest one
        with the same images, types and settings that differs only in its confirmed matches or lacks
        the transport that counts now. None if there is none. Updates with the same annotations are
        kept in memory; an update with new ones takes a fraction of a second.
    """
    snapshot = workspace.snapshot(study)
    named = named_of(workspace, snapshot)
    path = usable_result(workspace, snapshot, named[0]) if named else None
    if named is None or path is None:
        return None
    config, stamp = config_of(workspace, snapshot), result_stamp(path)
    fresh = path == _present(workspace, snapshot)
    first = not fresh and path == _first(workspace, snapshot)
    payloads = [one.payload for one in decisions_now(workspace, snapshot, "review")]
    reviews = tuple(read_reviews(payloads))
    weighing = weighing_of(config)
    run = recounted_run(path, stamp, weighing)
    annotations = annotations_of(named[0].matches, run.query.cells, reviews)
    run = _updated_run(path, stamp, weighing, annotations)
    config = replace(run.config, **config.first_deciding("flagging"))
    run = replace(run, config=config, matches=named[0].matches)
    return CurrentRun(run, reviews, fresh, first, f"{path.stem} {stamp}")


def _present(workspace: Workspace, snapshot: Snapshot) -> Path:
    """Return the path of the result for the study's present state."""
    keys = keys_of(workspace, snapshot)
    return workspace.result_path(snapshot.study.id, "classify", keys["classify"])


def _first(workspace: Workspace, snapshot: Snapshot) -> Path:
    """Return the path of the study's result without transport."""
    keys = keys_of(workspace, snapshot)
    return workspace.result_path(snapshot.study.id, "classify", keys["unaligned"])


def usable_result(workspace: Workspace, snapshot: Snapshot, named: Named) -> Path | None:
    """Find the stored result from which the typed cells of a study are shown.

    Parameters
    ----------
    workspace : Workspace
    snapshot : Snapshot
    named : Named
        Its clusters.

    Returns
    -------
    Path or None
        The result for the present state. Otherwise, the newest one with these images, types,
        settings and clusters, whatever was confirmed, with or without transport.
    """
    present = _present(workspace, snapshot)
    if has_result(present):
        return present
    config, prepared = config_of(workspace, snapshot), prepared_of(workspace, snapshot)
    for path in newest_results(present.parent, "classify"):
        run: RunResult | None = load_result(path)
        if run is None or not np.array_equal(run.clusters.labels, named.clusters.labels):
            continue
        if prepared is None or not same_sets(run, prepared):
            continue
        if run.configured(config) == config:
            return path
    return None


def same_sets(run: RunResult, prepared: Prepared) -> bool:
    """Tell whether a run was made from the images, types and tables that a study has now.

    Parameters
    ----------
    run : RunResult
    prepared : Prepared

    Returns
    -------
    bool
    """
    pairs = [(run.reference, prepared.reference), (run.query, prepared.query)]
    pairs += [
        (one, prepared.extras[name]) for name, one in run.extras.items() if name in prepared.extras
    ]
    return {*run.extras} == {*prepared.extras} and all(
        getattr(then, field.name) == getattr(now, field.name)
        for then, now in pairs
        for field in fields(Dataset)
        if field.name != "root"  # a workspace may have been moved
    )


@lru_cache(maxsize=2)
def _updater(path: Path, stamp: int, weighing: Weighing) -> VoteUpdater:
    return vote_updater(recounted_run(path, stamp, weighing))


@lru_cache(maxsize=8)
def _updated_run(path: Path, stamp: int, weighing: Weighing, annotations: Annotations) -> RunResult:
    run = recounted_run(path, stamp, weighing)
    if not annotations:
        return run
    return update_vote(run, annotations, _updater(path, stamp, weighing))
