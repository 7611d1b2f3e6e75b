"""Long work outside the page: what is done, stale or next, and the process that does it.

A stage's result lies under a key of everything that decides it, so a stage is done when a result
with the present key is there. A job brings a study up to one stage, and computes only what is
missing on the way. It is a process of its own: closing the page, or killing the server, does not
end it.
"""

from __future__ import annotations

import hashlib
import json
import os
import secrets
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal

import numpy as np

from celltransfer_core import __version__
from celltransfer_core.curation import Standing, Word, edit_clusters, standing_words
from celltransfer_core.datasets import Dataset
from celltransfer_core.demo import fill_demo, introduce_demo
from celltransfer_core.errors import CellTransferError, OutputError, StudyError
from celltransfer_core.evaluation import study_labels
from celltransfer_core.matching import MOST_ALIKE, QUERY, REFERENCE
from celltransfer_core.pipeline import (
    CLUSTERED_BY,
    DEFAULT,
    PRESETS,
    Clusters,
    Config,
    Named,
    Prepared,
    RunResult,
    detect,
    identify,
    prepare,
    recount,
    representation,
    transfer,
    type_names,
)
from celltransfer_core.protocol import Evaluation, Protocol, evaluate
from celltransfer_core.quiet import quiet
from celltransfer_core.reader import play_reader
from celltransfer_core.results import write_evaluation
from celltransfer_core.review import ANSWERS, Review, read_reviews
from celltransfer_core.studies import Decision, Job, Study, Workspace, now
from celltransfer_core.teaching import TaughtVote, Words, teach, teacher_of, words_of
from celltransfer_core.types import Float32, Ints

Stage = Literal["embed", "clusters", "matches", "classify"]
Target = Stage | Literal["evaluate"]
STAGES: tuple[Stage, ...] = ("embed", "clusters", "matches", "classify")

State = Literal["waiting", "next", "running", "done", "stale", "failed"]

Layout = Literal["t-SNE", "UMAP"]

MAP_CELLS = 5000
"""Most cells of a map."""

BEAT = 2.0
SILENCE = 30.0
"""Seconds between a job's signs of life, and after which it counts as dead."""

BRIEF = Protocol(
    ot=("none", "centre", "fgw-paper", "fgw"),
    methods=("knn", "ensemble", "majority", "ceiling"),
    low_label=(),
)
"""What the Evaluate page measures unless it is told otherwise."""

_MAPS: dict[Layout, str] = {"t-SNE": "map", "UMAP": "umap"}
_EMBED = ("encoders", "cluster_encoder", "framing", "colour", "um_per_px")
_CLUSTERS = (*CLUSTERED_BY, "features", "scale_blocks")

_children: dict[int, subprocess.Popen[bytes]] = {}


@dataclass(frozen=True)
class CellMap:
    """Cells of the reference and the query in one plane."""

    xy: Float32
    """Shape (k, 2)."""
    sets: tuple[str, ...]
    """``reference`` or ``query``, length k."""
    cells: Ints
    """Cell numbers in their set, shape (k,)."""
    layout: Layout = "t-SNE"
    """How they were laid out."""


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


def states(workspace: Workspace, study: str) -> dict[Stage, State]:
    """Tell how far a study is.

    Parameters
    ----------
    workspace : Workspace
    study : str

    Returns
    -------
    dict from stage to state
        ``waiting`` for images, ``next`` to be computed, ``running``, ``done``, ``stale`` (a result
        of other settings is there) or ``failed``.
    """
    keys = stage_keys(workspace, study)
    if not keys:
        return dict.fromkeys(STAGES, "waiting")
    latest = current_job(workspace, study)
    found: dict[Stage, State] = {}
    for stage in STAGES:
        path = workspace.result_path(study, stage, keys[stage])
        if path.is_file():
            found[stage] = "done"
        elif latest and latest.active and stage in _way_to(latest.target):
            found[stage] = "running"
        elif any(path.parent.glob(f"{stage}-*.joblib")):
            found[stage] = "stale"
        else:
            found[stage] = "next"
    return found


def _way_to(target: str) -> tuple[Stage, ...]:
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
    return _load(path) if path else None


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


def _load(path: Path) -> Any:
    try:
        return _read(path, path.stat().st_mtime_ns)
    except OSError:
        return None


