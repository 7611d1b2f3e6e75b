"""How well a run's accuracy is foretold without labels, and with a few answers.

    python tests/benchmarks/expected_accuracy.py --data DIR [--cases 36] [--harder 16]
        [--encoders A,B+C] [--table FILE] [--fit]
    python tests/benchmarks/expected_accuracy.py --data DIR --set NAME ...

Cases are those of naming.py, and as many --harder ones as wanted, altered through more microscopes.
Of each there are four variants: as it is; with absent types told; and twice with types and cells
left out at random, once with other encoders. Each is measured before any word, and after a perfect
reader has answered 10, 20 and 50 cells of the queue, or has confirmed half or all of the clusters
(without another transport) and then answered. Accuracy is that over cells of types that the
reference or an answer knows. --table keeps what was measured, and goes on where it stopped.

--fit writes the constants of celltransfer_core/pipeline/expected.json; without it they stay as they
are. Errors are told for constants that are fitted without the case in question, and without its
kind (reference and query). With --set the shipped constants are used, on sets as they are.
The last line is the headline: median error before any word and after 50 answers, the share of the
80 % ranges that hold, and how many of the pairs under 70 % are warned of.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import numpy as np
import pandas as pd
from scipy.optimize import linear_sum_assignment
from sklearn.linear_model import Ridge
from sklearn.model_selection import LeaveOneGroupOut, cross_val_predict

from celltransfer_core.config import DEFAULT
from celltransfer_core.data import read_dataset
from celltransfer_core.encoders import parse_encoders
from celltransfer_core.evaluation import SimulatedReader
from celltransfer_core.neighbors import EntropyWeightedKNN
from celltransfer_core.people import Review, Share, infer, review_queue
from celltransfer_core.people.expected import WANTED, WARNED_BELOW
from celltransfer_core.people.updated import annotations_of
from celltransfer_core.pipeline import (
    RunResult,
    detect,
    identify,
    prepare,
    representation,
    transfer,
)
from celltransfer_core.pipeline.expected import CONSTANTS, expected_of, label_free
from celltransfer_core.pipeline.updates import update_vote, vote_updater
from celltransfer_core.runtime import Cache
from celltransfer_core.vocabulary import QUERY, REFERENCE

if __package__:
    from .naming import FEWEST, Case, draw_case, whole_case
else:
    from naming import FEWEST, Case, draw_case, whole_case

HARDER = (
    ("pbc", "pbc", 2),
    ("raabin", "raabin", 2),
    ("pbc", "pbc", 3),
    ("raabin", "raabin", 3),
)
"""As the kinds of naming.py: through more microscopes that no encoder was trained with."""

OTHER_VOTERS = ("cell", "shape", "colour+shape", "texture,shape", "cell,shape", "colour,texture")
FIRST_HARDER = 1000
VARIANTS = 4
ANSWERS = (10, 20, 50)
PENALTIES = np.geomspace(1, 1000, 13)
CLIP = 0.01  # of the accuracy that is fitted to


def draw_cases(options: argparse.Namespace) -> Iterator[Case]:
    """Draw the cases, or take sets as they are."""
    names = ("pbc",) if options.set else ("pbc", "raabin")
    sets = {name: read_dataset(options.data / name, labelled=True) for name in names}
    if options.set:
        yield from (whole_case(options.data, name, sets) for name in options.set)
        return
    for number in range(options.cases):
        with tempfile.TemporaryDirectory() as folder:
            yield draw_case(sets, number, Path(folder))
    for number in range(FIRST_HARDER, FIRST_HARDER + options.harder):
        with tempfile.TemporaryDirectory() as folder:
            yield draw_case(sets, number, Path(folder), HARDER)


def thinned(prepared, truth: np.ndarray, rng: np.random.Generator):
    """Leave types out of both sets, and cells of the query by their type."""
    types = rng.permutation(prepared.types)
    types = types[rng.integers(3) :] if len(types) > 4 else types
    of_reference = np.flatnonzero(np.isin(prepared.reference.cell_labels, types))
    names = np.unique(truth)
    there = {name: rng.uniform(0.2, 1) * (rng.random() < 0.75) for name in names.tolist()}
    chosen = np.flatnonzero(rng.random(len(truth)) < [there[name] for name in truth.tolist()])
    if len(chosen) < 60 or len({*truth[chosen]} & {*types}) < 2:
        chosen = np.arange(len(truth))
    rows = {REFERENCE: of_reference, QUERY: chosen}
    embeddings = {
        name: {member: X[rows[name]] for member, X in prepared.embeddings[name].items()}
        for name in rows
    }
    reference = prepared.reference.take_typed(of_reference)
    query = prepared.query.take(chosen)
    return replace(prepared, reference=reference, query=query, embeddings=embeddings), truth[chosen]


def measure_case(case: Case, whole, variants: Sequence[int], cache: Cache) -> Iterator[dict]:
    """Measure variants of a case that was prepared, in all states."""
    config, number = whole.config, case.name.split()[-1]
    for variant in variants:
        rng = np.random.default_rng([5, int(number) if number.isdigit() else 0, variant])
        prepared, truth = whole, case.truth
        told = variant == 1
        if variant > 1:
            prepared, truth = thinned(whole, truth, rng)
            told = bool(rng.random() < 0.4)
        if variant == 3:
            other = parse_encoders(OTHER_VOTERS[rng.integers(len(OTHER_VOTERS))])
            changed = replace(config, encoders=other)
            prepared = replace(prepared, config=changed, voters=other)
        if told:
            names, counts = np.unique(truth, return_counts=True)
            there = {*names[counts >= FEWEST]} & {*prepared.types}
            absent = tuple(sorted({*prepared.types} - there))
            said = replace(prepared.config, absent=absent, expect=tuple(sorted(there)))
            prepared = replace(prepared, config=said)
        named = identify(prepared, detect(prepared, cache))
        found = transfer(prepared, named)
        facts = {"case": case.name, "kind": " ".join(case.name.split()[:3]), "variant": variant}
        yield facts | state_of("before", found, truth, ()) | yardsticks(prepared, found)
        if variant in (1, 2):  # clusters first
            reader = SimulatedReader(truth, 0.0, rng)
            said = reader.on_clusters(named, prepared.types)
            kept = [one for one in said if variant == 2 or rng.random() < 0.5]
            quick = replace(prepared, config=replace(prepared.config, alignment="none"))
            found = transfer(quick, named.confirm(kept))
        for state, run, reviews in read(found, truth, variant):
            yield facts | state_of(state, run, truth, reviews)


def read(found: RunResult, truth: np.ndarray, seed: int) -> Iterator[tuple[str, RunResult, list]]:
    """Answer the queue with the truth, and stop on the way."""
    updater, cells, reviews = vote_updater(found), found.query.cells, list[Review]()
    run = update_vote(found, annotations_of(found.matches, cells, reviews), updater)
    if any(match.confirmed for match in found.matches):
        yield "clusters", run, []
    for step in range(min(ANSWERS[-1], len(cells) - 1)):
        queue = review_queue(cells, run.vote, run.clusters.labels, reviews, seed=seed)
        cell, blind = int(queue.cells[0]), bool(queue.blind[0])
        chance = None if np.isnan(queue.chances[0]) else float(queue.chances[0])
        time = f"2000-01-01T00:{step // 60:02}:{step % 60:02}+00:00"
        reviews.append(Review(cells[cell], str(truth[cell]), "reader", time, blind, chance))
        if (step + 1) % 10 == 0:
            said = annotations_of(found.matches, cells, reviews)
            run = update_vote(found, said, updater)
        if step + 1 in ANSWERS:
            yield f"{step + 1} answers", run, reviews


def state_of(state: str, run: RunResult, truth: np.ndarray, reviews: list) -> dict:
    """Collect what is seen, what the answers tell, and the truth."""
    share = [np.nan, 0.0, 1.0, 0]
    if reviews:
        known = infer(run.query.cells, run.types, run.probabilities, run.vote, reviews).right()
        share = [known.value, known.low, known.high, known.draws]
    known = np.isin(truth, [*run.types, *{*run.reference.labels}])
    right = (np.array(run.predicted) == truth)[known]
    return {
        "state": state,
        "accuracy": right.mean(),
        "cells": len(truth),
        "share": share,
        "figures": label_free(run),
    }


def yardsticks(prepared, run: RunResult) -> dict[str, float]:
    """Estimate accuracy by average thresholded confidence and by confidence optimal transport.

    Garg et al. (arXiv 2201.04234), Lu et al. (arXiv 2305.15640): one threshold on confidence that
    as many reference cells pass, each by the others, as are typed rightly; and the cost of
    transporting the probabilities onto the types in the proportions that the matches expect.
    """
    types = [prepared.types.index(name) for name in run.types]
    usable = np.flatnonzero(np.isin(prepared.reference_types, types))
    own = np.searchsorted(np.sort(types), prepared.reference_types[usable])
    left_out = []
    for voter in prepared.voters:
        Xs, _ = representation(prepared.comparable, voter, prepared.config, usable=usable)
        left_out.append(EntropyWeightedKNN().fit(Xs, own).leave_one_out_proba())
    source = np.mean(left_out, axis=0)
    limit = np.quantile(source.max(axis=1), np.mean(source.argmax(axis=1) != own))
    plain = [voter.probabilities for voter in run.voters if voter.alignment != "discriminant"]
    target = np.mean(plain, axis=0)
    counts = np.floor(run.proportions * len(target)).astype(int)
    counts[np.argmax(run.proportions)] += len(target) - counts.sum()
    costs = 1 - target[:, np.repeat(np.arange(len(counts)), counts)]
    return {
        "atc": float(np.mean(target.max(axis=1) >= limit)),
        "cot": float(1 - costs[linear_sum_assignment(costs)].mean()),
    }


def log_odds(share):
    share = np.clip(share, CLIP, 1 - CLIP)
    return np.log(share / (1 - share))


def fit(rows: pd.DataFrame) -> dict:
    """Fit the constants: one ridge regression before, and one after anybody has said a word.

    The penalty is the one that foretells best the kinds that it was not fitted to, and the spread
    is that of its errors there: a new laboratory is another kind.
    """
    constants = {}
    for name, chosen in (("before", rows.state == "before"), ("after", rows.state != "before")):
        some = rows[chosen]
        X, y = pd.DataFrame(some.figures.tolist()), log_odds(some.accuracy.to_numpy())
        scale = X.std(ddof=0).where(X.std(ddof=0) > 1e-9, 1.0)
        scaled, kinds = ((X - X.mean()) / scale).to_numpy(), some.kind.to_numpy()
        errors = {}
        for penalty in PENALTIES:
            model = Ridge(penalty)
            elsewhere = cross_val_predict(model, scaled, y, groups=kinds, cv=LeaveOneGroupOut())
            errors[penalty] = np.sqrt(np.mean((elsewhere - y) ** 2))
        best = min(errors, key=errors.get)
        model = Ridge(best).fit(scaled, y)
        constants[name] = {
            "intercept": round(float(model.intercept_), 4),
            "figures": {
                figure: [round(slope, 4), *X[figure].agg(["mean", "min", "max"]).round(4).tolist()]
                for figure, slope in zip(X, (model.coef_ / scale).tolist(), strict=True)
            },
            "spread": round(float(errors[best]), 4),
        }
    return constants | {"learning": fit_learning(rows)}


def fit_learning(rows: pd.DataFrame) -> dict[str, float]:
    """Fit what answers make of the accuracy; see people/expected.py."""
    steps = {"before": 0, "clusters": 0} | {f"{n} answers": n for n in ANSWERS}
    growth, gain = [], []
    for _, one in rows.groupby(["case", "variant"]):
        some = one[one.state != "before"] if "clusters" in set(one.state) else one
        known = [
            (steps[state], log_odds(y)) for state, y in zip(some.state, some.accuracy, strict=True)
        ]
        for k, before in known:
            for n, after in known:
                if k < n:
                    time = np.log((n + 10) / (k + 10))
                    growth.append([time, time * before])
                    gain.append(after - before)
    growth, gain = np.array(growth), np.array(gain)
    (a, s), *_ = np.linalg.lstsq(growth, gain, rcond=None)
    scaled = (gain - growth @ [a, s]) * np.sqrt(np.log(6) / growth[:, 0])
    return {"gain": round(a, 4), "slope": round(s, 4), "spread": round(float(np.std(scaled)), 4)}


def foretell(rows: pd.DataFrame, constants: dict) -> pd.DataFrame:
    """Foretell the accuracy of each row."""
    table = []
    for row in rows.itertuples():
        found = expected_of(row.figures, row.cells, Share(*row.share), constants)
        shown = np.floor(100 * found.low) / 100, np.ceil(100 * found.high) / 100
        table.append(
            {
                "error": 100 * abs(found.value - row.accuracy),
                "holds": shown[0] - 1e-9 <= row.accuracy <= shown[1] + 1e-9,
                "width": 100 * (found.high - found.low),
                "warns": found.warns,
                "least": found.wanted[0] if found.wanted else np.nan,
                "most": found.wanted[1] if found.wanted else np.nan,
            }
        )
    return pd.DataFrame(table, index=rows.index)


def left_out(rows: pd.DataFrame, by: str) -> pd.DataFrame:
    """Foretell each group by constants that are fitted to the others."""
    parts = [
        foretell(rows[rows[by] == name], fit(rows[rows[by] != name])) for name in rows[by].unique()
    ]
    return rows.join(pd.concat(parts))


def tell(rows: pd.DataFrame, by: str) -> tuple[float, float, float, str]:
    """Print how well accuracy is foretold if each group is left out of the fit."""
    found = left_out(rows, by) if by else rows
    print(f"\nleft out by {by}" if by else "")
    for state, some in found.groupby("state", sort=False):
        print(
            f"{state:<12} {len(some):>4} runs, accuracy {100 * some.accuracy.min():.0f} to "
            f"{100 * some.accuracy.max():.0f}: median error {some.error.median():.1f}, mean "
            f"{some.error.mean():.1f}, {100 * some.holds.mean():.0f} % of ranges hold, median "
            f"width {some.width.median():.0f}"
        )
    before = found[found.state == "before"]
    poor = before.accuracy < WARNED_BELOW
    warned = f"{before.warns[poor].sum()} of {poor.sum()}"
    others = f"{before.warns[~poor].sum()} of {(~poor).sum()}"
    print(f"warned of {warned} under 70 %, and of {others} others")
    tell_wanted(found)
    last = found[found.state == f"{ANSWERS[-1]} answers"]
    return before.error.median(), last.error.median(), 100 * found.holds.mean(), warned


def tell_wanted(found: pd.DataFrame) -> None:
    """Print how often the wanted accuracy came after as many answers as were foretold."""
    holds, open_end, steps = [], [], (0, *ANSWERS)
    for _, one in found.groupby(["case", "variant"]):
        after = one.set_index("state")
        if "clusters" in after.index or f"{ANSWERS[0]} answers" not in after.index:
            continue
        least, most = after.loc["before", ["least", "most"]]
        good = [after.accuracy[f"{n} answers" if n else "before"] >= WANTED for n in steps]
        reached = good.index(True) if any(good) else len(steps)
        since = steps[reached - 1] + 1 if reached else 0
        until = steps[reached] if reached < len(steps) else np.inf
        if np.isnan(least):
            least, most = ANSWERS[-1] + 1, np.inf
        most = np.inf if most > ANSWERS[-1] else most
        holds.append(least <= until and most >= since)
        open_end.append(np.isinf(most))
    print(
        f"answers wanted for {100 * WANTED:.0f} %: {100 * np.mean(holds):.0f} % of {len(holds)} "
        f"ranges hold, {sum(open_end)} of them open"
    )


def tell_yardsticks(rows: pd.DataFrame) -> None:
    """Print how well others' estimates do, as they are."""
    for name in ("atc", "cot"):
        error = 100 * (rows[name] - rows.accuracy).abs().dropna()
        print(f"yardstick {name}: median error {error.median():.1f}, mean {error.mean():.1f}")


