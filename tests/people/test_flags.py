"""Flags, and the errors to expect among the cells without one."""

import numpy as np
import pytest

from celltransfer_core.classify import weighted_vote
from celltransfer_core.outputs.sentences import describe_flags
from celltransfer_core.people import Annotations, UpdatedVote, curve_of, expected_errors, find_flags
from celltransfer_core.people.calibration import Curve

TYPES = ("a", "b", "c")


def simulated(rng, *, cells=300, typed=60, power=1.0):
    """Draw a vote whose confidence is right as often as it says, sharpened by ``power``, and its
    truth; the first cells are typed."""
    true = rng.dirichlet(np.full(3, 0.4), size=cells)
    truth = np.array([rng.choice(3, p=row) for row in true])
    said = np.clip(true, 1e-6, None) ** power
    vote = weighted_vote((said / said.sum(axis=1, keepdims=True))[None], np.ones(1))
    answers = tuple((cell, TYPES[truth[cell]]) for cell in range(typed))
    updated = UpdatedVote(
        annotations=Annotations(cells=answers),
        types=TYPES,
        vote=vote,
        ensemble=vote,
        probabilities=true,
        weights=np.ones(4) / 4,
        voter_weights=np.ones((5, cells)) / 5,
        distance=np.zeros(cells),
        unknown_above=1.0,
        name_posteriors=np.ones(1),
    )
    return vote, updated, vote.winner != truth


def flags_of(vote, updated, error=0.05):
    none = np.zeros(len(vote.winner), dtype=bool)
    return find_flags(vote, updated, none, error=error, agreement=0.6)


@pytest.mark.parametrize("power", [0.6, 1.0, 2.0])
def test_the_interval_holds_the_errors_and_their_share_is_the_chosen_one(power):
    inside, shares = [], []
    for seed in range(100):
        vote, updated, wrong = simulated(np.random.default_rng(seed), power=power)
        flags = flags_of(vote, updated)
        rest = ~flags.flagged
        rest[:60] = False
        count = wrong[rest].sum()
        assert flags.errors.cells == rest.sum()
        inside.append(flags.errors.low <= count <= flags.errors.high)
        shares.append(wrong[rest].mean() if rest.any() else 0)
    assert np.mean(inside) >= 0.93
    if power < 1:  # as a weighted mean of voters is: its confidence is too low
        assert 0.01 < np.mean(shares) < 0.05


def test_until_enough_cells_are_typed_agreement_flags_and_nothing_is_promised(rng):
    vote, updated, _ = simulated(rng, typed=29)
    flags = flags_of(vote, updated)
    np.testing.assert_array_equal(flags.flagged, vote.agreement < 0.6)
    assert flags.missing.missing == 1
    assert flags.errors.high - flags.errors.low > 0.3 * flags.errors.cells
    assert (
        "for an agreement below 0.6 (29 more have a reader's answer). Confidence will decide once "
        "1 more cell is" in describe_flags(flags)
    )
    assert describe_flags(flags).endswith("others are wrong is not known yet.")
    assert flags_of(vote, None).missing.missing == 30


def test_less_error_is_more_flags_and_none_can_be_all(rng):
    vote, updated, _ = simulated(rng)
    counts = [flags_of(vote, updated, error).flagged.sum() for error in (0, 0.02, 0.1, 1)]
    assert counts == sorted(counts, reverse=True)
    assert (counts[0], counts[-1]) == (300, 0)
    assert flags_of(vote, updated, 0).errors.cells == 0
    assert "No other cells remain" in describe_flags(flags_of(vote, updated, 0))


def test_cells_without_a_type_are_always_flagged_and_count_as_no_others(rng):
    vote, updated, _ = simulated(rng)
    always = np.zeros(300, dtype=bool)
    always[vote.confidence.argsort()[-100:]] = True  # the surest
    flags = find_flags(vote, updated, always, error=0.05, agreement=0.6)
    assert flags.flagged[always].all()
    assert flags.errors.share <= 0.07


def test_cells_of_equal_confidence_are_flagged_together(rng):
    vote, updated, _ = simulated(rng)
    same = type(vote)(**{**vars(vote), "confidence": np.round(vote.confidence, 1)})
    flags = find_flags(same, updated, np.zeros(300, dtype=bool), error=0.05, agreement=0.6)
    kept, left = same.confidence[flags.flagged], same.confidence[~flags.flagged]
    assert kept.max() < left.min()


def test_a_known_curve_gives_a_poisson_interval():
    sure = Curve(1.0, 0.0, 1e-12 * np.eye(2), 1000)
    found = expected_errors(sure, np.full(100, 0.9))
    assert found.expected == pytest.approx(10, rel=1e-3)
    assert (found.low, found.high) == (4, 17)
    assert expected_errors(sure, np.zeros(0)).expected == 0


def test_without_answers_the_curve_is_the_prior(rng):
    vote, updated, _ = simulated(rng)
    prior = curve_of(vote.confidence, None)
    np.testing.assert_allclose((prior.slope, prior.intercept), (1.5, 0.0))
    np.testing.assert_allclose(prior.covariance, np.eye(2))
    assert np.linalg.det(curve_of(vote.confidence, updated).covariance) < 0.1
