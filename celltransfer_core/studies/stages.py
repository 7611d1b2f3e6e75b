"""TODO celltransfer_core/studies/stages.py."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, Literal

from celltransfer_core.about import __version__
from celltransfer_core.config import CLUSTERED_BY, DEFAULT, PRESETS, Config
from celltransfer_core.evaluation.protocol import Protocol
from celltransfer_core.matching.matches import MOST_ALIKE
from celltransfer_core.pipeline.maps import Layout, layouts
from celltransfer_core.pipeline.result import type_names
from celltransfer_core.studies.records import Decision, Study
from celltransfer_core.studies.workspace import Workspace
from celltransfer_core.vocabulary import ANSWERS

Stage = Literal["embed", "clusters", "matches", "classify"]
Target = Stage | Literal["evaluate"]
STAGES: tuple[Stage, ...] = ("embed", "clusters", "matches", "classify")
State = Literal["waiting", "next", "running", "done", "stale", "failed"]

BRIEF = Protocol(
    ot=("none", "centre", "fgw-paper", "fgw"),
    methods=("knn", "ensemble", "majority", "ceiling"),
    low_label=(),
)
"""What the Evaluate page measures unless it is told otherwise."""

MAPS: dict[Layout, str] = {"t-SNE": "map", "UMAP": "umap"}
_EMBED = ("encoders", "cluster_encoder", "framing", "colour", "um_per_px")
_CLUSTERS = (*CLUSTERED_BY, "features", "scale_blocks")


def study_config(workspace: Workspace, study: Study) -> Config:
    """Make a study's configuration.

    Parameters
    ----------
    workspace : Workspace
    study : Study

    Returns
    -------
    Config

    Raises
    ------
    DataError
        If an option is out of range.
    """
    beside = ("layout", "evaluation")
    options = {name: value for name, value in study.options.items() if name not in beside}
    preset = PRESETS.get(options.pop("preset", "default"), DEFAULT)
    if "encoders" in options:
        options["encoders"] = tuple(tuple(voter) for voter in options["encoders"])
    if kept := options.pop("keep", ()):  # the reference may be another one since
        reference = workspace.pooled(study.id, "reference")
        there = type_names(reference) if reference else ()
        options["keep"] = tuple(name for name in kept if name in there)
    if options.get("cluster_encoder"):
        options["cluster_encoder"] = tuple(options["cluster_encoder"])
    scales = [
        next((s.um_per_px for s in workspace.sets(study.id, role) if s.um_per_px), None)
        for role in ("reference", "query")
    ]
    if scales[0] and scales[1]:
        options["um_per_px"] = (scales[0], scales[1])
    return replace(preset, **options)


def named_types(workspace: Workspace, study: str) -> list[str]:
    """List the types that people named beside those of the reference.

    Parameters
    ----------
    workspace : Workspace
    study : str

    Returns
    -------
    list of str
        In the order they were first named.
    """
    reference = workspace.pooled(study, "reference")
    own = {*(reference.cell_labels.tolist() if reference else ()), *ANSWERS}
    said = [d.payload.get("type") for d in workspace.decisions(study, "match")]
    said += [d.payload.get("answer") for d in workspace.decisions(study, "review")]
    return [name for name in dict.fromkeys(said) if name and name not in own]


def stage_keys(workspace: Workspace, study: str) -> dict[Stage, str]:
    """Compute the key of everything that decides each stage's result.

    Parameters
    ----------
    workspace : Workspace
    study : str

    Returns
    -------
    dict from stage to key
        Empty while the reference or the query has no usable image.
    """
    found = workspace.study(study)
    # The demo's cells are drawn by its first job.
    if not found.drawn and not {"reference", "query"} <= workspace.filled(study):
        return {}
    sets = workspace.sets(study)
    config = asdict(study_config(workspace, found))
    del config["flag_threshold"], config["vote_weights"]  # counted when a run is read
    # Several references are told apart by name, extra sets always; other names decide nothing.
    named = {"extra"} | ({"reference"} if [s.role for s in sets].count("reference") > 1 else set())
    images = [
        (s.role, s.revision, sorted(s.mapping.items()), s.name if s.role in named else "")
        for s in sets
    ]
    embed = _hash(__version__, images, {name: config.pop(name) for name in _EMBED})
    clusters = _hash(embed, {name: config.pop(name) for name in _CLUSTERS})
    edits = [d.payload for d in _edits(workspace, study, clusters)]
    matches = _hash(clusters, edits, MOST_ALIKE)
    words = [(d.payload, d.who) for d in workspace.decisions(study, "match")]
    return {
        "embed": embed,
        "clusters": clusters,
        "matches": matches,
        "classify": _hash(matches, words, config),
    }


def _hash(*parts: Any) -> str:
    text = json.dumps(parts, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:20]


def _edits(workspace: Workspace, study: str, clusters_key: str) -> tuple[Decision, ...]:
    """Edits of the clusters at hand; those of other clusters do not apply."""
    said = workspace.decisions(study, "cluster")
    return tuple(d for d in said if d.payload.get("key") == clusters_key)


def way_to(target: str) -> tuple[Stage, ...]:
    """List the stages that a job brings up to date."""
    last = "matches" if target == "evaluate" else target
    return STAGES[: STAGES.index(last) + 1]


def protocol_of(study: Study) -> Protocol:
    """Say what a study's Evaluate page measures: what was chosen there, or what takes minutes.

    Parameters
    ----------
    study : Study

    Returns
    -------
    Protocol
    """
    chosen: Mapping[str, Any] = study.options.get("evaluation", {})
    return Protocol(**{**asdict(BRIEF), **{name: tuple(of) for name, of in chosen.items()}})


def evaluation_path(workspace: Workspace, study: str) -> Path | None:
    """Return where the figures of the present state of a study lie, or will lie.

    Parameters
    ----------
    workspace : Workspace
    study : str

    Returns
    -------
    Path or None
        None while there are no images. A folder of the same name holds tables and report.
    """
    keys = stage_keys(workspace, study)
    if not keys:
        return None
    found = workspace.study(study)
    weighing = study_config(workspace, found).vote_weights
    measured = _hash(keys["classify"], weighing, asdict(protocol_of(found)))
    return workspace.result_path(study, "evaluate", measured)


def layout_of(study: Study) -> Layout:
    """Tell how a study's map is laid out: as chosen, where that is possible here."""
    chosen = study.options.get("layout", "t-SNE")
    return chosen if chosen in layouts() else "t-SNE"