def load_prepared(workspace: Workspace, study: str) -> Prepared | None:
    """Read what embedding left, without the embeddings; None if it is not done."""
    keys = stage_keys(workspace, study)
    found = _load(workspace.result_path(study, "embed", keys["embed"])) if keys else None
    if found is None:
        return None
    # Options that do not bear on embeddings may have changed since.
    return replace(found, config=study_config(workspace, workspace.study(study)))


def load_map(workspace: Workspace, study: str) -> CellMap | None:
    """Read the map of the cells; None if it is not drawn yet."""
    keys = stage_keys(workspace, study)
    layout = layout_of(workspace.study(study))
    return _load(workspace.result_path(study, _MAPS[layout], keys["embed"])) if keys else None


def layouts() -> tuple[Layout, ...]:
    """List how maps can be laid out here: UMAP is optional."""
    return ("t-SNE", "UMAP") if find_spec("umap") else ("t-SNE",)


def layout_of(study: Study) -> Layout:
    """Tell how a study's map is laid out: as chosen, where that is possible here."""
    chosen = study.options.get("layout", "t-SNE")
    return chosen if chosen in layouts() else "t-SNE"


def load_clusters(workspace: Workspace, study: str) -> Clusters | None:
    """Read the clusters, edited as people said; None if they are not found yet."""
    keys = stage_keys(workspace, study)
    found = _load(workspace.result_path(study, "clusters", keys["clusters"])) if keys else None
    query = workspace.pooled(study, "query")
    if found is None or query is None:
        return None
    edits = [d.payload for d in _edits(workspace, study, keys["clusters"])]
    return edit_clusters(found, query.cells, edits)


def load_named(workspace: Workspace, study: str) -> tuple[Named, tuple[Standing, ...]] | None:
    """Read the clusters' matches with people's words on them; None if they are not computed."""
    keys = stage_keys(workspace, study)
    found = _load(workspace.result_path(study, "matches", keys["matches"])) if keys else None
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
    found = _load(path)
    if found is None and stale:
        kept = sorted(path.parent.glob("classify-*.joblib"), key=lambda p: p.stat().st_mtime_ns)
        path = kept[-1] if kept else path
        found = _load(path)
    if found is None:
        return None
    config = study_config(workspace, workspace.study(study))
    found = _counted(path, path.stat().st_mtime_ns, config.vote_weights)
    return replace(found, config=replace(found.config, flag_threshold=config.flag_threshold))


@lru_cache(maxsize=4)
def _counted(path: Path, stamp: int, vote_weights: str) -> RunResult:
    found: RunResult = _read(path, stamp)
    config = replace(found.config, vote_weights=vote_weights)  # type: ignore[arg-type]
    return recount(found, config)


@dataclass(frozen=True)
class Lesson:
    """The typed cells as the words that stand now teach them."""

    run: RunResult
    """With the matches that stand now; ``run.taught`` is None while nobody said anything."""
    reviews: tuple[Review, ...]
    """All that stand, in the order they were made."""
    fresh: bool
    """Whether the transport was made to these matches; if not, a new one may pay: see
    :func:`celltransfer_core.teaching.drift`."""


