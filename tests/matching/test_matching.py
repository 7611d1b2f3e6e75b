import numpy as np
import pytest

from celltransfer_core.matching import (
    MOST_ALIKE,
    ClusterPlane,
    Confirmation,
    combine_encoders,
    match_clusters,
    match_score,
    mean_cosine,
    most_alike,
    refine,
    select_encoders,
    shared_types,
    signal_to_noise,
    similarity,
    squashed_scores,
    tsne_plane,
    type_weights,
)

TYPES = ("a", "b", "c")


def all_cosines(Xt, Xs):
    unit = [X / np.linalg.norm(X, axis=1, keepdims=True) for X in (Xt, Xs)]
    return unit[0] @ unit[1].T


@pytest.fixture
def sets(rng):
    Xt = (rng.normal(size=(30, 6)) + 2).astype(np.float32)
    Xs = (rng.normal(size=(40, 6)) + 2).astype(np.float32)
    return Xt, np.arange(30) % 4, Xs, np.arange(40) % 3


def test_mean_cosine_is_the_mean_over_all_pairs(sets):
    Xt, clusters, Xs, types = sets
    pairs = all_cosines(Xt, Xs)
    expected = [
        [pairs[np.ix_(clusters == c, types == t)].mean() for t in range(3)] for c in range(4)
    ]
    np.testing.assert_allclose(mean_cosine(Xt, clusters, Xs, types, (4, 3)), expected, rtol=1e-5)


def test_signal_to_noise_follows_eq_19(sets):
    Xt, clusters, Xs, _ = sets
    pairs = all_cosines(Xt, Xs)
    rows = [pairs[clusters == c] for c in range(4)]
    expected = np.mean([row.std() / row.mean() for row in rows])
    assert signal_to_noise(Xt, clusters, Xs) == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize(
    ("snr", "kept"),
    [
        ([0.2, 0.06, 0.01], [True, True, False]),
        ([0.2, 0.033, 0.01], [True, True, False]),  # 5 % leaves one: lowered to 3 %
        ([0.004, 0.001, 0.002], [True, True, True]),  # lowered to nothing
        ([0.001], [True]),
    ],
)
def test_encoders_without_signal_are_dropped_but_two_stay(snr, kept):
    np.testing.assert_array_equal(select_encoders(np.array(snr)), kept)


def test_squashed_scores_follow_eq_20():
    cosine = np.array([[0.1, 0.2, 0.6], [0.5, 0.5, 0.5]])
    z = (cosine[0] - cosine[0].mean()) / cosine[0].std()
    scores = squashed_scores(cosine, axis=1)
    np.testing.assert_allclose(scores[0], np.tanh(3 * (z - 0.5)))
    np.testing.assert_allclose(scores[1], np.tanh(-1.5))
    np.testing.assert_allclose(squashed_scores(cosine.T, axis=0), scores.T)


def test_match_score_follows_eq_23():
    assert match_score(np.array(1.0), np.array(1.0)) == 1
    assert match_score(np.array(0.0), np.array(0.0)) == pytest.approx(0)
    assert match_score(np.array(-1.0), np.array(-1.0)) == pytest.approx(1 - 10 / 3)
    expected = 1 - (1 + 2 * 0.2) * np.hypot(0.2, 0.5) / (3 * np.sqrt(2))
    assert match_score(np.array(0.8), np.array(0.5)) == pytest.approx(expected)


def test_combination_by_hand():
    first = np.array([[0.9, 0.1, 0.2], [0.3, 0.8, 0.1]])
    second = np.array([[0.7, 0.2, 0.1], [0.9, 0.2, 0.1]])
    third = np.zeros((2, 3))  # not kept, so it must not count
    score = combine_encoders(
        np.stack([first, second, third]),
        np.array([0.2, 0.2, 0.0]),
        np.array([True, True, False]),
        ("x", "y", "z"),
        TYPES,
    )
    np.testing.assert_array_equal(score.count_row, [[2, 0, 0], [1, 1, 0]])
    np.testing.assert_array_equal(score.count_col, [[1, 1, 2], [1, 1, 0]])
    mean_row = (squashed_scores(first, 1) + squashed_scores(second, 1)) / 2
    mean_col = (squashed_scores(first, 0) + squashed_scores(second, 0)) / 2
    np.testing.assert_allclose(score.score_row, (mean_row + score.count_row - 1) / 2)
    np.testing.assert_allclose(score.score_col, (mean_col + score.count_col - 1) / 2)
    np.testing.assert_allclose(score.p, match_score(score.score_row, score.score_col))
    np.testing.assert_array_equal(score.vectors, np.hstack([score.score_row, score.score_col]))
    assert np.abs(score.vectors).max() <= 1


def typed_sets(rng, shift=3.0):
    """Two encoders that see three types; the query holds types 0 and 2 and lies elsewhere."""
    centres = 4 * np.eye(3, 8)
    types = np.repeat([0, 1, 2], 30)
    clusters = np.repeat([0, 1], 25)
    query, reference = {}, {}
    for name in ("x", "y"):
        reference[name] = (centres[types] + rng.normal(size=(90, 8))).astype(np.float32)
        truth = np.array([0, 2])[clusters]
        query[name] = (centres[truth] + rng.normal(size=(50, 8)) + shift).astype(np.float32)
    return query, clusters, reference, types


def test_clusters_find_their_types(rng):
    score = similarity(*typed_sets(rng), TYPES, centred=True)
    assert [TYPES[best] for best in score.p.argmax(axis=1)] == ["a", "c"]
    assert score.cosine.shape == (2, 2, 3)


def score_from(p):
    """A Similarity with given match scores and nothing else of interest."""
    p = np.array(p)
    blank = np.zeros_like(p)
    score = combine_encoders(blank[None], np.ones(1), np.ones(1, bool), ("x",), TYPES)
    object.__setattr__(score, "p", p)
    return score


