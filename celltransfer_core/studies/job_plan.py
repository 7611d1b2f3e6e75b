"""The phases of a job and their expected durations, planned for a study and a target.

Stages whose results exist need no phase. Durations are estimated from earlier jobs of the
workspace, see :mod:`celltransfer_core.studies.speeds`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from celltransfer_core.demo.styles import REFERENCE_TYPES
from celltransfer_core.pipeline.phases import (
    DRAWN_MAP,
    EVALUATION,
    Sizes,
    estimate_phases,
    estimated,
)
from celltransfer_core.pipeline.suited import TRYING
from celltransfer_core.pipeline.votes import transport_counts
from celltransfer_core.runtime.progress import Phase
from celltransfer_core.runtime.system import cpu_count
from celltransfer_core.studies.batches import count_cells
from celltransfer_core.studies.demo import PER_TYPE, QUERY_CELLS
from celltransfer_core.studies.kept import has_result
from celltransfer_core.studies.records import BATCH
from celltransfer_core.studies.reference_checks import check_path
from celltransfer_core.studies.snapshots import Snapshot
from celltransfer_core.studies.speeds import load_speeds
from celltransfer_core.studies.stages import (
    MAPS,
    STAGES,
    Keyed,
    Stage,
    Target,
    config_of,
    evaluation_path,
    keys_of,
    layout_of,
    protocol_of,
    way_to,
)
from celltransfer_core.studies.workspace import Workspace
from celltransfer_core.vocabulary import QUERY, REFERENCE


def plan_job(workspace: Workspace, study: str, target: Target) -> tuple[Phase, ...]:
    """Plan the phases of a job.

    Parameters
    ----------
    workspace : Workspace
    study : str
    target : {"embed", "clusters", "matches", "classify", "evaluate", "check", "batch"}

    Returns
    -------
    tuple of Phase
        In order; empty while the study has no images.

    Raises
    ------
    CellTransferError
        If the study's sets cannot be read.
    """
    snapshot = workspace.snapshot(study)
    keys, speeds = keys_of(workspace, snapshot), load_speeds(workspace)
    sizes, empty = _sizes(workspace, snapshot)
    if not keys and target != "check":
        return ()
    if target == BATCH:
        cells = sum(count_cells(workspace, one) for one in snapshot.of_role(BATCH))
        sizes = replace(sizes, reference=0, query=cells, extras=0)
    names = {*_names(workspace, snapshot, keys, target)}
    config = config_of(workspace, snapshot)
    counts = target != BATCH and keys.get("classify") != keys.get("unaligned")
    if target != BATCH and snapshot.study.drawn and not workspace.decisions(study):
        counts = transport_counts(config, 1.0)  # the demo's first job confirms some clusters
    run = estimate_phases(config, sizes, speeds, transport=counts)
    found = [estimated("reading", sizes.cells, speeds)]
    if empty:
        found.append(estimated("drawing the cells", sizes.cells, speeds, sizes.workers))
    found += [phase for phase in run if phase.name.split(" ")[0] in names or phase.name in names]
    if target == "check" and names:
        found.append(estimated("checking the reference", sizes.reference, speeds))
    if target == "evaluate" and "evaluate" in names:
        pairs = sizes.reference * sizes.query * protocol_of(snapshot.study).subsets
        found += [estimated(name, pairs, speeds, sizes.workers) for name in EVALUATION]
    return tuple(found)


def expected_seconds(workspace: Workspace, study: str, target: Target = "classify") -> float:
    """Estimate how long a job that has not begun will take.

    Parameters
    ----------
    workspace : Workspace
    study : str
    target : {"embed", "clusters", "matches", "classify", "evaluate", "check", "batch"}

    Returns
    -------
    float
        Seconds until everything is computed; see :func:`plan_job`.
    """
    return sum(phase.seconds for phase in plan_job(workspace, study, target))


_PHASES_OF: dict[Stage, tuple[str, ...]] = {
    "embed": ("framing", "colour", TRYING, "embedding"),
    "clusters": ("clusters",),
    "matches": ("matches",),
    "classify": ("vote", "aligning"),
}


def _names(
    workspace: Workspace, snapshot: Snapshot, keys: dict[Keyed, str], target: Target
) -> Iterator[str]:
    """List the missing phases, by their names or the first words of these."""
    study = snapshot.study.id
    if target == BATCH:
        yield from ("framing", "embedding")
        return
    if target == "check":
        path = check_path(workspace, study)
        if path is None or not has_result(path):
            yield from _PHASES_OF["embed"]
        return
    for stage in way_to(target):
        if not has_result(workspace.result_path(study, stage, keys[stage])):
            yield from _PHASES_OF[stage]
    drawn = workspace.result_path(study, MAPS[layout_of(snapshot.study)], keys["embed"])
    if target in STAGES and target != "matches" and not has_result(drawn):
        yield DRAWN_MAP
    if target == "evaluate":
        measured = evaluation_path(workspace, study)
        if measured is None or not has_result(measured):
            yield "evaluate"


def _sizes(workspace: Workspace, snapshot: Snapshot) -> tuple[Sizes, bool]:
    """Count the cells of a study's sets; tell whether they are the demo's and not drawn yet."""
    workers = cpu_count()
    reference, query = (workspace.pool_sets(snapshot.of_role(r)) for r in (REFERENCE, QUERY))
    if snapshot.study.drawn and not (reference and query):
        return Sizes(PER_TYPE * len(REFERENCE_TYPES), QUERY_CELLS, workers=workers), True
    extras = sum(workspace.dataset(one).n_cells for one in snapshot.of_role("extra"))
    return (
        Sizes(
            reference.n_cells if reference else 0,
            query.n_cells if query else 0,
            extras,
            sources=len(reference.sources) if reference else 1,
            workers=workers,
        ),
        False,
    )
