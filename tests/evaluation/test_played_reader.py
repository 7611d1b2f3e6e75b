from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from celltransfer_core.config import DEFAULT
from celltransfer_core.errors import DataError
from celltransfer_core.evaluation import ASKING_ORDERS
from celltransfer_core.evaluation.played_reader import _Reader, play_reader
from celltransfer_core.evaluation.report import calibration_table, reader_figure, reader_table
from celltransfer_core.pipeline import detect, identify, prepare
from celltransfer_core.runtime import Cache


@pytest.fixture(scope="module")
def played(reference, query, tmp_path_factory):
    config = replace(DEFAULT, encoders=(("colour",),))
    cache = Cache(tmp_path_factory.mktemp("c"))
    prepared = prepare(reference, query, config, cache=cache, workers=1)
    numbers = [int(Path(file).stem) for file in query.first_file]
    truth = np.array(["lymphocyte" if number % 3 else "eosinophil" for number in numbers])
    truth[:2] = ""  # two cells that nobody knows
    return prepared, identify(prepared, detect(prepared)), truth, cache


def play(played, **how):
    prepared, named, truth, cache = played
    return play_reader(prepared, named, truth, repeats=2, answers=10, cache=cache, workers=1, **how)


def test_curves_of_every_order(played):
    reading = play(played)
    table = reader_table(reading)
    assert [*table.columns] == [
        "order",
        "answers",
        "accuracy",
        "balanced_accuracy",
        "accuracy_untyped",
        "balanced_accuracy_untyped",
    ]
    assert [(p.order, p.answers) for p in reading.points] == [
        (order, step) for order in ASKING_ORDERS for step in (0, 5, 10)
    ]
    # Before any answer the orders are one; drawn cells of two colours are easy to tell.
    begin = table[table["answers"] == 0].drop(columns="order")
    assert (begin == begin.iloc[0]).all(axis=None)
    assert table["accuracy"].between(60, 100).all()
    assert reading.calibration.cells.sum() > 0
    assert len(calibration_table(reading)) == 20
    assert reader_table(play(played)).equals(table)
    assert len(reader_figure(reading.points).data) == 2 * len(ASKING_ORDERS)


def test_a_reader_errs_as_often_as_told(rng):
    truth = np.array(["a", "b", "c", ""] * 500)
    assert _Reader(truth, 0.0, rng).said.tolist() == truth.tolist()
    said = _Reader(truth, 0.1, rng).said
    assert (said[truth == ""] == "").all()
    assert 0.07 < (said != truth)[truth != ""].mean() < 0.13


def test_a_reader_keeps_a_type_that_is_among_the_cells_most_like_it(played, rng):
    prepared, named, truth, _ = played
    matches = tuple(replace(match, matched_type="neutrophil") for match in named.matches)
    all_one = replace(named, matches=matches)
    there = {
        name: name in truth[cells]
        for name, cells in zip(prepared.types, named.alike, strict=True)
        if name != "neutrophil"
    }
    kept = _Reader(truth, 0.0, rng).on_types(all_one, prepared.types)
    assert kept == tuple(name for name in prepared.types if there.get(name))
    wrong = _Reader(truth, 0.999, rng).on_types(all_one, prepared.types)
    assert set(wrong) == set(there) - set(kept)


def test_wrong_answers_are_said_as_they_are(played):
    wrong, right = play(played, errors=0.4), play(played)
    assert wrong.points[-1].accuracy < right.points[-1].accuracy


def test_errors_out_of_range(played):
    with pytest.raises(DataError, match="--reader-errors"):
        play(played, errors=1.0)
