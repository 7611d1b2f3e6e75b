import numpy as np

from celltransfer_core.pipeline import apportion, draw_reference, split_query


def test_draws_follow_proportions(rng):
    types = np.repeat([0, 1, 2], [50, 30, 4])
    drawn = draw_reference(types, 40, rng, np.array([0.5, 0.3, 0.2]))
    assert np.bincount(types[drawn]).tolist() == [20, 12, 8]
    assert len(np.unique(drawn[types[drawn] == 0])) == 20
    assert np.bincount(drawn)[types[: len(np.bincount(drawn))] == 2].tolist() == [2, 2, 2, 2]
    plain = draw_reference(types, 40, rng)
    assert len(np.unique(plain)) == 40


def test_apportion_sums_to_the_size():
    assert apportion(10, np.array([0.55, 0.25, 0.2])).tolist() == [6, 2, 2]
    assert apportion(7, np.full(3, 1 / 3)).sum() == 7


def test_every_query_cell_is_in_one_part(rng):
    parts = split_query(4501, 2000, rng)
    assert [len(part) for part in parts] == [1501, 1500, 1500]
    np.testing.assert_array_equal(np.sort(np.concatenate(parts)), np.arange(4501))
    np.testing.assert_array_equal(split_query(5, 2000, rng)[0], np.arange(5))
