"""Measure how well a run's accuracy is predicted without labels, and with a few answers.

    python tests/benchmarks/expected_accuracy.py --data DIR [--cases 36] [--whole 10] [--answers 3]
        [--encoders A,B+C] [--table FILE]
    python tests/benchmarks/expected_accuracy.py --data DIR --set NAME ...

Cases are those of naming.py, and ``--whole`` cases in which ``pbc`` with all its types is the
reference and the query has all types of ``raabin``. Each is run as it is and with 120 of its cells,
without further information and with the absent types given. For one in every ``--answers`` cases,
the work of a perfect reader is measured too, without further information: after 10, 20 and 50 cells
of the queue, and after the clusters are confirmed (without a new transport) and the same cells are
answered. Accuracy is measured over cells of types that the reference or an answer includes.
``--table`` stores the measurements and resumes an interrupted run.

The constants of celltransfer_core/pipeline/expected.py are fitted and printed, with equal weight
for each kind of case. Kinds with cells of ``pbc`` as the query are measured but not used in the
fit, because an encoder was trained on them. Errors are reported for constants fitted without the
kind in question. With ``--set``, the shipped constants are used, on unaltered sets.
The last line is the headline, for the kinds that can be used in the fit: the median error without
confirmation and after 50 answers, the coverage of the 80 % ranges, and how many of the pairs under
70 % receive a warning. The line before reports the same for all kinds.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import numpy as np
import pandas as pd
from scipy.optimize import minimize_scalar
from scipy.stats import norm, t

from celltransfer_core.config import DEFAULT
from celltransfer_core.data import Dataset, read_dataset
from celltransfer_core.encoders import parse_encoders
from celltransfer_core.evaluation import SimulatedReader, true_labels
from celltransfer_core.people import Learning, Review, Share, infer, review_queue
from celltransfer_core.people.expected import COVERED, WARNED_BELOW
from celltransfer_core.people.updated import annotations_of
from celltransfer_core.pipeline import Prepared, RunResult, detect, identify, prepare, transfer
from celltransfer_core.pipeline.expected import (
    SHIPPED,
    Constants,
    answers_of,
    expected_of,
    mean_agreement,
)
from celltransfer_core.pipeline.updates import update_vote, vote_updater
from celltransfer_core.runtime import Cache
from celltransfer_core.vocabulary import QUERY

if __package__:
    from .naming import REFERENCE_CELLS, Case, draw_case, draw_shares, some, whole_case
else:
    from naming import REFERENCE_CELLS, Case, draw_case, draw_shares, some, whole_case

SMALL = 120  # cells
SIZES = (120, 250, 400)
STEPS = (10, 20, 50)  # answers
NOT_FITTED = (" to pbc",)  # ends of kinds: an encoder learnt from pbc
SHRINKAGE = 0.1  # of the slope: so many times the variance of the agreement is added to it
CLIP = 0.02  # of the accuracy that is fitted to
LAST = f"clusters, {STEPS[-1]} answers"
FITTED_KINDS = 3


def draw_cases(options: argparse.Namespace) -> Iterator[tuple[str, Case]]:
    """Draw the cases with their kinds, or take sets as they are."""
    names = ("pbc",) if options.set else ("pbc", "raabin")
    sets = {name: read_dataset(options.data / name, labelled=True) for name in names}
    for name in options.set:
        yield name, whole_case(options.data, name, sets)
    if options.set:
        return
    for number in range(options.whole):
        yield "all of raabin", draw_whole(sets, number)
    for number in range(options.cases):
        with tempfile.TemporaryDirectory() as folder:
            case = draw_case(sets, number, Path(folder))
            yield " ".join(case.name.split()[:3]), case


def draw_whole(sets: dict[str, Dataset], number: int) -> Case:
    """Draw a case where every type of either laboratory is there."""
    rng = np.random.default_rng([31, number])
    labels = np.array(sets["pbc"].labels)
    known = [
        rng.permutation(np.flatnonzero(labels == name))[:REFERENCE_CELLS]
        for name in np.unique(labels)
    ]
    labels = np.array(sets["raabin"].labels)
    types = np.unique(labels)
    shares, size = draw_shares(types, rng), int(rng.choice(SIZES))
    chosen = [
        rng.permutation(np.flatnonzero(labels == name))[: max(6, round(size * share))]
        for name, share in zip(types, shares, strict=True)
    ]
    query = some(sets["raabin"], np.concatenate(chosen))
    reference = some(sets["pbc"], np.concatenate(known))
    return Case(f"whole {number}", reference, query, true_labels(query))


def fewer(case: Case, whole: Prepared) -> tuple[Case, Prepared]:
    """Leave all but some cells of the query out."""
    rng = np.random.default_rng([77, int(case.name.split()[-1])])
    kept = np.sort(rng.permutation(whole.query.n_cells)[:SMALL])
    embeddings = {
        **whole.embeddings,
        QUERY: {name: X[kept] for name, X in whole.embeddings[QUERY].items()},
    }
    query = whole.query.take(kept)
    truth = case.truth[kept]
    return (
        replace(case, query=query, truth=truth),
        replace(whole, query=query, embeddings=embeddings),
    )


def measure_case(case: Case, prepared: Prepared, read: bool) -> Iterator[dict]:
    """Measure a case that was prepared, in all states."""
    clusters = detect(prepared)
    for told in (False, True):
        config = replace(prepared.config, alignment="none")
        if told:
            there = tuple(sorted({*prepared.types} - {*case.absent}))
            config = replace(config, absent=case.absent, expect=there)
        ready = replace(prepared, config=config)
        named = identify(ready, clusters)
        found = transfer(ready, named)
        facts = {"told": told, "small": len(case.truth) <= SMALL}
        yield facts | state_of("before", found, case.truth, ())
        if told or not read:
            continue
        for state, run, reviews in answered(found, case.truth):
            yield facts | state_of(state, run, case.truth, reviews)
        reader = SimulatedReader(case.truth, 0.0, np.random.default_rng(5))
        found = transfer(ready, named.confirm(reader.on_clusters(named, prepared.types)))
        for state, run, reviews in answered(found, case.truth):
            yield facts | state_of(f"clusters, {state}", run, case.truth, reviews)


def answered(found: RunResult, truth: np.ndarray) -> Iterator[tuple[str, RunResult, list]]:
    """Answer the queue with the truth, and stop on the way."""
    updater, cells, reviews = vote_updater(found), found.query.cells, list[Review]()
    run = update_vote(found, annotations_of(found.matches, cells, reviews), updater)
    if any(match.confirmed for match in found.matches):
        yield "0 answers", run, []
    for step in range(min(STEPS[-1], len(cells) - 1)):
        queue = review_queue(cells, run.vote, run.clusters.labels, reviews, seed=0)
        cell, blind = int(queue.cells[0]), bool(queue.blind[0])
        chance = None if np.isnan(queue.chances[0]) else float(queue.chances[0])
        time = f"2000-01-01T00:{step // 60:02}:{step % 60:02}+00:00"
        reviews.append(Review(cells[cell], str(truth[cell]), "reader", time, blind, chance))
        if (step + 1) % 10 == 0:
            said = annotations_of(found.matches, cells, reviews)
            run = update_vote(found, said, updater)
        if step + 1 in STEPS:
            yield f"{step + 1} answers", run, reviews


def state_of(state: str, run: RunResult, truth: np.ndarray, reviews: list) -> dict:
    """Collect what is seen, what the answers tell, and the truth."""
    share = [np.nan, 0.0, 1.0, 0]
    if reviews:
        right = infer(run.query.cells, run.types, run.probabilities, run.vote, reviews).right()
        share = [right.value, right.low, right.high, right.draws]
    known = np.isin(truth, [*run.types, *{*run.reference.labels}])
    return {
        "state": state,
        "accuracy": (np.array(run.predicted) == truth)[known].mean(),
        "cells": len(truth),
        "agreement": mean_agreement(run),
        "answers": answers_of(run),
        "share": share,
    }


def log_odds(share):
    share = np.clip(share, CLIP, 1 - CLIP)
    return np.log(share / (1 - share))


def fit(rows: pd.DataFrame) -> Constants:
    """Fit the constants to kinds that count the same."""
    rows = rows[~rows.kind.str.endswith(NOT_FITTED)]
    before = rows[rows.state == "before"]
    even, slope = fit_line(before)
    squares = []
    for kind in before.kind.unique():
        own = before.kind == kind
        point, gain = fit_line(before[~own]) if not own.all() else (even, slope)
        errors = gain * (before.agreement[own] - point) - log_odds(before.accuracy[own])
        squares.append(np.mean(errors**2))
    # A new laboratory is a new kind, and what kinds differ by is known from few: Student's t.
    few = t.ppf((1 + COVERED) / 2, FITTED_KINDS - 1) / norm.ppf((1 + COVERED) / 2)
    spread = float(few * np.sqrt(np.mean(squares)))
    return Constants(even, slope, spread, fit_learning(rows))


def fit_line(before: pd.DataFrame) -> tuple[float, float]:
    """Fit log odds of accuracy by agreement: where they are zero, and the slope."""
    weights = 1 / before.groupby("kind").accuracy.transform("size").to_numpy()
    x, y = before.agreement.to_numpy(), log_odds(before.accuracy.to_numpy())
    mean, middle = np.average(x, weights=weights), np.average(y, weights=weights)
    covariance = np.average((x - mean) * (y - middle), weights=weights)
    slope = covariance / (np.average((x - mean) ** 2, weights=weights) * (1 + SHRINKAGE))
    return float(mean - middle / slope), float(slope)


def fit_learning(rows: pd.DataFrame) -> Learning:
    """Fit what answers make of the accuracy: the plateau is what was reached at last."""
    last = rows[rows.state == LAST]
    weights = 1 / last.groupby("kind").accuracy.transform("size")
    reached = log_odds(last.accuracy)
    plateau = np.average(reached, weights=weights)
    spread = np.sqrt(np.average((reached - plateau) ** 2, weights=weights))
    measured = rows[rows.name.isin(last.name) & ~rows.told]
    start = measured[measured.state == "before"].set_index(["name", "small"]).accuracy
    after = (
        measured[measured.state != "before"]
        .set_index(["name", "small"])
        .join(start, rsuffix="_before", how="inner")
    )
    weights = 1 / after.groupby("kind").accuracy.transform("size")
    before, then = log_odds(after.accuracy_before.to_numpy()), log_odds(after.accuracy.to_numpy())

    def error(rate: float) -> float:
        foretold = Learning(plateau, rate, spread).after(before, 0, after.answers.to_numpy())
        return float(np.average((foretold - then) ** 2, weights=weights))

    rate = minimize_scalar(error, bounds=(0.01, 3.0), method="bounded").x
    return Learning(float(plateau), float(rate), float(spread))


def foretell(rows: pd.DataFrame, constants: Constants) -> pd.DataFrame:
    """Foretell the accuracy of each row."""
    table = []
    for row in rows.itertuples():
        share = Share(*row.share)
        found = expected_of(row.agreement, row.cells, row.answers, share, constants)
        low, high = np.floor(100 * found.low) / 100, np.ceil(100 * found.high) / 100
        table.append(
            {
                "best_guess": found.value,
                "error": 100 * abs(found.value - row.accuracy),
                "holds": low <= row.accuracy <= high,
                "promised": row.accuracy < low,
                "width": 100 * (found.high - found.low),
                "warns": found.warns,
            }
        )
    return rows.join(pd.DataFrame(table, index=rows.index))


def tell(found: pd.DataFrame, by: list[str]) -> None:
    """Print how well accuracy is foretold."""
    for names, some in found.groupby(by, sort=False):
        print(
            f"{', '.join(names):<34} {len(some):>3} runs, accuracy {100 * some.accuracy.min():.0f} "
            f"to {100 * some.accuracy.max():.0f}: median error {some.error.median():.1f}, "
            f"{100 * some.holds.mean():.0f} % of ranges hold, {100 * some.promised.mean():.0f} % "
            f"promise too much, median width {some.width.median():.0f}"
        )


def headline(found: pd.DataFrame) -> str:
    """Tell the median errors, the share of ranges that hold, and the warnings."""
    before = found[found.state == "before"]
    last = found[found.state == f"{STEPS[-1]} answers"]
    poor = before.accuracy < WARNED_BELOW
    return (
        f"median error {before.error.median():.1f} before any word, {last.error.median():.1f} "
        f"after {STEPS[-1]} answers; {100 * found.holds.mean():.0f} % of the 80 % ranges hold, "
        f"{100 * found.promised.mean():.0f} % promise too much; warned of "
        f"{before.warns[poor].sum()} of {poor.sum()} pairs under 70 %, and of "
        f"{before.warns[~poor].sum()} of {(~poor).sum()} others"
    )


def collect(options: argparse.Namespace) -> pd.DataFrame:
    """Measure every case that the table does not have yet."""
    rows = []
    if options.table and options.table.exists():
        rows = [json.loads(line) for line in options.table.read_text().splitlines()]
    done, cache = {row["name"] for row in rows}, Cache()
    for number, (kind, case) in enumerate(draw_cases(options)):
        if case.name in done:
            continue
        config = replace(DEFAULT, encoders=options.encoders)
        whole = prepare(case.reference, case.query, config, cache=cache)
        measured = [*measure_case(case, whole, options.answers and number % options.answers == 0)]
        if not options.set and len(case.truth) > SMALL:
            measured += measure_case(*fewer(case, whole), read=False)
        facts = {"name": case.name, "kind": kind}
        more = [facts | row for row in measured if row["agreement"] is not None]
        rows += more
        if options.table:
            with options.table.open("a") as file:
                file.writelines(json.dumps(row, default=float) + "\n" for row in more)
        told = ", ".join(f"{100 * row['accuracy']:.0f}" for row in more)
        print(f"{case.name}: {told}", file=sys.stderr, flush=True)
    return pd.DataFrame(rows)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--cases", type=int, default=36)
    parser.add_argument("--whole", type=int, default=10)
    parser.add_argument("--answers", type=int, default=3)
    parser.add_argument("--set", nargs="*", default=[])
    parser.add_argument("--encoders", type=parse_encoders, default=DEFAULT.encoders)
    parser.add_argument("--table", type=Path)
    options = parser.parse_args()
    rows = collect(options)
    if options.set:
        found = foretell(rows, SHIPPED)
        shown = ["name", "told", "state", "accuracy", "agreement", "best_guess", "holds", "width"]
        print(found[shown].round(3).to_string())
    else:
        kinds = rows.kind.unique()
        found = pd.concat(
            [foretell(rows[rows.kind == one], fit(rows[rows.kind != one])) for one in kinds]
        )
        tell(found, ["kind", "state"])
        print(fit(rows))
        print("all:", headline(found))
        found = found[~found.kind.str.endswith(NOT_FITTED)]
    print(headline(found))


if __name__ == "__main__":
    main()
