"""The work of a job: all stages of a study up to one, except those whose result exists.

The stages are computed from the study's images, options and decisions. Each result is written to
the study's folder (:mod:`celltransfer_core.studies.kept`), so that interrupted work continues where
it stopped.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TypeVar

from celltransfer_core.data.dataset import Dataset
from celltransfer_core.data.relabelled import relabelled
from celltransfer_core.errors import ImageError, StudyError
from celltransfer_core.evaluation.measured import evaluate
from celltransfer_core.evaluation.report.write import write_evaluation
from celltransfer_core.evaluation.simulated_reader import simulate_reader
from celltransfer_core.pipeline.clusters import Clusters
from celltransfer_core.pipeline.edits import edit_clusters
from celltransfer_core.pipeline.maps import Layout, draw_map
from celltransfer_core.pipeline.mended import with_reference
from celltransfer_core.pipeline.named import detect, identify
from celltransfer_core.pipeline.phases import DRAWN_MAP
from celltransfer_core.pipeline.prepared import prepare, with_kept_embeddings
from celltransfer_core.pipeline.reference_check import check_reference
from celltransfer_core.pipeline.result import Named, Prepared, RunResult
from celltransfer_core.pipeline.runs import transfer
from celltransfer_core.studies.batches import describe_problems, type_batches
from celltransfer_core.studies.current import usable_result
from celltransfer_core.studies.damaged import ask_again, damaged_files
from celltransfer_core.studies.demo import fill_demo, introduce_demo
from celltransfer_core.studies.kept import has_result, load_result, save_result, study_standing
from celltransfer_core.studies.label_mends import mended_labels
from celltransfer_core.studies.records import BATCH
from celltransfer_core.studies.reference_checks import check_path
from celltransfer_core.studies.stages import (
    MAPS,
    Keyed,
    Stage,
    Target,
    cluster_edits,
    evaluation_path,
    keys_of,
    layout_of,
    protocol_of,
    stage_keys,
    study_config,
    way_to,
)
from celltransfer_core.studies.truth import study_labels
from celltransfer_core.studies.workspace import Workspace
from celltransfer_core.types import Progress

Result = TypeVar("Result")


def bring_up_to(workspace: Workspace, study_id: str, target: Target, progress: Progress) -> None:
    """Compute every stage up to one, except those whose result exists.

    Parameters
    ----------
    workspace : Workspace
    study_id : str
    target : {"embed", "clusters", "matches", "classify", "evaluate", "check", "batch"}
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
    if target == BATCH:
        if problems := type_batches(workspace, study_id, progress):
            raise StudyError(describe_problems(problems))
        return
    study = workspace.study(study_id)
    if study.drawn:
        fill_demo(workspace, study_id, progress)
    if target == "check":
        _check(workspace, study_id, progress)
        return
    snapshot = workspace.snapshot(study_id)
    keys, mended = keys_of(workspace, snapshot), mended_labels(workspace, snapshot)
    work = _Work(workspace, study_id, keys, mended, layout_of(study), progress)
    if work.is_done(target):
        return
    if not work.do(target):
        bring_up_to(workspace, study_id, target, progress)


@dataclass(frozen=True)
class _Work:
    """The stages of a study, in its state when the work began."""

    workspace: Workspace
    study: str
    keys: Mapping[Keyed, str]
    mended: Mapping[str, str]
    """Labels of reference cells that people corrected."""
    layout: Layout
    progress: Progress

    def path(self, stage: Stage) -> Path:
        return self.workspace.result_path(self.study, stage, self.keys[stage])

    @property
    def map_path(self) -> Path:
        return self.workspace.result_path(self.study, MAPS[self.layout], self.keys["embed"])

    def is_done(self, target: Target) -> bool:
        paths = [self.path(stage) for stage in way_to(target)] if self.keys else []
        if paths and target != "matches":
            paths.append(self.map_path)
        return bool(paths) and all(has_result(path) for path in paths)

    def once(self, path: Path, phase: str, make: Callable[[], Result]) -> Result:
        """Read a result, or compute and write it."""
        result: Result | None = load_result(path)
        if result is None:
            self.progress(phase, 0, 1)
            result = make()
            save_result(path, result)
            self.progress(phase, 1, 1)
        return result

    def do(self, target: Target) -> bool:
        """Compute the stages up to one; return False if the clusters were edited meanwhile.

        The map takes seconds that no result should wait for: it is drawn last, but before the
        transport.
        """
        prepared = self.embed()
        draw = partial(self.draw, prepared)
        prepared = with_reference(prepared, relabelled(prepared.reference, self.mended))
        if target != "embed":
            clusters = self.cluster(prepared)
            if target != "clusters":
                named = self.match(prepared, clusters)
                if target == "classify" and not self.classify(prepared, named, draw):
                    return False
        if target != "matches":
            draw()
        return True

    def embed(self) -> Prepared:
        """Frame and embed the sets (3.1), with the original labels of the reference."""
        kept: Prepared | None = load_result(self.path("embed"))
        if kept and not kept.failures:  # an encoder that failed may work now
            _check_types(relabelled(kept.reference, self.mended))
            # Settings that do not affect the embeddings may have changed since.
            config = study_config(self.workspace, self.workspace.study(self.study))
            now = replace(kept, config=config)
            if found := with_kept_embeddings(now, self.workspace.cache):
                return found
        prepared = _prepare(self.workspace, self.study, self.mended, self.progress)
        if not kept:
            save_result(self.path("embed"), replace(prepared, embeddings={}))
        return prepared

    def draw(self, prepared: Prepared) -> None:
        """Draw the map of the cells."""
        self.once(self.map_path, DRAWN_MAP, lambda: draw_map(prepared, self.layout))

    def cluster(self, prepared: Prepared) -> Clusters:
        """Find clusters (A.1), before people's edits."""
        return self.once(self.path("clusters"), "clusters", lambda: detect(prepared))

    def match(self, prepared: Prepared, clusters: Clusters) -> Named:
        """Match the edited clusters to types (A.2), before people's decisions."""

        def make() -> Named:
            edits = cluster_edits(self.workspace, self.study, self.keys["clusters"])
            payloads = [edit.payload for edit in edits]
            return identify(prepared, edit_clusters(clusters, prepared.query.cells, payloads))

        return self.once(self.path("matches"), "matches", make)

    def classify(self, prepared: Prepared, named: Named, draw: Callable[[], object]) -> bool:
        """Align and vote (3.3, 3.4); return False if the clusters were edited meanwhile.

        If transport counts, a vote without it is stored first, unless a vote with transport is
        shown already, and then the map is drawn.
        """
        workspace, study = self.workspace, self.study
        if workspace.study(study).drawn and not workspace.decisions(study):
            introduce_demo(workspace, study, named)
        latest = stage_keys(workspace, study)
        if latest["matches"] != self.keys["matches"]:
            return False
        path, early = (
            workspace.result_path(study, "classify", latest[what])
            for what in ("classify", "unaligned")
        )

        def keep_first(found: RunResult) -> None:
            shown = usable_result(workspace, workspace.snapshot(study), named)
            if not has_result(early) and (shown is None or not load_result(shown).aligned):
                save_result(early, found)
            draw()

        if not has_result(path):
            confirmed = _confirm(workspace, study, named, prepared)
            found = transfer(
                prepared,
                confirmed,
                cache=workspace.cache,
                progress=self.progress,
                first=keep_first,
            )
            save_result(path, found)
        return True


