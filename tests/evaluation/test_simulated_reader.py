from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from celltransfer_core.cli.sentences import describe_evaluation
from celltransfer_core.config import DEFAULT
from celltransfer_core.errors import DataError
from celltransfer_core.evaluation import ASKING_ORDERS, SimulatedReader, simulate_reader
from celltransfer_core.evaluation.report import calibration_table, reader_figure, reader_table
from celltransfer_core.people import composition
from celltransfer_core.pipeline import detect, identify, prepare
from celltransfer_core.runtime import Cache


@pytest.fixture(scope="module")
def study(reference, query, tmp_path_factory):
    config = replace(DEFAULT, encoders=(("colour",),))
    cache = Cache(tmp_path_factory.mktemp("c"))
    prepared = prepare(reference, query, config, cache=cache, workers=1)
    numbers = [int(Path(file).stem) for file in query.first_file]
    truth = np.array(["lymphocyte" if number % 3 else "eosinophil" for number in numbers])
    truth[:2] = ""  # two cells that nobody knows
    return prepared, identify(prepared, detect(prepared)), truth, cache


def simulated(study, **how):
    prepared, named, truth, cache = study
    return simulate_reader(
        prepared, named, truth, repeats=2, answers=10, cache=cache, workers=1, **how
    )


def test_curves_of_every_order(study):
    reading = simulated(study)
    table = reader_table(reading)
    assert [*table.columns] == [
        "order",
        "answers",
        "accuracy",
        "balanced_accuracy",
        "accuracy_untyped",
        "balanced_accuracy_untyped",
        "accuracy_vote",
        "estimated_accuracy",
        "estimated_low",
        "estimated_high",
        "interval_holds",
        "flagged",
        "errors_caught",
        "errors_unflagged",
        "expected_errors",
        "expected_low",
        "expected_high",
        "errors_within",
    ]
    assert [(p.order, p.answers) for p in reading.points] == [
        (order, step) for order in ASKING_ORDERS for step in (0, 5, 10)
    ]
    # Before any answer the orders are one; drawn cells of two colours are easy to tell.
    begin = table[table["answers"] == 0].drop(columns="order")
    assert len(begin.drop_duplicates()) == 1
    assert table["accuracy"].between(60, 100).all()
    assert reading.calibration.cells.sum() > 0
    assert len(calibration_table(reading)) == 20
    assert reader_table(simulated(study)).equals(table)
    assert len(reader_figure(reading.points).data) == 2 * len(ASKING_ORDERS)


def test_accuracy_is_estimated_once_enough_cells_were_drawn(study, monkeypatch):
    monkeypatch.setattr(composition, "ESTIMATED_FROM", 10)  # every second answer is drawn
    prepared, named, truth, cache = study
    reading = simulate_reader(prepared, named, truth, repeats=1, answers=25, cache=cache, workers=1)
    table = reader_table(reading).set_index(["order", "answers"])
    assert table.loc[("queue", 15)][["estimated_accuracy", "interval_holds"]].isna().all()
    queue = table.loc[("queue", 25)]
    assert queue["estimated_low"] <= queue["estimated_accuracy"] <= queue["estimated_high"]
    holds = queue["estimated_low"] <= queue["accuracy_vote"] <= queue["estimated_high"]
    assert queue["interval_holds"] == 100 * holds
    # Cells of the smallest margin were not drawn: nothing follows for the others.
    assert np.isnan(table.loc[("margin", 25)]["estimated_accuracy"])


def test_the_screen_tells_what_answers_were_worth(study):
    reading = simulated(study)
    told = describe_evaluation(SimpleNamespace(notes=(), rows=(), reading=reading)).splitlines()
    first = next(p for p in reading.points if p.order == "queue" and p.answers == 0)
    assert told[-1] == (
        f"  clusters confirmed,  0 cells typed: {first.accuracy:.1f}, balanced "
        f"{first.balanced_accuracy:.1f}"
    )
    assert "reader.csv" in told[-2]


def test_expected_errors_are_compared_with_the_true_ones(study):
    table = reader_table(simulated(study))
    queue = table[table["order"] == "queue"]
    assert queue["flagged"].between(0, 100).all()
    left = queue.dropna(subset="errors_unflagged")
    assert len(left)
    assert (left["expected_low"] <= left["expected_errors"]).all()
    assert (left["expected_errors"] <= left["expected_high"]).all()
    within = left["errors_unflagged"].between(left["expected_low"], left["expected_high"])
    assert (left["errors_within"][within] > 0).all()


def test_a_reader_errs_as_often_as_wanted(rng):
    truth = np.array(["a", "b", "c", ""] * 500)
    assert SimulatedReader(truth, 0.0, rng).answers.tolist() == truth.tolist()
    answers = SimulatedReader(truth, 0.1, rng).answers
    assert (answers[truth == ""] == "").all()
    assert 0.07 < (answers != truth)[truth != ""].mean() < 0.13


def test_a_reader_keeps_a_type_that_is_among_the_cells_most_like_it(study, rng):
    prepared, named, truth, _ = study
    matches = tuple(replace(match, matched_type="neutrophil") for match in named.matches)
    all_one = replace(named, matches=matches)
    there = {
        name: name in truth[cells]
        for name, cells in zip(prepared.types, named.alike, strict=True)
        if name != "neutrophil"
    }
    kept = SimulatedReader(truth, 0.0, rng).on_types(all_one, prepared.types)
    assert kept == tuple(name for name in prepared.types if there.get(name))
    wrong = SimulatedReader(truth, 0.999, rng).on_types(all_one, prepared.types)
    assert set(wrong) == set(there) - set(kept)


def test_wrong_answers_lower_the_accuracy(study):
    wrong, right = simulated(study, errors=0.4), simulated(study)
    assert wrong.points[-1].accuracy < right.points[-1].accuracy


def test_errors_out_of_range(study):
    with pytest.raises(DataError, match="--reader-errors"):
        simulated(study, errors=1.0)
