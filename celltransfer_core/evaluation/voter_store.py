"""Predictions of every voter for every alignment and filtering (3.3–3.4, 5.2), kept on disk.

In: a prepared pair of sets and the matches of its clusters. Out: the predictions of every single
classifier and of every ensemble. No labels of the query are read here.
"""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from celltransfer_core.about import __version__
from celltransfer_core.classify.linear import LinearProbe
from celltransfer_core.classify.nmtune import NMTune
from celltransfer_core.classify.voting import (
    leave_one_out_accuracy,
    mean_probabilities,
    weighted_vote,
)
from celltransfer_core.config.config import DEFAULT, Config
from celltransfer_core.config.settings import voter_name
from celltransfer_core.evaluation.protocol import MEMBERS, Protocol, recipe
from celltransfer_core.evaluation.result import Prediction
from celltransfer_core.pipeline.aligned import ALIGNERS, Gallery, align, drawn_rows, unaligned
from celltransfer_core.pipeline.discriminant import fitted_probabilities
from celltransfer_core.pipeline.draws import Draws, TransferPlan, plan_transfer
from celltransfer_core.pipeline.result import DISCRIMINANT, Named, Prepared, Voter
from celltransfer_core.pipeline.votes import classify, ensemble_weights, plain_name
from celltransfer_core.runtime.files import read_if_whole, write_atomically
from celltransfer_core.runtime.tasks import run_tasks
from celltransfer_core.types import Float32, Float64, Ints, Labels, Progress
from celltransfer_core.vocabulary import QUERY, REFERENCE

_NEIGHBOURS = 5  # nearest reference cells kept per query cell


@dataclass(frozen=True)
class VoterPrediction:
    """Predictions of one voter with one alignment."""

    probabilities: Mapping[str, Float64]
    """By classifier (``knn``, ``linear``, ``nmtune``), each of shape (m, T)."""
    accuracy: float
    """Leave-one-out balanced accuracy on the reference."""
    mixing: float
    """How well the two sets mix, 0 to 1."""
    neighbours: Ints
    """Nearest reference cells, shape (m, 5); −1 if there are fewer."""


def _train(
    galleries: Sequence[Gallery], Xt: Float32, draws: Draws, seed: int, task: tuple[str, int]
) -> tuple[Ints, Float64]:
    """Train a probe on one part's gallery, in a worker, and predict that part."""
    kind, part = task
    rows, cells = galleries[part]
    types, target = draws.types[cells], Xt[draws.parts[part]]
    probe = (LinearProbe if kind == "linear" else NMTune)(random_state=seed)
    if len(np.unique(types)) < 2:
        return types[:1], np.ones((len(target), 1))
    probe.fit(rows, types)
    return probe.classes_, probe.predict_proba(target)


