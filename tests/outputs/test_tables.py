from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from celltransfer_core.outputs import (
    BY_PREDICTION,
    TAKEN_FIRST,
    cells_table,
    differential_table,
    manifest,
    predictions_table,
    reviewed_table,
    reviews_table,
)
from celltransfer_core.people import (
    CALIBRATED_FROM,
    KINDS,
    Annotations,
    calibrate,
    prediction_sets,
    sample_order,
)
from celltransfer_core.pipeline import update_vote
from celltransfer_core.pipeline.votes import ensemble_vote
from celltransfer_core.vocabulary import ARTEFACT, UNSURE


def test_a_slides_differential_count(result):
    table = differential_table(result)
    assert table["cells"].sum() == result.query.n_cells
    n = len(result.query.files)
    halves = tuple("s1" if i < 10 else "s2" for i in range(n))
    slides = replace(result.query, slide=halves, patient=("p",) * n)
    table = differential_table(replace(result, query=slides))
    first = table[table["slide"] == "s1"]
    assert first["cells"].sum() == 10
    assert first["percent"].sum() == pytest.approx(100)
    assert set(first["patient"]) == {"p"}
    assert ((first["low"] <= first["percent"]) & (first["percent"] <= first["high"])).all()
    none = first[first["cells"] == 0]
    # Wilson's interval for 0 of 10 at 95 %.
    assert none["high"].tolist() == pytest.approx([27.75] * len(none), abs=0.01)


def test_a_differential_count_after_review(result):
    counted = ["blast", ARTEFACT, *result.predicted[2:]]
    table = differential_table(result, counted)
    assert table["cells"].sum() == result.query.n_cells - 1
    assert table["percent"].sum() == pytest.approx(100)
    assert table["type"].tolist() == [*result.types, "blast"]
    assert len(differential_table(result, [ARTEFACT] * result.query.n_cells)) == 0


def test_reviews_follow_the_predictions_and_change_none(result, answer):
    other = next(name for name in result.types if name != result.predicted[0])
    reviews = [
        answer(0, UNSURE),
        answer(0, other, minute=1),
        answer(1, ARTEFACT, "Ben", 2),
        answer(2, UNSURE, minute=3),
    ]
    table = reviewed_table(result, reviews)
    plain = predictions_table(result)
    pd.testing.assert_frame_equal(table[plain.columns], plain)
    said = ["reviewed_type", "final_type", "reviewed_by", "reviewed_at", "decided_by"]
    assert [*table.columns[-5:]] == said
    shown = table.set_index("sha256")[said[:4]].T
    cells = result.query.cells
    assert shown[cells[0]].tolist() == [other, other, "Ann", "2025-01-01T00:01:00"]
    assert shown[cells[1]].tolist() == [ARTEFACT, ARTEFACT, "Ben", "2025-01-01T00:02:00"]
    assert shown[cells[2]].tolist() == [UNSURE, result.predicted[2], "Ann", "2025-01-01T00:03:00"]
    assert shown[cells[3]].tolist() == ["", result.predicted[3], "", ""]
    every = reviews_table(result.query, [*reviews, replace(reviews[0], cell="gone")])
    assert every["type"].tolist() == [UNSURE, other, ARTEFACT, UNSURE]
    assert every["file"].tolist() == [result.query.first_file[cell] for cell in (0, 0, 1, 2)]


def test_what_a_person_takes_away_comes_first_and_no_column_is_lost(result, answer):
    other = next(name for name in result.types if name != result.predicted[0])
    reviews = [
        answer(0, other),
        answer(0, other, "Ben", 1),
        answer(1, UNSURE, minute=2),
        answer(2, result.types[0], minute=3),
        answer(2, result.types[1], "Ben", 4),
    ]
    table, plain = cells_table(result, reviews), reviewed_table(result, reviews)
    assert tuple(table.columns[:5]) == TAKEN_FIRST
    assert TAKEN_FIRST == ("file", "final_type", "decided_by", "confidence", "flagged")
    pd.testing.assert_frame_equal(table[[*plain]], plain)
    by = table.set_index("sha256")["decided_by"]
    cells = result.query.cells
    assert [by[cells[cell]] for cell in range(4)] == ["Ann; Ben", BY_PREDICTION, "", BY_PREDICTION]


