"""Shares inferred from drawn cells: where the draws come from, and whether intervals hold."""

import math
from collections import Counter
from dataclasses import replace
from functools import cache

import numpy as np
import pandas as pd
import pytest

from celltransfer_core.classify import Vote
from celltransfer_core.people import (
    BLIND_FROM,
    ESTIMATED_FROM,
    Review,
    Share,
    draw_chances,
    draws_needed,
    draws_of,
    infer,
    random_sample,
    review_queue,
    sample_order,
    wilson,
    with_counting,
)
from celltransfer_core.vocabulary import ARTEFACT, SKIPPED, UNSURE

TYPES = ("a", "b", "c", "d")
SHARES = np.array([0.62, 0.28, 0.08, 0.02])


def hashes(n):
    return [f"{number:064x}" for number in range(n)]


def vote_of(probabilities):
    ranked = np.sort(probabilities, axis=1)
    winner = probabilities.argmax(axis=1)
    top = ranked[:, -1]
    return Vote(winner, top, top, winner[None], top - ranked[:, -2])


def slide_of(rng, n=400, *, sureness=1.0):
    """Draw a slide: true types, and a vote that is right in most cells, as sure as wanted."""
    truth = rng.choice(len(TYPES), n, p=SHARES)
    evidence = rng.normal(0, 2.4, (n, len(TYPES)))
    evidence[np.arange(n), truth] += 5.8
    odds = sureness * (evidence + np.log(SHARES) / 2)
    shares = np.exp(odds - odds.max(axis=1, keepdims=True))
    return truth, shares / shares.sum(axis=1, keepdims=True)


def review_of(cell, answer="a", reader="Ann", *, blind=False, chance=None):
    return Review(f"{cell:064x}", answer, reader, "2026-01-01T00:00:00+00:00", blind, chance)


def answered(cells, probabilities, truth, count, seed):
    """Answer the first cells of the queue."""
    clusters = np.zeros(len(cells), dtype=np.int64)
    queue = review_queue(cells, vote_of(probabilities), clusters, [], seed=seed)
    line = zip(queue.cells.tolist(), queue.blind.tolist(), queue.chances.tolist(), strict=True)
    return [
        review_of(
            cell, TYPES[truth[cell]], blind=blind, chance=None if math.isnan(chance) else chance
        )
        for cell, blind, chance in list(line)[:count]
    ]


# The draws


def test_chances_are_above_zero_for_every_cell_and_doubt_raises_them(rng):
    _, probabilities = slide_of(rng)
    vote = vote_of(probabilities)
    chances = draw_chances(vote)
    assert chances.sum() == pytest.approx(1)
    assert chances.min() > 0.15 / len(chances)
    doubtful = vote.margin < np.median(vote.margin)
    assert chances[doubtful].mean() > 2 * chances[~doubtful].mean()
    left = rng.random(len(chances)) < 0.5
    some = draw_chances(vote, left)
    assert some.sum() == pytest.approx(1)
    assert ((some > 0) == left).all()


def test_the_queue_draws_each_cell_as_often_as_it_says():
    cells, clusters = hashes(12), np.zeros(12, dtype=np.int64)
    vote = vote_of(np.column_stack([np.linspace(0.5, 1, 12), 1 - np.linspace(0.5, 1, 12)]))
    first, kept = Counter(), dict[int, float]()
    for seed in range(400):
        queue = review_queue(cells, vote, clusters, [], share=0, seed=seed)
        first[int(queue.cells[0])] += 1
        kept[int(queue.cells[0])] = float(queue.chances[0])
    for cell, chance in kept.items():
        assert first[cell] / 400 == pytest.approx(chance, abs=4 * math.sqrt(chance / 400))


def test_chances_are_known_where_chance_alone_decided(rng):
    truth, probabilities = slide_of(rng, 60)
    cells, clusters, vote = hashes(60), np.zeros(60, dtype=np.int64), vote_of(probabilities)

    def chances(**how):
        return review_queue(cells, vote, clusters, [], **how).chances

    drawn = chances()
    assert (drawn[::2] > 0).all()  # in between come the least certain
    assert np.isnan(drawn[1:BLIND_FROM:2]).all()
    np.testing.assert_allclose(chances(order="random"), 1 / np.arange(60, 0, -1))
    picked = review_queue(cells, vote, clusters, [], order="least certain")
    assert np.isnan(picked.chances[~picked.blind]).all()
    flagged = review_queue(cells, vote, clusters, [], only=truth == 0)
    assert np.isnan(flagged.chances[~flagged.blind]).all()
    skipped = review_queue(cells, vote, clusters, [review_of(3, SKIPPED)])
    assert np.isnan(skipped.chances[skipped.cells == 3]).all()


