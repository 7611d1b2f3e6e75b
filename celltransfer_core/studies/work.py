"""TODO celltransfer_core/studies/work.py."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from celltransfer_core.data.dataset import Dataset
from celltransfer_core.errors import StudyError
from celltransfer_core.evaluation.measured import evaluate
from celltransfer_core.evaluation.played_reader import play_reader
from celltransfer_core.evaluation.report.write import write_evaluation
from celltransfer_core.pipeline.edits import edit_clusters
from celltransfer_core.pipeline.maps import draw_map
from celltransfer_core.pipeline.named import detect, identify
from celltransfer_core.pipeline.prepared import prepare
from celltransfer_core.pipeline.result import Named, Prepared, type_names
from celltransfer_core.pipeline.runs import transfer
from celltransfer_core.studies.demo import fill_demo, introduce_demo
from celltransfer_core.studies.kept import _standing, load, save_result
from celltransfer_core.studies.stages import (
    MAPS,
    Target,
    _edits,
    evaluation_path,
    layout_of,
    protocol_of,
    stage_keys,
    study_config,
    way_to,
)
from celltransfer_core.studies.truth import study_labels
from celltransfer_core.studies.work_list import Reporter
from celltransfer_core.studies.workspace import Workspace


def bring_up_to(
    workspace: Workspace, study_id: str, target: Target, progress: Reporter | Any
) -> None:
    """Compute every stage up to one, but nothing that is there.

    Parameters
    ----------
    workspace : Workspace
    study_id : str
    target : {"embed", "clusters", "matches", "classify", "evaluate"}
    progress : callable

    Raises
    ------
    CellTransferError
        If the study's sets cannot be used.
    """
    if target == "evaluate":
        bring_up_to(workspace, study_id, "matches", progress)
        _measure(workspace, study_id, progress)
        return
    study = workspace.study(study_id)
    if study.drawn:
        fill_demo(workspace, study_id, progress)
    keys = stage_keys(workspace, study_id)

    def path(stage: str, key: str) -> Path:
        return workspace.result_path(study_id, stage, keys[key])  # type: ignore[index]

    wanted = way_to(target)
    layout = layout_of(study)
    drawn = path(MAPS[layout], "embed")
    mapped = drawn.is_file() or target == "matches"
    if mapped and all(path(stage, stage).is_file() for stage in wanted):
        return
    prepared = _prepare(workspace, study_id, progress)
    if not path("embed", "embed").is_file():
        save_result(path("embed", "embed"), replace(prepared, embeddings={}))
    if not mapped:
        progress("drawing the map", 0, 1)
        save_result(drawn, draw_map(prepared, layout))
        progress("drawing the map", 1, 1)
    if target == "embed":
        return
    if not path("clusters", "clusters").is_file():
        progress("clusters", 0, 1)
        save_result(path("clusters", "clusters"), detect(prepared))
        progress("clusters", 1, 1)
    if target == "clusters":
        return
    if not path("matches", "matches").is_file():
        progress("matches", 0, 1)
        edits = [d.payload for d in _edits(workspace, study_id, keys["clusters"])]
        found = load(path("clusters", "clusters"))
        clusters = edit_clusters(found, prepared.query.cells, edits)
        save_result(path("matches", "matches"), identify(prepared, clusters))
        progress("matches", 1, 1)
    if target == "matches":
        return
    named: Named = load(path("matches", "matches"))
    if study.drawn and not workspace.decisions(study_id):
        introduce_demo(workspace, study_id, named)
    latest = stage_keys(workspace, study_id)
    if latest["matches"] != keys["matches"]:  # somebody changed clusters meanwhile
        bring_up_to(workspace, study_id, target, progress)
        return
    keys["classify"] = latest["classify"]
    named = _heard(workspace, study_id, named, prepared)
    save_result(
        path("classify", "classify"),
        transfer(prepared, named, cache=workspace.cache, progress=progress),
    )


def _heard(workspace: Workspace, study_id: str, named: Named, prepared: Prepared) -> Named:
    """Confirm the matches that people spoke of."""
    standing = _standing(workspace, study_id, named.clusters, prepared.query, prepared.types)
    return named.confirm([s.confirmation for s in standing])


def _measure(workspace: Workspace, study_id: str, progress: Reporter | Any) -> None:
    """Score every method with the labels that came with the query."""
    protocol = protocol_of(workspace.study(study_id))
    path, keys = evaluation_path(workspace, study_id), stage_keys(workspace, study_id)
    if path is None or path.is_file():
        return
    matches = load(workspace.result_path(study_id, "matches", keys["matches"]))
    prepared = _prepare(workspace, study_id, progress)
    prepared = replace(prepared, config=replace(prepared.config, draws=protocol.subsets))
    named = _heard(workspace, study_id, matches, prepared)
    truth = study_labels(workspace, study_id)
    found = evaluate(
        prepared, named, truth, protocol, store=path.parent / "kept", progress=progress
    )
    reading = play_reader(prepared, named, truth, cache=workspace.cache, progress=progress)
    found = replace(found, reading=reading)
    write_evaluation(found, path.with_suffix(""))
    save_result(path, replace(found, prepared=replace(prepared, embeddings={})))


def _prepare(workspace: Workspace, study_id: str, progress: Reporter | Any) -> Prepared:
    reference, query = (workspace.pooled(study_id, role) for role in ("reference", "query"))
    if reference is None or query is None:
        raise StudyError("Add images to the reference and the query set first.")
    if len(type_names(reference)) < 2:
        raise StudyError(
            f"The reference has one type only ({reference.cell_labels[0]}); it needs two at least."
        )
    extras: Mapping[str, Dataset] = {
        s.name: workspace.dataset(s)
        for s in workspace.sets(study_id, "extra")
        if workspace.dataset(s).n_cells
    }
    return prepare(
        reference,
        query,
        study_config(workspace, workspace.study(study_id)),
        extras=extras,
        cache=workspace.cache,
        progress=progress,
    )
