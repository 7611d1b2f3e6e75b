"""Measure how long each stage takes by number of cells, with the exponent of its growth.

    python tests/benchmarks/pipeline.py [--sizes 2000,10000,17000] [--dim 384] [--types 8]
                                        [--only clusters,vote,...] [--workers 2]

Embeddings are synthetic: equally many cells in the reference and the query, in clusters, with 384
dimensions. Stages run as in ``run``: clusters and maps on a sample of at most 5,000 cells,
transport by subsets of 2,000 in three draws, and again after every cluster has received another
type, with the query's geodesics reused (``again without``: not reused). Clusters are named by the
majority type of their cells. ``geodesics of all`` is not a stage of the pipeline, which never needs
them for more than 5,000 cells: one float32 matrix of n × n (1.2 GB at 17,000), compared with
SciPy's Dijkstra, which is omitted above 5,000 cells because of its time. Printed are wall-clock
seconds, and processor seconds including those of finished workers; the last line is the largest
exponent of the pipeline's own stages.
"""

from __future__ import annotations

import argparse
import resource
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import numpy as np

from celltransfer_core.config import Config
from celltransfer_core.matching import tsne_plane
from celltransfer_core.neighbors import geodesic_distances, knn_graph
from celltransfer_core.pipeline import (
    align,
    classify,
    ensemble_vote,
    find_clusters,
    plan_draws,
    score_sets,
    unaligned,
    weigh,
)
from celltransfer_core.pipeline.maps import MAP_CELLS, _tsne
from celltransfer_core.vocabulary import QUERY, REFERENCE

VOTER = ("drawn",)
BEYOND = ("geodesics of all", "SciPy's Dijkstra", "again without")
RIVAL_CELLS = 5000
WITHIN = 6
"""Directions in which cells of one type differ."""


def draw(sizes, dim, types, seed=0):
    """Draw the cells of two sites in clusters, the second shifted and in other proportions."""
    rng = np.random.default_rng(seed)
    centres = 0.6 * rng.normal(size=(types, dim))
    directions = rng.normal(size=(types, WITHIN, dim)) / np.sqrt(WITHIN)
    sites = []
    for size in sizes:
        own = rng.choice(types, size, p=rng.dirichlet(np.full(types, 5.0)))
        X = np.empty((size, dim), dtype=np.float32)
        shift = 0.3 * rng.normal(size=dim)
        for first in range(0, size, 10_000):
            some = own[first : first + 10_000]
            rows = centres[some] + 0.3 * rng.normal(size=(len(some), dim)) + shift
            for number in range(types):  # type by type: no array of cells × directions × columns
                inside = some == number
                within = rng.normal(size=(int(inside.sum()), WITHIN))
                rows[inside] += within @ directions[number]
            X[first : first + 10_000] = rows
        sites.append((X, own.astype(np.int64)))
    return sites


def processor_seconds():
    """Seconds of this process and of the workers."""
    import psutil

    total = time.process_time()
    for child in psutil.Process().children(recursive=True):
        times = child.cpu_times()
        total += times.user + times.system
    ended = resource.getrusage(resource.RUSAGE_CHILDREN)
    return total + ended.ru_utime + ended.ru_stime


class Clock:
    """Runs stages and remembers their seconds by size."""

    def __init__(self, only):
        self.only = only
        self.seconds = {}

    def __call__(self, stage, cells, work):
        wall, processor = time.perf_counter(), processor_seconds()
        result = work()
        wall, processor = time.perf_counter() - wall, processor_seconds() - processor
        if not self.only or stage in self.only:
            self.seconds.setdefault(stage, {})[cells] = wall, processor
            print(f"{stage:<22}{cells:>8,}{wall:>10.2f}{processor:>10.2f}", flush=True)
        return result


