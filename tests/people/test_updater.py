import copy

import numpy as np
import pytest
from scipy.optimize import minimize
from sklearn.base import clone
from sklearn.exceptions import NotFittedError

from celltransfer_core.classify import Vote, weighted_vote
from celltransfer_core.errors import DataError
from celltransfer_core.matching import Match
from celltransfer_core.people import (
    CALIBRATED_FROM,
    KINDS,
    PRIOR_CURVE,
    PRIOR_VARIANCE,
    Annotations,
    NotYet,
    Review,
    UpdatedVote,
    VoteUpdater,
    annotations_of,
    calibrate,
    prediction_sets,
)
from celltransfer_core.vocabulary import ARTEFACT, UNSURE, check_new_type

TYPES = ("a", "b")
TYPED = KINDS.index("typed")


@pytest.fixture
def blobs(rng):
    """Two groups of 40 cells far apart; the last ten of the second lie a little aside."""
    X = rng.normal(size=(80, 4)).astype(np.float32)
    X[40:] += 20
    X[70:, 0] += 12
    return X, np.repeat([0, 1], 40)


@pytest.fixture
def fitted(blobs, rng):
    X, clusters = blobs
    shares = rng.dirichlet([1, 1], size=(3, 80))
    weights = np.array([0.5, 0.3, 0.2])
    return VoteUpdater().fit(X, clusters, np.ones(80), shares, weights, TYPES), shares, weights


def same(first, second):
    for name in ("winner", "agreement", "confidence", "choices"):
        np.testing.assert_array_equal(getattr(first, name), getattr(second, name))


class TestContract:
    """scikit-learn's contract, with a ``fit`` of its own."""

    def test_parameters_are_stored_unchanged(self):
        updater = VoteUpdater(n_neighbors=3, prior_weight=1.0, noise=0.2)
        params = updater.get_params()
        assert clone(updater).get_params() == params
        assert VoteUpdater().set_params(**params).get_params() == params

    def test_fit_returns_itself_and_changes_no_parameters(self, blobs):
        X, clusters = blobs
        updater = VoteUpdater()
        params = updater.get_params()
        shares = np.full((1, 80, 2), 0.5)
        assert updater.fit(X, clusters, np.ones(80), shares, np.ones(1), TYPES) is updater
        assert updater.get_params() == params
        assert updater.n_features_in_ == 4
        assert {name for name in vars(updater) if not name.endswith("_")} == {*params}

    def test_what_is_not_fitted_says_so(self):
        with pytest.raises(NotFittedError):
            VoteUpdater().update(Annotations())

    def test_bad_input(self, blobs):
        X, clusters = blobs
        shares, ones = np.full((1, 80, 2), 0.5), np.ones(80)
        for arrays in (
            (X, clusters[1:], ones, shares),
            (X, clusters, ones[1:], shares),
            (X, clusters, ones, shares[:, 1:]),
        ):
            with pytest.raises(ValueError, match="one entry per row"):
                VoteUpdater().fit(*arrays, np.ones(1), TYPES)
        with pytest.raises(ValueError, match="NaN"):
            VoteUpdater().fit(np.full_like(X, np.nan), clusters, ones, shares, np.ones(1), TYPES)


def test_without_annotations_the_vote_is_the_ensembles(fitted):
    updater, shares, weights = fitted
    updated = updater.update(Annotations())
    same(updated.vote, weighted_vote(shares, weights))
    assert updated.cell_weights.tolist() == [[1, 0, 0, 0, 0]] * 80
    assert not updated.unknown.any()


def test_a_confirmed_cluster_names_its_cells(fitted):
    updated = fitted[0].update(Annotations(clusters=((0, "a"), (1, "b"))))
    assert (updated.vote.winner == np.repeat([0, 1], 40)).mean() > 0.95
    np.testing.assert_allclose(updated.cell_weights.sum(axis=1), 1)
    assert (updated.cell_weights[:, TYPED] == 0).all()


