"""The paper's protocol (5.1–5.2) on any pair of sets: every method, alignment and filtering.

Predictions are made first, without labels; :mod:`celltransfer_core.evaluation` then scores them.
The one exception is said by its name: ``filtering="reader"`` gives every cluster its majority type,
as a person who never errs would.
"""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from celltransfer_core import __version__
from celltransfer_core.errors import DataError
from celltransfer_core.evaluation import (
    RARE,
    Curve,
    Identified,
    Reliability,
    agreement_curve,
    counted,
    folds,
    holm,
    identification,
    intervals,
    majority_types,
    paired_p,
    parts_to_score,
    reliability,
    resample,
    score,
)
from celltransfer_core.execution import run_tasks
from celltransfer_core.export import write_atomically
from celltransfer_core.matching import (
    NONE_TYPE,
    QUERY,
    REFERENCE,
    Confirmation,
    confirmed_share,
    match_clusters,
    refine,
    tsne_plane,
)
from celltransfer_core.neighbors import EntropyWeightedKNN
from celltransfer_core.pipeline import (
    ALIGNERS,
    Clusters,
    Config,
    Draws,
    Gallery,
    Named,
    Prepared,
    TransferPlan,
    Voter,
    align,
    classify,
    drawn_rows,
    find_clusters,
    identify,
    plan_transfer,
    representation,
    score_sets,
    unaligned,
    voter_name,
)
from celltransfer_core.probes import LinearProbe, NMTune
from celltransfer_core.reader import Reading
from celltransfer_core.transport import split_query
from celltransfer_core.types import Bools, Float32, Float64, Ints, Labels, Progress, silent
from celltransfer_core.voting import leave_one_out_accuracy, voter_weights, weighted_vote

Filtering = Literal["false", "true", "reader"]

OT = ("none", "centre", "coral", "linear", "sinkhorn", "fgw-paper", "fgw")
"""Alignments: none at all, means alone, two affine maps, entropic transport of the features, fused
Gromov–Wasserstein as the paper has it (raw features, uniform weights) and as ``run`` does it."""

FILTERING: tuple[Filtering, ...] = ("false", "true", "reader")
"""Types kept: all; those that clusters were matched to; the same with every cluster named right."""

METHODS = (
    "knn",
    "ensemble",
    "linear",
    "ensemble-linear",
    "nmtune",
    "ensemble-nmtune",
    "majority",
    "ceiling",
)
"""``majority`` answers the query's commonest type, ``ceiling`` is a k-NN within the query's own
labels by cross-validation: both know the labels, and bound what can be reached."""

CONCATENATIONS = (
    ("convnext", "swin"),
    ("sam", "convnext", "swin", "clip"),
    ("dinov2", "convnext", "vitmae", "swin"),
    ("convnext", "swin", "vitmae"),
    ("dinov2", "convnext", "swin"),
    ("dinov2", "convnext", "vitmae"),
    ("dinov2", "vitmae", "swin"),
)
"""The paper's, Tables 3–8."""

MEMBERS = {"ensemble": "knn", "ensemble-linear": "linear", "ensemble-nmtune": "nmtune"}
"""What the members of each ensemble classify with."""

LARGE = 20_000
"""Seed words from here on are the protocol's own; those below are the pipeline's."""


@dataclass(frozen=True)
class Protocol:
    """What to measure.

    Parameters
    ----------
    ot : tuple of str
        Some of :data:`OT`.
    filtering : tuple of str
        Some of :data:`FILTERING`.
    methods : tuple of str
        Some of :data:`METHODS`.
    subsets : int
        Parts that the query is cut into (5.2).
    identification_subsets : int
        Random subsets for the identification of shared types (5.1); 0 leaves it out.
    low_label : tuple of int
        Labelled reference cells a type for the low-label curve; empty leaves it out.
    repeats : int
        Draws of these cells.

    Raises
    ------
    DataError
        If a name is unknown or a number is out of range.
    """

    ot: tuple[str, ...] = OT
    filtering: tuple[Filtering, ...] = FILTERING
    methods: tuple[str, ...] = METHODS
    subsets: int = 10
    identification_subsets: int = 5
    low_label: tuple[int, ...] = (2, 5, 10, 20, 50)
    repeats: int = 3

    def __post_init__(self) -> None:
        for option, given, known in (
            ("ot", self.ot, OT),
            ("filtering", self.filtering, FILTERING),
            ("methods", self.methods, METHODS),
        ):
            for name in given:
                if name not in known:
                    raise DataError(
                        f"--{option} cannot be {name!r}; it takes {', '.join(known)}, "
                        "with commas between them."
                    )
            if not given:
                raise DataError(f"--{option} names nothing; it takes {', '.join(known)}.")
        if self.subsets < 2:
            raise DataError(f"--subsets cannot be {self.subsets}; it takes 2 or more.")
        if self.identification_subsets < 0:
            raise DataError("--identification-subsets cannot be below 0.")
        if self.repeats < 1 or any(cells < 1 for cells in self.low_label):
            raise DataError("--low-label takes numbers of cells from 1 on, with commas.")

    @property
    def members(self) -> tuple[str, ...]:
        """Classifiers that are needed: of ``knn``, ``linear`` and ``nmtune``."""
        return tuple(
            member
            for ensemble, member in MEMBERS.items()
            if member in self.methods or ensemble in self.methods
        )


