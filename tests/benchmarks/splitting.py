"""Measure what a perfect reader gains by "mixed: split it", with and without splits.

    python tests/benchmarks/splitting.py --data DIR [--cells 600] [--pure 0.7] [--encoders A,B+C]

Each query set of DIR is matched to a reference of another laboratory. A simulated reader who knows
the labels confirms every cluster by its majority type; or, if the most frequent type makes up less
than ``--pure`` of a cluster, answers "mixed", which splits it, and names the parts. Only this
reader uses the labels. For each set: mixed clusters, their purity before and after, the additional
questions, and the balanced accuracy of the cells named by their clusters and of the vote updated
with these names; for comparison, the split of the app into two by the embeddings alone. The last
line is the mean balanced accuracy of both, without and with splits.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import numpy as np

from celltransfer_core.config import DEFAULT
from celltransfer_core.data import Dataset, read_dataset
from celltransfer_core.encoders import parse_encoders
from celltransfer_core.evaluation import majority_types, score, shared_labels, true_labels
from celltransfer_core.matching import Confirmation
from celltransfer_core.people import annotations_of
from celltransfer_core.pipeline import (
    Clusters,
    Named,
    Prepared,
    cluster_purity,
    detect,
    edit_clusters,
    identify,
    opinion_of_run,
    prepare,
    shorten_hashes,
    split_in_two,
    split_mixed,
    transfer,
    update_vote,
)
from celltransfer_core.runtime import Cache
from celltransfer_core.vocabulary import NONE_TYPE

REFERENCE_CELLS = 120  # a type
PAIRS = {
    "jtsc": "pbc",
    "cellavision": "pbc",
    "bccd": "pbc",
    "raabin": "pbc",
    "pbc": "raabin",
    "sipakmed": "sipakmed",
}
"""The reference of each query."""

Split = Callable[[np.ndarray], np.ndarray]
"""From a cluster's cells to the part of each."""


def some(whole: Dataset, cells: np.ndarray) -> Dataset:
    """Take some images of a set."""
    kept = np.sort(cells).tolist()
    return replace(
        whole,
        files=tuple(whole.files[i] for i in kept),
        sha256=tuple(whole.sha256[i] for i in kept),
        labels=tuple(whole.labels[i] for i in kept),
    )


def two_sets(data: Path, query: str, cells: int) -> tuple[Dataset, Dataset]:
    """Draw a reference with as many of each type, and a query as it comes."""
    rng = np.random.default_rng(0)
    whole = read_dataset(data / PAIRS[query], labelled=True)
    labels = np.array(whole.labels)
    drawn = np.concatenate(
        [
            rng.permutation(np.flatnonzero(labels == name))[:REFERENCE_CELLS]
            for name in np.unique(labels)
        ]
    )
    asked = whole if PAIRS[query] == query else read_dataset(data / query, labelled=True)
    others = np.arange(len(asked.files))
    if asked is whole:
        others = np.setdiff1d(others, drawn)
    return some(whole, drawn), some(asked, rng.permutation(others)[:cells])


def mixed_clusters(clusters: Clusters, truth: np.ndarray, pure: float) -> list[int]:
    """List the clusters that the reader calls mixed."""
    return [
        position
        for position in range(len(clusters.names))
        if 0 < purity_of(truth[clusters.labels == position]) < pure
    ]


def purity_of(labels: np.ndarray) -> float:
    """Share of the commonest type among the cells whose type is known; 0 without any."""
    counts = np.unique(labels[labels != ""], return_counts=True)[1]
    return counts.max() / counts.sum() if len(counts) else 0.0


def mean_purity(clusters: Clusters, truth: np.ndarray, cells: np.ndarray) -> float:
    """Mean over some cells of their clusters' purity, in percent."""
    purity = np.array([purity_of(truth[clusters.labels == n]) for n in range(len(clusters.names))])
    return 100 * float(purity[clusters.labels[cells]].mean()) if cells.any() else np.nan


