"""TODO celltransfer_core/studies/lessons.py."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

import numpy as np

from celltransfer_core.config import Config
from celltransfer_core.people.reviews import Review, read_reviews
from celltransfer_core.people.updated import Annotations, annotations_of
from celltransfer_core.people.updater import VoteUpdater
from celltransfer_core.pipeline.result import Named, RunResult
from celltransfer_core.pipeline.updates import update_vote, vote_updater
from celltransfer_core.studies.kept import counted, load, load_named
from celltransfer_core.studies.stages import stage_keys, study_config
from celltransfer_core.studies.workspace import Workspace


@dataclass(frozen=True)
class CurrentRun:
    """The typed cells as the words that stand now update_vote them."""

    run: RunResult
    """With the matches that stand now; ``run.taught`` is None while nobody said anything."""
    reviews: tuple[Review, ...]
    """All that stand, in the order they were made."""
    fresh: bool
    """Whether the transport was made to these matches; if not, a new one may pay: see
    :func:`celltransfer_core.teaching.drift`."""


def load_current(workspace: Workspace, study: str) -> CurrentRun | None:
    """Read the typed cells, taught by what people said up to now.

    Parameters
    ----------
    workspace : Workspace
    study : str

    Returns
    -------
    CurrentRun or None
        Of the transport made to the matches that stand; else of the newest one that differs from
        it in the words alone. None if there is none. What was computed for the same words is kept,
        and a new word takes a fraction of a second.
    """
    keys, named = stage_keys(workspace, study), load_named(workspace, study)
    if not keys or named is None:
        return None
    path = workspace.result_path(study, "classify", keys["classify"])
    config = study_config(workspace, workspace.study(study))
    fresh = path.is_file()
    if not fresh:
        kept = sorted(path.parent.glob("classify-*.joblib"), key=lambda p: -p.stat().st_mtime_ns)
        usable = (p for p in kept if _same_but_words(load(p), named[0], config))
        path = next(usable, path)
    stamp = path.stat().st_mtime_ns if path.is_file() else 0
    if not stamp:
        return None
    reviews = tuple(read_reviews(d.payload for d in workspace.decisions(study, "review")))
    run = counted(path, stamp, config.vote_weights)
    words = annotations_of(named[0].matches, run.query.cells, reviews)
    run = _taught(path, stamp, config.vote_weights, words)
    config = replace(run.config, flag_threshold=config.flag_threshold)
    return CurrentRun(replace(run, config=config, matches=named[0].matches), reviews, fresh)


def _same_but_words(run: RunResult | None, named: Named, config: Config) -> bool:
    if run is None:
        return False
    # These two are counted when a run is read.
    settings = replace(
        run.config, vote_weights=config.vote_weights, flag_threshold=config.flag_threshold
    )
    return settings == config and np.array_equal(run.clusters.labels, named.clusters.labels)


@lru_cache(maxsize=2)
def _teacher(path: Path, stamp: int, vote_weights: str) -> VoteUpdater:
    return vote_updater(counted(path, stamp, vote_weights))


@lru_cache(maxsize=8)
def _taught(path: Path, stamp: int, vote_weights: str, words: Annotations) -> RunResult:
    run = counted(path, stamp, vote_weights)
    return update_vote(run, words, _teacher(path, stamp, vote_weights)) if words else run
