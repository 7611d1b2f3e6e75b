import numpy as np
import pytest
from sklearn.utils.estimator_checks import parametrize_with_checks

from celltransfer_core.neighbors import (
    RECALL,
    EntropyWeightedKNN,
    NearestIndex,
    euclidean_distances,
    nearest,
    nearest_others,
    normalized_entropy,
    search,
    vote_shares,
)

ALIKE = np.ones(2)


@parametrize_with_checks([EntropyWeightedKNN()])
def test_sklearn_contract(estimator, check):
    check(estimator)


def test_nearest_is_exact(rng):
    X = rng.normal(size=(20, 5)).astype(np.float32)
    gallery = rng.normal(size=(50, 5)).astype(np.float32)
    found, indices = nearest(X, gallery, 7)
    full = np.linalg.norm(X[:, None] - gallery[None], axis=2)
    np.testing.assert_array_equal(indices, np.argsort(full, axis=1)[:, :7])
    np.testing.assert_allclose(found, np.sort(full, axis=1)[:, :7], rtol=1e-4)


@pytest.fixture
def large(monkeypatch):
    monkeypatch.setattr(search, "EXACT", 1000)


def groups(rng, n):
    return (rng.normal(size=(20, 12))[rng.integers(20, size=n)] * 3 + rng.normal(size=(n, 12))) * 2


def test_a_large_gallery_is_searched_in_part_with_its_recall_measured(large, rng):
    gallery, X = groups(rng, 4000).astype(np.float32), groups(rng, 1000).astype(np.float32)
    index = NearestIndex(gallery)
    distances, indices = index.search(X, 10)
    assert index.cells == round(4 * 4000**0.5)
    assert index._file.nprobe < index.cells / 2  # in part
    full = np.linalg.norm(X[:, None] - gallery[None], axis=2)
    true = np.argsort(full, axis=1)[:, :10]
    recall = np.mean([len(set(a) & set(b)) / 10 for a, b in zip(indices, true, strict=True)])
    assert RECALL <= index.recall <= 1
    assert recall == pytest.approx(index.recall, abs=0.02)
    np.testing.assert_allclose(
        distances, np.take_along_axis(full, indices, axis=1), rtol=1e-3, atol=1e-3
    )
    again = NearestIndex(gallery).search(X, 10)
    np.testing.assert_array_equal(again[1], indices)
    knn = EntropyWeightedKNN().fit(gallery, np.arange(4000) % 3)
    assert knn.predict_proba(X).shape == (1000, 3)
    assert knn.index_.recall >= RECALL


@pytest.mark.parametrize("k", [1, 7, 90])
def test_copies_are_found_in_order_and_searched_once(k, rng):
    few = rng.normal(size=(20, 6)).astype(np.float32)
    few[5, 0] = few[3, 0]  # equal in the number that is compared first
    gallery = few[rng.integers(0, 20, 90)]
    X = np.concatenate([few, rng.normal(size=(30, 6)).astype(np.float32)])
    index = NearestIndex(gallery)
    assert len(index.gallery) < 30
    found, indices = index.search(X, k)
    full = np.linalg.norm(X[:, None] - gallery[None], axis=2)
    np.testing.assert_allclose(found, np.sort(full, axis=1)[:, :k], atol=1e-3)
    np.testing.assert_allclose(np.take_along_axis(full, indices, axis=1), found, atol=1e-3)
    assert all(len(set(row)) == k for row in indices.tolist())
    first = [next(i for i, row in enumerate(gallery) if (row == one).all()) for one in X[:3]]
    np.testing.assert_array_equal(indices[:3, 0], first)


def test_where_parts_do_not_do_the_search_is_exact(large, rng, monkeypatch):
    monkeypatch.setattr(search, "RECALL", 1.1)  # out of reach
    gallery, X = groups(rng, 2000).astype(np.float32), groups(rng, 50).astype(np.float32)
    index = NearestIndex(gallery)
    full = np.linalg.norm(X[:, None] - gallery[None], axis=2)
    np.testing.assert_array_equal(index.search(X, 5)[1], np.argsort(full, axis=1)[:, :5])
    assert index.recall == 1


def test_rows_of_few_neighbours_in_reach_are_searched_exactly(large, rng):
    gallery = groups(rng, 2000).astype(np.float32)
    gallery[:3] += 1000  # a cell of the file with three rows
    X = np.concatenate([groups(rng, 3000).astype(np.float32), gallery[:1]])
    distances, indices = NearestIndex(gallery).search(X, 10)
    assert (indices >= 0).all()
    assert np.isfinite(distances).all()
    assert set(indices[-1][:3]) == {0, 1, 2}


