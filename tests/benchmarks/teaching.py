"""Measure how long an answer takes to update all cells: vote, queue and estimate.

    python tests/benchmarks/teaching.py [--cells 10000] [--voters 14] [--words 50]

Embeddings of ``--cells`` query cells in clusters are synthetic, and so are the votes. After
``--words`` answers, the time of one more is measured: everything that the Review page needs before
the next cell. The last line is the median of ten answers.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import numpy as np

from celltransfer_core.people import (
    Annotations,
    Review,
    VoteUpdater,
    calibrate,
    review_queue,
    sample_accuracy,
)

TYPES = tuple("abcdefgh")
CLUSTERS, DIMENSIONS = 20, 300


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cells", type=int, default=10_000)
    parser.add_argument("--voters", type=int, default=14)
    parser.add_argument("--words", type=int, default=50)
    options = parser.parse_args()
    rng = np.random.default_rng(0)
    n = options.cells
    clusters = rng.integers(0, CLUSTERS, n)
    centres = rng.normal(0, 2, (CLUSTERS, DIMENSIONS))
    X = (centres[clusters] + rng.normal(size=(n, DIMENSIONS))).astype(np.float32)
    shares = rng.dirichlet(np.full(len(TYPES), 0.3), (options.voters, n))
    weights = np.full(options.voters, 1 / options.voters)
    cells = [f"{number:064x}" for number in range(n)]

    began = time.perf_counter()
    teacher = VoteUpdater().fit(X, clusters, rng.random(n), shares, weights, TYPES)
    print(f"prepared once: {time.perf_counter() - began:.2f} s")

    named = tuple((cluster, TYPES[cluster % len(TYPES)]) for cluster in range(CLUSTERS))
    typed = {int(cell): TYPES[clusters[cell] % len(TYPES)] for cell in rng.permutation(n)}
    asked = list(typed)[: options.words]
    reviews = [
        Review(cells[cell], typed[cell], "Ann", "2026-01-01T00:00:00+00:00", number % 5 == 4)
        for number, cell in enumerate(asked)
    ]
    names = ("vote", "queue", "estimate", "calibration")
    seconds = []
    for cell in list(typed)[options.words : options.words + 10]:
        asked.append(cell)
        marks = [time.perf_counter()]
        taught = teacher.update(Annotations(named, tuple(sorted((c, typed[c]) for c in asked))))
        marks.append(time.perf_counter())
        review_queue(cells, taught.vote, clusters, reviews)
        marks.append(time.perf_counter())
        predicted = np.array(taught.types)[taught.vote.winner].tolist()
        sample_accuracy(cells, predicted, reviews)
        marks.append(time.perf_counter())
        calibrate(taught)
        marks.append(time.perf_counter())
        seconds.append(np.diff(marks))
    for name, spent in zip(names, np.median(seconds, axis=0), strict=True):
        print(f"{name:<12} {1000 * spent:7.0f} ms")
    total = float(np.median(np.sum(seconds, axis=1)))
    print(f"{n:,} cells, {options.voters} voters: {total:.2f} s an answer")


if __name__ == "__main__":
    main()
