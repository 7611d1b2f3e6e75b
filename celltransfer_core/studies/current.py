"""The typed cells of a study, updated with the annotations that stand now.

In go a result of the stage ``classify`` (sections 3.3 and 3.4 of the paper) and people's decisions,
out comes the same run with its vote updated: new answers count at once, without a new transport.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from functools import lru_cache
from pathlib import Path

import numpy as np

from celltransfer_core.data.dataset import Dataset
from celltransfer_core.people.reviews import Review, read_reviews
from celltransfer_core.people.updated import Annotations, annotations_of
from celltransfer_core.people.updater import VoteUpdater
from celltransfer_core.pipeline.result import Named, Prepared, RunResult
from celltransfer_core.pipeline.updates import update_vote, vote_updater
from celltransfer_core.studies.kept import (
    Weighing,
    has_result,
    load_result,
    named_of,
    newest_results,
    prepared_of,
    recounted_run,
    result_stamp,
)
from celltransfer_core.studies.renamed import decisions_now
from celltransfer_core.studies.snapshots import Snapshot
from celltransfer_core.studies.stages import config_of, keys_of
from celltransfer_core.studies.workspace import Workspace


@dataclass(frozen=True)
class CurrentRun:
    """The typed cells, their vote updated with the annotations that stand now."""

    run: RunResult
    """With the matches that stand now; its vote is the ensemble's while there are no
    annotations."""
    reviews: tuple[Review, ...]
    """All that stand, in the order they were made, with the names that types have now."""
    fresh: bool
    """Whether the transport was computed with these matches; if not, a new one may pay: see
    :func:`~celltransfer_core.pipeline.updates.drift`."""


def load_current(workspace: Workspace, study: str) -> CurrentRun | None:
    """Read the typed cells, updated with the annotations that stand now.

    Parameters
    ----------
    workspace : Workspace
    study : str

    Returns
    -------
    CurrentRun or None
        Of the transport that was computed with the present matches; else of the newest one of the
        same images, types and settings that differs in confirmed matches alone. None if there is
        none. Updates with the same annotations are kept in memory; one with new ones takes a
        fraction of a second.
    """
    snapshot = workspace.snapshot(study)
    keys, named = keys_of(workspace, snapshot), named_of(workspace, snapshot)
    if not keys or named is None:
        return None
    present = workspace.result_path(study, "classify", keys["classify"])
    config = config_of(workspace, snapshot)
    fresh = has_result(present)
    path = present if fresh else _usable_result(workspace, snapshot, named[0])
    if path is None:
        return None
    stamp = result_stamp(path)
    payloads = [one.payload for one in decisions_now(workspace, snapshot, "review")]
    reviews = tuple(read_reviews(payloads))
    weighing = tuple(config.first_deciding("weighing").items())
    run = recounted_run(path, stamp, weighing)
    annotations = annotations_of(named[0].matches, run.query.cells, reviews)
    run = _updated_run(path, stamp, weighing, annotations)
    config = replace(run.config, **config.first_deciding("flagging"))
    return CurrentRun(replace(run, config=config, matches=named[0].matches), reviews, fresh)


def _usable_result(workspace: Workspace, snapshot: Snapshot, named: Named) -> Path | None:
    """Find the newest run of these images, types, settings and clusters, whatever was confirmed."""
    config, prepared = config_of(workspace, snapshot), prepared_of(workspace, snapshot)
    present = workspace.result_path(snapshot.study.id, "classify", "")
    for path in newest_results(present.parent, "classify"):
        run: RunResult | None = load_result(path)
        if run is None or not np.array_equal(run.clusters.labels, named.clusters.labels):
            continue
        if prepared is None or not _same_sets(run, prepared):
            continue
        # How votes are counted is applied when a run is read.
        if replace(run.config, **config.first_deciding("weighing", "flagging")) == config:
            return path
    return None


def _same_sets(run: RunResult, prepared: Prepared) -> bool:
    """Tell whether a run was made of the images, types and tables that a study has now."""
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
