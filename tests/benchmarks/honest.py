"""Measure whether intervals for accuracy and type shares, from a few answers, contain the truth.

    python tests/benchmarks/honest.py [--slides 200] [--answers 50]
        [--data DIR --query raabin --query jtsc [--cells 500] [--confirmed]]

Slides are drawn, half of them with the proportions of blood and half with even ones. Without
--data, the votes are synthetic too: of several qualities, and correctly confident, half or twice as
confident. With --data, the votes are those with `pbc` (120 cells per type) as the reference of a
set in the same folder, with at most ``--cells`` cells per type, before or after a reader confirms
the clusters; slides are drawn from its cells, and the vote is updated after every fifth answer. A
perfect reader answers the queue. Results are grouped by the true share of a type: common above
10 %, middling above 3 %, rare, and absent. The last line is the coverage of the 95 % intervals of
all types that are present, and their mean width relative to that of Wilson's intervals from the
same number of random cells.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import numpy as np
import pandas as pd

from celltransfer_core.classify import Vote
from celltransfer_core.config import DEFAULT
from celltransfer_core.data import Dataset, read_dataset
from celltransfer_core.evaluation import SimulatedReader, true_labels
from celltransfer_core.people import (
    Annotations,
    Review,
    Share,
    VoteUpdater,
    infer,
    review_queue,
    wilson,
    with_counting,
)
from celltransfer_core.pipeline import RunResult, detect, identify, prepare, transfer
from celltransfer_core.runtime import Cache

REFERENCE_CELLS = 120  # a type
BLOOD = {
    "neutrophil": 0.6,
    "lymphocyte": 0.27,
    "monocyte": 0.07,
    "eosinophil": 0.035,
    "basophil": 0.01,
}
UPDATED_EVERY = 5
EVERYTHING = "all that are there"


@dataclass(frozen=True)
class Slide:
    """A query, as far as answers need it."""

    truth: np.ndarray
    types: tuple[str, ...]
    clusters: np.ndarray

    def vote(self, typed: dict[int, str]) -> tuple[tuple[str, ...], np.ndarray, Vote]:
        """Give types, probabilities and the vote, after these answers."""
        raise NotImplementedError


@dataclass(frozen=True)
class DrawnSlide(Slide):
    """One whose vote is drawn, and learns nothing."""

    probabilities: np.ndarray

    def vote(self, typed: dict[int, str]) -> tuple[tuple[str, ...], np.ndarray, Vote]:
        ranked = np.sort(self.probabilities, axis=1)
        winner, top = self.probabilities.argmax(axis=1), ranked[:, -1]
        vote = Vote(winner, top, top, winner[None], top - ranked[:, -2])
        return self.types, self.probabilities, vote


@dataclass(frozen=True)
class RealSlide(Slide):
    """One whose vote is updated."""

    updater: VoteUpdater
    named: tuple[tuple[int, str], ...]

    def vote(self, typed: dict[int, str]) -> tuple[tuple[str, ...], np.ndarray, Vote]:
        found = self.updater.update(Annotations(self.named, tuple(sorted(typed.items()))))
        return found.types, found.probabilities, found.vote


def drawn_slide(rng: np.random.Generator, *, even: bool) -> Slide:
    """Draw cells, and a vote that is more or less good, and as sure as it should be or not."""
    usual = np.array([*BLOOD.values(), 0.008, 0.005])
    shares = rng.dirichlet(np.full(6, 8.0) if even else 25 * usual / usual.sum())
    shares = np.maximum(shares, 0.002) / np.maximum(shares, 0.002).sum()
    n, quality = int(rng.integers(250, 1000)), rng.uniform(4, 9)
    truth = rng.choice(len(shares), n, p=shares)
    evidence = rng.normal(0, np.sqrt(quality), (n, len(shares)))
    evidence[np.arange(n), truth] += quality
    evidence += np.log(shares + 0.005) / 2 + rng.choice([0, 1]) * rng.normal(size=len(shares))
    odds = evidence * rng.choice([0.5, 1, 2])
    odds = np.exp(odds - odds.max(axis=1, keepdims=True))
    names = tuple(f"type {number}" for number in range(len(shares)))
    probabilities = odds / odds.sum(axis=1, keepdims=True)
    return DrawnSlide(np.array(names)[truth], names, np.zeros(n, dtype=np.int64), probabilities)


def part(whole: Dataset, most: int) -> Dataset:
    """Take at most so many cells of each type."""
    labels, rng = np.array(whole.labels), np.random.default_rng(0)
    kept = [rng.permutation(np.flatnonzero(labels == name))[:most] for name in np.unique(labels)]
    cells = np.sort(np.concatenate(kept)).tolist()
    return replace(
        whole,
        files=tuple(whole.files[i] for i in cells),
        sha256=tuple(whole.sha256[i] for i in cells),
        labels=tuple(whole.labels[i] for i in cells),
    )


def real_run(data: Path, name: str, most: int, *, confirmed: bool) -> tuple[RunResult, np.ndarray]:
    """Type the cells of a set; returns the run and the true types."""
    reference = part(read_dataset(data / "pbc", labelled=True), REFERENCE_CELLS)
    query = part(read_dataset(data / name, labelled=True), most)
    truth, config = true_labels(query), replace(DEFAULT, draws=1)
    prepared = prepare(reference, query, config, cache=Cache())
    named = identify(prepared, detect(prepared))
    if confirmed:
        reader = SimulatedReader(truth, 0.0, np.random.default_rng(0))
        named = named.confirm(reader.on_clusters(named, prepared.types))
        config = replace(config, keep=reader.on_types(named, prepared.types))
    return transfer(replace(prepared, config=config), named, cache=Cache()), truth


def real_slide(rng: np.random.Generator, run: RunResult, truth: np.ndarray, *, even: bool) -> Slide:
    """Draw a slide from the cells of a run."""
    types = [name for name in np.unique(truth).tolist() if name]
    usual = np.array([max(25 * BLOOD.get(name, 0.01), 0.25) for name in types])
    sizes = int(rng.integers(250, 600)) * rng.dirichlet(np.full(len(types), 8.0) if even else usual)
    kept = np.concatenate(
        [
            rng.permutation(np.flatnonzero(truth == name))[: round(size)]
            for name, size in zip(types, sizes, strict=True)
        ]
    )
    kept = rng.permutation(kept)
    clusters, labels = np.unique(run.clusters.labels[kept], return_inverse=True)
    updater = VoteUpdater().fit(
        run.features[kept],
        labels,
        run.clusters.centrality[kept],
        np.stack([voter.probabilities[kept] for voter in run.voters]),
        np.array([voter.weight for voter in run.voters]),
        run.types,
        run.config.keep,
    )
    matches = [run.matches[cluster] for cluster in clusters.tolist()]
    named = tuple(
        (place, match.matched_type)
        for place, match in enumerate(matches)
        if match.confirmed and match.matched_type in run.types
    )
    return RealSlide(truth[kept], run.types, labels, updater, named)


def read(slide: Slide, answers: int, seed: int) -> Iterator[dict[str, object]]:
    """Answer the queue, and compare what follows with the truth: one row a type, and accuracy."""
    n, reviews, typed = len(slide.truth), list[Review](), dict[int, str]()
    cells = [f"{number:064x}" for number in range(n)]
    types, probabilities, vote = slide.vote(typed)
    for step in range(min(answers, n)):
        queue = review_queue(cells, vote, slide.clusters, reviews, seed=seed)
        cell, blind = queue.cells[0], bool(queue.blind[0])
        chance = None if np.isnan(queue.chances[0]) else float(queue.chances[0])
        name = str(slide.truth[cell])
        time = "2000-01-01T00:00:00+00:00"
        reviews.append(Review(cells[cell], name, "reader", time, blind, chance))
        typed[int(cell)] = name
        if (step + 1) % UPDATED_EVERY == 0:
            types, probabilities, vote = slide.vote(typed)
    found = infer(cells, types, probabilities, vote, reviews, seed=seed)
    random = np.random.default_rng([seed, 1]).permutation(n)[: len(reviews)]
    right = np.array(types)[vote.winner] == slide.truth
    yield compared("accuracy", right, random, found.right())
    for name in types:
        true = slide.truth == name
        share = true.mean()
        kind = "common" if share > 0.1 else "middling" if share > 0.03 else "rare"
        yield compared(kind if true.any() else "absent", true, random, found.of_type(name))


def compared(kind: str, true: np.ndarray, random: np.ndarray, share: Share) -> dict[str, object]:
    """Compare an estimate with the truth, and with that from random cells."""
    other, joined = wilson(int(true[random].sum()), len(random)), with_counting(share, len(true))
    return {
        "of": kind,
        "coverage": 100 * float(share.low - 1e-9 <= true.mean() <= share.high + 1e-9),
        "width": 100 * (share.high - share.low),
        "width, random": 100 * (other.high - other.low),
        "width, joined": 100 * (joined[1] - joined[0]),
        "bias": 100 * (share.value - true.mean()),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--slides", type=int, default=200)
    parser.add_argument("--answers", type=int, default=50)
    parser.add_argument("--data", type=Path, help="folder that holds pbc and the sets")
    parser.add_argument("--query", action="append", default=[])
    parser.add_argument("--cells", type=int, default=500, help="a type, at most")
    parser.add_argument("--confirmed", action="store_true")
    options = parser.parse_args()
    runs = {
        name: real_run(options.data, name, options.cells, confirmed=options.confirmed)
        for name in options.query
    }
    rows = []
    for seed in range(options.slides):
        rng, even = np.random.default_rng([23, seed]), seed % 2 == 0
        if runs:
            run, truth = runs[options.query[seed // 2 % len(runs)]]
            slide = real_slide(rng, run, truth, even=even)
        else:
            slide = drawn_slide(rng, even=even)
        rows += read(slide, options.answers, seed)
        if (seed + 1) % 20 == 0:
            print(f"{seed + 1} slides", file=sys.stderr, flush=True)
    table = pd.DataFrame(rows)
    there = table[table["of"].isin(["common", "middling", "rare"])]
    means = pd.concat([table, there.assign(of=EVERYTHING)]).groupby("of").mean()
    means["estimates"] = pd.concat([table, there.assign(of=EVERYTHING)]).groupby("of").size()
    means["ratio"] = means["width"] / means["width, random"]
    print(means.round(2).to_string())
    every, right = means.loc[EVERYTHING], means.loc["accuracy"]
    print(
        f"{options.slides} slides, {options.answers} answers: types {every['coverage']:.1f} % "
        f"covered, {every['ratio']:.2f} as wide as random; accuracy {right['coverage']:.1f} % "
        f"covered"
    )


if __name__ == "__main__":
    main()