def _confirm(workspace: Workspace, study_id: str, named: Named, prepared: Prepared) -> Named:
    """Confirm the matches that people decided on."""
    standing = study_standing(workspace, study_id, named.clusters, prepared.query, prepared.types)
    return named.confirm([s.confirmation for s in standing])


def _measure(workspace: Workspace, study_id: str, progress: Progress) -> None:
    """Score every method with the query's own labels."""
    protocol = protocol_of(workspace.study(study_id))
    path, snapshot = evaluation_path(workspace, study_id), workspace.snapshot(study_id)
    keys = keys_of(workspace, snapshot)
    if path is None or has_result(path):
        return
    matches: Named = load_result(workspace.result_path(study_id, "matches", keys["matches"]))
    mended = mended_labels(workspace, snapshot)
    prepared = _prepare(workspace, study_id, mended, progress)
    prepared = with_reference(prepared, relabelled(prepared.reference, mended))
    prepared = replace(prepared, config=replace(prepared.config, draws=protocol.subsets))
    named = _confirm(workspace, study_id, matches, prepared)
    truth = study_labels(workspace, study_id)
    found = evaluate(
        prepared, named, truth, protocol, store=path.parent / "kept", progress=progress
    )
    reading = simulate_reader(
        prepared,
        named,
        truth,
        left_out=found.leaked,
        cache=workspace.cache,
        progress=progress,
    )
    found = replace(found, reading=reading)
    write_evaluation(found, path.with_suffix(""))
    save_result(path, replace(found, prepared=replace(prepared, embeddings={})))


def _check(workspace: Workspace, study_id: str, progress: Progress) -> None:
    """Check the reference's original labels."""
    path, reference = check_path(workspace, study_id), workspace.pooled(study_id, "reference")
    if path is None or reference is None:
        raise StudyError("Add images to the reference first.")
    if has_result(path):
        return
    config = study_config(workspace, workspace.study(study_id))
    with _named_if_damaged(workspace, study_id, progress):
        found = check_reference(reference, config, cache=workspace.cache, progress=progress)
    save_result(path, found)


def _check_types(reference: Dataset) -> None:
    if len(types := {*(reference.labels or ())}) < 2:
        only = f"only one type ({min(types)})" if types else "no type left"
        raise StudyError(f"The reference has {only}; it needs at least two.")


def _prepare(
    workspace: Workspace, study_id: str, mended: Mapping[str, str], progress: Progress
) -> Prepared:
    """Frame and embed the sets, with the original labels of the reference."""
    reference, query = (workspace.pooled(study_id, role) for role in ("reference", "query"))
    if reference is None or query is None:
        raise StudyError("Add images to the reference and the query set first.")
    _check_types(relabelled(reference, mended))
    extras: Mapping[str, Dataset] = {
        s.name: workspace.dataset(s)
        for s in workspace.sets(study_id, "extra")
        if workspace.dataset(s).n_cells
    }
    with _named_if_damaged(workspace, study_id, progress):
        return prepare(
            reference,
            query,
            study_config(workspace, workspace.study(study_id)),
            extras=extras,
            cache=workspace.cache,
            progress=progress,
        )


@contextmanager
def _named_if_damaged(workspace: Workspace, study_id: str, progress: Progress) -> Iterator[None]:
    """If the work within the block meets a damaged image, report all damaged images by name."""
    try:
        yield
    except ImageError as error:
        if names := damaged_files(workspace, study_id, progress):
            raise StudyError(ask_again(names)) from error
        raise