def test_a_kept_type_that_no_cluster_has_can_win(blobs):
    X, clusters = blobs
    shares = np.full((1, 80, 3), 0.02)
    shares[0, np.arange(80), clusters] = 0.96
    shares[0, 70:] = [0.05, 0.25, 0.7]  # among the cells called b lie some of the rare type c
    names = Annotations(clusters=((0, "a"), (1, "b")))

    def winner(annotations, kept=()):
        updater = VoteUpdater(prior_weight=1.0)
        updater.fit(X, clusters, np.ones(80), shares, np.ones(1), (*TYPES, "c"), kept)
        return updater.update(annotations).vote.winner[70:]

    assert (winner(names) == 1).all()
    assert (winner(names, ("c",)) == 2).all()
    assert (winner(names, ("b",)) == 1).all()  # a cluster is called so
    assert (winner(Annotations(clusters=((0, "c"), (1, "b"))), ("c",)) == 1).all()


def test_an_ensemble_that_sees_nothing_but_a_kept_type(blobs):
    X, clusters = blobs
    rng = np.random.default_rng(0)
    shares = np.zeros((7, 80, 3))
    shares[:, :, 2] = 1  # seven unequal weights sum to one and a rounding
    for _ in range(20):
        weights = rng.dirichlet(np.ones(7))
        updater = VoteUpdater().fit(
            X, clusters, np.ones(80), shares, weights, (*TYPES, "c"), ("c",)
        )
        updated = updater.update(Annotations(((0, "a"), (1, "b"))))
        assert (updated.probabilities >= 0).all()
        assert (updated.vote.winner == 2).all()


def test_typed_cells_outvote_a_wrong_match_where_they_are(fitted):
    wrong = ((0, "a"), (1, "a"))
    typed = tuple((cell, "b") for cell in range(40, 52))
    before = fitted[0].update(Annotations(wrong)).vote.winner
    after = fitted[0].update(Annotations(wrong, typed)).vote.winner
    assert (before[40:] == 0).mean() > 0.9
    assert (after[52:70] == 1).mean() > 0.9
    assert (after[:40] == 0).mean() > 0.9


def updater_of_clusters(seen, *, certain=0.9):
    """Updater on six clusters of ten cells, in which the ensemble predicts these types."""
    rng = np.random.default_rng(0)
    clusters = np.repeat(np.arange(6), 10)
    X = (10 * np.eye(6)[clusters] + rng.normal(size=(60, 6))).astype(np.float32)
    shares = np.where(np.eye(3)[np.array(seen)[clusters]] > 0, certain, (1 - certain) / 2)
    return VoteUpdater().fit(X, clusters, np.ones(60), shares[None], np.ones(1), ("a", "b", "c"))


def test_a_name_that_contradicts_the_votes_is_doubted_and_counts_for_less():
    updater = updater_of_clusters([0, 0, 1, 1, 2, 2])
    right = tuple(enumerate("aabbcc"))
    updated = updater.update(Annotations(right))
    assert updated.doubted_clusters == ()
    assert (updated.name_posteriors > 0.9).all()
    slip = updater.update(Annotations((*right[:5], (5, "a"))))
    assert slip.doubted_clusters == (5,)
    assert (slip.vote.winner[50:] == 2).all()
    # Cells typed alike settle it.
    typed = tuple((cell, "a") for cell in range(50, 57))
    typed_so = updater.update(Annotations((*right[:5], (5, "a")), typed))
    assert (typed_so.vote.winner[57:] == 0).all()
    assert typed_so.doubted_clusters == ()


def test_a_name_is_not_doubted_where_the_ensemble_errs_alike_or_cannot_know():
    # It takes both clusters of c for b: so these votes are what c looks like to it.
    updated = updater_of_clusters([0, 0, 1, 1, 1, 1], certain=0.7).update(
        Annotations(tuple(enumerate("aabbcc")))
    )
    assert updated.doubted_clusters == ()
    unknown = updater_of_clusters([0, 0, 1, 1, 2, 2]).update(Annotations(((0, "a"), (1, "z"))))
    assert unknown.name_posteriors.tolist()[1:] == [1] * 5


