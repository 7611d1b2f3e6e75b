import numpy as np
import pytest

from celltransfer_core.pipeline import likeness


def test_likeness_is_the_cosine_of_rows(rng):
    features = rng.normal(size=(50, 8)).astype(np.float32)
    unit = features / np.linalg.norm(features, axis=1, keepdims=True)
    found = likeness(features, 7)
    np.testing.assert_allclose(found, unit @ unit[7], atol=1e-6)
    assert found.argmax() == 7
    assert np.abs(found).max() <= 1


def test_length_does_not_count_and_a_row_without_direction_is_like_none():
    features = np.float32([[1, 0], [5, 0], [0, 0], [-2, 0], [3, 3]])
    found = likeness(features, 0)
    np.testing.assert_allclose(found, [1, 1, 0, -1, 0.5**0.5], atol=1e-6)
    assert likeness(features, 2).tolist() == [0, 0, 1, 0, 0]


def test_there_must_be_such_a_cell():
    with pytest.raises(IndexError):
        likeness(np.zeros((3, 2), np.float32), 3)