def test_a_confirmation_replaces_the_best_score():
    score = score_from([[0.9, 0.2, -0.1], [0.1, 0.3, -2.0], [-0.5, -0.2, -0.9]])
    confirmations = [Confirmation(1, "c", "me"), Confirmation(2, "none")]
    matches = match_clusters(score, np.array([5, 3, 2]), confirmations=confirmations)
    assert [m.matched_type for m in matches] == ["a", "c", "none"]
    assert [m.score for m in matches] == [0.9, 0.0, 0.0]
    assert [m.runner_up for m in matches] == ["b", "b", "b"]
    assert [m.confirmed for m in matches] == [False, True, True]
    assert [m.cells for m in matches] == [5, 3, 2]
    assert matches[1].by == "me"


def test_the_best_of_poor_scores_is_the_least_poor():
    (match,) = match_clusters(score_from([[-0.9, -0.2, -0.5]]), np.array([4]))
    assert (match.matched_type, match.runner_up, match.score) == ("b", "c", 0.0)


def test_filtering_keeps_all_types_rather_than_one():
    two = match_clusters(score_from([[0.9, 0, 0], [0, 0, 0.9]]), np.array([4, 4]))
    assert shared_types(two, TYPES) == ("a", "c")
    one = match_clusters(score_from([[0.9, 0, 0], [0.8, 0, 0]]), np.array([4, 4]))
    assert shared_types(one, TYPES) == TYPES


def test_a_type_is_kept_whatever_the_clusters_are_called():
    score = score_from([[0.9, 0, 0], [0, 0, 0.9]])
    two = match_clusters(score, np.array([4, 4]))
    assert shared_types(two, TYPES, ("b", "a")) == TYPES
    one = match_clusters(score, np.array([4, 4]), confirmations=[Confirmation(1, "a")])
    assert shared_types(one, TYPES, ("b",)) == TYPES  # one type and a kept one are not enough


def test_the_cells_most_like_a_type_are_its_own(rng):
    centres = np.eye(3, 8) * 6
    types = np.repeat([0, 1, 2], [600, 12, 3])
    Xs = (centres[types] + rng.normal(size=(615, 8))).astype(np.float32)
    truth = np.repeat([0, 2], [40, 3])
    Xt = (centres[truth] + rng.normal(size=(43, 8))).astype(np.float32)
    alike = most_alike(Xs, types, Xt, 3)
    assert alike.shape == (3, MOST_ALIKE)
    assert (truth[alike[0]] == 0).all()
    assert set(alike[2][:3].tolist()) == {40, 41, 42}
    assert most_alike(Xs, types, Xt[:2], 3).shape == (3, 2)
    # Nothing to tell apart: the order of the cells, and no division by zero.
    flat = np.zeros((43, 8), np.float32)
    assert most_alike(np.zeros_like(Xs), types, flat, 3)[1].tolist() == [*range(MOST_ALIKE)]


def test_weights_follow_cluster_sizes_by_trust():
    score = score_from([[0.5, 0, 0], [0, 0, 0.9], [0, 0.9, 0]])
    confirmations = [Confirmation(1, "c"), Confirmation(2, "none")]
    matches = match_clusters(score, np.array([10, 30, 99]), confirmations=confirmations)
    # 5 of the 10 proposed cells go to "a", 5 are spread; 30 confirmed ones to "c"; none: nothing.
    np.testing.assert_allclose(type_weights(matches, ("a", "c")), np.array([7.5, 32.5]) / 40)
    weights = type_weights(matches, TYPES, floor=0.2)
    assert weights.min() >= 0.15
    assert weights.sum() == pytest.approx(1)
    nothing = match_clusters(
        score, np.array([1, 1, 1]), confirmations=[Confirmation(c, "none") for c in range(3)]
    )
    np.testing.assert_allclose(type_weights(nothing, TYPES), 1 / 3)


def test_neighbours_in_the_plane_propose_a_type_with_a_reason():
    score = score_from([[0.6, 0.5, 0.0], [0.0, 0.9, 0.0]])
    plane = ClusterPlane(
        position=np.array([[0, 0], [9, 9], *([[0.1, k / 10] for k in range(5)]), [9, 9.1]]),
        set_name=("query", "query", *["other"] * 5, "reference"),
        cluster=np.array([0, 1, 0, 1, 2, 3, 4, 1]),
        type_name=("a", "b", *["b"] * 5, "b"),
        p=np.array([0.6, 0.9, *[0.8] * 5, 1.0]),
    )
    first, second = refine(plane, score)
    assert first.type_name == "b"
    assert first.reason.startswith("5 of the 5 nearest points")
    assert "other cluster 3" in first.reason
    assert (second.type_name, second.reason) == ("b", "")
    (match, _) = match_clusters(score, np.array([3, 3]), [first, second])
    assert (match.matched_type, match.tsne_type) == ("a", "b")  # proposed, not replaced


def test_tsne_groups_clusters_of_a_type_and_is_deterministic(rng):
    query, clusters, reference, types = typed_sets(rng)
    scores = {
        "query": similarity(query, clusters, reference, types, TYPES, centred=True),
        "reference": similarity(reference, types, reference, types, TYPES, centred=True),
        "more": similarity(*typed_sets(rng, shift=-2.0), TYPES, centred=True),
    }
    first, second = tsne_plane(scores, seed=3), tsne_plane(scores, seed=3)
    np.testing.assert_array_equal(first.position, second.position)
    assert first.position.shape == (7, 2)
    assert first.type_name[2:5] == TYPES  # the reference's points carry their own types
    assert set(first.set_name) == {"query", "reference", "more"}
