"""Results of the stages of a study: written to its folder and read back.

A result is stored under the key of everything that determines it
(:mod:`celltransfer_core.studies.stages`). A result that cannot be read (cut short, damaged, written
by an earlier version) counts as missing, and the next job computes it again. Results contain no
absolute paths, so that a workspace can be moved.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import fields, is_dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

from celltransfer_core.config.config import Config
from celltransfer_core.data.dataset import Dataset
from celltransfer_core.data.relabelled import relabelled
from celltransfer_core.evaluation.result import Evaluation
from celltransfer_core.pipeline.clusters import Clusters
from celltransfer_core.pipeline.edits import edit_clusters
from celltransfer_core.pipeline.maps import CellMap
from celltransfer_core.pipeline.mended import map_of, with_reference
from celltransfer_core.pipeline.result import Named, Prepared, RunResult
from celltransfer_core.pipeline.votes import recount
from celltransfer_core.runtime.checked import load_checked, save_checked
from celltransfer_core.runtime.files import read_if_whole
from celltransfer_core.studies.label_mends import mended_labels
from celltransfer_core.studies.places import placed_in, seen_from
from celltransfer_core.studies.renamed import decisions_now
from celltransfer_core.studies.snapshots import Snapshot
from celltransfer_core.studies.stages import (
    MAPS,
    Stage,
    config_of,
    edits_of,
    evaluation_path,
    keys_of,
    layout_of,
)
from celltransfer_core.studies.standing import Standing, standing_decisions
from celltransfer_core.studies.workspace import Workspace
from celltransfer_core.vocabulary import QUERY

Weighing = tuple[tuple[str, Any], ...]
"""Settings that are applied to a stored vote, in hashable form; see :func:`weighing_of`."""


def load_evaluation(workspace: Workspace, study: str) -> Evaluation | None:
    """Read the evaluation with the query's own labels, without the embeddings.

    Parameters
    ----------
    workspace : Workspace
    study : str

    Returns
    -------
    Evaluation or None
        None if it was not computed for the present state.
    """
    path = evaluation_path(workspace, study)
    return load_result(path) if path else None


def save_result(path: Path, result: object) -> None:
    """Write a stage's result, completely or not at all.

    Parameters
    ----------
    path : Path
    result : object

    Raises
    ------
    OutputError
        If it cannot be written.
    """

    def problem(reason: str) -> str:
        return (
            f"A result cannot be written to {path.parent} ({reason}); free some space and run "
            "again: finished work is kept."
        )

    save_checked(path, seen_from(path.parent, result), problem=problem)


@lru_cache(maxsize=24)
def _read(path: Path, stamp: int) -> Any:  # noqa: ARG001
    found = load_checked(path)
    if _lacks_a_field(found):
        raise AttributeError(f"{path.name} was written by an earlier version.")
    return placed_in(path.parent, found)


def _lacks_a_field(value: object) -> bool:
    """Tell whether an object was pickled when its class, or that of a part, had fewer fields."""
    if is_dataclass(value):
        own = [field.name for field in fields(value)]
        return any(not hasattr(value, n) or _lacks_a_field(getattr(value, n)) for n in own)
    if isinstance(value, Mapping):
        return any(_lacks_a_field(one) for one in value.values())
    # All items of a tuple are of one kind, so thousands of texts need not be checked one by one.
    return (
        isinstance(value, tuple)
        and is_dataclass(next(iter(value), None))
        and (any(_lacks_a_field(one) for one in value))
    )


def load_result(path: Path) -> Any:
    """Read the result of a stage.

    Parameters
    ----------
    path : Path
        From :meth:`~celltransfer_core.studies.workspace.Workspace.result_path`.

    Returns
    -------
    object or None
        None if the file is missing or unreadable. The results used last stay in memory.
    """
    return read_if_whole(path, lambda kept: _read(kept, result_stamp(kept)))


def has_result(path: Path) -> bool:
    """Tell whether the result of a stage exists and can be read.

    Parameters
    ----------
    path : Path
        See :func:`load_result`.

    Returns
    -------
    bool
        Determined by reading the file; a readable file is checked once per process.
    """
    return read_if_whole(path, lambda kept: _readable(kept, result_stamp(kept))) is not None


@lru_cache(maxsize=1024)
def _readable(path: Path, stamp: int) -> bool:
    _read(path, stamp)  # an error is not cached, because it may be temporary
    return True


def result_stamp(path: Path) -> int:
    """Return when a result was written, in ns, to distinguish results under the same key.

    Parameters
    ----------
    path : Path

    Returns
    -------
    int

    Raises
    ------
    OSError
        If there is no such result.
    """
    return path.stat().st_mtime_ns


def newest_results(folder: Path, stage: Stage) -> list[Path]:
    """List the results of a stage for all settings, the most recently written first.

    Parameters
    ----------
    folder : Path
        Folder of the study's results.
    stage : str

    Returns
    -------
    list of Path
        Including those of earlier versions: :func:`has_result` tells which can be read.
    """
    return sorted(folder.glob(f"{stage}-*.joblib"), key=result_stamp, reverse=True)


def load_prepared(workspace: Workspace, study: str) -> Prepared | None:
    """Read the framed sets and the encoders, without the embeddings.

    Parameters
    ----------
    workspace : Workspace
    study : str

    Returns
    -------
    Prepared or None
        With the study's present configuration and corrected labels. None if the sets are not
        embedded yet.
    """
    return prepared_of(workspace, workspace.snapshot(study))


def prepared_of(workspace: Workspace, snapshot: Snapshot) -> Prepared | None:
    """Read the framed sets of a study as it was at one moment: see :func:`load_prepared`."""
    found = embedded_of(workspace, snapshot)
    if found is None:
        return None
    reference = relabelled(found.reference, mended_labels(workspace, snapshot))
    # Options that do not affect the embeddings may have changed since.
    return replace(with_reference(found, reference), config=config_of(workspace, snapshot))


def embedded_of(workspace: Workspace, snapshot: Snapshot) -> Prepared | None:
    """Read the framed sets as they were embedded, with the original labels of the cells."""
    keys, study = keys_of(workspace, snapshot), snapshot.study.id
    found: Prepared | None = (
        load_result(workspace.result_path(study, "embed", keys["embed"])) if keys else None
    )
    return found


def load_map(workspace: Workspace, study: str) -> CellMap | None:
    """Read the map of the cells.

    Parameters
    ----------
    workspace : Workspace
    study : str

    Returns
    -------
    CellMap or None
        In the layout chosen in the study. None before it is drawn.
    """
    snapshot = workspace.snapshot(study)
    keys, layout = keys_of(workspace, snapshot), layout_of(snapshot.study)
    mended = mended_labels(workspace, snapshot)
    drawn = load_result(workspace.result_path(study, MAPS[layout], keys["embed"])) if keys else None
    embedded = embedded_of(workspace, snapshot) if mended else None
    if drawn is None or embedded is None:
        return drawn
    return map_of(drawn, embedded.reference, relabelled(embedded.reference, mended))


def load_clusters(workspace: Workspace, study: str) -> Clusters | None:
    """Read the query's clusters, including people's edits.

    Parameters
    ----------
    workspace : Workspace
    study : str

    Returns
    -------
    Clusters or None
        None before they are computed.
    """
    snapshot = workspace.snapshot(study)
    keys = keys_of(workspace, snapshot)
    found = (
        load_result(workspace.result_path(study, "clusters", keys["clusters"])) if keys else None
    )
    query = workspace.pool_sets(snapshot.of_role(QUERY))
    if found is None or query is None:
        return None
    edits = [d.payload for d in edits_of(workspace, snapshot, keys["clusters"])]
    return edit_clusters(found, query.cells, edits)


def load_named(workspace: Workspace, study: str) -> tuple[Named, tuple[Standing, ...]] | None:
    """Read the clusters' matches, including those confirmed by people.

    Parameters
    ----------
    workspace : Workspace
    study : str

    Returns
    -------
    named : Named
    standing : tuple of Standing
        The decisions behind the confirmed matches. None is returned in place of both before the
        matches are computed.
    """
    return named_of(workspace, workspace.snapshot(study))


def named_of(workspace: Workspace, snapshot: Snapshot) -> tuple[Named, tuple[Standing, ...]] | None:
    """Read the matches of a study as it was at one moment: see :func:`load_named`."""
    keys, study = keys_of(workspace, snapshot), snapshot.study.id
    found: Named | None = (
        load_result(workspace.result_path(study, "matches", keys["matches"])) if keys else None
    )
    query = workspace.pool_sets(snapshot.of_role(QUERY))
    if found is None or query is None:
        return None
    decisions = decisions_now(workspace, snapshot, "match")
    types = found.scores[QUERY].types
    standing = standing_decisions(found.clusters, query.cells, decisions, types)
    return found.confirm([s.confirmation for s in standing]), standing


def load_run(workspace: Workspace, study: str, *, stale: bool = False) -> RunResult | None:
    """Read the typed cells.

    Parameters
    ----------
    workspace : Workspace
    study : str
    stale : bool
        Whether to return the newest result of other settings if there is none for the present ones.

    Returns
    -------
    RunResult or None
    """
    snapshot = workspace.snapshot(study)
    keys = keys_of(workspace, snapshot)
    if not keys:
        return None
    path = workspace.result_path(study, "classify", keys["classify"])
    others = newest_results(path.parent, "classify") if stale else []
    usable = next((one for one in (path, *others) if has_result(one)), None)
    if usable is None:
        return None
    config = config_of(workspace, snapshot)
    found = recounted_run(usable, result_stamp(usable), weighing_of(config))
    return replace(found, config=replace(found.config, **config.first_deciding("flagging")))


def weighing_of(config: Config) -> Weighing:
    """Collect the settings that can be applied to a stored vote.

    Parameters
    ----------
    config : Config

    Returns
    -------
    tuple of (str, object)
        Name and value of the settings that determine the weights of the voters, and of those that
        determine the aligned voters; :func:`recounted_run` uses the latter if there are none yet.
    """
    return tuple(config.first_deciding("aligned voters", "aligned", "weighing").items())


@lru_cache(maxsize=4)
def recounted_run(path: Path, stamp: int, weighing: Weighing) -> RunResult:
    """Read the typed cells, and count the votes again with other weights of the voters.

    Parameters
    ----------
    path : Path
        A readable result, see :func:`has_result`.
    stamp : int
        From :func:`result_stamp`.
    weighing : tuple of (str, object)
        From :func:`weighing_of`.

    Returns
    -------
    RunResult
    """
    found: RunResult = _read(path, stamp)
    return recount(found, replace(found.config, **dict(weighing)))


def study_standing(
    workspace: Workspace, study: str, clusters: Clusters, query: Dataset, types: Sequence[str]
) -> tuple[Standing, ...]:
    """Find the decisions on matches that apply to the clusters of a study.

    Parameters
    ----------
    workspace : Workspace
    study : str
    clusters, query, types
        Clusters of the query, and the types of the reference; see
        :func:`~celltransfer_core.studies.standing.standing_decisions`.

    Returns
    -------
    tuple of Standing
    """
    decisions = decisions_now(workspace, workspace.snapshot(study), "match")
    return standing_decisions(clusters, query.cells, decisions, types)
