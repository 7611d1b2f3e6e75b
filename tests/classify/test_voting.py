import numpy as np
import pytest

from celltransfer_core.classify import (
    leave_one_out_accuracy,
    mixing,
    voter_weights,
    weighted_vote,
)


def test_first_choices_are_counted_by_weight_and_certainty():
    probabilities = np.array(
        [
            [[0.9, 0.1, 0.0]],
            [[0.0, 1.0, 0.0]],
            [[1 / 3, 1 / 3, 1 / 3]],  # no certainty, so no weight
        ]
    )
    vote = weighted_vote(probabilities, np.array([0.5, 0.3, 0.2]))
    entropy = -(0.9 * np.log(0.9) + 0.1 * np.log(0.1)) / np.log(3)
    first, second = 0.5 * (1 - entropy), 0.3
    assert vote.winner[0] == (0 if first > second else 1)
    share = max(first, second) / (first + second)
    assert vote.agreement[0] == pytest.approx(share)
    np.testing.assert_array_equal(vote.choices[:2, 0], [0, 1])
    mean = (first * 0.9, first * 0.1 + second)[vote.winner[0]] / (first + second)
    assert vote.confidence[0] == pytest.approx(mean)


def test_unanimous():
    probabilities = np.tile([0.2, 0.8], (3, 4, 1))
    vote = weighted_vote(probabilities, np.full(3, 1 / 3))
    np.testing.assert_array_equal(vote.winner, 1)
    np.testing.assert_allclose(vote.agreement, 1)
    np.testing.assert_allclose(vote.confidence, 0.8)


def test_ties_go_to_the_larger_mean_probability():
    probabilities = np.array([[[0.6, 0.0, 0.4]], [[0.0, 0.4, 0.6]]])
    vote = weighted_vote(probabilities, np.array([0.5, 0.5]))
    assert vote.agreement[0] == pytest.approx(0.5)
    assert vote.winner[0] == 2  # its probability is 0.5 on average, the other's 0.3


def test_no_voter_has_any_certainty():
    vote = weighted_vote(np.full((2, 3, 4), 0.25), np.array([0.7, 0.3]))
    np.testing.assert_allclose(vote.agreement, 1)
    np.testing.assert_allclose(vote.confidence, 0.25)


def test_weights_multiply_and_sum_to_one():
    np.testing.assert_allclose(voter_weights([0.8, 0.4], [0.5, 0.5]), [2 / 3, 1 / 3])
    np.testing.assert_allclose(voter_weights([0.8, 0.4], [0.0, 0.0]), [0.5, 0.5])


def test_mixing_bounds(rng):
    X = rng.normal(size=(400, 3)).astype(np.float32)
    Y = rng.normal(size=(300, 3)).astype(np.float32)
    assert mixing(X, Y, rng) == pytest.approx(1.0, abs=0.1)
    assert mixing(X, Y + 100, rng) == 0.0


def test_leave_one_out_accuracy_tells_signal_from_noise(rng):
    types = np.repeat([0, 1, 2, 3], 50)
    noise = rng.normal(size=(200, 4)).astype(np.float32)
    signal = noise + 10 * np.eye(4, dtype=np.float32)[types]
    assert leave_one_out_accuracy(signal, types, rng) > 0.95
    assert leave_one_out_accuracy(noise, types, rng) < 0.5