@dataclass(frozen=True)
class Answer:
    """What one method says of every query cell, without having seen a label of theirs."""

    method: str
    ot: str
    filtering: str
    predicted: Labels
    """Shape (m,); empty for cells of no subset."""
    agreement: Float64 | None = None
    """Of an ensemble, shape (m,)."""
    confidence: Float64 | None = None
    """Likewise."""

    @property
    def key(self) -> tuple[str, str, str]:
        """Method, alignment and filtering."""
        return self.method, self.ot, self.filtering


@dataclass(frozen=True)
class Row:
    """Figures of one method, in percent."""

    method: str
    ot: str
    filtering: str
    accuracy: float
    f1: float
    balanced_accuracy: float
    deviation: tuple[float, float, float]
    """Standard deviation of the three over the parts."""
    accuracy_interval: tuple[float, float]
    balanced_interval: tuple[float, float]
    recall: Mapping[str, float]
    calibration_error: float
    """Of an ensemble's confidence; NaN for others."""
    of_part: tuple[float, ...]
    """Accuracy of each part."""

    @property
    def key(self) -> tuple[str, str, str]:
        """Method, alignment and filtering."""
        return self.method, self.ot, self.filtering


@dataclass(frozen=True)
class Gain:
    """What an alignment adds to a plainer one, in percentage points."""

    method: str
    ot: str
    filtering: str
    base: str
    """The plainer alignment: ``none`` or ``centre``."""
    accuracy: float
    f1: float
    balanced_accuracy: float
    p: float
    """Wilcoxon over the parts' accuracies, Holm-corrected over the methods of one alignment,
    filtering and base."""


@dataclass(frozen=True)
class Identification:
    """Shared types found with one way of clustering (5.1)."""

    clusters: str
    """``mixture``, ``louvain`` or ``node-degree``."""
    graph: str
    """``geodesic`` (eq. 7) or ``knn`` (A.1's ablation)."""
    correction: bool
    """Whether the t-SNE vote had the last word."""
    found: Identified
    n_clusters: int
    """In all subsets together."""


@dataclass(frozen=True)
class LowLabel:
    """Figures with few labelled reference cells, means over the repeats, in percent."""

    cells: int
    """A type; 0 stands for all."""
    ot: str
    filtering: str
    accuracy: float
    balanced_accuracy: float
    deviation: float
    """Standard deviation of the accuracy over the repeats."""


@dataclass(frozen=True)
class Evaluation:
    """Everything that was measured on a pair of sets."""

    prepared: Prepared
    protocol: Protocol
    named: Mapping[str, Named]
    """Clusters and their types, by filtering."""
    truth: Labels
    """Shape (m,); empty where a cell does not count."""
    scored: Ints
    """Cells that figures are computed on."""
    own_parts: bool
    """Whether every part has transports of its own, or all share those of the whole query."""
    answers: Mapping[tuple[str, str, str], Answer]
    rows: tuple[Row, ...]
    gains: tuple[Gain, ...]
    identification: tuple[Identification, ...]
    low_label: tuple[LowLabel, ...]
    curves: Mapping[tuple[str, str, str], Curve]
    """Of the ensembles."""
    reliability: Mapping[tuple[str, str, str], Reliability]
    notes: tuple[str, ...]
    """What a reader of the figures ought to know."""
    neighbours: Mapping[tuple[str, str], Ints] = field(default_factory=dict)
    """Nearest reference cells of each query cell over all voters, by alignment and filtering,
    shape (m, 5); −1 where there are fewer."""
    reading: Reading | None = None
    """What a reader's answers were worth, if one was played."""


