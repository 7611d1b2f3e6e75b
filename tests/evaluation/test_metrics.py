import numpy as np
import pytest

from celltransfer_core.errors import DataError
from celltransfer_core.evaluation import (
    agreement_curve,
    counted,
    deal_cells,
    folds,
    holm,
    identification,
    intervals,
    majority_types,
    paired_p,
    reliability,
    resample,
    score,
)


def test_figures_by_hand():
    truth = np.array(["a"] * 8 + ["b"] * 6 + ["c"] * 5 + [""])
    predicted = np.array(["a"] * 6 + ["b"] * 2 + ["b"] * 3 + ["a"] * 3 + ["a"] * 6)
    found = score(truth, predicted)  # c is too rare, and the last cell has no label
    assert found.accuracy == pytest.approx(100 * 9 / 14)
    assert found.recall == pytest.approx({"a": 75.0, "b": 50.0})
    assert found.balanced_accuracy == pytest.approx(62.5)
    f1_a, f1_b = 2 * 6 / (8 + 9), 2 * 3 / (6 + 5)
    assert found.f1 == pytest.approx(100 * (8 * f1_a + 6 * f1_b) / 14)


def test_no_type_with_enough_cells():
    with pytest.raises(DataError, match="6 labelled cells"):
        score(np.array(["a"] * 5), np.array(["a"] * 5))


def test_majority_of_labelled_cells():
    clusters = np.array([0, 0, 0, 1, 1, 2])
    truth = np.array(["", "", "a", "b", "b", ""])
    assert majority_types(clusters, truth) == ("a", "b", "")


def test_parts_hold_every_type_evenly(rng):
    truth = np.array(["a"] * 40 + ["b"] * 10 + [""] * 7)
    parts = deal_cells(truth, 10, rng)
    assert sorted(np.concatenate(parts)) == list(range(50))
    assert all((truth[part] == "b").sum() == 1 for part in parts)
    assert len(deal_cells(truth[:3], 10, rng)) == 3


def test_intervals_hold_what_theory_says(rng):
    truth = np.array(["a"] * 300 + ["b"] * 100)
    right = rng.random(400) < 0.8
    accuracy, balanced = intervals(truth, right, resample(400, rng))
    half = 196 * np.sqrt(right.mean() * (1 - right.mean()) / 400)
    assert accuracy == pytest.approx((100 * right.mean() - half, 100 * right.mean() + half), abs=1)
    mean = np.mean([right[:300].mean(), right[300:].mean()])
    assert balanced[0] < 100 * mean < balanced[1]
    assert balanced[1] - balanced[0] > accuracy[1] - accuracy[0]


def test_holm_by_hand():
    np.testing.assert_allclose(holm([0.01, 0.04, 0.03]), [0.03, 0.06, 0.06])
    np.testing.assert_allclose(holm([0.9, 0.8]), [1.0, 1.0])


def test_paired_differences():
    assert paired_p([1, 2, 3], [1, 2, 3]) == 1.0
    better = np.arange(10) + 1.0
    assert paired_p(better, np.zeros(10)) == pytest.approx(2 / 2**10)


def test_eqs_5_and_24_on_the_papers_table_1():
    """WBC after Louvain: 0, 1, 3, 4, 6, 9 found, 0, 1, 3, 4, 6 shared, six of eleven to filter."""
    reference = [str(n) for n in (0, 1, 3, 4, 6, 8, 9, 10, 11, 12, 13)]
    matched = ["0", "1", "3", "4", "6", "9", "3", "6", "0"]
    majority = ["0", "1", "3", "4", "6", "3", "3", "6", "0"]
    query = {str(n): 50 for n in (0, 1, 2, 3, 4, 5, 6, 7)}
    found = identification(matched, majority, reference, query)
    assert found.global_accuracy == pytest.approx(100 * 5 / 6)
    assert found.cluster_accuracy == pytest.approx(100 * 8 / 9)
    assert found.accuracy == pytest.approx(86.11, abs=0.005)
    assert found.predicted == ("0", "1", "3", "4", "6", "9")


def test_rare_types_are_neither_shared_nor_to_filter():
    found = identification(["a"], ["a"], ["a", "b"], {"a": 50, "b": 3})
    assert found.accuracy == 100
    nothing = identification(["none"], ["b"], ["a"], {"b": 50})
    assert nothing.accuracy == 0
    assert nothing.predicted == ()


def test_agreement_tells_errors_apart():
    agreement = np.r_[np.full(8, 1.0), np.full(2, 0.2)]
    right = np.r_[np.ones(8, bool), False, False]
    curve = agreement_curve(agreement, right, points=10)
    np.testing.assert_allclose(curve.accuracy_kept[7:], [100, 800 / 9, 80])
    np.testing.assert_allclose(curve.errors_caught[7:], [100, 50, 0])
    # With nothing to go by, errors are caught as fast as cells are reviewed.
    blind = agreement_curve(np.ones(10), right, points=10)
    np.testing.assert_allclose(blind.accuracy_kept, 80)
    np.testing.assert_allclose(blind.errors_caught, 100 * (1 - blind.share))
    assert np.isnan(agreement_curve(agreement, np.ones(10, bool)).errors_caught).all()


def test_reliability_by_hand():
    confidence = np.array([0.95, 0.95, 1.0, 0.55, 0.55])
    right = np.array([True, True, False, True, False])
    found = reliability(confidence, right)
    assert found.cells.tolist() == [0, 0, 0, 0, 0, 2, 0, 0, 0, 3]
    expected = (3 * (290 / 3 - 200 / 3) + 2 * (55 - 50)) / 5
    assert found.expected_calibration_error == pytest.approx(expected)


def test_folds_keep_patients_together():
    truth = np.array(["a", "b"] * 30)
    patients = [f"p{number // 6}" for number in range(60)]
    for fold in folds(truth, patients, 0):
        inside = {patients[cell] for cell in fold}
        assert not inside & {patients[c] for c in set(range(60)) - set(fold.tolist())}
    assert sorted(np.concatenate(folds(truth, None, 0))) == list(range(60))
    assert len(folds(truth, [""] * 60, 0)) == 5


def test_rare_types_do_not_count():
    truth = np.array(["a"] * 6 + ["b"] * 5)
    assert counted(truth).tolist() == [True] * 6 + [False] * 5
