"""Compare the default run with plain k-NN, and measure how well it estimates type proportions.

    python tests/benchmarks/beside_plain.py --data DIR [--cases 36] [--first 0] [--set NAME ...]
        [--told expected] [--encoders A,B+C]

The cases are those of ``naming.py``. Besides the default run, all voters type the same cells by
k-NN without alignment and after centring each set, from all types of the reference or, with
``--told expected``, from those that are not ruled out. For each case: balanced accuracy in percent
of the three, and the total variation distance in percent between the true proportions of the types
(over the cells whose type the reference has) and

- those given by the matches, which transport and draws use,
- the shares of the vote,
- the mean of the probabilities of the types fitted to the query (transduction),
- expectation-maximisation of the label shift from the unaligned voters' probabilities (Saerens et
  al. 2002).

The last lines are the means, and the number of cases in which the default run is more than one
point below the better of the two k-NNs.
"""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import numpy as np

from celltransfer_core.config import Config
from celltransfer_core.evaluation import Protocol, evaluate, score, shared_labels
from celltransfer_core.pipeline import RunResult, detect, identify, prepare, run
from celltransfer_core.runtime import Cache

if __package__:
    from .naming import Case, configured, draw_cases, parse, some
else:
    from naming import Case, configured, draw_cases, parse, some

ROUNDS = 100  # of expectation-maximisation
WAYS = {"none": "unmoved", "centre": "centred"}


def shifted_proportions(probabilities: np.ndarray) -> np.ndarray:
    """Estimate proportions from probabilities that count every type the same."""
    shares = np.full(probabilities.shape[1], 1 / probabilities.shape[1])
    for _ in range(ROUNDS):
        posterior = probabilities * shares
        posterior /= np.maximum(posterior.sum(axis=1, keepdims=True), 1e-12)
        shares = posterior.mean(axis=0)
    return shares


def proportions(case: Case, found: RunResult) -> dict[str, float]:
    """Measure how far each estimate of the proportions is from the truth."""
    types = sorted({*case.reference.labels})
    known = np.isin(case.truth, types)
    truth = np.array([(case.truth[known] == name).mean() for name in types])
    matched = np.array(found.matched)[known]
    of = {voter.alignment: [] for voter in found.voters}
    for voter in found.voters:
        of[voter.alignment].append(voter.probabilities[known])
    kept = {
        "matches": np.array([(matched == name).mean() for name in found.types]),
        "vote": np.bincount(found.vote.winner[known], minlength=len(found.types)) / known.sum(),
        "fitted": np.mean(of["discriminant"], axis=0).mean(axis=0),
        "shift": shifted_proportions(np.mean(of["centre"], axis=0)),
    }
    places = [types.index(name) for name in found.types]
    distances = {}
    for name, shares in kept.items():
        whole = np.zeros(len(types))
        whole[places] = shares / shares.sum() if shares.any() else 1 / len(places)
        distances[name] = 50 * float(np.abs(whole - truth).sum())
    return distances


def plain(case: Case, config: Config, cache: Cache) -> dict[str, float]:
    """Measure k-NN of all voters from all types that are not ruled out."""
    left = [i for i, name in enumerate(case.reference.labels) if name not in config.absent]
    reference = some(case.reference, np.array(left))
    prepared = prepare(reference, case.query, replace(config, expect=(), absent=()), cache=cache)
    found = evaluate(
        prepared,
        identify(prepared, detect(prepared, cache)),
        case.truth,
        Protocol(
            ot=tuple(WAYS),
            filtering=("false",),
            methods=("ensemble",),
            identification_subsets=0,
            low_label=(),
        ),
    )
    return {WAYS[row.ot]: row.balanced_accuracy for row in found.rows}


def main() -> None:
    options = parse()
    cache = Cache()
    table = []
    for case in draw_cases(options):
        config = configured(options, case)
        found = run(case.reference, case.query, config, cache=cache)
        truth = shared_labels(case.truth, sorted({*case.reference.labels}))
        row = {"default": score(truth, np.array(found.predicted)).balanced_accuracy}
        row |= plain(case, config, cache)
        distances = proportions(case, found)
        table.append(row | distances)
        told = ", ".join(f"{name} {value:.1f}" for name, value in row.items())
        off = ", ".join(f"{name} {value:.1f}" for name, value in distances.items())
        print(f"{case.name}: {told}; proportions off by: {off}", flush=True)
    means = {name: np.mean([row[name] for row in table]) for name in table[0]}
    told = ", ".join(f"{name} {value:.1f}" for name, value in means.items())
    below = sum(row["default"] < max(row[way] for way in WAYS.values()) - 1 for row in table)
    print(f"mean of {len(table)}: {told}")
    print(f"more than one point below the better k-NN: {below} of {len(table)}")


if __name__ == "__main__":
    main()
