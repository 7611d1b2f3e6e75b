import numpy as np
import pytest
from scipy.stats import binom

from celltransfer_core.evaluation import compare, mistakes
from celltransfer_core.evaluation.report import (
    describe_comparison,
    error_matrix_figure,
    prediction_name,
)

TRUTH = np.array(["a"] * 40 + ["b"] * 60)


def wrong_on(*cells):
    """Predict all rightly but some cells."""
    predicted = TRUTH.copy()
    predicted[[*cells]] = np.where(TRUTH[[*cells]] == "a", "b", "a")
    return predicted


def test_each_cell_is_counted_once_and_by_its_true_type():
    found = compare(TRUTH, wrong_on(0, 1, 50), wrong_on(1, *range(50, 60)))
    pair = found.overall
    assert (pair.cells, pair.both, pair.only_first, pair.only_second) == (100, 88, 9, 1)
    assert (pair.first, pair.second, pair.lead) == (97, 89, 8)
    assert (found.by_type["a"].lead, found.by_type["b"].lead) == (-1, 9)
    # McNemar's exact test is a fair coin thrown for each cell that parts the two.
    assert pair.p == pytest.approx(2 * binom.cdf(1, 10, 0.5))
    assert found.p_by_type["b"] == pytest.approx(2 * 2 * 0.5**9)  # Holm, over two types
    assert found.p_by_type["a"] == 1


def test_the_interval_holds_the_lead_and_turns_with_the_methods():
    one, two = wrong_on(0, 1, 50), wrong_on(1, *range(50, 60))
    (low, high), turned = (compare(TRUTH, *p).overall.interval for p in ((one, two), (two, one)))
    assert low < 8 < high
    assert low > 0  # as the test says
    assert turned == pytest.approx((-high, -low))
    assert compare(TRUTH, one, one).overall.interval == (0, 0)
    assert compare(TRUTH, one, one).overall.p == 1


def test_the_sentence_tells_chance_from_more():
    ahead = describe_comparison(compare(TRUTH, wrong_on(0), wrong_on(*range(50, 60))), "P", "Q")
    assert "P is ahead by 9 of 100 cells (9.0 points" in ahead
    assert ": more than expected by chance (p = 0.012)" in ahead
    assert "10 more of b, more than chance; 1 fewer of a." in ahead
    behind = describe_comparison(compare(TRUTH, wrong_on(*range(50, 60)), wrong_on(0)), "Q", "P")
    assert behind == ahead
    close = describe_comparison(compare(TRUTH, wrong_on(0), wrong_on(50, 51)), "P", "Q")
    assert ": no more than expected by chance (p = 1.000)" in close
    assert "−" in close  # the interval reaches below none
    tied = describe_comparison(compare(TRUTH, wrong_on(0), wrong_on(50)), "P", "Q")
    assert tied.startswith("Neither P nor Q is ahead. Only P is right on 1 cell, only Q on 1.")
    same = describe_comparison(compare(TRUTH, wrong_on(0), wrong_on(0)), "P", "Q")
    assert same == "P and Q are right on the same cells."


def test_methods_have_plain_names():
    assert prediction_name("knn:cell", "none") == "Nearest neighbours on cell (no alignment)"
    assert (
        prediction_name("knn:a+b+c", "fgw")
        == "Nearest neighbours on a, b and c (optimal transport)"
    )
    assert prediction_name("majority", "none", "false") == "Always the most common type"
    assert prediction_name("ceiling:cell", "none") == "The query's own labels, on cell"
    assert "(centring, all types of the reference)" in prediction_name(
        "linear:a", "centre", "false"
    )


def test_mistakes_are_listed_by_pair_and_all_of_them():
    predicted = wrong_on(0, 50, 51)
    predicted[60] = ""
    found = mistakes(TRUTH, predicted)
    assert [(one.truth, one.predicted, one.cells) for one in found] == [
        ("b", "a", (50, 51)),
        ("a", "b", (0,)),
    ]


@pytest.mark.parametrize(
    ("share", "written"),
    [
        ("cells", ["39", "1", "10", "50"]),
        ("true", ["97.5", "2.5", "16.7", "83.3"]),
        ("predicted", ["79.6", "2.0", "20.4", "98.0"]),
    ],
)
def test_the_matrix_writes_cells_or_percent_of_a_row_or_a_column(share, written):
    figure = error_matrix_figure(TRUTH, wrong_on(0, *range(50, 60)), ["b", "a"], share)
    shown = next(trace for trace in figure.data if trace.text is not None)
    numbers = dict(zip(zip(shown.y, shown.x, strict=True), shown.text, strict=True))
    # Rows are true types, in the order given: b, then a.
    assert [numbers[place] for place in ((1, 1), (1, 0), (0, 1), (0, 0))] == written
    assert "89 of 100 cells right (89.0 %)" in figure.layout.title.text
    points = next(trace for trace in figure.data if trace.customdata is not None)
    assert {tuple(pair) for pair in points.customdata} == {(x, y) for x in "ab" for y in "ab"}
