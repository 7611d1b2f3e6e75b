"""The stages of a study, and the key of everything that determines the result of each.

``embed`` is section 3.1 of the paper, ``clusters`` and ``matches`` are 3.2 (A.1 and A.2), and
``classify`` is 3.3 and 3.4. ``evaluate`` and ``check`` are computed beside them. A stage depends on
those before it, so its key is made from the previous key and the settings that determine it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, Literal

from celltransfer_core.about import __version__
from celltransfer_core.config.config import DEFAULT, PRESETS, Config
from celltransfer_core.config.settings import as_tuples
from celltransfer_core.evaluation.protocol import Protocol
from celltransfer_core.matching.matches import MOST_ALIKE
from celltransfer_core.pipeline.maps import Layout, layouts
from celltransfer_core.pipeline.votes import transport_counts
from celltransfer_core.studies.label_mends import mended_labels
from celltransfer_core.studies.records import BATCH, BATCH_REVIEW, Decision, ImageSet, Study
from celltransfer_core.studies.renamed import decisions_now, types_now
from celltransfer_core.studies.sample_types import expected_of
from celltransfer_core.studies.snapshots import Snapshot
from celltransfer_core.studies.workspace import Workspace
from celltransfer_core.vocabulary import ANSWERS, QUERY, REFERENCE

Stage = Literal["embed", "clusters", "matches", "classify"]
Keyed = Stage | Literal["unaligned"]
"""What has a key: the stages, and the first result of ``classify``, without aligned voters."""
Target = Stage | Literal["evaluate", "check", "batch"]
STAGES: tuple[Stage, ...] = ("embed", "clusters", "matches", "classify")
State = Literal["waiting", "next", "running", "done", "stale", "failed"]

BRIEF = Protocol(
    ot=("none", "centre", "fgw-paper", "fgw"),
    methods=("knn", "ensemble", "majority", "ceiling"),
    low_label=(),
)
"""The default protocol of the Evaluate page."""

MAPS: dict[Layout, str] = {"t-SNE": "map", "UMAP": "umap"}


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
    snapshot = replace(workspace.snapshot(study.id), study=study)
    return config_of(workspace, snapshot)


def config_of(workspace: Workspace, snapshot: Snapshot) -> Config:
    """Make the configuration of a study as it was at one moment.

    Parameters
    ----------
    workspace : Workspace
    snapshot : Snapshot

    Returns
    -------
    Config

    Raises
    ------
    DataError
        If an option is out of range.
    """
    return workspace.derive(snapshot, "config", lambda: _make_config(workspace, snapshot))


def _make_config(workspace: Workspace, snapshot: Snapshot) -> Config:
    chosen = config_of_options(snapshot.study.options)
    options: dict[str, Any] = {}
    told = expected_of(workspace, snapshot, chosen.must_find)
    if told.said:
        options |= {"expect": told.expected, "absent": told.absent}
    if kept := _kept_types(workspace, snapshot):
        options["keep"] = tuple(name for name in kept if name not in told.absent)
    # Every set has its own pixel size; the command line can repeat only one size per role.
    reference, query = ({s.um_per_px for s in snapshot.of_role(r)} for r in (REFERENCE, QUERY))
    if len(reference) == len(query) == 1 and all(scales := (*reference, *query)):
        options["um_per_px"] = scales
    return replace(chosen, **options)


def config_of_options(options: Mapping[str, Any]) -> Config:
    """Make the configuration for a study's options, before any decision.

    Parameters
    ----------
    options : mapping
        See :attr:`~celltransfer_core.studies.records.Study.options`.

    Returns
    -------
    Config

    Raises
    ------
    DataError
        If an option is out of range.
    TypeError
        If there is no such setting.
    """
    beside = ("layout", "evaluation", "keep")
    chosen = {n: as_tuples(value) for n, value in options.items() if n not in beside}
    preset = PRESETS.get(chosen.pop("preset", "default"), DEFAULT)
    return replace(preset, **chosen)


def _kept_types(workspace: Workspace, snapshot: Snapshot) -> tuple[str, ...]:
    """List the types that people kept; the reference may have changed since."""
    first = snapshot.study.options.get("keep", ())  # workspaces of 0.1.0 have them there
    if not first and not workspace.decisions_of(snapshot, "keep"):
        return ()
    now = types_now(workspace, snapshot)
    kept = {name if name in now.types else now.renamed.get(name, name) for name in first}
    for one in decisions_now(workspace, snapshot, "keep"):
        name = one.payload["type"]
        kept = kept | {name} if one.payload["kept"] else kept - {name}
    return tuple(sorted(kept & {*now.types}))


def named_types(workspace: Workspace, study: str) -> list[str]:
    """List the types that people added to those of the reference.

    Parameters
    ----------
    workspace : Workspace
    study : str

    Returns
    -------
    list of str
        In the order in which they were first used.
    """
    snapshot = workspace.snapshot(study)
    own = {*types_now(workspace, snapshot).types, *ANSWERS}
    matches = decisions_now(workspace, snapshot, "match")
    # Without the mark, it was a type of a reference that the study no longer has.
    given = [d.payload.get("type") for d in matches if d.payload.get("new")]
    for kind in ("review", BATCH_REVIEW):
        given += [d.payload.get("answer") for d in decisions_now(workspace, snapshot, kind)]
    return [name for name in dict.fromkeys(given) if name and name not in own]


def stage_keys(workspace: Workspace, study: str) -> dict[Keyed, str]:
    """Compute the key of everything that determines each stage's result.

    Parameters
    ----------
    workspace : Workspace
    study : str

    Returns
    -------
    dict from stage to key
        Empty while the reference or the query has no usable image. ``unaligned`` is the key of
        ``classify`` if no transport counts, and of its first result if some does.
    """
    return keys_of(workspace, workspace.snapshot(study))


def keys_of(workspace: Workspace, snapshot: Snapshot) -> dict[Keyed, str]:
    """Compute the keys of a study as it was at one moment: see :func:`stage_keys`.

    Parameters
    ----------
    workspace : Workspace
    snapshot : Snapshot

    Returns
    -------
    dict from stage to key
    """
    return workspace.derive(snapshot, "keys", lambda: _make_keys(workspace, snapshot))


def _make_keys(workspace: Workspace, snapshot: Snapshot) -> dict[Keyed, str]:
    study = snapshot.study
    sets = [one for one in snapshot.sets if one.role != BATCH]  # batches change no result
    filled = workspace.derive(
        snapshot, "filled", lambda: workspace.filled(study.id), key=snapshot.sets_key
    )
    # The demo's cells are drawn by its first job.
    if not study.drawn and not {REFERENCE, QUERY} <= filled:
        return {}
    config = config_of(workspace, snapshot)
    embed = hash_of(__version__, deciding_images(snapshot, sets), config.first_deciding("embed"))
    # Embeddings do not depend on labels; clusters do, through the features that separate the types.
    mended = mended_labels(workspace, snapshot)
    clusters = hash_of(embed, config.first_deciding("clusters"), *([mended] if mended else []))
    edits = [d.payload for d in edits_of(workspace, snapshot, clusters)]
    matches = hash_of(clusters, edits, MOST_ALIKE, config.first_deciding("matches"))
    decisions = workspace.decisions_of(snapshot, "match")
    given = [(d.payload, d.who) for d in decisions]
    earlier = [d.payload for d in workspace.decisions_of(snapshot, "types")]
    unaligned = hash_of(matches, given, config.first_deciding("draws", "vote"), *earlier)
    counts = transport_counts(config, _most_confirmed(decisions))
    return {
        "embed": embed,
        "clusters": clusters,
        "matches": matches,
        "unaligned": unaligned,
        "classify": hash_of(unaligned, config.first_deciding("aligned")) if counts else unaligned,
    }


def deciding_images(snapshot: Snapshot, sets: Sequence[ImageSet]) -> list[tuple[object, ...]]:
    """List what determines the images of some sets and their original types.

    Parameters
    ----------
    snapshot : Snapshot
    sets : sequence of ImageSet
        Sets of that study.

    Returns
    -------
    list of tuple
        JSON values, to be used as parts of a key.
    """
    # Several references are distinguished by name, extra sets always; other names have no effect.
    several = len(snapshot.of_role(REFERENCE)) > 1
    named = {"extra"} | ({REFERENCE} if several else set())
    return [
        (
            *(s.role, s.revision, sorted(s.mapping.items()), s.um_per_px),
            s.name if s.role in named else "",
        )
        for s in sets
    ]


def _most_confirmed(decisions: Sequence[Decision]) -> float:
    """Return an upper bound on the share of the query in confirmed clusters: 0 or 1.

    Which decisions apply to the clusters is not known before the clusters are found.
    """
    named: dict[str, bool] = {}
    for one in decisions:
        named |= dict.fromkeys(one.payload["cells"], one.payload["type"] is not None)
    return float(any(named.values()))


def hash_of(*parts: Any) -> str:
    """Make a key from everything that determines a result."""
    text = json.dumps(parts, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:20]


def cluster_edits(workspace: Workspace, study: str, clusters_key: str) -> tuple[Decision, ...]:
    """List the edits of a study's clusters.

    Parameters
    ----------
    workspace : Workspace
    study : str
    clusters_key : str
        Key of the stage ``clusters``; edits of other clusters are ignored.

    Returns
    -------
    tuple of Decision
        Oldest first.
    """
    return edits_of(workspace, workspace.snapshot(study), clusters_key)


def edits_of(workspace: Workspace, snapshot: Snapshot, clusters_key: str) -> tuple[Decision, ...]:
    """List the edits of a study's clusters as of one moment: see :func:`cluster_edits`.

    Parameters
    ----------
    workspace : Workspace
    snapshot : Snapshot
    clusters_key : str

    Returns
    -------
    tuple of Decision
    """
    edits = workspace.decisions_of(snapshot, "cluster")
    return tuple(edit for edit in edits if edit.payload.get("key") == clusters_key)


def way_to(target: str) -> tuple[Stage, ...]:
    """List the stages that a job brings up to date.

    Parameters
    ----------
    target : {"embed", "clusters", "matches", "classify", "evaluate", "check", "batch"}

    Returns
    -------
    tuple of str
        From the first stage to the target, or to what the target needs.
    """
    if target in ("check", BATCH):
        return ()
    last = "matches" if target == "evaluate" else target
    return STAGES[: STAGES.index(last) + 1]


def protocol_of(study: Study) -> Protocol:
    """Return the protocol chosen on a study's Evaluate page, or :data:`BRIEF`.

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
    """Return the path of the evaluation of a study's present state, whether it exists or not.

    Parameters
    ----------
    workspace : Workspace
    study : str

    Returns
    -------
    Path or None
        None if there are no images. A folder of the same name holds the tables and the report.
    """
    snapshot = workspace.snapshot(study)
    keys = keys_of(workspace, snapshot)
    if not keys:
        return None
    # Every alignment in the protocol is computed, whatever counts in the study's own vote.
    voting = config_of(workspace, snapshot).first_deciding("aligned", "weighing")
    measured = hash_of(keys["unaligned"], voting, asdict(protocol_of(snapshot.study)))
    return workspace.result_path(study, "evaluate", measured)


def layout_of(study: Study) -> Layout:
    """Return the layout of a study's map.

    Parameters
    ----------
    study : Study

    Returns
    -------
    {"t-SNE", "UMAP"}
        The chosen layout, if it is installed.
    """
    chosen = study.options.get("layout", "t-SNE")
    return chosen if chosen in layouts() else "t-SNE"
