"""Measure how well clusters separate types, by method and threshold, on samples of one set.

    python tests/benchmarks/clusters.py --data DIR [--set pbc] [--encoders A+B] [--repeats 3]
        [--rules auto,paper,0.05,k24,...]

Samples of many sizes and proportions are drawn from a labelled set; each cluster counts as its
majority type. ``k24`` is the quantile of the distances that gives a cell 24 neighbours on average.
The last line is the mean balanced accuracy of the default, a mixture, which needs no threshold.
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import replace
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import numpy as np
import pandas as pd

from celltransfer_core.clustering import LouvainClustering, MixtureClustering, NodeDegreeClustering
from celltransfer_core.config import DEFAULT
from celltransfer_core.data import read_dataset
from celltransfer_core.encoders import parse_encoders
from celltransfer_core.evaluation import majority_types, score
from celltransfer_core.framing import frame_sets
from celltransfer_core.neighbors import (
    geodesic_distances,
    knn_graph,
    off_diagonal,
    similarity_matrix,
)
from celltransfer_core.pipeline import embed_sets, load_encoders, representation
from celltransfer_core.runtime import Cache

SIZES = (60, 100, 200, 400, 800, 1600)
RULES = "paper,auto,0.02,0.05,0.1,0.2,k12,k24,k48"
FAVOURED = 5
"""Types that unequal samples draw from."""


def proportions(types: np.ndarray, rng: np.random.Generator) -> dict[str, np.ndarray]:
    """Mixes of types to draw: all or some of them, even or not."""
    even, some = np.ones(len(types)), np.zeros(len(types))
    some[rng.permutation(len(types))[:FAVOURED]] = 1
    return {
        "even, all": even,
        "even, some": some,
        "uneven, all": rng.dirichlet(even),
        "uneven, some": some * rng.dirichlet(even),
    }


def draw(labels: np.ndarray, share: np.ndarray, n: int, rng: np.random.Generator) -> np.ndarray:
    """Draw n cells, types in given shares; fewer where a type runs short."""
    types = np.unique(labels)
    picked = [
        rng.permutation(np.flatnonzero(labels == name))[: round(n * part)]
        for name, part in zip(types, share / share.sum(), strict=True)
    ]
    return np.concatenate(picked)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="folder that holds the set")
    parser.add_argument("--set", default="pbc")
    parser.add_argument("--encoders", default="colour+texture+shape")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--rules", type=lambda text: text.split(","), default=RULES.split(","))
    options = parser.parse_args()

    voter = parse_encoders(options.encoders)[0]
    config = replace(DEFAULT, encoders=(voter,))
    dataset = read_dataset(options.data / options.set, labelled=True)
    cache = Cache()
    crops = frame_sets(
        {"query": dataset, "reference": dataset},
        mode="auto",
        colour="none",
        cache=cache,
    ).crops
    embeddings, _ = embed_sets(crops, load_encoders(config)[0], cache, None, lambda *_: None)
    X = representation(embeddings, voter, config)[1]
    labels = np.array(dataset.labels)

    rows = []
    rng = np.random.default_rng(0)
    for n in SIZES:
        for _ in range(options.repeats):
            for mix, share in proportions(np.unique(labels), rng).items():
                cells = draw(labels, share, n, rng)
                W = similarity_matrix(geodesic_distances(knn_graph(X[cells])))
                distances = W[off_diagonal(len(W))]
                for rule in options.rules:
                    sigma = rule
                    if rule.startswith("0"):
                        sigma = float(np.quantile(distances, float(rule)))
                    elif rule.startswith("k"):
                        quantile = min(1.0, int(rule[1:]) / (len(W) - 1))
                        sigma = float(np.quantile(distances, quantile))
                    for method in (MixtureClustering, LouvainClustering, NodeDegreeClustering):
                        if method is MixtureClustering and rule != options.rules[0]:
                            continue  # ties do not make its clusters
                        found = method(sigma=sigma).fit(X[cells])
                        named = majority_types(found.labels_, labels[cells])
                        result = score(labels[cells], np.array(named)[found.labels_])
                        rows.append(
                            {
                                "cells": n,
                                "mix": mix,
                                "method": method.__name__.removesuffix("Clustering"),
                                "sigma": rule,
                                "accuracy": result.accuracy,
                                "balanced": result.balanced_accuracy,
                                "clusters": found.n_clusters_,
                            }
                        )
        print(f"{n} cells: done", file=sys.stderr, flush=True)
    table = pd.DataFrame(rows)
    table["sigma"] = pd.Categorical(table["sigma"], options.rules)
    by = ["method", "sigma"]
    for value in ("balanced", "clusters"):
        print(f"\n{value} by size of the sample; means over {options.repeats} draws of 4 mixes")
        wide = table.pivot_table(index=by, columns="cells", values=value, observed=True)
        wide["mean"] = wide.mean(axis=1)
        print(wide.round(1).to_string())
    default = table[table["method"] == "Mixture"]
    print(f"mean balanced accuracy, mixture: {default['balanced'].mean():.1f}")


if __name__ == "__main__":
    main()