def measure(clock, cells, dim, types, workers, memory):
    """Run every stage on sets of so many cells; ``memory`` is a folder for what is kept."""
    (Xs, ys), (Xt, yt) = draw((cells, cells), dim, types)
    Xs -= Xs.mean(axis=0)
    Xt -= Xt.mean(axis=0)
    config = Config(encoders=(VOTER,))
    names = tuple(f"type {number}" for number in range(types))

    clusters = clock("clusters", cells, lambda: find_clusters(Xt, config))
    other = Config(encoders=(VOTER,), clusters="node-degree")
    clock("clusters, node-degree", cells, lambda: find_clusters(Xt, other))

    embeddings = {REFERENCE: {VOTER[0]: Xs}, QUERY: {VOTER[0]: Xt}}
    scores = clock(
        "similarity",
        cells,
        lambda: score_sets(embeddings, ys, names, clusters, VOTER, config),
    )
    clock("t-SNE of clusters", cells, lambda: tsne_plane(scores, seed=0))

    def drawn_map():
        from sklearn.decomposition import PCA

        both = np.concatenate([Xs[: MAP_CELLS // 2], Xt[: MAP_CELLS // 2]])
        return _tsne(PCA(n_components=min(50, dim), random_state=0).fit_transform(both), 0)

    clock("t-SNE of cells", cells, drawn_map)

    majority = np.array([np.bincount(yt[clusters.labels == c]).argmax() for c in clusters.names])
    matched = majority[clusters.labels]
    shares = np.bincount(matched, minlength=types) + 1.0
    draws = plan_draws(ys, shares / shares.sum(), matched, config)
    plain = clock(
        "k-NN",
        cells,
        lambda: classify(VOTER, "centre", unaligned(Xs, draws), Xt, draws, types, config),
    )

    def transport(draws, memory=memory):
        return [*align("drawn", Xs, Xt, draws, config, memory=memory, workers=workers)]

    mapped = clock("transport", cells, lambda: transport(draws))
    # Clusters with other types: the same parts of the query, other draws of the reference.
    shares = np.roll(shares, 1)
    again = plan_draws(ys, shares / shares.sum(), matched, config)
    clock("transport again", cells, lambda: transport(again))
    clock(BEYOND[2], cells, lambda: transport(again, None))
    galleries = (gallery for gallery, _ in mapped)
    moved = clock(
        "aligned k-NN",
        cells,
        lambda: classify(VOTER, "fgw", galleries, Xt, draws, types, config),
    )
    clock("vote", cells, lambda: ensemble_vote(weigh([plain, moved], config, 1.0)))
    graph = clock("graph of all", cells, lambda: knn_graph(Xt))
    clock(BEYOND[0], cells, lambda: geodesic_distances(graph))
    if cells <= RIVAL_CELLS:
        from scipy.sparse.csgraph import dijkstra

        def rival():
            for first in range(0, cells, 256):
                dijkstra(graph, indices=np.arange(first, min(first + 256, cells)))

        clock(BEYOND[1], cells, rival)


def exponent(seconds):
    """Fit the power of n that a stage's seconds on the clock grow by."""
    cells = np.log(list(seconds))
    return float(np.polyfit(cells, np.log([wall for wall, _ in seconds.values()]), 1)[0])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sizes", default="2000,10000,17000")
    parser.add_argument("--dim", type=int, default=384)
    parser.add_argument("--types", type=int, default=8)
    parser.add_argument("--only", help="stages to print, with commas between them")
    parser.add_argument("--workers", type=int)
    options = parser.parse_args()
    clock = Clock(options.only.split(",") if options.only else [])
    warm = Clock(["nothing"])  # what is compiled or imported first is no matter of n
    with TemporaryDirectory() as memory:
        measure(warm, 300, options.dim, options.types, options.workers, Path(memory))
    print(f"{'stage':<22}{'cells':>8}{'wall s':>10}{'CPU s':>10}")
    for cells in map(int, options.sizes.split(",")):
        with TemporaryDirectory() as memory:
            measure(clock, cells, options.dim, options.types, options.workers, Path(memory))
    print(f"\n{'stage':<22}{'grows by n to the power':>24}")
    powers = {
        stage: exponent(seconds) for stage, seconds in clock.seconds.items() if len(seconds) > 1
    }
    for stage, power in powers.items():
        print(f"{stage:<22}{power:>24.2f}")
    own = {stage: power for stage, power in powers.items() if stage not in BEYOND}
    if own:
        steepest = max(own, key=own.__getitem__)
        print(f"steepest stage of the pipeline: {steepest}, n^{own[steepest]:.2f}")


if __name__ == "__main__":
    main()
