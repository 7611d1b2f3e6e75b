"""Compare CellTransfer's solver for fused Gromov–Wasserstein with POT's on the same problems.

    python tests/benchmarks/fgw.py [--sizes 500,1000,2000,2000x700] [--alphas 0.1,0.5,0.9]
                                   [--weights even,uneven] [--repeats 3] [--data DIR [--set pbc]]

Both start from the same plan, in one process, on one BLAS thread; POT is given the information that
C is symmetric. α is the paper's (POT's own is α / (2 − α)), and so is the objective. Uneven weights
give each type of the source a different share, as matches do. Times are medians of alternating
runs; geodesic distances are computed beforehand. Embeddings are synthetic clusters, shifted and in
different proportions in the target; with ``--data`` they are those of the default encoders on two
draws of a set. The last line is the median speed-up at 2000 × 2000 with even weights over α 0.5 and
0.9.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import numpy as np
import ot
from scipy.spatial.distance import cdist
from threadpoolctl import threadpool_limits

from celltransfer_core.neighbors import geodesic_distances, knn_graph
from celltransfer_core.transport import fused_gromov_wasserstein, pot_alpha

TYPES, DIMENSIONS, WITHIN = 6, 64, 6
"""Of drawn embeddings: clusters, columns, and directions in which a cluster's cells differ."""


def drawn(sizes, rng):
    """Draw the cells of two sites and their types."""
    centres = 0.6 * rng.normal(size=(TYPES, DIMENSIONS))
    spread = rng.uniform(0.6, 1.4, TYPES)
    directions = rng.normal(size=(TYPES, WITHIN, DIMENSIONS)) / np.sqrt(WITHIN)
    sites = []
    for size in sizes:
        types = rng.choice(TYPES, size, p=rng.dirichlet(np.full(TYPES, 3.0)))
        within = spread[types, None] * rng.normal(size=(size, WITHIN))
        X = centres[types] + np.einsum("kl,kld->kd", within, directions[types])
        X += 0.3 * rng.normal(size=X.shape) + 0.3 * rng.normal(size=DIMENSIONS)
        sites.append(((X - X.mean(axis=0)).astype(np.float32), types))
    return sites


def embedded(folder, encoders):
    """Embed a set, and return how to draw two sites of it with other proportions."""
    from celltransfer_core.config import DEFAULT
    from celltransfer_core.data import read_dataset
    from celltransfer_core.encoders import parse_encoders
    from celltransfer_core.framing import frame_sets
    from celltransfer_core.pipeline import embed_sets, load_encoders, representation
    from celltransfer_core.runtime import Cache

    config = DEFAULT
    if encoders:
        config = DEFAULT.__class__(encoders=parse_encoders(encoders))
    dataset = read_dataset(folder, labelled=True)
    sets, cache = {"query": dataset, "reference": dataset}, Cache()
    crops = frame_sets(sets, mode="auto", colour="none", cache=cache).crops
    embeddings, _ = embed_sets(crops, load_encoders(config)[0], cache, None, lambda *_: None)
    X = representation(embeddings, config.encoders[0], config)[1]
    types = np.unique(dataset.labels, return_inverse=True)[1]

    def draw(sizes, rng):
        left = rng.permutation(len(X))
        sites = []
        for size in sizes:
            shares = rng.dirichlet(np.full(types.max() + 1, 3.0))[types[left]]
            chosen = rng.choice(left, size, replace=False, p=shares / shares.sum())
            left = np.setdiff1d(left, chosen)
            sites.append((X[chosen] - X[chosen].mean(axis=0), types[chosen]))
        return sites

    return draw


def problem(sites, *, even, rng):
    """Make the costs and weights of a transport."""
    (X, types), (Y, _) = sites
    M = cdist(X, Y)
    C = [geodesic_distances(knn_graph(Z)).astype(np.float64) for Z in (X, Y)]
    p = np.ones(len(X)) if even else rng.dirichlet(np.full(types.max() + 1, 3.0))[types]
    q = np.full(len(Y), 1 / len(Y))
    return M / M.max(), C[0] / C[0].max(), C[1] / C[1].max(), p / p.sum(), q


def ours(given, alpha):
    """Solve with the module under test, and return the objective."""
    return fused_gromov_wasserstein(*given, alpha=alpha, solver="auction")[1].objective


def theirs(given, alpha):
    """Solve with POT, and return the objective in the paper's convention."""
    _, log = ot.gromov.fused_gromov_wasserstein(
        *given,
        alpha=pot_alpha(alpha),
        symmetric=True,
        log=True,
        tol_rel=1e-9,
        tol_abs=1e-9,
        numItermaxEmd=2_000_000,  # its own limit ends the inner problem before it is solved
    )
    return float(log["fgw_dist"]) * (2 - alpha) / 2


def timed(solve, given, alpha):
    """Return the objective, and wall and processor seconds."""
    wall, processor = time.perf_counter(), time.process_time()
    objective = solve(given, alpha)
    return objective, time.perf_counter() - wall, time.process_time() - processor


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sizes", default="500,1000,2000,2000x700")
    parser.add_argument("--alphas", default="0.1,0.5,0.9")
    parser.add_argument("--weights", default="even,uneven")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--data", type=Path, help="folder that holds a set of real cells")
    parser.add_argument("--set", default="pbc")
    parser.add_argument("--encoders", help="of the real cells; the first default voter if not said")
    options = parser.parse_args()
    draw = embedded(options.data / options.set, options.encoders) if options.data else drawn

    with threadpool_limits(1):
        rng = np.random.default_rng(0)
        ours(problem(drawn((50, 50), rng), even=True, rng=rng), 0.5)  # compiles the auction
        print("cells         weights  alpha  objective: POT      ours  relative", end="")
        print("   wall s: POT    ours  ratio   processor s: POT    ours  ratio")
        ratios = {}
        for size in options.sizes.split(","):
            n, _, m = size.partition("x")
            sizes = (int(n), int(m or n))
            for weights in options.weights.split(","):
                rng = np.random.default_rng(sizes)
                given = problem(draw(sizes, rng), even=weights == "even", rng=rng)
                for alpha in map(float, options.alphas.split(",")):
                    runs = {theirs: [], ours: []}
                    for _ in range(options.repeats):
                        for solve, times in runs.items():
                            times.append(timed(solve, given, alpha))
                    pot, own = (np.median(times, axis=0) for times in runs.values())
                    ratio = pot[1:] / own[1:]
                    ratios[sizes, weights, alpha] = ratio
                    print(
                        f"{sizes[0]:5} x{sizes[1]:5}  {weights:<8} {alpha:4}   "
                        f"{pot[0]:14.6f}  {own[0]:8.6f}  {own[0] / pot[0] - 1:+8.0e}"
                        f"  {pot[1]:12.2f}  {own[1]:6.2f}  {ratio[0]:5.1f}"
                        f"   {pot[2]:16.2f}  {own[2]:6.2f}  {ratio[1]:5.1f}",
                        flush=True,
                    )
    for weights in ("uneven", "even"):
        found = [ratios.get(((2000, 2000), weights, alpha)) for alpha in (0.5, 0.9)]
        found = [ratio for ratio in found if ratio is not None]
        if found:
            wall, processor = np.median(found, axis=0)
            print(
                f"median speed-up at 2000 x 2000, {weights} weights, alpha 0.5 and 0.9: "
                f"{wall:.1f} times ({processor:.1f} in processor time)"
            )


if __name__ == "__main__":
    main()
