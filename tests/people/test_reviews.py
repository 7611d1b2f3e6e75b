import datetime as dt
import math
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import binomtest

from celltransfer_core.classify import Vote, voters_split
from celltransfer_core.people import (
    BLIND_FROM,
    QUEUE_ORDERS,
    Review,
    cells_needed,
    cohen_kappa,
    final_types,
    random_sample,
    review_progress,
    review_queue,
    sample_accuracy,
    sample_order,
    wilson,
)
from celltransfer_core.vocabulary import ARTEFACT, DISPUTED, SKIPPED, UNSURE


def hashes(n):
    return [f"{number:064x}" for number in range(n)]


def vote_of(agreement, winner=None, choices=None):
    agreement = np.asarray(agreement, dtype=float)
    winner = np.zeros(len(agreement), dtype=np.int64) if winner is None else np.asarray(winner)
    choices = winner[None] if choices is None else np.asarray(choices)
    return Vote(winner, agreement, agreement / 2, choices, agreement)


def one_group(n):
    return np.zeros(n, dtype=np.int64)


def review_of(cell, answer="a", reader="Ada", *, blind=False, at=0.0):
    time = dt.datetime(2025, 1, 1, tzinfo=dt.UTC) + dt.timedelta(seconds=at)
    return Review(f"{cell:064x}", answer, reader, time.isoformat(timespec="milliseconds"), blind)


@pytest.fixture
def cells():
    return hashes(60)


@pytest.fixture
def vote(rng):
    return vote_of(
        rng.random(60), rng.integers(0, 3, 60), choices=rng.integers(0, 3, (5, 60), dtype=np.int64)
    )


@pytest.fixture
def clusters(rng):
    return rng.integers(0, 4, 60)


def places(queue):
    return list(zip(queue.cells.tolist(), queue.blind.tolist(), strict=True))


# The random sample


def test_the_sample_is_random_seeded_and_blind_to_the_order_of_cells():
    cells = hashes(200)
    order = sample_order(cells, 1)
    assert sorted(order) == list(range(200))
    assert order.tolist() != sample_order(cells, 2).tolist()
    turned = [cells[::-1][place] for place in sample_order(cells[::-1], 1)]
    assert turned == [cells[place] for place in order]


def test_later_images_do_not_change_whose_turn_is_first():
    fewer = sample_order(hashes(50), 4).tolist()
    more = sample_order(hashes(80), 4).tolist()
    assert [cell for cell in more if cell < 50] == fewer


def test_every_cell_is_drawn_equally_often():
    counts = Counter(
        cell for seed in range(600) for cell in sample_order(hashes(20), seed)[:5].tolist()
    )
    # 150 expected with a standard deviation of 10.6.
    assert min(counts[cell] for cell in range(20)) > 105
    assert max(counts.values()) < 195


# The queue


@pytest.mark.parametrize("order", QUEUE_ORDERS)
@pytest.mark.parametrize("share", [0.0, 0.2, 0.35, 0.5, 0.7, 1.0])
def test_every_cell_comes_once_and_the_sample_no_later_than_its_turn(
    order, share, cells, vote, clusters
):
    queue = review_queue(cells, vote, clusters, [], order=order, share=share, seed=3)
    assert sorted(queue.cells) == list(range(60))
    sample = sample_order(cells, 3)[: math.ceil(share * 60 - 1e-9)].tolist()
    assert set(queue.cells[queue.blind].tolist()) == set(sample)
    for length in range(61):
        due = sample[: math.floor(share * max(length - BLIND_FROM, 0) + 1e-9)]
        assert set(due) <= set(queue.cells[:length].tolist())


@pytest.mark.parametrize("share", [0.1, 0.35, 0.7])
def test_a_random_order_asks_the_sample_in_its_turn(share, cells, vote, clusters):
    queue = review_queue(cells, vote, clusters, [], order="random", share=share)
    left = 60 - math.ceil(share * 60)  # cells that are in no sample
    for length in range(left):
        due = math.floor(share * max(length - BLIND_FROM, 0) + 1e-9)
        assert queue.blind[:length].sum() == due
    blind = queue.cells[queue.blind].tolist()
    assert blind == sample_order(cells, 0)[: len(blind)].tolist()