def test_one_type_alone_is_not_doubted():
    updater = VoteUpdater().fit(
        np.eye(6, dtype=np.float32), np.zeros(6, dtype=int), np.ones(6), np.ones((1, 6, 1)),
        np.ones(1), ("a",),
    )  # fmt: skip
    assert updater.update(Annotations(((0, "a"),))).name_posteriors.tolist() == [1]


def test_the_discriminant_finds_where_the_types_part_in_the_query():
    # Two types side by side; the ensemble errs in one of four cells, and the cluster between them
    # is not confirmed.
    rng = np.random.default_rng(0)
    truth = np.repeat([0, 1], 300)
    X = rng.normal(size=(600, 5)).astype(np.float32)
    X[:, 0] += 4 * truth
    guess = np.where(rng.random(600) < 0.25, 1 - truth, truth)
    shares = np.full((1, 600, 2), 0.02)
    shares[0, np.arange(600), guess] = 0.98
    clusters = np.digitize(X[:, 0], [1, 3])
    updater = VoteUpdater().fit(X, clusters, np.ones(600), shares, np.ones(1), TYPES)

    updated = updater.update(Annotations(((0, "a"), (2, "b"))))
    rows = dict(zip(["ensemble", *KINDS[1:]], updated.vote.choices, strict=True))
    between = clusters == 1
    right = {kind: (row == truth)[between].mean() for kind, row in rows.items()}
    assert right["discriminant"] > 0.9 > max(right["ensemble"], right["neighbours"])

    # It has weight where neighbours were confirmed, and never predicts a type without cells.
    annotations = Annotations(((0, "a"),), ((599, "rare"),))
    updated = updater.update(annotations)
    unconfirmed = (clusters[updater.neighbors_] > 0).all(axis=1)
    assert (updated.cell_weights[unconfirmed, KINDS.index("discriminant")] == 0).all()
    assert (updated.cell_weights[~unconfirmed, KINDS.index("discriminant")] > 0).any()
    assert (updated.vote.choices[-2] < len(TYPES)).all()
    assert np.isfinite(updated.probabilities).all()


@pytest.mark.parametrize("n", [2, 3])
def test_a_handful_of_equal_cells(n):
    shares = np.full((1, n, 8), 1 / 8)
    X = np.ones((n, 3), dtype=np.float32)
    updater = VoteUpdater().fit(X, np.zeros(n, int), np.ones(n), shares, np.ones(1), [*"abcdefgh"])
    updated = updater.update(Annotations(((0, "c"),)))
    assert (updated.vote.winner == 2).all()
    assert np.isfinite(updated.probabilities).all()


def test_a_cells_own_answer_has_no_part_in_its_vote(fitted):
    annotations = ((0, "a"), (1, "b")), ((3, "a"), (45, "b"), (50, "a"), (72, "b"))
    updated = fitted[0].update(Annotations(*annotations))
    for left in range(4):
        cell = annotations[1][left][0]
        others = tuple(one for one in annotations[1] if one[0] != cell)
        # As if the other three were as many as they are with it.
        updater = copy.copy(fitted[0]).set_params(noise=0.1 * (1 + 20 / 4) / (1 + 20 / 3))
        without = updater.update(Annotations(annotations[0], others))
        assert updated.vote.winner[cell] == without.vote.winner[cell]
        assert updated.vote.agreement[cell] == pytest.approx(without.vote.agreement[cell])
        np.testing.assert_allclose(updated.probabilities[cell], without.probabilities[cell])


@pytest.mark.parametrize("said", ["a", "z"])
def test_the_answer_on_a_cell_does_not_change_its_own_vote(fitted, said):
    others = ((0, "a"), (1, "b")), ((3, "a"), (45, "b"), (50, "z"))
    found = [
        fitted[0].update(Annotations(others[0], tuple(sorted((*others[1], (72, word))))))
        for word in ("b", said)
    ]
    np.testing.assert_allclose(found[0].probabilities[72], found[1].probabilities[72])