def collect(options: argparse.Namespace) -> pd.DataFrame:
    """Measure every case that the table does not have yet."""
    rows = []
    if options.table and options.table.exists():
        rows = [json.loads(line) for line in options.table.read_text().splitlines()]
    done, cache = {row["case"] for row in rows}, Cache()
    for case in draw_cases(options):
        if case.name in done:
            continue
        config = replace(DEFAULT, encoders=options.encoders)
        whole = prepare(case.reference, case.query, config, cache=cache)
        variants = range(2 if options.set else VARIANTS)
        more = [row for row in measure_case(case, whole, variants, cache) if row["figures"]]
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
    parser.add_argument("--harder", type=int, default=16)
    parser.add_argument("--set", nargs="*", default=[])
    parser.add_argument("--encoders", type=parse_encoders, default=DEFAULT.encoders)
    parser.add_argument("--table", type=Path)
    parser.add_argument("--fit", action="store_true")
    options = parser.parse_args()
    rows = collect(options)
    tell_yardsticks(rows)
    if options.set:
        shipped = json.loads(CONSTANTS.read_text(encoding="utf-8"))
        rows = rows.join(foretell(rows, shipped))
        print(rows[["case", "variant", "state", "accuracy", "error", "holds", "width"]].to_string())
        first, last, holds, warned = tell(rows, "")
    else:
        tell(rows, "kind")
        first, last, holds, warned = tell(rows, "case")
    if options.fit:
        CONSTANTS.write_text(json.dumps(fit(rows), indent=1) + "\n", encoding="utf-8")
        print(f"fitted to {len(rows)} states of {rows.case.nunique()} cases: {CONSTANTS}")
    print(
        f"median error {first:.1f} before any word, {last:.1f} after {ANSWERS[-1]} answers; "
        f"{holds:.0f} % of the 80 % ranges hold; warned of {warned} pairs under 70 %"
    )


if __name__ == "__main__":
    main()