def test_a_doubtful_cell_of_the_sample_is_asked_at_once_and_blind(cells):
    sample = sample_order(cells, 0)[:6].tolist()
    agreement = np.full(60, 0.5)
    agreement[sample] = 1
    agreement[sample[4]] = 0
    queue = places(
        review_queue(cells, vote_of(agreement), one_group(60), [], order="least certain", share=0.1)
    )
    assert queue[0] == (sample[4], True)
    # The others of the sample wait for their turn; what was asked needs no second one.
    assert [at for at, (_, blind) in enumerate(queue) if blind] == [0, 29, 39, 49, 58, 59]
    assert [cell for cell, blind in queue if blind][1:] == [*sample[:4], sample[5]]


@pytest.mark.parametrize(("share", "blind"), [(0.07, 7), (0.55, 55), (0.005, 1)])
def test_size_of_the_sample(share, blind):
    queue = review_queue(hashes(100), vote_of(np.ones(100)), one_group(100), [], share=share)
    assert queue.blind.sum() == blind


@pytest.mark.parametrize("order", QUEUE_ORDERS)
@pytest.mark.parametrize("answer", ["a", UNSURE, ARTEFACT, SKIPPED])
def test_answering_the_next_cell_moves_no_other(order, answer, cells, vote, clusters):
    reviews = []
    queue = places(review_queue(cells, vote, clusters, reviews, order=order))
    for number in range(60):
        cell, blind = queue[0]
        given = answer if number % 2 else "b"
        reviews.append(review_of(cell, given, blind=blind))
        rest = queue[1:] + ([(cell, blind)] if given == SKIPPED else [])
        queue = places(review_queue(cells, vote, clusters, reviews, order=order))
        assert queue == rest
    assert len(queue) == (30 if answer == SKIPPED else 0)


def test_answering_further_down_keeps_an_order_that_is_not_drawn(cells, vote, clusters, rng):
    def line(*reviews):
        order = "least certain"
        return review_queue(cells, vote, clusters, reviews, order=order, share=0.1)

    before = line()
    for number in rng.permutation(60)[:25]:
        cell, blind = places(before)[number]
        after = line(review_of(cell, blind=blind))
        was = [c for c, hidden in places(before) if not hidden and c != cell]
        assert [c for c, hidden in places(after) if not hidden] == was
        rest = [c for c in before.cells.tolist() if c != cell]
        moved = {c: rest.index(c) - at for at, c in enumerate(after.cells.tolist())}
        assert all(moved[c] in (0, 1) for c in before.cells[before.blind].tolist() if c != cell)