def test_few_answers_have_less_effect_than_many(fitted):
    near = [  # the twenty more are of the other group, too far to have weight here
        fitted[0]
        .update(Annotations((), tuple((cell, "b") for cell in cells)))
        .cell_weights[41, TYPED]
        for cells in ([40], [40, *range(20)])
    ]
    assert near[0] < near[1] < 1


def test_the_vote_is_a_function_of_the_annotations(fitted):
    annotations = Annotations(((0, "a"),), ((45, "b"),))
    first = fitted[0].update(annotations)
    fitted[0].update(Annotations(((0, "b"),), ((45, "a"), (46, "a"))))
    same(first.vote, fitted[0].update(annotations).vote)


def test_a_new_type_is_predicted_from_then_on(fitted):
    updated = fitted[0].update(Annotations(((0, "a"),), tuple((c, "z") for c in range(40, 50))))
    assert updated.types == ("a", "b", "z")
    assert (updated.vote.winner[50:70] == 2).mean() > 0.7
    assert (updated.vote.winner[:40] == 0).mean() > 0.9


def test_the_weight_of_typed_cells_grows_near_them(fitted, blobs):
    updated = fitted[0].update(Annotations((), ((40, "b"),)))
    X = blobs[0]
    order = np.argsort(np.linalg.norm(X - X[40], axis=1))[1:]
    near, beside, far = (
        updated.cell_weights[order[at], TYPED].mean() for at in (range(8), range(16, 24), [-1])
    )
    assert near > beside > far
    assert updated.cell_weights[order[-1], TYPED] < 1e-6


def match(cluster, name, *, confirmed=True):
    return Match(cluster, 5, name, 1.0, "", 0.0, "", "", confirmed, "Ann" if confirmed else "")


def review_of(cell, answer, reader="Ann"):
    return Review(cell, answer, reader, "2026-01-01T00:00:00+00:00", blind=False)


def test_annotations_are_the_answers_that_stand():
    cells = ["c0", "c1", "c2", "c3", "c4"]
    reviews = [
        review_of("c0", "a"),
        review_of("c1", "a"),
        review_of("c1", "b", "Bob"),  # disputed
        review_of("c2", UNSURE),
        review_of("c3", ARTEFACT),
        review_of("c4", "a"),
        review_of("c4", "none"),
        review_of("elsewhere", "a"),
    ]
    matches = [match(0, "a"), match(1, "none"), match(2, "b", confirmed=False), match(3, "new")]
    annotations = annotations_of(matches, cells, reviews)
    assert annotations == Annotations(((0, "a"), (3, "new")), ((0, "a"),))
    assert not annotations_of([match(0, "a", confirmed=False)], cells, [])


@pytest.mark.parametrize("name", ["", "  ", "--", "none", "Unsure", "x" * 61, "a\nb", "a\x00b"])
def test_names_that_cannot_stand(name):
    with pytest.raises(DataError):
        check_new_type(name)


def test_names_that_can_stand():
    assert check_new_type("  plasma cell (κ) ") == "plasma cell (κ)"


def test_too_few_answers_give_no_calibration(fitted):
    updated = fitted[0].update(Annotations((), ((3, "a"), (45, "b"))))
    missing = calibrate(updated)
    assert isinstance(missing, NotYet)
    assert missing.missing == CALIBRATED_FROM - 2
    assert str(missing) == "Not yet: 28 more cells must be typed."
    sets = prediction_sets(updated, [3, 45], coverage=0.8)
    assert sets.holds.all()
    assert sets.missing["a"] == NotYet(3, "a", blind=True)


def claimed(confidence, right):
    """Make a vote of this confidence, right where told, on cells that are all typed."""
    n = len(confidence)
    vote = Vote(
        np.zeros(n, dtype=np.int64),
        confidence,
        confidence,
        np.zeros((1, n), dtype=np.int64),
        confidence,
    )
    shares = np.column_stack([confidence, 1 - confidence])
    annotations = Annotations((), tuple((c, "a" if r else "b") for c, r in enumerate(right)))
    return UpdatedVote(
        annotations,
        TYPES,
        vote,
        vote,
        shares,
        np.ones(1),
        np.ones((5, n)),
        np.ones(n),
        2.0,
        np.ones(1),
    )