def split_all(
    prepared: Prepared, clusters: Clusters, mixed: Sequence[int], split: Split
) -> Clusters:
    """Split mixed clusters as the app does."""
    edits = []
    for position in mixed:
        inside = np.flatnonzero(clusters.labels == position)
        parts = split(inside)
        for part in np.unique(parts)[1:]:
            hashes = [prepared.query.cells[cell] for cell in inside[parts == part]]
            edits.append({"cells": shorten_hashes(hashes), "to": None})
    return edit_clusters(clusters, prepared.query.cells, edits)


def named_and_voted(
    prepared: Prepared, named: Named, truth: np.ndarray, cache: Cache
) -> tuple[float, float]:
    """Confirm every cluster by its majority: the balanced accuracy of its name, and of the vote."""
    majority = majority_types(named.clusters.labels, truth)
    words = [
        Confirmation(int(number), most if most in prepared.types else NONE_TYPE, by="reader")
        for number, most in zip(named.clusters.names, majority, strict=True)
        if most
    ]
    run = transfer(prepared, named.confirm(words), cache=cache)
    run = update_vote(run, annotations_of(run.matches, run.query.cells, []))
    shared = shared_labels(truth, prepared.types)
    by_name = score(shared, np.array(majority)[named.clusters.labels])
    return by_name.balanced_accuracy, score(shared, np.array(run.predicted)).balanced_accuracy


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="folder that holds the sets")
    parser.add_argument("--cells", type=int, default=600, help="of a query, at most")
    parser.add_argument("--pure", type=float, default=0.7)
    parser.add_argument("--encoders", type=parse_encoders, default=DEFAULT.encoders)
    parser.add_argument("--queries", type=lambda text: text.split(","), default=list(PAIRS))
    options = parser.parse_args()
    config, cache = replace(DEFAULT, encoders=options.encoders), Cache()

    rows = []
    told = np.zeros(3, dtype=int)  # clusters that seem mixed, those that are, and both
    print("set           way        mixed  purity  of parts  questions   names    vote")
    for query in options.queries:
        reference, asked = two_sets(options.data, query, options.cells)
        truth = true_labels(asked)
        prepared = prepare(reference, asked, config, cache=cache)
        clusters = detect(prepared, cache)
        named = identify(prepared, clusters)
        opinion = opinion_of_run(transfer(prepared, named, cache=cache))
        mixed = mixed_clusters(clusters, truth, options.pure)
        cells = np.isin(clusters.labels, mixed)
        seems = [one.mixed for one in cluster_purity(opinion, clusters.labels)]
        told += [sum(seems), len(mixed), sum(seems[position] for position in mixed)]
        X = prepared.cluster_features
        ways: dict[str, Split | None] = {
            "majority": None,
            "two means": lambda inside, X=X: split_in_two(X[inside]),
            "split": lambda inside, X=X, opinion=opinion: split_mixed(X, opinion, inside),
        }
        figures = []
        for way, split in ways.items():
            found, matched = clusters, named
            if split and mixed:
                found = split_all(prepared, clusters, mixed, split)
                matched = identify(prepared, found)
            names, vote = named_and_voted(prepared, matched, truth, cache)
            figures.append((names, vote))
            print(
                f"{query:<13} {way:<10} {len(mixed):>5} {mean_purity(clusters, truth, cells):>7.1f}"
                f" {mean_purity(found, truth, cells):>9.1f} "
                f"{len(found.names) - len(clusters.names):>10} {names:>7.1f} {vote:>7.1f}",
                flush=True,
            )
        rows.append(figures)
    mean = np.mean(rows, axis=0)
    print(f"seem mixed: {told[0]} clusters; are mixed: {told[1]}, of which {told[2]} seem so")
    print(f"two means: named by their cluster {mean[1, 0]:.1f}, in the vote {mean[1, 1]:.1f}")
    print(
        f"balanced accuracy by cluster {mean[0, 0]:.1f}, mixed ones split {mean[2, 0]:.1f}; "
        f"of the vote {mean[0, 1]:.1f}, split {mean[2, 1]:.1f}"
    )


if __name__ == "__main__":
    main()
