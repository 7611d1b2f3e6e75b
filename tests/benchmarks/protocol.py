"""Time the published protocol: 10 × 10 subsets × 14 representations, 1,400 transports.

    python tests/benchmarks/protocol.py [--parts 1] [--cells 2000] [--dim 768] [--alpha 0.5]
                                        [--weights uniform|matches] [--workers N]

Embeddings are synthetic: seven single encoders with 768 dimensions and the seven concatenations of
the paper (up to 3,072), 10 parts of a query of 20,000 cells and 10 draws of the reference per part.
Each transport is complete: geodesics of both subsets, solve, map, and the k-NN of the part in the
ten galleries together. ``--parts`` runs this number of the ten parts of every representation, with
their ten draws each, and extrapolates; ``--parts 10`` runs all 1,400. There is one line per
representation; the last line is the total time on the available processors.
"""

from __future__ import annotations

import argparse
import sys
import time
from dataclasses import replace
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
sys.path.insert(0, str(Path(__file__).resolve().parent))

import numpy as np
from pipeline import draw, processor_seconds

from celltransfer_core.config import Config, voter_name
from celltransfer_core.evaluation import CONCATENATIONS
from celltransfer_core.pipeline import align, classify, drawn_rows, plan_draws
from celltransfer_core.runtime import cpu_count
from celltransfer_core.vocabulary import QUERY, REFERENCE

TYPES = 8
SUBSETS = 10


def representations():
    """List the seven single encoders and the seven concatenations."""
    singles = dict.fromkeys(member for voter in CONCATENATIONS for member in voter)
    singles |= {"dinobloom": None}  # the seventh is in no concatenation
    return [*((member,) for member in singles), *CONCATENATIONS]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--parts", type=int, default=1, help="of ten")
    parser.add_argument("--cells", type=int, default=2000, help="of a subset")
    parser.add_argument("--dim", type=int, default=768, help="of one encoder")
    parser.add_argument("--alpha", type=float, default=0.5)
    parser.add_argument("--weights", choices=("matches", "uniform"), default="uniform")
    parser.add_argument("--workers", type=int)
    options = parser.parse_args()
    voters = representations()
    config = Config(
        encoders=tuple(voters),
        alpha=options.alpha,
        weights=options.weights,
        subset_size=options.cells,
        draws=SUBSETS,
    )
    cells = SUBSETS * options.cells
    sites = {}
    for number, member in enumerate(v[0] for v in voters if len(v) == 1):
        (Xs, ys), (Xt, yt) = draw((cells, cells), options.dim, TYPES, seed=0)
        # Another encoder of the same cells: other axes, the same types.
        rng = np.random.default_rng(number + 1)
        noise = [0.2 * rng.normal(size=X.shape).astype(np.float32) for X in (Xs, Xt)]
        turned = rng.permutation(options.dim)
        sites[member] = [X[:, turned] + more for X, more in zip((Xs, Xt), noise, strict=True)]
    embeddings = {
        REFERENCE: {member: both[0] for member, both in sites.items()},
        QUERY: {member: both[1] for member, both in sites.items()},
    }
    shares = np.bincount(yt, minlength=TYPES) / len(yt)
    draws = plan_draws(ys, shares, yt, config)
    everything = len(voters) * len(draws.drawn)
    workers = options.workers or cpu_count()
    sample = replace(
        draws,
        parts=draws.parts[: options.parts],
        drawn=[draw for draw in draws.drawn if draw.part < options.parts],
    )
    known = np.ones(len(yt), dtype=bool)
    print(f"{'representation':<34}{'columns':>8}{'solves':>8}{'wall s':>9}{'CPU s':>9}{'gap':>10}")

    def one(voter, some):
        began = time.perf_counter(), processor_seconds()
        Xs, Xt = drawn_rows(embeddings, voter, some, known, config)
        once = np.array([time.perf_counter(), processor_seconds()]) - began
        found = [*align(voter_name(voter), Xs, Xt, some, config, workers=options.workers)]
        galleries = (gallery for gallery, _ in found)
        classify(voter, "fgw", galleries, Xt, some, TYPES, config)
        return Xs.shape[1], once, [solve for _, solves in found for solve in solves]

    # Workers are started and code is compiled before the clock is.
    one(voters[0], replace(sample, parts=sample.parts[:1], drawn=sample.drawn[:workers]))
    share = SUBSETS / options.parts
    whole = np.zeros(2)  # wall and processor seconds
    for voter in voters:
        began = time.perf_counter(), processor_seconds()
        columns, once, solves = one(voter, sample)
        took = np.array([time.perf_counter(), processor_seconds()]) - began
        # What is done once a representation does not grow with the parts.
        whole += once + (took - once) * share
        gap = max(solve.log.gap for solve in solves)
        print(
            f"{voter_name(voter):<34}{columns:>8}{len(solves):>8}{took[0]:>9.2f}{took[1]:>9.2f}"
            f"{gap:>10.1e}",
            flush=True,
        )
    said = "measured whole" if share == 1 else f"extrapolated from {everything / share:.0f}"
    print(
        f"{everything:,} transports of {options.cells} cells on {workers} "
        f"processes: {whole[0] / 60:.1f} minutes, {whole[1] / 60:.1f} CPU minutes "
        f"({said})"
    )


if __name__ == "__main__":
    main()
