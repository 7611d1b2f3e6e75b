"""Measure accuracy, time and memory of a run from one real set to others, by options.

    python tests/benchmarks/transfer.py --data DIR [--reference pbc] [--per-class 120]
        [--queries jtsc,cellavision,bccd] [--encoders A,B+C] [--only default,centre,...]

Only this script reads the labels of the queries, after each run. The last line is the mean balanced
accuracy of the default configuration.
"""

from __future__ import annotations

import argparse
import resource
import sys
import time
from dataclasses import replace
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import numpy as np

from celltransfer_core.config import DEFAULT, PAPER
from celltransfer_core.data import read_dataset
from celltransfer_core.encoders import parse_encoders
from celltransfer_core.evaluation import counted, majority_types, score, true_labels
from celltransfer_core.matching import Confirmation
from celltransfer_core.pipeline import run
from celltransfer_core.runtime import Cache

VARIANTS = {
    "default": {},
    "whole images": {"framing": "none"},
    "raw features": {"features": "raw"},
    "uniform weights": {"weights": "uniform"},
    "no filtering": {"filtering": "none"},
    "no transport": {"alignment": "none"},
    "own colours": {"colour": "none"},
    "node-degree": {"clusters": "node-degree"},
    "equal votes": {"vote_weights": "equal"},
    "linear": {"classifier": "linear"},
}


def pick(dataset, per_class, seed):
    """Draw so many cells of each type."""
    rng = np.random.default_rng(seed)
    names = np.array(dataset.labels)
    keep = []
    for name in sorted(set(dataset.labels)):
        keep += rng.permutation(np.flatnonzero(names == name))[:per_class].tolist()
    keep.sort()
    return replace(
        dataset,
        files=tuple(dataset.files[i] for i in keep),
        sha256=tuple(dataset.sha256[i] for i in keep),
        labels=tuple(dataset.labels[i] for i in keep),
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="folder that holds the sets")
    parser.add_argument("--reference", default="pbc")
    parser.add_argument("--per-class", type=int, default=120, help="0 for all")
    parser.add_argument("--queries", default="jtsc,cellavision,bccd")
    parser.add_argument("--encoders")
    parser.add_argument("--only", help="variants, with commas between them")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()

    base = replace(DEFAULT, seed=options.seed, transport="always")  # to score its voters alone
    paper = replace(PAPER, seed=options.seed)
    if options.encoders:
        voters = parse_encoders(options.encoders)
        base, paper = replace(base, encoders=voters), replace(paper, encoders=voters)
    configs = {name: replace(base, **change) for name, change in VARIANTS.items()}
    configs["paper"] = paper
    configs["reader"] = base
    wanted = options.only.split(",") if options.only else list(configs)

    reference = read_dataset(options.data / options.reference, labelled=True)
    if options.per_class:
        reference = pick(reference, options.per_class, options.seed)
    cache = Cache()
    print(
        f"{'query':<12} {'variant':<16} {'vote':>11} {'no OT':>11} {'OT':>11} "
        f"{'clusters':>8} {'right':>11} {'kept types':>10} {'seconds':>7}"
    )
    results = {}
    for name in options.queries.split(","):
        query = read_dataset(options.data / name)
        truth = true_labels(query)
        clusters = None
        for variant in wanted:
            words = ()
            if variant == "reader":
                # Clusters as found, named by someone who knows: types the reference lacks are none.
                known = set(reference.labels)
                answers = majority_types(clusters.labels, truth)
                words = [
                    Confirmation(number, answer if answer in known else "none")
                    for number, answer in enumerate(answers)
                ]
            started = time.perf_counter()
            result = run(reference, query, configs[variant], confirmations=words, cache=cache)
            seconds = time.perf_counter() - started
            if variant == "default" or clusters is None:
                clusters = result.clusters
            used = counted(truth)
            vote = score(truth, np.array(result.predicted))
            halves = []
            for aligned in (False, True):
                scores = [
                    score(truth, np.array(result.types)[voter.probabilities.argmax(axis=1)])
                    for voter in result.voters
                    if (voter.alignment == "fgw") == aligned
                ]
                halves.append(
                    f"{np.mean([s.accuracy for s in scores]):5.1f}/"
                    f"{np.mean([s.balanced_accuracy for s in scores]):5.1f}"
                    if scores
                    else "-"
                )
            answers = majority_types(result.clusters.labels, truth)
            right = [m.matched_type == a for m, a in zip(result.matches, answers, strict=True)]
            cells = np.array(right)[result.clusters.labels][used].mean()
            results[name, variant] = vote
            print(
                f"{name:<12} {variant:<16} {vote.accuracy:5.1f}/{vote.balanced_accuracy:5.1f} "
                f"{halves[0]:>11} {halves[1]:>11} {len(right):>8} "
                f"{sum(right):>4} ({100 * cells:3.0f}%) {len(result.types):>10} {seconds:>7.1f}",
                flush=True,
            )
    for variant in wanted:
        scores = [results[name, variant] for name in options.queries.split(",")]
        print(
            f"{'mean':<12} {variant:<16} {np.mean([s.accuracy for s in scores]):5.1f}/"
            f"{np.mean([s.balanced_accuracy for s in scores]):5.1f}"
        )
    peak = max(
        resource.getrusage(who).ru_maxrss
        for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    )
    print(f"peak memory of one process: {peak // 1024} MB; accuracy / balanced accuracy in percent")
    headline = [results[name, wanted[0]].balanced_accuracy for name in options.queries.split(",")]
    print(f"mean balanced accuracy, {wanted[0]}: {np.mean(headline):.1f}")


if __name__ == "__main__":
    main()