def load_taught(workspace: Workspace, study: str) -> Lesson | None:
    """Read the typed cells, taught by what people said up to now.

    Parameters
    ----------
    workspace : Workspace
    study : str

    Returns
    -------
    Lesson or None
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
        usable = (p for p in kept if _same_but_words(_load(p), named[0], config))
        path = next(usable, path)
    stamp = path.stat().st_mtime_ns if path.is_file() else 0
    if not stamp:
        return None
    reviews = tuple(read_reviews(d.payload for d in workspace.decisions(study, "review")))
    run = _counted(path, stamp, config.vote_weights)
    words = words_of(named[0].matches, run.query.cells, reviews)
    run = _taught(path, stamp, config.vote_weights, words)
    config = replace(run.config, flag_threshold=config.flag_threshold)
    return Lesson(replace(run, config=config, matches=named[0].matches), reviews, fresh)


def _same_but_words(run: RunResult | None, named: Named, config: Config) -> bool:
    if run is None:
        return False
    # These two are counted when a run is read.
    settings = replace(
        run.config, vote_weights=config.vote_weights, flag_threshold=config.flag_threshold
    )
    return settings == config and np.array_equal(run.clusters.labels, named.clusters.labels)


@lru_cache(maxsize=2)
def _teacher(path: Path, stamp: int, vote_weights: str) -> TaughtVote:
    return teacher_of(_counted(path, stamp, vote_weights))


@lru_cache(maxsize=8)
def _taught(path: Path, stamp: int, vote_weights: str, words: Words) -> RunResult:
    run = _counted(path, stamp, vote_weights)
    return teach(run, words, _teacher(path, stamp, vote_weights)) if words else run


def _standing(
    workspace: Workspace,
    study: str,
    clusters: Clusters,
    query: Dataset,
    types: tuple[str, ...],
) -> tuple[Standing, ...]:
    words = [Word(d.payload, d.who, d.at) for d in workspace.decisions(study, "match")]
    return standing_words(clusters, query.cells, words, types)


# Processes


def start(workspace: Workspace, study: str, target: Target = "classify") -> Job:
    """Bring a study up to a stage, in a process of its own.

    Parameters
    ----------
    workspace : Workspace
    study : str
    target : {"embed", "clusters", "matches", "classify", "evaluate"}

    Returns
    -------
    Job
        The one under way, if there is one.

    Raises
    ------
    StudyError
        If the study was signed off, or has no images.
    """
    if not stage_keys(workspace, study):
        raise StudyError("Add a reference and a query set first.")
    refresh(workspace, study)
    job = workspace.add_job(study, target)
    if job.state == "queued" and job.pid is None:
        process = subprocess.Popen(  # noqa: S603
            [sys.executable, "-m", "celltransfer_core", "job", job.id],
            cwd=Path(__file__).parents[1],
            env={**os.environ, "CELLTRANSFER_HOME": str(workspace.folder)},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,  # it outlives the server
        )
        _children[process.pid] = process
        workspace.update_job(job.id, pid=process.pid, beat=time.time())
    return workspace.job(job.id)


def current_job(workspace: Workspace, study: str) -> Job | None:
    """Return the newest job of a study, after a look if it is still alive.

    Parameters
    ----------
    workspace : Workspace
    study : str

    Returns
    -------
    Job or None
    """
    refresh(workspace, study)
    found = workspace.jobs(study)
    return found[0] if found else None


def refresh(workspace: Workspace, study: str) -> None:
    """Say of jobs whose process died that they stopped.

    Parameters
    ----------
    workspace : Workspace
    study : str
    """
    for job in workspace.jobs(study):
        if job.active and not _alive(job):
            workspace.update_job(
                job.id,
                state="stopped",
                ended=now(),
                message="The work stopped unexpectedly. What was finished is kept: go on.",
            )


def _alive(job: Job) -> bool:
    if job.pid is None:
        return time.time() - job.beat < SILENCE or job.beat == 0.0
    child = _children.get(job.pid)
    if child is not None:
        return child.poll() is None
    try:
        os.kill(job.pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    # Another process may have got its number since.
    return time.time() - job.beat < SILENCE


def cancel(workspace: Workspace, job: str) -> None:
    """Ask a job to end; what it finished is kept.

    Parameters
    ----------
    workspace : Workspace
    job : str
    """
    workspace.update_job(job, cancel=True)


class _Cancelled(BaseException):
    """Somebody asked the job to end; no error, so nothing on the way may catch it."""


def run_job(workspace: Workspace, job_id: str) -> None:
    """Do a job in this process.

    Parameters
    ----------
    workspace : Workspace
    job_id : str
    """
    job = workspace.job(job_id)
    ended = threading.Event()

    def live() -> None:
        while not ended.wait(BEAT):
            workspace.update_job(job_id, beat=time.time())
            if workspace.job(job_id).cancel:
                os.kill(os.getpid(), signal.SIGINT)  # also out of a step that reports nothing
                return

    workspace.update_job(job_id, state="running", pid=os.getpid(), beat=time.time())
    signal.signal(signal.SIGINT, signal.default_int_handler)
    threading.Thread(target=live, daemon=True).start()
    state, message = "done", ""
    try:
        bring_up_to(workspace, job.study, job.target, _Reporter(workspace, job_id))  # type: ignore[arg-type]
    except (KeyboardInterrupt, _Cancelled):
        state, message = "cancelled", "Cancelled. What was finished is kept: go on any time."
    except CellTransferError as error:
        state, message = "failed", str(error)
    except Exception as error:
        state = "failed"
        message = f"A fault of ours ({type(error).__name__}: {error}). Please report it."
    finally:
        ended.set()
    workspace.update_job(job_id, state=state, message=message, ended=now())


class _Reporter:
    """Writes progress to the job, not more often than anyone can read."""

    def __init__(self, workspace: Workspace, job: str) -> None:
        self.workspace, self.job = workspace, job
        self.phase, self.last = "", 0.0

    def __call__(self, phase: str, done: int, total: int) -> None:
        began = phase != self.phase
        if not began and done < total and time.time() - self.last < 0.5:
            return
        values: dict[str, Any] = {"phase": phase, "done": done, "total": total}
        if began:
            values["phase_began"] = time.time()
        self.phase, self.last = phase, time.time()
        self.workspace.update_job(self.job, **values)
        if self.workspace.job(self.job).cancel:
            raise _Cancelled


def bring_up_to(
    workspace: Workspace, study_id: str, target: Target, progress: _Reporter | Any
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

    wanted = _way_to(target)
    layout = layout_of(study)
    drawn = path(_MAPS[layout], "embed")
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
        found = _load(path("clusters", "clusters"))
        clusters = edit_clusters(found, prepared.query.cells, edits)
        save_result(path("matches", "matches"), identify(prepared, clusters))
        progress("matches", 1, 1)
    if target == "matches":
        return
    named: Named = _load(path("matches", "matches"))
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


def _measure(workspace: Workspace, study_id: str, progress: _Reporter | Any) -> None:
    """Score every method with the labels that came with the query."""
    protocol = protocol_of(workspace.study(study_id))
    path, keys = evaluation_path(workspace, study_id), stage_keys(workspace, study_id)
    if path is None or path.is_file():
        return
    matches = _load(workspace.result_path(study_id, "matches", keys["matches"]))
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


def _prepare(workspace: Workspace, study_id: str, progress: _Reporter | Any) -> Prepared:
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


def draw_map(prepared: Prepared, layout: Layout = "t-SNE") -> CellMap:
    """Lay cells of both sets out in one plane.

    Parameters
    ----------
    prepared : Prepared
    layout : {"t-SNE", "UMAP"}
        One of :func:`layouts`.

    Returns
    -------
    CellMap
        Of a sample where there are more than :data:`MAP_CELLS`, half of it from either set.
    """
    from sklearn.decomposition import PCA

    config = prepared.config
    both = representation(prepared.comparable, prepared.cluster_on, config)
    rng = np.random.default_rng([config.seed, 6])
    most = MAP_CELLS // 2
    picked = [np.sort(rng.permutation(len(X))[:most]) for X in both]
    X = np.concatenate([rows[cells] for rows, cells in zip(both, picked, strict=True)])
    if len(X) < 5:
        xy = np.zeros((len(X), 2), dtype=np.float32)
        xy[:, 0] = np.arange(len(X))
    else:
        short = PCA(n_components=min(50, *X.shape), random_state=config.seed).fit_transform(X)
        xy = _umap(short, config.seed) if layout == "UMAP" else _tsne(short, config.seed)
    return CellMap(
        xy.astype(np.float32),
        (*[REFERENCE] * len(picked[0]), *[QUERY] * len(picked[1])),
        np.concatenate(picked),
        layout,
    )


def _tsne(X: Float32, seed: int) -> Float32:
    from sklearn.manifold import TSNE

    perplexity = min(30.0, (len(X) - 1) / 3)
    return TSNE(perplexity=perplexity, init="pca", random_state=seed).fit_transform(X)


def _umap(X: Float32, seed: int) -> Float32:
    # It speaks of TensorFlow, of one thread where there is a seed, and of small sets.
    with quiet():
        from umap import UMAP

        neighbours = min(15, len(X) - 1)
        # Of few cells there is no spectrum to begin with.
        begin = "spectral" if len(X) > 50 else "random"
        return UMAP(n_neighbors=neighbours, init=begin, random_state=seed).fit_transform(X)
