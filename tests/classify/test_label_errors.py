import numpy as np
import pytest

from celltransfer_core.classify import doubt, far_out, out_of_sample


@pytest.fixture
def blobs(rng):
    """Three types of 20 cells each, well apart."""
    types = np.repeat([0, 1, 2], 20)
    centres = np.array([[6.0, 0, 0], [0, 6.0, 0], [0, 0, 6.0]])
    return (centres[types] + rng.normal(size=(60, 3))).astype(np.float32), types


def test_wrong_labels_are_doubted_most(blobs):
    X, types = blobs
    given = types.copy()
    given[[3, 25, 50]] = [1, 2, 0]
    probabilities = out_of_sample([X], given)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1)
    doubts = doubt(probabilities, given)
    assert {*np.argsort(-doubts)[:3].tolist()} == {3, 25, 50}
    assert (doubts > 0.5).sum() == 3
    assert probabilities.argmax(axis=1)[[3, 25, 50]].tolist() == [0, 1, 2]


def test_the_same_seed_gives_the_same_bytes(blobs):
    X, types = blobs
    once, again = (out_of_sample([X, X[:, :2]], types, seed=4) for _ in range(2))
    assert once.tobytes() == again.tobytes()
    assert once.tobytes() != out_of_sample([X, X[:, :2]], types, seed=5).tobytes()


def test_a_slide_does_not_vouch_for_itself(rng):
    types = np.repeat([0, 1], 30)
    X = np.where(types[:, None] == 0, 3.0, -3.0) * np.array([1.0, 0.0])
    X += rng.normal(size=X.shape)
    given, odd = types.copy(), np.arange(6)
    given[odd] = 1  # a whole slide, of another stain besides
    X[odd, 1] += 12
    slides = np.where(np.arange(60) < 6, 0, 1 + np.arange(60) % 5)
    views = [X.astype(np.float32)]
    assert (doubt(out_of_sample(views, given), given)[odd] < 0.5).all()
    assert (doubt(out_of_sample(views, given, slides), given)[odd] > 0.5).all()


def test_types_of_one_slide_each_are_judged_all_the_same(blobs):
    X, types = blobs
    given = types.copy()
    given[3] = 1
    doubts = doubt(out_of_sample([X], given, types), given)  # one slide a type
    assert np.flatnonzero(doubts > 0.5).tolist() == [3]


def test_nothing_is_said_of_the_only_cell_of_its_type(blobs):
    X, types = blobs
    given = types.copy()
    given[7] = 3
    probabilities = out_of_sample([X], given)
    assert probabilities[7].tolist() == [0, 0, 0, 1]
    assert (doubt(probabilities, given)[np.arange(60) != 7] < 0.5).all()


def test_only_cells_far_from_all_others_are_far_out(rng):
    distances = np.exp(rng.normal(scale=0.2, size=400))
    types = np.arange(400) % 2
    assert not far_out(distances, types).any()
    distances[[5, 6]] = 20
    assert np.flatnonzero(far_out(distances, types)).tolist() == [5, 6]
    assert not far_out(np.zeros(4), np.zeros(4, dtype=int)).any()  # copies of one image
