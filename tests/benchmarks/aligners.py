"""Compare all alignment methods on altered cells of one set and between two laboratories.

    python tests/benchmarks/aligners.py --data DIR [--set pbc] [--domains 2] [--through 1]
        [--pairs pbc:raabin,raabin:pbc] [--per-class 80] [--cells 500] [--draws 3] [--seed 0]
        [--subset-size 2000] [--encoders A,B+C]

Altered cells are those of taught.py. For each pair, reference:query, ``--per-class`` cells of each
reference type and ``--cells`` query cells are drawn, the latter at random. Every alignment of
`evaluate` is used with the types matched automatically, and with clusters confirmed by a perfect
reader. There is one line per alignment: accuracy / balanced accuracy in percent of the k-NN (mean
over the voters) and of the ensemble, averaged over the altered sets and then for each pair. The
last line is the result of the ensemble with the default transport and a reader, averaged over all.
"""

from __future__ import annotations

import argparse
import sys
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
sys.path.insert(0, str(Path(__file__).resolve().parent))

import numpy as np
from shifted import options_of
from taught import altered_query, first_cells, shuffled

from celltransfer_core.config import DEFAULT
from celltransfer_core.data import Dataset, draw_per_class, read_dataset
from celltransfer_core.evaluation import OT, Protocol, evaluate, true_labels
from celltransfer_core.pipeline import detect, identify, prepare
from celltransfer_core.runtime import Cache

PROTOCOL = Protocol(
    filtering=("true", "reader"),
    methods=("knn", "ensemble"),
    subsets=2,
    identification_subsets=0,
    low_label=(),
)


def sets_of(options: argparse.Namespace) -> Iterator[tuple[str, Dataset, Dataset]]:
    """Go through the pairs, each with the column that it counts in."""
    whole = read_dataset(options.data / options.set, labelled=True)
    order = shuffled(whole)
    reference = draw_per_class(first_cells(whole, order), options.per_class, options.seed)
    for domain in range(options.domains):
        with altered_query(whole, order, domain, through=options.through) as query:
            yield "altered", reference, query
    for pair in filter(None, options.pairs.split(",")):
        typed, asked = (read_dataset(options.data / n, labelled=True) for n in pair.split(":"))
        drawn = np.random.default_rng(options.seed).permutation(asked.n_cells)[: options.cells]
        reference = draw_per_class(typed, options.per_class, options.seed)
        yield pair, reference, asked.take_typed(np.sort(drawn))


def main() -> None:
    parser = options_of(__doc__.splitlines()[0], domains=2)
    parser.add_argument("--pairs", default="pbc:raabin,raabin:pbc")
    parser.add_argument("--per-class", type=int, default=80, help="reference cells of a type")
    parser.add_argument("--cells", type=int, default=500, help="of a pair's query")
    parser.add_argument("--draws", type=int, default=DEFAULT.draws)
    parser.add_argument("--subset-size", type=int, default=DEFAULT.subset_size)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    config = replace(
        DEFAULT,
        encoders=options.encoders,
        draws=options.draws,
        subset_size=options.subset_size,
        seed=options.seed,
    )

    cache = Cache()
    table: dict[tuple[str, str, str], dict[str, list[tuple[float, float]]]] = defaultdict(
        lambda: defaultdict(list)
    )
    for column, reference, query in sets_of(options):
        prepared = prepare(reference, query, config, cache=cache)
        named = identify(prepared, detect(prepared, cache))
        for row in evaluate(prepared, named, true_labels(query), PROTOCOL).rows:
            key = row.filtering, row.ot, row.method.split(":")[0]
            table[key][column].append((row.accuracy, row.balanced_accuracy))
        print(f"{column}: done", file=sys.stderr, flush=True)

    columns = [*dict.fromkeys(column for row in table.values() for column in row)]
    print(f"{'':<28}" + "".join(f"{column:>15}" for column in columns))
    for filtering, ot, method in sorted(table, key=lambda key: (key[0], key[2], OT.index(key[1]))):
        row = table[filtering, ot, method]
        means = [np.mean(row[column], axis=0) for column in columns]
        name = f"{ot}, {'reader' if filtering == 'reader' else 'no word'}, {method}"
        print(f"{name:<28}" + "".join(f"{a:>8.1f} /{b:5.1f}" for a, b in means))
    best = table["reader", "fgw", "ensemble"]
    accuracy, balanced = np.mean([np.mean(best[column], axis=0) for column in columns], axis=0)
    print(f"ensemble, fgw, clusters confirmed: {accuracy:.1f} / {balanced:.1f}")


if __name__ == "__main__":
    main()