def test_draws_weigh_by_their_chance_and_others_count_for_themselves():
    cells = hashes(40)
    reviews = [
        review_of(0, chance=1 / 40),
        review_of(1, "b", chance=2 / 39),
        review_of(2, "b"),  # picked
        review_of(3, UNSURE, chance=1 / 37),
        review_of(4, SKIPPED, chance=1 / 72),
        review_of(5, ARTEFACT, chance=1 / 35),
        review_of(4, "a"),  # answered when it came back
        review_of(0, "b"),  # a second thought changes the answer, not the draw
    ]
    draws = draws_of(cells, reviews)
    assert draws.cells.tolist() == [0, 1, 4]
    np.testing.assert_allclose(draws.weights, [1, 0.5, 2])
    assert dict(zip(draws.answered.tolist(), draws.answers, strict=True)) == {
        0: "b", 1: "b", 2: "b", 4: "a"
    }  # fmt: skip
    assert draws.artefacts.tolist() == [5]


def test_of_old_answers_the_random_sample_alone_is_drawn():
    cells = hashes(100)
    order = sample_order(cells, 7).tolist()
    old = [review_of(cell, blind=True) for cell in order[:3]]
    old += [review_of(cell, "b") for cell in order[50:60]]
    assert sorted(random_sample(cells, old, share=0.1, seed=7)) == sorted(order[:3])
    draws = draws_of(cells, old, seed=7)
    assert draws.cells.tolist() == sorted(order[:3])
    assert (draws.weights == 1).all()
    # Later ones bring their chances; what was seen before is drawn no more.
    new = [review_of(order[20], chance=1 / 87), review_of(order[50], chance=0.5)]
    assert set(draws_of(cells, old + new, seed=7).cells.tolist()) == {*order[:3], order[20]}


# The estimate


@cache
def simulated(sureness, slides=60):
    """Infer from 50 answers on each of many slides; one row a slide, or a slide and type."""
    types, rights = [], []
    for seed in range(slides):
        rng = np.random.default_rng([17, seed])
        truth, probabilities = slide_of(rng, sureness=sureness)
        cells, vote = hashes(len(truth)), vote_of(probabilities)
        reviews = answered(cells, probabilities, truth, 50, seed)
        found = infer(cells, TYPES, probabilities, vote, reviews, seed=seed)
        random = rng.permutation(len(truth))[:50]
        for number, name in enumerate(TYPES):
            share, other = found.of_type(name), wilson(int((truth[random] == number).sum()), 50)
            joined = with_counting(share, len(truth))
            types.append(
                {
                    "holds": share.low <= (truth == number).mean() <= share.high,
                    "joined": joined[0] <= SHARES[number] <= joined[1],
                    "width": share.high - share.low,
                    "random": other.high - other.low,
                }
            )
        accuracy, right = found.right(), vote.winner == truth
        rights.append(
            {
                "holds": accuracy.low <= right.mean() <= accuracy.high,
                "off": accuracy.value - right.mean(),
                "naive": right[found.draws.cells].mean() - right.mean(),
            }
        )
    return pd.DataFrame(types).mean(), pd.DataFrame(rights).mean()


@pytest.mark.parametrize("sureness", [0.5, 1.0, 2.0])
def test_intervals_hold_the_truth_and_are_narrower_than_those_of_random_cells(sureness):
    """The vote is too unsure, calibrated, or too sure."""
    types, right = simulated(sureness)
    assert types["holds"] >= 0.93
    assert types["joined"] >= 0.93
    assert types["width"] <= 0.75 * types["random"]
    assert right["holds"] >= 0.88  # of 60 slides: two and a half standard errors below 95 %


