"""Compare two earlier domains pooled as one reference with the better of the two.

    python tests/benchmarks/several_sources.py --data DIR [--cases 6] [--first 0] [--jcpot]

Each case draws cells of ``pbc``: one unaltered set with all types; a second set through another
stain and microscope with six types, like a finished study of them; and a query of these six types,
altered like the second set (even cases) or in a third way (odd cases). Then whole days of
``raabin``: a first batch together with ``pbc``, and two later batches as queries. There is no
confirmation.

Each line has balanced accuracy in percent with the first set alone, the second alone, both with all
their cells (``--sources equal``), and both as by default (``nearest``: only the set that is clearly
the nearest, if there is one), then the measured nearness of the second set. The last lines are the
means, and the largest difference by which the pool is worse than the better single set.
``--jcpot`` adds the types that multi-source transport under target shift gives (JCPOT, as in POT:
proportions and types at once, from the cells of both sets). It is told which types both sets have,
because it needs the same types in each, and works on 40 principal components of raw embeddings.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
sys.path.insert(0, str(Path(__file__).resolve().parent))

import numpy as np
import ot
from memory_of_a_lab import days_of
from naming import altered
from shifted import draw_style
from sklearn.decomposition import PCA

from celltransfer_core.config import DEFAULT
from celltransfer_core.data import Dataset, draw_per_class, pool, read_dataset
from celltransfer_core.evaluation import score
from celltransfer_core.pipeline import detect, identify, prepare, transfer
from celltransfer_core.runtime import Cache

FIRST, SECOND, QUERY = 100, 60, 60  # cells of a type, of the query on average
COMPONENTS = 40
SHARED = 6  # types of the second set and of the query


class Draw:
    """Draws cells of each type, no cell twice."""

    def __init__(self, labels: np.ndarray, rng: np.random.Generator) -> None:
        self.left = {
            str(name): rng.permutation(np.flatnonzero(labels == name)) for name in np.unique(labels)
        }

    def take(self, counts: dict[str, int]) -> np.ndarray:
        taken = [self.left[name][:count] for name, count in counts.items()]
        self.left |= {name: self.left[name][count:] for name, count in counts.items()}
        return np.sort(np.concatenate(taken))


def draw_cases(
    data: Path, cases: int, first: int
) -> Iterator[tuple[str, Dataset, Dataset, Dataset]]:
    """Draw the first set, the second and the query of each case."""
    pbc = read_dataset(data / "pbc", labelled=True)
    for number in range(first, first + cases):
        rng = np.random.default_rng([32, number])
        draw = Draw(pbc.cell_labels, rng)
        known = pbc.take_typed(draw.take(dict.fromkeys(draw.left, FIRST)))
        shared = [str(name) for name in rng.permutation(list(draw.left))[:SHARED]]
        seen, other = draw_style(rng, 1), draw_style(rng, 1)
        sizes = {name: max(6, round(QUERY * np.exp(rng.normal(0, 0.8)))) for name in shared}
        with tempfile.TemporaryDirectory() as folder:
            parts = []
            for name, cells, style in (
                ("second", dict.fromkeys(shared, SECOND), seen),
                ("query", sizes, other if number % 2 else seen),
            ):
                into = Path(folder, name)
                into.mkdir()
                parts.append(altered_as(pbc, draw.take(cells), into, rng, style))
            kind = "third way" if number % 2 else "as the second"
            yield f"altered {number}, {kind}", known, *parts
    batch, *later = days_of(read_dataset(data / "raabin", labelled=True), 300)
    known = draw_per_class(pbc, 120, 0)
    for number, query in enumerate(later, start=2):
        yield f"raabin, batch {number}", known, batch, query


def altered_as(
    whole: Dataset, cells: np.ndarray, folder: Path, rng: np.random.Generator, style: dict
) -> Dataset:
    """Photograph cells in one way; with their types."""
    altered(whole, cells, folder, rng, style)
    return read_dataset(folder, labelled=True)


def measured(reference: Dataset, query: Dataset, sources: str, cache: Cache) -> tuple[float, dict]:
    """Measure one reference: balanced accuracy, and how near its sets are."""
    config = replace(DEFAULT, sources=sources)
    prepared = prepare(reference, replace(query, labels=None), config, cache=cache)
    found = transfer(prepared, identify(prepared, detect(prepared, cache)), cache=cache)
    balanced = score(query.cell_labels, np.array(found.predicted)).balanced_accuracy
    return balanced, dict(prepared.nearest.shares if prepared.nearest else {})


def by_jcpot(both: Dataset, query: Dataset, cache: Cache) -> float:
    """Type the query by multi-source target shift: balanced accuracy."""
    config = replace(DEFAULT, sources="equal")
    prepared = prepare(both, replace(query, labels=None), config, cache=cache)
    blocks = [
        (prepared.embeddings["reference"][one], prepared.embeddings["query"][one])
        for one in prepared.cluster_on
    ]
    norms = [np.linalg.norm(known - known.mean(axis=0), axis=1).mean() for known, _ in blocks]
    known, asked = (
        np.hstack([block[side] / norm for block, norm in zip(blocks, norms, strict=True)])
        for side in (0, 1)
    )
    components = PCA(COMPONENTS, random_state=0).fit(known)
    known, asked = components.transform(known), components.transform(asked)
    sources, labels = both.cell_sources, both.cell_labels
    shared = sorted(set(labels[sources == 0]) & set(labels[sources == 1]))
    rows = [np.isin(labels, shared) & (sources == source) for source in (0, 1)]
    types = [np.searchsorted(shared, labels[some]) for some in rows]
    scale = np.sqrt(np.median(ot.dist(known[rows[0]], asked)))
    plan = ot.da.JCPOTTransport(reg_e=0.1, max_iter=100, tol=1e-7)
    plan.fit(Xs=[known[some] / scale for some in rows], ys=types, Xt=asked / scale)
    found = np.array(shared)[np.asarray(plan.transform_labels(ys=types)).argmax(axis=1)]
    return score(query.cell_labels, found).balanced_accuracy


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--cases", type=int, default=6)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--jcpot", action="store_true", help="minutes a case")
    options = parser.parse_args()
    cache = Cache()
    table = []
    for name, known, second, query in draw_cases(options.data, options.cases, options.first):
        both = pool([known, second], names=["first", "second"])
        ways = ((known, "equal"), (second, "equal"), (both, "equal"), (both, "nearest"))
        found = [measured(reference, query, sources, cache) for reference, sources in ways]
        table.append([balanced for balanced, _ in found])
        told = " ".join(f"{balanced:6.1f}" for balanced in table[-1])
        if options.jcpot:
            told += f"   JCPOT {by_jcpot(both, query, cache):6.1f}"
        print(f"{name:<26} {told}   {100 * found[-1][1]['second']:.0f} % second", flush=True)
    rows = np.array(table)
    told = " ".join(f"{balanced:6.1f}" for balanced in rows.mean(axis=0))
    print(f"{f'mean of {len(rows)}':<26} {told}")
    equal, nearest = (rows[:, :2].max(axis=1)[:, None] - rows[:, 2:]).max(axis=0)
    print(f"below the better set at most: equal {equal:.1f}, nearest {nearest:.1f}")


if __name__ == "__main__":
    main()
