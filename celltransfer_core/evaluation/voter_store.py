"""TODO celltransfer_core/evaluation/voter_store.py."""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from celltransfer_core.about import __version__
from celltransfer_core.classify.linear import LinearProbe
from celltransfer_core.classify.nmtune import NMTune
from celltransfer_core.classify.voting import leave_one_out_accuracy, voter_weights, weighted_vote
from celltransfer_core.config import Config, voter_name
from celltransfer_core.evaluation.protocol import MEMBERS, Protocol, recipe
from celltransfer_core.evaluation.result import Answer
from celltransfer_core.matching.matches import confirmed_share
from celltransfer_core.pipeline.aligned import ALIGNERS, Gallery, align, drawn_rows, unaligned
from celltransfer_core.pipeline.draws import Draws, TransferPlan, plan_transfer
from celltransfer_core.pipeline.result import Named, Prepared, Voter
from celltransfer_core.pipeline.votes import classify
from celltransfer_core.runtime.files import write_atomically
from celltransfer_core.runtime.tasks import run_tasks
from celltransfer_core.types import Float32, Float64, Ints, Labels, Progress
from celltransfer_core.vocabulary import QUERY, REFERENCE


@dataclass(frozen=True)
class VoterPrediction:
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


class VoterStore:
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
        self._known: dict[str, VoterPrediction] = {}
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
        groups: Sequence[Sequence[VoterPrediction]],
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
    ) -> VoterPrediction:
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
        kept: VoterPrediction | None,
    ) -> VoterPrediction:
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
            kept = VoterPrediction(said, accuracy, judged.mixing, judged.neighbours[:, :5])
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

    def _load(self, key: str) -> VoterPrediction | None:
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
                return VoterPrediction(said, accuracy, mixed, kept["neighbours"])
        except (OSError, ValueError, KeyError, zipfile.BadZipFile):
            return None  # not there, or cut short by a crash: computed again

    def _save(self, key: str, heard: VoterPrediction) -> None:
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


def _say(groups: Sequence[Sequence[VoterPrediction]], config: Config, confirmed: float) -> Float64:
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