def test_intervals_are_at_most_seven_tenths_as_wide_as_of_random_cells():
    ratios = [simulated(sureness)[0] for sureness in (0.5, 1.0, 2.0)]
    assert np.mean([types["width"] / types["random"] for types in ratios]) <= 0.7


def test_estimates_are_unbiased_where_answers_alone_are_not():
    _, right = simulated(1.0)
    assert abs(right["off"]) < 0.015
    assert right["naive"] < -0.05


def test_nothing_is_surer_than_it_can_be(rng):
    truth, probabilities = slide_of(rng, 60)
    cells, vote = hashes(60), vote_of(probabilities)
    nothing = infer(cells, TYPES, probabilities, vote, [])
    assert math.isnan(nothing.right().value)
    assert (nothing.right().low, nothing.right().high) == (0, 1)
    assert nothing.missing_draws == nothing.missing_blind == ESTIMATED_FROM
    every = answered(cells, probabilities, truth, 60, 0)
    whole = infer(cells, TYPES, probabilities, vote, every)
    true = (truth == 0).mean()
    assert whole.of_type("a") == Share(true, true, true, 30)
    # No wrong one among the drawn does not mean that there is none.
    certain = np.tile([0.97, 0.01, 0.01, 0.01], (60, 1))
    alike = [replace(one, answer="a") for one in every[:30]]
    share = infer(cells, TYPES, certain, vote_of(certain), alike).right()
    assert share.high == 1
    assert share.low < 0.99
    # Who was never seen may not be there at all, nor may a type nobody knew be forgotten.
    assert infer(cells, TYPES, certain, vote_of(certain), alike).of_type("d").low == 0
    new = [*alike, replace(every[30], answer="new")]
    assert infer(cells, TYPES, certain, vote_of(certain), new).of_type("new").low >= 1 / 60


def test_artefacts_are_no_cells_and_sets_are_told_of_apart(rng):
    truth, probabilities = slide_of(rng, 200)
    cells, vote = hashes(200), vote_of(probabilities)
    reviews = answered(cells, probabilities, truth, 80, 1)
    smudge = [replace(reviews[0], answer=ARTEFACT), *reviews[1:]]
    found = infer(cells, TYPES, probabilities, vote, smudge)
    only = np.zeros(200, dtype=bool)
    only[[int(one.cell, 16) for one in reviews[:40]]] = True
    inside = found.right(only)
    assert inside.draws == sum(one.chance is not None for one in reviews[1:40])
    numbers = [int(one.cell, 16) for one in reviews[1:40]]
    assert inside.value == pytest.approx((vote.winner == truth)[numbers].mean())
    assert inside.low == inside.high == inside.value


def test_a_cells_own_answer_has_no_part_in_what_is_expected_of_it(rng):
    truth, probabilities = slide_of(rng, 100)
    cells, vote = hashes(100), vote_of(probabilities)
    reviews = answered(cells, probabilities, truth, 30, 0)
    cell = int(reviews[0].cell, 16)
    other = replace(reviews[0], answer=TYPES[(truth[cell] + 1) % 4])
    given, turned = (
        infer(cells, TYPES, probabilities, vote, [one, *reviews[1:]]).probabilities
        for one in (reviews[0], other)
    )
    np.testing.assert_allclose(given[cell], turned[cell], rtol=1e-12)
    assert not np.allclose(given, turned)


def test_counting_and_typing_errors_are_joined():
    assert with_counting(Share(math.nan, 0, 1, 1), 100) == (0, 1)
    # A known share has the error of counting alone, and many cells that of typing alone.
    low, high = with_counting(Share(0.3, 0.3, 0.3, 50), 100)
    assert (low, high) == pytest.approx((wilson(30, 100).low, wilson(30, 100).high))
    assert with_counting(Share(0.3, 0.2, 0.4, 50), 10**8) == pytest.approx((0.2, 0.4), abs=1e-3)


def test_draws_needed_follow_from_what_was_seen():
    sure, unsure = Share(0.98, 0.94, 1.0, 60), Share(0.7, 0.55, 0.85, 60)
    assert draws_needed(sure, 1000, 0.05) == 60
    assert 60 < draws_needed(unsure, 1000, 0.05) < 1000
    assert draws_needed(unsure, 100, 0.05) < 100
    assert draws_needed(Share(math.nan, 0, 1, 0), 1000, 0.05) == 381
