"""The accuracy to expect: a range before any word, and what answers make of it."""

import math

import numpy as np
import pytest

from celltransfer_core.people import Learning, Share, expect

UNKNOWN = Share(math.nan, 0.0, 1.0, 0)
LEARNING = Learning(gain=1.2, slope=-0.2, spread=0.5)


def expected(mean=1.5, spread=0.8, share=UNKNOWN, typed=0):
    return expect(mean, spread, LEARNING, share, typed)


def test_the_range_holds_as_often_as_it_says_before_and_after_answers():
    rng = np.random.default_rng(0)
    before, after, closer = [], [], []
    for _ in range(300):
        accuracy = 1 / (1 + math.exp(-rng.normal(1.5, 0.8)))
        right = rng.random(50) < accuracy
        error = 1.96 * math.sqrt(max(right.mean() * (1 - right.mean()), 0.02) / 50)
        share = Share(right.mean(), right.mean() - error, right.mean() + error, 50)
        first, then = expected(), expected(share=share, typed=50)
        before.append(first.low <= accuracy <= first.high)
        after.append(then.low <= accuracy <= then.high)
        closer.append(abs(then.value - accuracy) - abs(right.mean() - accuracy))
    assert 0.75 < np.mean(before) < 0.85
    assert 0.7 < np.mean(after) < 0.87
    assert np.mean(closer) < 0  # better than the answers alone


def test_answers_draw_the_guess_to_them_and_make_the_range_narrow():
    before = expected()
    few = expected(share=Share(0.6, 0.4, 0.8, 20), typed=20)
    many = expected(share=Share(0.6, 0.5, 0.7, 80), typed=80)
    assert before.value > few.value > many.value > 0.6
    widths = [one.high - one.low for one in (before, few, many)]
    assert widths == sorted(widths, reverse=True)
    assert (before.draws, few.draws, many.draws) == (0, 20, 80)


@pytest.mark.parametrize("share", [Share(1.0, 1.0, 1.0, 30), Share(0.0, 0.0, 0.0, 30)])
def test_answers_that_all_say_the_same_leave_a_range_inside_the_possible(share):
    found = expected(share=share, typed=30)
    assert 0 <= found.low < found.value < found.high <= 1


def test_less_is_expected_the_lower_the_odds_and_a_warning_comes():
    found = [expected(mean) for mean in (-1, 0, 1, 2, 3)]
    values = [one.value for one in found]
    assert values == sorted(values)
    assert [one.warns for one in found] == [True, True, True, False, False]
    assert found[0].poor > 0.95 > 0.05 > found[-1].poor


def test_fewer_answers_are_wanted_the_more_is_expected():
    low, high = expected(0.5, 0.4).wanted, expected(1.8, 0.4).wanted
    assert low[0] > high[0]
    assert low[1] > high[1]
    assert expected(4.0, 0.4).wanted == (0, 0)
    # What was not measured is not promised.
    assert expect(-3.0, 0.2, Learning(0.1, 0.0, 0.1), UNKNOWN, 0).wanted is None
    assert expect(0.0, 2.0, LEARNING, UNKNOWN, 0).wanted[1] > 50