def with_concatenations(voters: Sequence[tuple[str, ...]]) -> tuple[tuple[str, ...], ...]:
    """Add the paper's concatenations, formed of those of their members that are at hand.

    Parameters
    ----------
    voters : sequence of tuple of str

    Returns
    -------
    tuple of tuple of str
        The voters, then what is new with two members at least.
    """
    single = {voter[0] for voter in voters if len(voter) == 1}
    formed = [tuple(member for member in whole if member in single) for whole in CONCATENATIONS]
    return tuple(dict.fromkeys([*voters, *(voter for voter in formed if len(voter) > 1)]))


def evaluate(
    prepared: Prepared,
    named: Named,
    truth: Labels,
    protocol: Protocol | None = None,
    *,
    store: Path | None = None,
    workers: int | None = None,
    progress: Progress = silent,
) -> Evaluation:
    """Measure every method on a query whose types are known.

    Parameters
    ----------
    prepared : Prepared
        Its ``config.draws`` is the number of reference subsets.
    named : Named
        Clusters of the query and what they were matched to.
    truth : ndarray of str, shape (m,)
        Types of the query's cells; empty where not known.
    protocol : Protocol, optional
    store : Path, optional
        Folder that keeps what the voters say, so that an interrupted evaluation goes on.
    workers : int, optional
    progress : callable

    Returns
    -------
    Evaluation

    Raises
    ------
    DataError
        If no type of the reference has enough labelled cells in the query.
    """
    protocol = protocol or Protocol()
    shared = np.where(np.isin(truth, prepared.types), truth, "")
    shared = np.where(counted(shared), shared, "")
    if not (shared != "").any():
        raise DataError(
            f"No type of the reference ({', '.join(prepared.types)}) has {RARE} labelled cells in "
            f"the query ({', '.join(sorted(set(truth.tolist()) - {''})) or 'no labels'}); give "
            "both sets the same names."
        )
    config = prepared.config
    parts, own_parts = _parts(len(truth), config, protocol.subsets)
    covered = np.zeros(len(truth), dtype=bool)
    covered[np.concatenate(parts)] = True
    shared = np.where(covered, shared, "")
    judges = _judges(named, truth, prepared.types, protocol)
    listener = _Listener(prepared, protocol, parts, store, workers, progress)
    answers = listener.answers(judges)
    answers += _yardsticks(prepared, protocol, shared)
    deal = (
        [part[shared[part] != ""] for part in parts]
        if own_parts
        else parts_to_score(shared, protocol.subsets, np.random.default_rng([config.seed, LARGE]))
    )
    deal = [part for part in deal if len(part)]
    scored = np.flatnonzero(shared != "")
    samples = resample(len(scored), np.random.default_rng([config.seed, LARGE + 1]))
    rows = tuple(_row(answer, shared, scored, deal, samples, own_parts) for answer in answers)
    heard = {answer.key: answer for answer in answers if answer.agreement is not None}
    return Evaluation(
        prepared=prepared,
        protocol=protocol,
        named=judges,
        truth=shared,
        scored=scored,
        own_parts=own_parts,
        answers={answer.key: answer for answer in answers},
        rows=rows,
        gains=_gains(rows),
        identification=_identify(prepared, truth, protocol, progress),
        low_label=_low_label(prepared, named, shared, truth, protocol, rows, workers, progress),
        curves={
            key: agreement_curve(answer.agreement[scored], _right(answer, shared)[scored])
            for key, answer in heard.items()
            if answer.agreement is not None
        },
        reliability={
            key: reliability(answer.confidence[scored], _right(answer, shared)[scored])
            for key, answer in heard.items()
            if answer.confidence is not None
        },
        notes=_notes(
            prepared,
            truth,
            shared,
            parts,
            own_parts,
            protocol,
            confirmed=confirmed_share(named.matches) > 0,
        ),
        neighbours=listener.neighbours,
    )


def _judges(
    named: Named, truth: Labels, types: Sequence[str], protocol: Protocol
) -> dict[str, Named]:
    reader = majority_words(named.clusters, truth, types)
    return {
        filtering: named.confirm(reader) if filtering == "reader" else named
        for filtering in protocol.filtering
    }


def majority_words(
    clusters: Clusters, truth: Labels, types: Sequence[str]
) -> tuple[Confirmation, ...]:
    """Say of every cluster what a reader who never errs would.

    Parameters
    ----------
    clusters : Clusters
    truth : ndarray of str, shape (m,)
    types : sequence of str
        Of the reference; a cluster of another type is none of these.

    Returns
    -------
    tuple of Confirmation
        Nothing of clusters without a labelled cell.
    """
    majority = majority_types(clusters.labels, truth)
    return tuple(
        Confirmation(int(name), answer if answer in types else NONE_TYPE, by="reader")
        for name, answer in zip(clusters.names, majority, strict=True)
        if answer
    )


