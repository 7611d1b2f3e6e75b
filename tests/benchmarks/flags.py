"""Compare flags with true errors, and measure whether types that must not be missed are seen.

    python tests/benchmarks/flags.py --data DIR [--set pbc] [--domains 6] [--encoders A,B+C]
        [--query raabin --query jtsc [--cells 300]]

As in taught.py, some cells of one labelled set are the reference, and others are drawn and altered
as another laboratory would show them; with --query, cells of these sets are also drawn, in random
proportions. A reader confirms the clusters and answers the queue. Each type of the query with at
least six cells is then marked as one that must not be missed; its cells are seen if they are
predicted as this type, flagged as possible cells of it, or typed. The last line reports, after 0,
20 and 50 answers, how often the interval contains the true number of errors among unflagged cells,
and how often 95 % of a type's cells are seen.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
sys.path.insert(0, str(Path(__file__).resolve().parent))

import numpy as np
import pandas as pd
from shifted import options_of
from taught import altered_query, first_cells, shuffled

from celltransfer_core.config import DEFAULT
from celltransfer_core.data import Dataset, read_dataset
from celltransfer_core.evaluation import SimulatedReader, true_labels
from celltransfer_core.people import Review, annotations_of, cells_to_show, review_queue
from celltransfer_core.pipeline import (
    RunResult,
    detect,
    identify,
    prepare,
    transfer,
    update_vote,
    vote_updater,
)
from celltransfer_core.runtime import Cache

STEPS = (0, 20, 50)
FEWEST = 6


def drawn_query(whole: Dataset, cells: int, domain: int) -> tuple[Dataset, np.ndarray]:
    """Draw cells of a labelled set in random proportions."""
    rng = np.random.default_rng([2, domain])
    names = np.unique(whole.cell_labels)
    shares = rng.dirichlet(np.full(len(names), 1.5))
    kept = [
        rng.permutation(np.flatnonzero(whole.cell_labels == name))[: round(cells * share)]
        for name, share in zip(names, shares, strict=True)
    ]
    drawn = whole.take_typed(np.sort(np.concatenate(kept)))
    return replace(drawn, labels=None), drawn.cell_labels


def figures(run: RunResult, truth: np.ndarray, answers: int) -> Iterator[dict[str, object]]:
    """Compare flags, and each type's cells that are seen, with the truth."""
    typed = run.updated.typed if run.updated else np.zeros(len(truth), dtype=bool)
    predicted, flags = np.array(run.predicted), run.flags
    left = ~(flags.flagged | typed)
    wrong = predicted != truth
    yield {
        "answers": answers,
        "of": "errors",
        "flagged": np.mean(flags.flagged[~typed]),
        "caught": np.mean(flags.flagged[wrong & ~typed]) if (wrong & ~typed).any() else np.nan,
        "wrong": np.mean(wrong[left]) if left.any() else np.nan,
        "expected": flags.errors.share if left.any() else np.nan,
        "right": float(flags.errors.low <= wrong[left].sum() <= flags.errors.high),
    }
    for place, name in enumerate(run.types):
        if (truth == name).sum() < FEWEST:
            continue
        shown = cells_to_show(run.probabilities[:, place], predicted == name, typed)
        seen = np.mean((shown | typed | (predicted == name))[truth == name])
        yield {
            "answers": answers,
            "of": "types",
            "flagged": shown.mean(),
            "caught": seen,
            "right": float(seen >= 0.95),
        }


def read(
    reference: Dataset, query: Dataset, truth: np.ndarray, encoders: tuple[tuple[str, ...], ...]
) -> Iterator[dict[str, object]]:
    """Confirm the clusters, answer the queue, and compare on the way."""
    config = replace(DEFAULT, encoders=encoders, draws=1)
    prepared = prepare(reference, query, config, cache=Cache())
    named = identify(prepared, detect(prepared))
    reader = SimulatedReader(truth, 0.0, np.random.default_rng(0))
    named = named.confirm(reader.on_clusters(named, prepared.types))
    config = replace(config, keep=reader.on_types(named, prepared.types))
    first = transfer(replace(prepared, config=config), named, cache=Cache())
    updater, reviews, cells = vote_updater(first), list[Review](), query.cells
    for step in range(min(STEPS[-1], len(cells)) + 1):
        run = update_vote(first, annotations_of(first.matches, cells, reviews), updater)
        if step in STEPS:
            yield from figures(run, truth, step)
        queue = review_queue(cells, run.vote, run.clusters.labels, reviews)
        cell, chance = int(queue.cells[0]), float(queue.chances[0])
        time = "2000-01-01T00:00:00+00:00"
        reviews.append(
            Review(
                cells[cell],
                str(truth[cell]),
                "reader",
                time,
                bool(queue.blind[0]),
                None if np.isnan(chance) else chance,
            )
        )


def main() -> None:
    parser = options_of(__doc__.splitlines()[0], domains=6)
    parser.add_argument("--query", action="append", default=[])
    parser.add_argument("--cells", type=int, default=300)
    options = parser.parse_args()
    whole = read_dataset(options.data / options.set, labelled=True)
    others = {name: read_dataset(options.data / name, labelled=True) for name in options.query}
    order = shuffled(whole)
    reference = first_cells(whole, order)
    rows: list[dict[str, object]] = []
    for domain in range(options.domains):
        with ExitStack() as stack:
            altered = stack.enter_context(altered_query(whole, order, domain))
            pairs = [(altered, true_labels(altered))]
            pairs += [drawn_query(other, options.cells, domain) for other in others.values()]
            for query, truth in pairs:
                rows += read(reference, query, truth, options.encoders)
        print(f"domain {domain}: done", file=sys.stderr, flush=True)
    means = 100 * pd.DataFrame(rows).groupby(["of", "answers"]).mean()
    print(means.round(1).to_string())
    held, seen = (
        " / ".join(f"{means.loc[(of, step), 'right']:.0f}" for step in STEPS)
        for of in ("errors", "types")
    )
    print(f"after 0 / 20 / 50 answers: interval holds the errors {held} %, types seen {seen} %")


if __name__ == "__main__":
    main()
