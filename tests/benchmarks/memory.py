"""Measure how much memory a large query needs, from embeddings to typed cells.

    python tests/benchmarks/memory.py [--query 200000] [--reference 50000] [--dim 384] [--types 8]
                                      [--alignment fgw|centre|none] [--draws 3] [--workers N]

Synthetic embeddings are stored in a file, like those in the cache. A separate process reads them,
finds clusters, names each by the majority type of its cells, draws subsets, aligns, classifies and
votes. Its memory and that of its workers is sampled five times per second: the resident set of
each, and its proportional share, in which a page shared by several processes counts once. Then a
k-NN over the whole reference shows how galleries too large for an exact search perform. The last
line is the peak of the sum of the resident sets, in which shared pages count once per process.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
sys.path.insert(0, str(Path(__file__).resolve().parent))

import numpy as np

VOTER = ("drawn",)


def work(folder, options):
    """Classify the query; run in a process of its own."""
    from celltransfer_core.config import Config
    from celltransfer_core.matching import centre
    from celltransfer_core.neighbors import EntropyWeightedKNN
    from celltransfer_core.pipeline import (
        TransferPlan,
        ensemble_vote,
        find_clusters,
        plan_draws,
        predict_aligned,
        predict_unaligned,
        transport_counts,
        weigh,
    )
    from celltransfer_core.runtime import Cache
    from celltransfer_core.vocabulary import QUERY, REFERENCE

    Xs, ys, Xt, yt = (np.load(folder / f"{name}.npy") for name in ("Xs", "ys", "Xt", "yt"))
    config = Config(encoders=(VOTER,), alignment=options.alignment, draws=options.draws)
    began = time.perf_counter()

    def done(what):
        print(f"{what:<40}{time.perf_counter() - began:>8.1f} s", flush=True)

    clusters = find_clusters(centre(Xt), config)
    done(f"{len(clusters.names)} clusters")
    majority = np.array([np.bincount(yt[clusters.labels == c]).argmax() for c in clusters.names])
    matched = majority[clusters.labels]
    shares = np.bincount(matched, minlength=options.types) + 1.0
    draws = plan_draws(ys, shares / shares.sum(), matched, config)
    done(f"{len(draws.parts)} parts, {len(draws.drawn)} draws")
    known = np.ones(len(yt), dtype=bool)
    names = tuple(str(number) for number in range(options.types))
    sets = {REFERENCE: {VOTER[0]: Xs}, QUERY: {VOTER[0]: Xt}}
    plan = TransferPlan(names, shares / shares.sum(), known, draws, confirmed=1.0)
    cache = Cache(folder / "cache")
    voters = predict_unaligned(sets, [VOTER], plan, config, cache=cache)
    if transport_counts(config, plan.confirmed):
        aligned, _ = predict_aligned(
            sets, voters, plan, config, cache=cache, workers=options.workers
        )
        voters += aligned
    vote = ensemble_vote(weigh(voters, config, 1.0))
    done(f"{len(voters)} voters; {100 * (vote.winner == yt).mean():.1f} % right")
    knn = EntropyWeightedKNN().fit(Xs, ys)
    knn.predict_proba(Xt[:20_000])
    index = knn.index_
    kind = f"inverted file of {index.cells} cells" if index.cells else "exact"
    done(f"k-NN in {len(Xs):,} rows: {kind}, recall {index.recall:.3f}")


def watch(process):
    """Look at the memory of a process and its workers until it ends; return both peaks in bytes."""
    import psutil

    resident = share = 0
    while process.poll() is None:
        of = []
        try:
            parent = psutil.Process(process.pid)
            of = [parent, *parent.children(recursive=True)]
        except psutil.NoSuchProcess:
            break
        sizes = []
        for one in of:
            try:
                full = one.memory_full_info()
                sizes.append((full.rss, full.pss))
            except psutil.Error:  # it ended meanwhile
                continue
        resident = max(resident, sum(rss for rss, _ in sizes))
        share = max(share, sum(pss for _, pss in sizes))
        time.sleep(0.2)
    return resident, share


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--query", type=int, default=200_000, help="cells")
    parser.add_argument("--reference", type=int, default=50_000, help="cells")
    parser.add_argument("--dim", type=int, default=384)
    parser.add_argument("--types", type=int, default=8)
    parser.add_argument("--alignment", choices=("fgw", "centre", "none"), default="fgw")
    parser.add_argument("--draws", type=int, default=3)
    parser.add_argument("--workers", type=int)
    parser.add_argument("--of", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.of:
        work(options.of, options)
        return
    from pipeline import draw

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        sites = draw((options.reference, options.query), options.dim, options.types)
        for which, (X, y) in zip("st", sites, strict=True):
            np.save(folder / f"X{which}.npy", X)
            np.save(folder / f"y{which}.npy", y)
        del sites, X, y
        line = [sys.executable, __file__, *sys.argv[1:], "--of", str(folder)]
        process = subprocess.Popen(line)
        resident, share = watch(process)
    if process.returncode:
        raise SystemExit(process.returncode)
    print(f"peak of proportional shares: {share / 1e9:.2f} GB")
    print(
        f"peak of resident sets, workers included: {resident / 1e9:.2f} GB for "
        f"{options.query:,} × {options.reference:,} cells of {options.dim} numbers"
    )


if __name__ == "__main__":
    main()