def _parts(m: int, config: Config, subsets: int) -> tuple[list[Ints], bool]:
    if m <= config.subset_size:
        return [np.arange(m)], False
    rng = np.random.default_rng([config.seed, LARGE + 2])
    taken = np.sort(rng.permutation(m)[: subsets * config.subset_size])
    size = -(-len(taken) // subsets)
    return [taken[part] for part in split_query(len(taken), size, rng)], True


def _right(answer: Answer, truth: Labels) -> Bools:
    return answer.predicted == truth


def recipe(ot: str, config: Config) -> Config:
    """Say how features are compared, the reference is drawn and voters count for an alignment.

    Only ``fgw`` is what ``run`` does. ``none`` is the plain k-NN: raw features, cells drawn at
    random. Beside yardsticks every voter counts evenly, beside ``fgw-paper`` by its prior weight.

    Parameters
    ----------
    ot : str
        One of :data:`OT`.
    config : Config

    Returns
    -------
    Config
    """
    if ot == "none":
        return replace(
            config, features="raw", weights="uniform", class_weight="none", vote_weights="equal"
        )
    if ot == "fgw-paper":
        return replace(
            config,
            features="raw",
            weights="uniform",
            mapping="barycentric",
            class_weight="none",
            vote_weights="prior",
        )
    if ot == "fgw":
        return config
    return replace(
        config, features="centred" if ot == "centre" else config.features, vote_weights="equal"
    )


@dataclass(frozen=True)
class _Heard:
    """What one voter says with one alignment, by classifier."""

    probabilities: Mapping[str, Float64]
    accuracy: float
    mixing: float
    neighbours: Ints


def _train(
    galleries: Sequence[Gallery], Xt: Float32, draws: Draws, seed: int, task: tuple[str, int]
) -> tuple[Ints, Float64]:
    """Train a probe of some kind on one part's gallery in a worker; answer what it says there."""
    kind, part = task
    rows, cells = galleries[part]
    types, target = draws.types[cells], Xt[draws.parts[part]]
    probe = (LinearProbe if kind == "linear" else NMTune)(random_state=seed)
    if len(np.unique(types)) < 2:
        return types[:1], np.ones((len(target), 1))
    probe.fit(rows, types)
    return probe.classes_, probe.predict_proba(target)


class _Listener:
    """Lets every voter speak once for each alignment and choice of types, and keeps it."""

    def __init__(
        self,
        prepared: Prepared,
        protocol: Protocol,
        parts: Sequence[Ints],
        store: Path | None,
        workers: int | None,
        progress: Progress,
    ) -> None:
        self.prepared = prepared
        self.protocol = protocol
        self.parts = parts
        self.store = store
        self.workers = workers
        self.progress = progress
        self.neighbours: dict[tuple[str, str], Ints] = {}
        self._known: dict[str, _Heard] = {}
        self._done = self._total = 0
        self._fingerprints: dict[str, str] = {}

    def answers(self, judges: Mapping[str, Named]) -> list[Answer]:
        """Collect the answers of every voter and ensemble."""
        self._total = len(judges) * len(self.protocol.ot) * len(self.prepared.voters)
        found = [
            answer
            for filtering, named in judges.items()
            for ot in self.protocol.ot
            if self.protocol.members
            for answer in self._setting(ot, filtering, named)
        ]
        self.progress("evaluate", self._total, self._total)
        return found

    def _setting(self, ot: str, filtering: str, named: Named) -> list[Answer]:
        config = replace(
            recipe(ot, self.prepared.config), filtering="none" if filtering == "false" else "auto"
        )
        prepared = replace(self.prepared, config=config)
        plan = plan_transfer(prepared, named, self.parts)
        # Beside an aligned voter its unaligned self votes (3.4).
        pair = {"none": ("none",), "centre": ("centre",)}.get(
            ot, ("none" if config.features == "raw" else "centre", ot)
        )
        groups = []
        for voter in prepared.voters:
            self.progress("evaluate", self._done, self._total)
            groups.append([self._hear(voter, one, prepared, plan) for one in pair])
            self._done += 1
        self.neighbours[ot, filtering] = _common_neighbours(
            np.concatenate([group[-1].neighbours for group in groups], axis=1)
        )
        kinds = [kind for kind in self.protocol.members if kind != "nmtune" or ot == "none"]
        found = []
        for kind in kinds:
            if kind in self.protocol.methods:
                found += self._named_answers(kind, ot, filtering, plan, groups)
            ensemble = next(name for name, member in MEMBERS.items() if member == kind)
            if ensemble not in self.protocol.methods:
                continue
            vote = weighted_vote(
                np.stack([heard.probabilities[kind] for group in groups for heard in group]),
                _say(groups, config, confirmed_share(named.matches)),
            )
            winner = self._types(plan, vote.winner)
            found.append(Answer(ensemble, ot, filtering, winner, vote.agreement, vote.confidence))
        return found

    def _named_answers(
        self,
        kind: str,
        ot: str,
        filtering: str,
        plan: TransferPlan,
        groups: Sequence[Sequence[_Heard]],
    ) -> list[Answer]:
        return [
            Answer(
                f"{kind}:{voter_name(voter)}",
                ot,
                filtering,
                self._types(plan, group[-1].probabilities[kind].argmax(axis=1)),
            )
            for voter, group in zip(self.prepared.voters, groups, strict=True)
        ]

    def _types(self, plan: TransferPlan, winner: Ints) -> Labels:
        named = np.array(plan.types)[winner]
        covered = np.zeros(len(winner), dtype=bool)
        covered[np.concatenate(self.parts)] = True
        return np.where(covered, named, "")

    def _hear(
        self, voter: tuple[str, ...], ot: str, prepared: Prepared, plan: TransferPlan
    ) -> _Heard:
        kinds = [kind for kind in self.protocol.members if kind != "nmtune" or ot == "none"]
        key = self._key(voter, ot, prepared.config, plan)
        kept = self._known.get(key) or self._load(key)
        if kept is None or not set(kinds) <= set(kept.probabilities):
            kept = self._listen(voter, ot, prepared, plan, kinds, kept)
            self._save(key, kept)
        self._known[key] = kept
        return kept

    def _listen(
        self,
        voter: tuple[str, ...],
        ot: str,
        prepared: Prepared,
        plan: TransferPlan,
        kinds: Sequence[str],
        kept: _Heard | None,
    ) -> _Heard:
        config, draws = prepared.config, plan.draws
        Xs, Xt = drawn_rows(prepared.comparable, voter, draws, plan.known, config)
        galleries: list[Gallery]
        if ot in {"none", "centre"}:
            galleries = [*unaligned(Xs, draws)]
        else:
            method = ot if ot in ALIGNERS else "fgw"
            name = voter_name(voter)
            mapped = align(name, Xs, Xt, draws, config, method=method, workers=self.workers)
            galleries = [gallery for gallery, _ in mapped]
        said = dict(kept.probabilities) if kept else {}
        if kept is None:
            judged: Voter = classify(
                voter, ot, galleries, Xt, draws, len(plan.types), replace(config, classifier="knn")
            )
            said["knn"] = _rounded(judged.probabilities)
            rng = np.random.default_rng([config.seed, 4])
            accuracy = leave_one_out_accuracy(Xs, draws.types, rng)
            kept = _Heard(said, accuracy, judged.mixing, judged.neighbours[:, :5])
        new = [kind for kind in kinds if kind not in said]
        whole = {kind: np.zeros((len(Xt), len(plan.types))) for kind in new}
        tasks = [(kind, part) for kind in new for part in range(len(draws.parts))]
        work = partial(_train, galleries, Xt, draws, config.seed)
        for index, (types, shares) in run_tasks(work, tasks, workers=self.workers):
            kind, part = tasks[index]
            whole[kind][np.ix_(draws.parts[part], types)] = shares
        said.update({kind: _rounded(rows) for kind, rows in whole.items()})
        return replace(kept, probabilities=said)

    def _key(self, voter: tuple[str, ...], ot: str, config: Config, plan: TransferPlan) -> str:
        digest = hashlib.sha256()
        names = ("features", "weights", "scale_blocks", "alpha", "mapping", "solver", "seed")
        facts = {name: asdict(config)[name] for name in names}
        members = [self._fingerprint(member) for member in voter]
        digest.update(json.dumps([__version__, ot, members, facts, plan.types]).encode())
        draws = plan.draws
        arrays: list[NDArray[Any]] = [
            plan.known,
            draws.usable,
            draws.types,
            *draws.parts,
        ]
        arrays += [array for one in draws.drawn for array in (one.onto, one.cells, one.voting)]
        arrays += [] if draws.weights is None else [draws.weights]
        for array in arrays:
            digest.update(f"{array.shape}".encode() + np.ascontiguousarray(array).tobytes())
        return digest.hexdigest()[:32]

    def _fingerprint(self, member: str) -> str:
        if member not in self._fingerprints:
            digest = hashlib.sha256()
            for name in (REFERENCE, QUERY):
                rows = np.ascontiguousarray(self.prepared.embeddings[name][member])
                digest.update(f"{rows.shape}".encode() + rows.tobytes())
            self._fingerprints[member] = digest.hexdigest()
        return self._fingerprints[member]

    def _load(self, key: str) -> _Heard | None:
        if self.store is None:
            return None
        try:
            data = io.BytesIO((self.store / f"{key}.npz").read_bytes())
            with np.load(data) as kept:
                said = {
                    name[2:]: kept[name].astype(np.float64)
                    for name in kept.files
                    if name.startswith("p_")
                }
                accuracy, mixed = kept["prior"].tolist()
                return _Heard(said, accuracy, mixed, kept["neighbours"])
        except (OSError, ValueError, KeyError, zipfile.BadZipFile):
            return None  # not there, or cut short by a crash: computed again

    def _save(self, key: str, heard: _Heard) -> None:
        if self.store is None:
            return
        data = io.BytesIO()
        said = {f"p_{kind}": rows.astype(np.float32) for kind, rows in heard.probabilities.items()}
        prior = np.array([heard.accuracy, heard.mixing])
        np.savez_compressed(data, prior=prior, neighbours=heard.neighbours, **said)  # type: ignore[arg-type]
        write_atomically(self.store / f"{key}.npz", data.getvalue())


def _rounded(probabilities: Float64) -> Float64:
    # As they are kept on disk, so that going on gives the same bytes as never having stopped.
    return probabilities.astype(np.float32).astype(np.float64)


def _say(groups: Sequence[Sequence[_Heard]], config: Config, confirmed: float) -> Float64:
    if config.vote_weights == "prior":
        heard = [one for group in groups for one in group]
        return voter_weights([one.accuracy for one in heard], [one.mixing for one in heard])
    aligned = confirmed if config.vote_weights == "confirmed" else 1.0
    say = np.array([share for group in groups for share in (1.0, aligned)[: len(group)]])
    return say / say.sum()


def _common_neighbours(lists: Ints, most: int = 5) -> Ints:
    """Rank the neighbours that all voters name together: by votes, then by the best rank."""
    found = np.full((len(lists), most), -1, dtype=np.int64)
    for cell, named in enumerate(lists):
        places = np.flatnonzero(named >= 0) % most
        members = named[named >= 0]
        names, first, counts = np.unique(members, return_index=True, return_counts=True)
        order = np.lexsort((names, places[first], -counts))[:most]
        found[cell, : len(order)] = names[order]
    return found


def _yardsticks(prepared: Prepared, protocol: Protocol, truth: Labels) -> list[Answer]:
    scored = np.flatnonzero(truth != "")
    names, counts = np.unique(truth[scored], return_counts=True)
    found = []
    if "majority" in protocol.methods:
        commonest = np.full(len(truth), names[counts.argmax()])
        found.append(Answer("majority", "none", "false", commonest))
    if "ceiling" not in protocol.methods:
        return found
    patients = None
    if prepared.query.patient is not None:
        by_cell = dict(zip(prepared.query.sha256, prepared.query.patient, strict=True))
        patients = [by_cell[prepared.query.cells[cell]] for cell in scored]
    config = replace(prepared.config, features="raw")
    for voter in prepared.voters:
        Xt = representation(prepared.embeddings, voter, config)[1][scored]
        predicted = np.full(len(truth), "", dtype=truth.dtype)
        for fold in folds(truth[scored], patients, config.seed):
            rest = np.setdiff1d(np.arange(len(scored)), fold)
            knn = EntropyWeightedKNN().fit(Xt[rest], truth[scored][rest])
            predicted[scored[fold]] = knn.predict(Xt[fold])
        found.append(Answer(f"ceiling:{voter_name(voter)}", "none", "false", predicted))
    return found


def _row(
    answer: Answer,
    truth: Labels,
    scored: Ints,
    deal: Sequence[Ints],
    samples: Ints,
    own_parts: bool,
) -> Row:
    right = _right(answer, truth)
    whole = score(truth[scored], answer.predicted[scored])
    of_part = tuple(100 * float(right[part].mean()) for part in deal)
    apart = np.array([_figures(truth[part], answer.predicted[part]) for part in deal])
    figures = (
        apart.mean(axis=0)
        if own_parts
        else np.array([whole.accuracy, whole.f1, whole.balanced_accuracy])
    )
    deviation = apart.std(axis=0, ddof=1) if len(deal) > 1 else np.zeros(3)
    accuracy_interval, balanced_interval = intervals(truth[scored], right[scored], samples)
    error = np.nan
    if answer.confidence is not None:
        found = reliability(answer.confidence[scored], right[scored])
        error = found.expected_calibration_error
    return Row(
        *answer.key,
        accuracy=float(figures[0]),
        f1=float(figures[1]),
        balanced_accuracy=float(figures[2]),
        deviation=(float(deviation[0]), float(deviation[1]), float(deviation[2])),
        accuracy_interval=accuracy_interval,
        balanced_interval=balanced_interval,
        recall=whole.recall,
        calibration_error=error,
        of_part=of_part,
    )


def _figures(truth: Labels, predicted: Labels) -> tuple[float, float, float]:
    """Compute accuracy, weighted F1 and balanced accuracy of one part, in percent."""
    from sklearn.metrics import f1_score

    right = truth == predicted
    recalls = [right[truth == name].mean() for name in np.unique(truth)]
    f1 = f1_score(truth, predicted, average="weighted", zero_division=0)
    return 100 * float(right.mean()), 100 * float(f1), 100 * float(np.mean(recalls))


def _gains(rows: Sequence[Row]) -> tuple[Gain, ...]:
    by_key = {row.key: row for row in rows}
    gains: list[Gain] = []
    families = dict.fromkeys((row.ot, row.filtering) for row in rows)
    for ot, filtering in families:
        for base in ("none", "centre"):
            if ot in {base, "none"}:
                continue
            family = [
                (row, by_key[row.method, base, filtering])
                for row in rows
                if (row.ot, row.filtering) == (ot, filtering)
                and (row.method, base, filtering) in by_key
            ]
            corrected = holm([paired_p(row.of_part, plain.of_part) for row, plain in family])
            gains += [
                Gain(
                    row.method,
                    ot,
                    filtering,
                    base,
                    row.accuracy - plain.accuracy,
                    row.f1 - plain.f1,
                    row.balanced_accuracy - plain.balanced_accuracy,
                    float(p),
                )
                for (row, plain), p in zip(family, corrected, strict=True)
            ]
    return tuple(gains)


def _identify(
    prepared: Prepared, truth: Labels, protocol: Protocol, progress: Progress
) -> tuple[Identification, ...]:
    if not protocol.identification_subsets:
        return ()
    config = prepared.config
    size = config.subset_size
    rng = np.random.default_rng([config.seed, LARGE + 3])
    subsets = (
        [
            np.sort(rng.permutation(len(truth))[:size])
            for _ in range(protocol.identification_subsets)
        ]
        if len(truth) > size
        else [np.arange(len(truth))]
    )
    names, counts = np.unique(truth[truth != ""], return_counts=True)
    query_types = dict(zip(names.tolist(), counts.tolist(), strict=True))
    found = []
    ways = [
        replace(config, clusters=clusters, graph=graph)
        for clusters in ("mixture", "louvain", "node-degree")
        for graph in ("geodesic", "knn")
    ]
    for number, way in enumerate(ways):
        progress("identify shared types", number, len(ways))
        matched: dict[bool, list[str]] = {False: [], True: []}
        majority: list[str] = []
        for subset in subsets:
            embeddings = dict(prepared.comparable)
            embeddings[QUERY] = {member: rows[subset] for member, rows in embeddings[QUERY].items()}
            X = representation(embeddings, prepared.cluster_on, way)[1]
            clusters = find_clusters(X, way)
            scores = score_sets(
                embeddings,
                prepared.reference_types,
                prepared.types,
                clusters,
                prepared.cluster_on,
                way,
            )
            matches = match_clusters(scores[QUERY], clusters.sizes)
            matched[False] += [match.matched_type for match in matches]
            if prepared.extras:
                plane = tsne_plane(scores, seed=config.seed)
                matched[True] += [one.type_name for one in refine(plane, scores[QUERY])]
            majority += majority_types(clusters.labels, truth[subset])
        found += [
            Identification(
                way.clusters,
                way.graph,
                correction,
                identification(answers, majority, prepared.types, query_types),
                len(majority),
            )
            for correction, answers in matched.items()
            if answers
        ]
    progress("identify shared types", len(ways), len(ways))
    return tuple(found)


def _low_label(
    prepared: Prepared,
    named: Named,
    shared: Labels,
    truth: Labels,
    protocol: Protocol,
    rows: Sequence[Row],
    workers: int | None,
    progress: Progress,
) -> tuple[LowLabel, ...]:
    ot = tuple(name for name in protocol.ot if name in {"none", "centre", "fgw-paper", "fgw"})
    if not protocol.low_label or "ensemble" not in protocol.methods or not ot:
        return ()
    few = replace(protocol, ot=ot, methods=("ensemble",))
    scored = shared != ""
    types = prepared.reference_types
    sizes = np.bincount(types)
    found: list[LowLabel] = []
    steps = [cells for cells in sorted(set(protocol.low_label)) if cells < sizes.max()]
    parts, _ = _parts(len(truth), prepared.config, protocol.subsets)
    for number, cells in enumerate(steps):
        figures: dict[tuple[str, str], list[tuple[float, float]]] = {}
        for repeat in range(protocol.repeats):
            progress(
                "few labels", number * protocol.repeats + repeat, len(steps) * protocol.repeats
            )
            rng = np.random.default_rng([prepared.config.seed, LARGE + 4, cells, repeat])
            order = rng.permutation(len(types))
            kept = np.sort(
                np.concatenate(
                    [order[types[order] == number][:cells] for number in range(len(sizes))]
                )
            )
            reduced = _reduced(prepared, kept)
            matched = identify(reduced, named.clusters)
            judges = _judges(matched, truth, prepared.types, few)
            listener = _Listener(reduced, few, parts, None, workers, silent)
            for answer in listener.answers(judges):
                if answer.method == "ensemble":
                    accuracy, _, balanced = _figures(shared[scored], answer.predicted[scored])
                    figures.setdefault((answer.ot, answer.filtering), []).append(
                        (accuracy, balanced)
                    )
        found += [
            LowLabel(
                cells,
                *key,
                accuracy=float(np.mean([a for a, _ in of])),
                balanced_accuracy=float(np.mean([b for _, b in of])),
                deviation=float(np.std([a for a, _ in of], ddof=1)) if len(of) > 1 else 0.0,
            )
            for key, of in figures.items()
        ]
    found += [
        LowLabel(0, row.ot, row.filtering, row.accuracy, row.balanced_accuracy, 0.0)
        for row in rows
        if row.method == "ensemble" and row.ot in ot
    ]
    progress("few labels", len(steps), len(steps))
    return tuple(found)


def _reduced(prepared: Prepared, cells: Ints) -> Prepared:
    reference = prepared.reference.take_typed(cells)
    embeddings = {
        **prepared.embeddings,
        REFERENCE: {name: rows[cells] for name, rows in prepared.embeddings[REFERENCE].items()},
    }
    return replace(prepared, reference=reference, embeddings=embeddings)


def _notes(
    prepared: Prepared,
    truth: Labels,
    shared: Labels,
    parts: Sequence[Ints],
    own_parts: bool,
    protocol: Protocol,
    *,
    confirmed: bool,
) -> tuple[str, ...]:
    config = prepared.config
    scored = int((shared != "").sum())
    figures = (
        f"Figures are over {scored:,} of {len(truth):,} cells of the query: labelled with a type "
        f"that the reference has and {RARE} cells or more of the query have."
    )
    notes = [figures]
    names, counts = np.unique(truth[truth != ""], return_counts=True)
    others = {
        str(name): int(count)
        for name, count in zip(names, counts, strict=True)
        if name not in prepared.types or count < RARE
    }
    if others:
        left = ", ".join(f"{name} ({count})" for name, count in others.items())
        notes.append(f"Left out, not in the reference or too rare: {left}.")
    if own_parts:
        taken = sum(len(part) for part in parts)
        notes.append(
            f"The query is cut into {len(parts)} random subsets of up to {max(map(len, parts)):,} "
            f"cells, each with {config.draws} subsets of the reference transported onto it; "
            "figures are means over the subsets, ± their standard deviation."
        )
        if taken < len(truth):
            notes.append(f"{len(truth) - taken:,} cells are in no subset and are not scored.")
    else:
        notes.append(
            "The query fits in one transport. Figures are of all its cells; the standard "
            f"deviation, and the tests, are over {protocol.subsets} random parts of it, and so "
            "tell the chance of which cells there are."
        )
    notes.append(
        f"Reference subsets: {config.draws} of at most {config.subset_size:,} cells, seed "
        f"{config.seed}. Linear probe and NMTune are trained on at most 5,000 of them."
    )
    if "fgw" in protocol.ot and config.vote_weights == "confirmed" and not confirmed:
        notes.append(
            "No cluster is confirmed, so optimal transport has no say in the vote yet: with the "
            "clusters as matched its ensemble is that of centring."
        )
    notes += [
        f"The encoder {failure.encoder} was left out: {failure.reason}"
        for failure in prepared.failures
    ]
    formed = [
        f"{voter_name(formed)} (of {voter_name(whole)})"
        for whole in CONCATENATIONS
        if (formed := tuple(m for m in whole if m in prepared.embeddings[QUERY])) != whole
        and formed in prepared.voters
        and len(formed) > 1
    ]
    if formed:
        notes.append(
            "Concatenations of the paper formed from the members at hand: " + ", ".join(formed)
        )
    return tuple(notes)