def test_turns_come_when_the_vote_changes_after_every_answer(cells, clusters, rng):
    reviews = []
    sample = [cells[cell] for cell in sample_order(cells, 0)]
    for number in range(40):
        changing = vote_of(rng.random(60), rng.integers(0, 3, 60))
        cell, blind = places(review_queue(cells, changing, clusters, reviews, share=0.2))[0]
        reviews.append(review_of(cell, blind=blind))
        asked = {review.cell for review in reviews if review.blind}
        due = sample[: max(0, number + 1 - BLIND_FROM) // 5]
        assert set(due) <= asked <= set(sample[:12])


def test_skipped_cells_come_back_in_turn_and_leave_once_answered(cells, vote, clusters):
    def line(reviews):
        order = "least certain"
        return places(review_queue(cells, vote, clusters, reviews, order=order, share=0))

    first, second, third = line([])[:3]
    skips = [review_of(second[0], SKIPPED), review_of(first[0], SKIPPED)]
    queue = line(skips)
    assert queue[0] == third
    assert queue[-2:] == [second, first]
    repeated = [*skips, review_of(second[0], SKIPPED)]
    again = line(repeated)
    assert again[-2:] == [first, second]
    answered = line([*skips, review_of(second[0])])
    assert answered == [place for place in queue if place != second]
    # An answer stays when the cell is skipped later.
    kept = [review_of(first[0]), review_of(first[0], SKIPPED)]
    assert first not in line(kept)


def test_a_skipped_blind_cell_comes_back_blind(cells, vote, clusters):
    cell = int(sample_order(cells, 0)[0])
    queue = places(review_queue(cells, vote, clusters, [review_of(cell, SKIPPED, blind=True)]))
    assert queue[-1] == (cell, True)
    assert len(queue) == 60


def test_a_cell_of_the_sample_that_was_typed_in_sight_is_still_asked_blind(cells, vote, clusters):
    cell = int(sample_order(cells, 0)[2])

    def queue(*reviews):
        return places(review_queue(cells, vote, clusters, reviews, order="random"))

    assert queue(review_of(cell)).index((cell, True)) == queue().index((cell, True)) - 1
    assert (cell, True) not in queue(review_of(cell, blind=True))


def test_flagged_cells_alone_beside_a_sample_of_all(cells, vote, clusters):
    flagged = vote.agreement < 0.5
    queue = review_queue(cells, vote, clusters, [], only=flagged, share=0.2)
    assert set(np.flatnonzero(flagged)) <= set(queue.cells.tolist())
    assert flagged[queue.cells[~queue.blind]].all()
    assert len(set(queue.cells.tolist())) == len(queue.cells)
    # The sample does not care for flags, and all of it is blind.
    sample = sample_order(cells, 0)[:12].tolist()
    due = sample[: math.floor(0.2 * (len(queue.cells) - BLIND_FROM))]
    assert due
    assert set(due) <= set(queue.cells.tolist())
    assert not flagged[due].all()
    assert set(queue.cells[queue.blind].tolist()) == set(sample) & {*due, *np.flatnonzero(flagged)}
    reviews = [review_of(cell, blind=blind) for cell, blind in places(queue)]
    assert review_queue(cells, vote, clusters, reviews, only=flagged, share=0.2).cells.size == 0


def test_skipped_cells_come_back_where_they_pass_the_filter(cells, vote, clusters):
    flagged = vote.agreement < 0.5
    skips = [review_of(cell, SKIPPED) for cell in range(60)]
    queue = review_queue(cells, vote, clusters, skips, only=flagged)
    assert set(queue.cells[~queue.blind].tolist()) <= set(np.flatnonzero(flagged).tolist())
    assert set(queue.cells.tolist()) >= set(np.flatnonzero(flagged).tolist())


def test_flagged_queue_is_walked_without_moves(cells, vote, clusters):
    flagged = vote.agreement < 0.5
    reviews = []
    queue = places(review_queue(cells, vote, clusters, reviews, only=flagged))
    while queue:
        reviews.append(review_of(queue[0][0], blind=queue[0][1]))
        left = places(review_queue(cells, vote, clusters, reviews, only=flagged))
        assert left == queue[1:]
        queue = left


def test_least_certain_gives_every_type_and_cluster_its_turn():
    # Type 0 has the twenty least certain cells, all of cluster 0; type 1 is small and certain.
    agreement = np.concatenate([np.linspace(0.1, 0.3, 20), np.linspace(0.5, 0.6, 6), [0.98, 0.97]])
    winner = np.array([0] * 26 + [1] * 2)
    clusters = np.array([0] * 20 + [1] * 6 + [2] * 2)
    vote = vote_of(agreement, winner)
    queue = review_queue(hashes(28), vote, clusters, [], order="least certain", share=0)
    # Every fourth place goes round types and clusters; the first round has nothing to add.
    assert queue.cells[:11].tolist() == [0, 1, 2, 3, 4, 5, 27, 6, 7, 8, 20]


def test_confidence_decides_between_equal_agreement():
    vote = replace(vote_of([0.5, 0.5, 0.5]), confidence=np.array([0.4, 0.2, 0.3]))
    queue = review_queue(hashes(3), vote, one_group(3), [], order="least certain", share=0)
    assert queue.cells.tolist() == [1, 2, 0]


def test_other_orders():
    vote = vote_of(
        [0.9, 0.2, 0.5, 0.4], [1, 1, 0, 0], choices=[[1, 1, 0, 0], [1, 0, 1, 0], [1, 1, 2, 0]]
    )
    clusters = np.array([5, 3, 5, 3])

    def order(name):
        queue = review_queue(hashes(4), vote, clusters, [], order=name, share=0, seed=2)
        return queue.cells.tolist()

    assert order("cluster") == [1, 3, 2, 0]
    assert order("type") == [3, 2, 1, 0]
    assert order("disagreement") == [2, 1, 3, 0]
    assert order("random") == sample_order(hashes(4), 2).tolist()


def test_split_is_the_share_of_pairs_that_differ():
    choices = np.array([[0, 0, 1], [0, 0, 2], [0, 1, 3]])
    np.testing.assert_allclose(voters_split(choices), [0, 2 / 3, 1])
    np.testing.assert_array_equal(voters_split(choices[:1]), 0)


@pytest.mark.parametrize("order", QUEUE_ORDERS)
def test_no_cells_and_one_cell(order):
    none = vote_of([], choices=np.zeros((2, 0), dtype=np.int64), winner=one_group(0))
    assert places(review_queue([], none, one_group(0), [review_of(1)], order=order)) == []
    alone = vote_of([0.5])
    assert places(review_queue(hashes(1), alone, one_group(1), [], order=order)) == [(0, True)]


def test_reviews_of_cells_that_are_gone_are_passed_over(cells, vote, clusters):
    gone = [review_of(1000, blind=True), review_of(1001, SKIPPED)]
    assert places(review_queue(cells, vote, clusters, gone)) == places(
        review_queue(cells, vote, clusters, [])
    )


def test_wrong_settings_are_refused(cells, vote, clusters):
    with pytest.raises(ValueError, match="There is no order 'best'"):
        review_queue(cells, vote, clusters, [], order="best")
    with pytest.raises(ValueError, match=r"1\.2, not between"):
        review_queue(cells, vote, clusters, [], share=1.2)


# The estimate


@pytest.mark.parametrize(("right", "cells"), [(0, 1), (1, 1), (0, 7), (7, 7), (3, 10), (95, 100)])
@pytest.mark.parametrize("confidence", [0.8, 0.95])
def test_wilson_as_scipy_has_it(right, cells, confidence):
    estimate = wilson(right, cells, confidence)
    theirs = binomtest(right, cells).proportion_ci(confidence, method="wilson")
    assert estimate.accuracy == right / cells
    assert (estimate.low, estimate.high) == pytest.approx((theirs.low, theirs.high), abs=1e-12)
    assert 0 <= estimate.low <= estimate.accuracy <= estimate.high <= 1


def test_wilson_without_cells():
    estimate = wilson(0, 0)
    assert math.isnan(estimate.accuracy)
    assert (estimate.low, estimate.high) == (0, 1)


@pytest.mark.parametrize("half_width", [0.3, 0.1, 0.05, 0.013])
@pytest.mark.parametrize("accuracy", [0.5, 0.8, 1.0])
def test_cells_needed_are_just_enough(half_width, accuracy):
    cells = cells_needed(half_width, accuracy=accuracy)

    def half(n):
        p, z = accuracy, 1.959963984540054
        return z * math.sqrt(p * (1 - p) / n + z**2 / (4 * n**2)) / (1 + z**2 / n)

    assert half(cells) <= half_width + 1e-12
    assert cells == 1 or half(cells - 1) > half_width


def test_cells_needed_known_and_refused():
    assert cells_needed(0.05) == 381
    assert cells_needed(0.05, confidence=0.8) < 200
    for wrong in (0, 0.5, -1):
        with pytest.raises(ValueError, match="not between 0 and"):
            cells_needed(wrong)


def test_the_sample_is_unbiased_where_the_queue_is_not():
    n = 300
    cells = hashes(n)
    agreement = np.linspace(0, 1, n)
    truth = np.where(agreement < 0.2, "b", "a")  # the doubtful fifth is wrong
    predicted = ["a"] * n
    estimates, covered = [], 0
    for seed in range(80):
        queue = review_queue(cells, vote_of(agreement), one_group(n), [], share=0.2, seed=seed)
        reviews = [review_of(c, truth[c], blind=blind) for c, blind in places(queue)[:120]]
        found = sample_accuracy(cells, predicted, reviews, share=0.2, seed=seed)
        assert 20 <= found.drawn == found.overall.cells <= 22
        estimates.append(found.overall.accuracy)
        covered += found.overall.low <= 0.8 <= found.overall.high
        naive = np.mean([review.answer == "a" for review in reviews])
        assert naive < 0.65
    assert np.mean(estimates) == pytest.approx(0.8, abs=0.03)
    assert covered >= 70


def test_cells_chosen_by_doubt_enter_in_their_turn():
    cells = hashes(100)
    order = sample_order(cells, 7).tolist()
    fair = [review_of(cell, blind=True) for cell in order[:2]]
    seen = [review_of(cell, "b") for cell in order[10:57]]
    early = [review_of(cell, "b", blind=True) for cell in (order[2], order[3], order[5])]

    def sample(*reviews):
        return random_sample(cells, reviews, share=0.1, seed=7)

    assert sample(*fair, *seen) == order[:2]  # 49 cells: two turns
    assert sample(*early, *fair) == order[:2]
    assert sample(*early, *fair, *seen) == order[:3]  # 52 cells: the third turn has come
    assert sample(*early, *fair, *seen, *map(review_of, order[60:70])) == order[:4]
    # Whoever is asked in their turn brings in those before, and none after.
    assert sample(*early, *fair, review_of(order[4], blind=True)) == order[:5]
    assert random_sample(cells, [*early, *fair, *seen], seed=7, share=0.01) == order[:2]


def test_what_is_out_of_turn_or_seen_is_in_no_estimate(cells):
    order = sample_order(cells, 7).tolist()
    predicted = ["a"] * 60
    fair = [review_of(cell, blind=True) for cell in order[:5]]
    seen = [review_of(cell, "b") for cell in order[5:10]]
    jumped = [review_of(cell, "b", blind=True) for cell in order[30:40]]
    found = sample_accuracy(cells, predicted, fair + seen + jumped, seed=7)
    assert found.overall == wilson(5, 5)
    # An answer that was changed when the prediction was in sight does not count either.
    changed = [review_of(order[0], "b")]
    assert sample_accuracy(cells, predicted, fair + changed, seed=7).overall == wilson(5, 5)
    # Another seed drew other cells.
    assert sample_accuracy(cells, predicted, fair, seed=8).drawn < 5


def test_sample_by_type_and_what_is_counted_apart(cells):
    order = sample_order(cells, 0).tolist()
    predicted = np.array(["c"] * 60, dtype=object)
    predicted[order[:4]] = "a"
    predicted[order[4:8]] = "b"
    answers = ["a", "a", "b", UNSURE, "b", ARTEFACT, SKIPPED, "new"]
    reviews = [review_of(c, w, blind=True) for c, w in zip(order, answers, strict=False)]
    reviews.append(review_of(order[0], "b", "Ben", blind=True))
    found = sample_accuracy(cells, predicted, reviews)
    assert found.overall == wilson(2, 4)
    assert found.by_type == {"a": wilson(1, 2), "b": wilson(1, 2), "c": wilson(0, 0)}
    assert (found.unsure, found.artefact, found.skipped, found.disputed) == (1, 1, 1, 1)
    assert found.drawn == 8
    # Answered when it comes back, a skipped cell counts.
    reviews.append(review_of(order[6], "b", blind=True))
    assert sample_accuracy(cells, predicted, reviews).overall == wilson(3, 5)


def test_sample_without_cells_answers_or_gaps(cells):
    empty = sample_accuracy([], [], [])
    assert (empty.overall.cells, empty.by_type, empty.drawn) == (0, {}, 0)
    nothing = sample_accuracy(cells, ["a"] * 60, [])
    assert math.isnan(nothing.overall.accuracy)
    assert nothing.by_type["a"].high == 1
    every = [review_of(cell, blind=True) for cell in range(60)]
    assert sample_accuracy(cells, ["a"] * 60, every).overall == wilson(60, 60)


# Two readers


def test_kappa_by_hand():
    pairs = ["aa"] * 20 + ["ab"] * 5 + ["ba"] * 10 + ["bb"] * 15
    reviews = [review_of(cell, one) for cell, (one, _) in enumerate(pairs)]
    reviews += [review_of(cell, other, "Ben") for cell, (_, other) in enumerate(pairs)]
    found = cohen_kappa(reviews, "Ada", "Ben")
    assert found.kappa == pytest.approx(0.4)  # 0.7 observed, 0.5 by chance
    assert (found.cells, found.agreed, found.unsure) == (50, 35, 0)
    assert len(found.disagreements) == 15
    assert found.disagreements[0].cell == f"{20:064x}"
    assert (found.disagreements[0].first, found.disagreements[0].second) == ("a", "b")
    turned = cohen_kappa(reviews, "Ben", "Ada")
    assert turned.disagreements[0].first == "b"


def test_kappa_over_the_last_answers_that_both_gave():
    reviews = [
        review_of(0, "a"),
        review_of(0, "b", "Ben"),
        review_of(0, "b"),  # Ada yields
        review_of(1, "a"),
        review_of(1, "a", "Ben"),
        review_of(1, SKIPPED, "Ben"),  # takes nothing back
        review_of(2, UNSURE),
        review_of(2, "a", "Ben"),
        review_of(3, ARTEFACT),
        review_of(3, "a", "Ben"),
        review_of(4, "a"),
        review_of(5, SKIPPED),
        review_of(5, "a", "Ben"),
        review_of(0, "c", "Cem"),
    ]
    found = cohen_kappa(reviews, "Ada", "Ben")
    assert (found.cells, found.agreed, found.unsure) == (3, 2, 1)
    assert [(d.cell, d.first, d.second) for d in found.disagreements] == [
        (f"{3:064x}", ARTEFACT, "a")
    ]


def test_kappa_without_overlap_or_with_one_answer():
    apart = cohen_kappa([review_of(0), review_of(1, "a", "Ben")], "Ada", "Ben")
    assert apart.cells == 0
    assert math.isnan(apart.kappa)
    assert math.isnan(cohen_kappa([], "Ada", "Ben").kappa)
    alike = [review_of(cell, "a", reader) for cell in range(5) for reader in ("Ada", "Ben")]
    found = cohen_kappa(alike, "Ada", "Ben")
    assert (found.cells, found.agreed) == (5, 5)
    assert math.isnan(found.kappa)


# Final types


def test_final_types():
    reviews = [
        review_of(1, "b", at=1),
        review_of(2, "b", at=2),
        review_of(2, "a", at=3),  # a second thought
        review_of(3, UNSURE, at=4),
        review_of(4, ARTEFACT, at=5),
        review_of(5, SKIPPED, at=6),
        review_of(6, "b", at=7),
        review_of(6, "c", "Ben", at=8),
        review_of(7, UNSURE, at=9),
        review_of(7, "b", "Ben", at=10),
        review_of(8, "b", at=11),
        review_of(8, "c", "Ben", at=12),
        review_of(8, "c", "Cem", at=13),
        review_of(9, "b", at=14),
        review_of(9, SKIPPED, at=15),
        review_of(99, "b", at=16),
    ]
    predicted = ["a"] * 10
    found = final_types(hashes(10), predicted, reviews)
    assert predicted == ["a"] * 10
    assert found.reviewed.tolist() == [
        "", "b", "a", UNSURE, ARTEFACT, "", DISPUTED, "b", "c", "b"
    ]  # fmt: skip
    assert found.final.tolist() == ["a", "b", "a", "a", ARTEFACT, "a", DISPUTED, "b", "c", "b"]
    assert np.flatnonzero(found.unsure).tolist() == [3]
    assert np.flatnonzero(found.disputed).tolist() == [6]
    assert found.reader[[0, 1, 5, 6, 8]].tolist() == ["", "Ada", "", "Ada; Ben", "Ada; Ben; Cem"]
    assert found.time[0] == ""
    assert found.time[2] == reviews[2].time
    assert found.time[8] == reviews[12].time


def test_a_reader_who_yields_ends_the_dispute():
    reviews = [review_of(0, "b"), review_of(0, "c", "Ben"), review_of(0, "c", at=5)]
    found = final_types(hashes(1), ["a"], reviews)
    assert found.final.tolist() == ["c"]
    assert not found.disputed.any()
    # Who spoke last is named last.
    assert found.reader.tolist() == ["Ben; Ada"]
    assert found.time[0] == reviews[2].time


def test_final_types_without_cells():
    found = final_types([], [], [review_of(0)])
    assert len(found.final) == len(found.unsure) == 0


# Progress


def test_progress_counts_and_speed():
    reviews = [review_of(cell, "a", at=4 * cell) for cell in range(11)]
    reviews += [
        review_of(11, "b", at=44),
        review_of(12, UNSURE, at=48),
        review_of(13, ARTEFACT, at=52),
    ]
    reviews += [review_of(14, SKIPPED, at=54), review_of(77, "a", at=55)]
    found = review_progress(hashes(20), ["a"] * 20, reviews)
    assert found.outcomes == {
        "accepted": 11, "changed": 1, ARTEFACT: 1, UNSURE: 1, DISPUTED: 0
    }  # fmt: skip
    assert list(found.outcomes)[:2] == ["accepted", "changed"]
    assert (found.answered, found.skipped, found.total) == (14, 1, 20)
    assert found.cells_per_minute == pytest.approx(15)
    assert found.minutes_left == pytest.approx(6 / 15)


def test_speed_forgets_breaks_and_what_was_long_ago():
    slow = [review_of(cell, at=60 * cell) for cell in range(10)]
    after_lunch = [review_of(10 + cell, at=9000 + 3 * cell) for cell in range(10)]
    reviews = slow + after_lunch
    predicted = ["a"] * 20
    both = review_progress(hashes(20), predicted, reviews)
    assert both.cells_per_minute == pytest.approx(60 * 18 / (9 * 60 + 9 * 3))
    lately = review_progress(hashes(20), predicted, reviews, last=10)
    assert lately.cells_per_minute == pytest.approx(20)
    assert lately.minutes_left == 0


def test_speed_of_cells_answered_at_one_stroke():
    reviews = [review_of(cell, at=20 * (cell // 12) + 0.001 * cell) for cell in range(36)]
    found = review_progress(hashes(40), ["a"] * 40, reviews)
    assert found.cells_per_minute == pytest.approx(36)
    # The stroke after a break took nobody knows how long.
    late = [replace(r, time=review_of(0, at=5000).time) for r in reviews[:12]]
    assert math.isnan(review_progress(hashes(40), ["a"] * 40, [review_of(39), *late]).minutes_left)


@pytest.mark.parametrize("reviews", [[], [review_of(0)], [review_of(0, SKIPPED)]])
def test_speed_is_not_known_at_first(reviews):
    found = review_progress(hashes(3), ["a"] * 3, reviews)
    assert math.isnan(found.cells_per_minute)
    assert math.isnan(found.minutes_left)
    assert math.isnan(review_progress([], [], reviews).cells_per_minute)


def test_disputed_cells_count_once():
    reviews = [
        review_of(0, "a"),
        review_of(0, "b", "Ben"),
        review_of(1, "a"),
        review_of(1, "a", "Ben"),
    ]
    found = review_progress(hashes(2), ["a", "a"], reviews)
    assert found.outcomes["disputed"] == found.outcomes["accepted"] == 1
    assert found.answered == 2