def test_shares_are_of_the_vote_before_and_after_answers(result):
    confirmed = Annotations(clusters=tuple((k, result.types[0]) for k in range(2)))
    typed = Annotations(cells=((0, result.types[1]), (5, "blast")))
    for run in (result, update_vote(result, confirmed), update_vote(result, typed)):
        table = predictions_table(run)
        shares = table.filter(like="share:")
        np.testing.assert_allclose(shares.sum(axis=1), 1)
        types = [name.removeprefix("share:") for name in shares]
        assert types == [*run.types]
        rows = np.arange(len(table))
        of_predicted = shares.to_numpy()[rows, [types.index(t) for t in table["predicted_type"]]]
        np.testing.assert_allclose(of_predicted, table["confidence"], atol=1e-12)
        likeliest = np.array(types)[shares.to_numpy().argmax(axis=1)]
        # First choices are counted: where another type is likelier on average, few agree.
        other = likeliest != table["predicted_type"]
        assert other.mean() < 0.1
        assert (table["agreement"][other] < 0.9).all()


def test_a_voters_share_falls_with_its_entropy(result):
    sure, unsure = np.zeros((2, result.query.n_cells, len(result.types)))
    sure[:, 0] = 1
    unsure[:, 1:] = 1 / (len(result.types) - 1)
    voters = [replace(result.voters[0], weight=0.5, probabilities=rows) for rows in (sure, unsure)]
    run = replace(result, voters=tuple(voters), vote=ensemble_vote(voters))
    certainty = 1 - np.log(len(result.types) - 1) / np.log(len(result.types))
    expected = 1 / (1 + certainty)
    table = predictions_table(run)
    np.testing.assert_allclose(table[f"share:{result.types[0]}"], expected)
    np.testing.assert_allclose(table["confidence"], expected)


def test_who_decided_follows_the_predictions(result):
    annotations = Annotations(((0, result.types[1]),), ((0, "blast"), (1, result.types[0])))
    updated = update_vote(result, annotations)
    table, plain = predictions_table(updated), predictions_table(result)
    assert [*table.columns[:7]] == [*plain.columns[:7]]
    assert table["ensemble_type"].tolist() == plain["predicted_type"].tolist()
    shares = table[[f"say:{kind}" for kind in KINDS]]
    np.testing.assert_allclose(shares.sum(axis=1), 1)
    np.testing.assert_allclose(table.filter(like="share:").sum(axis=1), 1)
    assert {"share:blast", "vote:typed", "distance", "unknown"} <= set(table.columns)
    assert manifest(updated)["taught"]["cells"] == 2
    assert table["calibrated_confidence"].isna().all()  # two cells are too few


def test_calibrated_confidence_and_sets_follow_what_was_typed(result, answer):
    drawn = sample_order(result.query.cells, result.config.seed)[:CALIBRATED_FROM].tolist()
    typed = tuple((cell, result.predicted[cell]) for cell in sorted(drawn))
    updated = update_vote(result, Annotations((), typed))
    reviews = [replace(answer(c, result.predicted[c]), blind=True) for c in drawn]
    table = reviewed_table(updated, reviews).set_index("sha256").loc[list(result.query.cells)]
    worth = calibrate(updated.updated)
    np.testing.assert_array_equal(table["calibrated_confidence"], worth.confidence)
    sets = prediction_sets(updated.updated, drawn)
    assert len(sets.missing) < len(updated.types)
    assert not sets.holds.all()
    for cell, left in enumerate(table["not_ruled_out"]):
        held = {name for name, held in zip(updated.types, sets.holds[cell], strict=True) if held}
        assert set(filter(None, left.split("|"))) == held