def test_normalized_entropy_bounds():
    values = normalized_entropy(np.array([[1.0, 0, 0], [1 / 3, 1 / 3, 1 / 3], [0.5, 0.5, 0]]))
    np.testing.assert_allclose(values, [0, 1, np.log(2) / np.log(3)])


def test_k_is_chosen_where_the_vote_is_clearest():
    # The two nearest agree; the four farther ones are of the other class and would win at k=6.
    distances = np.array([[0.1, 0.2, 1.0, 1.0, 1.0, 1.0]], dtype=np.float32)
    labels = np.array([[0, 0, 1, 1, 1, 1]])
    np.testing.assert_allclose(vote_shares(distances, labels, 2, [2, 6], ALIKE), [[1.0, 0.0]])
    mixed = vote_shares(distances, labels, 2, [6], ALIKE)
    near, far = np.exp(-0.01) + np.exp(-0.04), 4 * np.exp(-1)
    np.testing.assert_allclose(mixed, [[near / (near + far), far / (near + far)]], rtol=1e-6)


def test_a_neighbour_at_distance_zero_does_not_decide_alone():
    distances = np.array([[0.0, 0.5, 0.5, 0.5, 0.5]], dtype=np.float32)
    shares = vote_shares(distances, np.array([[0, 1, 1, 1, 1]]), 2, [5], ALIKE)
    assert shares[0, 1] > shares[0, 0]


def test_a_rare_class_weighs_as_much_as_a_common_one_when_balanced():
    # Nine of one class lie around a single one of the other, which is as near as they are.
    X = np.array([[np.cos(t), np.sin(t)] for t in np.arange(10) * np.pi / 5])
    y = np.array(["rare"] + ["usual"] * 9)
    shares = EntropyWeightedKNN((10,), class_weight="balanced").fit(X, y).predict_proba([[0, 0]])
    np.testing.assert_allclose(shares, [[0.5, 0.5]], atol=1e-6)
    shares = EntropyWeightedKNN((10,)).fit(X, y).predict_proba([[0, 0]])
    np.testing.assert_allclose(shares, [[0.1, 0.9]], atol=1e-6)
    shares = EntropyWeightedKNN((9,), class_weight="balanced").fit(X, y).leave_one_out_proba()
    assert shares[0, 1] == 1  # its own class is left out


def test_all_neighbours_at_distance_zero_count_alike():
    shares = vote_shares(np.zeros((1, 4), np.float32), np.array([[0, 1, 1, 1]]), 2, [4], ALIKE)
    np.testing.assert_allclose(shares, [[0.25, 0.75]])


def test_leave_one_out_never_counts_the_cell_itself(rng):
    X = np.repeat(rng.normal(size=(30, 3)), 2, axis=0).astype(np.float32)  # every row twice
    y = np.tile([0, 1], 30)  # its twin is always of the other class
    probabilities = EntropyWeightedKNN(n_neighbors_grid=(1,)).fit(X, y).leave_one_out_proba()
    np.testing.assert_array_equal(probabilities.argmax(axis=1), 1 - y)


def test_leave_one_out_needs_two():
    with pytest.raises(ValueError, match="two cells"):
        EntropyWeightedKNN().fit([[1.0]], ["a"]).leave_one_out_proba()


def test_distances_of_rows_that_are_nearly_equal(rng):
    Xs = (100 + rng.normal(size=(40, 30))).astype(np.float32)
    Xt = np.concatenate([Xs[:10], Xs[10:20] + np.float32(1e-4), rng.normal(size=(15, 30))])
    Xt = Xt.astype(np.float32)
    true = np.linalg.norm(Xs[:, None].astype(np.float64) - Xt[None], axis=2)
    found = euclidean_distances(Xs, Xt)
    np.testing.assert_allclose(found, true, rtol=0, atol=2e-6 * true.max())
    assert (found[np.arange(10), np.arange(10)] == 0).all()


def test_nearest_others_leave_the_row_itself_out(rng):
    X = (1000 + rng.normal(size=(60, 5))).astype(np.float32)
    X[40:44] = X[40]  # more alike than neighbours are asked for
    lengths, indices = nearest_others(X, 3)
    assert not (indices == np.arange(60)[:, None]).any()
    np.testing.assert_array_equal(lengths[40:44], 0)
    full = np.linalg.norm(X[:, None].astype(np.float64) - X[None], axis=2)
    np.fill_diagonal(full, np.inf)
    np.testing.assert_allclose(lengths, np.sort(full, axis=1)[:, :3], rtol=1e-5)
