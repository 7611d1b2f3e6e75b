"""TODO celltransfer_core/studies/kept.py."""

from __future__ import annotations

import secrets
from contextlib import suppress
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Any

from celltransfer_core.data.dataset import Dataset
from celltransfer_core.encoders.catalogue import load_encoder
from celltransfer_core.encoders.embedding import embed
from celltransfer_core.errors import OutputError
from celltransfer_core.evaluation.result import Evaluation
from celltransfer_core.pipeline.edits import edit_clusters
from celltransfer_core.pipeline.maps import CellMap
from celltransfer_core.pipeline.named import cluster_features
from celltransfer_core.pipeline.result import Clusters, Named, Prepared, RunResult
from celltransfer_core.pipeline.votes import recount
from celltransfer_core.runtime.cache import Cache
from celltransfer_core.studies.stages import (
    MAPS,
    _edits,
    evaluation_path,
    layout_of,
    stage_keys,
    study_config,
)
from celltransfer_core.studies.standing import Standing, Word, standing_words
from celltransfer_core.studies.workspace import Workspace
from celltransfer_core.types import Float32
from celltransfer_core.vocabulary import QUERY, REFERENCE


def query_embeddings(prepared: Prepared, cache: Cache) -> Float32:
    """Read what the query's clusters were found on.

    Parameters
    ----------
    prepared : Prepared
        With or without its embeddings.
    cache : Cache
        Where they are kept; what is missing is computed again.

    Returns
    -------
    ndarray of float32, shape (m, d)

    Raises
    ------
    CellTransferError
        If an encoder or an image cannot be read any more.
    """
    crops = {name: prepared.framing.crops[name] for name in (REFERENCE, QUERY)}
    rows = {
        name: {
            encoder: embed(cells, load_encoder(encoder), cache, workers=1)
            for encoder in prepared.cluster_on
        }
        for name, cells in crops.items()
    }
    return cluster_features(replace(prepared, embeddings=rows))


def load_evaluation(workspace: Workspace, study: str) -> Evaluation | None:
    """Read what was measured with the query's own labels, without the embeddings.

    Parameters
    ----------
    workspace : Workspace
    study : str

    Returns
    -------
    Evaluation or None
        None if it was not measured for the present state.
    """
    path = evaluation_path(workspace, study)
    return load(path) if path else None


def save_result(path: Path, result: object) -> None:
    """Write a stage's result, whole or not at all.

    Parameters
    ----------
    path : Path
    result : object

    Raises
    ------
    OutputError
        If it cannot be written.
    """
    import joblib

    beside = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        joblib.dump(result, beside, compress=1)
        beside.replace(path)
    except OSError as error:
        raise OutputError(
            f"A result cannot be written to {path.parent} ({error.strerror}); make room and run "
            "again: what was computed is kept."
        ) from error
    finally:
        with suppress(OSError):
            beside.unlink()  # there is nothing where all went well


@lru_cache(maxsize=24)
def _read(path: Path, stamp: int) -> Any:  # noqa: ARG001
    import joblib

    return joblib.load(path)


def load(path: Path) -> Any:
    try:
        return _read(path, path.stat().st_mtime_ns)
    except OSError:
        return None


def load_prepared(workspace: Workspace, study: str) -> Prepared | None:
    """Read what embedding left, without the embeddings; None if it is not done."""
    keys = stage_keys(workspace, study)
    found = load(workspace.result_path(study, "embed", keys["embed"])) if keys else None
    if found is None:
        return None
    # Options that do not bear on embeddings may have changed since.
    return replace(found, config=study_config(workspace, workspace.study(study)))


def load_map(workspace: Workspace, study: str) -> CellMap | None:
    """Read the map of the cells; None if it is not drawn yet."""
    keys = stage_keys(workspace, study)
    layout = layout_of(workspace.study(study))
    return load(workspace.result_path(study, MAPS[layout], keys["embed"])) if keys else None


def load_clusters(workspace: Workspace, study: str) -> Clusters | None:
    """Read the clusters, edited as people said; None if they are not found yet."""
    keys = stage_keys(workspace, study)
    found = load(workspace.result_path(study, "clusters", keys["clusters"])) if keys else None
    query = workspace.pooled(study, "query")
    if found is None or query is None:
        return None
    edits = [d.payload for d in _edits(workspace, study, keys["clusters"])]
    return edit_clusters(found, query.cells, edits)


def load_named(workspace: Workspace, study: str) -> tuple[Named, tuple[Standing, ...]] | None:
    """Read the clusters' matches with people's words on them; None if they are not computed."""
    keys = stage_keys(workspace, study)
    found = load(workspace.result_path(study, "matches", keys["matches"])) if keys else None
    query = workspace.pooled(study, "query")
    if found is None or query is None:
        return None
    standing = _standing(workspace, study, found.clusters, query, found.scores[QUERY].types)
    return found.confirm([s.confirmation for s in standing]), standing


def load_run(workspace: Workspace, study: str, *, stale: bool = False) -> RunResult | None:
    """Read the typed cells.

    Parameters
    ----------
    workspace : Workspace
    study : str
    stale : bool
        Whether the newest result of other settings will do, where there is none of these.

    Returns
    -------
    RunResult or None
    """
    keys = stage_keys(workspace, study)
    if not keys:
        return None
    path = workspace.result_path(study, "classify", keys["classify"])
    found = load(path)
    if found is None and stale:
        kept = sorted(path.parent.glob("classify-*.joblib"), key=lambda p: p.stat().st_mtime_ns)
        path = kept[-1] if kept else path
        found = load(path)
    if found is None:
        return None
    config = study_config(workspace, workspace.study(study))
    found = counted(path, path.stat().st_mtime_ns, config.vote_weights)
    return replace(found, config=replace(found.config, flag_threshold=config.flag_threshold))


@lru_cache(maxsize=4)
def counted(path: Path, stamp: int, vote_weights: str) -> RunResult:
    found: RunResult = _read(path, stamp)
    config = replace(found.config, vote_weights=vote_weights)  # type: ignore[arg-type]
    return recount(found, config)


def _standing(
    workspace: Workspace,
    study: str,
    clusters: Clusters,
    query: Dataset,
    types: tuple[str, ...],
) -> tuple[Standing, ...]:
    words = [Word(d.payload, d.who, d.at) for d in workspace.decisions(study, "match")]
    return standing_words(clusters, query.cells, words, types)
