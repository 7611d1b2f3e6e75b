"""The accuracy to expect: a range before any word, and what answers make of it."""

import math

import numpy as np
import pytest

from celltransfer_core.people import Learning, Share, expect

UNKNOWN = Share(math.nan, 0.0, 1.0, 0)
LEARNING = Learning(plateau=2.5, rate=0.6, spread=0.5)

CERTAIN = Learning(plateau=3.0, rate=0.8, spread=0.1)
NOTHING_LEARNT = Learning(plateau=0.0, rate=0.0, spread=0.0)


def expected(mean=1.5, spread=0.8, share=UNKNOWN, answers=0):
    return expect(mean, spread, LEARNING, answers, share)


def test_the_range_holds_as_often_as_it_says_before_and_after_answers():
    rng = np.random.default_rng(0)
    before, after, closer = [], [], []
    for _ in range(300):
        accuracy = 1 / (1 + math.exp(-rng.normal(1.5, 0.8)))
        right = rng.random(50) < accuracy
        error = 1.96 * math.sqrt(max(right.mean() * (1 - right.mean()), 0.02) / 50)
        share = Share(right.mean(), right.mean() - error, right.mean() + error, 50)
        first, then = expected(), expect(1.5, 0.8, NOTHING_LEARNT, 50, share)
        before.append(first.low <= accuracy <= first.high)
        after.append(then.low <= accuracy <= then.high)
        closer.append(abs(then.value - accuracy) - abs(right.mean() - accuracy))
    assert 0.75 < np.mean(before) < 0.85
    assert 0.7 < np.mean(after) < 0.87
    assert np.mean(closer) < 0  # better than the answers alone


def test_answers_draw_the_guess_to_them_and_make_the_range_narrow():
    before = expected()
    few, many = (
        expect(1.5, 0.8, NOTHING_LEARNT, share.draws, share)
        for share in (Share(0.6, 0.4, 0.8, 20), Share(0.6, 0.5, 0.7, 80))
    )
    assert before.value > few.value > many.value > 0.6
    widths = [one.high - one.low for one in (before, few, many)]
    assert widths == sorted(widths, reverse=True)
    assert (before.draws, few.draws, many.draws) == (0, 20, 80)


@pytest.mark.parametrize("share", [Share(1.0, 1.0, 1.0, 30), Share(0.0, 0.0, 0.0, 30)])
def test_answers_that_all_say_the_same_leave_a_range_inside_the_possible(share):
    found = expected(share=share, answers=30)
    assert 0 <= found.low < found.value < found.high <= 1


def test_less_is_expected_the_lower_the_odds_and_a_warning_comes():
    found = [expected(mean) for mean in (-1, 0, 1, 2, 3)]
    values = [one.value for one in found]
    assert values == sorted(values)
    assert [one.warns for one in found] == [True, True, True, False, False]
    assert found[0].poor > 0.95 > 0.05 > found[-1].poor


def test_fewer_answers_are_wanted_the_more_is_expected():
    low, high = (expect(mean, 0.2, CERTAIN, 0, UNKNOWN).wanted for mean in (1.2, 1.8))
    assert low[0] > high[0]
    assert low[1] > high[1]
    assert expected(4.0, 0.4).wanted == (0, 0)
    # What was not measured is not promised.
    assert expect(-3.0, 0.2, Learning(0.0, 0.1, 0.1), 0, UNKNOWN).wanted is None
    assert expect(0.0, 2.0, LEARNING, 0, UNKNOWN).wanted[1] > 50


def test_answers_lead_to_the_plateau_in_one_step_or_in_many():
    once = LEARNING.after(-1.0, 0, 50)
    assert -1.0 < once < LEARNING.plateau
    twice = LEARNING.after(LEARNING.after(-1.0, 0, 20), 20, 30)
    np.testing.assert_allclose(once, twice)
    spread = LEARNING.spread_after(LEARNING.spread_after(1.0, 0, 20), 20, 30)
    np.testing.assert_allclose(LEARNING.spread_after(1.0, 0, 50), spread)
    np.testing.assert_allclose(LEARNING.after(-1.0, 0, 1e15), LEARNING.plateau)
    assert LEARNING.spread_after(0.9, 7, 0) == 0.9