class VoterStore:
    """Stores each voter's predictions for every alignment and filtering, computed once.

    Parameters
    ----------
    prepared : Prepared
    protocol : Protocol
    parts : sequence of ndarray of int64
        Query cells of each part.
    store : Path, optional
        Folder to keep predictions in.
    workers : int, optional
    progress : callable

    Attributes
    ----------
    neighbours : dict
        Nearest reference cells over all voters, by alignment and filtering, each of shape (m, 5).
    """

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

    def predictions(self, by_filtering: Mapping[str, Named]) -> list[Prediction]:
        """Collect the predictions of every voter and ensemble.

        Parameters
        ----------
        by_filtering : mapping from filtering to Named
            Matches that each filtering uses.

        Returns
        -------
        list of Prediction
        """
        self._total = len(by_filtering) * len(self.protocol.ot) * len(self.prepared.voters)
        found = [
            prediction
            for filtering, named in by_filtering.items()
            for ot in self.protocol.ot
            if self.protocol.members
            for prediction in self._of_setting(ot, filtering, named)
        ]
        self.progress("evaluate", self._total, self._total)
        return found

    def _of_setting(self, ot: str, filtering: str, named: Named) -> list[Prediction]:
        """Predict with one alignment and one filtering."""
        config = replace(
            recipe(ot, self.prepared.config), filtering="none" if filtering == "false" else "auto"
        )
        prepared = replace(self.prepared, config=config)
        plan = plan_transfer(prepared, named, self.parts)
        # The unaligned voter of an encoder votes in addition to its aligned one (3.4).
        alignments = tuple(dict.fromkeys((plain_name(config), ot)))
        groups = []
        for voter in prepared.voters:
            self.progress("evaluate", self._done, self._total)
            groups.append([self._voter(voter, one, prepared, plan) for one in alignments])
            self._done += 1
        self.neighbours[ot, filtering] = _common_neighbours(
            np.concatenate([group[-1].neighbours for group in groups], axis=1)
        )
        members = [member for group in groups for member in group]
        names = list(alignments * len(groups))
        if config.transduction == DISCRIMINANT:
            members.append(self._fitted([group[0] for group in groups], self._kinds(ot)))
            names.append(DISCRIMINANT)
        weights = ensemble_weights(
            names,
            [member.accuracy for member in members],
            [member.mixing for member in members],
            config,
            plan.confirmed,
        )
        found = []
        for kind in self._kinds(ot):
            if kind in self.protocol.methods:
                found += self._of_voters(kind, ot, filtering, plan, groups)
            ensemble = next(name for name, member in MEMBERS.items() if member == kind)
            if ensemble not in self.protocol.methods:
                continue
            vote = weighted_vote(
                np.stack([member.probabilities[kind] for member in members]), weights
            )
            winner = self._types(plan, vote.winner)
            found.append(
                Prediction(ensemble, ot, filtering, winner, vote.agreement, vote.confidence)
            )
        return found

    def _kinds(self, ot: str) -> list[str]:
        """List the classifiers that are measured with an alignment."""
        return [kind for kind in self.protocol.members if kind != "nmtune" or ot == "none"]

    def _of_voters(
        self,
        kind: str,
        ot: str,
        filtering: str,
        plan: TransferPlan,
        groups: Sequence[Sequence[VoterPrediction]],
    ) -> list[Prediction]:
        return [
            Prediction(
                f"{kind}:{voter_name(voter)}",
                ot,
                filtering,
                self._types(plan, group[-1].probabilities[kind].argmax(axis=1)),
            )
            for voter, group in zip(self.prepared.voters, groups, strict=True)
        ]

    def _fitted(self, plain: Sequence[VoterPrediction], kinds: Sequence[str]) -> VoterPrediction:
        """Fit the types to the query, from the predictions of the unaligned voters."""
        components = self.prepared.components
        predictions = {kind: [one.probabilities[kind] for one in plain] for kind in kinds}
        return VoterPrediction(
            {
                kind: fitted_probabilities(components, mean_probabilities(np.stack(predicted)))
                for kind, predicted in predictions.items()
            },
            float(np.mean([one.accuracy for one in plain])),
            float(np.mean([one.mixing for one in plain])),
            np.full((len(components), _NEIGHBOURS), -1),
        )

    def _types(self, plan: TransferPlan, winner: Ints) -> Labels:
        names = np.array(plan.types)[winner]
        covered = np.zeros(len(winner), dtype=bool)
        covered[np.concatenate(self.parts)] = True
        return np.where(covered, names, "")

    def _voter(
        self, voter: tuple[str, ...], ot: str, prepared: Prepared, plan: TransferPlan
    ) -> VoterPrediction:
        """Look up the predictions of one voter with one alignment, or compute what is missing."""
        kinds = self._kinds(ot)
        key = self._key(voter, ot, prepared.config, plan)
        kept = self._known.get(key) or self._load(key)
        if kept is None or not set(kinds) <= set(kept.probabilities):
            kept = self._predict(voter, ot, prepared, plan, kinds, kept)
            self._save(key, kept)
        self._known[key] = kept
        return kept

    def _predict(
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
        probabilities = dict(kept.probabilities) if kept else {}
        if kept is None:
            found: Voter = classify(
                voter, ot, galleries, Xt, draws, len(plan.types), replace(config, classifier="knn")
            )
            probabilities["knn"] = _rounded(found.probabilities)
            rng = np.random.default_rng([config.seed, 4])
            accuracy = leave_one_out_accuracy(Xs, draws.types, rng)
            kept = VoterPrediction(
                probabilities, accuracy, found.mixing, found.neighbours[:, :_NEIGHBOURS]
            )
        new = [kind for kind in kinds if kind not in probabilities]
        whole = {kind: np.zeros((len(Xt), len(plan.types))) for kind in new}
        tasks = [(kind, part) for kind in new for part in range(len(draws.parts))]
        work = partial(_train, galleries, Xt, draws, config.seed)
        for index, (types, shares) in run_tasks(work, tasks, workers=self.workers):
            kind, part = tasks[index]
            whole[kind][np.ix_(draws.parts[part], types)] = shares
        probabilities.update({kind: _rounded(rows) for kind, rows in whole.items()})
        return replace(kept, probabilities=probabilities)

    def _key(self, voter: tuple[str, ...], ot: str, config: Config, plan: TransferPlan) -> str:
        digest = hashlib.sha256()
        # The protocol, not the configuration, names the classifiers and the alignments.
        config = replace(config, classifier=DEFAULT.classifier, alignment=DEFAULT.alignment)
        aligned = ot not in {"none", "centre"}
        facts = config.deciding("vote", *(("aligned",) if aligned else ()))
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
        return read_if_whole(self.store / f"{key}.npz", _read) if self.store else None

    def _save(self, key: str, found: VoterPrediction) -> None:
        if self.store is None:
            return
        data = io.BytesIO()
        arrays = {
            f"p_{kind}": rows.astype(np.float32) for kind, rows in found.probabilities.items()
        }
        prior = np.array([found.accuracy, found.mixing])
        np.savez_compressed(data, prior=prior, neighbours=found.neighbours, **arrays)  # type: ignore[arg-type]
        write_atomically(self.store / f"{key}.npz", data.getvalue())


def _read(path: Path) -> VoterPrediction:
    # NumPy does not close a file that it cannot read; each member has a checksum.
    with np.load(io.BytesIO(path.read_bytes())) as kept:
        probabilities = {
            name[2:]: kept[name].astype(np.float64) for name in kept.files if name.startswith("p_")
        }
        accuracy, mixing = kept["prior"].tolist()
        return VoterPrediction(probabilities, accuracy, mixing, kept["neighbours"])


def _rounded(probabilities: Float64) -> Float64:
    # In the form kept on disk, so that a resumed run gives the same bytes as an uninterrupted one.
    return probabilities.astype(np.float32).astype(np.float64)


def _common_neighbours(lists: Ints, most: int = _NEIGHBOURS) -> Ints:
    """Rank the neighbours of all voters together: by their number of voters, then by best rank."""
    found = np.full((len(lists), most), -1, dtype=np.int64)
    for cell, neighbours in enumerate(lists):
        places = np.flatnonzero(neighbours >= 0) % most
        members = neighbours[neighbours >= 0]
        names, of, counts = np.unique(members, return_inverse=True, return_counts=True)
        best = np.full(len(names), most)
        np.minimum.at(best, of, places)
        order = np.lexsort((names, best, -counts))[:most]
        found[cell, : len(order)] = names[order]
    return found