def test_calibration_corrects_underconfidence(rng):
    confidence = rng.uniform(0.5, 0.9, 400)
    truly = np.clip(confidence + 0.1, 0, 1)
    found = calibrate(claimed(confidence, rng.random(400) < truly))
    assert np.abs(found.confidence - truly).mean() < 0.03
    assert np.abs(found.typed - truly).mean() < 0.03
    assert found.slope > 0


def test_wrong_answers_do_not_lower_high_confidence(rng):
    confidence = rng.uniform(0.5, 0.99, 1200)
    right = rng.random(1200) < confidence
    found = calibrate(claimed(confidence, right ^ (rng.random(1200) < 0.05)))
    assert np.abs(found.confidence - confidence).mean() < 0.015
    sure = confidence > 0.95
    assert found.confidence[sure].mean() == pytest.approx(confidence[sure].mean(), abs=0.01)


def test_the_calibration_curve_is_the_likeliest(rng):
    confidence, agrees = rng.uniform(0.02, 0.98, 30), rng.random(30) < 0.7
    found = calibrate(claimed(confidence, agrees))
    odds = np.log(confidence / (1 - confidence))

    def unlikely(curve):
        agreement = 0.05 + 0.9 / (1 + np.exp(-curve[0] * odds - curve[1]))  # of two types
        said = np.log(np.where(agrees, agreement, 1 - agreement)).sum()
        return ((curve - np.array(PRIOR_CURVE)) ** 2).sum() / 2 / PRIOR_VARIANCE - said

    best = minimize(unlikely, PRIOR_CURVE, tol=1e-12)
    np.testing.assert_allclose([found.slope, found.intercept], best.x, atol=1e-4)
    np.testing.assert_array_equal(found.right, agrees)


def test_each_typed_cell_is_calibrated_by_the_others(rng):
    confidence, right = rng.uniform(0.4, 0.95, 40), rng.random(40) < 0.8
    found = calibrate(claimed(confidence, right))
    turned = right.copy()
    turned[7] = not turned[7]
    assert calibrate(claimed(confidence, turned)).typed[7] == pytest.approx(found.typed[7])


def test_sets_hold_the_right_type_as_often_as_chosen(rng):
    held = []
    for _ in range(60):
        confidence = rng.uniform(0, 1, 120)
        updated = claimed(confidence, rng.random(120) < confidence)
        truth = (rng.random(120) >= confidence).astype(int)  # of 120 new cells, likewise
        sets = prediction_sets(updated, range(120), coverage=0.8)
        held.append([sets.holds[truth == t, t].mean() for t in (0, 1)])
    assert (np.mean(held, axis=0) > 0.78).all()
    assert (np.mean(held, axis=0) < 0.86).all()


def test_a_set_names_only_types_that_something_is_known_of():
    confidence = np.array([0.9, 0.9, 0.9, 0.9, 0.9, 0.2])
    updated = claimed(confidence, np.array([True] * 5 + [False]))
    sets = prediction_sets(updated, range(6), coverage=0.8)
    assert set(sets.missing) == {"b"}
    assert sets.of(0, TYPES) == ["a"]
    assert sets.of(5, TYPES) == []
    assert sets.holds[5].tolist() == [False, True]


def test_cells_far_from_all_annotated_ones_are_unknown(fitted, blobs):
    X, clusters = blobs
    X = np.vstack([X, np.full((1, 4), -60)]).astype(np.float32)
    shares = np.full((1, 81, 2), 0.5)
    updater = VoteUpdater().fit(
        X, np.append(clusters, 0), np.append(np.ones(80), 0.0), shares, np.ones(1), TYPES
    )
    updated = updater.update(Annotations(((0, "a"), (1, "b"))))
    assert updated.unknown[80]
    assert updated.unknown.sum() <= 1 + np.ceil((1 - updater.unknown_quantile) * 81)
    assert updated.distance[80] > updated.unknown_above > np.median(updated.distance)
